"""The end-to-end token that a dispense needs: made by whoever may authorise money, checked by the device. Pure.

    NONCE=<hex>,TOKENFORMAT=1,TOKENLENGTH=<4 digits>,KEY=VALUE,…,HMACSHA256=<64 hex digits>

One nonce of the device, printable ASCII without space, at most 1024 characters; TOKENLENGTH counts the whole token in
decimal; the HMAC covers all up to and including `HMACSHA256=` (XFS4IoT sheet, section 14). Besides DISPENSE1…, ours
carry SESSION (which session's key signed it), TERMINAL and EXPIRES (unix seconds).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

LONGEST = 1024
#: digits after the point, as far as tokens may carry them
EXPONENTS = {"CNY": 2, "GBP": 2, "EUR": 2, "USD": 2, "HKD": 2, "JPY": 0}
_SHAPE = re.compile(
    r"NONCE=(?P<nonce>[0-9A-F]+),TOKENFORMAT=1,TOKENLENGTH=(?P<length>[0-9]{4}),"
    r"(?P<pairs>(?:[A-Z0-9]+=[^,=]+,)+)HMACSHA256=(?P<hmac>[0-9A-F]{64})"
)
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Z]{3})")


class TokenError(Exception):
    """`code` is the XFS4IoT completionCode to answer with; the text says what is wrong, without quoting the token."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True)
class Token:
    """A token whose shape is good. `amounts`: currency → minor units that may be dispensed in all."""

    text: str
    nonce: str
    pairs: dict[str, str]
    amounts: dict[str, int]
    hmac: str

    @property
    def signed(self) -> bytes:
        """The part that the HMAC covers."""
        return self.text[: -len(self.hmac)].encode("ascii")


def session_key(pairing_key: bytes, session: str) -> bytes:
    """The key of one session, which core and device service derive alike from the key they were paired with."""
    return hmac.new(pairing_key, b"kiosk devices: session key 1:" + session.encode(), hashlib.sha256).digest()


def device_key(pairing_key: bytes) -> bytes:
    """The key of what the device says of itself (XFSAuthenticateDevice): never one that authorises money."""
    return hmac.new(pairing_key, b"kiosk devices: device key 1", hashlib.sha256).digest()


def make(key: bytes, nonce: str, amounts: Sequence[tuple[int, str]], extra: Mapping[str, str] | None = None) -> str:
    """A dispense token for at most `amounts` ((minor units, currency), …), with `extra` keys after them.

    Raises:
        ValueError: no token of that shape can be made (no amount, a bad key or value, too long).
    """
    pairs = {f"DISPENSE{i}": amount(minor, cur) for i, (minor, cur) in enumerate(amounts, 1)} | dict(extra or {})
    return sign(key, nonce, pairs)


def sign(key: bytes, nonce: str, pairs: Mapping[str, str]) -> str:
    """A token with any keys.

    Raises:
        ValueError: no token of that shape can be made.
    """
    body = "".join(f"{k}={v}," for k, v in pairs.items())
    length = len(f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH=0000,{body}HMACSHA256=") + 64
    signed = f"NONCE={nonce},TOKENFORMAT=1,TOKENLENGTH={length:04},{body}HMACSHA256="
    text = signed + hmac.new(key, signed.encode("ascii", "replace"), hashlib.sha256).hexdigest().upper()
    try:
        parse(text)
    except TokenError as e:
        raise ValueError(f"no token can be made of this: {e}") from e
    return text


def parse(text: str) -> Token:
    """Read a token; nothing is believed yet.

    Raises:
        TokenError: `invalidTokenFormat`; `invalidTokenKeyNoValue` for a key without value or twice;
            `invalidToken` for amounts that are none or not numbered 1, 2, 3, ….
    """
    if len(text) > LONGEST or not re.fullmatch(r"[!-~]*", text):
        raise TokenError("invalidTokenFormat", "too long, or not printable ASCII")
    match = _SHAPE.fullmatch(text)
    if match is None:
        if re.search(r"(?:^|,)[A-Z0-9]+=(?:,|$)", text):
            raise TokenError("invalidTokenKeyNoValue", "a key has no value")
        raise TokenError("invalidTokenFormat", "not of the shape of a token")
    if int(match["length"]) != len(text):
        raise TokenError("invalidTokenFormat", "TOKENLENGTH is not the length of the token")
    pairs: dict[str, str] = {}
    for part in match["pairs"][:-1].split(","):
        key, value = part.split("=")
        if key in pairs:
            raise TokenError("invalidTokenFormat", f"{key} stands there twice")
        pairs[key] = value
    return Token(text, match["nonce"], pairs, _amounts(pairs), match["hmac"])


def verify(text: str, key: bytes, nonce: str | None) -> Token:
    """Check shape, then HMAC, then nonce (None = there is no live one), each in constant time.

    Raises:
        TokenError: with the completionCode.
    """
    token = parse(text)
    good = hmac.new(key, token.signed, hashlib.sha256).hexdigest().upper()
    if not hmac.compare_digest(good, token.hmac):
        raise TokenError("invalidTokenHMAC", "the HMAC is wrong")
    if nonce is None:
        raise TokenError("noCommandNonce", "there is no live nonce")
    if not hmac.compare_digest(nonce, token.nonce):
        raise TokenError("invalidTokenNonce", "the nonce is not the live one")
    return token


def _amounts(pairs: Mapping[str, str]) -> dict[str, int]:
    numbered = {k: v for k, v in pairs.items() if re.fullmatch(r"DISPENSE[0-9]+", k)}
    amounts: dict[str, int] = {}
    for i, (key, value) in enumerate(numbered.items(), 1):
        match = _AMOUNT.fullmatch(value)
        if key != f"DISPENSE{i}" or match is None or match[2] in amounts or match[2] not in EXPONENTS:
            raise TokenError("invalidToken", f"{key} is no amount, or out of order")
        minor = Decimal(match[1]).scaleb(EXPONENTS[match[2]])
        if minor != minor.to_integral_value():
            raise TokenError("invalidToken", f"{key} has too many decimals")
        amounts[match[2]] = int(minor)
    return amounts


def amount(minor: int, currency: str) -> str:
    """`1000.00CNY`.

    Raises:
        ValueError: an unknown currency, or less than nothing.
    """
    if currency not in EXPONENTS or minor < 0:
        raise ValueError(f"no amount: {minor} {currency}")
    return f"{Decimal(minor).scaleb(-EXPONENTS[currency]):f}{currency}"
