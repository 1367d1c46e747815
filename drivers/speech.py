"""Spoken sentences as samples: espeak-ng renders each once into a cache of WAV files; volume is a matter of samples."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import subprocess
import tempfile
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from station.ports import DeviceFault

log = logging.getLogger(__name__)

Samples = NDArray[np.int16]
FOLDER = "voice"
"""Of the cache, in the station's state."""
RATE_HZ = 22_050
"""What espeak-ng renders: 16 bit, one channel, so many samples a second."""
VOICES = {"zh": "cmn", "en": "en"}
"""espeak-ng's names of the languages; zh is Mandarin, whose digits and names it reads too."""
RENDER_S = 20.0
PAUSE_S = 0.4
"""Silence between two languages."""
REMEDY = "Run: apt install espeak-ng alsa-utils"


class SpeechCache:
    """WAV files by what they say. A file that is damaged or missing is rendered anew. For one thread."""

    def __init__(self, folder: Path, speed: int) -> None:
        """`speed`: words a minute. The folder is made when something is rendered."""
        self._folder, self._speed = folder, speed

    def path(self, text: str, language: str) -> Path:
        """Return the file of a sentence in a language: its name is a hash of everything that makes the sound."""
        key = "\0".join((VOICES[language], str(self._speed), text))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.wav"

    def samples(self, text: str, language: str) -> Samples:
        """Return a sentence, rendering it if need be. Raises DeviceFault."""
        path = self.path(text, language)
        found = _load(path)
        return self._render(text, language, path) if found is None else found

    def missing(self, text: str, language: str) -> bool:
        """Say whether a sentence has still to be rendered."""
        return not self.path(text, language).exists()

    def keep_only(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Forget every sentence but these (text, language)."""
        kept = {self.path(text, language).name for text, language in wanted}
        for path in self._folder.glob("*.wav"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def _render(self, text: str, language: str, path: Path) -> Samples:
        # Below everything else on the machine: the gate must not wait for a sentence.
        command = [
            "nice",
            "-n",
            "15",
            "espeak-ng",
            "-b",
            "1",
            "-v",
            VOICES[language],
            "-s",
            str(self._speed),
            "--stdin",
        ]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
            os.close(descriptor)
        except OSError as error:
            raise DeviceFault("loudspeaker", f"{path.parent} cannot be written ({error})", "Check the disk") from error
        made = Path(name)
        try:
            _run([*command, "-w", name], text)
            found = _load(made)
            if found is None:
                raise DeviceFault("loudspeaker", f"espeak-ng made nothing of {len(text)} characters", REMEDY)
            made.rename(path)
        finally:
            made.unlink(missing_ok=True)
        return found


def _run(command: list[str], text: str) -> None:
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=RENDER_S, check=False, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceFault("loudspeaker", f"espeak-ng cannot be run ({error})", REMEDY) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        raise DeviceFault("loudspeaker", f"espeak-ng failed ({said or f'status {done.returncode}'})", REMEDY)


def _load(path: Path) -> Samples | None:
    """Return the samples of a file; None where there is none of the right kind."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (
                1,
                2,
                RATE_HZ,
            ) or not file.getnframes():
                return None
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
    except (OSError, wave.Error, EOFError):
        return None


def in_turn(sentences: Iterable[Samples]) -> Samples:
    """Return one sentence after the other, with a pause between; of none, a pause."""
    pause = np.zeros(round(PAUSE_S * RATE_HZ), np.int16)
    parts = [part for sentence in sentences for part in (pause, sentence)]
    return np.concatenate(parts[1:] or [pause])


def at_volume(samples: Samples, volume: int) -> Samples:
    """Return samples at a volume of 0 to 100 per cent. 100 leaves them as they are; half of it sounds 12 dB softer.

    The square makes equal steps of the figure sound about alike, as the taper of a volume knob does.
    """
    return np.asarray(np.rint(samples.astype(np.float64) * (volume / 100) ** 2), np.int16)


def wav(samples: Samples) -> bytes:
    """Return samples as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
