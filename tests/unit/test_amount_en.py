"""The amount reader on English utterances, as tables: the amount in main units, and the utterance."""

from __future__ import annotations

import pytest

from kiosk.core.amount import read, reading

AMOUNTS = """
       250  two hundred and fifty
       250  can I get two hundred and fifty out please love
      1500  withdraw fifteen hundred
      1500  fifteen hundred
      1000  a thousand
      1250  twelve fifty
       600  five hundred, no, six hundred
       600  five hundred no six hundred
       600  five hundred, sorry, I mean six hundred
       600  not five hundred, six hundred
       200  ten twenties
       500  five hundreds
       120  two fifties and a twenty
       200  two hundred quid
   1250.50  $1,250.50
        20  £20
      2000  2k
      1500  1.5k
      2000  two grand
       500  half a grand
       300  I'm eighty years old, take out three hundred
       300  I'm eighty, three hundred please
      3.50  three pounds fifty
      5.30  five dollars and thirty cents
      0.50  fifty p
      0.50  50p
       200  about two hundred
       200  two hundred or so
      2500  two thousand five hundred
      2005  two thousand and five
      2005  two thousand five
      2500  two and a half thousand
      1500  one point five thousand
     12.50  twelve point five
       101  one hundred and one
      1234  one thousand two hundred and thirty four
      2500  twenty five hundred
      4538  forty five hundred thirty eight
       500  five zero zero
        20  twenty
         5  five
        20  I want twenty please
         5  a fiver
        20  two tenners
       200  ten twenty pound notes
        50  a fifty
       500  five one hundred yuan notes
       200  200 in twenties
       200  two hundred pounds in tens
      1984  nineteen eighty four
        50  I was born in nineteen forty two, fifty pounds please
       500  five hundred, no receipt
       300  I've got five hundred in my account, take out three hundred
       500  can I have five hundred
       200  could i have two hundred please
       200  my card number is 4532 1122 3344 5566 and i want 200
      1000  withdraw 1000 yuan
      1500  one thousand five hundred yuan
   1200000  one million two hundred thousand
       100  a hundred
       100  hundred pounds
    123456  one hundred twenty three thousand four hundred fifty six
   1050.25  one thousand and fifty yuan and twenty five fen
       500  five hundred please, sorry I'm slow
        80  er, um, eighty quid
       100  I'd like to withdraw one hundred pounds please dear
       300  make it three hundred
       400  five hundred, actually make that four hundred
       120  i want a hundred and fifty, er, no, sorry, a hundred and twenty
       200  send two hundred to my son
       350  three fifty
       250  five fifty pound notes
      1250  twenty five fifties
       200  two hundred in fives
       152  one hundred and fifty two pounds
       250  two-fifty
        25  twenty-five
      1500  1,500.00
      1.50  £1.50
      1500  1500 dollars
      1500  fifteen-hundred
        60  I'm seventy-eight and I want sixty pounds
       200  my husband is eighty, I need two hundred
       600  not five hundred but six hundred
      5000  five hundred? no, five thousand
       100  withdraw hundred
      5.10  five pound ten
       500  oh, five hundred please
       200  two hundred each
       150  hundred and fifty
        50  i want fifty
        50  i want 50 please
        80  eighty
       300  is it possible to have three hundred pounds today
       300  I would like to take out £300 please
       300  £300 please, I'm 82
      1000  no, one thousand
       200  yes, two hundred
       200  two hundred pounds, yes
       200  it was my first pension of two hundred
    100000  one hundred thousand
         6  five, no, six
      1000  1000
      1000  1,000
     10000  10000 yuan
      2105  two thousand one hundred and five
       777  seven hundred seventy seven
    999999  nine hundred ninety nine thousand nine hundred ninety nine
       200  two hundred quid for the gas man
       100  it's for my eightieth birthday, a hundred please
        40  call me on 07700 900123 and give me forty pounds
      1600  six hundred, I mean sixteen hundred
      5.50  it costs 5 pounds 50
      3.50  3 pounds and 50 pence
      1000  a thousand pounds or thereabouts
       200  say two hundred
"""
#: whatever is vague, several, taken back or not money has no amount
NO_AMOUNT = """
a few hundred
a couple of hundred
everything
take it all out
five or six hundred
between two hundred and three hundred
two to three hundred
one two three four
my pin is one two three four
at three o'clock
one moment please
one more time
five hundred and then three hundred
five hundred, no
five hundred, never mind
12 50
020 7946 0018
hundred hundreds
thousand thousand two hundreds
sixty fifteen
ten five
five zero
thirty forty pounds
another fifty
more than fifty
at least 50
1,25
-20
minus twenty
$5.999
half past three
couple of grand
ten or twenty pounds
forty-odd pounds
at half past ten
I'll be back in twenty minutes
I live at number forty two
sort code 12-34-56
on the twenty first
no not five hundred
two hundred, make that three
four hundred and fifty, no, sixty
give me twenty and another twenty
twenty and twenty
three times fifty
half of two hundred
a quarter of a million
fifty more
a hundred more
for hundred
i want to hundred
I have three children
take fifty out of the five hundred I have
three hundred and then some
between 50 and 100
50-60
50 to 60 pounds
200 pounds not 300
one two
can I have two lots of fifty
hundreds of pounds
a hundred or two
one or two hundred
not more than two hundred
two hundred tops
"""
FLAGS = [
    ("about two hundred", ("approximate",)),
    ("two hundred or so", ("approximate",)),
    ("twelve fifty", ("ambiguous",)),
    ("five zero zero", ("ambiguous",)),
    ("two thousand five", ("ambiguous",)),
    ("fifty pounds", ("currency",)),
    ("fifty quid", ()),
    ("two thousand and five", ()),
    ("twelve hundred and fifty", ()),
]
SPANS = [
    ("withdraw fifteen hundred", (9, 24)),
    ("£20 please", (0, 3)),
    ("five hundred, no, six hundred", (18, 29)),
    ("I'm eighty, three hundred please", (12, 25)),
    ("ten twenties please", (0, 12)),
    ("two fifties and a twenty", (0, 24)),
]
WHY = [
    ("hello", "no number"),
    ("at three o'clock", "not money"),
    ("a few hundred", "vague"),
    ("another fifty", "vague"),
    ("everything", "everything"),
    ("five hundred and then three hundred", "several"),
    ("five hundred, never mind", "taken back"),
    ("in twenties", "notes only"),
    ("hundred hundreds", "unreadable"),
    ("a" * 2001, "too long"),
]


def rows(table: str) -> list[tuple[int, str]]:
    return [(round(float(a) * 100), text) for a, text in (line.split(maxsplit=1) for line in table.split("\n") if line)]


@pytest.mark.parametrize(("minor", "text"), rows(AMOUNTS), ids=lambda v: str(v))
def test_amount(minor: int, text: str) -> None:
    amount = read(text, "en")
    assert amount is not None, reading(text, "en").why
    assert amount.minor == minor


@pytest.mark.parametrize("text", NO_AMOUNT.strip().split("\n"))
def test_no_amount(text: str) -> None:
    assert read(text, "en") is None


@pytest.mark.parametrize(("text", "flags"), FLAGS)
def test_flags(text: str, flags: tuple[str, ...]) -> None:
    amount = read(text, "en")
    assert amount is not None
    assert amount.flags == flags


@pytest.mark.parametrize(("text", "span"), SPANS)
def test_span_is_in_the_original_text(text: str, span: tuple[int, int]) -> None:
    amount = read(text, "en")
    assert amount is not None
    assert amount.span == span


@pytest.mark.parametrize(("text", "why"), WHY, ids=lambda v: str(v)[:20])
def test_why_there_is_none(text: str, why: str) -> None:
    assert reading(text, "en").amount is None
    assert reading(text, "en").why == why
