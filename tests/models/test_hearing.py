"""The real ears: recorded speech is heard, silence and noise are not, and a voice is known again."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kiosk.adapters import ge2e, ge2e_build, silero, sound, whisper
from kiosk.cli.hear import command as hear
from kiosk.cli.voice import command as voice
from kiosk.core.endpoint import Ended, Endpointer, NothingHeard, limits
from kiosk.ports import FRAME, RATE, Sound
from kiosk.run.speech import HINTS
from kiosk.values import LANGS, Lang, OperatorError

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def recognizer() -> whisper.Whisper:
    try:
        return whisper.load()
    except OperatorError as e:
        pytest.skip(str(e))


@pytest.fixture(scope="module")
def embedder() -> ge2e.Ge2e:
    try:
        return ge2e.load(silero.load())
    except OperatorError as e:
        pytest.skip(str(e))


def noises() -> dict[str, Sound]:
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE) / RATE
    made = {
        "nothing": np.zeros(2 * RATE),
        "hiss": 0.01 * rng.normal(size=t.size),
        "loud hiss": 0.2 * rng.normal(size=t.size),
        "hum": 0.1 * np.sin(2 * np.pi * 50 * t),
        "beep": 0.1 * np.sin(2 * np.pi * 1000 * t),
        "knock": 0.2 * rng.normal(size=t.size) * np.exp(-15 * t),
    }
    return {name: samples.astype(np.float32) for name, samples in made.items()}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "lang", "text"),
    [
        ("QianZ423_BAC009S0150W0001.flac", "zh", "设定29度"),
        ("QianZ423_BAC009S0150W0454.flac", "zh", "为这两块钱与保安发生纠纷"),
        ("cmusphinx_001.wav", "en", "Ten of clubs."),
        ("Azure-Samples_whats_the_weather_like.flac", "en", "What's the weather like?"),
    ],
)
def test_recorded_speech_is_heard(recognizer: whisper.Whisper, shared: Path, file: str, lang: Lang, text: str) -> None:
    samples = sound.read(shared / "speech" / file)
    assert recognizer.hear(samples, lang).text == text
    found_out = recognizer.hear(samples, None)
    assert (found_out.lang, found_out.text) == (lang, text)


@pytest.mark.parametrize("name", noises())
def test_noise_says_nothing_even_when_words_are_hoped_for(recognizer: whisper.Whisper, name: str) -> None:
    for lang in LANGS:
        assert recognizer.hear(noises()[name], lang, HINTS[lang]).text == ""


def test_too_little_sound_is_no_utterance(recognizer: whisper.Whisper) -> None:
    assert recognizer.hear(np.zeros(0, np.float32), "zh").text == ""
    assert recognizer.hear(np.full(100, 0.5, np.float32), "en").text == ""


def test_long_sound_is_cut_where_it_is_quiet() -> None:
    long = np.full(70 * RATE, 0.5, np.float32)
    long[24 * RATE : 25 * RATE] = 0
    pieces = whisper.cut(long)
    assert sum(p.size for p in pieces) == long.size
    assert all(p.size <= whisper.PIECE_S * RATE for p in pieces)
    assert 24 * RATE <= pieces[0].size <= 25 * RATE


@pytest.mark.shared
def test_the_detector_finds_speech_and_the_endpointer_its_end(shared: Path) -> None:
    activity = silero.load()
    speech = np.concatenate([sound.read(shared / "speech" / "QianZ423_BAC009S0150W0001.flac"), np.zeros(RATE)])
    for samples, wanted in ((speech, Ended), *((n, NothingHeard) for n in noises().values())):
        activity.reset()
        endpointer = Endpointer(limits("intent", 1.9))
        frames = samples[: samples.size // FRAME * FRAME].astype(np.float32).reshape(-1, FRAME)
        events = [e for f in frames if (e := endpointer.feed(activity.probability(f), FRAME / RATE))]
        assert isinstance(events[-1], wanted)


@pytest.mark.shared
def test_a_voice_is_known_again(embedder: ge2e.Ge2e, shared: Path) -> None:
    def vectors(who: str) -> np.ndarray:
        files = sorted((shared / "speech").glob(f"resemble-ai_{who}-*"))
        return np.stack([v for f in files if (v := embedder.embed(sound.read(f))) is not None])

    a, b = vectors("1688"), vectors("2609")
    assert np.allclose(np.linalg.norm(a, axis=1), 1, atol=1e-5)
    same = (a @ a.T)[np.triu_indices(len(a), 1)]
    assert same.min() > (a @ b.T).max()


def test_noise_has_no_voice(embedder: ge2e.Ge2e) -> None:
    for samples in noises().values():
        assert embedder.embed(samples) is None


@pytest.mark.shared
def test_hear_prints_the_keys_of_the_contract(shared: Path, recognizer: whisper.Whisper) -> None:
    files = [str(shared / "speech" / name) for name in ("cmusphinx_001.wav", "QianZ423_BAC009S0150W0001.flac")]
    result = CliRunner().invoke(hear, [*files, "--json"], catch_exceptions=False)
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["file"] for row in rows] == files
    assert [row["lang"] for row in rows] == ["en", "zh"]
    assert set(rows[0]) == {"file", "text", "lang", "confidence", "ms", "audio_s"}


@pytest.mark.shared
def test_trials_print_scores_and_rates(tmp_path: Path, shared: Path, embedder: ge2e.Ge2e) -> None:
    clip = {
        n: shared / "speech" / f"resemble-ai_{n}.flac"
        for n in ("1688-142285-0002", "1688-142285-0004", "2609-156975-0000")
    }
    a, same, other = clip.values()
    (tmp_path / "t.tsv").write_text(f"{a}\t{same}\t1\n{a}\t{other}\t0\n")
    result = CliRunner().invoke(voice, ["trials", str(tmp_path / "t.tsv"), "--json"], catch_exceptions=False)
    *rows, rates = [json.loads(line) for line in result.output.splitlines()]
    assert rows[0]["score"] > rows[1]["score"]
    assert (rates["eer"], rates["genuine"], rates["impostor"]) == (0.0, 1, 1)
    assert rates["fnmr_at_fmr"] == {"1e-2": None, "1e-3": None, "1e-4": None}


def test_a_pickle_that_names_anything_else_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return (print, ("gotcha",))

    good = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    for content in (good + pickle.dumps({"model_state": Evil()}, 2), pickle.dumps(Evil(), 2), b"PK\3\4", b"", good):
        (tmp_path / ge2e_build.SOURCE).write_bytes(content)
        with pytest.raises(OperatorError, match="is not Resemblyzer"):
            ge2e_build.build(tmp_path, lambda _: None)
        assert not (tmp_path / ge2e_build.BUILT).exists()


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    state = pickle.dumps({"model_state": {}}, 2) + pickle.dumps(["1"], 2) + struct.pack("<q", 10) + b"\0" * 12
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    (tmp_path / ge2e_build.SOURCE).write_bytes(head + state)
    with pytest.raises(OperatorError, match="is not Resemblyzer"):
        ge2e_build.build(tmp_path, lambda _: None)
