"""The messages of the service: XFS4IoT's header and payload, one JSON object each (XFS4IoT sheet, section 2)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

VERSION = "2.0"
#: messages whose version is not 2.0 (section 3)
VERSIONS = {
    "Common.Status": "3.0",
    "Common.StatusChangedEvent": "3.0",
    "Common.Capabilities": "3.0",
    "CashDispenser.Denominate": "3.0",
    "CashDispenser.Dispense": "3.0",
    "CashDispenser.GetPresentStatus": "3.0",
    "CashDispenser.IncompleteDispenseEvent": "3.0",
    "Printer.PrintRaw": "3.0",
    "Storage.GetStorage": "2.1",
    "Storage.SetStorage": "2.1",
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
    """`version` is empty where the sender left it out; `timeout` in seconds, None = no limit."""

    name: str
    request_id: int
    payload: dict[str, Any]
    version: str = ""
    timeout: float | None = None


class Unacceptable(ValueError):
    """A message that gets an acknowledge with this `status` and no completion."""

    def __init__(self, status: str, name: str = "", request_id: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.name = name
        self.request_id = request_id


def read_command(line: bytes | str) -> Command:
    """One message as a command.

    Raises:
        Unacceptable: `invalidMessage` or `invalidRequestID`.
    """
    try:
        message = json.loads(line, parse_float=Decimal)
        header, payload = message["header"], message.get("payload") or {}
        name, number = header["name"], header["requestId"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unacceptable("invalidMessage") from None
    if not isinstance(name, str) or header.get("type") != "command" or not isinstance(payload, dict):
        raise Unacceptable("invalidMessage")
    if type(number) is not int or number < 1:
        raise Unacceptable("invalidRequestID", name)
    version, timeout = header.get("version") or "", header.get("timeout") or 0
    if not isinstance(version, str) or not re.fullmatch(r"(\d+\.\d+)?", version):
        raise Unacceptable("invalidMessage", name, number)
    if type(timeout) is not int or timeout < 0:
        raise Unacceptable("invalidMessage", name, number)
    return Command(name, number, payload, version, timeout / 1000 if timeout else None)


def line(name: str, kind: str, request_id: int | None, payload: dict[str, Any] | None = None, **header: str) -> bytes:
    """The bytes of one message; empty header values are left out. `version` overrides the message's own."""
    head: dict[str, Any] = {"name": name, "type": kind, "version": VERSIONS.get(name, VERSION)}
    if request_id is not None:
        head["requestId"] = request_id
    head |= {k: v for k, v in header.items() if v}
    message: dict[str, Any] = {"header": head}
    if payload is not None:
        message["payload"] = payload
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"
