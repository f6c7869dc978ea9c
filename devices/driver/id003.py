"""CashAcceptor on a JCM bill acceptor that speaks ID-003, 9600 8E1 (PROTOCOLS A 5.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from devices.driver.notes import NoteAcceptor
from devices.protocol.id003 import Id003Session
from devices.protocol.notes import Open, Record, Timing


class Id003Acceptor(NoteAcceptor):
    FORM = "8E1"

    def __init__(
        self,
        path: str,
        record: Callable[[Record], Awaitable[None]] | None = None,
        found: Open | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(self.at(path), Id003Session(timing, found), record)
