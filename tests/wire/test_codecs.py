"""Every codec that is built: any bytes in any pieces, the same frames, and never an exception."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, shared_vectors
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import framing
from devices.framing.base import Codec, Fault, Frame

#: bytes that frames are made of, so that noise gets far into a codec
LIKELY = st.sampled_from(
    [0x01, 0x02, 0x03, 0x04, 0x06, 0x07, 0x10, 0x15, 0x1D, 0x30, 0x31, 0x45, 0x50, 0x56, 0x69, 0x7F]
)
NOISE = st.lists(st.one_of(LIKELY, st.integers(0, 255)), max_size=80).map(bytes)


def everything(codec: Codec, pieces: list[bytes]) -> list[Frame | Fault]:
    items = [item for piece in pieces for item in codec.feed(piece)]
    return items + codec.end()


@pytest.mark.parametrize("name", framing.built())
@settings(max_examples=200, deadline=None)
@given(data=NOISE, cuts=st.lists(st.integers(0, 80), max_size=8))
def test_any_bytes_any_pieces(name: str, data: bytes, cuts: list[int]) -> None:
    places = sorted({c for c in cuts if c < len(data)} | {0, len(data)})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    whole = everything(framing.codec(name), [data])
    assert everything(framing.codec(name), pieces) == whole
    assert everything(framing.codec(name), [data[i : i + 1] for i in range(len(data))]) == whole
    assert b"".join(item.raw for item in whole) == data  # no byte is lost, none is read twice


@pytest.mark.parametrize("name", framing.built())
@settings(max_examples=200, deadline=None)
@given(data=NOISE)
def test_a_frame_that_is_read_can_be_written(name: str, data: bytes) -> None:
    codec = framing.codec(name)
    for item in everything(framing.codec(name), [data]):
        if isinstance(item, Frame):
            assert codec.encode(json.loads(json.dumps(item.fields))) == item.raw


#: name in the vectors → protocol here
PROTOS = {"LCDM": "lcdm", "ESC/POS": "escpos-status"}


@pytest.mark.parametrize("row", [p for proto in PROTOS for p in shared_vectors(proto)])
def test_shared_vectors(row: dict[str, str]) -> None:
    raw = bytes.fromhex(row["hex"])
    name = PROTOS[row["proto"]]
    codec = framing.codec(name)
    if hasattr(codec, "side"):
        codec.side = row["dir"]
    items = everything(codec, [raw])
    if row["kind"] == "published-bad":
        assert any(isinstance(i, Fault) for i in items)
        return
    assert [i.raw for i in items] == [raw]
    assert isinstance(items[0], Frame), items[0]
    assert framing.codec(name).encode(items[0].fields) == raw


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
