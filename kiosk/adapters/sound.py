"""Where sound comes from and goes to: files, a unix socket that stands for a microphone, real devices.

A source yields frames of 512 samples at 16 kHz mono. A *paced* one delivers them as fast as a microphone would; an
unpaced one as fast as they are asked for. A sink blocks while it plays.
"""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kiosk.ports import FRAME, RATE, Sound, SoundSink, SoundSource
from kiosk.values import OperatorError

FRAME_S = FRAME / RATE
#: a longer file would fill the memory
LONGEST_S = 3600.0
#: silence after each file, so that the utterance in it ends
PAUSE_S = 1.5
#: how often a blocked source looks whether it was closed
LOOK_S = 0.2


def read(path: Path) -> Sound:
    """A sound file as mono float32 at `RATE`; channels are averaged.

    Raises:
        OperatorError: the file cannot be read, is no sound, or is empty.
    """
    import soundfile
    import soxr

    remedy = "Give a WAV, FLAC, OGG or MP3 file."
    try:
        about = soundfile.info(path)
        if about.duration > LONGEST_S:
            what = f"lasts {about.duration / 60:.0f} minutes, more than {LONGEST_S / 60:.0f}"
            raise OperatorError(what, where=str(path), remedy="Cut it into pieces.")
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as e:
        reason = "cannot be found" if not path.exists() else f"is no readable sound file ({e.error_string.strip('. ')})"
        raise OperatorError(reason, where=str(path), remedy=remedy) from e
    except (OSError, TypeError, RuntimeError) as e:  # a folder, no permission, a headerless file
        raise OperatorError(f"is no readable sound file ({e})", where=str(path), remedy=remedy) from e
    if not len(samples):
        raise OperatorError("holds no sound", where=str(path), remedy=remedy)
    if not np.isfinite(samples).all():
        raise OperatorError("holds samples that are no numbers", where=str(path), remedy=remedy)
    mono = samples.mean(axis=1)
    return np.ascontiguousarray(mono if rate == RATE else soxr.resample(mono, rate, RATE), dtype=np.float32)


def source(where: str, paced: bool) -> SoundSource:
    """The source that a configuration names: `wav:FILE,FILE`, `socket:PATH` or `microphone[:NAME]`.

    Raises:
        OperatorError: the word is none of these, a file is unreadable, or the device is missing.
    """
    kind, _, rest = where.partition(":")
    if kind == "wav" and rest:
        return WavFiles([Path(p) for p in rest.split(",")], paced)
    if kind == "socket" and rest:
        return SocketSource(Path(rest))
    if kind == "microphone":
        return Microphone(rest)
    raise OperatorError(
        f"{where!r} is no source of sound", remedy="Write socket:PATH, wav:FILE,… or microphone[:NAME]."
    )


def sink(where: str) -> SoundSink:
    """The sink that a configuration names: `null` (as long as the sound), `null-fast`, `wav:PATH` or `speaker[:NAME]`.

    Raises:
        OperatorError: the word is none of these, or the device is missing.
    """
    kind, _, rest = where.partition(":")
    if where in ("null", "null-fast"):
        return NullSink(pace=where == "null")
    if kind == "wav" and rest:
        return WavSink(Path(rest))
    if kind == "speaker":
        return Speaker(rest)
    raise OperatorError(f"{where!r} is no place for sound", remedy="Write null, null-fast, wav:PATH or speaker[:NAME].")


class WavFiles:
    """Plays files one after the other with `PAUSE_S` of silence after each, then silence for ever."""

    def __init__(self, files: Sequence[Path], paced: bool) -> None:
        self._sounds = [read(f) for f in files]
        self._paced = paced
        self._closed = False

    def frames(self) -> Iterator[Sound]:
        due = 0.0
        for frame in self._all():
            if self._closed:
                return
            if self._paced:
                due = max(due, time.monotonic() - FRAME_S) + FRAME_S  # not earlier than it was asked for
                time.sleep(max(0.0, due - time.monotonic()))
            yield frame

    def _all(self) -> Iterator[Sound]:
        for sound in self._sounds:
            frames = -(-(sound.size + int(PAUSE_S * RATE)) // FRAME)
            yield from np.pad(sound, (0, frames * FRAME - sound.size)).reshape(-1, FRAME)
        while True:
            yield np.zeros(FRAME, np.float32)

    def close(self) -> None:
        self._closed = True


class SocketSource:
    """A unix socket into which one microphone at a time writes s16le mono PCM at `RATE`; it may come and go.

    A paced microphone is paced by whoever writes. While none is connected no frame comes; half a frame that a dying
    microphone left is dropped.
    """

    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            self._server.bind(str(path))
        except OSError as e:
            self._server.close()
            raise OperatorError(
                f"no socket can be made here ({e.strerror or e})", where=str(path), remedy="Make its folder first."
            ) from e
        path.chmod(0o660)
        self._path = path
        self._server.listen(1)
        self._server.settimeout(LOOK_S)
        self._closed = False

    def frames(self) -> Iterator[Sound]:
        while not self._closed:
            try:
                microphone, _ = self._server.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._closed:
                    return
                raise
            with microphone:
                microphone.settimeout(LOOK_S)
                yield from self._from(microphone)

    def _from(self, microphone: socket.socket) -> Iterator[Sound]:
        held = b""
        while not self._closed:
            try:
                got = microphone.recv(2 * FRAME - len(held))
            except TimeoutError:
                continue
            except ConnectionError:
                return
            if not got:
                return
            held += got
            if len(held) == 2 * FRAME:
                yield np.frombuffer(held, "<i2").astype(np.float32) / 32768
                held = b""

    def close(self) -> None:
        self._closed = True
        self._server.close()
        self._path.unlink(missing_ok=True)


def _devices() -> Any:
    """The `sounddevice` package, which is not among the locked ones: PortAudio is the system's.

    Raises:
        OperatorError: it, or PortAudio, is missing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as e:
        remedy = "Run: sudo apt install libportaudio2, then: pip install sounddevice"
        raise OperatorError("a live microphone or speaker needs PortAudio", where="sounddevice", remedy=remedy) from e
    return sounddevice


class Microphone:
    """The live microphone whose name contains `name` (the system's choice when empty). Old frames are dropped first."""

    def __init__(self, name: str = "") -> None:
        devices = _devices()
        self._frames: queue.Queue[Sound] = queue.Queue(maxsize=128)
        self._closed = False

        def took(samples: Any, _count: int, _time: Any, _status: Any) -> None:
            while True:
                try:
                    self._frames.put_nowait(samples[:, 0].copy())
                    return
                except queue.Full:
                    self._frames.get_nowait()

        try:
            self._stream = devices.InputStream(
                samplerate=RATE, channels=1, dtype="float32", blocksize=FRAME, device=name or None, callback=took
            )
            self._stream.start()
        except (ValueError, devices.PortAudioError) as e:
            raise OperatorError(
                f"no microphone ({e})", where=name or "default", remedy="See: python -m sounddevice"
            ) from e

    def frames(self) -> Iterator[Sound]:
        while not self._closed:
            try:
                yield self._frames.get(timeout=LOOK_S)
            except queue.Empty:
                continue

    def close(self) -> None:
        self._closed = True
        self._stream.close()


class NullSink:
    """Plays into nothing; with `pace` it takes as long as the sound lasts, so that turns take their true time."""

    def __init__(self, pace: bool) -> None:
        self._pace = pace

    def play(self, sound: Sound, rate: int) -> None:
        if self._pace:
            time.sleep(len(sound) / rate)

    def close(self) -> None: ...


class WavSink:
    """Collects everything that was played and writes it to one file when it is closed. For tests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: list[Sound] = []
        self._rate = 0

    def play(self, sound: Sound, rate: int) -> None:
        import soxr

        self._rate = self._rate or rate
        self._pieces.append(sound if rate == self._rate else soxr.resample(sound, rate, self._rate))

    def close(self) -> None:
        import soundfile

        if self._pieces:
            soundfile.write(self._path, np.concatenate(self._pieces), self._rate)


class Speaker:
    """The live speaker whose name contains `name` (the system's choice when empty)."""

    def __init__(self, name: str = "") -> None:
        self._devices = _devices()
        self._name = name or None

    def play(self, sound: Sound, rate: int) -> None:
        self._devices.play(sound, rate, device=self._name, blocking=True)

    def close(self) -> None:
        self._devices.stop()
