"""CashAcceptor on a CCNET bill validator, 9600 8N1 (PROTOCOLS A 5.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from devices.driver.notes import NoteAcceptor
from devices.protocol.ccnet import CcnetSession
from devices.protocol.notes import Open, Record, Timing


class CcnetAcceptor(NoteAcceptor):
    def __init__(
        self,
        path: str,
        record: Callable[[Record], Awaitable[None]] | None = None,
        found: Open | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(self.at(path), CcnetSession(timing, found), record)
