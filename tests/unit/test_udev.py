"""The udev rules: well formed, and every name of ours goes by vendor, product and serial number alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kiosk import paths

RULES = paths.HOME / "systemd" / "udev" / "60-kiosk.rules"
KEYS = {
    "ACTION": {"=="},
    "SUBSYSTEM": {"==", "!="},
    "SUBSYSTEMS": {"=="},
    "ATTRS": {"=="},
    "ENV": {"="},
    "SYMLINK": {"+="},
    "GROUP": {"="},
    "MODE": {"="},
    "GOTO": {"="},
    "LABEL": {"="},
}
#: KEY{attribute}operator"value", as udev(7) has it
PART = re.compile(r'(?P<key>[A-Z]+)(?:\{(?P<attribute>\w+)\})?(?P<operator>==|!=|\+=|=)"(?P<value>[^"]*)"')


def rules(text: str) -> list[list[re.Match[str]]]:
    """The rules, part by part.

    Raises:
        ValueError: naming the line that is none.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [PART.fullmatch(part.strip()) for part in line.split(",")]
        if not all(p and p["operator"] in KEYS.get(p["key"], ()) for p in parts):
            raise ValueError(f"line {number} is no rule: {line}")
        if any((p["key"] in ("ATTRS", "ENV")) != (p["attribute"] is not None) for p in parts if p):
            raise ValueError(f"line {number}: an attribute is missing, or one too many: {line}")
        found.append([p for p in parts if p])
    labels = {p["value"] for rule in found for p in rule if p["key"] == "LABEL"}
    if lost := {p["value"] for rule in found for p in rule if p["key"] == "GOTO"} - labels:
        raise ValueError(f"no label {lost}")
    return found


def test_every_name_goes_by_vendor_product_and_serial() -> None:
    names = []
    for rule in rules(RULES.read_text(encoding="utf-8")):
        values = {p["attribute"] or p["key"]: p["value"] for p in rule}
        if "SYMLINK" not in values:
            continue
        names.append(values["SYMLINK"])
        assert re.fullmatch("[0-9a-f]{4}", values["idVendor"])
        assert re.fullmatch("[0-9a-f]{4}", values["idProduct"])
        assert values["serial"]
        assert (values["SUBSYSTEMS"], values["GROUP"], values["MODE"]) == ("usb", "kiosk-devices", "0660")
        assert values["ID_MM_DEVICE_IGNORE"] == "1"  # a modem manager must not talk to a dispenser
    assert len(names) == len(set(names))
    example = (paths.HOME / "systemd" / "etc" / "devices.toml").read_text(encoding="utf-8")
    assert set(re.findall(r'port = "/dev/(.*)"', example)) == set(names)
    live = "\n".join(line for line in RULES.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    assert "ttyUSB" not in live + example


@pytest.mark.parametrize(
    "line",
    [
        'SUBSYSTEM="tty"',  # an assignment where a comparison is meant
        'ATTRS=="0403"',
        'SYMLINK+="a" GROUP="b"',
        'GOTO="nowhere"',
        "MODE=0660",
        'KERNEL=="ttyUSB0", SYMLINK+="kiosk/dispenser"',
    ],
)
def test_a_bad_rule_is_seen(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 1|no label"):
        rules(line)


def test_udevadm_agrees(tmp_path: Path) -> None:
    if not shutil.which("udevadm"):
        pytest.skip("udevadm is not installed")
    if subprocess.run(["udevadm", "verify", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("this udevadm knows no `verify` (it came with systemd 254)")
    # the user and group of the kiosk are not on the machine that runs the tests
    (tmp_path / RULES.name).write_text(RULES.read_text(encoding="utf-8").replace('"kiosk-devices"', '"root"'))
    command = ["udevadm", "verify", str(tmp_path / RULES.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
