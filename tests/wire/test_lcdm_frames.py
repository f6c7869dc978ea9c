"""LCDM bytes as the specification and its worked examples have them (PROTOCOLS A 1.7)."""

from __future__ import annotations

import pytest

from devices.framing.base import Fault, Frame
from devices.framing.lcdm import LcdmCodec, command

WORKED = {
    "dispense 10": ("04 50 02 45 31 30 03 11", {"name": "dispense", "notes": [10]}),
    "dispense 1": ("04 50 02 45 30 31 03 11", {"notes": [1]}),
    "dispense 60": ("04 50 02 45 36 30 03 16", {"notes": [60]}),
    "lower 5": ("04 50 02 55 30 35 03 05", {"name": "dispense-lower", "notes": [5]}),
    "both 3+7": ("04 50 02 56 30 33 30 37 03 07", {"name": "dispense-both", "notes": [3, 7]}),
    "purge good": ("01 50 02 44 30 03 24", {"error": "30", "class": "B"}),
    "purge failed": ("01 50 02 44 4E 03 5A", {"error": "4E", "class": "D"}),
    "10 given": (
        "01 50 02 45 31 30 31 30 31 30 30 30 03 14",
        {"chk": [10], "exit": [10], "rejected": [0], "near_end": [False], "error": "31"},
    ),
    "10 given, 1 rejected": (
        "01 50 02 45 31 31 31 30 31 31 30 31 03 15",
        {"chk": [11], "exit": [10], "rejected": [1], "near_end": [True]},
    ),
    "jam 35": ("01 50 02 45 30 36 30 34 35 30 30 30 03 12", {"chk": [6], "exit": [4], "error": "35", "class": "D"}),
    "empty": ("01 50 02 45 30 36 30 36 38 31 30 30 03 1C", {"exit": [6], "error": "38", "class": "C"}),
    "short error": ("01 50 02 45 37 03 22", {"error": "37", "short": True, "class": "A"}),
    "lower 5 given": ("01 50 02 55 30 35 30 35 31 30 30 30 03 04", {"exit": [5]}),
    "both given": (
        "01 50 02 56 30 33 30 33 30 37 30 37 31 30 30 30 30 30 30 03 37",
        {"chk": [3, 7], "exit": [3, 7], "rejected": [0, 0], "near_end": [False, False]},
    ),
    "status clean": ("01 50 02 46 30 30 80 80 03 16", {"sensors": [0x80, 0x80], "error": "30"}),
    "status near end": ("01 50 02 46 30 30 C0 80 03 56", {"sensors": [0xC0, 0x80]}),
    "status EXIT blocked": ("01 50 02 46 30 30 A0 80 03 36", {"sensors": [0xA0, 0x80]}),
    "ETX trap": ("01 50 02 46 30 30 80 03 03 95", {"sensors": [0x80, 0x03]}),
    "rom": ("01 50 02 47 4F 30 31 54 31 41 32 42 03 0D", {"rom": "O01T1A2B"}),
    "test": ("01 50 02 76 30 31 30 30 31 30 30 31 03 27", {"rejected": [1]}),
}


@pytest.mark.parametrize("case", WORKED)
def test_worked_bytes(case: str) -> None:
    text, fields = WORKED[case]
    raw = bytes.fromhex(text)
    (frame,) = LcdmCodec().feed(raw)
    assert isinstance(frame, Frame)
    assert frame.fields | fields == frame.fields
    assert LcdmCodec().encode(frame.fields) == raw


@pytest.mark.parametrize("place", range(14))
@pytest.mark.parametrize("bit", range(8))
def test_no_single_bit_error_is_believed(place: int, bit: int) -> None:
    raw = bytearray.fromhex(WORKED["10 given"][0])
    raw[place] ^= 1 << bit
    codec = LcdmCodec()
    items = codec.feed(bytes(raw)) + codec.end()
    assert not [i for i in items if isinstance(i, Frame) and i.fields["kind"] == "reply"]


def test_a_cut_off_frame_gives_way_to_the_next() -> None:
    whole = bytes.fromhex(WORKED["10 given"][0])
    cut, frame = LcdmCodec().feed(whole[:7] + whole)
    assert isinstance(cut, Fault)
    assert cut.raw == whole[:7]
    assert isinstance(frame, Frame)


@pytest.mark.parametrize(("cmd", "notes"), [(0x45, (61,)), (0x56, (40, 21)), (0x45, ()), (0x46, (1,)), (0x99, ())])
def test_what_no_command_carries(cmd: int, notes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"notes|numbers"):
        command(cmd, *notes)
