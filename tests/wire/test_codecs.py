"""Every codec that is built: any bytes in any pieces, the same frames, and never an exception."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from device_bench import ROOT, shared_vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import framing
from devices.framing.base import Frame
from devices.framing.essp import DEFAULT_FIXED_KEY, Seal, shared_key
from kiosk.bench.device_campaigns import PROTOS, everything, wrong_vector

#: bytes that frames are made of, so that noise gets far into a codec
LIKELY = st.sampled_from(
    [0x01, 0x02, 0x03, 0x04, 0x06, 0x07, 0x10, 0x15, 0x1D, 0x30, 0x31, 0x45, 0x50, 0x56, 0x69, 0x7F]
)
NOISE = st.lists(st.one_of(LIKELY, st.integers(0, 255)), max_size=80).map(bytes)


@pytest.mark.parametrize("name", framing.CODECS)
@settings(max_examples=60, deadline=None)
@given(data=NOISE, cuts=st.lists(st.integers(0, 80), max_size=8))
def test_any_bytes_any_pieces(name: str, data: bytes, cuts: list[int]) -> None:
    places = sorted({c for c in cuts if c < len(data)} | {0, len(data)})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    whole = everything(framing.codec(name), [data])
    assert everything(framing.codec(name), pieces) == whole
    assert everything(framing.codec(name), [data[i : i + 1] for i in range(len(data))]) == whole
    assert b"".join(item.raw for item in whole) == data  # no byte is lost, none is read twice


@pytest.mark.parametrize("name", framing.CODECS)
@settings(max_examples=60, deadline=None)
@given(data=NOISE)
def test_a_frame_that_is_read_can_be_written(name: str, data: bytes) -> None:
    codec = framing.codec(name)
    for item in everything(framing.codec(name), [data]):
        if isinstance(item, Frame):
            assert codec.encode(json.loads(json.dumps(item.fields))) == item.raw


@pytest.mark.parametrize("row", [p for proto in PROTOS for p in shared_vectors(proto)])
def test_shared_vectors(row: dict[str, str]) -> None:
    assert not wrong_vector(row)


#: frames worked out from the rules, or captured (PROTOCOLS A 4, 5 and B 1, 2)
WORKED = [
    ("ssp", "7F 80 03 02 7F 7F 7F 7F 2F A7", {"data": "02 7F 7F", "sequence": 1, "address": 0}),
    ("ssp", "7F 80 03 02 00 E6 7F 7F A6", {"data": "02 00 E6", "name": "set-inhibits"}),
    ("essp", "7F 80 11 7E FA 4E CA F9 F1 91 0E 58 BF 4A 3B 56 2A 1F 63 4D 34 54", {"kind": "encrypted", "blocks": 1}),
    ("cctalk", "03 01 01 A4 A5 B2", {"destination": 3, "source": 1, "name": "enable-hopper", "data": "A5"}),
    ("cctalk", "01 04 03 00 01 03 02 00 F2", {"source": 3, "name": "reply"}),
    ("ccnet", "02 03 07 81 01 DD 3B", {"as_answer": "stacked", "data": "01"}),
    ("ccnet", "02 03 06 30 41 B3", {"as_command": "reset", "as_answer": "illegal-command"}),
    ("ccnet", "02 03 07 47 50 AB E6", {"as_answer": "failure", "data": "50"}),
    ("id003", "FC 06 13 63 A2 D8", {"as_answer": "escrow", "data": "63"}),
    ("id003", "FC 05 15 03 10", {"as_answer": "vend-valid", "data": ""}),
    ("id003", "FC 05 4B F8 AB", {"as_answer": "invalid-command"}),
    ("ebds", "02 08 11 7F 38 00 03 5E", {"toggle": 1, "flags": ["escrow", "stack"]}),
    ("ebds", "02 0B 20 11 10 18 00 00 00 03 32", {"state": ["idle", "stacked"], "note_value": 3}),
    (
        "ebds",
        "02 1E 70 02 04 10 18 00 00 00 00 4A 50 59 30 30 32 2B 30 33 00 41 41 42 41 00 00 00 03 3A",
        {"type": "extended"},
    ),
    ("sam", "AA AA AA 96 69 00 04 00 00 80 84", {"kind": "reply", "words": "no card"}),
    ("sam", "AA AA AA 96 69 00 03 12 FF EE", {"kind": "command", "name": "module-id"}),
    ("modbus", "01 02 02 01 00 B8 28", {"unit": 1, "bits": [1, *[0] * 15]}),
    ("modbus", "01 83 04 40 F3", {"exception": "device-failure"}),
]


@pytest.mark.parametrize(("name", "text", "fields"), WORKED)
def test_worked_frames(name: str, text: str, fields: dict[str, object]) -> None:
    raw = bytes.fromhex(text)
    (frame,) = everything(framing.codec(name), [raw])
    assert isinstance(frame, Frame), frame
    assert frame.fields | fields == frame.fields
    assert framing.codec(name).encode(frame.fields) == raw


@pytest.mark.parametrize(("name", "text", "fields"), WORKED)
def test_no_bent_byte_is_believed(name: str, text: str, fields: dict[str, object]) -> None:
    del fields
    raw = bytearray.fromhex(text)
    for place in range(len(raw)):
        for bit in range(8):
            raw[place] ^= 1 << bit
            items = everything(framing.codec(name), [bytes(raw)])
            assert not any(isinstance(i, Frame) and len(i.raw) == len(raw) for i in items)
            raw[place] ^= 1 << bit


def test_essp_seals_and_opens() -> None:
    """The computed example of PROTOCOLS B 1.11."""
    key = shared_key(DEFAULT_FIXED_KEY, 0x238DDDC4)
    seal = Seal(key, bytes)
    poll = seal.close(b"\x07", 0)
    frame = framing.codec("essp").encode({"sequence": 1, "address": 0, "data": poll.hex()})
    assert frame.hex(" ").upper() == WORKED[2][1]
    payout = seal.close(bytes.fromhex("33 E8030000 455552 58"), 1)
    assert payout == bytes.fromhex("7E 29 B8 27 EA 45 57 4A FC 9A 62 88 87 98 98 DF D5")
    assert seal.open(poll, 0) == b"\x07"
    assert seal.open(poll, 1) == "count is 0, not 1"
    assert Seal(bytes(16)).open(poll, 0) == "the inner CRC is wrong: another key"
    assert seal.open(poll[:-1], 0) == "not an encrypted packet"


def command_line(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devices", *args], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_command_line_reports_and_never_raises() -> None:
    good = command_line("decode", "lcdm", "04", "50 02 45", "313003 11", "01500244", "--json")
    assert good.returncode == 0
    rows = [json.loads(line) for line in good.stdout.splitlines()]
    assert [(r["ok"], r["error"]) for r in rows] == [(True, None), (False, "short frame: 4 bytes and no end")]
    assert rows[0]["fields"]["notes"] == [10]
    back = command_line("encode", "lcdm", json.dumps(rows[0]["fields"]), "--json")
    assert json.loads(back.stdout)["hex"] == "04 50 02 45 31 30 03 11"
    body = command_line("encode", "lcdm", "45 31 30", "--json")
    assert json.loads(body.stdout)["hex"] == "04 50 02 45 31 30 03 11"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["decode", "nonsense", "00"], "there is no protocol 'nonsense'"),
        (["decode", "lcdm", "0g"], "is not hex"),
        (["sim", "lcdm2000", "--fault", "gravity"], "there is no fault 'gravity'"),
        (["serve", "--config", "missing.toml"], "missing.toml: cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(args: list[str], words: str, tmp_path: Path) -> None:
    ended = command_line(*args)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
