"""What simulators share: a pty with a bad cable, a state file that tells where things physically are, named faults."""

from __future__ import annotations

import json
import logging
import os
import pty
import random
import select
import signal
import sys
import time
import tty
from pathlib import Path
from typing import Any

from devices.errors import OperatorError

log = logging.getLogger("sim")


def parse_faults(words: tuple[str, ...], known: dict[str, tuple[float, str]]) -> dict[str, float]:
    """`("jam-after=4", "lose-ack")` → `{"jam-after": 4.0, "lose-ack": 1.0}`; `known`: name → (default, what it does).

    Raises:
        OperatorError: no such fault, or its value is no number. `help` prints the list and leaves with 0.
    """
    if "help" in words:
        print("\n".join(f"{name:20} {what} (default {default:g})" for name, (default, what) in known.items()))
        raise SystemExit(0)
    found: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in known:
            raise OperatorError(f"there is no fault {name!r}", remedy=f"Choose from {' '.join(known)}")
        try:
            found[name] = float(value) if value else known[name][0]
        except ValueError:
            raise OperatorError(f"fault {word!r}: {value!r} is no number", remedy=f"Write {name}=3") from None
    return found


class Memory:
    """The physical truth: a dict that is written to its file, by renaming, whenever `save` is called."""

    def __init__(self, path: Path | None, fresh: dict[str, Any]) -> None:
        self.path = path
        self.values = dict(fresh)
        if path is not None and path.exists():
            try:
                old = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as e:
                raise OperatorError(
                    f"is no state file: {e}", where=str(path), remedy="Delete it to start with a new device"
                ) from e
            if old.get("device") != fresh["device"]:
                raise OperatorError(
                    f"belongs to {old.get('device')!r}, not {fresh['device']!r}",
                    where=str(path),
                    remedy="Give another --state file",
                )
            self.values |= old
        self.values["pid"] = os.getpid()

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.values[key] = value

    def save(self) -> None:
        if self.path is None:
            return
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.values, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self.path)


class Cable:
    """The device's end of a pty. `chaos` is the share of writes and reads that go wrong, drawn from `seed`."""

    def __init__(self, link: Path | None, seed: int = 0, chaos: float = 0.0) -> None:
        self.link = link
        self.random = random.Random(seed)
        self.chaos = chaos
        self._back = b""
        self._master = self._slave = -1
        self.name = ""

    def plug(self) -> None:
        """Open a fresh pty and point the link at it."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.name = os.ttyname(self._slave)
        if self.link is not None:
            if self.link.exists() and not self.link.is_symlink():
                raise OperatorError("exists and is no link", where=str(self.link), remedy="Give another --link path")
            self.link.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.link.with_name(f".{self.link.name}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.name)
            temporary.replace(self.link)

    @property
    def plugged(self) -> bool:
        return self._master >= 0

    def unplug(self) -> None:
        """Hang up: the host's end gets an error, and the link leads nowhere."""
        if self._master < 0:
            return
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        if self.link is not None and self.link.is_symlink() and str(self.link.readlink()) == self.name:
            self.link.unlink()

    def read(self, timeout: float | None) -> bytes:
        """What came within `timeout` seconds (None = wait for ever); empty when nothing did."""
        if self._back:
            data, self._back = self._back, b""
            return data
        if not self.plugged:
            return b""
        ready, _, _ = select.select([self._master], [], [], timeout)
        return self._harm(os.read(self._master, 4096)) if ready else b""

    def byte(self, timeout: float | None) -> int | None:
        """One byte, or None when none came in time."""
        data = self.read(timeout)
        if not data:
            return None
        self._back = data[1:] + self._back
        return data[0]

    def push_back(self, data: bytes) -> None:
        self._back = data + self._back

    def forget_input(self) -> None:
        """What came while the device was deaf."""
        while self.read(0):
            pass

    def write(self, data: bytes) -> None:
        """Send, unless nobody is plugged in."""
        data = self._harm(data)
        if self._master >= 0 and data:
            os.write(self._master, data)
            log.debug("> %s", data.hex(" "))

    def drip(self, data: bytes, gap: float = 0.004) -> None:
        """Byte by byte."""
        for i in range(len(data)):
            self.write(data[i : i + 1])
            time.sleep(gap)

    def _harm(self, data: bytes) -> bytes:
        if not data or self.random.random() >= self.chaos:
            return data
        place, what = self.random.randrange(len(data)), self.random.randrange(6)
        if what == 0:
            return b""
        if what == 1:
            return data[:place]
        if what == 2:
            return data + data
        if what == 3:
            return bytes([self.random.randrange(256)]) + data
        return data[:place] + bytes([data[place] ^ (1 << self.random.randrange(8))]) + data[place + 1 :]


def run(memory: Memory, cable: Cable, loop: Any) -> None:
    """Plug in, say so on stdout, call `loop()` until SIGTERM; then hang up and keep what is true."""

    def stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cable.plug()
    memory["port"] = cable.name
    memory.save()
    print(json.dumps({"event": "ready", "port": cable.name, "link": str(cable.link) if cable.link else None}))
    sys.stdout.flush()
    try:
        loop()
    finally:
        memory.save()
        cable.unplug()
