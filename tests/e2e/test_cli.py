"""Every command as a stranger calls it: the keys of DESIGN section 6, and one sentence for each mistake.

What an operator may do wrong ends with exit code 2 and one line on stderr, and leaves no file behind.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import pytest

from kiosk import paths
from kiosk.adapters.weights import need
from kiosk.cli import COMMANDS, LATER, main
from kiosk.core.intents import EXPECTS

pytestmark = pytest.mark.weights


def kiosk(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, stderr; called in this process, so that models' libraries are loaded once."""
    with pytest.raises(SystemExit) as end:
        main(list(args))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out.splitlines(), err


def rows(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    code, out, err = kiosk(capsys, *args, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sentences that the kiosk's own voices said."""
    folder = tmp_path_factory.mktemp("sounds")
    for name, text, lang in (("zh", "我要取款", "zh"), ("en", "I would like to withdraw some money", "en")):
        with pytest.raises(SystemExit) as end:
            main(["say", text, "--lang", lang, "--out", str(folder / f"{name}.wav"), "--json"])
        assert not end.value.code
    return folder


# --- keys ---


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(LATER)))
def test_help_says_what_a_command_does(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = kiosk(capsys, command, "--help")
    assert code == 0
    assert out[0].startswith(f"Usage: kiosk {command}")
    assert len(out) > 5


@pytest.mark.parametrize("command", [*sorted(LATER), "face live"])
def test_what_comes_later_says_so(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = kiosk(capsys, *command.split(), "x")
    assert (code, out) == (2, [])
    assert f"`kiosk {command}` is not built yet" in err


def test_parse(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = rows(capsys, "parse", "withdraw fifteen hundred", "--lang", "en")
    assert set(row) == {"intent", "slots", "spans", "confidence", "route", "ms"}
    assert (row["intent"], row["slots"]) == ("withdraw", {"amount": {"minor": 150000, "currency": "CNY"}})
    start, end = row["spans"]["amount"]
    assert "withdraw fifteen hundred"[start:end] == "fifteen hundred"
    (row,) = rows(capsys, "parse", "我要取款", "--lang", "zh")
    assert (row["intent"], row["slots"], row["spans"]) == ("withdraw", {}, {})


def test_a_batch_keeps_the_order_of_its_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = [("对", "zh", "yes_no"), ("I want to see my balance", "en", "intent"), ("五百", "zh", "money")]
    lines = [json.dumps({"text": t, "lang": lang, "expect": e}, ensure_ascii=False) for t, lang, e in said]
    (tmp_path / "said.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    answers = rows(capsys, "parse", "--file", str(tmp_path / "said.jsonl"))
    assert [a["intent"] for a in answers] == ["yes", "balance", "amount"]
    assert [a["minor"] for a in rows(capsys, "amount", "--file", str(tmp_path / "said.jsonl"))] == [None, None, 50000]


def test_say_and_hear(capsys: pytest.CaptureFixture[str], sounds: Path, tmp_path: Path) -> None:
    (said,) = rows(capsys, "say", "你好", "--lang", "zh", "--out", str(tmp_path / "a.wav"))
    assert {"ms", "first_ms", "audio_s"} <= set(said)
    with wave.open(str(tmp_path / "a.wav")) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(said["audio_s"], abs=0.01)
    files = [str(sounds / "zh.wav"), str(sounds / "en.wav")]
    heard = rows(capsys, "hear", *files)
    assert [set(h) for h in heard] == [{"file", "text", "lang", "confidence", "ms", "audio_s"}] * 2
    assert [h["file"] for h in heard] == files
    assert [h["lang"] for h in heard] == ["zh", "en"]
    assert "取款" in heard[0]["text"]
    assert "money" in heard[1]["text"]


def test_trials(capsys: pytest.CaptureFixture[str], sounds: Path, tmp_path: Path) -> None:
    pictures = need("pictures")
    for name in ("grace_hopper.jpg", "astronaut.png"):
        shutil.copy(pictures / name, tmp_path)
    for name in ("zh.wav", "en.wav"):
        shutil.copy(sounds / name, tmp_path)
    pairs = {"voice": ("zh.wav", "en.wav"), "face": ("grace_hopper.jpg", "astronaut.png")}
    for command, (a, b) in pairs.items():
        (tmp_path / "t.tsv").write_text(f"{a}\t{a}\t1\n{a}\t{b}\t0\n", encoding="utf-8")
        same, other, summary = rows(capsys, command, "trials", str(tmp_path / "t.tsv"))
        assert (same["a"], same["b"]) == (a, a)
        assert same["score"] == pytest.approx(1, abs=1e-5)
        assert other["score"] < 0.7
        assert {"eer", "fnmr_at_fmr"} <= set(summary)
        assert set(summary["fnmr_at_fmr"]) == {"1e-2", "1e-3", "1e-4"}


def test_a_withdrawal_is_typed_and_looked_at_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "kiosk", "run", "--text", "--no-model", "--json"]
    typed = "什么\n帮助\n查余额\n我要取款\n取一千元\n对\n"  # then Ctrl-D, which ends it
    env = {**os.environ, "KIOSK_KEEP": "1"}
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["reason"] for e in events if e["event"] == "closed"] == ["shown", "paid"]
    assert [(e["voice"], e["face"]) for e in events if e["event"] == "forgotten"] == [(True, True)] * 2
    session = [e["session"] for e in events if e["event"] == "session"][-1]
    (journal,) = (
        f
        for f in Path(tempfile.gettempdir()).glob("kiosk-*/state/journal.db")
        if session[:12].encode() in f.read_bytes()
    )
    before = journal.read_bytes()
    try:
        (verified,) = rows(capsys, "journal", "verify", str(journal))
        assert verified["ok"]
        assert rows(capsys, "cases", str(journal)) == []
        exported = {row["session"]: row for row in rows(capsys, "journal", "export", str(journal))}
        assert exported[session]["captured"] == exported[session]["presented"] == 100_000
        assert kiosk(capsys, "journal", "export", str(journal))[1][0].endswith(f"key:{exported[session]['key']}")
        steps = rows(capsys, "replay", session, "--journal", str(journal))
        assert (steps[0]["event"], steps[-1]["step"]) == ("Opened", "paid")
        code, _, err = kiosk(capsys, "replay", "S-1", "--journal", str(journal))
        assert (code, "no session 'S-1'" in err) == (2, True)
        assert journal.read_bytes() == before, "looking changed the journal"
    finally:
        shutil.rmtree(journal.parents[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_typed_kiosk_ends_when_it_is_told_to(number: int) -> None:
    command = [sys.executable, "-m", "kiosk", "run", "--text", "--no-model", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = []
        for line in process.stdout:
            event = json.loads(line)
            pids += [event["pid"]] if event["event"] == "process" else []
            if event["event"] == "listening":
                break
        process.send_signal(number)
        assert process.wait(30) == 0
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


# --- mistakes ---

LONG = "a" * 2001
MISTAKES = [
    (["nosuch"], "No such command 'nosuch'", "kiosk --help"),
    (["demo", "--nosuch"], "No such option '--nosuch'", "kiosk demo --help"),
    (["demo", "--fault", "flood"], "'flood' is not one of", "kiosk demo --help"),
    (["demo", "--wav", "absent.wav"], "absent.wav: no such sound file", "Check the path"),
    (["demo", "--wav", "text.wav"], "text.wav: is no readable sound file", "WAV, FLAC, OGG or MP3"),
    (["hear"], "Missing argument", "kiosk hear --help"),
    (["hear", "absent.wav"], "absent.wav: cannot be found", "WAV, FLAC, OGG or MP3"),
    (["hear", "empty.wav"], "empty.wav: is no readable sound file", "WAV, FLAC, OGG or MP3"),
    (["hear", "text.wav"], "text.wav: is no readable sound file", "WAV, FLAC, OGG or MP3"),
    (["hear", "huge.wav"], "huge.wav: lasts 120 minutes", "Cut it into pieces"),
    (["say", "hi", "--lang", "en", "--out", "absent/a.wav"], "absent: there is no such folder", "change --out"),
    (["say", "hi", "--lang", "en", "--out", "/proc/a.wav"], "/proc/a.wav: cannot be written", "another --out"),
    (["say", LONG, "--lang", "en", "--out", "a.wav"], "2001 characters", "Shorten it"),
    (["say", "…", "--lang", "en", "--out", "a.wav"], "nothing that can be said", "Check the text"),
    (["parse", LONG, "--lang", "en"], "2001 characters", "Shorten it"),
    (["parse", "\udcff", "--lang", "en"], "is not Unicode", "UTF-8"),
    (["parse", "x", "--lang", "fr"], "unknown language 'fr'", "zh or en"),
    (["parse", "x", "--lang", "en", "--expect", "cash"], "unknown expect 'cash'", ", ".join(EXPECTS)),
    (["parse", "--file", "latin.txt"], "latin.txt: is not UTF-8", "Save the file as UTF-8"),
    (["parse", "--file", "list.jsonl"], "list.jsonl:2: is not a JSON object", "One JSON object a line"),
    (["amount", "--file", "empty.wav"], "empty.wav: has no line", "Write a text"),
    (["amount", "\udcff", "--lang", "en"], "is not Unicode", "UTF-8"),
    (["voice", "trials", "one.tsv"], "one.tsv:1: is not a pair", "a<TAB>b"),
    (["voice", "trials", "sound.tsv"], "sound.tsv:1: text.wav is no readable sound file", "WAV"),
    (["face", "trials", "sound.tsv"], "sound.tsv:1: text.wav is not a picture", "jpeg"),
    (["face", "trials", "empty.wav"], "empty.wav: holds no pair", "a<TAB>b"),
    (["face", "trials", "absent.tsv"], "absent.tsv: cannot be read", "Check the path"),
    (["check", "absent"], "absent: no flow.yaml in any folder", "Name the folder"),
    (["talk", "latin.txt"], "latin.txt: is not UTF-8", "Save the file as UTF-8"),
    (["cases", "absent.db"], "absent.db: no journal is here", "Name the kiosk's journal"),
    (["cases", "empty.wav"], "empty.wav: is a database but no journal", "Name the kiosk's journal"),
    (["journal", "verify", "text.wav"], "text.wav: is no sound journal", "call help"),
    (["run", "--config", "absent.toml"], "absent.toml: cannot be read", "--config"),
    (["run", "--config", "broken.toml"], "broken.toml: is no TOML", "Mend that line"),
    (["run", "--config", "key.toml"], "key.toml: unknown key in [kiosk]: `nmae`", "Did you mean `name`?"),
    (["run", "--config", "process.toml"], "process.toml: [processes] speech is no list", "Write speech ="),
    (["run", "--config", "bank.toml", "--settle"], "bank.toml: [bank] ftp://nowhere is not protected", "Use https"),
    (["run", "--sessions", "-1"], "-1 is not in the range", "kiosk run --help"),
    (["models", "fetch", "nosuch"], "no model is called 'nosuch'", "Known: "),
]  # fmt: skip

CONFIG = """[kiosk]
name = "T"
state = "state"
claimed = "grace"
[bank]
profile = "demo"
url = "ftp://nowhere"
[devices]
socket = "d.sock"
pairing_key = "p.key"
terminal = "T"
"""


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files that are not what they should be; the command is called in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound", encoding="utf-8")
    with wave.open("huge.wav", "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 3600 * 8000))
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "list.jsonl").write_text('{"text": "x", "lang": "en"}\n[1]\n', encoding="utf-8")
    (tmp_path / "one.tsv").write_text("text.wav\n", encoding="utf-8")
    (tmp_path / "sound.tsv").write_text("text.wav\ttext.wav\n", encoding="utf-8")
    (tmp_path / "broken.toml").write_text("x = [", encoding="utf-8")
    (tmp_path / "key.toml").write_text('[kiosk]\nnmae = "x"\n', encoding="utf-8")
    (tmp_path / "bank.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "process.toml").write_text(CONFIG + "[processes]\nspeech = 3\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("args", "what", "remedy"), MISTAKES, ids=[" ".join(m[0])[:40] for m in MISTAKES])
def test_a_mistake_is_one_sentence(
    capsys: pytest.CaptureFixture[str], bad: Path, args: list[str], what: str, remedy: str
) -> None:
    before = {f: f.stat().st_size for f in bad.rglob("*")}
    code, out, err = kiosk(capsys, *args, *(["--json"] if args[0] == "demo" else []))
    assert (code, out) == (2, []), err
    assert what in err
    assert remedy in err
    assert len(err.strip().splitlines()) == 1, err
    assert {f: f.stat().st_size for f in bad.rglob("*")} == before, "something was left half done"


def test_a_broken_flow_is_named_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    shutil.copytree(paths.FLOWS, flows)
    file = flows / "withdraw" / "flow.yaml"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[4] = "  bad: ["
    file.write_text("\n".join(lines), encoding="utf-8")
    code, _, err = kiosk(capsys, "talk", "--flows", str(flows))
    assert code == 2
    assert "withdraw/flow.yaml:5" in err
    code, out, _ = kiosk(capsys, "check", str(flows))
    assert code == 2
    assert "withdraw/flow.yaml:5" in out[0]


def test_a_changed_weight_is_never_loaded(tmp_path: Path) -> None:
    """One byte of one file: the command that needs it and the whole demo say which file, and start nothing."""
    for model in (folder for folder in paths.WEIGHTS.iterdir() if folder.is_dir()):
        (tmp_path / model.name).mkdir()
        for file in model.iterdir():
            (tmp_path / model.name / file.name).symlink_to(file)
    changed = tmp_path / "whisper-base" / "config.json"
    content = bytearray(changed.read_bytes())
    content[0] ^= 1
    changed.unlink()
    changed.write_bytes(content)
    env = {**os.environ, "KIOSK_WEIGHTS": str(tmp_path)}
    for args in (["hear", "x.wav"], ["demo", "--json"]):
        if args[0] == "hear":
            args[1] = str(tmp_path / "x.wav")
            with wave.open(args[1], "wb") as sound:
                sound.setparams((1, 2, 16000, 0, "NONE", ""))
                sound.writeframes(bytes(32000))
        command = [sys.executable, "-m", "kiosk", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{changed}: has sha256" in done.stderr
        assert "Run: kiosk models fetch whisper-base" in done.stderr
