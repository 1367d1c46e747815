"""Two people for one passage: the first waits, the second makes it good, and both are known to have passed."""

from __future__ import annotations

import pytest

from station import by_hand
from station.core.events import Kind
from station.core.lane import LaneState
from station.core.model import Band, Direction, PassClass, TemperatureReading
from station.core.signals import Signal
from station.lane_record import Operator
from station.views import lane_signal, lane_view
from tests.core.issuing import NOW, credential, pass_text, rule
from tests.core.phones import phone
from tests.flow.lane_bench import ESCORT_S
from tests.flow.signed_papers import papers

GUEST_CTI, HOST_CTI, OTHER_CTI = (bytes([number]) * 8 for number in (1, 2, 3))
GUEST = pass_text(cti=GUEST_CTI, pass_class=PassClass.VISITOR, household=None)
HOST = pass_text(cti=HOST_CTI)
OTHER_GUEST = pass_text(cti=OTHER_CTI, pass_class=PassClass.VISITOR, household=None)
EXPIRED_HOST = pass_text(cti=OTHER_CTI, not_before=NOW - 100, expires=NOW - 50)
VISITOR = {"class": {"eq": "visitor"}}
ALONE = rule(id="visitor-alone", outcome="escort", when={**VISITOR, "escort": {"ne": "resident"}})
MEASURE = rule(id="measure", outcome="measure", when={"temperature": {"eq": "not-measured"}})
FEVER = rule(id="fever", outcome="refer", reason="fever-raised", when={"temperature": {"eq": "raised"}})
WELCOME = rule(id="welcome")
NORMAL = TemperatureReading(Band.NORMAL, 36.5, 21.0, 6)
RAISED = TemperatureReading(Band.RAISED, 38.2, 21.0, 6)


@pytest.fixture
def lane(make_lane):
    """A lane at which visitors need a resident beside them, and nobody is measured."""
    return make_lane(papers(ALONE, WELCOME))


@pytest.fixture
def measuring(make_lane):
    """The same, where whoever is let in is measured first."""
    return make_lane(papers(ALONE, FEVER, MEASURE, WELCOME), Direction.IN)


def people(bench) -> list[object]:
    """Return who went through, by every recorded passage."""
    return [e.payload.get("who") for e in bench.events(Kind.PASSAGE) if e.payload["what"] == "entered"]


def remembered(bench, cti: bytes) -> list[Direction]:
    """Return the ways that anti-passback knows of a pass."""
    history = bench.register.history(credential(cti=cti, household=None), bench.clock.now())
    return [passage.direction for passage in history.own]


def test_the_first_pass_waits(lane):
    """A visitor alone opens nothing and is not refused: the lane asks for a second pass, with a signal of its own."""
    lane.show(GUEST)
    assert lane.flow.lane.state is LaneState.ESCORTING
    assert lane_signal(lane.flow) is Signal.ESCORTING
    assert lane_view(lane.flow, 0).rule == "visitor-alone"
    assert not lane.energised
    assert lane.decisions() == []


def test_the_second_makes_it_good_and_both_have_passed(lane):
    """With a resident beside them the visitor is granted; the passage names both, and both are remembered."""
    lane.show(GUEST)
    lane.let(5)
    lane.show(HOST)
    assert lane.energised
    assert lane.decisions() == [("grant", "granted")]
    decision = lane.events(Kind.DECISION)[0].payload
    assert (decision["cti"], decision["escort"]) == (GUEST_CTI.hex(), HOST_CTI.hex())
    lane.walk_through()
    host = {"cti": HOST_CTI.hex(), "household": credential().household.hex()}
    assert people(lane) == [[{"cti": GUEST_CTI.hex()}, host]]
    assert remembered(lane, GUEST_CTI) == remembered(lane, HOST_CTI) == [Direction.OUT]
    assert lane.passages() == ["entered"]


def test_an_unfit_second_is_refused_for_their_own_reason(lane):
    """An expired pass makes nothing good: it is refused as what it is, and the first one's wait has ended."""
    lane.show(GUEST)
    lane.show(EXPIRED_HOST)
    assert lane.decisions() == [("deny", "pass-expired")]
    assert lane.events(Kind.DECISION)[0].payload["cti"] == OTHER_CTI.hex()
    assert not lane.energised
    displaced = lane.events(Kind.PASSAGE)[0].payload
    assert (displaced["what"], displaced["cti"]) == ("displaced", GUEST_CTI.hex())


def test_a_second_visitor_helps_nobody_and_waits_instead(lane):
    """Two visitors are not a visitor and a resident: the second waits, and a resident makes good the second."""
    lane.show(GUEST)
    lane.let(1)
    lane.show(OTHER_GUEST)
    assert lane.flow.lane.state is LaneState.ESCORTING
    assert lane.passages() == ["displaced"]
    lane.let(1)
    lane.show(HOST)
    assert lane.events(Kind.DECISION)[0].payload["cti"] == OTHER_CTI.hex()


def test_the_same_pass_again_is_no_second_person(lane):
    """Whoever shows their own pass a second time, on paper or phone, goes on waiting."""
    mine = phone("guest")
    paper = mine.pass_text(cti=GUEST_CTI, pass_class=PassClass.VISITOR)
    lane.show(paper)
    lane.let(3)
    lane.show(mine.show(paper, NOW))
    lane.let(3)
    lane.show(paper)
    assert lane.flow.lane.state is LaneState.ESCORTING
    assert lane.decisions() == []


def test_one_person_is_not_two(make_lane):
    """Where any two people may go together, phone and paper of one pass still open nothing; a second person does."""
    lane = make_lane(papers(rule(id="two", outcome="escort", when={"escort": {"eq": "none"}}), WELCOME))
    mine = phone("mine")
    lane.show(mine.pass_text(cti=HOST_CTI))
    lane.let(3)
    lane.show(mine.show(mine.pass_text(cti=HOST_CTI), NOW))
    assert lane.decisions() == []
    lane.let(3)
    lane.show(pass_text(cti=OTHER_CTI))
    assert lane.decisions() == [("grant", "granted")]


def test_a_poster_or_a_payment_code_does_not_end_the_wait(lane):
    """What is no pass neither helps nor disturbs."""
    lane.show(GUEST)
    lane.show("https://example.org/")
    assert lane.flow.lane.state is LaneState.ESCORTING
    assert lane.decisions() == []


def test_both_passes_in_one_frame_are_asked_to_come_one_at_a_time(lane):
    """One after the other means one after the other."""
    lane.show(GUEST, HOST)
    assert lane.decisions() == [("deny", "one-at-a-time")]


def test_nobody_comes(lane):
    """After the configured time the lane is free again; the journal says who waited, and refers to nobody else."""
    lane.pass_with(HOST)
    lane.show(GUEST)
    lane.let(ESCORT_S - 0.1)
    assert lane.flow.lane.state is LaneState.ESCORTING
    lane.let(0.2)
    assert lane.flow.lane.state is LaneState.IDLE
    payload = lane.events(Kind.PASSAGE)[-1].payload
    assert payload == {"lane": "lane", "of": 0, "what": "unescorted", "cti": GUEST_CTI.hex()}


def test_the_guard_ends_the_wait(lane):
    """A guard may send the first one away, with a reason, or open: each is recorded with who did it."""
    lane.show(GUEST)
    assert by_hand.dismiss(lane.flow, Operator("li", "come back with your host"))
    payload = lane.events(Kind.PASSAGE)[-1].payload
    assert (payload["what"], payload["operator"], payload["cti"]) == ("dismissed", "li", GUEST_CTI.hex())
    lane.let(3)
    lane.show(GUEST)
    assert by_hand.open_door(lane.flow, Operator("li", "their host called")) is None
    assert lane.decisions() == [("grant", "override")]
    assert lane.events(Kind.OVERRIDE)[0].payload["of"] == 0


def test_who_is_measured_after_an_escort_keeps_it(measuring):
    """The second pass is not forgotten while the first person is measured: grant and passage name both."""
    measuring.show(GUEST)
    measuring.let(3)
    measuring.show(HOST)
    assert measuring.flow.lane.state is LaneState.MEASURING
    measuring.flow.screened(measuring.asked[-1], NORMAL)
    assert measuring.decisions() == [("grant", "granted")]
    assert measuring.events(Kind.DECISION)[0].payload["escort"] == HOST_CTI.hex()
    measuring.walk_through()
    assert remembered(measuring, GUEST_CTI) == remembered(measuring, HOST_CTI) == [Direction.IN]


def test_a_guard_who_opens_for_two_lets_both_pass(measuring):
    """A referral after the screening keeps the escort, and so does the guard's override."""
    measuring.show(GUEST)
    measuring.let(3)
    measuring.show(HOST)
    measuring.flow.screened(measuring.asked[-1], RAISED)
    assert measuring.decisions() == [("refer", "fever-raised")]
    assert by_hand.open_door(measuring.flow, Operator("li", "36.8 by hand")) is None
    assert measuring.events(Kind.OVERRIDE)[0].payload["escort"] == HOST_CTI.hex()
    measuring.walk_through()
    assert remembered(measuring, GUEST_CTI) == remembered(measuring, HOST_CTI) == [Direction.IN]


def test_a_second_who_would_be_measured_may_escort(measuring):
    """Being measured is no reason against the second person, who is not the one to be let in for themselves."""
    measuring.show(GUEST)
    measuring.let(3)
    measuring.show(HOST)
    assert measuring.flow.lane.decision.credential.cti == GUEST_CTI
    assert measuring.flow.lane.decision.escort.cti == HOST_CTI


def test_both_live_codes_are_used_up(lane):
    """A grant to two people consumes what both phones showed."""
    guest, host = phone("guest"), phone("host")
    first = guest.show(guest.pass_text(cti=GUEST_CTI, pass_class=PassClass.VISITOR), NOW)
    second = host.show(host.pass_text(cti=HOST_CTI), NOW)
    lane.show(first)
    lane.show(second)
    lane.walk_through()
    lane.let(5)
    lane.restart()
    assert lane.pass_with(second) == ("deny", "live-replayed")
    assert lane.pass_with(first) == ("deny", "live-replayed")


def test_a_live_code_that_was_fresh_when_shown_stays_good_while_it_waits(measuring):
    """The first person's code was of the moment; that the second takes a while and somebody is measured is no fault."""
    guest = phone("guest")
    shown = guest.show(guest.pass_text(cti=GUEST_CTI, pass_class=PassClass.VISITOR), NOW - 20)
    measuring.show(shown)
    measuring.let(ESCORT_S - 0.5)
    measuring.show(HOST)
    measuring.let(1.5)
    measuring.flow.screened(measuring.asked[-1], NORMAL)
    assert measuring.decisions() == [("grant", "granted")]


def test_nobody_who_is_used_up_escorts(lane):
    """A host's code that has opened already is no second pass."""
    host = phone("host")
    code = host.show(host.pass_text(cti=HOST_CTI), NOW)
    assert lane.pass_with(code) == ("grant", "granted")
    lane.show(GUEST)
    lane.show(code)
    assert lane.decisions()[-1] == ("deny", "live-replayed")
    assert not lane.energised
