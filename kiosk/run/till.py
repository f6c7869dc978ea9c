"""The core's side of the device service: dispense tokens, and what became of each dispense.

The session's key is derived only after face and voice have matched and dropped at the session's end, so without a
verified customer this process cannot make a token that the device service would take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from devices import token
from devices.client import DeviceClient, DeviceRefused, DispenseResult
from kiosk.events import AskDispenser, Denominate, Dispense, Done, PrintReceipt
from kiosk.values import Money, OperatorError

#: how long a token may be used: the device service's own counting takes up to a minute
TOKEN_S = 90
#: after a lost answer the device is asked for this long before what it did is called unknown (FAULTS I4)
ASK_S = 60.0
#: what is offered instead of an amount that cannot be paid: hundreds, at most this many of them are asked about
OFFER_STEP = 10_000
OFFER_TRIES = 60
T = TypeVar("T")


class Till:
    """Cash and paper."""

    def __init__(self, socket: Path, pairing_key: Path, terminal: str, *, ask_s: float = ASK_S) -> None:
        self._socket = socket
        self._pairing_key = pairing_key
        self._terminal = terminal
        self._ask_s = ask_s
        self._client: DeviceClient | None = None
        self._session = ""
        self._key: bytes | None = None

    def unlock(self, session: str) -> None:
        """Face and voice have matched: the session's key exists from now on."""
        self._session = session
        self._key = token.session_key(read_pairing_key(self._pairing_key), session)

    def lock(self) -> None:
        self._session, self._key = "", None

    async def denominate(self, effect: Denominate) -> Done:
        try:
            payable = await self._with(lambda c: c.denominate(effect.amount.minor, effect.amount.currency))
            if payable is not None:
                return Done(effect.id, "ok")
            return Done(effect.id, "not_payable", {"payable": await self._most_below(effect.amount)})
        except (OSError, DeviceRefused):
            return Done(effect.id, "error")

    async def _most_below(self, amount: Money) -> Money:
        """The most that the cassettes can pay below `amount`, in steps of `OFFER_STEP`; nothing if they are empty."""
        first = (amount.minor - 1) // OFFER_STEP * OFFER_STEP
        for minor in range(first, max(0, first - OFFER_TRIES * OFFER_STEP), -OFFER_STEP):
            if await self._with(lambda c, m=minor: c.denominate(m, amount.currency)) is not None:  # type: ignore[misc]
                return Money(minor, amount.currency)
        return Money(0, amount.currency)

    async def dispense(self, effect: Dispense) -> Done:
        """Once on the wire. Any doubt about what came back is `lost`: then the device is asked, never told again."""
        if self._key is None:
            return Done(effect.id, "none", _nothing(effect.amount))
        try:
            nonce = await self._with(lambda c: c.nonce())
        except (OSError, DeviceRefused):
            return Done(effect.id, "lost")
        text = token.make(
            self._key,
            nonce,
            [(effect.amount.minor, effect.amount.currency)],
            {"SESSION": self._session, "TERMINAL": self._terminal, "EXPIRES": str(int(time.time()) + TOKEN_S)},
        )
        try:
            result = await self._with(
                lambda c: c.dispense(effect.id, effect.amount.minor, effect.amount.currency, text)
            )
        except (OSError, DeviceRefused):
            return Done(effect.id, "lost")
        return _done(effect.id, effect.amount, result)

    async def ask(self, effect: AskDispenser) -> Done:
        """What became of it. A device that does not answer in time leaves everything in doubt."""
        until = asyncio.get_running_loop().time() + self._ask_s
        while True:
            try:
                return _done(effect.id, effect.amount, await self._with(lambda c: c.present_status(effect.id)))
            except (OSError, DeviceRefused):
                if asyncio.get_running_loop().time() >= until:
                    zero = Money(0, effect.amount.currency)
                    return Done(effect.id, "unknown", {"presented": zero, "unknown_amount": effect.amount})
            await asyncio.sleep(0.5)

    async def print(self, effect: PrintReceipt) -> Done:
        try:
            printed = await self._with(lambda c: c.print_lines(list(effect.lines)))
        except (OSError, DeviceRefused):
            return Done(effect.id, "error")
        return Done(effect.id, "ok" if printed.ok else "error")

    async def close(self) -> None:
        if self._client:
            await self._client.close()
            self._client = None

    async def _with(self, use: Callable[[DeviceClient], Awaitable[T]]) -> T:
        """One request on a living connection; a broken one is dropped, and the next request makes a new one."""
        if self._client is None:
            self._client = await DeviceClient.connect(self._socket)
        try:
            return await use(self._client)
        except OSError:
            await self.close()
            raise


def read_pairing_key(file: Path) -> bytes:
    """The secret that this core and its device service share.

    Raises:
        OperatorError: missing, unreadable by this user, or not 32 bytes in hexadecimal.
    """
    try:
        key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as e:
        raise OperatorError("no pairing key can be read", where=str(file), remedy="64 hex digits, mode 0600.") from e
    if len(key) != 32:
        raise OperatorError("the pairing key is not 32 bytes", where=str(file), remedy="64 hex digits, mode 0600.")
    return key


def _done(id_: str, amount: Money, result: DispenseResult) -> Done:
    facts = {
        "presented": Money(result.presented_minor, amount.currency),
        "unknown_amount": Money(result.unknown_minor, amount.currency),
        "presented_notes": result.presented_notes,
        "rejected_notes": result.rejected_notes,
        "unknown_notes": result.unknown_notes,
    }
    return Done(id_, result.outcome, dict(facts))


def _nothing(amount: Money) -> dict[str, Money | str | int]:
    zero = Money(0, amount.currency)
    return {"presented": zero, "unknown_amount": zero}
