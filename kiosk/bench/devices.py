"""`kiosk bench devices`: the targets of the device layer, each beside its limit or raw pyserial in the same run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import serial

from devices import framing
from devices.client import DeviceClient
from devices.driver.lcdm import CashDispenser
from devices.framing.lcdm import command as lcdm_command
from devices.transport import Line
from kiosk import paths
from kiosk.bench import device_campaigns as campaigns

#: size → (fuzz bytes per codec, dispenses, tokens, frames on a bad line, exchanges, seconds of polling)
SIZES = {"small": (20_000, 250, 2_000, 20_000, 200, 5), "full": (1_000_000, 10_000, 100_000, 1_000_000, 2_000, 30)}
PARTS = ("vectors", "fuzz", "chaos", "tokens", "line", "overhead", "polling", "replug")
#: a row is good when these are 0
ZERO = (
    *("wrong", "exceptions", "differ", "lost", "accepted", "unbalanced"),
    *("over_dispensed", "under_booked", "over_booked", "repeated", "altered", "misbooked", "paid_again"),
)
REPLUG_LIMIT_S = 2.0
OVERHEAD_LIMIT_MS = 1.0
POLLING_LIMIT_PERCENT = 1.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option(
    "--size", type=click.Choice(list(SIZES)), default="small", show_default=True, help="small: about a minute."
)
@click.option(
    "--seed", type=int, default=None, help="The same seed, the same campaign; drawn and printed if not given."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
def command(parts: tuple[str, ...], size: str, seed: int | None, as_json: bool) -> None:
    """Measure the device layer. PARTS: only these of vectors fuzz chaos tokens line overhead polling replug.

    Exit code 1 when something happened that may never happen, or a limit was missed.
    """
    seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    head = {"event": "begin", "seed": seed, "size": size, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    _show(head, as_json)
    good = True
    for row in _rows(parts or PARTS, SIZES[size], seed):
        _show(row, as_json)
        good = good and row.get("good") is not False
    sys.exit(0 if good else 1)


def _show(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(row, ensure_ascii=False))
        return
    mark = {True: "ok    ", False: "FAILED", None: "      "}[row.get("good")]
    click.echo(f"{mark} " + "  ".join(f"{k}={v}" for k, v in row.items() if k not in ("event", "good")))


def _rows(parts: tuple[str, ...], sizes: tuple[int, ...], seed: int) -> Iterator[dict[str, Any]]:
    fuzz_bytes, dispenses, tokens, frames, exchanges, seconds = sizes
    if "vectors" in parts:
        path = Path(os.environ.get("KIOSK_SHARED", paths.HOME.parent / "shared")) / "data" / "serial" / "vectors.jsonl"
        if path.exists():
            yield _judged("vectors", campaigns.vectors(path))
        else:
            yield {"event": "vectors", "part": "vectors", "skipped": f"no {path.name}: set KIOSK_SHARED"}
    if "fuzz" in parts:
        for name in framing.CODECS:
            yield _timed("fuzz", fuzz_bytes, lambda tick, name=name: campaigns.fuzz(name, fuzz_bytes, seed, tick))
    if "chaos" in parts:
        yield _timed("chaos", dispenses, lambda tick: campaigns.chaos(dispenses, seed, tick))
    if "tokens" in parts:
        yield _timed("tokens", tokens, lambda tick: campaigns.forged(tokens, seed, tick))
    if "line" in parts:
        yield _timed("line", frames, lambda tick: campaigns.noisy_line(frames, seed, tick))
    if "overhead" in parts:
        yield overhead(exchanges)
    if "polling" in parts:
        yield polling(seconds)
    if "replug" in parts:
        yield replug(5 if exchanges < 1000 else 20)


def _judged(part: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"event": part, "part": part, **row, "good": not any(row.get(name) for name in ZERO)}


def _timed(part: str, size: int, work: Callable[[campaigns.Advance], dict[str, Any]]) -> dict[str, Any]:
    begun = time.perf_counter()
    with click.progressbar(length=size, label=f"{part:8}", file=sys.stderr) as bar:
        row = work(bar.update)
    return _judged(part, row | {"seconds": round(time.perf_counter() - begun, 1)})


# --- against the clock ---


@contextmanager
def _simulator(folder: Path, name: str = "lcdm2000") -> Iterator[Path]:
    """A dispenser on a pty in its own process; its link."""
    link = folder / name
    words = ["sim", "lcdm2000", "--fast", "--link", str(link), "--state", str(folder / f"{name}.json")]
    process = subprocess.Popen([sys.executable, "-m", "devices", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield link
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        process.stdout.close()


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(seconds, n=20)
    return round(cuts[9] * 1000, 3), round(cuts[18] * 1000, 3)


def overhead(exchanges: int) -> dict[str, Any]:
    """One STATUS over a pty: the driver beside raw pyserial that sends and expects the same bytes, block by block."""
    ours: list[float] = []
    raw: list[float] = []

    async def driver(link: Path, number: int) -> None:
        line = Line(link)
        dispenser = CashDispenser(line)
        await dispenser.status()
        for _ in range(number):
            begun = time.perf_counter()
            health = await dispenser.status()
            ours.append(time.perf_counter() - begun)
            assert health.ok, health
        line.close()

    def bare(link: Path, number: int) -> None:
        ask = lcdm_command(0x46)
        with serial.Serial(str(link), 9600, timeout=2) as port:
            for _ in range(number):
                begun = time.perf_counter()
                port.write(ask)
                answer = port.read(11)  # ACK and the ten bytes of the reply
                port.write(b"\x06")
                raw.append(time.perf_counter() - begun)
                assert len(answer) == 11, answer

    with tempfile.TemporaryDirectory() as folder, _simulator(Path(folder)) as link:
        for _ in range(10):
            bare(link, exchanges // 10)
            asyncio.run(driver(link, exchanges // 10))
    (our_p50, our_p95), (raw_p50, raw_p95) = _percentiles(ours), _percentiles(raw)
    over = {"over_p50_ms": round(our_p50 - raw_p50, 3), "over_p95_ms": round(our_p95 - raw_p95, 3)}
    row = {"exchanges": len(ours), "raw_p50_ms": raw_p50, "raw_p95_ms": raw_p95}
    row |= {"driver_p50_ms": our_p50, "driver_p95_ms": our_p95, **over, "limit_ms": OVERHEAD_LIMIT_MS}
    return {"event": "overhead", "part": "overhead", **row, "good": over["over_p95_ms"] <= OVERHEAD_LIMIT_MS}


def polling(seconds: int, devices: int = 5, hertz: int = 5) -> dict[str, Any]:
    """STATUS of each device so many times a second: the share of one core that this process takes."""

    async def poll(link: Path) -> int:
        dispenser, asked = CashDispenser(Line(link)), 0
        while time.monotonic() < end:
            assert (await dispenser.status()).ok
            asked += 1
            await asyncio.sleep(1 / hertz)
        dispenser.line.close()
        return asked

    async def all_of_them() -> int:
        return sum(await asyncio.gather(*(poll(link) for link in links)))

    with tempfile.TemporaryDirectory() as folder:
        simulators = [_simulator(Path(folder), f"d{n}") for n in range(devices)]
        links = [one.__enter__() for one in simulators]
        end = time.monotonic() + seconds
        cpu, wall = time.process_time(), time.monotonic()
        polls = asyncio.run(all_of_them())
        share = 100 * (time.process_time() - cpu) / (time.monotonic() - wall)
        for one in simulators:
            one.__exit__(None, None, None)
    row = {"devices": devices, "hertz": hertz, "polls": polls, "cpu_percent": round(share, 2)}
    return {"event": "polling", "part": "polling", **row, "good": share <= POLLING_LIMIT_PERCENT}


_CONFIG = """
[service]
socket = "s.sock"
journal = "devices.db"
pairing_key = "pairing.key"
terminal = "T0001"
[dispenser]
port = "lcdm2000"
model = "LCDM-2000"
currency = "CNY"
upper = { value = 100, count = 500 }
lower = { value = 50, count = 500 }
"""


def replug(times: int) -> dict[str, Any]:
    """From the plug being in again until the service, asked every 20 ms, says `online`."""
    seconds: list[float] = []

    async def until(socket: Path, wanted: bool) -> None:
        client = await DeviceClient.connect(socket)
        while ((await client.status())["common"]["device"] == "online") is not wanted:
            await asyncio.sleep(0.02)
        await client.close()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "devices.toml").write_text(_CONFIG)
        (folder / "pairing.key").write_text("00" * 32)
        (folder / "pairing.key").chmod(0o600)
        words = [sys.executable, "-m", "devices", "serve", "--config", str(folder / "devices.toml")]
        service = None
        try:
            for _ in range(times):
                with _simulator(folder):
                    begun = time.monotonic()
                    if service is None:
                        service = subprocess.Popen(words, stderr=subprocess.DEVNULL)
                        while not (folder / "s.sock").exists():
                            time.sleep(0.05)
                    asyncio.run(until(folder / "s.sock", True))
                    seconds.append(time.monotonic() - begun)
                asyncio.run(until(folder / "s.sock", False))
        finally:
            if service is not None:
                service.send_signal(signal.SIGTERM)
                service.wait(10)
    seconds = seconds[1:]  # the first one is the start of the service
    row = {"times": len(seconds), "median_s": round(statistics.median(seconds), 3), "worst_s": round(max(seconds), 3)}
    return {
        "event": "replug",
        "part": "replug",
        **row,
        "limit_s": REPLUG_LIMIT_S,
        "good": max(seconds) <= REPLUG_LIMIT_S,
    }
