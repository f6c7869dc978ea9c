"""The receipt printer against its simulator: a job is done only when the printer says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from device_bench import Sim

from devices.driver.escpos import Printed, ReceiptPrinter
from devices.framing.base import Fault, Frame
from devices.framing.escpos_status import EscposStatusCodec
from devices.transport import Line

LINES = ["取款回单", "金额 1,000.00 元", "Amount 1,000.00 CNY", "𠮷野家 ¥"]


def print_lines(sim: Sim, lines: list[str]) -> Printed:
    async def run() -> Printed:
        printer = ReceiptPrinter(Line(sim.link))
        done = await printer.print_lines(lines)
        printer.line.close()
        return done

    return asyncio.run(run())


def test_a_receipt(sim: Callable[..., Sim]) -> None:
    one = sim("escpos", "--fast")
    assert print_lines(one, LINES) == Printed(True)
    assert one.truth["jobs"] == [LINES]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("paper-out=0", "paperOut"),
        ("paper-out=2", "paperOut"),
        ("cover-open", "shutterFail"),
        ("silent", "deviceNotReady"),
    ],
)
def test_what_is_not_printed_is_not_done(sim: Callable[..., Sim], fault: str, error: str) -> None:
    one = sim("escpos", "--fast", "--fault", fault)
    done = print_lines(one, LINES)
    assert (done.ok, done.error) == (False, error)
    assert one.truth["jobs"] == []


def test_no_control_character_reaches_the_printer(sim: Callable[..., Sim]) -> None:
    one = sim("escpos", "--fast")
    assert print_lines(one, ["a\x1b@b\x10\x04\x01c"]).ok
    assert one.truth["jobs"] == [["a@bc"]]


@pytest.mark.parametrize(
    ("byte", "words"),
    [
        (0x12, {"n1": [], "n2": [], "n3": [], "n4": []}),
        (0x1A, {"n1": ["offline"], "n3": ["cutter"]}),
        (0x16, {"n2": ["cover-open"]}),
        (0x32, {"n2": ["paper-stop"]}),
        (0x52, {"n2": ["error"]}),
        (0x1E, {"n4": ["near-end"]}),
        (0x72, {"n4": ["paper-end"]}),
        (0x7E, {"n4": ["near-end", "paper-end"]}),
    ],
)
def test_answers_to_dle_eot(byte: int, words: dict[str, list[str]]) -> None:
    (frame,) = EscposStatusCodec().feed(bytes([byte]))
    assert isinstance(frame, Frame)
    assert frame.fields | words == frame.fields


def test_an_automatic_status_with_flow_control_inside() -> None:
    asb, xon = EscposStatusCodec().feed(bytes([0x30, 0x13, 0x00, 0x0C, 0x00, 0x11]))
    assert isinstance(asb, Frame)
    assert isinstance(xon, Frame)
    assert asb.fields["words"] == ["cover-open", "paper-end"]
    assert xon.fields["kind"] == "xon"


def test_a_broken_automatic_status() -> None:
    codec = EscposStatusCodec()
    assert isinstance(codec.feed(bytes([0x10, 0x90]))[0], Fault)
