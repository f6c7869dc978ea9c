"""`kiosk doctor`: what is missing on this box, and the command that mends it. It looks, and changes nothing."""

from __future__ import annotations

import grp
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from kiosk import paths
from kiosk.cli.common import emit, json_option
from kiosk.values import OperatorError

#: the first SQLite in which a WAL checkpoint cannot lose a transaction that another connection just wrote
SQLITE = (3, 51, 3)
#: what all processes may hold together (DESIGN section 8), and what the fetched and built weights take
MEMORY_BYTES = 2_500_000_000
DISK_BYTES = 1_000_000_000
#: packages that load native code: the ones a machine may lack a library or a CPU feature for
NATIVE = ("numpy", "onnxruntime", "ctranslate2", "cv2", "soundfile", "tokenizers", "apsw", "cryptography")


@dataclass(frozen=True)
class Finding:
    """One line of the report. `missing` fails the run; `optional` names what the demo does without."""

    check: str
    state: Literal["ok", "missing", "optional"]
    #: what was found
    found: str
    #: the command that mends it; empty when all is well
    remedy: str = ""


@click.command()
@json_option
def command(as_json: bool) -> None:
    """What is missing on this box, and the command that mends it. Exit 0 if all that is required is there, else 1."""
    findings = [finding for check in CHECKS for finding in check()]
    for f in findings:
        if as_json:
            emit({"check": f.check, "state": f.state, "found": f.found, "remedy": f.remedy})
        else:
            click.echo(f"{f.state:9} {f.check:11} {f.found}" + (f"  →  {f.remedy}" if f.remedy else ""))
    if any(f.state == "missing" for f in findings):
        raise click.exceptions.Exit(1)


def python() -> Iterator[Finding]:
    found = f"{platform.python_version()} ({sys.executable})"
    good = sys.version_info >= (3, 11)
    yield Finding(
        "python", "ok" if good else "missing", found, "" if good else "apt install python3.11 python3.11-venv"
    )


def packages() -> Iterator[Finding]:
    broken = []
    for name in NATIVE:
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as e:
            broken.append(f"{name}: {e}")
    if broken:
        yield Finding("packages", "missing", "; ".join(broken), "rm -rf .venv && make models")
    else:
        yield Finding("packages", "ok", f"{len(NATIVE)} native packages load")


def sqlite() -> Iterator[Finding]:
    try:
        import apsw
    except ImportError:
        return  # `packages` says it already
    version = apsw.sqlite_lib_version()
    good = tuple(int(n) for n in version.split(".")) >= SQLITE
    found = f"SQLite {version} in apsw (needs {'.'.join(map(str, SQLITE))})"
    yield Finding("sqlite", "ok" if good else "missing", found, "" if good else "make models")


def models() -> Iterator[Finding]:
    from kiosk.adapters.catalogue import catalogue
    from kiosk.adapters.weights import need

    good = []
    for model in catalogue().models:
        try:
            need(model.name)
        except OperatorError as e:
            state: Literal["missing", "optional"] = "missing" if model.default else "optional"
            yield Finding(
                "weights", state, f"{model.name} ({model.role}): {e.what}", f"kiosk models fetch {model.name}"
            )
        else:
            good.append(model.name)
    if good:
        yield Finding("weights", "ok", f"{', '.join(good)} in {paths.WEIGHTS}")


def sound() -> Iterator[Finding]:
    if find_library("portaudio"):
        yield Finding("sound", "ok", "PortAudio")
    else:
        yield Finding("sound", "optional", "no PortAudio: no live microphone", "apt install libportaudio2")


def screen() -> Iterator[Finding]:
    names = ("chromium", "chromium-browser", "google-chrome")
    if found := next(filter(None, map(shutil.which, names)), None):
        yield Finding("screen", "ok", found)
    else:
        yield Finding("screen", "optional", "no Chromium: no customer screen", "apt install chromium")


def npm() -> Iterator[Finding]:
    if found := shutil.which("npm"):
        yield Finding("npm", "ok", found)
    else:
        yield Finding(
            "npm", "optional", "no npm: `kiosk models fetch` borrows one (61 MB) when it must", "apt install npm"
        )


def disk() -> Iterator[Finding]:
    folder = next(p for p in (paths.WEIGHTS, *paths.WEIGHTS.parents) if p.exists())
    free = shutil.disk_usage(folder).free
    good = free >= DISK_BYTES
    remedy = "" if good else "free some space, or set KIOSK_WEIGHTS to a larger disk"
    yield Finding("disk", "ok" if good else "missing", f"{free / 1e9:.1f} GB free at {folder}", remedy)


def memory() -> Iterator[Finding]:
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    free = int(facts["MemAvailable"].split()[0]) * 1024
    good = free >= MEMORY_BYTES
    found = f"{free / 1e9:.1f} GB available (a kiosk takes up to {MEMORY_BYTES / 1e9:.1f})"
    yield Finding("memory", "ok" if good else "missing", found, "" if good else "stop other programs, or add memory")


def cores() -> Iterator[Finding]:
    count = len(os.sched_getaffinity(0))
    state: Literal["ok", "optional"] = "ok" if count >= 2 else "optional"
    yield Finding("cores", state, f"{count}", "" if count >= 2 else "use two cores, or answers come late")


def serial() -> Iterator[Finding]:
    ports = sorted(p for pattern in ("ttyUSB*", "ttyACM*", "ttyS[0-9]*") for p in Path("/dev").glob(pattern))
    present = [p for p in ports if not p.name.startswith("ttyS") or _has_uart(p)]
    if not present:
        yield Finding("serial", "optional", "no serial port: the simulators are used")
    for port in present:
        if os.access(port, os.R_OK | os.W_OK):
            yield Finding("serial", "ok", str(port))
            continue
        group = _group(port)
        yield Finding(
            "serial", "optional", f"{port} may not be opened", f"sudo usermod -aG {group} $USER, then log in again"
        )


def _has_uart(port: Path) -> bool:
    # A PC's kernel makes ttyS0…3 whether there is a chip behind them or not; type 0 means there is none.
    try:
        return (Path("/sys/class/tty") / port.name / "type").read_text(encoding="ascii").strip() != "0"
    except OSError:
        return False


def _group(port: Path) -> str:
    try:
        return grp.getgrgid(port.stat().st_gid).gr_name
    except (KeyError, OSError):
        return "dialout"


def cameras() -> Iterator[Finding]:
    found = sorted(Path("/dev").glob("video*"))
    if not found:
        yield Finding("camera", "optional", "no camera: the demo shows pictures")
    for camera in found:
        good = os.access(camera, os.R_OK | os.W_OK)
        remedy = "" if good else "sudo usermod -aG video $USER, then log in again"
        yield Finding("camera", "ok" if good else "optional", str(camera), remedy)


def systemd() -> Iterator[Finding]:
    if Path("/run/systemd/system").is_dir():
        yield Finding("systemd", "ok", "runs this machine")
    else:
        yield Finding("systemd", "optional", "does not run here: start the kiosk with `kiosk run`")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    packages,
    sqlite,
    models,
    disk,
    memory,
    cores,
    sound,
    cameras,
    screen,
    serial,
    npm,
    systemd,
)
