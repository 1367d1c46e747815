"""The number on the station's screen: a phone that signs it is of this moment, whatever any clock says."""

from __future__ import annotations

import pytest

from station import by_hand
from station.core.events import Kind
from station.core.reasons import Reason
from station.lane_record import Operator
from station.views import lane_view
from tests.core.issuing import NOW
from tests.core.phones import phone
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import papers

MINE = phone("mine")
PASS = MINE.pass_text()


@pytest.fixture
def lane(make_lane):
    """A lane out that grants every good pass."""
    return make_lane(papers())


def number(bench: LaneBench) -> bytes:
    """Return the number that the station shows now."""
    return bytes.fromhex(bench.time_desk.number(bench.clock.now()))


def test_a_number_opens_once_while_it_is_answerable(lane):
    """A phone that signs the number is taken whatever its clock says; the same answer again is used up."""
    code = MINE.show(PASS, NOW - 10_000, number(lane))
    assert lane.pass_with(code) == ("grant", "granted")
    assert lane.pass_with(code) == ("deny", "live-replayed")


@pytest.mark.parametrize(("age_s", "reason"), [(119, "granted"), (121, "live-wrong-nonce")])
def test_a_number_is_answered_within_two_minutes(lane, age_s, reason):
    """A number is shown for a minute and answered for one more; an older one is none."""
    asked = number(lane)
    lane.let(age_s)
    assert lane.pass_with(MINE.show(PASS, NOW, asked))[1] == reason


def test_a_number_that_was_never_shown_is_refused(lane):
    """A number of another station, or of none, proves nothing."""
    assert lane.pass_with(MINE.show(PASS, NOW, bytes(8))) == ("deny", "live-wrong-nonce")


def test_numbers_do_not_survive_a_restart(lane):
    """An answer recorded before a restart is no answer after it."""
    code = MINE.show(PASS, NOW, number(lane))
    lane.restart()
    number(lane)
    assert lane.pass_with(code) == ("deny", "live-wrong-nonce")


def test_with_the_clock_lost_only_the_number_opens_and_only_where_the_rules_say_so(make_lane):
    """LOST: paper and plain live codes go to the guard; who signs the number passes where the policy chose "nonce"."""
    for degraded, expected in (({}, "clock-lost"), ({"clock": "nonce"}, "granted")):
        lane = make_lane(papers(degraded=degraded))
        lane.clock.boot_without_a_clock(NOW * 1_000_000)
        for code in (PASS, MINE.show(PASS, NOW)):
            assert lane.pass_with(code) == ("refer", "clock-lost")
        assert lane_view(lane.flow, 0, "12ab").number == "12ab"
        assert by_hand.dismiss(lane.flow, Operator("li", "wait"))
        assert lane.pass_with(MINE.show(PASS, NOW, number(lane)))[1] == expected


def test_with_the_clock_lost_a_phone_that_redraws_is_referred_once(lane):
    """Nobody can say that a code is old then: the phone stays one presentation, and the journal one event."""
    lane.clock.boot_without_a_clock(NOW * 1_000_000)
    for second in range(60):
        lane.show(MINE.show(PASS, NOW + 7200 + second))
        lane.let(1)
    assert lane.decisions() == [("refer", "clock-lost")]


def test_an_unsure_clock_is_the_clocks_matter(lane):
    """Where only the station's own uncertainty could explain the age, the person is not called stale."""
    lane.clock.tell(NOW, lane.clock.mono_us - 600_000_000, by_central=True)
    lane.clock.synced = False
    assert lane.clock.now().uncertainty_s > 300
    lane.show(MINE.show(PASS, NOW + 100))
    assert lane.decisions() == [("refer", Reason.CLOCK_UNSURE)]
    assert lane.events(Kind.DECISION)[0].payload["verdict"] == "clock"
