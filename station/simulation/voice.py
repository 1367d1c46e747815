"""The loudspeaker in virtual time: what it says and for how long, by the order of station.core.speech."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from station.core import speech
from station.core.model import Text
from station.core.speech import Dropped, Playlist, Utterance
from station.ports import Clock, Spoken, SpokenHow

A_CHARACTER_US = {"zh": 230_000, "en": 65_000}
"""About how long espeak-ng takes for a character at the usual speed."""
PAUSE_US = 400_000


class StageLoudspeaker:
    """Implements station.ports.Loudspeaker."""

    def __init__(
        self, clock: Clock, later: Callable[[int, Callable[[], None]], None], put: Callable[[Spoken], None]
    ) -> None:
        """`later(microseconds, what)` lets something happen then; `put` takes what became of an utterance."""
        self._clock, self._later, self._put = clock, later, put
        self._playlist = Playlist()

    @property
    def saying(self) -> str:
        """The name of what is said now, empty where nothing is."""
        return self._playlist.playing.name if self._playlist.playing else ""

    def prepare(self, wanted: Iterable[Text]) -> None:
        """Nothing has to be rendered."""

    def say(self, utterance: Utterance) -> None:
        """Say something."""
        self._playlist, dropped = speech.offer(self._playlist, utterance)
        self._go_on(dropped)

    def withdraw(self, source: str) -> None:
        """Say nothing more of a source."""
        self._playlist, dropped = speech.withdraw(self._playlist, source)
        self._go_on(dropped)

    def close(self) -> None:
        """Fall silent, as without power: nothing is told."""
        self._playlist = Playlist()

    def _go_on(self, dropped: Dropped, how: SpokenHow = SpokenHow.CUT) -> None:
        for one in dropped:
            self._put(Spoken(one.token, how))
        before = self._playlist.playing
        self._playlist, late = speech.take(self._playlist, self._clock.now().mono_us)
        for one in late:
            self._put(Spoken(one.token, SpokenHow.LATE))
        begun = self._playlist.playing
        if begun is not None and begun is not before:
            self._later(_lasts_us(begun.words), lambda: self._end(begun))

    def _end(self, utterance: Utterance) -> None:
        if self._playlist.playing is utterance:
            self._playlist = Playlist(None, self._playlist.waiting)
            self._go_on((utterance,), SpokenHow.PLAYED)


def _lasts_us(words: Text) -> int:
    return sum(len(said) * A_CHARACTER_US[language] + PAUSE_US for language, said in words.items())
