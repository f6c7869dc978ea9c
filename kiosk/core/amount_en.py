"""Numbers in English utterances: words, digits and mixtures, as people say them and as recognisers write them.

One pass over words. A number is read only when its words form a number by the rules below; anything else is
`UNREADABLE`, so that a misheard amount becomes a question and not another amount.

Choices that a reader may want to know:

* "twelve fifty", "two fifty", "five ten" are 1,250, 250 and 510 as a bank hears them, and `ambiguous`;
  "thirty forty" is a range; "twelve pounds fifty" is 12.50 without doubt.
* "a couple of hundred", "a few hundred", "five or six hundred", "hundreds", "at least fifty" have no value;
  "about fifty", "fifty or so" have one, `approximate`.
* "ten twenties", "five fifty pound notes", "a fiver" count notes, and counts of notes add up.
* Digits one by one are an amount only when they end in zero ("five zero zero", `ambiguous`): the rest are card numbers.
* A number below a hundred without a currency counts only where the sentence ends after it or goes on as it does after
  an amount: "one moment", "at three", "eighty years old" are not money.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from kiosk.core.amount_mention import Folded, Kind, Mention, to_minor
from kiosk.core.number_en import (
    HUNDRED,
    NOTE_WORDS,
    NUMBER,
    PLURAL_NOTES,
    SMALL,
    UNITS,
    WORD,
    Parsed,
    Word,
    count_below,
    number_at,
    word_at,
)

_ONE_NOTE = {"fiver": 5, "tenner": 10}
_CURRENCIES = {
    "pounds": "GBP", "pound": "GBP", "sterling": "GBP", "gbp": "GBP", "quid": "", "bucks": "", "buck": "",
    "dollars": "USD", "dollar": "USD", "usd": "USD", "yuan": "CNY", "rmb": "CNY", "renminbi": "CNY", "kuai": "CNY",
    "cny": "CNY", "euros": "EUR", "euro": "EUR", "eur": "EUR", "yen": "JPY", "won": "KRW", "rupees": "INR",
    "francs": "CHF", "roubles": "RUB", "rubles": "RUB",
}  # fmt: skip
#: words that may stand between a number and its currency
_WHOSE = {
    "united",
    "states",
    "us",
    "american",
    "hong",
    "kong",
    "canadian",
    "australian",
    "zealand",
    "singapore",
    "british",
    "chinese",
    "english",
}
_SIGNS = {"£": "GBP", "$": "USD", "€": "EUR", "¥": "CNY"}
_CENTS = {"p": "GBP", "pence": "GBP", "penny": "GBP", "cent": "", "cents": "", "fen": "CNY"}

#: digits in groups: telephones, cards, dates, times, ordinals
_GROUPS = re.compile(r"0\d++(?: \d++)++|\d++(?:[ \-/:.]\d++){2,}|\d++[:/]\d++|\d++(?:st|nd|rd|th|am|pm|s)\b")

#: what may follow a small number without a currency when it is an amount
_ENDS = {
    "please", "thanks", "thank", "cheers", "love", "dear", "and", "or", "no", "not", "if", "in", "out", "from",
    "will", "would",
    "should", "is", "that's", "that", "ta", "today", "now", "then", "to", "for", "just", "only", "cash",
    "sorry", "wait",
    "er", "um", "uh", "actually", "make", "i", "ok", "okay", "right", "on", "altogether", "total", "mate", "darling",
    "duck", "pet",
    "sir", "miss", "madam", "ish", "ought", "but", "instead", "though", "with", "as", "so", "rather", "my", "it",
    "do", "can", "you", "the", "a", "all",
}  # fmt: skip
#: after a number of any size: it counts something else
_MEASURE = {
    "year", "years", "yr", "yrs", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "minute",
    "minutes", "mins", "second",
    "seconds", "o'clock", "am", "pm", "percent", "per", "times", "people", "miles", "degrees", "streets", "street",
    "road", "avenue",
    "th", "children", "kids", "cards", "card", "accounts", "account", "attempts", "letters", "digits", "digit",
    "points", "of", "%", "bus",
    "steps", "kilos", "kg", "tries", "questions", "moment", "more",
}  # fmt: skip
_BEFORE_OTHER = {
    "number", "flat", "room", "apartment", "page", "bus", "line", "since", "year", "born", "pin", "code", "ending",
    "ends", "digits",
    "extension", "aged", "age", "floor", "unit", "section", "step", "option", "window", "counter", "until", "before",
    "card", "chapter",
}  # fmt: skip
_ABOUT_BEFORE = {
    "about",
    "around",
    "roughly",
    "approximately",
    "approx",
    "nearly",
    "almost",
    "say",
    "maybe",
    "perhaps",
    "circa",
}
_BOUND_BEFORE = re.compile(
    r"\b(?:at least|at most|up to|more than|less than|fewer than|no more than|over|under|below|above"
    r"|minimum(?: of)?|maximum(?: of)?|max|min|another|extra|an extra"
    r"|an additional|a further|exceeding|plus)(?: the)? $"
)
_HELD_BEFORE = re.compile(
    r"\b(?:(?:got|have|has|had|is|are|only|there's|there is|left|keep|leave|leaving|owe|pension is"
    r"|balance is|wages are|took out|taken out|withdrew|drew|limit is|limit of"
    r"|put in|paid in|got out|spent) )(?:about |around |only |just |still |roughly )?$"
)
_HELD_CONTEXT = re.compile(
    r"\b(?:i|we|he|she|they|there|i've|we've|there's|account|balance|pension|wages|limit|yesterday|week"
    r"|month|time|already|still)(?: \w+){0,3} $"
)
_WANTED = re.compile(
    r"\b(?:can|could|may|please|let me|i'll|shall|would like to|want to|like to|wanna|might) (?:i |we "
    r"|please |just )*(?:have|keep) (?:about |around |only |just )?$"
)
_KEEPS_BEFORE = re.compile(r"\b(?:keep|leave|leaving|owe|owes) (?:about |just |only )?$")
_NEGATED_BEFORE = re.compile(
    r"\b(?:(?:don't|do not|never|mustn't|can't)(?: you)?(?: even)? (?:give|pay|get|let|send|take|put|hand)(?: me| us)?"
    r"(?: have)?(?: out)?|anything but|nothing like|not|don't want|do not want|didn't say|did not say"
    r"|don't need|never said|wasn't) (?:the |a "
    r"|about |to take |take |out |take out )*$"
)
#: what was, and what things are: never what is asked for
_PAST_BEFORE = re.compile(
    r"\b(?:took|withdrew|drew|spent|weigh|weighs|weighed|won|lost|lent|borrowed)(?: (?:out|me|us|him|her|them))?"
    r"(?: about| around| only| just| over| nearly)? $"
)
_BETWEEN_BEFORE = re.compile(r"\bbetween (?:[\w']+ ){0,5}$")
#: slang for amounts that this reader does not know: what follows is only a part of the amount
_SLANG = {"ton", "monkey", "pony", "score", "bag"}
_AGE_BEFORE = re.compile(
    r"\b(?:i'm|i am|im|he's|she's|he is|she is|(?:husband|wife|mother|father|mum|dad|son|daughter|sister"
    r"|brother) is|turned|turning|nearly|almost|just turned|over|aged|at) (?:nearly |almost |over "
    r"|about |now |only )*$"
)
_CLOCK_BEFORE = re.compile(r"\b(?:at|by|past|till|before|after|quarter to|half|from) $")
_COUPLE = re.compile(r"\b(?:a |an )?(?:few|couple|several|some|many|handful|bit|odd)(?: of)?(?: the)? (?:a )?$")
#: words after which "hundred" alone is one hundred
_BEFORE_BARE = {
    "withdraw", "take", "out", "get", "want", "need", "have", "me", "yes", "about", "around", "just", "please",
    "draw", "cash", "no",
    "withdrawal", "like", "minus", "few", "couple", "several", "some", "hundred", "thousand", "£", "$", "¥", "€",
    ",", ".", "?", "!",
}  # fmt: skip

_FILL = (
    r"(?:[^\w]|please|er|erm|um|uh|hmm|oh|ah|well|dear|love|sorry|i|mean|meant|want|said|make|it|that|a"
    r"|the|to|let's|let|me|have|take|out|withdraw|just|can|could|get|give"
    r"|should|be|say|you|know|i'd|like|no|not|quid|pounds|bucks|is|was|my|i'll|go|with|for)"
)
_MARK = (
    r"(?:no|sorry|wait|hang on|hold on|actually|i mean|i meant|make that|make it|rather|scratch that"
    r"|correction|instead|oops|not that|change that to|changed to|that's wrong|wrong)"
)
_HAS_MARK = re.compile(rf"\b{_MARK}\b")
_GAP_WORD = re.compile(rf"\b(?:{_FILL}|{_MARK}|hang|hold|on|change|changed|scratch|that's)\b")
_RANGES = re.compile(r"\W*(?:to|or|through|till|-|–|~|and a|and|maybe)\W*(?:maybe|perhaps|even|so)?\W*")
_ADDS = re.compile(r"\b(?:and|plus|then|another|also|with)\b")
_RETRACTS = re.compile(
    r"(?:[^\w]|please|er|erm|um|uh|oh|well|pounds|quid|ah)*(?:(?:no|wait|hang on|hold on)\b(?:[^\w]|no"
    r"|wait|sorry|not that|that's not right|that's wrong)*$|not that|that's wrong|that's not right"
    r"|(?:no )?scratch that|forget it|forget that|never mind|nevermind|cancel|actually no\b|no (?:wait"
    r"|sorry|actually|hang on|hold on|forget)|sorry no\b)"
)
_EVERYTHING = re.compile(
    r"\b(?:everything|the (?:whole )?lot|all of (?:it|my|the)|all (?:my|the|our) (?:money|savings|cash)"
    r"|empty|the rest|whatever(?:'s| is) left|half of|half my|as much as"
    r"|the remainder|clear (?:it|out)|withdraw all|take (?:it )?all out|all that's)\b"
)


def fold(text: str) -> Folded:
    """Small letters, half width, straight quotes, hyphens between words as spaces."""
    chars, index = [], []
    for i, c in enumerate(text):
        if unicodedata.category(c) in ("Cc", "Cf") and not c.isspace():
            continue
        wide = unicodedata.normalize("NFKC", c)
        c = (wide if len(wide) == 1 else c).lower()[:1]
        c = {"’": "'", "‘": "'", "￡": "£", "–": "-", "—": "-"}.get(c, " " if c.isspace() else c)
        chars.append(c)
        index.append(i)
    folded = "".join(chars)
    folded = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", folded)
    return Folded(folded, tuple(index))


def mentions(text: str) -> list[Mention]:
    """Every number in folded `text`, from left to right."""
    words = [Word(m[0], m.start(), m.end()) for m in WORD.finditer(text)]
    found: list[Mention] = []
    i = 0
    while i < len(words):
        group = _GROUPS.match(text, words[i].start) if words[i].text[0].isdigit() else None
        if group:
            found.append(Mention(group.start(), group.end(), Kind.NOT_MONEY))
            while i < len(words) and words[i].start < group.end():
                i += 1
            continue
        read = _notes(text, words, i) or _money(text, words, i)
        if read is None:
            i += 1
            continue
        end, mention = read
        found.append(mention)
        i = max(end, i + 1)
    return found


def _before(text: str, start: int) -> str:
    """The words before, separated by single spaces, cut at the last full stop or comma."""
    head = re.split(r"[.,!?;:]", text[max(0, start - 60) : start])[-1]
    kept = re.sub(r"[^\w' ]+", " ", head)
    return re.sub(r" +", " ", f" {kept} ").lstrip() if kept.strip() else ""


# --- counts of notes -------------------------------------------------------------------------------------------------


def _notes(text: str, words: list[Word], i: int) -> tuple[int, Mention] | None:
    """ "ten twenties", "two fifties", "a fiver", "five twenty pound notes", "a fifty"."""
    start = words[i].start

    def mention(end: int, value: int) -> tuple[int, Mention]:
        kind = Kind.NEGATED if _NEGATED_BEFORE.search(_before(text, start)) else Kind.NOTES
        return end, Mention(start, words[end - 1].end, kind, to_minor(Decimal(value)))

    if words[i].text in _ONE_NOTE:
        return mention(i + 1, _ONE_NOTE[words[i].text])
    count: int | None
    if words[i].text in ("a", "an"):
        count, j = 1, i + 1
    else:
        count, j = count_below(words, i)
    if count is None:
        if words[i].text in PLURAL_NOTES and words[i].text not in HUNDRED:
            return i + 1, Mention(
                start, words[i].end, Kind.DENOMINATION, to_minor(Decimal(PLURAL_NOTES[words[i].text]))
            )
        return None
    word = word_at(words, j)
    if word in _ONE_NOTE and count == 1:
        return mention(j + 1, _ONE_NOTE[word])
    if word in PLURAL_NOTES and (word not in HUNDRED or word_at(words, j + 1) not in NUMBER):
        return mention(j + 1, count * PLURAL_NOTES[word])
    # "five twenty pound notes", "ten 20 pound notes", "a fifty pound note"
    note, k = count_below(words, j)
    if words[j : j + 2] and word_at(words, j + 1) == "hundred" and word_at(words, j) in ("one", "a"):
        note, k = 100, j + 2
    elif word == "hundred" and words[i].text not in ("a", "an"):
        note, k = None, j  # "five hundred pound notes" may be 500 in notes: left to the number itself
    if note in (5, 10, 20, 50, 100) and k < len(words):
        if words[k].text in _CURRENCIES and word_at(words, k + 1) in NOTE_WORDS:
            return mention(k + 2, count * note)
        if words[k].text in NOTE_WORDS:
            return mention(k + 1, count * note)
    if words[i].text in ("a", "an") and word in ("fifty", "twenty", "ten") and word_at(words, j + 1) not in NUMBER:
        following = word_at(words, j + 1)
        if following in ("", "please", "and", ".", ",", "too", "as", "thanks", "out", "from", "for", "love", "dear"):
            return mention(j + 1, SMALL[word])
    return None


# --- numbers ---------------------------------------------------------------------------------------------------------


def _money(text: str, words: list[Word], i: int) -> tuple[int, Mention] | None:
    """A number at word `i` with its currency words, judged by what stands around it."""
    first, currency, named = i, "", False
    if words[i].text in _SIGNS or (
        words[i].text in ("rmb", "cny", "usd", "gbp") and word_at(words, i + 1)[:1].isdigit()
    ):
        currency, named = _SIGNS.get(words[i].text, _CURRENCIES.get(words[i].text, "")), True
        i += 1
        if not word_at(words, i)[:1].isdigit():
            return None
    parsed = number_at(words, i)
    if parsed is None:
        return None
    end = parsed.end
    if (word_at(words, end) in _CENTS and word_at(words, end) != "p") or (word_at(words, end) == "p" and not named):
        parsed = Parsed(end + 1, parsed.kind, parsed.value / 100, parsed.flags, parsed.strong)
        currency, named, end = _CENTS[words[end].text], True, end + 1
        if word_at(words, first - 1) == "and" and word_at(words, first - 2) in _CURRENCIES:
            parsed = Parsed(end, Kind.UNREADABLE)  # the main units before it were not understood
    elif word_at(words, _past(words, end, _WHOSE)) in _CURRENCIES:
        end = _past(words, end, _WHOSE)
        currency, named = _CURRENCIES[words[end].text] or currency, True
        end += 1
        if word_at(words, end) == "sterling":
            end += 1
        if word_at(words, end) in NOTE_WORDS and parsed.kind is Kind.VALUE:
            end += 1
            if parsed.value in (1, 5, 10, 20, 50, 100):
                m = Mention(words[first].start, words[end - 1].end, Kind.DENOMINATION, to_minor(parsed.value))
                return end, m
            parsed = Parsed(end, parsed.kind, parsed.value, (*parsed.flags, "ambiguous"), parsed.strong)
        parsed, end = _with_cents(words, parsed, end)
    return end, _judge(text, words, first, end, parsed, currency, named)


def _past(words: list[Word], i: int, these: set[str]) -> int:
    """The word after at most two of `these`."""
    for _ in range(2):
        i += word_at(words, i) in these
    return i


def _with_cents(words: list[Word], parsed: Parsed, end: int) -> tuple[Parsed, int]:
    """ "three pounds fifty", "five dollars and thirty cents", "three pounds five p"."""
    j = end + (word_at(words, end) == "and")
    small, after = count_below(words, j)
    if small is None or small > 99 or parsed.kind is not Kind.VALUE:
        return parsed, end
    spelled = word_at(words, after) in _CENTS
    if not spelled and (
        j > end or word_at(words, after) in NUMBER | set(_CURRENCIES) | set(PLURAL_NOTES) | _MEASURE | NOTE_WORDS
    ):
        return parsed, end
    end = after + spelled
    if parsed.value != int(parsed.value) or (not spelled and small < 10):
        return Parsed(end, Kind.UNREADABLE), end
    return Parsed(end, Kind.VALUE, parsed.value + Decimal(small) / 100, parsed.flags, True), end


def _judge(text: str, words: list[Word], i: int, end: int, parsed: Parsed, currency: str, named: bool) -> Mention:
    """What the words around a number make of it."""
    start, stop = words[i].start, words[end - 1].end
    before, value, after = _before(text, start), parsed.value, word_at(words, end)
    last = words[i - 1].text if i else ""

    def mention(kind: Kind, minor: int | None = None, flags: tuple[str, ...] = ()) -> Mention:
        return Mention(start, stop, kind, minor, flags, currency)

    if parsed.kind is Kind.NOT_MONEY:
        return mention(Kind.NOT_MONEY)
    if (
        end < len(words)
        and words[end].start == stop
        and words[end].text[0].isalpha()
        and words[end - 1].text[0].isdigit()
    ):
        return mention(Kind.NOT_MONEY if after in _MEASURE else Kind.UNREADABLE)
    exact = parsed.kind is Kind.VALUE
    if last in ("times", "half", "twice", "double", "triple", "by") or (
        last == "of"
        and word_at(words, i - 2) in ("quarter", "third", "half", "percent", "tenth", "%", "lots", "lot", "sets")
    ):
        return mention(Kind.VAGUE)
    if words[i].text in ("hundred", "thousand", "million") and last and last not in _BEFORE_BARE:
        return mention(Kind.UNREADABLE)  # "for hundred" is four hundred misheard
    if after in ("more", "less", "extra") and (parsed.strong or named):
        return mention(Kind.VAGUE)
    other = after in _MEASURE and not (after in ("of", "more") and (parsed.strong or named))
    if not named:
        if (
            other
            or last in _BEFORE_OTHER
            or re.search(
                r"\b(?:number|pin|code|card|account|phone)(?: number)?(?: is| ends in| ending in|'s)? $", before
            )
        ):
            return mention(Kind.NOT_MONEY)
        if (
            exact
            and (value < 125 or not parsed.strong)
            and _AGE_BEFORE.search(before)
            and value < 125
            and not parsed.strong
        ):
            return mention(Kind.NOT_MONEY)
        if exact and not parsed.strong and (value <= 12 and _CLOCK_BEFORE.search(before)):
            return mention(Kind.NOT_MONEY)
        if exact and 1900 <= value <= 2030 and last in ("in", "since", "of", "year"):
            return mention(Kind.NOT_MONEY)
        raw = words[i].text
        if exact and raw.isdigit() and (len(raw) >= 7 or (raw.startswith("0") and len(raw) > 1)):
            return mention(Kind.NOT_MONEY)
    elif other:
        return mention(Kind.NOT_MONEY)
    held = _HELD_BEFORE.search(before)
    if _KEEPS_BEFORE.search(before) or (
        held and _HELD_CONTEXT.search(before[: held.start()]) and not _WANTED.search(before)
    ):
        return mention(Kind.NOT_MONEY)
    if _PAST_BEFORE.search(before):
        return mention(Kind.NOT_MONEY)
    if last in ("minus", "negative") or (
        last == "-" and words[i - 1].end == start and (i < 2 or not words[i - 2].text[0].isalnum())
    ):
        return mention(Kind.UNREADABLE)
    if not exact:
        return mention(parsed.kind)
    if _COUPLE.search(before) or _BOUND_BEFORE.search(before) or _BETWEEN_BEFORE.search(before):
        return mention(Kind.VAGUE)
    if last in _SLANG or (last == "and" and word_at(words, i - 2) in _SLANG):
        return mention(Kind.UNREADABLE)
    if re.match(r",\d", text[stop:]) or re.search(r"\d,$", text[:start]):
        return mention(Kind.UNREADABLE)  # 100,00 and 1,00,000 are grouped in no way that is known
    rest = text[stop:]
    if re.match(
        r"\s*(?:odd|something|plus|and a (?:bit|half|quarter|few)|and change|and then some|tops|or more"
        r"|or less|or over|or under"
        r"|at (?:the )?(?:least|most)|max(?:imum)?|minimum)\b",
        rest,
    ):
        return mention(Kind.VAGUE)
    if after in ("or", "to") and number_at(words, end + 1):
        return mention(Kind.VAGUE)
    whole = not re.search(r"\w", text[:start]) and not re.search(r"\w", rest)
    if not named and not parsed.strong and not whole:
        if (
            value < 10
            and words[i].text in UNITS
            and (words[i].text == "one" or (after and after not in ("please", ".", "!")))
        ):
            return mention(Kind.NOT_MONEY)
        if value == 0 or (after and after not in _ENDS and re.match(r"\w", after)):
            return mention(Kind.NOT_MONEY)
    if _NEGATED_BEFORE.search(before):
        return mention(Kind.NEGATED)
    minor = to_minor(value)
    if minor is None:
        return mention(Kind.UNREADABLE)
    flags = list(parsed.flags)
    if (before.split()[-1:] and before.split()[-1] in _ABOUT_BEFORE) or re.match(
        r"\s*(?:pounds|quid|yuan)?[\s\-]*(?:ish|or so|or thereabouts|roughly|approximately|give or take)\b", rest
    ):
        flags.insert(0, "approximate")
    return mention(Kind.VALUE, minor, tuple(flags))


# --- what stands between and after mentions --------------------------------------------------------------------------


def corrects(gap: str, after: str) -> bool:
    """Do the words between two mentions take the first one back? "not" before the second does not; "no" does."""
    if len(gap) > 60 or not _HAS_MARK.search(gap) or re.search(r"\bnot\W*$", gap):
        return False
    return not re.search(r"\w", _GAP_WORD.sub("", gap))


def ranges(gap: str) -> bool:
    """Do the words between two mentions make them a range or a choice?"""
    return bool(_RANGES.fullmatch(gap)) and not re.fullmatch(r"\W*and(?: a)?\W*", gap)


def adds(gap: str) -> bool:
    """Do the words between two mentions ask for both?"""
    return bool(_ADDS.search(gap))


def retracted(tail: str) -> bool:
    """Do the words after the last mention take it back?"""
    return bool(_RETRACTS.match(tail))


def everything(text: str) -> bool:
    """Is all (or half, or the rest) of the money meant, whatever numbers are named beside it?"""
    return bool(_EVERYTHING.search(text))
