"""Anti-passback and quotas at the lane: remembered with the passage, through restarts, and forgiven by a guard."""

from __future__ import annotations

import pytest

from station import by_hand
from station.core.events import Kind
from station.core.lane import LaneState
from station.core.model import Direction
from station.core.passback import Passage
from station.lane_record import Operator
from station.ports import InputKind
from station.views import lane_view
from tests.core.issuing import NOW, credential, pass_text, rule
from tests.flow.lane_bench import DAY_S, LaneBench
from tests.flow.signed_papers import papers

HOUSEHOLD = credential().household
MINE = credential().cti
FAMILY_CTI = bytes(8)
PASS, FAMILY = pass_text(), pass_text(cti=FAMILY_CTI)
WORDS = {"zh": "每户两日一人次", "en": "one of a household every two days"}
SHOPPING = {"id": "shopping", "per": "household", "direction": "out", "passages": 1, "days": 2, "describe": WORDS}
TWICE = rule(id="no-passback", outcome="deny", reason="passback", when={"passback": {"eq": "violation"}})
USED = rule(id="quota", outcome="deny", reason="quota-used", when={"quota": {"eq": "used"}})
WELCOME = rule(id="welcome")
PASSBACK, QUOTA = papers(TWICE, WELCOME), papers(USED, WELCOME, quotas=[SHOPPING])


@pytest.fixture
def once(make_lane):
    """A lane out at which nobody leaves twice without having come back."""
    return make_lane(PASSBACK)


@pytest.fixture
def shopping(make_lane):
    """A lane out for one person of each household every two days."""
    return make_lane(QUOTA)


def come_back(lane: LaneBench, cti: bytes = MINE) -> None:
    """Let another lane of the station let somebody in."""
    person = credential(cti=cti)
    now = lane.clock.now()
    memo = lane.register.passed([person], Direction.IN, now)
    lane.journal.append(Kind.PASSAGE, {"lane": "in", "of": 0, "what": "entered"}, now, memo.changes)
    memo.take_effect()


# --- anti-passback ---------------------------------------------------------------------------------------------------


def test_nobody_leaves_twice(once):
    """After a passage out, the same pass is refused at the way out until it has come in."""
    assert once.pass_with(PASS) == ("grant", "granted")
    assert once.pass_with(PASS) == ("deny", "passback")
    come_back(once)
    assert once.pass_with(PASS) == ("grant", "granted")


def test_anti_passback_survives_a_restart(once):
    """The journal is closed and opened anew: the passage is still known."""
    once.pass_with(PASS)
    once.restart()
    assert once.pass_with(PASS) == ("deny", "passback")


def test_who_did_not_go_through_has_not_passed(once):
    """A grant that ends without the door having been opened is no passage."""
    once.show(PASS)
    once.let(6)
    assert once.passages() == ["no-entry"]
    once.restart()
    assert once.pass_with(PASS) == ("grant", "granted")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_passage_on_a_full_disk_is_kept_in_the_reserve(once, restarted):
    """The disk fails between grant and passage: it counts at once, comes into the journal, and survives a restart."""
    once.show(PASS)
    once.fill_disk()
    once.walk_through()
    inside = once.register.inside
    if restarted:
        once.restart()
    once.free_disk()
    once.let(5)
    assert once.pass_with(PASS) == ("deny", "passback")
    (late,) = [e.payload for e in once.events(Kind.LATE) if e.payload["kind"] == "passage"]
    assert late["payload"]["what"] == "entered"
    assert set(late) == {"kind", "wall_us", "mono_us", "payload"}
    assert once.journal.rows("SELECT count(*) FROM passage") == [(1,)]
    once.restart()
    assert once.register.inside == inside
    assert once.pass_with(PASS) == ("deny", "passback")


def test_a_passage_that_nothing_can_record_is_not_believed(once, monkeypatch):
    """Where even the reserve fails the passage is not held against anybody afterwards."""
    once.show(PASS)
    once.fill_disk()
    monkeypatch.setattr(once.recorder._reserve, "_size", 0)
    once.walk_through()
    once.free_disk()
    once.let(5)
    assert once.pass_with(PASS) == ("grant", "granted")


def test_who_leaves_by_the_exit_button_is_not_noted(once):
    """A door that moves without a decision belongs to nobody."""
    once.flow.doorway.input(InputKind.REX)
    once.walk_through()
    assert once.journal.rows("SELECT count(*) FROM passage") == [(0,)]


def test_the_passage_tells_the_other_gates_what_they_need(once):
    """The recorded passage names pass and household by their pseudonyms, and the way; nothing else of the person."""
    once.pass_with(PASS)
    (event,) = once.events(Kind.PASSAGE)
    assert event.payload == {
        "lane": "lane",
        "of": once.events(Kind.DECISION)[0].seq,
        "what": "entered",
        "dir": "out",
        "who": [{"cti": MINE.hex(), "household": HOUSEHOLD.hex()}],
    }


# --- quotas ----------------------------------------------------------------------------------------------------------


def test_one_of_a_household_every_two_days(shopping):
    """The second of a household is refused, today and tomorrow; on the day after the quota is free again."""
    assert shopping.pass_with(PASS) == ("grant", "granted")
    assert shopping.pass_with(FAMILY) == ("deny", "quota-used")
    shopping.let(DAY_S)
    assert shopping.pass_with(FAMILY) == ("deny", "quota-used")
    shopping.let(DAY_S)
    assert shopping.pass_with(FAMILY) == ("grant", "granted")


def test_a_quota_survives_a_restart(shopping):
    """The journal is closed and opened anew: the household's passage still counts."""
    shopping.pass_with(PASS)
    shopping.restart()
    assert shopping.pass_with(FAMILY) == ("deny", "quota-used")


# --- forgiving -------------------------------------------------------------------------------------------------------


def test_a_guard_forgives_and_it_works(once):
    """Refused, forgiven, shown again without taking it away: granted; the journal says who forgave whom, and why."""
    once.pass_with(PASS)
    once.show(PASS)
    assert lane_view(once.flow, 0).forgivable
    assert by_hand.forgive(once.flow, Operator("li", "the reader at the way in was broken"))
    (event,) = once.events(Kind.FORGIVEN)
    assert event.payload == {
        "lane": "lane",
        "cti": MINE.hex(),
        "operator": "li",
        "why": "the reader at the way in was broken",
    }
    assert once.flow.lane.state is LaneState.IDLE
    once.show(PASS)
    assert once.decisions()[-1] == ("grant", "granted")


def test_what_is_forgiven_stays_forgiven_after_a_restart(once):
    """Forgiveness stands in the journal's file like the passage; a passage afterwards counts again."""
    once.pass_with(PASS)
    once.show(PASS)
    by_hand.forgive(once.flow, Operator("li", "why not"))
    once.let(1)
    once.restart()
    assert once.pass_with(PASS) == ("grant", "granted")
    once.restart()
    assert once.pass_with(PASS) == ("deny", "passback")


def test_a_household_is_forgiven_with_the_pass(shopping):
    """Who is forgiven a used-up quota is forgiven as a household; others' quotas stay used up."""
    stranger = pass_text(cti=bytes([9]) * 8, household=bytes([9]) * 6)
    shopping.pass_with(PASS)
    shopping.pass_with(stranger)
    shopping.show(FAMILY)
    assert by_hand.forgive(shopping.flow, Operator("li", "medicine"))
    shopping.let(3)
    assert shopping.pass_with(FAMILY) == ("grant", "granted")
    assert shopping.pass_with(stranger) == ("deny", "quota-used")


def test_nobody_here_nobody_to_forgive(once):
    """Without a person at the lane, or while one goes through, there is nothing to forgive and nothing is recorded."""
    assert not by_hand.forgive(once.flow, Operator("li", "whom?"))
    once.show("https://example.org/")
    assert not by_hand.forgive(once.flow, Operator("li", "a poster"))
    once.let(5)
    once.show(PASS)
    assert not by_hand.forgive(once.flow, Operator("li", "already in"))
    assert once.events(Kind.FORGIVEN) == []


def test_what_cannot_be_recorded_is_not_forgiven(once):
    """On a full disk the guard is told no, and the passage still counts afterwards."""
    once.pass_with(PASS)
    once.show(PASS)
    once.fill_disk()
    assert not by_hand.forgive(once.flow, Operator("li", "please"))
    once.free_disk()
    once.let(5)
    assert once.pass_with(PASS) == ("deny", "passback")


# --- other gates of the site -----------------------------------------------------------------------------------------


def test_alone_on_a_site_with_other_gates_the_guard_decides(make_lane):
    """Until the other gates are heard from, a used-up quota goes to the guard, marked as local knowledge."""
    lane = make_lane(QUOTA, has_peers=True)
    assert lane.pass_with(PASS) == ("grant", "granted")
    assert lane.events(Kind.DECISION)[-1].payload["knowledge"] == "local"
    assert lane.pass_with(FAMILY) == ("refer", "quota-used")
    assert lane_view(lane.flow, 0).local
    assert lane_view(lane.flow, 0).forgivable
    assert lane.events(Kind.DECISION)[-1].payload["knowledge"] == "local"


def test_passages_at_other_gates_count(make_lane):
    """Once heard from, what the other gates saw counts as if it had been seen here, and is no local knowledge."""
    lane = make_lane(QUOTA, has_peers=True)
    there = Passage(FAMILY_CTI, HOUSEHOLD, Direction.OUT, (NOW - 600) * 1_000_000)
    lane.register.heard([there], lane.clock.now(), fresh=True)
    assert lane.pass_with(PASS) == ("deny", "quota-used")
    assert "knowledge" not in lane.events(Kind.DECISION)[-1].payload


def test_a_guard_forgives_what_another_gate_saw(make_lane):
    """Forgiveness covers the passages of other gates, also when they are reported once more."""
    lane = make_lane(QUOTA, has_peers=True)
    there = Passage(FAMILY_CTI, HOUSEHOLD, Direction.OUT, (NOW - 600) * 1_000_000)
    lane.register.heard([there], lane.clock.now(), fresh=True)
    lane.show(PASS)
    assert by_hand.forgive(lane.flow, Operator("li", "the other gate's reader counts twice"))
    lane.restart()
    lane.register.heard([there], lane.clock.now(), fresh=True)
    assert lane.pass_with(PASS) == ("grant", "granted")
