"""Tokens: the printed test vectors, and what must be refused (XFS4IoT sheet, section 14)."""

from __future__ import annotations

import random
import string

import pytest

from devices import token
from devices.token import TokenError

KEY = bytes(range(32))
DISPENSE = (
    "NONCE=7,TOKENFORMAT=1,TOKENLENGTH=0135,DISPENSE1=1000.00CNY,"
    "HMACSHA256=7C98D874AE8DAC9D9FCB56486C2D814266C2384C31BC85158AA579D04F1EF4DF"
)
WITH_SESSION = (
    "NONCE=0123456789ABCDEF0123456789ABCDEF,TOKENFORMAT=1,TOKENLENGTH=0183,DISPENSE1=1000.00CNY,SESSION=A1B2C3D4,"
    "HMACSHA256=568830C0614BE09B2B48C138F30760F98D7149FACF13DA2D08E0B3FA0E9A2741"
)
PRESENT = (
    "NONCE=42,TOKENFORMAT=1,TOKENLENGTH=0270,"
    "DISPENSEID=7C98D874AE8DAC9D9FCB56486C2D814266C2384C31BC85158AA579D04F1EF4DF,DISPENSED1=1000.00CNY,PRESENTED1=YES,"
    "PRESENTEDAMOUNT1=1000.00CNY,RETRACTED1=NO,"
    "HMACSHA256=9C22F1C21E1F33049EC3E206168B6D19E14071ACBE8F35E8D04768EA111AACF9"
)


@pytest.mark.parametrize(("text", "nonce"), [(DISPENSE, "7"), (WITH_SESSION, "0123456789ABCDEF" * 2), (PRESENT, "42")])
def test_printed_vectors(text: str, nonce: str) -> None:
    read = token.verify(text, KEY, nonce)
    assert token.sign(KEY, nonce, read.pairs) == text


def test_made_like_the_vectors() -> None:
    assert token.make(KEY, "7", [(100_000, "CNY")]) == DISPENSE
    assert token.make(KEY, "0123456789ABCDEF" * 2, [(100_000, "CNY")], {"SESSION": "A1B2C3D4"}) == WITH_SESSION
    assert token.parse(DISPENSE).amounts == {"CNY": 100_000}


def test_every_character_matters() -> None:
    for place in range(len(DISPENSE)):
        altered = DISPENSE[:place] + ("1" if DISPENSE[place] != "1" else "2") + DISPENSE[place + 1 :]
        with pytest.raises(TokenError):
            token.verify(altered, KEY, "7")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalidTokenFormat"),
        ("=2", "invalidTokenFormat"),
        ("NONCE=1=2", "invalidTokenFormat"),
        ("NONCE=1,2", "invalidTokenFormat"),
        ("NONCE=,", "invalidTokenKeyNoValue"),
        (DISPENSE[:-1], "invalidTokenFormat"),
        (DISPENSE + "\n", "invalidTokenFormat"),
        (DISPENSE + "é", "invalidTokenFormat"),
        (DISPENSE.lower(), "invalidTokenFormat"),
        (DISPENSE.replace("0135", "0136"), "invalidTokenFormat"),
        (DISPENSE.replace("0135", "0087"), "invalidTokenFormat"),
        (DISPENSE.replace("FORMAT=1", "FORMAT=2"), "invalidTokenFormat"),
        (DISPENSE.replace("DISPENSE1=1000.00CNY,", ""), "invalidTokenFormat"),
        (DISPENSE.replace("1000.00CNY", ""), "invalidTokenKeyNoValue"),
        ("A" * 1025, "invalidTokenFormat"),
    ],
)
def test_wrong_shapes(text: str, code: str) -> None:
    with pytest.raises(TokenError) as e:
        token.parse(text)
    assert e.value.code == code


def test_thousands_of_forgeries() -> None:
    dice = random.Random(1)
    alphabet = string.ascii_uppercase + string.digits + ",=."
    for _ in range(5_000):
        text = list(DISPENSE)
        for _ in range(dice.randrange(1, 4)):
            place, what = dice.randrange(len(text)), dice.randrange(3)
            text[place : place + (what > 0)] = dice.choice(alphabet) if what < 2 else ""
        if "".join(text) != DISPENSE:
            with pytest.raises(TokenError):
                token.verify("".join(text), KEY, "7")


def test_wrong_key_nonce_or_no_nonce() -> None:
    for key, nonce, code in [
        (bytes(32), "7", "invalidTokenHMAC"),
        (KEY, "8", "invalidTokenNonce"),
        (KEY, None, "noCommandNonce"),
    ]:
        with pytest.raises(TokenError) as e:
            token.verify(DISPENSE, key, nonce)
        assert e.value.code == code


@pytest.mark.parametrize(
    "pairs",
    [
        {"DISPENSE1": ".1CNY"},
        {"DISPENSE1": "1.CNY"},
        {"DISPENSE1": "1CN"},
        {"DISPENSE1": "11"},
        {"DISPENSE1": "1.005CNY"},
        {"DISPENSE1": "1XYZ"},
        {"DISPENSE2": "1CNY"},
        {"DISPENSE1": "1CNY", "DISPENSE3": "1EUR"},
        {"DISPENSE1": "1CNY", "DISPENSE2": "1CNY"},
        {"DISPENSE1": "-1CNY"},
    ],
)
def test_amounts_that_are_none(pairs: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no token"):
        token.sign(KEY, "7", pairs)


def test_1024_characters_and_not_one_more() -> None:
    room = 1024 - len(token.make(KEY, "7", [(100, "CNY")], {"X": "1"})) + 1
    assert len(token.make(KEY, "7", [(100, "CNY")], {"X": "1" * room})) == 1024
    with pytest.raises(ValueError, match="too long"):
        token.make(KEY, "7", [(100, "CNY")], {"X": "1" * (room + 1)})


def test_a_key_that_stands_there_twice_is_refused() -> None:
    text = token.sign(KEY, "7", {"DISPENSE1": "1CNY", "A": "1", "B": "2"}).replace("B=2", "A=2")
    with pytest.raises(TokenError, match="twice"):
        token.parse(text)


def test_session_keys_differ_by_session_and_pairing() -> None:
    keys = {token.session_key(k, s) for k in (KEY, bytes(32)) for s in ("S1", "S2")}
    assert len(keys) == 4
    assert token.session_key(KEY, "S1") == token.session_key(KEY, "S1")
