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
from dataclasses import dataclass
from decimal import Decimal

from kiosk.core.amount_mention import Folded, Kind, Mention, to_minor

_UNITS = dict(zip(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], range(1, 10), strict=True))
_TEENS = dict(
    zip(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        range(10, 20),
        strict=True,
    )
)
_TENS = dict(
    zip(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(20, 100, 10), strict=True)
)
_TENS["fourty"] = 40
_SMALL = _UNITS | _TEENS | _TENS
_ZERO = {"zero", "oh", "o", "nought", "nil"}
_HUNDRED = {"hundred", "hundreds"}
_SCALES = {
    "thousand": 10**3, "thousands": 10**3, "grand": 10**3, "k": 10**3,
    "million": 10**6, "millions": 10**6, "billion": 10**9, "billions": 10**9,
}  # fmt: skip
_BEYOND = {"trillion", "quadrillion", "quintillion", "lakh", "crore", "dozen", "score"}
_NUMBER = set(_SMALL) | _ZERO | _HUNDRED | set(_SCALES) | _BEYOND
_PLURAL_NOTES = {
    "fivers": 5, "tenners": 10, "fives": 5, "tens": 10, "twenties": 20, "fifties": 50, "hundreds": 100,
}  # fmt: skip
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
_NOTE_WORDS = {"note", "notes", "bill", "bills"}

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d++)?|\d++(?:\.\d++)?|[£$€¥]|[^\s\w]")
#: digits in groups: telephones, cards, dates, times, ordinals
_GROUPS = re.compile(r"0\d++ \d++|\d++(?:[ \-/:.]\d++){2,}|\d++[:/]\d++|\d++(?:st|nd|rd|th|am|pm|s)\b")

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
    r"\b(?:not|don't want|do not want|didn't say|did not say|don't need|never said|wasn't) (?:the |a "
    r"|about |to take |take |out |take out )*$"
)
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


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class _Parsed:
    """A number read from words `at`…`end` (indices of words): its value, or why it has none."""

    end: int
    kind: Kind
    value: Decimal = Decimal(0)
    flags: tuple[str, ...] = ()
    #: more than a lone small number: it has a hundred, a thousand, or three digits
    strong: bool = False


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
    words = [_Word(m[0], m.start(), m.end()) for m in _WORD.finditer(text)]
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


def _at(words: list[_Word], i: int) -> str:
    return words[i].text if 0 <= i < len(words) else ""


def _before(text: str, start: int) -> str:
    """The words before, separated by single spaces, cut at the last full stop or comma."""
    head = re.split(r"[.,!?;:]", text[max(0, start - 60) : start])[-1]
    kept = re.sub(r"[^\w' ]+", " ", head)
    return re.sub(r" +", " ", f" {kept} ").lstrip() if kept.strip() else ""


# --- counts of notes -------------------------------------------------------------------------------------------------


def _notes(text: str, words: list[_Word], i: int) -> tuple[int, Mention] | None:
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
        count, j = _count(words, i)
    if count is None:
        if words[i].text in _PLURAL_NOTES and words[i].text not in _HUNDRED:
            return i + 1, Mention(
                start, words[i].end, Kind.DENOMINATION, to_minor(Decimal(_PLURAL_NOTES[words[i].text]))
            )
        return None
    word = _at(words, j)
    if word in _ONE_NOTE and count == 1:
        return mention(j + 1, _ONE_NOTE[word])
    if word in _PLURAL_NOTES and (word not in _HUNDRED or _at(words, j + 1) not in _NUMBER):
        return mention(j + 1, count * _PLURAL_NOTES[word])
    # "five twenty pound notes", "ten 20 pound notes", "a fifty pound note"
    note, k = _count(words, j)
    if words[j : j + 2] and _at(words, j + 1) == "hundred" and _at(words, j) in ("one", "a"):
        note, k = 100, j + 2
    elif word == "hundred" and words[i].text not in ("a", "an"):
        note, k = None, j  # "five hundred pound notes" may be 500 in notes: left to the number itself
    if note in (5, 10, 20, 50, 100) and k < len(words):
        if words[k].text in _CURRENCIES and _at(words, k + 1) in _NOTE_WORDS:
            return mention(k + 2, count * note)
        if words[k].text in _NOTE_WORDS:
            return mention(k + 1, count * note)
    if words[i].text in ("a", "an") and word in ("fifty", "twenty", "ten") and _at(words, j + 1) not in _NUMBER:
        following = _at(words, j + 1)
        if following in ("", "please", "and", ".", ",", "too", "as", "thanks", "out", "from", "for", "love", "dear"):
            return mention(j + 1, _SMALL[word])
    return None


def _count(words: list[_Word], i: int) -> tuple[int | None, int]:
    """A number below a hundred at word `i`, and the word after it."""
    word = _at(words, i)
    if word.isdigit() and len(word) <= 3:
        return int(word), i + 1
    if word in _TENS and _at(words, i + 1) in _UNITS:
        return _TENS[word] + _UNITS[_at(words, i + 1)], i + 2
    if word in _SMALL:
        return _SMALL[word], i + 1
    return None, i


# --- numbers ---------------------------------------------------------------------------------------------------------


def _money(text: str, words: list[_Word], i: int) -> tuple[int, Mention] | None:
    """A number at word `i` with its currency words, judged by what stands around it."""
    first, currency, named = i, "", False
    if words[i].text in _SIGNS or (words[i].text in ("rmb", "cny", "usd", "gbp") and _at(words, i + 1)[:1].isdigit()):
        currency, named = _SIGNS.get(words[i].text, _CURRENCIES.get(words[i].text, "")), True
        i += 1
        if not _at(words, i)[:1].isdigit():
            return None
    parsed = _number(words, i)
    if parsed is None:
        return None
    end = parsed.end
    if (_at(words, end) in _CENTS and _at(words, end) != "p") or (_at(words, end) == "p" and not named):
        parsed = _Parsed(end + 1, parsed.kind, parsed.value / 100, parsed.flags, parsed.strong)
        currency, named, end = _CENTS[words[end].text], True, end + 1
        if _at(words, first - 1) == "and" and _at(words, first - 2) in _CURRENCIES:
            parsed = _Parsed(end, Kind.UNREADABLE)  # the main units before it were not understood
    elif _at(words, _past(words, end, _WHOSE)) in _CURRENCIES:
        end = _past(words, end, _WHOSE)
        currency, named = _CURRENCIES[words[end].text] or currency, True
        end += 1
        if _at(words, end) == "sterling":
            end += 1
        if _at(words, end) in _NOTE_WORDS and parsed.kind is Kind.VALUE:
            end += 1
            if parsed.value in (1, 5, 10, 20, 50, 100):
                m = Mention(words[first].start, words[end - 1].end, Kind.DENOMINATION, to_minor(parsed.value))
                return end, m
            parsed = _Parsed(end, parsed.kind, parsed.value, (*parsed.flags, "ambiguous"), parsed.strong)
        parsed, end = _with_cents(words, parsed, end)
    return end, _judge(text, words, first, end, parsed, currency, named)


def _past(words: list[_Word], i: int, these: set[str]) -> int:
    """The word after at most two of `these`."""
    for _ in range(2):
        i += _at(words, i) in these
    return i


def _with_cents(words: list[_Word], parsed: _Parsed, end: int) -> tuple[_Parsed, int]:
    """ "three pounds fifty", "five dollars and thirty cents", "three pounds five p"."""
    j = end + (_at(words, end) == "and")
    small, after = _count(words, j)
    if small is None or small > 99 or parsed.kind is not Kind.VALUE:
        return parsed, end
    spelled = _at(words, after) in _CENTS
    if not spelled and (
        j > end or _at(words, after) in _NUMBER | set(_CURRENCIES) | set(_PLURAL_NOTES) | _MEASURE | _NOTE_WORDS
    ):
        return parsed, end
    end = after + spelled
    if parsed.value != int(parsed.value) or (not spelled and small < 10):
        return _Parsed(end, Kind.UNREADABLE), end
    return _Parsed(end, Kind.VALUE, parsed.value + Decimal(small) / 100, parsed.flags, True), end


def _number(words: list[_Word], i: int) -> _Parsed | None:
    """The longest number at word `i`; None when no number begins there."""
    if i >= len(words):
        return None
    word = words[i].text
    if not (word in _NUMBER or word[0].isdigit() or (word in ("a", "an", "half") and _starts_scale(words, i + 1))):
        return None
    if word in _UNITS or word in _ZERO:
        digits = _digits(words, i)
        if digits:
            return digits
    if word in ("o", "oh", "k") or (word == "half" and _at(words, i + 1) not in ("a", "an")):
        return None
    if word in _BEYOND:
        return _Parsed(i + 1, Kind.UNREADABLE)
    if word == "half":
        scale = _SCALES.get(_at(words, i + 2))
        return _Parsed(i + 3, Kind.VALUE, Decimal(scale) / 2, (), True) if scale else None
    if word in ("hundreds", "thousands", "millions", "billions"):
        return _Parsed(i + 1, Kind.VAGUE)
    total, last, strong = Decimal(0), Decimal(10) ** 12, False
    flags: tuple[str, ...] = ()
    end, any_scale = i, False
    bare_last = ""
    while True:
        group = _group(words, end, joined=any_scale)
        if group is None:
            break
        value, after, has_hundred, first = group
        scale = _SCALES.get(_at(words, after))
        if _at(words, after) in _BEYOND:
            return _Parsed(after + 1, Kind.UNREADABLE)
        if scale:
            if scale >= last or (value >= 1000 and scale > 1):
                return _Parsed(after + 1, Kind.UNREADABLE) if total == 0 else _Parsed(end, Kind.UNREADABLE)
            total, last, end, strong, any_scale = total + value * scale, Decimal(scale), after + 1, True, True
            if value != int(value):
                break
            if _at(words, end) == "and" and _at(words, end + 1) == "a" and _at(words, end + 2) == "half":
                return _Parsed(end + 3, Kind.VALUE, total + Decimal(scale) / 2, (), True)
            if _at(words, end) in _SCALES:
                return _Parsed(end + 1, Kind.UNREADABLE)
            continue
        if any_scale and value >= last:
            return _Parsed(after, Kind.UNREADABLE)
        total += value
        strong = strong or has_hundred or (words[first].text[0].isdigit() and value >= 100)
        bare_last = words[first].text if any_scale and value < 10 and words[first - 1].text != "and" else ""
        end = after
        break
    if end == i:
        return None
    if bare_last and not bare_last.isdigit():
        flags = ("ambiguous",)
    if not any_scale and not strong:
        pair = _pair(words, i, end, total)
        if pair:
            return pair
    if _at(words, end) in ("point",) and total == int(total):
        return _point(words, end, total)
    return _Parsed(end, Kind.VALUE, total, flags, strong)


def _starts_scale(words: list[_Word], i: int) -> bool:
    word = _at(words, i)
    return (
        word == "hundred"
        or word in ("thousand", "grand", "million", "billion")
        or (word in ("a", "an") and _at(words, i + 1) in ("grand", "thousand", "million"))
    )


def _group(words: list[_Word], i: int, *, joined: bool) -> tuple[Decimal, int, bool, int] | None:
    """A number below a thousand (or "fifteen hundred", or written digits): value, next word, has a hundred, first word.

    `joined`: it continues a number after a thousand, so "and" or a comma may stand before it.
    """
    j = i
    if joined and _at(words, j) in ("and", ","):
        if _at(words, j) == "," and not (
            words[j - 1].text in _SCALES and _at(words, j + 1) in _SMALL and _hundred_soon(words, j + 1)
        ):
            return None
        j += 1
    first, word = j, _at(words, j)
    if not word:
        return None
    value: Decimal
    if word[0].isdigit():
        value, j = Decimal(word.replace(",", "")), j + 1
    elif word in ("a", "an") and _at(words, j + 1) in (_HUNDRED | set(_SCALES)):
        value, j = Decimal(1), j + 1
    elif word == "hundred" or (not joined and word in _SCALES and word != "k"):
        value = Decimal(1)
    elif word in _SMALL:
        small, j = _count(words, j)
        value = Decimal(small or 0)
    elif word == "zero" and not joined:
        value, j = Decimal(0), j + 1
        if _at(words, j) != "point":
            return value, j, False, first
    else:
        return None
    if _at(words, j) == "point" and not joined:
        pointed = _point(words, j, value)
        if pointed.kind is Kind.VALUE and _at(words, pointed.end) in _SCALES:
            return pointed.value, pointed.end, False, first
        return value, j, False, first
    if (
        _at(words, j) == "and"
        and _at(words, j + 1) in ("a", "half")
        and _at(words, j + 1 + (_at(words, j + 1) == "a")) == "half"
    ):
        k = j + 2 + (_at(words, j + 1) == "a")
        if _at(words, k) in _SCALES:
            return value + Decimal("0.5"), k, False, first
        if _at(words, k) in _HUNDRED:
            return (value + Decimal("0.5")) * 100, k + 1, True, first
    if _at(words, j) not in _HUNDRED:
        return value, j, False, first
    if value >= 100 or value == 0 or value != int(value):
        return None
    value, j = value * 100, j + 1
    k = j + (_at(words, j) == "and")
    word = _at(words, k)
    small, after = _count(words, k)
    if (
        small is not None
        and small < 100
        and _at(words, after) not in _HUNDRED | set(_PLURAL_NOTES)
        and (_at(words, after) not in _SCALES or k == j or _at(words, after) in _SCALES)
    ):
        if k > j and _at(words, after) in _SCALES and value >= 1000:
            return value, j, True, first
        if _at(words, after) in _NOTE_WORDS:
            return value, j, True, first
        return value + small, after, True, first
    return value, j, True, first


def _hundred_soon(words: list[_Word], i: int) -> bool:
    _, after = _count(words, i)
    return _at(words, after) == "hundred"


def _point(words: list[_Word], i: int, whole: Decimal) -> _Parsed:
    """ "point nine nine", "point five", "point twenty five" at word `i`."""
    j, fraction = i + 1, ""
    while (word := _at(words, j)) and (word in _UNITS or word in _ZERO or (word.isdigit() and len(word) <= 2)):
        fraction += str(_UNITS.get(word, 0)) if not word.isdigit() else word
        j += 1
    if not fraction:
        small, j = _count(words, j)
        if small is None:
            return _Parsed(i + 1, Kind.UNREADABLE)
        fraction = str(small)
    return _Parsed(j, Kind.VALUE, whole + Decimal(f"0.{fraction}"), (), True)


def _digits(words: list[_Word], i: int) -> _Parsed | None:
    """Digits one by one: "five zero zero", "one double two"."""
    j, digits = i, ""
    while True:
        word = _at(words, j)
        if word in _UNITS:
            digits += str(_UNITS[word])
        elif word in _ZERO:
            digits += "0"
        elif word in ("double", "triple") and (_at(words, j + 1) in _UNITS or _at(words, j + 1) in _ZERO):
            digits += ("0" if _at(words, j + 1) in _ZERO else str(_UNITS[_at(words, j + 1)])) * (
                2 if word == "double" else 3
            )
            j += 1
        else:
            break
        j += 1
    if len(digits) < 2:
        return None
    if _at(words, j) in _HUNDRED or _at(words, j) in _SCALES:
        # "one two hundred", "five six thousand": a range, or a stumble
        return _Parsed(j + 1, Kind.VAGUE)
    if _at(words, j) in _SMALL:
        return _Parsed(j + 1, Kind.NOT_MONEY if len(digits) > 3 else Kind.UNREADABLE)
    if 3 <= len(digits) <= 6 and digits[0] != "0" and digits.endswith("00"):
        return _Parsed(j, Kind.VALUE, Decimal(digits), ("ambiguous",), True)
    if (len(digits) == 2 and digits[0] == "0") or len(digits) > 2:
        return _Parsed(j, Kind.NOT_MONEY)
    return _Parsed(j, Kind.UNREADABLE)


def _pair(words: list[_Word], i: int, end: int, first: Decimal) -> _Parsed | None:
    """ "twelve fifty", "three twenty five", "twelve oh five": as a bank reads it, ambiguous."""
    if _at(words, i)[0].isdigit():
        if _at(words, end)[:1].isdigit():
            return _Parsed(end + 1, Kind.UNREADABLE)
        return None
    word = _at(words, end)
    if word in ("oh", "o", "zero") and _at(words, end + 1) in _UNITS and first >= 10:
        return _Parsed(end + 2, Kind.VALUE, first * 100 + _UNITS[_at(words, end + 1)], ("ambiguous",), True)
    if word not in _SMALL and word not in _ZERO:
        return None
    second, after = _count(words, end)
    following = _at(words, after)
    if second is None or second < 10 or (following in _NUMBER and following not in ("k",)):
        if following in _HUNDRED or following in _SCALES:
            return _Parsed(after + 1, Kind.VAGUE)
        while _at(words, after) in _NUMBER:
            after += 1
        return _Parsed(max(after, end + 1), Kind.UNREADABLE)
    if first >= 20 and first % 10 == 0:
        return _Parsed(after, Kind.VAGUE if second > first else Kind.UNREADABLE)
    if second == first + 1 or (first == 10 and second % 10 == 0):
        return _Parsed(after, Kind.VAGUE)
    return _Parsed(after, Kind.VALUE, first * 100 + second, ("ambiguous",), True)


def _judge(text: str, words: list[_Word], i: int, end: int, parsed: _Parsed, currency: str, named: bool) -> Mention:
    """What the words around a number make of it."""
    start, stop = words[i].start, words[end - 1].end
    before, value, after = _before(text, start), parsed.value, _at(words, end)
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
        and _at(words, i - 2) in ("quarter", "third", "half", "percent", "tenth", "%", "lots", "lot", "sets")
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
    if last in ("minus", "negative") or (
        last == "-" and words[i - 1].end == start and (i < 2 or not words[i - 2].text[0].isalnum())
    ):
        return mention(Kind.UNREADABLE)
    if not exact:
        return mention(parsed.kind)
    if _COUPLE.search(before) or _BOUND_BEFORE.search(before):
        return mention(Kind.VAGUE)
    rest = text[stop:]
    if re.match(
        r"\s*(?:odd|something|plus|and a bit|and change|and then some|tops|or more|or less|or over|or under"
        r"|at (?:the )?(?:least|most)|max(?:imum)?|minimum)\b",
        rest,
    ):
        return mention(Kind.VAGUE)
    if after in ("or", "to") and _number(words, end + 1):
        return mention(Kind.VAGUE)
    whole = not re.search(r"\w", text[:start]) and not re.search(r"\w", rest)
    if not named and not parsed.strong and not whole:
        if (
            value < 10
            and words[i].text in _UNITS
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
    return bool(_RETRACTS.match(tail[:80]))


def everything(text: str) -> bool:
    """Is all (or half, or the rest) of the money meant, whatever numbers are named beside it?"""
    return bool(_EVERYTHING.search(text))
