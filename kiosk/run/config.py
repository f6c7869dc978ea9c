"""The kiosk's own settings, from one TOML file that the workers read too (each its own section).

[kiosk]
name = "K01"                 # begins every session's name
lang = "zh"
state = "state"              # folder of the journal; relative paths start at this file's folder
flows = "flows"              # default: the flows that came with the kiosk
claimed = "grace"            # whose face is expected (a card reader says so in the field)
show_words = false           # true: what customers say is written to stdout (development only)
[bank]
profile = "demo"             # folder flows/banks/<profile>
url = "http://127.0.0.1:8080"
ca = "ca.pem"                # with https: the bank's CA, our certificate and key
cert = "kiosk.pem"
key = "kiosk.key"
[devices]
socket = "devices.sock"
pairing_key = "pairing.key"
terminal = "T0001"
[speech]                     # further keys: kiosk.run.speech
socket = "speech.sock"
[vision]                     # further keys: kiosk.run.vision
socket = "vision.sock"
[processes]                  # for a developer; systemd starts them in the field
speech = ["--config", "kiosk.toml", …]
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiosk import paths
from kiosk.run.processes import MODULES
from kiosk.values import LANGS, Lang, OperatorError

_KEYS = {
    "kiosk": {"name", "lang", "state", "flows", "claimed", "show_words"},
    "bank": {"profile", "url", "ca", "cert", "key"},
    "devices": {"socket", "pairing_key", "terminal", "config"},
}
_SECTIONS = (*_KEYS, "speech", "vision", "processes")


@dataclass(frozen=True)
class Config:
    """Everything that the core wants to know of its place."""

    file: Path
    name: str
    lang: Lang
    state: Path
    flows: Path
    claimed: str
    show_words: bool
    bank_profile: Path
    bank_url: str
    bank_tls: dict[str, Path]
    devices_socket: Path
    pairing_key: Path
    terminal: str
    speech_socket: Path
    vision_socket: Path
    #: worker → command line, started and restarted by `kiosk run`
    processes: dict[str, tuple[str, ...]]

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"


def read_config(file: Path) -> Config:
    """The settings in `file`.

    Raises:
        OperatorError: it cannot be read, is no TOML, has an unknown key, or lacks one.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(file), remedy="Name it with --config.") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise OperatorError(f"is no TOML: {e}", where=str(file), remedy="Mend that line.") from e
    _known(file, "section", data, _SECTIONS)
    for section, keys in _KEYS.items():
        _known(file, f"key in [{section}]", _table(file, data, section), keys)
    base = file.resolve().parent

    def text(section: str, key: str, default: str | None = None) -> str:
        value = _table(file, data, section).get(key, default)
        if not isinstance(value, str) or not value:
            raise OperatorError(
                f"[{section}] {key} is missing or no text", where=str(file), remedy=f'Write {key} = "…".'
            )
        return value

    lang = text("kiosk", "lang", "zh")
    if lang not in LANGS:
        raise OperatorError(f"[kiosk] lang is {lang!r}", where=str(file), remedy="Write zh or en.")
    flows = base / text("kiosk", "flows", str(paths.FLOWS))
    return Config(
        file=file,
        name=text("kiosk", "name", "K01"),
        lang="zh" if lang == "zh" else "en",
        state=base / text("kiosk", "state"),
        flows=flows,
        claimed=text("kiosk", "claimed"),
        show_words=_table(file, data, "kiosk").get("show_words") is True,
        bank_profile=flows / "banks" / text("bank", "profile"),
        bank_url=text("bank", "url"),
        bank_tls={k: base / text("bank", k) for k in ("ca", "cert", "key") if k in _table(file, data, "bank")},
        devices_socket=base / text("devices", "socket"),
        pairing_key=base / text("devices", "pairing_key"),
        terminal=text("devices", "terminal"),
        speech_socket=base / text("speech", "socket", "speech.sock"),
        vision_socket=base / text("vision", "socket", "vision.sock"),
        processes=_processes(file, _table(file, data, "processes")),
    )


def _table(file: Path, data: dict[str, Any], section: str) -> dict[str, Any]:
    value = data.get(section, {})
    if not isinstance(value, dict):
        raise OperatorError(f"[{section}] is no section", where=str(file), remedy=f"Write [{section}] on a line.")
    return value


def _processes(file: Path, table: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    _known(file, "key in [processes]", table, MODULES)
    for name, words in table.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            remedy = f'Write {name} = ["--config", "kiosk.toml"].'
            raise OperatorError(f"[processes] {name} is no list of texts", where=str(file), remedy=remedy)
    return {name: tuple(words) for name, words in table.items()}


def _known(file: Path, what: str, keys: Any, known: Any) -> None:
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            remedy = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(sorted(known))}."
            raise OperatorError(f"unknown {what}: `{key}`", where=str(file), remedy=remedy)
