"""The services that exist, each a desk over its device: XFS4IoT's names on one side, drivers and books on the other."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from devices.cash import POSITION, Cash
from devices.desk import Desk, Event, Verb
from devices.driver.escpos import ReceiptPrinter
from devices.messages import Completion, Refusal

#: services without a driver yet: they say `noDevice`, and every command of theirs is `unsupportedCommand`
WITHOUT_DEVICE = ("CashAcceptor", "CardReader", "Lights", "Auxiliaries")


class CashDesk(Desk):
    """CashDispenser, CashManagement, Storage, and the nonce.

    An LCDM has no stacker and no shutter: it presents while it dispenses and can take nothing back. So Present, Reject
    and Retract do not exist here; a client sees it in Capabilities, and ItemsPresentedEvent comes during Dispense.
    """

    def __init__(self, cash: Cash) -> None:
        super().__init__("CashDispenser")
        self.cash = cash
        cash.tell = self.tell
        self.verbs |= {
            "Common.GetCommandNonce": Verb(lambda p, e: Completion({"commandNonce": cash.nonce()})),
            "Common.ClearCommandNonce": Verb(self._clear_nonce),
            "CashDispenser.GetMixTypes": Verb(lambda p, e: Completion({"mixes": _MIXES})),
            "CashDispenser.Denominate": Verb(lambda p, e: Completion(cash.denominate(p))),
            "CashDispenser.Dispense": Verb(cash.dispense),
            "CashDispenser.GetPresentStatus": Verb(lambda p, e: cash.present_status(p)),
            "CashManagement.GetBankNoteTypes": Verb(lambda p, e: Completion(cash.note_types()), immediate=True),
            "Storage.GetStorage": Verb(lambda p, e: Completion({"storage": cash.units()}), immediate=True),
        }
        if cash.config.exchange:
            self.verbs |= {
                "Storage.StartExchange": Verb(lambda p, e: cash.start_exchange()),
                "Storage.SetStorage": Verb(lambda p, e: cash.set_storage(p)),
                "Storage.EndExchange": Verb(lambda p, e: cash.end_exchange()),
            }
        self.events = (
            "Common.StatusChangedEvent",
            "Common.NonceClearedEvent",
            "CashDispenser.StartDispenseEvent",
            "CashDispenser.IncompleteDispenseEvent",
            "CashManagement.ItemsPresentedEvent",
            "Storage.CountsChangedEvent",
        )

    def _clear_nonce(self, payload: Mapping[str, Any], event: Event) -> Completion:
        self.cash.clear_nonce()
        return Completion()

    async def status(self) -> dict[str, Any]:
        health, device = await self.cash.status()
        books = self.cash.journal.books
        exchange = "active" if self.cash.exchange else "inactive"
        position = {"position": POSITION, "positionStatus": "unknown"}
        return {
            "common": {"device": device, "exchange": exchange, "endToEndSecurity": "enforced"},
            "cashDispenser": {"intermediateStacker": "empty", "positions": [position]},
            "cashManagement": {"dispenser": "stop" if books.stopped else "ok" if health.ok else "attention"},
            "kiosk": {"words": health.words, "stopped": books.stopped, "cases": books.cases},
        }

    def capabilities(self) -> dict[str, Any]:
        security = {
            "required": "always",
            "hardwareSecurityElement": False,
            "responseSecurityEnabled": "ifConfigured",
            "commands": ["CashDispenser.Dispense"],
            "commandNonceTimeout": int(self.cash.config.nonce_timeout_s),
        }
        return {
            "common": {
                "serviceVersion": "1.0",
                "deviceInformation": [{"modelName": self.cash.config.dispenser.model}],
                "endToEndSecurity": security,
            },
            "cashDispenser": {
                "type": "selfServiceBill",
                "maxDispenseItems": 60,
                "shutterControl": True,
                "intermediateStacker": False,
                "itemsTakenSensor": False,
                "positions": {"front": True},
                "moveItems": {"fromCashUnit": True},
            },
            "cashManagement": {"cashBox": False, "exchangeType": {"byHand": True}, "classificationList": False},
        }


_MIXES = {"mix1": {"type": "algorithm", "algorithm": "minimumBills", "name": "fewest notes"}}


class PrinterDesk(Desk):
    """Receipts. A job is done when the printer says so."""

    def __init__(self, printer: ReceiptPrinter) -> None:
        super().__init__("Printer")
        self.printer = printer
        self._line = asyncio.Lock()
        self.verbs |= {
            "Printer.PrintRaw": Verb(self._print),
            "Printer.GetFormList": Verb(lambda p, e: Completion({"formList": []}), immediate=True),
            "Printer.GetMediaList": Verb(lambda p, e: Completion({"mediaList": []}), immediate=True),
        }

    async def status(self) -> dict[str, Any]:
        if self._line.locked():
            return {"common": {"device": "deviceBusy"}, "printer": {"media": "unknown"}}
        async with self._line:
            paper = await self.printer.status()
        device = "offline" if not paper.answered else "hardwareError" if paper.error else "online"
        return {"common": {"device": device}, "printer": {"paper": {"upper": paper.level}, "media": "unknown"}}

    def capabilities(self) -> dict[str, Any]:
        return {
            "common": {"serviceVersion": "1.0", "deviceInformation": [{"modelName": "ESC/POS"}]},
            "printer": {"type": {"receipt": True}, "writeForm": {"text": True}, "mediaTaken": False},
        }

    async def _print(self, payload: Mapping[str, Any], event: Event) -> Completion:
        lines = _lines(payload)
        async with self._line:
            done = await self.printer.print_lines(lines)
        if done.ok:
            return Completion()
        if done.error in ("deviceNotReady", "hardwareError"):
            raise Refusal(done.error, done.words)
        raise Refusal("commandErrorCode", done.words, done.error)


def _lines(payload: Mapping[str, Any]) -> list[str]:
    """`lines` (ours): the texts of one receipt; or `data`: base64 of GB18030 text with line feeds.

    Commands of the printer are not taken: they could reconfigure it. It is cut after each job.
    """
    lines = payload.get("lines")
    if lines is None and isinstance(payload.get("data"), str):
        try:
            text = base64.b64decode(payload["data"], validate=True).decode("gb18030")
        except (binascii.Error, UnicodeDecodeError):
            raise Refusal("invalidData", "data is base64 of GB18030 text") from None
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        if not all(line.isprintable() for line in lines):
            raise Refusal("invalidData", "data holds text and line feeds only, no commands of the printer")
    if not isinstance(lines, list) or not lines or not all(isinstance(text, str) for text in lines):
        raise Refusal("invalidData", "lines is a list of texts")
    return lines


class Publisher(Desk):
    """ServicePublisher: where the others are."""

    def __init__(self, uris: Callable[[], list[str]]) -> None:
        super().__init__("ServicePublisher")
        self.verbs = {"ServicePublisher.GetServices": Verb(self._services, immediate=True)}
        self._uris = uris

    def _services(self, payload: Mapping[str, Any], event: Event) -> Completion:
        services = [{"serviceURI": uri} for uri in self._uris()]
        return Completion({"vendorName": "Kiosk Devices", "services": services})


class Front(Desk):
    """All desks as one, for the unix socket: their status and capabilities joined."""

    def __init__(self, desks: list[Desk]) -> None:
        super().__init__("Front")
        self._desks = desks

    async def status(self) -> dict[str, Any]:
        joined: dict[str, Any] = {}
        for desk in reversed(self._desks):  # the first one's `common` wins
            joined |= await desk.status()
        return joined

    def capabilities(self) -> dict[str, Any]:
        joined: dict[str, Any] = {}
        for desk in reversed(self._desks):
            joined |= desk.capabilities()
        return joined

    def interfaces(self) -> list[dict[str, Any]]:
        joined: dict[str, dict[str, Any]] = {}
        for row in (row for desk in self._desks for row in desk.interfaces()):
            known = joined.setdefault(row["name"], row)
            known["commands"] |= row["commands"]
            known["events"] |= row["events"]
        return list(joined.values())
