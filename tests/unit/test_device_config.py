"""The configuration that the README shows is the one that is read, and the one that systemd gets too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devices.config import read
from devices.errors import OperatorError

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    key = folder / "pairing.key"
    key.write_text("00" * 32)
    key.chmod(mode)
    (folder / "devices.toml").write_text(text)
    return folder / "devices.toml"


def shown() -> str:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "devices" / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def test_the_readme_shows_a_whole_configuration(tmp_path: Path) -> None:
    config = read(written(tmp_path, shown()))
    assert config.socket == tmp_path / "devices.sock"
    assert config.dispenser.values == {"upper": 10_000, "lower": 5_000}
    assert config.dispenser.counts == {"upper": 500, "lower": 500}
    assert config.printer_port == tmp_path / "printer"


def test_the_unit_s_configuration_is_whole(tmp_path: Path) -> None:
    text = (ROOT / "systemd" / "etc" / "devices.toml").read_text(encoding="utf-8")
    config = read(written(tmp_path, re.sub(r'pairing_key = ".*"', 'pairing_key = "pairing.key"', text)))
    assert config.socket.is_absolute()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('terminal = "T0001"', "", "[service] terminal is missing"),
        ("count = 500 }", "count = -1 }", "[dispenser.upper] count must be more than -1"),
        ("value = 100", 'value = "100"', "[dispenser.upper] value must be a int, not '100'"),
        ('currency = "CNY"', 'currency = "XYZ"', "[dispenser] currency is one of"),
        ("[printer]", "[scanner]", "unknown table [scanner]"),
        ("[service]", "[service", "is not TOML"),
        ("production = false", "production = 1", "[service] production must be true or false"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(OperatorError) as e:
        read(written(tmp_path, shown().replace(old, new, 1)))
    assert words in str(e.value)
    assert str(tmp_path / "devices.toml") in str(e.value)


def test_a_key_that_others_may_read(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="others may read"):
        read(written(tmp_path, shown(), mode=0o640))
