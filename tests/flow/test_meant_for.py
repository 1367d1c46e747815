"""Nothing that is decided, measured or opened for one person goes to another who has come meanwhile."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from station.core.events import Kind
from station.core.lane import LaneState
from station.core.model import Band, Direction, TemperatureReading
from station.core.timecode import PREFIX
from station.guard_desk import GuardDesk
from station.guard_screen import GuardAnswer, GuardRequest, GuardVerb, HandReading
from station.ports import InputKind
from station.turn import Turn
from station.views import lane_view
from station.wording import text
from tests.core.issuing import pass_text, rule
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import papers

FIRST, NEXT = pass_text(cti=bytes(7) + b"\1"), pass_text(cti=bytes(7) + b"\2")
POSTER = "https://example.org/poster"
MEASURE = rule(id="measure", outcome="measure", when={"temperature": {"eq": "not-measured"}})
FAULT = rule(id="fault", outcome="refer", reason="thermometer-fault", when={"temperature": {"eq": "fault"}})
WELCOME = rule(id="welcome")
NORMAL = TemperatureReading(Band.NORMAL, 35.0, 21.0, 6, 36.6, 0.3)
ELSEWHERE = GuardAnswer(accepted=False, text=text("answer-someone-else"))


@pytest.fixture
def lane(make_lane) -> LaneBench:
    """A lane where whoever comes in is measured; where the sensor fails the guard is asked."""
    bench = make_lane(papers(FAULT, MEASURE, WELCOME), Direction.IN)
    bench.flow.doorway.input(InputKind.DOOR_CLOSED)
    return bench


def referred(bench: LaneBench, shown: str) -> None:
    """Let somebody be referred because the thermometer gives nothing."""
    bench.show(shown)
    bench.flow.screened(bench.asked[-1], TemperatureReading(Band.FAULT))
    assert bench.flow.lane.state is LaneState.REFERRED


def ask(bench: LaneBench, wish: GuardRequest | HandReading) -> GuardAnswer:
    """Ask as a signed-in guard."""
    desk = GuardDesk({"lane": bench.flow}, bench.recorder, bench.clock)
    return desk.measured(wish) if isinstance(wish, HandReading) else desk.request(wish)


def hand(turn: int | None) -> HandReading:
    """A guard's thermometer shows a normal value."""
    return HandReading("lane", "g07", 36.6, Future(), turn=turn)


def turn_of(bench: LaneBench) -> int:
    """Whose turn the guard's screen shows."""
    return lane_view(bench.flow, 0).turn


# --- the guard -------------------------------------------------------------------------------------------------------


def test_a_value_is_for_whom_it_was_measured(lane):
    """Entered after the next person has shown a pass it opens nothing and is not written beside that pass."""
    referred(lane, FIRST)
    turn = turn_of(lane)
    referred(lane, NEXT)
    assert ask(lane, hand(turn)) == ELSEWHERE
    assert not lane.energised
    assert "hand_c" not in str([event.payload for event in lane.events(Kind.DECISION)])
    assert ask(lane, hand(turn_of(lane))).accepted


@pytest.mark.parametrize("verb", GuardVerb)
def test_what_a_guard_does_is_for_whom_it_was_meant(lane, verb):
    """Open, dismiss and forgive do nothing to the next person."""
    referred(lane, FIRST)
    turn = turn_of(lane)
    referred(lane, NEXT)
    before = len(lane.events())
    assert ask(lane, GuardRequest(verb, "lane", "g07", "checked", Future(), turn=turn)) == ELSEWHERE
    assert (lane.energised, lane.flow.lane.state, len(lane.events())) == (False, LaneState.REFERRED, before)


def test_a_refusal_that_has_gone_from_the_screen_can_still_be_opened_for(lane):
    """Choosing a reason takes longer than a refusal is shown: with nobody else there the guard still opens."""
    referred(lane, FIRST)
    turn = turn_of(lane)
    lane.let(200)
    assert lane.flow.lane.state is LaneState.IDLE
    assert ask(lane, GuardRequest(GuardVerb.OPEN, "lane", "g07", "checked", Future(), turn=turn)).accepted
    assert lane.energised


@pytest.mark.parametrize("shown", ["EP1:NOTAPASS", "EL1:NOTAPASS"])
def test_somebody_with_a_bad_pass_between_is_somebody(lane, shown):
    """What is begun for whoever shows a pass that cannot be verified is not done for the one who was there before."""
    referred(lane, FIRST)
    lane.let(200)
    lane.show(shown)
    turn = turn_of(lane)
    lane.let(5)
    referred(lane, FIRST)
    assert ask(lane, GuardRequest(GuardVerb.OPEN, "lane", "g07", "checked", Future(), turn=turn)) == ELSEWHERE
    assert not lane.energised


def test_two_with_bad_passes_are_two(lane):
    """Of two passes that cannot be verified the second is somebody else; the same one again is not."""
    turns = []
    for shown in ("EP1:NOTAPASS", "EP1:NEITHER", "EP1:NEITHER"):
        lane.show(shown)
        lane.let(10)
        turns.append(turn_of(lane))
    assert (turns[1] - turns[0], turns[2] - turns[1]) == (1, 0)


def test_who_comes_back_to_a_free_lane_is_new(lane):
    """What a guard begins with nobody at the lane, for somebody without a pass, is not done for who came before."""
    referred(lane, FIRST)
    lane.let(400)
    turn = turn_of(lane)
    referred(lane, FIRST)
    assert ask(lane, GuardRequest(GuardVerb.OPEN, "lane", "g07", "checked", Future(), turn=turn)) == ELSEWHERE


def test_a_restart_gives_no_turn_again(make_lane):
    """A screen that was open over a restart names a turn that nobody has now."""
    first = make_lane(papers(WELCOME), Direction.IN)
    turn = turn_of(first)
    first.let(30)
    assert Turn(first.clock.now()).number > turn


# --- who waits for the guard -----------------------------------------------------------------------------------------


def test_a_poster_does_not_end_a_referral(lane):
    """What is no pass leaves whoever waits for the guard alone, however often it comes into view."""
    referred(lane, FIRST)
    for _ in range(3):
        lane.let(5)
        lane.show(POSTER)
    assert lane.flow.lane.state is LaneState.REFERRED
    assert lane.decisions() == [("refer", "thermometer-fault")]
    assert ask(lane, hand(turn_of(lane))).accepted


def test_a_referral_that_is_displaced_is_recorded(lane):
    """The next person need not wait; that the one before was not dealt with stands in the journal, once."""
    referred(lane, FIRST)
    of = lane.events(Kind.DECISION)[-1].seq
    referred(lane, NEXT)
    assert [(e.payload["what"], e.payload["of"]) for e in lane.events(Kind.PASSAGE)] == [("displaced", of)]


def test_a_time_code_that_is_refused_displaces_on_the_record(lane):
    """A guard's code that is no good takes the screen: who waited is gone from it, and that is recorded."""
    referred(lane, FIRST)
    lane.show(f"{PREFIX}NOTACODE")
    assert [event.payload["what"] for event in lane.events(Kind.PASSAGE)] == ["displaced"]


def test_the_same_person_again_displaces_nobody(lane):
    """Who shows the pass once more while waiting for the guard keeps the turn."""
    referred(lane, FIRST)
    turn = turn_of(lane)
    lane.let(5)
    referred(lane, FIRST)
    assert (turn_of(lane), lane.passages()) == (turn, [])


# --- the interlock ---------------------------------------------------------------------------------------------------


def test_who_was_measured_waits_for_the_other_door(lane):
    """A result that comes while another door must be shut first opens as soon as it is, and not before."""
    lane.show(FIRST)
    lane.interlocked = True
    lane.flow.screened(lane.asked[-1], NORMAL)
    assert (lane.energised, lane.decisions()) == (False, [])
    assert lane_view(lane.flow, 0).next_step == text("please-wait")
    lane.let(1)
    assert not lane.energised
    lane.interlocked = False
    lane.let(0.1)
    assert lane.energised
    assert lane.decisions() == [("grant", "granted")]


def test_a_door_that_stays_open_sends_to_the_guard(lane):
    """After half a minute at the other door, still open, the person is referred because of that, for no fault."""
    lane.show(FIRST)
    lane.interlocked = True
    lane.flow.screened(lane.asked[-1], NORMAL)
    lane.let(20)
    assert lane.decisions() == []
    lane.let(10)
    assert (lane.energised, lane.decisions()) == (False, [("refer", "interlocked")])
    lane.interlocked = False
    assert ask(lane, GuardRequest(GuardVerb.OPEN, "lane", "g07", "checked", Future(), turn=turn_of(lane))).accepted


def test_a_result_that_waits_is_forgotten_with_its_person(lane):
    """Dismissed while the other door is open, nobody is let in when it shuts."""
    lane.show(FIRST)
    lane.interlocked = True
    lane.flow.screened(lane.asked[-1], NORMAL)
    assert ask(lane, GuardRequest(GuardVerb.DISMISS, "lane", "g07", "left", Future())).accepted
    lane.interlocked = False
    lane.let(1)
    assert (lane.energised, lane.decisions()) == (False, [])
