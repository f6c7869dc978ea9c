"""Where an engine finds its weights, and the refusal to load any that were not verified.

Every file is hashed once. Its size, times and hash are then noted beside it in a stamp, so that a start only has to
look at file attributes; a file whose attributes moved is hashed again. The stamp guards against damage and half-done
work. It does not guard against someone who may write to the folder: `kiosk models verify` hashes everything anew.

A folder holds the fetched files, the built files, and two notes: `.verified.json` (the stamps) and `.built.json`
(what was built, from which sources, by which code).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiosk import paths
from kiosk.adapters.catalogue import Model, catalogue
from kiosk.values import OperatorError

STAMPS = ".verified.json"
MANIFEST = ".built.json"


@dataclass(frozen=True)
class Trouble:
    """One file that may not be loaded, and why."""

    file: str
    why: str


def need(name: str) -> Path:
    """The folder that holds the verified files of model `name` (its built files are in the same folder).

    Raises:
        OperatorError: a file is missing, of another size or hash; the remedy is `kiosk models fetch`.
    """
    model = catalogue().model(name)
    folder = folder_of(model)
    for trouble in (*check_files(model), *check_built(model)):
        raise OperatorError(trouble.why, where=str(folder / trouble.file), remedy=f"Run: kiosk models fetch {name}")
    return folder


def folder_of(model: Model) -> Path:
    return paths.WEIGHTS / model.name


def check_files(model: Model, *, anew: bool = False) -> list[Trouble]:
    """The fetched files that are not what the catalogue says. `anew` hashes even those whose stamp is good."""
    expected = {f.name: (f.bytes, f.sha256) for f in model.files}
    return _check(folder_of(model), expected, "was not fetched yet", anew=anew)


def check_built(model: Model, *, anew: bool = False) -> list[Trouble]:
    """The built files that are not what the build wrote, or that were built from other sources."""
    if not model.build:
        return []
    folder = folder_of(model)
    manifest = read_json(folder / MANIFEST)
    outputs = manifest.get("outputs", {})
    sources = {f.name: f.sha256 for f in model.files}
    for name in model.built:
        if name not in outputs:
            return [Trouble(name, "was not built yet")]
    if manifest.get("sources") != sources:
        return [Trouble(MANIFEST, "was built from other sources than the catalogue now names")]
    expected = {name: (int(o["bytes"]), str(o["sha256"])) for name, o in outputs.items()}
    return _check(folder, expected, "was not built yet", anew=anew)


def _check(folder: Path, expected: dict[str, tuple[int, str]], absent: str, *, anew: bool) -> list[Trouble]:
    stamps = read_json(folder / STAMPS)
    troubles = []
    fresh = {}
    for name, (size, sha256) in expected.items():
        path = folder / name
        try:
            facts = _facts(path)
        except OSError:
            troubles.append(Trouble(name, absent))
            continue
        if facts[0] != size:
            troubles.append(Trouble(name, f"has {facts[0]:,} bytes instead of {size:,}"))
        elif not anew and stamps.get(name) == [*facts, sha256]:
            continue
        elif (found := sha256_of(path)) != sha256:
            troubles.append(Trouble(name, f"has sha256 {found[:12]}… instead of {sha256[:12]}…"))
        else:
            fresh[name] = [*facts, sha256]
    if fresh:
        note_stamps(folder, fresh)
    return troubles


def stamp(folder: Path, name: str, sha256: str) -> None:
    """Note that the file was found to have this hash as it lies there now."""
    note_stamps(folder, {name: [*_facts(folder / name), sha256]})


def note_stamps(folder: Path, fresh: dict[str, list[Any]]) -> None:
    try:
        write_json(folder / STAMPS, {**read_json(folder / STAMPS), **fresh})
    except OSError:
        # A service may only read its weights: it then hashes them at each start, which is slow but right.
        pass


def _facts(path: Path) -> tuple[int, int, int]:
    # The change time is there because the modification time survives a copy and can be set by hand.
    s = path.stat()
    return s.st_size, s.st_mtime_ns, s.st_ctime_ns


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Hash of a whole file; `progress` is told the bytes of each block read."""
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
            if progress:
                progress(len(block))
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A note beside the weights; a missing or torn one counts as empty, and what it vouched for is hashed again."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: dict[str, Any]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(data, indent=1, sort_keys=True), encoding="utf-8")
    settle(part, path)


def settle(part: Path, path: Path) -> None:
    """Give a finished file its name: synced first, so that no power cut leaves the name on half a file."""
    fd = os.open(part, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
