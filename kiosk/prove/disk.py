"""A disk in memory under SQLite that remembers every write, sync, truncate and delete, and can fail at any of them.

It is an `apsw` VFS. From what it remembers the disk is rebuilt as a power cut may have left it: what was synced is
there, of the rest any subset, torn at sectors of 512 bytes, a few of them holding rubbish.

    op      what is durable at once        what a cut may keep of it
    write   nothing                        any subset of its sectors, until the file is synced
    trunc   nothing                        done or not, until the file is synced
    delete  when the folder is synced too  done or not, until any sync
    sync    all of that file before it     -
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apsw

SECTOR = 512
#: of the sectors that were on their way when the power failed, so many hold neither the old nor the new
RUBBISH = 0.02
#: what the unix VFS says of disks too: bytes beside a write are not harmed by it
POWERSAFE_OVERWRITE = 0x1000
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Op:
    """One thing that SQLite asked of the disk."""

    kind: str  # write trunc delete sync
    file: str
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """Files by name, and the operations in their order. `fail_at` and `fail_with` make the n-th operation fail.

    Use as a context manager, so that SQLite forgets it again; `name` goes to `apsw.Connection(…, vfs=name)`.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None, *, default: bool = False) -> None:
        self.name = f"disk{next(_numbers)}"
        self.start = dict(files or {})
        self.files = {name: bytearray(data) for name, data in self.start.items()}
        self.ops: list[Op] = []
        #: operations from this one on (counted from 0) raise `fail_with`; `fail_once`: only that one
        self.fail_at: int | None = None
        self.fail_with: type[Exception] = apsw.IOError
        self.fail_kinds: frozenset[str] = frozenset({"write", "trunc", "delete", "sync"})
        self.fail_once = False
        #: operations asked for, failed ones too
        self.asked = 0
        super().__init__(self.name, base="", makedefault=default)

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def did(self, op: Op) -> None:
        """Fail here, or remember it."""
        number = self.asked
        self.asked += 1
        if self.fail_at is not None and number >= self.fail_at and op.kind in self.fail_kinds:
            if self.fail_once:
                self.fail_at = None
            raise self.fail_with(f"{op.kind} {op.file}")
        self.ops.append(op)

    # --- what SQLite asks of a VFS ---

    def xOpen(self, name: Any, flags: list[int]) -> File:  # type: ignore[override]
        file = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        file = file.rpartition("/")[2]
        if file not in self.files:
            self.files[file] = bytearray()
        flags[1] = flags[0]
        return File(self, file)

    def xDelete(self, file: str, sync_folder: bool) -> None:
        file = file.rpartition("/")[2]
        self.did(Op("delete", file))
        self.files.pop(file, None)
        if sync_folder:
            self.did(Op("sync", ""))

    def xAccess(self, file: str, flags: int) -> bool:
        return file.rpartition("/")[2] in self.files

    def xFullPathname(self, file: str) -> str:
        return "/" + file.rpartition("/")[2]

    # --- what a power cut leaves ---

    def after_cut(self, at: int, rng: random.Random) -> dict[str, bytes]:
        """The files when the power failed just before operation `at`, as one of the many ways it may look."""
        durable: dict[str, bytearray] = {name: bytearray(data) for name, data in self.start.items()}
        loose: list[Op] = []
        for op in self.ops[:at]:
            if op.kind != "sync":
                loose.append(op)
                continue
            still: list[Op] = []
            for one in loose:
                # a folder's sync (or, with it, any file's first sync) makes deletes last; a file's own sync its content
                if one.file == op.file or one.kind == "delete":
                    _apply(durable, one)
                else:
                    still.append(one)
            loose = still
            if op.file:
                durable.setdefault(op.file, bytearray())
        keep = rng.choice((0.0, 0.5, 0.5, 0.9, 1.0))
        for one in loose:
            if one.kind != "write":
                if rng.random() < keep:
                    _apply(durable, one)
                continue
            for offset, piece in _sectors(one):
                if rng.random() < RUBBISH:
                    _apply(durable, Op("write", one.file, offset, rng.randbytes(len(piece))))
                elif rng.random() < keep:
                    _apply(durable, Op("write", one.file, offset, piece))
        return {name: bytes(data) for name, data in durable.items()}


class File:
    """One open file of a `Disk`."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name

    @property
    def _data(self) -> bytearray:
        return self._disk.files.setdefault(self._name, bytearray())

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._data[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        op = Op("write", self._name, offset, bytes(data))
        self._disk.did(op)
        _apply(self._disk.files, op)

    def xTruncate(self, size: int) -> None:
        op = Op("trunc", self._name, size)
        self._disk.did(op)
        _apply(self._disk.files, op)

    def xSync(self, flags: int) -> None:
        self._disk.did(Op("sync", self._name))

    def xFileSize(self) -> int:
        return len(self._data)

    def xClose(self) -> None: ...

    def xLock(self, level: int) -> None: ...

    def xUnlock(self, level: int) -> None: ...

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return POWERSAFE_OVERWRITE


def _apply(files: dict[str, bytearray], op: Op) -> None:
    if op.kind == "delete":
        files.pop(op.file, None)
        return
    data = files.setdefault(op.file, bytearray())
    if op.kind == "trunc":
        del data[op.offset :]
        data.extend(bytes(max(0, op.offset - len(data))))
    else:
        data.extend(bytes(max(0, op.offset - len(data))))
        data[op.offset : op.offset + len(op.data)] = op.data


def _sectors(op: Op) -> list[tuple[int, bytes]]:
    """A write cut at the sector boundaries of the disk."""
    pieces: list[tuple[int, bytes]] = []
    at, end = op.offset, op.offset + len(op.data)
    while at < end:
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        pieces.append((at, op.data[at - op.offset : stop - op.offset]))
        at = stop
    return pieces
