"""The link of an LCDM: one command at a time, acknowledged, answered, acknowledged (PROTOCOLS A 1.5).

    host    COMMAND                       ACK
    device           ACK ... notes ... RSP    (RSP again, if our ACK did not arrive)

There is no sequence number and no last-result query, so a command that moves notes goes on the wire once: after
silence nothing is sent again, and the answer is waited for to the end, for only its ACK may be lost. Only a command
that asks is repeated. A device that says NCK to a moving command did not take it; but an ACK can be bent into an NCK on
the way, so the command is sent again only after silence for as long as the notes would have needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from devices.framing.base import Fault, Frame, hexed
from devices.framing.lcdm import ACK, COMMANDS, NCK, LcdmCodec

SENDS = 3  #: of one command in all
NAKS = 3  #: after the third the device drops its result


@dataclass(frozen=True)
class Timing:
    """Seconds. The defaults are the specification's where it has one."""

    #: a frame, first byte to last (S p5)
    frame: float = 0.2
    #: command to ACK (S p6)
    ack: float = 0.5
    #: ACK to the answer of a command that moves notes (S p6)
    reply: float = 60.0
    #: ACK to the answer of a command that only asks (ours)
    answer: float = 3.0
    #: silence after an answer about moved notes before the next command: longer than a device goes on repeating an
    #: answer whose ACK was lost (three in all; the gap of 0.5 s is unverified). A repetition that came later would be
    #: booked as the answer to the next dispense
    quiet: float = 1.3
    #: silence after an NCK to a moving command before it may be sent again (ours; PD assumes 3.5 notes a second)
    settle: float = 2.0
    settle_per_note: float = 0.5


class Phase(Enum):
    IDLE = auto()
    WAIT_ACK = auto()
    WAIT_REPLY = auto()
    #: the device said NCK to a moving command: listening before sending it again
    SETTLE = auto()


@dataclass(frozen=True)
class Send:
    """To do: put these bytes on the wire."""

    data: bytes


@dataclass(frozen=True)
class Taken:
    """News: the device acknowledged the command."""


@dataclass(frozen=True)
class Replied:
    """News: the command ended with this answer."""

    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class NotTaken:
    """News: the device refused the command `SENDS` times: nothing moved."""


@dataclass(frozen=True)
class NoAnswer:
    """News: the command ended without a usable answer. What it moved is not known."""

    why: str


@dataclass(frozen=True)
class Stray:
    """News: an answer to no open command. It was acknowledged and must not be booked as the open one."""

    fields: dict[str, object]


@dataclass(frozen=True)
class Note:
    """For the log."""

    text: str


Act = Send | Taken | Replied | NotTaken | NoAnswer | Stray | Note


class Link:
    """One end of the line. Each call returns what is to be done and what became known, in order."""

    def __init__(self, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self.phase = Phase.IDLE
        self._codec = LcdmCodec()
        self._raw = b""
        self._cmd = 0
        self._notes = 0
        self._sends = 0
        self._naks = 0
        #: something unreadable came since the command went out: an NCK may be a piece of it
        self._doubt = False
        self._until = 0.0
        self._frame_until: float | None = None
        self._last_reply: bytes | None = None
        #: a new command should not go out before this time
        self.quiet_until = 0.0

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called, if nothing comes before."""
        times = [] if self.phase is Phase.IDLE else [self._until]
        if self._frame_until is not None:
            times.append(self._frame_until)
        return min(times, default=None)

    def start(self, raw: bytes, now: float) -> list[Act]:
        """Send a command (as `framing.lcdm.command` makes it).

        Raises:
            RuntimeError: another command is open.
        """
        if self.phase is not Phase.IDLE:
            raise RuntimeError("one command at a time")
        acts: list[Act] = [Note(f"left over on the line: {hexed(i.raw)}") for i in self._codec.end()]
        self._raw, self._cmd = raw, raw[3]
        digits = raw[4:-2]
        self._notes = sum(int(digits[i : i + 2]) for i in range(0, len(digits), 2)) or 1
        self._sends = self._naks = 0
        self._doubt = False
        self._frame_until = None
        return acts + self._send(now)

    def feed(self, data: bytes, now: float) -> list[Act]:
        """Bytes came."""
        acts: list[Act] = []
        was_pending = self._codec.pending
        for item in self._codec.feed(data):
            acts += self._frame(item, now) if isinstance(item, Frame) else self._fault(item, now)
        if not self._codec.pending:
            self._frame_until = None
        elif not was_pending or self._frame_until is None or acts:
            self._frame_until = now + self.timing.frame
        return acts

    def tick(self, now: float) -> list[Act]:
        """Time passed."""
        acts: list[Act] = []
        if self._frame_until is not None and now >= self._frame_until:
            self._frame_until = None
            for item in self._codec.end():
                if isinstance(item, Fault):
                    acts += self._fault(item, now)
        if self.phase is Phase.IDLE or now < self._until:
            return acts
        for item in self._codec.end():
            acts.append(Note(f"not a frame: {hexed(item.raw)}"))
        return acts + self._silence(now)

    # --- inside ---

    @property
    def _moves(self) -> bool:
        return COMMANDS[self._cmd].moves

    def _send(self, now: float) -> list[Act]:
        self._sends += 1
        self.phase, self._until = Phase.WAIT_ACK, now + self.timing.frame + self.timing.ack
        return [Send(self._raw)]

    def _frame(self, item: Frame, now: float) -> list[Act]:
        kind = item.fields["kind"]
        if kind == "ack":
            if self.phase in (Phase.WAIT_ACK, Phase.SETTLE):
                self._wait_reply(now)
                return [Taken()]
            return [Note("ACK to nothing")]
        if kind == "nck":
            return self._refused(now)
        if kind != "reply":
            return [Note(f"a host speaks on this line: {hexed(item.raw)}")]
        return self._reply(item, now)

    def _wait_reply(self, now: float) -> None:
        self.phase = Phase.WAIT_REPLY
        self._until = now + (self.timing.reply if self._moves else self.timing.answer)

    def _refused(self, now: float) -> list[Act]:
        if self.phase is not Phase.WAIT_ACK:
            return [Note("NCK to nothing")]
        if not self._moves:
            return self._send(now) if self._sends < SENDS else self._end(NotTaken())
        if self._doubt:
            return [Note("NCK among unreadable bytes: not believed")]
        self.phase = Phase.SETTLE
        self._until = now + self.timing.settle + self.timing.settle_per_note * self._notes
        return [Note("NCK to a moving command: listening before it is sent again")]

    def _reply(self, item: Frame, now: float) -> list[Act]:
        if COMMANDS[int(str(item.fields["cmd"]), 16)].moves:
            # The next dispense's answer looks the same, so a late repetition must not fall into it.
            self.quiet_until = now + self.timing.quiet
        acts: list[Act] = [Send(bytes([ACK]))]
        if self.phase is Phase.IDLE:
            if item.raw == self._last_reply:
                return [*acts, Note("the answer again: our ACK was lost")]
            return [*acts, Stray(item.fields)]
        if item.fields["cmd"] != f"{self._cmd:02X}":
            return [*acts, Stray(item.fields)]
        self._last_reply = item.raw
        return acts + self._end(Replied(item.fields))

    def _fault(self, item: Fault, now: float) -> list[Act]:
        acts: list[Act] = [Note(f"{item.error}: {hexed(item.raw)}")]
        self._doubt = True
        if self.phase is Phase.SETTLE:
            self._wait_reply(now)
        if not item.framed or self.phase is Phase.IDLE or len(item.raw) < 4:
            return acts  # noise; if it was an answer, the device repeats it by itself
        self._naks += 1
        acts.append(Send(bytes([NCK])))
        if self._naks >= NAKS:
            return acts + self._end(NoAnswer("three bad answers"))
        if self.phase is not Phase.WAIT_REPLY:
            self._wait_reply(now)  # an answer began, so the command was taken
        return acts

    def _silence(self, now: float) -> list[Act]:
        if self.phase is Phase.SETTLE:
            return self._send(now) if self._sends < SENDS else self._end(NotTaken())
        if not self._moves:
            return self._send(now) if self._sends < SENDS else self._end(NoAnswer("no answer"))
        if self.phase is Phase.WAIT_ACK:
            self._wait_reply(now)
            return [Note("no ACK to a moving command: it is not sent again, the answer may still come")]
        return self._end(NoAnswer("no answer"))

    def _end(self, news: Act) -> list[Act]:
        self.phase = Phase.IDLE
        return [news]
