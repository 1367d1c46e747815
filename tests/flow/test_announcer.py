"""Announcements at a station: said once whatever happens to power, journal and loudspeaker, and how loud."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from station.announcer import ANNOUNCED, RETRY_US, Announcer
from station.config import QuietConfig, VoiceConfig
from station.core.documents import Role
from station.core.events import FIELDS, Kind, decode
from station.core.model import Text
from station.core.reasons import Reason
from station.core.signals import Rank
from station.core.speech import Utterance
from station.documents import Taken
from station.ports import Spoken, SpokenHow
from station.recorder import Recorder
from station.reserve import Reserve
from tests.core.issuing import DAY_S, NOW, document_raw, key_row, key_rows, rule, signing_key, table, trust_raw
from tests.flow.held_documents import Keeper

SPEAKER = signing_key("speaker")
WORDS = {"zh": "今天停水", "en": "No water today"}
SAY = {"zh": "请找网格员", "en": "See your grid worker"}
NIGHT = VoiceConfig(enabled=True, volume=80, quiet=(QuietConfig(begins="22:00", ends="06:00", volume=30),))
NOON_S = NOW - NOW % DAY_S + DAY_S + 4 * 3600
"""12:00 in Beijing on the day after NOW."""


class Card:
    """A loudspeaker's place: it remembers what it was asked, and says nothing."""

    def __init__(self) -> None:
        self.asked: list[Utterance] = []
        self.prepared: list[list[Text]] = []

    def prepare(self, wanted: Iterable[Text]) -> None:
        """Note what is to be rendered."""
        self.prepared.append(list(wanted))

    def say(self, utterance: Utterance) -> None:
        """Note what is to be said."""
        self.asked.append(utterance)

    def withdraw(self, source: str) -> None:
        """Nothing plays."""

    def close(self) -> None:
        """Nothing to close."""


def row(name: str = "water-off", **changes: object) -> dict[str, object]:
    """One announcement, good around NOW."""
    return {"id": name, "text": WORDS, "from": NOW - DAY_S, "to": NOW + DAY_S, **changes}


def announcement_raw(*rows: object, **head: object) -> bytes:
    """Return a signed list."""
    return document_raw("announcement", {"announcements": list(rows)}, SPEAKER, **head)


class Bench:
    """An announcer over the real journal and documents; its clock stands until `let`."""

    def __init__(self, folder: Path, voice: VoiceConfig) -> None:
        self.keeper, self.voice = Keeper(folder), voice
        self.reserve = Reserve(folder, 1 << 20)
        self.keeper.offer("trust", trust_raw([*key_rows(), key_row(SPEAKER, [Role.ANNOUNCE])]))
        policy = table(rule(id="stay", outcome="deny", reason="policy", say=SAY), utc_offset_minutes=480)
        self.keeper.offer("policy", document_raw("policy", policy))
        self._begin()

    def _begin(self) -> None:
        self.recorder = Recorder(self.keeper.journal, self.reserve, lambda _fault: None)
        self.card = Card()
        self.announcer = Announcer(self.voice, self.keeper.documents, self.recorder)
        self.announcer.connect(self.card)

    def restart(self) -> None:
        """Lose everything but the files."""
        self.keeper.restart()
        self._begin()

    def announce(self, *rows: object, **head: object) -> object:
        """Let a list arrive."""
        return self.keeper.offer("announcement", announcement_raw(*rows, **head))

    def set_clock(self, seconds: int) -> None:
        """Let it be another moment, long after."""
        self.keeper.let(seconds - self.keeper.now.seconds)

    def said(self) -> list[str]:
        """Tend once; return what the loudspeaker was asked to announce since."""
        before = len(self.card.asked)
        self.announcer.tend(self.keeper.now)
        return [one.name.removeprefix("announcement ") for one in self.card.asked[before:]]

    def answer(self, how: SpokenHow = SpokenHow.PLAYED) -> None:
        """Let the loudspeaker be done with the last one."""
        self.announcer.spoken(Spoken(self.card.asked[-1].token, how), self.keeper.now)

    def recorded(self) -> list[object]:
        """The ids that the journal says were announced."""
        events = [decode(raw) for _, raw in self.keeper.journal.last(100)]
        return [event.payload["id"] for event in events if event.kind == Kind.ANNOUNCED]


@pytest.fixture
def bench(tmp_path) -> Bench:
    """A station that is quiet at night, with a loudspeaker."""
    return Bench(tmp_path, NIGHT)


def test_once_is_once_over_restarts(bench):
    """Said to its end, it is recorded with its fields and never said again: not later, not after a restart."""
    bench.announce(row())
    assert bench.said() == ["water-off"]
    assert bench.announcer.announcing == WORDS
    bench.answer()
    assert bench.announcer.announcing is None
    assert bench.said() == []
    bench.restart()
    assert bench.said() == []
    assert bench.recorded() == ["water-off"]
    event = decode(bench.keeper.journal.last(1)[0][1])
    assert set(event.payload) == set(FIELDS[Kind.ANNOUNCED])
    bench.announce(row(), row("testing"), seq=2)
    assert bench.said() == ["testing"]


@pytest.mark.parametrize("how", [SpokenHow.CUT, SpokenHow.LATE])
def test_what_was_cut_short_is_said_again(bench, how):
    """Nothing is recorded, and it is begun anew; without an answer nothing else is begun."""
    bench.announce(row())
    assert [bench.said(), bench.said()] == [["water-off"], []]
    bench.answer(how)
    assert bench.recorded() == []
    assert bench.said() == ["water-off"]


def test_a_power_cut_in_the_middle_lets_it_be_said_again(bench):
    """Where the end was not recorded it is due again after the restart: lost is worse than twice."""
    bench.announce(row())
    assert bench.said() == ["water-off"]
    bench.restart()
    assert bench.said() == ["water-off"]


def test_state_and_event_are_one_transaction(bench):
    """Where the event cannot be committed the state is not there either; it is repeated after a restart, not before."""
    bench.announce(row())
    bench.said()
    bench.keeper.journal.rows("PRAGMA query_only = 1")
    bench.answer()
    bench.keeper.journal.rows("PRAGMA query_only = 0")
    assert (bench.recorded(), bench.keeper.journal.state(ANNOUNCED)) == ([], None)
    assert bench.said() == []
    bench.restart()
    assert bench.said() == ["water-off"]
    bench.answer()
    assert bench.keeper.journal.state(ANNOUNCED) is not None


def test_a_loudspeaker_that_fails_is_asked_again_later(bench):
    """After a failure a while passes; nothing is recorded as said."""
    bench.announce(row())
    bench.said()
    bench.answer(SpokenHow.FAILED)
    assert (bench.said(), bench.recorded()) == ([], [])
    bench.keeper.let(RETRY_US // 1_000_000)
    assert bench.said() == ["water-off"]


def test_volume_goes_by_the_hour_and_the_list(bench):
    """By day the usual volume, at night the quiet one, unless the announcement brings its own."""
    whole = {"from": NOW - 3 * DAY_S, "to": NOW + 3 * DAY_S}
    bench.announce(row("one", **whole), row("two", **whole), row("three", **whole, volume=95))
    for name, moment in (("one", NOON_S), ("three", NOON_S + 11 * 3600), ("two", NOON_S + 12 * 3600)):
        bench.set_clock(moment)
        assert bench.said() == [name]
        bench.answer()
    assert [one.volume for one in bench.card.asked] == [80, 95, 30]
    assert {one.rank for one in bench.card.asked} == {Rank.ANNOUNCEMENT}


def test_times_of_day_are_those_of_the_policy(bench):
    """12:00 is noon by the policy's offset; the day after it is said again."""
    bench.announce(row(at=["12:00"], to=NOON_S + 5 * DAY_S))
    for moment, expected in ((-60, []), (0, ["water-off"]), (60, []), (DAY_S, ["water-off"])):
        bench.set_clock(NOON_S + moment)
        found = bench.said()
        assert found == expected, moment
        if found:
            bench.answer()


def test_an_order_is_said_once_before_the_list(bench):
    """What a command orders is said when idle and again if cut short, then no more; nothing is recorded for it here."""
    bench.announce(row())
    assert bench.announcer.order({"en": "Attention"})
    assert not bench.announcer.order({})
    assert bench.said() == ["command"]
    assert bench.card.asked[-1].words == {"en": "Attention"}
    bench.answer(SpokenHow.CUT)
    assert bench.said() == ["command"]
    bench.answer()
    assert bench.recorded() == []
    assert bench.said() == ["water-off"]


# --- the document ----------------------------------------------------------------------------------------------------


def test_a_bad_list_leaves_the_last_good_one(bench):
    """A mistake, a wrong key and an older number are refused with their codes; what was announced stays due."""
    assert isinstance(bench.announce(row(), seq=5), Taken)
    for raw, reason in (
        (announcement_raw(row(at=["25:00"]), seq=6), Reason.ANNOUNCEMENT_INVALID),
        (document_raw("announcement", {"announcements": []}, seq=6), Reason.DOCUMENT_OUT_OF_ROLE),
        (announcement_raw(seq=4), Reason.DOCUMENT_ROLLBACK),
    ):
        assert bench.keeper.refuses("announcement", raw) is reason
    assert bench.said() == ["water-off"]
    bench.answer(SpokenHow.CUT)
    bench.restart()
    assert bench.said() == ["water-off"]


def test_who_may_no_longer_speak_falls_silent(bench):
    """With the key gone from the trust bundle nothing of its list is said; a list of another key is."""
    bench.announce(row())
    bench.keeper.offer("trust", trust_raw(key_rows(), seq=2))
    assert bench.said() == []
    bench.restart()
    assert bench.said() == []
    bench.keeper.offer("trust", trust_raw([*key_rows(), key_row(SPEAKER, [Role.ANNOUNCE])], seq=3))
    assert bench.said() == ["water-off"]


def test_new_words_are_rendered_when_they_come_into_force(bench):
    """Catalogue, the policy's own words and announcements are prepared once, and again with a new list only."""
    bench.said()
    bench.said()
    bench.announce(row(), seq=2)
    bench.said()
    before, after = bench.card.prepared
    assert any(SAY["zh"] in one["zh"] for one in before)
    assert [one for one in after if one not in before] == [WORDS]


def test_without_a_loudspeaker_nothing_happens(tmp_path):
    """An announcement stays due, and nothing is recorded."""
    bench = Bench(tmp_path, VoiceConfig())
    bench.announcer = Announcer(VoiceConfig(), bench.keeper.documents, bench.recorder)
    bench.announce(row())
    assert (bench.said(), bench.announcer.announcing, bench.recorded()) == ([], None, [])
    assert not bench.announcer.order(WORDS)
