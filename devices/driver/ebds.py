"""CashAcceptor on a bill acceptor that speaks EBDS, 9600 7E1 (PROTOCOLS A 5.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from devices.driver.notes import NoteAcceptor
from devices.protocol.ebds import EbdsSession
from devices.protocol.notes import Banknote, Open, Record, Timing


class EbdsAcceptor(NoteAcceptor):
    """`values`: the notes behind the indices 1 to 7 of a device without the extended mode."""

    FORM = "7E1"

    def __init__(
        self,
        path: str,
        record: Callable[[Record], Awaitable[None]] | None = None,
        found: Open | None = None,
        timing: Timing | None = None,
        values: Mapping[int, Banknote] | None = None,
    ) -> None:
        super().__init__(self.at(path), EbdsSession(timing, found, values), record)
