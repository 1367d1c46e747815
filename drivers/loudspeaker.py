"""The loudspeaker: says utterances through ALSA's `aplay`, one process at a time, from a worker thread of its own.

Nobody waits for it: callers only leave what they want said. What outranks what is station.core.speech. A missing card,
player or synthesiser is one fault, tried again every PROBE_S with a moment of silence until it is over.
"""

from __future__ import annotations

import logging
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from drivers.speech import RATE_HZ, REMEDY, Samples, SpeechCache, at_volume, in_turn, wav
from station.config import VoiceConfig
from station.core import speech
from station.core.model import Text
from station.core.speech import Playlist, Utterance
from station.ports import DeviceFault, Spoken, SpokenHow

log = logging.getLogger(__name__)

PROBE_S = 10.0
SILENCE_S = 0.05
GRACE_S = 10.0
"""So much longer than its sound may a player take; then the card hangs."""
CLOSE_S = 5.0

Report = Callable[[Spoken | DeviceFault | None], None]
"""Takes what became of an utterance, a fault (DeviceFault), or that all is well (None). Called from the worker."""


class AlsaLoudspeaker:
    """Implements station.ports.Loudspeaker."""

    def __init__(self, config: VoiceConfig, cache: Path, report: Report) -> None:
        """`cache`: folder for rendered sentences."""
        self._config, self._report = config, report
        self._cache = SpeechCache(cache, config.speed)
        self._changed = threading.Condition()
        self._playlist = Playlist()
        self._wanted: list[Text] | None = None
        self._to_render: deque[tuple[str, str]] = deque()
        self._owed: tuple[str, str] | None = None
        """A sentence that could not be rendered: until it can, all is not well."""
        self._stopping = False
        self._resting = threading.Event()
        self._probe_at = 0.0
        self._thread = threading.Thread(target=self._run, name="loudspeaker", daemon=True)

    def start(self) -> None:
        """Start the worker; it begins with a moment of silence, which shows whether the card can be used."""
        self._thread.start()

    # --- for any thread --------------------------------------------------------------------------------------------

    def prepare(self, wanted: Iterable[Text]) -> None:
        """Render everything that may have to be said; what is no longer wanted is forgotten."""
        with self._changed:
            self._wanted = list(wanted)
            self._resting.clear()
            self._changed.notify()

    def say(self, utterance: Utterance) -> None:
        """Say something, by the order of station.core.speech."""
        with self._changed:
            self._playlist, dropped = speech.offer(self._playlist, utterance)
            self._resting.clear()
            self._changed.notify()
        self._drop(dropped, SpokenHow.CUT)

    def withdraw(self, source: str) -> None:
        """Say nothing more of a source."""
        with self._changed:
            self._playlist, dropped = speech.withdraw(self._playlist, source)
            self._changed.notify()
        self._drop(dropped, SpokenHow.CUT)

    def try_out(self) -> None:
        """Use synthesiser and card once, here and now, before `start`. Raises DeviceFault."""
        for language in self._config.languages:
            self._cache.samples("1", language)
        self._probe()

    def wait_until_done(self, seconds: float) -> bool:
        """Wait until everything is said and rendered; False where it was not within so long."""
        return self._resting.wait(seconds)

    def close(self) -> None:
        """Fall silent and end the worker. May be called twice."""
        with self._changed:
            self._stopping = True
            self._playlist = Playlist()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=CLOSE_S)

    def _drop(self, dropped: Iterable[Utterance], how: SpokenHow) -> None:
        for one in dropped:
            self._report(Spoken(one.token, how))

    # --- the worker ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the gate works without a voice
                fault = error if isinstance(error, DeviceFault) else None
                self._failed(fault or DeviceFault("loudspeaker", f"{type(error).__name__}: {error}", REMEDY))

    def _step(self) -> None:
        """Do the most urgent thing: say what waits, look after the card, render one sentence, or wait."""
        with self._changed:
            self._playlist, late = speech.take(self._playlist, time.monotonic_ns() // 1000)
            playing, wanted, self._wanted = self._playlist.playing, self._wanted, None
        self._drop(late, SpokenHow.LATE)
        if playing:
            self._say(playing)
        elif time.monotonic() >= self._probe_at:
            self._probe()
        elif wanted is not None:
            pairs = [(text[language], language) for text in wanted for language in self._config.languages]
            self._cache.keep_only(pairs)
            self._to_render = deque(pair for pair in dict.fromkeys(pairs) if self._cache.missing(*pair))
            self._owed = self._owed if self._owed in pairs else None
        elif self._to_render and self._owed is None:
            self._render(*self._to_render.popleft())
        else:
            self._rest()

    def _probe(self) -> None:
        if self._owed:
            self._render(*self._owed)
            self._owed = None
        self._play(np.zeros(round(SILENCE_S * RATE_HZ), np.int16), lambda: False)
        self._well()

    def _render(self, text: str, language: str) -> Samples:
        try:
            return self._cache.samples(text, language)
        except DeviceFault:
            self._owed = (text, language)
            raise

    def _rest(self) -> None:
        with self._changed:
            if not (self._stopping or self._playlist.waiting or self._wanted is not None):
                self._resting.set()
                left = self._probe_at - time.monotonic()
                self._changed.wait(None if left == float("inf") else max(0.0, left))

    def _say(self, utterance: Utterance) -> None:
        words = [(utterance.words[one], one) for one in self._config.languages if one in utterance.words]
        samples = in_turn(self._render(text, language) for text, language in words)
        to_its_end = self._play(at_volume(samples, utterance.volume), lambda: self._playlist.playing is not utterance)
        if to_its_end and self._finish(utterance):
            self._report(Spoken(utterance.token, SpokenHow.PLAYED))
        self._well()

    def _finish(self, utterance: Utterance) -> bool:
        """Take what was said off the list; False where it was cut short meanwhile, which has been told."""
        with self._changed:
            ours = self._playlist.playing is utterance
            if ours:
                self._playlist = Playlist(None, self._playlist.waiting)
        return ours

    def _well(self) -> None:
        if self._owed is None:
            self._probe_at = float("inf")
            self._report(None)

    def _failed(self, fault: DeviceFault) -> None:
        """Say nothing for a while; whatever wanted to be said is answered."""
        self._probe_at = time.monotonic() + PROBE_S
        with self._changed:
            lost = [one for one in (self._playlist.playing, *self._playlist.waiting) if one is not None]
            self._playlist = Playlist()
        self._report(fault)
        self._drop(lost, SpokenHow.FAILED)
        with self._changed:
            if not (self._stopping or self._playlist.waiting):
                self._changed.wait(1.0)  # a fault that answers at once must not keep a core busy

    def _play(self, samples: Samples, cut: Callable[[], bool]) -> bool:
        """Play; False where `cut` asked to stop, which takes effect at once. Raises DeviceFault."""
        with tempfile.TemporaryFile() as sound, tempfile.TemporaryFile() as complaints:
            sound.write(wav(samples))
            sound.seek(0)
            try:
                player = subprocess.Popen(
                    ["aplay", "-q", "-D", self._config.device],
                    stdin=sound,
                    stdout=subprocess.DEVNULL,
                    stderr=complaints,
                )
            except OSError as error:
                raise DeviceFault("loudspeaker", f"aplay cannot be run ({error})", REMEDY) from error
            ended = self._watch(player, len(samples) / RATE_HZ + GRACE_S, cut)
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
        if ended and player.returncode != 0:
            found = f"aplay cannot play to {self._config.device} ({said[-1] if said else player.returncode})"
            raise DeviceFault("loudspeaker", found, "Look at: aplay -L; set voice.device, or connect the card")
        return ended

    def _watch(self, player: subprocess.Popen[bytes], longest_s: float, cut: Callable[[], bool]) -> bool:
        """Wait for the player's end; True where it ended by itself. Raises DeviceFault where the card hangs."""
        waiter = threading.Thread(target=self._tell_of_end, args=(player,), name="loudspeaker-player", daemon=True)
        waiter.start()
        deadline = time.monotonic() + longest_s
        with self._changed:
            while player.poll() is None and not self._stopping and not cut() and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            by_itself, asked = player.poll() is not None, self._stopping or cut()
        if not by_itself:
            player.kill()
        waiter.join()
        if not by_itself and not asked:
            raise DeviceFault(
                "loudspeaker", f"{self._config.device} hangs", "Reconnect the card or restart the machine"
            )
        return by_itself

    def _tell_of_end(self, player: subprocess.Popen[bytes]) -> None:
        player.wait()
        with self._changed:
            self._changed.notify()


def open_loudspeaker(config: VoiceConfig, cache: Path, report: Report) -> AlsaLoudspeaker:
    """Return the loudspeaker with its worker started. Never raises for a missing card: that is reported."""
    loudspeaker = AlsaLoudspeaker(config, cache, report)
    loudspeaker.start()
    return loudspeaker


def try_loudspeaker(config: VoiceConfig) -> str:
    """Render a word in each language and play a moment of silence; return what was found. Raises DeviceFault."""
    with tempfile.TemporaryDirectory() as folder:
        loudspeaker = AlsaLoudspeaker(config, Path(folder), lambda _report: None)
        loudspeaker.try_out()
    return f"aplay plays to {config.device}; espeak-ng speaks {', '.join(config.languages)}"
