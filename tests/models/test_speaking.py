"""The real voices: what the kiosk and the synthetic customer say is what the real recogniser hears."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from click.testing import CliRunner

from kiosk.adapters import mouth, whisper
from kiosk.cli.say import command as say
from kiosk.core import amount
from kiosk.demo.customer import OTHERS, VOICES, Customer
from kiosk.demo.microphone import Room
from kiosk.ports import RATE, Sound
from kiosk.values import Lang, OperatorError

pytestmark = pytest.mark.weights

HINTS: dict[Lang, str] = {
    "zh": "以下是银行取款对话。",
    "en": "A bank customer withdraws money: two hundred yuan, please.",
}


@pytest.fixture(scope="module")
def ears() -> whisper.Whisper:
    try:
        return whisper.load()
    except OperatorError as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def voices() -> Iterator[mouth.Mouth]:
    try:
        loaded = mouth.load(cache=None)
    except OperatorError as e:
        pytest.skip(str(e))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("customer")


def said(voices: mouth.Mouth, text: str, lang: Lang, rate: float = 1.0) -> Sound:
    pieces = list(voices.say(text, lang, rate))
    return soxr.resample(np.concatenate([sound for sound, _ in pieces]), pieces[0][1], RATE)


def in_room(sound: Sound) -> Sound:
    """As the endpointer cuts it: some of the room before and after."""
    padded = np.concatenate([np.zeros(RATE // 3), sound, np.zeros(RATE // 2)]).astype(np.float32)
    return padded + Room().noise(len(padded))


@pytest.mark.parametrize(
    ("text", "lang", "minor"),
    [
        ("取1,000元，对吗？", "zh", 100_000),
        ("取一千元。", "zh", 100_000),
        ("Withdraw 1,000 yuan. Is that right?", "en", 100_000),
        ("Withdraw 2,350 yuan. Is that right?", "en", 235_000),
    ],
)
def test_the_kiosk_reads_an_amount_back_as_it_is(
    voices: mouth.Mouth, ears: whisper.Whisper, text: str, lang: Lang, minor: int
) -> None:
    heard = ears.hear(in_room(said(voices, text, lang)), lang, HINTS[lang]).text
    found = amount.read(heard, lang)
    assert found is not None, heard
    assert found.minor == minor, heard


@pytest.mark.parametrize(
    ("lang", "text", "heard"),
    [
        ("zh", "我要取款", "我要取款"),
        ("zh", "对", "对"),
        ("en", "I would like to withdraw some money", "withdraw some money"),
        ("en", "yes", "yes"),
    ],
)
def test_the_customer_is_understood(ears: whisper.Whisper, shelf: Path, lang: Lang, text: str, heard: str) -> None:
    assert heard in ears.hear(in_room(Customer(lang, shelf=shelf).speech(text)), lang, HINTS[lang]).text.lower()


@pytest.mark.parametrize("who", [VOICES, OTHERS])
@pytest.mark.parametrize(("lang", "text"), [("zh", "取一千元"), ("en", "one thousand yuan please")])
def test_the_amount_of_the_customer_and_of_the_other_person_is_heard(
    ears: whisper.Whisper, shelf: Path, who: dict[Lang, str], lang: Lang, text: str
) -> None:
    heard = ears.hear(in_room(Customer(lang, who[lang], shelf).speech(text)), lang, HINTS[lang]).text
    found = amount.read(heard, lang)
    assert found is not None, heard
    assert found.minor == 100_000, heard


def test_slower_is_longer(voices: mouth.Mouth) -> None:
    for text, lang in (("请看摄像头。", "zh"), ("Please look at the camera.", "en")):
        assert len(said(voices, text, lang, 0.7)) > 1.15 * len(said(voices, text, lang))  # type: ignore[arg-type]


def test_the_customer_does_not_sound_like_the_kiosk(voices: mouth.Mouth, shelf: Path) -> None:
    from kiosk.adapters import ge2e, silero

    try:
        embedder = ge2e.load(silero.load())
    except OperatorError as e:
        pytest.skip(str(e))
    lines: dict[Lang, tuple[str, str]] = {
        "zh": ("我要取款，取一千元", "请问您要取多少钱？"),
        "en": ("I would like to withdraw some money", "How much would you like to withdraw today?"),
    }
    for lang, (customers, kiosks) in lines.items():
        own = embedder.embed(in_room(Customer(lang, shelf=shelf).speech(customers)))
        again = embedder.embed(in_room(Customer(lang, shelf=shelf).speech(kiosks)))
        other = embedder.embed(in_room(Customer(lang, OTHERS[lang], shelf).speech(kiosks)))
        kiosk = embedder.embed(in_room(said(voices, kiosks, lang)))
        assert own is not None
        assert again is not None
        for stranger in (other, kiosk):
            assert stranger is not None
            assert float(own @ again) > float(own @ stranger) + 0.1


def test_an_unknown_voice_is_refused_by_name(shelf: Path, voices: mouth.Mouth) -> None:
    with pytest.raises(OperatorError, match="no voice 'zm_nobody'"):
        Customer("zh", "zm_nobody", shelf).speech("对")


def test_the_command_writes_a_16_bit_file_and_says_how_long_it_took(tmp_path: Path, voices: mouth.Mouth) -> None:
    out = tmp_path / "hello.wav"
    result = CliRunner().invoke(say, ["Please look at the camera.", "--lang", "en", "--out", str(out), "--json"])
    row = json.loads(result.stdout)
    with wave.open(str(out)) as f:
        assert (f.getsampwidth(), f.getnchannels()) == (2, 1)
        assert row == {**row, "file": str(out), "audio_s": round(f.getnframes() / f.getframerate(), 3)}
    assert 0 < row["first_ms"] <= row["ms"]
