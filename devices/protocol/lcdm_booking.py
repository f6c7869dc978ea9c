"""What an LCDM's answer says about the notes: presented, rejected, unknown (PROTOCOLS A 1.6). Pure.

EXIT counts notes that passed the last sensor: they were given. CHK counts what left the cassette; whether notes
rejected later are among them is unverified, so CHK in {EXIT, EXIT + rejected} is consistent and all else is not.
Whatever may have been given and is not proven is `unknown`, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.framing.lcdm import COUNT_FAILED, ERRORS, ErrorClass, error_byte

UNITS = ("upper", "lower")


@dataclass(frozen=True)
class Counts:
    """Notes of one cassette. `unknown` is how many more than `presented` may have been given."""

    presented: int = 0
    rejected: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Booking:
    """What became of one dispense, per cassette, and whether the machine may go on."""

    counts: dict[str, Counts]
    #: `good`, or why it stopped, in words for an operator
    words: str
    #: hex of the error byte, empty when there was no answer
    error: str = ""
    #: the machine must be opened and counted before it pays again
    stop: bool = False
    near_end: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def unknown(self) -> int:
        return sum(c.unknown for c in self.counts.values())


def nothing(requested: Mapping[str, int], words: str) -> Booking:
    """The command was never taken."""
    return Booking({u: Counts() for u in requested}, words)


def lost(requested: Mapping[str, int], words: str) -> Booking:
    """No usable answer: between nothing and all of it was given."""
    return Booking({u: Counts(unknown=n) for u, n in requested.items()}, words, stop=True)


def book(requested: Mapping[str, int], reply: Mapping[str, object]) -> Booking:
    """`requested`: unit → notes, as the command carried them; `reply`: the fields of its answer."""
    code = int(str(reply["error"]), 16)
    kind, words = error_byte(code)
    units = [u for u in UNITS if u in requested]
    if "exit" not in reply:
        if kind is ErrorClass.REFUSED:
            return Booking({u: Counts() for u in units}, words, str(reply["error"]))
        return Booking(
            {u: Counts(unknown=requested[u]) for u in units}, f"{words}, counts missing", str(reply["error"]), stop=True
        )
    chk, out, rejected = (_numbers(reply[name], len(units)) for name in ("chk", "exit", "rejected"))
    if kind is ErrorClass.REFUSED and any((*chk, *out, *rejected)):
        kind = ErrorClass.DOUBT
    if code in (0x49, 0x4A) and not any((*chk, *out, *rejected)):
        kind = ErrorClass.REFUSED
    # A note sticks, yet none was counted: these are not the counts of the run that brought it there (seen: a reset in
    # mid-dispense, and a command that the line had doubled answered after it).
    uncounted = not any((*chk, *out, *rejected))
    counts, stop = {}, kind is ErrorClass.DOUBT
    for unit, c, x, r in zip(units, chk, out, rejected, strict=True):
        consistent = c in (x, x + r)
        if kind is ErrorClass.DOUBT:
            doubtful = uncounted or code in COUNT_FAILED or code not in ERRORS
            most = max(requested[unit], c, x) if doubtful else max(c, x)
            counts[unit] = Counts(x, r, most - x)
        else:
            counts[unit] = Counts(x, r, 0 if consistent else max(0, c - x - r))
            stop = stop or not consistent or x > requested[unit]
    near = _flags(reply["near_end"], len(units))
    return Booking(
        counts,
        words,
        str(reply["error"]),
        stop,
        near_end=tuple(u for u, low in zip(units, near, strict=True) if low),
        empty=("upper",) if code == 0x38 else ("lower",) if code == 0x40 else (),
    )


def _numbers(value: object, size: int) -> list[int]:
    assert isinstance(value, Sequence)
    assert len(value) == size
    return [int(v) for v in value]


def _flags(value: object, size: int) -> list[bool]:
    return [bool(v) for v in _numbers(value, size)]
