"""The service's configuration: one TOML file, checked whole before anything is opened."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.errors import OperatorError
from devices.protocol.lcdm_booking import UNITS
from devices.token import EXPONENTS

MODELS = ("LCDM-2000",)


@dataclass(frozen=True)
class DispenserConfig:
    """`values`: unit → minor units a note; `counts`: unit → notes at load, for a new journal only."""

    port: Path
    model: str
    currency: str
    values: dict[str, int]
    counts: dict[str, int]
    reply_timeout_s: float
    #: somebody vouches that nobody reaches the cable: the protocol itself authenticates nothing
    line_inside_safe: bool


@dataclass(frozen=True)
class Config:
    """Paths are absolute; relative ones in the file are relative to the file."""

    socket: Path
    journal: Path
    pairing_key: bytes
    terminal: str
    nonce_timeout_s: float
    dispenser: DispenserConfig
    printer_port: Path | None
    #: counts may be set by command (Storage.SetStorage), not only by `load`
    exchange: bool = False
    #: TCP port of the WebSocket endpoint on loopback; 0 = the first free one of the standard's; None = no endpoint
    websocket: int | None = None
    #: folder for wire tapes; None = nothing is recorded
    tapes: Path | None = None


def read(path: Path) -> Config:
    """Read and check a configuration.

    Raises:
        OperatorError: naming the file, the key and the remedy.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise OperatorError(f"cannot be read: {e.strerror}", where=str(path), remedy="Check the path") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise OperatorError(f"is not TOML: {e}", where=str(path), remedy="See devices/README.md for an example") from e
    base = path.resolve().parent
    service = _Table(path, "service", tables.pop("service", None))
    dispenser = _Table(path, "dispenser", tables.pop("dispenser", None))
    printer = _Table(path, "printer", tables.pop("printer")) if "printer" in tables else None
    websocket = _Table(path, "websocket", tables.pop("websocket")) if "websocket" in tables else None
    if tables:
        raise OperatorError(f"unknown table [{next(iter(tables))}]", where=str(path), remedy="Remove it")
    model, currency = dispenser.text("model"), dispenser.text("currency")
    if model not in MODELS:
        dispenser.wrong("model", f"is one of {', '.join(MODELS)}")
    if currency not in EXPONENTS:
        dispenser.wrong("currency", f"is one of {', '.join(EXPONENTS)}")
    units = {unit: _Table(path, f"dispenser.{unit}", dispenser.take(unit, dict)) for unit in UNITS}
    config = Config(
        socket=base / service.text("socket"),
        journal=base / service.text("journal"),
        pairing_key=_key(base / service.text("pairing_key")),
        terminal=service.text("terminal"),
        nonce_timeout_s=service.number("nonce_timeout_s", 300),
        dispenser=DispenserConfig(
            port=base / dispenser.text("port"),
            model=model,
            currency=currency,
            values={u: int(t.number("value") * 10 ** EXPONENTS[currency]) for u, t in units.items()},
            counts={u: int(t.number("count", zero=True)) for u, t in units.items()},
            reply_timeout_s=dispenser.number("reply_timeout_s", 60),
            line_inside_safe=dispenser.flag("line_inside_safe"),
        ),
        printer_port=base / printer.text("port") if printer else None,
        exchange=service.flag("exchange"),
        websocket=int(websocket.number("port", 0, zero=True)) if websocket else None,
        tapes=base / service.text("tapes") if "tapes" in service.values else None,
    )
    if service.flag("production") and not config.dispenser.line_inside_safe:
        raise OperatorError(
            f"an {model} obeys whoever holds its cable, which production does not allow",
            where=str(path),
            remedy="Run the line inside the safe, and say so with `line_inside_safe = true` under [dispenser]",
        )
    for table in (service, dispenser, *units.values(), *(t for t in (printer, websocket) if t)):
        table.nothing_left()
    return config


class _Table:
    def __init__(self, path: Path, name: str, values: Any) -> None:
        self.path, self.name = path, name
        if not isinstance(values, dict):
            raise OperatorError(f"table [{name}] is missing", where=str(path), remedy="See devices/README.md")
        self.values = dict(values)

    def wrong(self, key: str, what: str) -> None:
        raise OperatorError(f"[{self.name}] {key} {what}", where=str(self.path), remedy="See devices/README.md")

    def take(self, key: str, kind: type) -> Any:
        if key not in self.values:
            self.wrong(key, "is missing")
        value = self.values.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            self.wrong(key, f"must be a {kind.__name__}, not {value!r}")
        return value

    def text(self, key: str) -> str:
        text = str(self.take(key, str))
        if not text or not text.isprintable():
            self.wrong(key, "is empty")
        return text

    def number(self, key: str, default: float | None = None, *, zero: bool = False) -> float:
        if default is not None and key not in self.values:
            return default
        value = self.values.get(key)
        number = float(self.take(key, float if isinstance(value, float) else int))
        if number < 0 or (number == 0 and not zero):
            self.wrong(key, f"must be more than {'-1' if zero else '0'}, not {number:g}")
        return number

    def flag(self, key: str) -> bool:
        value = self.values.pop(key, False)
        if not isinstance(value, bool):
            self.wrong(key, f"must be true or false, not {value!r}")
        return bool(value)

    def nothing_left(self) -> None:
        if self.values:
            self.wrong(next(iter(self.values)), "is not known")


def _key(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise OperatorError("others may read the pairing key", where=str(path), remedy=f"chmod 600 {path}")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as e:
        raise OperatorError(
            f"the pairing key cannot be read: {e.strerror}",
            where=str(path),
            remedy="Make one with `openssl rand -hex 32`",
        ) from e
    except ValueError as e:
        raise OperatorError("the pairing key is not hex", where=str(path), remedy="Write 64 hex digits") from e
    if len(key) != 32:
        raise OperatorError(f"the pairing key has {len(key)} bytes", where=str(path), remedy="Write 64 hex digits")
    return key
