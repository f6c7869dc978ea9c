"""Where an engine finds its weights, and the refusal to load any that were not verified. (Filled in by the models work.)"""

from __future__ import annotations

from pathlib import Path

from kiosk.paths import WEIGHTS
from kiosk.values import OperatorError


def need(name: str) -> Path:
    """The folder that holds the verified files of model `name` (its built files are in the same folder).

    Raises:
        OperatorError: a file is missing, of another size or hash; the remedy is `kiosk models fetch`.
    """
    folder = WEIGHTS / name
    if not folder.is_dir():
        raise OperatorError(f"the weights of {name} are missing", where=str(folder), remedy=f"Run: kiosk models fetch {name}")
    return folder
