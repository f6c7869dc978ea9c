"""The messages of the service: XFS4IoT's header and payload, one JSON object a line (XFS4IoT sheet, section 2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

VERSION = "2.0"
#: messages whose version is not 2.0
VERSIONS = {
    "Common.Status": "3.0",
    "Common.Capabilities": "3.0",
    "CashDispenser.Denominate": "3.0",
    "CashDispenser.Dispense": "3.0",
    "CashDispenser.GetPresentStatus": "3.0",
    "CashDispenser.IncompleteDispenseEvent": "3.0",
    "Printer.PrintRaw": "3.0",
    "Storage.GetStorage": "2.1",
}
#: bytes of one line
LONGEST = 2 * 1024 * 1024


class Refusal(Exception):
    """A command ends with this completionCode (and errorCode, for `commandErrorCode`) and has moved nothing."""

    def __init__(self, code: str, words: str, error_code: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.error_code = error_code


@dataclass(frozen=True)
class Completion:
    """How a command ended."""

    payload: dict[str, Any] = field(default_factory=dict)
    code: str = "success"
    words: str = ""


@dataclass(frozen=True)
class Command:
    name: str
    request_id: int
    payload: dict[str, Any]


def read_command(line: bytes) -> Command:
    """One line as a command.

    Raises:
        ValueError: with the acknowledge status (`invalidMessage`, `invalidRequestID`) as its text.
    """
    try:
        message = json.loads(line, parse_float=Decimal)
        header, payload = message["header"], message.get("payload") or {}
        name, number = header["name"], header["requestId"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("invalidMessage") from None
    if not isinstance(name, str) or header.get("type") != "command" or not isinstance(payload, dict):
        raise ValueError("invalidMessage")
    if type(number) is not int or number < 1:
        raise ValueError("invalidRequestID")
    return Command(name, number, payload)


def line(name: str, kind: str, request_id: int | None, payload: dict[str, Any] | None = None, **header: str) -> bytes:
    """The bytes of one message; empty header values are left out."""
    head: dict[str, Any] = {"name": name, "type": kind, "version": VERSIONS.get(name, VERSION)}
    if request_id is not None:
        head["requestId"] = request_id
    head |= {k: v for k, v in header.items() if v}
    message: dict[str, Any] = {"header": head}
    if payload is not None:
        message["payload"] = payload
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"
