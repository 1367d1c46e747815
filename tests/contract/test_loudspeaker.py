"""The loudspeaker over the real aplay and espeak-ng: what reaches the card, what is cut short, what a fault does."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.loudspeaker import AlsaLoudspeaker, open_loudspeaker
from drivers.speech import RATE_HZ, SpeechCache, at_volume, in_turn
from drivers.twins.sound_card import CARD, PACED, SoundCard
from station.config import VoiceConfig
from station.core.signals import Rank
from station.core.speech import Utterance
from station.ports import DeviceFault, Spoken, SpokenHow

WORDS = {"zh": "请通行", "en": "Please come through"}
OTHER = {"zh": "门已打开", "en": "The door is open"}
ANSWER_S = 20.0

pytestmark = pytest.mark.skipif(
    not (shutil.which("aplay") and shutil.which("espeak-ng")), reason="needs alsa-utils and espeak-ng (.ci/packages.sh)"
)


class Listener:
    """What the loudspeaker reports, one after the other, from its own thread."""

    def __init__(self) -> None:
        self.reports: queue.Queue[Spoken | DeviceFault | None] = queue.Queue()

    def __call__(self, report: Spoken | DeviceFault | None) -> None:
        self.reports.put(report)

    def until(self, wanted: Callable[[Spoken | DeviceFault | None], bool]) -> Spoken | DeviceFault | None:
        """Wait for the first report of a kind."""
        while True:
            report = self.reports.get(timeout=ANSWER_S)
            if wanted(report):
                return report

    def spoken(self) -> Spoken:
        """Wait for what became of the next utterance."""
        report = self.until(lambda one: isinstance(one, Spoken))
        assert isinstance(report, Spoken)
        return report

    def fault(self) -> DeviceFault:
        """Wait for the next fault."""
        report = self.until(lambda one: isinstance(one, DeviceFault))
        assert isinstance(report, DeviceFault)
        return report


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoundCard:
    """A card that this process and its children see, and no other."""
    found = SoundCard(tmp_path)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def listener() -> Listener:
    """Who hears what the loudspeaker reports."""
    return Listener()


@pytest.fixture
def opened(card: SoundCard, listener: Listener, tmp_path: Path) -> Iterator[Callable[..., AlsaLoudspeaker]]:
    """Open a loudspeaker at a card; it is closed at the end."""
    made: list[AlsaLoudspeaker] = []

    def make(**settings: object) -> AlsaLoudspeaker:
        config = VoiceConfig(enabled=True, **{"device": CARD, **settings})  # type: ignore[arg-type]
        made.append(open_loudspeaker(config, tmp_path / "voice", listener))
        return made[-1]

    yield make
    for one in made:
        one.close()


def utterance(token: int, words: dict[str, str] = WORDS, rank: Rank = Rank.PROMPT, volume: int = 100) -> Utterance:
    """Something to say for the lane in."""
    return Utterance(token, "in", f"words-{token}", words, volume, rank)


def sentence(folder: Path, languages: tuple[str, ...], words: dict[str, str] = WORDS) -> np.ndarray:
    """What espeak-ng makes of words, as another cache renders them."""
    cache = SpeechCache(folder / "compare", VoiceConfig().speed)
    return in_turn(cache.samples(words[language], language) for language in languages)


@pytest.mark.parametrize("languages", [("zh", "en"), ("en", "zh"), ("en",)])
def test_each_language_in_turn_reaches_the_card(opened, listener, card, tmp_path, languages) -> None:
    """The samples at the card are those of every configured language in its order, then silence."""
    opened(languages=languages).say(utterance(1))
    assert listener.spoken() == Spoken(1, SpokenHow.PLAYED)
    expected, heard = sentence(tmp_path, languages), card.heard()
    assert np.array_equal(heard[: len(expected)], expected)
    assert not heard[len(expected) :].any()
    assert np.abs(expected).max() > 1000


def test_volume_is_in_the_samples(opened, listener, card, tmp_path) -> None:
    """Volume 50 arrives as a quarter of the amplitude, volume 0 as silence of the same length."""
    loudspeaker, full = opened(), sentence(tmp_path, ("zh", "en"))
    loudspeaker.say(utterance(1, volume=50))
    listener.spoken()
    assert np.array_equal(card.heard()[: len(full)], np.rint(full / 4).astype(np.int16))
    loudspeaker.say(utterance(2, volume=0))
    listener.spoken()
    assert len(card.heard()) >= len(full)
    assert not card.heard().any()


def test_full_volume_changes_nothing() -> None:
    """No sample is clipped or moved at 100 per cent, not even the lowest."""
    edge = np.array([-32768, -1, 0, 1, 32767], np.int16)
    assert np.array_equal(at_volume(edge, 100), edge)


class PacedCard:
    """Somebody who listens at the paced card: nothing is taken from the pipe until `listen`."""

    def __init__(self, fifo: Path) -> None:
        self._keep = os.open(fifo, os.O_RDWR)  # the pipe stays open between players
        self._stop = threading.Event()
        self.taken = 0
        """Bytes taken from the pipe since it was drained."""
        self._thread = threading.Thread(target=self._run)

    def first_sound(self) -> bytes:
        """Wait until a player has begun, and return its first bytes."""
        first = os.read(self._keep, 4096)
        self.taken += len(first)
        return first

    def drain(self) -> None:
        """Take what lies in the pipe."""
        os.set_blocking(self._keep, False)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._keep, 1 << 20):
                continue
        os.set_blocking(self._keep, True)

    def listen(self) -> None:
        """Take everything from now on."""
        self._thread.start()

    def _run(self) -> None:
        os.set_blocking(self._keep, False)
        while not self._stop.wait(0.01):
            try:
                self.taken += len(os.read(self._keep, 1 << 20))
            except BlockingIOError:
                continue

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._keep)


@pytest.fixture
def paced(card: SoundCard, opened, listener: Listener) -> Iterator[tuple[AlsaLoudspeaker, PacedCard]]:
    """A loudspeaker at a card that takes samples at the test's pace."""
    ear = PacedCard(card.paced)
    loudspeaker = opened(device=PACED)
    listener.until(lambda report: report is None)  # the moment of silence at the start has passed
    ear.drain()
    yield loudspeaker, ear
    loudspeaker.close()
    ear.close()


LONG = {"zh": "请大家到小区广场做核酸检测，请带好身份证。" * 4, "en": "Please come to the square for the test. " * 6}


def test_an_alarm_cuts_a_prompt_short(paced, listener, tmp_path) -> None:
    """While a prompt plays, an alarm ends it at once and is said instead; a prompt that follows waits its turn."""
    loudspeaker, ear = paced
    whole = len(sentence(tmp_path, ("zh", "en"), LONG)) * 2
    loudspeaker.say(utterance(1, LONG))
    ear.first_sound()
    loudspeaker.say(utterance(2, OTHER, Rank.ALARM))
    loudspeaker.say(utterance(3))
    assert listener.spoken() == Spoken(1, SpokenHow.CUT)
    ear.listen()
    assert [listener.spoken(), listener.spoken()] == [Spoken(2, SpokenHow.PLAYED), Spoken(3, SpokenHow.PLAYED)]
    assert ear.taken < whole / 2


def test_callers_never_wait(paced, listener) -> None:
    """With a card that takes nothing, hundreds of calls come back, and each utterance is answered once."""
    loudspeaker, ear = paced
    loudspeaker.say(utterance(0, LONG, Rank.ALARM))
    ear.first_sound()
    for token in range(1, 301):
        loudspeaker.say(utterance(token))
    assert [listener.spoken().token for _ in range(299)] == list(range(1, 300))
    loudspeaker.withdraw("in")
    assert {listener.spoken(), listener.spoken()} == {Spoken(0, SpokenHow.CUT), Spoken(300, SpokenHow.CUT)}


def test_close_falls_silent(paced, listener) -> None:
    """Closing in the middle of a sentence ends the player, may be done twice, and leaves no process."""
    loudspeaker, ear = paced
    loudspeaker.say(utterance(1, LONG))
    ear.first_sound()
    loudspeaker.close()
    loudspeaker.close()
    assert not loudspeaker._thread.is_alive()


def test_a_missing_card_is_a_fault_that_ends(opened, listener, card, monkeypatch) -> None:
    """Without a card the start already tells a fault; with the card back it ends, and is spoken through again."""
    monkeypatch.setattr("drivers.loudspeaker.PROBE_S", 0.2)
    card.unplug()
    loudspeaker = opened()
    assert CARD in listener.fault().problem
    loudspeaker.say(utterance(1))
    assert listener.spoken() == Spoken(1, SpokenHow.FAILED)
    card.plug_in()
    listener.until(lambda report: report is None)
    loudspeaker.say(utterance(2))
    assert listener.spoken() == Spoken(2, SpokenHow.PLAYED)


@pytest.mark.parametrize("program", ["aplay", "espeak-ng"])
def test_a_missing_program_is_a_fault_that_ends(opened, listener, tmp_path, monkeypatch, program) -> None:
    """Without player or synthesiser nothing is raised and the fault names the program; once installed, it ends."""
    monkeypatch.setattr("drivers.loudspeaker.PROBE_S", 0.2)
    programs, path = tmp_path / "bin", os.environ["PATH"]
    programs.mkdir()
    for name in {"aplay", "espeak-ng", "nice"} - {program}:
        (programs / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(programs))
    loudspeaker = opened()
    loudspeaker.prepare([WORDS])
    assert program in listener.fault().problem
    monkeypatch.setenv("PATH", path)
    listener.until(lambda report: report is None)
    loudspeaker.say(utterance(1))
    assert listener.spoken() == Spoken(1, SpokenHow.PLAYED)


def test_what_is_prepared_is_rendered_and_the_rest_forgotten(opened, listener, tmp_path) -> None:
    """Preparing renders each sentence once, in each language; preparing others forgets the first."""
    loudspeaker, cache = opened(), SpeechCache(tmp_path / "voice", VoiceConfig().speed)
    loudspeaker.prepare([WORDS])
    for words in (WORDS, OTHER):
        loudspeaker.prepare([words])
        assert loudspeaker.wait_until_done(ANSWER_S)
        expected = {cache.path(words[language], language).name for language in ("zh", "en")}
        assert {path.name for path in (tmp_path / "voice").iterdir()} == expected
    assert listener.reports.get(timeout=ANSWER_S) is None


def test_a_damaged_file_is_rendered_anew(tmp_path) -> None:
    """An empty, a truncated and a foreign file in the cache are replaced; other settings have other files."""
    cache = SpeechCache(tmp_path, 160)
    good = cache.samples("The door is open", "en")
    path = cache.path("The door is open", "en")
    for wrong in (b"", b"RIFF", b"not a sound at all" * 100):
        path.write_bytes(wrong)
        assert np.array_equal(cache.samples("The door is open", "en"), good)
    assert SpeechCache(tmp_path, 200).path("The door is open", "en") != path
    assert cache.path("The door is open", "zh") != path


def test_words_are_no_options_and_no_commands(tmp_path) -> None:
    """A text that begins with a hyphen, holds quotes or markup is spoken, not obeyed."""
    cache = SpeechCache(tmp_path, 160)
    for text in ("--version", "$(touch x); `touch y`", "<break time='99s'/> stop"):
        assert 0.2 * RATE_HZ < len(cache.samples(text, "en")) < 20 * RATE_HZ
    assert sorted({path.suffix for path in tmp_path.iterdir()}) == [".wav"]
