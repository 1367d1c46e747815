"""What is said next, what is cut short, and what is not said again."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from station.core.signals import PATTERNS, Rank, Says, Signal
from station.core.speech import MOST_WAITING, STANDS_US, Playlist, Told, Utterance, offer, take, tell, withdraw

WORDS = {"zh": "请通行", "en": "Please come through"}
SECOND_US = 1_000_000


def utterance(token: int, source: str = "in", rank: Rank = Rank.PROMPT, begin_by_us: int | None = None) -> Utterance:
    """Something to say."""
    return Utterance(token, source, f"words-{token}", WORDS, 80, rank, begin_by_us)


def playing(one: Utterance) -> Playlist:
    """A list in which one plays."""
    return take(offer(Playlist(), one)[0], 0)[0]


def test_an_alarm_cuts_everything_short():
    """A prompt and an announcement are cut by an alarm, an announcement by a prompt, and never the other way round."""
    for low, high in ((Rank.ANNOUNCEMENT, Rank.PROMPT), (Rank.ANNOUNCEMENT, Rank.ALARM), (Rank.PROMPT, Rank.ALARM)):
        below, above = utterance(1, "a", low), utterance(2, "b", high)
        assert offer(playing(below), above) == (Playlist(None, (above,)), (below,))
        assert offer(playing(above), below) == (Playlist(above, (below,)), ())


def test_a_lanes_newer_prompt_replaces_its_older_one():
    """The person has moved on: "granted" does not wait for "look at the sensor". Another lane's does wait."""
    older, newer, other = utterance(1), utterance(2), utterance(3, "out")
    assert offer(playing(older), newer) == (Playlist(None, (newer,)), (older,))
    assert offer(playing(older), other) == (Playlist(older, (other,)), ())
    assert offer(Playlist(other, (older,)), newer) == (Playlist(other, (newer,)), (older,))


def test_what_waited_too_long_is_not_begun():
    """A prompt is begun until its moment and not after; what comes behind it is."""
    late, fresh = utterance(1, "a", begin_by_us=9), utterance(2, "b", begin_by_us=10)
    assert take(Playlist(None, (late, fresh)), 10) == (Playlist(fresh, ()), (late,))
    assert take(Playlist(None, (late,)), 10) == (Playlist(), (late,))


def test_withdrawing_falls_silent():
    """A source's playing and waiting words are dropped, and no other's."""
    mine, yours = utterance(1, "announcement", Rank.ANNOUNCEMENT), utterance(2)
    assert withdraw(Playlist(mine, (yours,)), "announcement") == (Playlist(None, (yours,)), (mine,))
    assert withdraw(Playlist(yours, (mine,)), "announcement") == (Playlist(yours, ()), (mine,))


class Playing(RuleBasedStateMachine):
    """Any order of offers, ends and withdrawals."""

    def __init__(self) -> None:
        super().__init__()
        self.playlist, self.token = Playlist(), 0
        self.open: set[int] = set()

    def close(self, dropped) -> None:
        """Note what will not be said."""
        for one in dropped:
            self.open.remove(one.token)

    @rule(source=st.sampled_from("abc"), rank=st.sampled_from(Rank), by=st.none() | st.integers(0, 5))
    def offer(self, source, rank, by):
        """Something is to be said."""
        self.token += 1
        self.open.add(self.token)
        self.playlist, dropped = offer(self.playlist, utterance(self.token, source, rank, by))
        self.close(dropped)

    @rule(now=st.integers(0, 5))
    def begin(self, now):
        """The worker takes the next one."""
        self.playlist, late = take(self.playlist, now)
        self.close(late)

    @rule()
    def end(self):
        """What plays comes to its end."""
        if self.playlist.playing:
            self.open.remove(self.playlist.playing.token)
            self.playlist = Playlist(None, self.playlist.waiting)

    @rule(source=st.sampled_from("abc"))
    def withdraw(self, source):
        """A source falls silent."""
        self.playlist, dropped = withdraw(self.playlist, source)
        self.close(dropped)

    @invariant()
    def each_is_answered_once_and_little_waits(self):
        """What is neither playing nor waiting was told of, once; the most urgent waits first, and nothing outranks."""
        listed = [one for one in (self.playlist.playing, *self.playlist.waiting) if one]
        assert {one.token for one in listed} == self.open
        ranks = [one.rank for one in self.playlist.waiting]
        assert ranks == sorted(ranks, reverse=True)
        assert len(ranks) <= MOST_WAITING
        assert self.playlist.playing is None or all(rank <= self.playlist.playing.rank for rank in ranks)


TestPlaying = Playing.TestCase


# --- told once -------------------------------------------------------------------------------------------------------


def test_the_same_person_is_told_once():
    """While somebody stands there, or comes back within seconds, the same is not said again; another pass is."""
    told, aloud = tell(None, ("denied", b"wang"), 0, 0)
    assert aloud
    for at_s in (1, 5, 14, 23):  # never more than STANDS_US apart
        told, aloud = tell(told, ("denied", b"wang"), at_s * SECOND_US, 0)
        assert not aloud
    assert tell(told, ("denied", b"zhao"), 24 * SECOND_US, 0)[1]
    assert tell(told, ("denied", b"wang"), 23 * SECOND_US + STANDS_US, 0)[1]


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=60))
def test_an_alarm_is_told_again_while_it_lasts(steps):
    """However irregularly it is looked at, two tellings are a period apart, and none is missed by more than a look."""
    told: Told | None = None
    now, said = 0, list[int]()
    for step in steps:
        told, aloud = tell(told, ("alarm",), now, 5 * SECOND_US)
        if aloud:
            said.append(now)
        assert now - said[-1] < 5 * SECOND_US
        now += step
    assert all(later - earlier >= 5 * SECOND_US for earlier, later in itertools.pairwise(said))


# --- the table -------------------------------------------------------------------------------------------------------


def test_whoever_stands_there_hears_a_voice():
    """Each signal with a beep has a voice; what rings repeats its words, and only that and evacuation do."""
    for signal, pattern in PATTERNS.items():
        assert (pattern.voice.says is not Says.NOTHING) == bool(pattern.beep), signal
        assert (pattern.voice.rank is Rank.ALARM) == pattern.beep_repeats == bool(pattern.voice.every_s), signal
    assert [signal for signal, pattern in PATTERNS.items() if pattern.voice.loud] == [Signal.EVACUATE]
