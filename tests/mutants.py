"""Mutants of the money core, kept as replacements: (file, what stands there, what a careless hand made of it).

Each must be killed by the quick tests that `tests/unit/test_mutants.py` runs against it, or those tests do not bite.
"""

# ruff: noqa: E501 - a table reads better in one line a row

ENGINE, FOLD, BOOKS, GROUND, JOURNAL = (
    "kiosk/core/engine.py",
    "kiosk/core/fold.py",
    "kiosk/core/books.py",
    "kiosk/core/grounding.py",
    "kiosk/adapters/journal.py",
)

MUTANTS: list[tuple[str, str, str, str]] = [
    ("a hold without a face", ENGINE, 'not {"face", "voice"} <= set(self.state.verified)', 'not {"voice"} <= set(self.state.verified)'),
    ("a hold over another amount", ENGINE, 'or self.money(step.fields["amount"]) != self.state.confirmed', "or False"),
    ("a hold for one who is gone", ENGINE, '                return self.go("declined")\n', "                pass\n"),
    ("cash for one who is gone", ENGINE, '        if self.state.gone:\n            return self.go("none")\n', ""),
    ("cash without a hold", ENGINE, 'or "authorisation" not in self.state.facts', ""),
    ("told again after a restart", ENGINE, "            case Dispense(id=id_, amount=amount):\n                self.wait(AskDispenser(id_, amount))", "            case Dispense():\n                self.wait(waiting)"),
    ("told again after a lost answer", ENGINE, "            self.wait(AskDispenser(waiting.id, waiting.amount))", "            self.wait(Dispense(waiting.id, waiting.amount))"),
    ("asked under a new id", ENGINE, "            self.wait(AskDispenser(waiting.id, waiting.amount))", "            self.wait(AskDispenser(self.new_id(), waiting.amount))"),
    ("a bank call forgotten at a restart", ENGINE, "            case CallBank() | AskDispenser() | AskAcceptor() | OpenCase() | Close():\n                self.wait(waiting)", "            case AskDispenser() | AskAcceptor() | OpenCase() | Close():\n                self.wait(waiting)"),
    ("spoken to after a restart", ENGINE, "        if self.state.gone:\n            return\n        s = self.state", "        s = self.state"),
    ("a foreign answer is taken", ENGINE, "or event.effect != waiting.id", ""),
    ("unknown is read as good", ENGINE, '"then" if event.outcome == "ok" else "error", "unknown", "then")', '"paid", "ok", "then", "error")'),
    ("verified whatever came", ENGINE, 'if step.kind is Kind.VERIFY and event.outcome == "ok"', "if step.kind is Kind.VERIFY"),
    ("another voice is heard", ENGINE, "        if self.refused_voice(event, step):\n            return None\n", ""),
    ("a doubtful voice for ever", ENGINE, "        if doubts < 2:", "        if doubts < 3:"),
    ("a new amount is a yes", ENGINE, '(amount is None or amount == value)', "True"),
    ("an old yes counts for a new amount", ENGINE, "step.what: value}, confirmed=None)", "step.what: value})"),
    ("no limits", ENGINE, "        why = slot.refusal(value) if isinstance(value, Money) else None", "        why = None"),
    ("asked for ever", ENGINE, "if self.state.turns >= MAX_TURNS:", "if False:"),
    ("any amount the reader claims", GROUND, "found.minor != claimed.minor", "False"),
    ("an amount without words", GROUND, "    return claimed if overlaps else None", "    return claimed"),
    ("all that was said is kept", GROUND, "    return replace(said, understood=_joined(u, parts, None))", "    return said"),
    ("words beside the amount are kept", GROUND, "u.text[found.span[0] : found.span[1]])], money)", "u.text)], money)"),
    ("a second dispense is not seen", BOOKS, "if leg.dispenses > 1:", "if leg.dispenses > 2:"),
    ("more paid than held is not seen", BOOKS, "if leg.presented > leg.authorised:", "if False:"),
    ("an open advice is not seen", BOOKS, "        if leg.pending:", "        if False:"),
    ("doubt without a case is not seen", BOOKS, "            if not leg.cases:", "            if False:"),
    ("too much taken in a case is not seen", BOOKS, "row.captured > leg.presented + leg.unknown", "row.captured > leg.presented + 2 * leg.unknown"),
    ("a wrong capture is not seen", BOOKS, "if row.captured != leg.presented:", "if row.captured > leg.presented:"),
    ("an open hold is not seen", BOOKS, "        if row.open:\n", "        if False:\n"),
    ("a stranger's capture is not seen", BOOKS, "        if row.captured or row.open:", "        if row.open:"),
    ("a note too many is not seen", BOOKS, "if not sure <= left_machine_minor <= sure + doubt:", "if not sure <= left_machine_minor:"),
    ("a note too few is not seen", BOOKS, "if not sure <= left_machine_minor <= sure + doubt:", "if not left_machine_minor <= sure + doubt:"),
    ("an unanswered capture counts", FOLD, 'effect.advice and event.outcome == "ok"', "effect.advice"),
    ("what differs is passed over", FOLD, 'if [to_dict(e) for e in effects] != entry.body["effects"]:', "if False:"),
    ("a declined hold counts", FOLD, ' and event.outcome == "approved":', ":"),
    ("a release of nothing", FOLD, '            sums["released"] += sums["authorised"] - amount.minor', '            sums["released"] += sums["authorised"]'),
    ("the chain does not cover the body", JOURNAL, "for part in (str(seq), session, at, kind, text):", "for part in (str(seq), session, at, kind):"),
    ("the chain is no chain", JOURNAL, "    h = hashlib.sha256(before)\n", "    h = hashlib.sha256()\n"),
    ("not synced", JOURNAL, "PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF"),
    ("goes on after a failed sync", JOURNAL, "            self._failed = str(e)\n            raise self._out(self._failed) from e", "            raise self._out(str(e)) from e"),
    ("a row is not chained to the last", JOURNAL, "        self._seq, self._hash = seq, digest\n", "        self._seq = seq\n"),
    ("a missing row is not seen", JOURNAL, "                if seq != count:", "                if seq < count:"),
]  # fmt: skip
