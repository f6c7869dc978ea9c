"""Where things lie: the project's data folders, the user's weights, a running kiosk's files."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

#: the checkout (or the folder that the install script copied it to): holds `flows/` and `models/`
HOME = Path(os.environ.get("KIOSK_HOME", Path(__file__).resolve().parents[1]))
FLOWS = HOME / "flows"
MODELS_TOML = HOME / "models" / "models.toml"
#: fetched and built weights; never inside the checkout, so that a fresh clone finds them again
WEIGHTS = Path(os.environ.get("KIOSK_WEIGHTS", platformdirs.user_data_path("kiosk") / "models"))
#: what may be thrown away: rendered prompts, caches
CACHE = Path(os.environ.get("KIOSK_CACHE", platformdirs.user_cache_path("kiosk")))
