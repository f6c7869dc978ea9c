"""What the sessions of note acceptors share: the poll, the note in escrow, and when it is a credit. Pure.

A credit is booked once: on the device's event, and only while a note that was seen in escrow is open. The same event
again, without a new escrow, is the same credit (PROTOCOLS A 5). What is to be written down stands in the list of acts
before the bytes that depend on it; whoever carries them out in order has the journal right by that alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from devices.framing.base import Codec, Fault, Frame, hexed

#: readings in a row that say "the note is gone" or "stuck" before it is believed: one may be a late answer
SURE = 3


@dataclass(frozen=True)
class Banknote:
    """`value` in minor units, 0 where the device's table does not name it; `code` is the device's own."""

    value: int
    currency: str
    code: int = 0


@dataclass(frozen=True)
class Open:
    """From the journal: a note that was in escrow when the host stopped; `told`: it may have been told to stack it."""

    note: Banknote
    told: bool


@dataclass(frozen=True)
class Timing:
    """Seconds, as the sheets have them; `answer` is for lines behind a USB adapter."""

    poll: float = 0.1
    answer: float = 0.2
    #: between an acknowledgement and the next command
    quiet: float = 0.02
    #: without a good answer before the device counts as gone
    silent: float = 5.0


@dataclass(frozen=True)
class Send:
    """To do: put these bytes on the wire."""

    data: bytes


@dataclass(frozen=True)
class Escrowed:
    """To write down: this note is held in escrow."""

    note: Banknote


@dataclass(frozen=True)
class Told:
    """To write down: the command to stack it comes next."""

    note: Banknote


@dataclass(frozen=True)
class Stacked:
    """To write down: the credit. `late`: it had been given up as unknown."""

    note: Banknote
    late: bool = False


@dataclass(frozen=True)
class Returned:
    """To write down: the customer has it back."""

    note: Banknote


@dataclass(frozen=True)
class Unknown:
    """To write down: it may have been kept; what is at stake is its value, never more."""

    note: Banknote
    why: str


@dataclass(frozen=True)
class Rejected:
    """News: something was put in and came back without ever being in escrow."""

    why: str


@dataclass(frozen=True)
class State:
    """News: the device is in another state, in the words of the session's own table."""

    word: str


@dataclass(frozen=True)
class Log:
    text: str


Record = Escrowed | Told | Stacked | Returned | Unknown
Act = Send | Record | Rejected | State | Log


class Escrow:
    """The one note that may be open, and what became of it."""

    def __init__(self, found: Open | None = None) -> None:
        self.note = found.note if found else None
        self.told = found.told if found else False
        #: what to do with it: `stack`, `return`, or nothing yet. A note of a session that is dead goes back
        self.decision = "return" if found else ""
        self._resumed = found is not None
        self._back = False
        self._last = ""
        self._readings = 0
        self._given_up: Banknote | None = None

    def seen(self, note: Banknote) -> list[Act]:
        """The device holds a note in escrow now."""
        acts: list[Act] = []
        if self.note is not None and self._resumed and note.value in (0, self.note.value):
            self._resumed = self.told = False  # the command was not taken, for here it still is
        another = note.value and self.note is not None and note.value != self.note.value
        if another or (self._back and self._readings):  # it came back, the way was free, and there is one again
            acts += self._vanished("another note is in escrow")
        self._readings = 0
        if self.note is None:
            self.note, self.told, self._back, self._resumed = note, False, False, False
            self.decision = "" if note.value else "return"
            self._given_up = None
            acts.append(Escrowed(note))
        return acts

    def tell(self) -> list[Act]:
        """The command to stack is about to be sent."""
        assert self.note is not None
        first, self.told = not self.told, True
        return [Told(self.note)] if first else []

    def credit(self, note: Banknote | None) -> list[Act]:
        """The credit event, with the note it names if it names one."""
        if self.note is not None:
            credited = note if note is not None and note.value else self.note
            self._close()
            return [Stacked(credited)]
        if self._given_up is not None:
            credited, self._given_up = self._given_up, None
            return [Stacked(credited, late=True)]
        return [Log("a credit event without a new escrow: the same credit")]

    def returned(self) -> list[Act]:
        """The device says that it gave the note back."""
        if self.note is None:
            return []
        note = self.note
        self._close()
        return [Returned(note)]

    def coming_back(self) -> None:
        """The device is returning or rejecting the note."""
        self._back = True
        self._readings = 0

    def busy(self) -> None:
        """The note is on its way; nothing is known yet."""
        self._readings = 0

    def gone(self, word: str) -> list[Act]:
        """The device is ready for another note, and no event told what became of this one."""
        return self._vanished(f"{word}, and no event came") if self._sure(word) else []

    def stuck(self, word: str) -> list[Act]:
        """The device is in trouble with the note inside; a full stacker is none for a note that came back."""
        if self._back and word == "full":
            return self.gone(word)
        return self.give_up(word) if self._sure(word) else []

    def give_up(self, why: str) -> list[Act]:
        """Nobody waits any longer. A credit event that still comes is booked late."""
        if self.note is None:
            return []
        note = self.note
        self._close()
        self._given_up = note
        return [Unknown(note, why)]

    def _vanished(self, why: str) -> list[Act]:
        return self.give_up(why) if self.told and not self._back else self.returned()

    def _sure(self, word: str) -> bool:
        if self.note is None:
            return False
        self._readings = self._readings + 1 if word == self._last else 1
        self._last = word
        return self._readings >= SURE

    def _close(self) -> None:
        self.note, self.told, self.decision, self._back, self._readings = None, False, "", False, 0


class Session(ABC):
    """One acceptor: polls, sets it up, and carries a note from escrow to its end. Each call returns acts, in order.

    Everything is decided from the state that the last answer told, so a lost command is simply found not done.
    """

    def __init__(self, codec: Codec, timing: Timing | None = None, found: Open | None = None) -> None:
        self.timing = timing or Timing()
        self.escrow = Escrow(found)
        #: the device's last state, in words; empty before the first answer
        self.word = ""
        #: notes are wanted
        self.accepting = False
        #: no good answer for `Timing.silent`
        self.silent = False
        self.codec = codec
        #: the command that waits for its answer
        self.asked: bytes | None = None
        self._until = self._next = self._heard = 0.0

    @property
    def deadline(self) -> float:
        """When `tick` wants to be called, if nothing comes before."""
        return self._next if self.asked is None else self._until

    @property
    def closed(self) -> bool:
        """Set up, and letting nothing in."""
        return self.word == "disabled"

    def start(self, now: float) -> None:
        """The line was opened: nothing is under way."""
        self.codec.end()
        self.asked, self._next, self._heard = None, now, now

    def feed(self, data: bytes, now: float) -> list[Act]:
        """Bytes came."""
        acts: list[Act] = []
        for item in self.codec.feed(data):
            if isinstance(item, Fault):
                acts.append(Log(f"{item.error}: {hexed(item.raw)}"))
                acts += self.bad(item, now)
            elif self.asked is None:
                acts.append(Log(f"an answer to nothing: {hexed(item.raw)}"))
            else:
                acts += self.answer(item, now)
        return acts

    def tick(self, now: float) -> list[Act]:
        """Time passed."""
        acts: list[Act] = []
        if now < self.deadline:
            return acts
        if self.asked is not None:
            self.codec.end()
            if now - self._heard >= self.timing.silent and not self.silent:
                self.silent, self.word = True, "no answer"
                acts.append(State("no answer"))
            again = self.missed()
            self.asked = None
            if again is not None:
                return [*acts, *self._ask([Send(again)], now)]
        return acts + self._ask(self.choose(), now)

    def decide(self, decision: str) -> None:
        """`stack` or `return` the note in escrow; the first word counts."""
        if self.escrow.note is not None and not self.escrow.decision:
            self.escrow.decision = decision

    def heard(self, now: float, soon: bool) -> None:
        """A good answer ended the exchange; the next command goes out soon or at the next poll."""
        self.asked, self._heard, self.silent = None, now, False
        self._next = now + (self.timing.quiet if soon else self.timing.poll)

    def enters(self, word: str) -> list[Act]:
        """The device is in this state; news if it was in another."""
        if word == self.word:
            return []
        self.word = word
        return [State(word)]

    def _ask(self, acts: list[Act], now: float) -> list[Act]:
        last = acts[-1]
        assert isinstance(last, Send)
        self.asked, self._until = last.data, now + self.timing.answer
        return acts

    @abstractmethod
    def choose(self) -> list[Act]:
        """What is to be sent now, last in the list: a command that the state asks for, or the poll."""

    @abstractmethod
    def answer(self, frame: Frame, now: float) -> list[Act]:
        """A good frame came while a command waits for its answer."""

    def bad(self, fault: Fault, now: float) -> list[Act]:
        """A frame that is not good came."""
        return []

    def missed(self) -> bytes | None:
        """No answer came: bytes to send again, or None to look at the state first."""
        return None
