"""The guard's own thermometer: its value is decided on anew by the rules, recorded beside the sensor's, and no key."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.events import FIELDS, Kind
from station.core.fever import by_hand, hand_readable
from station.core.lane import LaneState
from station.core.model import Band, Direction, TemperatureReading
from station.guard_desk import GuardDesk
from station.guard_screen import GuardAnswer, HandReading
from station.views import lane_view
from station.wording import text
from tests.core.issuing import pass_text, rule
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import papers

PASS = pass_text()
MEASURE = rule(id="measure", outcome="measure", when={"temperature": {"eq": "not-measured"}})
FEVER = rule(id="fever", outcome="refer", reason="fever-raised", when={"temperature": {"eq": "raised"}})
FAULT = rule(id="fault", outcome="refer", reason="thermometer-fault", when={"temperature": {"eq": "fault"}})
WELCOME = rule(id="welcome")
HOT = TemperatureReading(Band.RAISED, 36.9, 21.0, 6, 38.1, 0.6)


@pytest.fixture
def lane(make_lane) -> LaneBench:
    """A lane where whoever comes in is measured, and raised goes to the guard."""
    return make_lane(papers(FEVER, FAULT, MEASURE, WELCOME), Direction.IN)


def referred(bench: LaneBench, reading: TemperatureReading = HOT) -> LaneBench:
    """Let somebody be measured."""
    bench.show(PASS)
    bench.flow.screened(bench.asked[-1], reading)
    return bench


def enter(bench: LaneBench, celsius: float, lane: str = "lane") -> GuardAnswer:
    """Enter a value as a signed-in guard."""
    desk = GuardDesk({"lane": bench.flow}, bench.recorder, bench.clock)
    return desk.measured(HandReading(lane, "g07", celsius, Future()))


def test_a_normal_value_lets_the_rules_open(lane):
    """Both readings, who measured and what it follows are in the new decision; the first stays as it was."""
    referred(lane)
    assert lane_view(lane.flow, 0).by_hand
    assert enter(lane, 36.8) == GuardAnswer(accepted=True, text=text("answer-hand-granted"))
    assert lane.energised
    first, second = (event.payload for event in lane.events(Kind.DECISION))
    assert (first["outcome"], first["band"]) == ("refer", "raised")
    assert (first["skin_c"], first["estimate_c"], first["uncertainty_c"]) == (36.9, 38.1, 0.6)
    assert not set(first) & {"hand_c", "operator", "of"}
    assert (second["outcome"], second["rule"], second["band"]) == ("grant", "welcome", "normal")
    assert (second["skin_c"], second["estimate_c"], second["hand_c"]) == (36.9, 38.1, 36.8)
    assert (second["operator"], second["of"]) == ("g07", lane.events(Kind.DECISION)[0].seq)
    assert set(second) <= set(FIELDS[Kind.DECISION])
    lane.walk_through()
    assert lane.events(Kind.PASSAGE)[0].payload["of"] == lane.events(Kind.DECISION)[1].seq


def test_a_raised_value_stays_with_the_guard(lane):
    """It opens nothing; a value entered wrongly can be entered again, and each is recorded."""
    referred(lane)
    assert enter(lane, 38.4).text == text("answer-hand-referred")
    assert not lane.energised
    assert lane.flow.lane.state is LaneState.REFERRED
    assert enter(lane, 36.4).accepted
    assert lane.energised
    assert [e.payload.get("hand_c") for e in lane.events(Kind.DECISION)] == [None, 38.4, 36.4]


@given(st.integers(-1000, 1000))
def test_what_a_hand_thermometer_can_show(tenths):
    """35.0 to 42.0 with one decimal; its band is normal or raised, and the sensor's figures stay beside it."""
    celsius = tenths / 10
    assert hand_readable(celsius) == (350 <= tenths <= 420)
    assert not hand_readable(celsius + 0.05)
    reading = by_hand(HOT, celsius, 37.3)
    assert reading.band is (Band.RAISED if tenths >= 373 else Band.NORMAL)
    assert (reading.skin_c, reading.estimate_c, reading.hand_c) == (HOT.skin_c, HOT.estimate_c, celsius)


@pytest.mark.parametrize("celsius", [35.0, 36.6, 37.2, 37.3, 42.0])
def test_the_rules_refuse_whatever_was_measured(make_lane, celsius):
    """Rules that refuse someone normal, and refer someone raised, are not opened by any value."""
    refused = rule(id="no", outcome="deny", reason="policy", when={"temperature": {"eq": "normal"}})
    bench = referred(make_lane(papers(FEVER, MEASURE, refused), Direction.IN))
    answer = enter(bench, celsius)
    assert not bench.energised
    expected = ("refer", "fever-raised") if celsius >= 37.3 else ("deny", "policy")
    assert bench.decisions()[-1] == expected
    assert answer.text == text("answer-hand-referred" if celsius >= 37.3 else "answer-hand-denied")


@pytest.mark.parametrize("celsius", [34.9, 42.1, 36.65, 0.0, -36.0, 366.0, float("inf"), float("nan")])
def test_out_of_range_is_refused_with_a_reason(lane, celsius):
    """Nothing is decided or recorded; the guard is told what a thermometer can show."""
    referred(lane)
    assert enter(lane, celsius) == GuardAnswer(accepted=False, text=text("answer-hand-range"))
    assert len(lane.decisions()) == 1
    assert lane.flow.lane.state is LaneState.REFERRED


def test_the_sensor_that_failed_is_measured_for_by_hand(lane):
    """Where the sensor gave nothing the guard's value decides as well."""
    referred(lane, TemperatureReading(Band.FAULT))
    assert lane.decisions() == [("refer", "thermometer-fault")]
    assert enter(lane, 36.6).accepted
    assert lane.decisions()[-1] == ("grant", "granted")


def test_nobody_waits_for_a_value(lane, make_lane):
    """With nobody there, somebody being measured, somebody let in, or a referral about something else: refused."""
    assert enter(lane, 36.6) == GuardAnswer(accepted=False, text=text("answer-hand-nobody"))
    lane.show(PASS)
    assert not enter(lane, 36.6).accepted
    lane.flow.screened(lane.asked[-1], TemperatureReading(Band.NORMAL, 36.0, 21.0, 6))
    assert not enter(lane, 36.6).accepted
    assert len(lane.decisions()) == 1
    asking = make_lane(papers(rule(id="ask", outcome="refer", reason="guard-check")))
    asking.show(PASS)
    assert not lane_view(asking.flow, 0).by_hand
    assert not enter(asking, 36.6).accepted
    assert enter(asking, 36.6, "elsewhere").text == text("answer-no-lane")


def test_a_value_that_cannot_be_recorded_opens_nothing(lane):
    """On a full disk the guard is told; the relay does not move."""
    referred(lane)
    lane.fill_disk()
    assert enter(lane, 36.6) == GuardAnswer(accepted=False, text=text("answer-not-recorded"))
    assert not lane.energised


def test_a_value_obeys_the_interlock(lane):
    """While the other door of the sluice is open nobody is let in, by value or by hand."""
    referred(lane)
    lane.interlocked = True
    assert enter(lane, 36.6) == GuardAnswer(accepted=False, text=text("answer-interlocked"))
    lane.interlocked = False
    assert enter(lane, 36.6).accepted
