"""Campaigns against the device layer: what may never happen is counted, and the run depends on its seed alone.

Each gives a row: what was done, how often, and a count for every way in which it could have gone wrong. `advance` is
called with the number of things just done. The tests run the same functions with small sizes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devices import framing, token
from devices.cash import Cash
from devices.config import Config, DispenserConfig
from devices.driver.lcdm import CashDispenser, Health
from devices.framing.base import Codec, Fault, Frame, Side
from devices.journal import Journal
from devices.messages import Refusal
from devices.protocol.lcdm_booking import Booking, Counts
from devices.sim.base import Cable
from kiosk.bench.device_stand import UNITS, Stand, VirtualLine, stand

Advance = Callable[[int], None]
Row = dict[str, Any]
VALUES = {"upper": 10_000, "lower": 5_000}
PAIRING = bytes(range(32))
SIDES: tuple[Side, Side] = ("host", "device")
BATCH = 250  #: dispenses on one journal and one machine


# --- bytes ---

#: name in the vectors → protocol here
PROTOS = {
    "LCDM": "lcdm",
    "ESC/POS": "escpos-status",
    "SSP": "ssp",
    "ccTalk": "cctalk",
    "CCNET": "ccnet",
    "ID003": "id003",
    "EBDS": "ebds",
    "SAM-ID": "sam",
    "Modbus-RTU": "modbus",
}


def everything(codec: Codec, pieces: list[bytes]) -> list[Frame | Fault]:
    """All that a codec makes of these pieces, its end included."""
    items = [item for piece in pieces for item in codec.feed(piece)]
    return items + codec.end()


def wrong_vector(row: Mapping[str, str]) -> str:
    """Why a published row is not read as it should be, or nothing: good ones go both ways, bad ones are refused."""
    raw = bytes.fromhex(row["hex"])
    name = "cctalk-crc" if "[CRC-16]" in row["meaning"] else PROTOS[row["proto"]]
    codec = framing.codec(name)
    if hasattr(codec, "side"):
        codec.side = row["dir"]
    items = everything(codec, [raw])
    if row["kind"] == "published-bad":
        return "" if any(isinstance(i, Fault) for i in items) else "a bad row was believed"
    if [i.raw for i in items] != [raw]:
        return "not read as one piece"
    if row["dir"] == "stream":  # shows stuffing only; the row itself says that its CRC means nothing
        return "" if isinstance(items[0], Fault) else "a CRC that means nothing was believed"
    if not isinstance(items[0], Frame):
        return items[0].error
    return "" if framing.codec(name).encode(items[0].fields) == raw else "encoded to other bytes"


def vectors(path: Path) -> Row:
    """All rows of the shared vectors that a codec exists for."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    known = [r for r in rows if r["proto"] in PROTOS]
    wrong = [f"{r['id']}: {why}" for r in known if (why := wrong_vector(r))]
    return {"rows": len(rows), "read": len(known), "wrong": len(wrong), "which": wrong[:5]}


def fuzz(name: str, size: int, seed: int, advance: Advance) -> Row:
    """Random bytes, noise made of likely bytes and bent good frames: no exception, the same frames however cut."""
    rng = random.Random(f"{seed} {name}")
    likely = bytes.fromhex("010203040607101115161B1C1D303145505669727F8090AAFCFFFE020202")
    good = _some_frames(name, rng)
    count = frames = exceptions = differ = lost = 0
    while count < size:
        data = bytearray(rng.randbytes(rng.randrange(1, 120)))
        kind = rng.randrange(3)
        if kind == 1:
            data = bytearray(rng.choice(likely) for _ in data)
        elif kind == 2 and good:
            data = bytearray(b"".join(rng.choice(good) for _ in range(rng.randrange(1, 5))))
            for _ in range(rng.randrange(3)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        raw = bytes(data)
        cuts = sorted(rng.randrange(len(raw) + 1) for _ in range(rng.randrange(6)))
        pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        side = rng.choice(SIDES)
        try:
            whole = everything(_fresh(name, side), [raw])
            differ += everything(_fresh(name, side), pieces) != whole
            lost += b"".join(item.raw for item in whole) != raw
        except Exception:  # noqa: BLE001 - that any exception may come is what is looked for
            exceptions += 1
            whole = []
        found = [item.raw for item in whole if isinstance(item, Frame)]
        frames += len(found)
        if found and len(good) < 200:
            good.append(found[-1])
        count += len(raw)
        advance(len(raw))
    return {"codec": name, "bytes": count, "frames": frames, "exceptions": exceptions, "differ": differ, "lost": lost}


def _fresh(name: str, side: Side) -> Codec:
    codec = framing.codec(name)
    if hasattr(codec, "side"):
        codec.side = side
    return codec


def _some_frames(name: str, rng: random.Random) -> list[bytes]:
    """Good frames around random bodies, to be bent."""
    found: list[bytes] = []
    for _ in range(6000):
        if len(found) == 50:
            break
        side = rng.choice(SIDES)
        body = bytearray(rng.randbytes(rng.randrange(1, 8)))
        place = rng.randrange(2)  # where protocols have a command; a low number is likelier a known one
        body[place : place + 1] = bytes([rng.randrange(20)])
        try:
            raw = framing.codec(name).wrap(bytes(body), side)
        except ValueError:  # not a body of this protocol
            continue
        if any(isinstance(item, Frame) for item in everything(_fresh(name, side), [raw])):
            found.append(raw)
    return found


# --- money ---


class Killed(BaseException):
    """`kill -9` of the service, at this very place."""


class _Fate:
    """Kills at the `left`-th thing done; None = never."""

    left: int | None = None

    def __call__(self, what: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed(what)


class _MortalJournal(Journal):
    def __init__(self, path: Path, fate: _Fate) -> None:
        self._fate = fate
        super().__init__(path)

    def _append(self, kind: str, body: dict[str, Any]) -> None:
        self._fate(f"before {kind}")
        super()._append(kind, body)
        self._fate(f"after {kind}")


def config(folder: Path, notes: int) -> Config:
    counts = dict.fromkeys(UNITS, notes)
    dispenser = DispenserConfig(folder / "port", "LCDM-2000", "CNY", VALUES, counts, 60.0, False)
    return Config(folder / "s.sock", folder / "devices.db", PAIRING, "T0001", 300.0, dispenser, None)


def signed(nonce: str, minor: int, **changes: str) -> str:
    extra = {"SESSION": "S1", "TERMINAL": "T0001", "EXPIRES": str(int(time.time()) + 3600)} | changes
    return token.make(token.session_key(PAIRING, "S1"), nonce, [(minor, "CNY")], extra)


def order(minor: int, id: str, text: str) -> dict[str, Any]:
    return {"denomination": _request(minor), "token": text, "dispenseId": id}


def _request(minor: int) -> dict[str, Any]:
    return {"denomination": {"service": {"currencies": {"CNY": minor // 100}, "mix": "mix1"}}}


class _Terminal:
    """The service on a stand: it may be killed anywhere, and is started again until it has settled."""

    def __init__(self, folder: Path, on: Stand, notes: int) -> None:
        self.on, self.fate = on, _Fate()
        self.config = config(folder, notes)
        self.restarts = 0
        self.boot()

    def boot(self) -> None:
        while True:
            self.journal = _MortalJournal(self.config.journal, self.fate)
            self.cash = Cash(self.config, self.journal, CashDispenser(VirtualLine(self.on.wire, self.fate)))
            try:
                self.on.loop.run_until_complete(self._settle())
            except Killed:
                self.dead()
            else:
                return

    async def _settle(self) -> None:
        while not self.on.wire.plugged:
            self.on.wire.step(self.on.wire.now + 0.5)
        self.cash.dispenser.line.open()
        await self.cash.settle()

    def dead(self) -> None:
        self.restarts += 1
        self.journal.close()

    def pay(self, id: str, minor: int) -> str:
        """`refused` with its code, or empty; what became of it is asked of the books."""

        async def run() -> None:
            await self.cash.dispense(order(minor, id, signed(self.cash.nonce(), minor)), lambda name, payload: None)

        try:
            self.on.loop.run_until_complete(run())
        except Refusal as e:
            return e.error_code or e.code
        except Killed:
            self.dead()
            self.boot()
        return ""

    def became(self, id: str) -> Row:
        done = self.on.loop.run_until_complete(self.cash.present_status({"dispenseId": id}))
        return dict(done.payload["result"])


def chaos(dispenses: int, seed: int, advance: Advance, faults: float = 0.10) -> Row:
    """Dispenses with `faults` of all line traffic harmed, and as many resets, kills and mechanical faults.

    A kill is between any two reads, writes and journal rows, before or after the sync. The operator counts whenever the
    service asks for it. The driver's and the service's time-outs are those of a real kiosk.
    """
    total: Counter[str] = Counter()
    with _quiet(), tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        for start in range(0, dispenses, BATCH):
            number = min(BATCH, dispenses - start)
            below = Path(folder) / str(start)
            below.mkdir()
            total.update(_chaos_batch(below, number, f"{seed} {start}", faults, advance))
    never = ("over_dispensed", "under_booked", "over_booked", "repeated", "altered", "paid_again", "unbalanced")
    return {
        "dispenses": dispenses,
        **{k: total[k] for k in ("paid", "partial", "none", "unknown", "refused")},
        **{k: total[k] for k in ("kills", "resets", "mechanical", "counts")},
        "left_minor": total["left"],
        "booked_minor": total["presented"],
        "booked_unknown_minor": total["doubt"],
        **{k: total[k] for k in never},
    }


def _chaos_batch(folder: Path, number: int, seed: str, faults: float, advance: Advance) -> Counter[str]:
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    with stand(Cable(None, rng.randrange(2**32), faults)._harm) as on:
        machine = on.machine
        kiosk = _Terminal(folder, on, 2000)
        for n in range(number):
            id, minor = f"D{n}", 5_000 * rng.randrange(1, 30)
            if rng.random() < faults:
                machine.accident = (rng.choice(("cut", "pull", "hang")), rng.randrange(8))
                seen["resets"] += 1
            if rng.random() < faults:
                machine.faults[rng.choice(("jam-after", "pick-fail-after", "empty-after"))] = rng.randrange(8)
                machine.faults["reject"] = rng.randrange(3)
                seen["mechanical"] += 1
            if rng.random() < faults:
                kiosk.fate.left = rng.randrange(14)
            out, asked = machine.out(VALUES), len(machine.asked)
            refused = kiosk.pay(id, minor)
            kiosk.fate.left = None
            result = kiosk.became(id)
            on.pass_time(0.1)
            left, runs = machine.out(VALUES) - out, machine.asked[asked:]
            presented, doubt = result["presentedMinor"], result["unknownMinor"]
            requested = kiosk.journal.books.dispenses[id].requested if id in kiosk.journal.books.dispenses else {}
            seen["over_dispensed"] += left > minor
            seen["under_booked"] += left > presented + doubt
            seen["over_booked"] += left < presented
            seen["repeated"] += len(runs) > 1
            seen["altered"] += any(run != requested for run in runs)
            seen["unbalanced"] += bool(kiosk.journal.books.violated())
            seen.update({"left": left, "presented": presented, "doubt": doubt})
            seen["refused" if refused else result["outcome"]] += 1
            if not refused and rng.random() < 0.2:  # the same id once more, with a fresh token
                kiosk.pay(id, minor)
                seen["paid_again"] += machine.out(VALUES) - out != left
            if kiosk.journal.books.stopped or refused:
                on.pass_time(100)
                machine.clear_path()
                machine.memory["cassettes"] = dict.fromkeys(UNITS, 2000)
                kiosk.journal.load(machine.memory["cassettes"])
                seen["counts"] += 1
            advance(1)
        seen["kills"] += kiosk.restarts
        kiosk.journal.close()
    return seen


class Untouchable:
    """In place of a dispenser: every dispense is one too many."""

    paid = 0

    async def status(self, expected: str = "") -> Health:
        return Health(True, "good", identity="T01T1A2B")

    async def dispense(self, counts: Mapping[str, int], taken: object = None) -> Booking:
        self.paid += 1
        return Booking({unit: Counts(presented=n) for unit, n in counts.items()}, "good")


def forged(number: int, seed: int, advance: Advance) -> Row:
    """Tokens forged, altered, replayed, stale, of others: none pays. At the end a good one does."""
    rng = random.Random(seed)
    codes: Counter[str] = Counter()
    untouchable = Untouchable()

    async def run(cash: Cash) -> None:
        used = signed(cash.nonce(), 5_000)
        await cash.dispense(order(5_000, "good", used), lambda name, payload: None)
        cash.nonce()
        cleared = signed(cash.nonce(), 5_000)
        cash.clear_nonce()
        good = ""
        for n in range(number):
            if n % 100 == 0:
                good = signed(cash.nonce(), 5_000)
            text, minor = _forgery(rng, cash.nonce(), good, (used, cleared))
            try:
                await cash.dispense(order(minor, f"F{n}", text), lambda name, payload: None)
                codes["accepted"] += 1
            except Refusal as e:
                codes[e.code] += 1
            advance(1)
        await cash.dispense(order(5_000, "good too", signed(cash.nonce(), 5_000)), lambda name, payload: None)

    with _quiet(), tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        settings = config(Path(folder), 100)
        journal = Journal(settings.journal)
        journal.load(settings.dispenser.counts)
        cash = Cash(settings, journal, untouchable)  # type: ignore[arg-type]
        asyncio.run(run(cash))
        journal.close()
    accepted = codes.pop("accepted", 0)
    return {"tokens": number, "accepted": accepted + untouchable.paid - 2, "codes": dict(sorted(codes.items()))}


def _forgery(rng: random.Random, nonce: str, good: str, dead: tuple[str, str]) -> tuple[str, int]:
    """A token that must not pay, and the amount asked for with it."""
    match rng.randrange(12):
        case 0:
            return "".join(chr(rng.randrange(33, 127)) for _ in range(rng.randrange(1, 300))), 5_000
        case 1:
            place = rng.randrange(len(good))
            other = rng.choice([c for c in "0123456789ABCDEFabcdef=,Z\n" if c != good[place]])
            return good[:place] + other + good[place + 1 :], 5_000
        case 2:
            return good[: rng.randrange(len(good))], 5_000
        case 3:
            return rng.choice(dead), 5_000
        case 4:
            return signed(nonce, 5_000, TERMINAL=f"T{rng.randrange(2, 9999):04}"), 5_000
        case 5:
            return signed(nonce, 5_000, EXPIRES=str(int(time.time()) - rng.randrange(1, 10**6))), 5_000
        case 6:
            return good, 5_000 * rng.randrange(2, 60)
        case 7:
            return signed(f"{rng.getrandbits(128):032X}", 5_000), 5_000
        case 8:
            key = token.session_key(rng.randbytes(32), "S1")
            extra = {"SESSION": "S1", "TERMINAL": "T0001", "EXPIRES": str(int(time.time()) + 60)}
            return token.make(key, nonce, [(5_000, "CNY")], extra), 5_000
        case 9:
            return good.replace("SESSION=S1", f"SESSION=S{rng.randrange(2, 10)}"), 5_000
        case 10:
            return good.replace("DISPENSE1=50.00CNY", f"DISPENSE1={rng.randrange(51, 99)}.00CNY"), 5_000
        case _:
            return good + rng.choice(["\n", " ", ",", "0", "\x00", "A=1", "é"]), 5_000


# --- a bad line ---


def noisy_line(frames: int, seed: int, advance: Advance, error_rate: float = 1e-3) -> Row:
    """The driver on a line with bit errors, drops, duplicates, hangs and unplugging, until `frames` went over it.

    LCDM guards a frame with one XOR byte, which two errors in the same bit of two bytes pass. `residual` counts the
    bent frames that came through so; a dispense that met one is counted apart, for no driver can see it.
    """
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    per_byte = 1 - (1 - error_rate) ** 8

    def harm(data: bytes) -> bytes:
        chance = rng.random()
        if chance < 0.005:
            return b""
        bent = bytes(b ^ (1 << rng.randrange(8)) if rng.random() < per_byte else b for b in data)
        if bent != data:
            seen["bent"] += 1
            seen["residual"] += any(isinstance(i, Frame) and len(i.raw) > 1 for i in framing.codec("lcdm").feed(bent))
        return bent + bent if chance < 0.01 else bent

    async def run(on: Stand) -> None:
        machine = on.machine
        dispenser = CashDispenser(VirtualLine(on.wire))
        before = 0
        while on.wire.sent < frames:
            if rng.random() < 0.0005:
                on.wire.pull(rng.uniform(0.1, 3.0))
            health = await dispenser.status()
            if not health.ok:
                seen["no_answer"] += 1
                if on.wire.plugged:
                    machine.clear_path()
                on.pass_time(2.0)
            elif rng.random() < 0.1:
                await _one(on, dispenser, rng, seen)
            advance(on.wire.sent - before)
            before = on.wire.sent

    with _quiet(), stand(harm, 10_000) as on:
        on.loop.run_until_complete(run(on))
    names = ("moves", "unknown", "no_answer", "bent", "residual", "repeated", "altered", "misbooked")
    names += ("altered_by_residual", "misbooked_by_residual")
    return {"frames": frames, "bit_error_rate": error_rate, **{k: seen[k] for k in names}}


async def _one(on: Stand, dispenser: CashDispenser, rng: random.Random, seen: Counter[str]) -> None:
    machine = on.machine
    asked = {"upper": rng.randrange(1, 20)} | ({"lower": rng.randrange(1, 20)} if rng.random() < 0.3 else {})
    if rng.random() < 0.01:
        machine.accident = (rng.choice(("pull", "hang")), rng.randrange(8))
    before, runs, residual = dict(machine.memory["presented"]), len(machine.asked), seen["residual"]
    booking = await dispenser.dispense(asked)
    if booking.unknown:
        seen["unknown"] += 1
        on.pass_time(100)
    seen["moves"] += 1
    seen["repeated"] += len(machine.asked) - runs > 1
    by = "_by_residual" if seen["residual"] > residual else ""
    seen["altered" + by] += any(run != asked for run in machine.asked[runs:])
    for unit, counts in booking.counts.items():
        left = machine.memory["presented"][unit] - before[unit]
        seen["misbooked" + by] += not counts.presented <= left <= counts.presented + counts.unknown
    if min(machine.memory["cassettes"].values()) < 100:
        machine.memory["cassettes"] = dict.fromkeys(UNITS, 10_000)


# --- helpers ---


def _fast_folder() -> str | None:
    """Kills are of the process, not of the power: a journal in memory is as good, and does not wear a disk."""
    shm = "/dev/shm"
    return shm if os.access(shm, os.W_OK) else None


@contextmanager
def _quiet() -> Any:
    """Thousands of expected warnings say nothing."""
    loggers = [logging.getLogger(name) for name in ("devices", "sim", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
