"""The transaction at a lane: its table is total, and no way through it opens without a committed grant."""

from __future__ import annotations

import itertools

import pytest

from station.core import lane as lanes
from station.core.lane import (
    COMMITTED_EVENT,
    IGNORED,
    OUTCOME_EVENT,
    TABLE,
    Lane,
    LaneCommand,
    LaneEvent,
    LaneLimit,
    LaneState,
    LaneTimes,
    handle,
    signal,
)
from station.core.model import Decision, Outcome
from station.core.reasons import REASONS, Matter, Reason
from station.core.signals import PATTERNS, Signal

S, E, C = LaneState, LaneEvent, LaneCommand
TIMES = LaneTimes(measure_us=3, refusal_us=5, guard_us=7, escort_us=9)
GRANT, DENY, REFER, MEASURE, ESCORT = (
    Decision(Outcome.GRANT, Reason.GRANTED, "welcome"),
    Decision(Outcome.DENY, Reason.PASS_EXPIRED, "check:expired"),
    Decision(Outcome.REFER, Reason.GUARD_CHECK, "asked"),
    Decision(Outcome.MEASURE, Reason.MEASURE_FIRST, "measure-coming"),
    Decision(Outcome.ESCORT, Reason.ESCORT_NEEDED, "bring-somebody"),
)


def after(*events: LaneEvent | Decision, lane: Lane | None = None) -> tuple[Lane, list[LaneCommand]]:
    """Let events (a decision stands for its outcome's event) happen at time 100; return lane and commands."""
    lane, done = lane or Lane(), []
    for event in events:
        decision = event if isinstance(event, Decision) else None
        happened = OUTCOME_EVENT[event.outcome] if isinstance(event, Decision) else event
        lane, commands = handle(lane, happened, 100, TIMES, decision)
        done += commands
    return lane, done


# --- the table as a whole --------------------------------------------------------------------------------------------


def test_every_state_knows_every_event():
    """Each pair of state and event stands in the table or among the ignored, never in both."""
    every = set(itertools.product(S, E))
    assert set(TABLE) | IGNORED == every
    assert not set(TABLE) & IGNORED


@pytest.mark.parametrize("pair", sorted(IGNORED))
def test_an_ignored_event_changes_nothing(pair):
    """What is ignored leaves the lane as it was and commands nothing."""
    state, event = pair
    lane = Lane(state, GRANT, 50)
    assert handle(lane, event, 100, TIMES, DENY) == (lane, ())


def test_every_state_is_reached_and_left():
    """From idle every state can be reached, and from every state idle can."""
    ways = {state: {row.next for (at, _), row in TABLE.items() if at is state} for state in S}
    for start in S:
        seen, todo = {start}, [start]
        while todo:
            new = ways[todo.pop()] - seen
            seen |= new
            todo += new
        assert seen == set(S)


def test_no_way_from_a_decision_to_the_relay_but_by_the_committed_grant():
    """UNLOCK stands in exactly one row: the committed record of a grant, while committing."""
    rows = {pair for pair, row in TABLE.items() if C.UNLOCK in row.commands}
    assert rows == {(S.COMMITTING, E.COMMITTED_GRANT)}


def test_committing_is_entered_by_recording_only():
    """Whoever comes to wait for the commit has commanded the record in the same step."""
    for pair, row in TABLE.items():
        assert (row.next is S.COMMITTING) == (C.RECORD in row.commands), pair


def test_without_a_committed_grant_nothing_ever_unlocks():
    """Walked exhaustively over all other events to depth six, no sequence commands UNLOCK."""
    states, without = {Lane()}, [event for event in E if event is not E.COMMITTED_GRANT]
    for _ in range(6):
        following = set()
        for lane, event in itertools.product(states, without):
            moved, commands = handle(lane, event, 0, TIMES, GRANT)
            assert C.UNLOCK not in commands
            following.add(moved)
        states |= following
    assert {lane.state for lane in states} == set(S) - {S.PASSING}


def test_every_deadline_ends():
    """Each deadline that is set is answered by a row, and that row sets no further one."""
    for pair, row in TABLE.items():
        if row.limit is not None:
            assert (row.next, E.DEADLINE) in TABLE, pair
            assert TABLE[row.next, E.DEADLINE].limit is None


def test_every_state_that_waits_has_a_deadline_or_somebody_to_end_it():
    """States entered without a deadline are those the door, the commit or the decision ends, and idle."""
    endless = {row.next for row in TABLE.values() if row.limit is None}
    # MEASURING without a deadline: GIVE_UP_MEASURING is answered by a decision within the step.
    assert endless == {S.IDLE, S.PASSING, S.COMMITTING, S.MEASURING}
    for (state, event), row in TABLE.items():
        if row.next is S.MEASURING and row.limit is None:
            assert (state, event, row.commands) == (S.MEASURING, E.DEADLINE, (C.GIVE_UP_MEASURING,))
    for event in (E.GRANT, E.DENY, E.REFER):
        assert TABLE[S.MEASURING, event].next is S.COMMITTING


@pytest.mark.parametrize("limit", LaneLimit)
def test_limits_have_their_own_times(limit):
    """Each limit is the configured time of its name."""
    expected = {LaneLimit.MEASURE: 3, LaneLimit.REFUSAL: 5, LaneLimit.GUARD: 7, LaneLimit.ESCORT: 9}
    assert TIMES.of(limit) == expected[limit]


def test_outcomes_have_their_events():
    """Every outcome has an event; all but the two that wait for more have the event of their committed record."""
    assert set(OUTCOME_EVENT) == set(Outcome)
    assert set(COMMITTED_EVENT) == set(Outcome) - {Outcome.MEASURE, Outcome.ESCORT}


# --- transactions ----------------------------------------------------------------------------------------------------


def test_a_granted_passage():
    """Decision, record, unlock, passage, shut: in this order, and idle again without a decision."""
    lane, done = after(GRANT, E.COMMITTED_GRANT)
    assert (lane.state, lane.decision, lane.deadline_us) == (S.PASSING, GRANT, None)
    assert done == [C.RECORD, C.UNLOCK]
    lane, done = after(E.PASSED, E.SHUT, lane=lane)
    assert (lane, done) == (Lane(), [C.RECORD_PASSAGE])


def test_a_grant_nobody_used():
    """A door that was never opened is recorded as no entry."""
    assert after(GRANT, E.COMMITTED_GRANT, E.NOT_PASSED) == (Lane(), [C.RECORD, C.UNLOCK, C.RECORD_NO_ENTRY])


def test_a_refusal_is_shown_for_its_time():
    """A refusal is recorded, shown until its deadline and then gone."""
    lane, done = after(DENY, E.COMMITTED_DENY)
    assert (lane.state, lane.decision, lane.deadline_us, done) == (S.REFUSED, DENY, 105, [C.RECORD])
    assert after(E.DEADLINE, lane=lane) == (Lane(), [])
    assert after(E.DISMISSED, lane=lane) == (Lane(), [])


def test_a_referral_waits_for_the_guard():
    """A referral nobody answers is recorded as unanswered; one the guard opens becomes a grant of its own."""
    lane, _ = after(REFER, E.COMMITTED_REFER)
    assert (lane.state, lane.deadline_us) == (S.REFERRED, 107)
    assert after(E.DEADLINE, lane=lane) == (Lane(), [C.RECORD_UNANSWERED])
    assert after(E.DISMISSED, lane=lane) == (Lane(), [C.RECORD_DISMISSED])
    opened, done = after(GRANT, E.COMMITTED_GRANT, lane=lane)
    assert (opened.state, done) == (S.PASSING, [C.RECORD, C.UNLOCK])


def test_measure_first():
    """A screening is started once; the decision after it is recorded; a screening that does not end is given up."""
    lane, done = after(MEASURE)
    assert (lane.state, lane.deadline_us, done) == (S.MEASURING, 103, [C.MEASURE])
    assert after(GRANT, E.COMMITTED_GRANT, lane=lane)[1] == [C.RECORD, C.UNLOCK]
    late, done = after(E.DEADLINE, lane=lane)
    assert (late.state, late.deadline_us, done) == (S.MEASURING, None, [C.GIVE_UP_MEASURING])
    assert after(E.DISMISSED, lane=lane) == (Lane(), [C.RECORD_DISMISSED])


def test_a_second_pass_is_waited_for():
    """Waiting for somebody to come along records nothing; the decision on both is recorded as any other."""
    lane, done = after(ESCORT)
    assert (lane.state, lane.decision, lane.deadline_us, done) == (S.ESCORTING, ESCORT, 109, [])
    for decision in (GRANT, DENY, REFER):
        decided, done = after(decision, lane=lane)
        assert (decided.state, decided.decision, done) == (S.COMMITTING, decision, [C.RECORD])
    assert after(GRANT, E.COMMITTED_GRANT, lane=lane)[1] == [C.RECORD, C.UNLOCK]


def test_nobody_who_comes_alone_is_waited_for_for_ever():
    """Without a second pass the wait ends at its deadline, or the guard ends it; both are recorded."""
    lane, _ = after(ESCORT)
    assert after(E.DEADLINE, lane=lane) == (Lane(), [C.RECORD_UNESCORTED])
    assert after(E.DISMISSED, lane=lane) == (Lane(), [C.RECORD_DISMISSED])


def test_two_people_may_be_measured_after_they_have_come_together():
    """The second pass may lead to a screening, and a screening to a second pass; each has its own time."""
    lane, done = after(ESCORT, MEASURE)
    assert (lane.state, lane.decision, lane.deadline_us, done) == (S.MEASURING, MEASURE, 103, [C.MEASURE])
    lane, done = after(MEASURE, ESCORT)
    assert (lane.state, lane.decision, lane.deadline_us, done) == (S.ESCORTING, ESCORT, 109, [C.MEASURE])


def test_another_person_who_needs_company_begins_the_wait_anew():
    """A second pass that is unfit leaves the wait with its own time; a refusal of it takes the place of the wait."""
    lane, _ = after(ESCORT)
    moved, commands = handle(lane, E.ESCORT, 105, TIMES, ESCORT)
    assert (moved.state, moved.deadline_us, commands) == (S.ESCORTING, 114, ())
    refused, done = after(E.REFUSED_AGAIN, lane=lane)
    assert (refused.state, refused.deadline_us, done) == (S.REFUSED, 105, [])


@pytest.mark.parametrize("decision", [GRANT, DENY, REFER])
def test_a_failed_commit_refuses_whatever_was_decided(decision):
    """Without a record there is an alarm, no unlock, and the station's fault is shown, not the person's."""
    lane, done = after(decision, E.COMMIT_FAILED)
    assert (lane.state, done) == (S.REFUSED, [C.RECORD, C.ALARM_JOURNAL])
    assert (lane.fault, signal(lane)) == (Reason.JOURNAL_FAILED, Signal.STATION_FAULT)
    assert after(E.DEADLINE, lane=lane) == (Lane(), [])
    again, _ = after(DENY, E.COMMITTED_DENY, lane=lane)
    assert (again.fault, signal(again)) == (None, Signal.DENIED)


def test_a_relay_that_does_not_move_is_the_stations_fault():
    """A grant whose door cannot be unlocked is recorded as such and shown as the station's fault, not as a refusal."""
    lane, done = after(GRANT, E.COMMITTED_GRANT, E.RELAY_FAILED)
    assert (lane.state, lane.deadline_us, done) == (S.REFUSED, 105, [C.RECORD, C.UNLOCK, C.RECORD_NOT_UNLOCKED])
    assert (lane.fault, signal(lane)) == (Reason.RELAY_FAILED, Signal.STATION_FAULT)


def test_the_next_person_need_not_wait_for_the_end_of_a_refusal():
    """While a refusal or a referral is shown, or somebody is waited for, the next decision is taken up."""
    for first, *committed in ((DENY, E.COMMITTED_DENY), (REFER, E.COMMITTED_REFER), (MEASURE,), (ESCORT,)):
        lane, _ = after(first, *committed)
        lane, done = after(GRANT, lane=lane)
        assert (lane.state, lane.decision, done) == (S.COMMITTING, GRANT, [C.RECORD])


def test_a_repeated_refusal_is_shown_anew_and_not_recorded():
    """The same refusal again restarts its time on the screen without a second record."""
    lane, done = after(DENY, E.COMMITTED_DENY)
    moved, commands = handle(lane, E.REFUSED_AGAIN, 104, TIMES, DENY)
    assert (moved.state, moved.deadline_us, commands) == (S.REFUSED, 109, ())
    assert done == [C.RECORD]


def test_the_guard_opens_during_a_passage():
    """A second grant while one is passed on is recorded before it unlocks, as the first was."""
    lane, _ = after(GRANT, E.COMMITTED_GRANT)
    _, done = after(GRANT, E.COMMITTED_GRANT, lane=lane)
    assert done == [C.RECORD, C.UNLOCK]


def test_a_door_that_moves_for_reasons_of_its_own_records_no_passage():
    """REX, fire or a key open the door while nobody is granted: no passage is recorded."""
    waiting = after(MEASURE)[0], after(ESCORT)[0]
    for lane in (Lane(), after(DENY, E.COMMITTED_DENY)[0], after(REFER, E.COMMITTED_REFER)[0], *waiting):
        assert after(E.PASSED, E.SHUT, E.NOT_PASSED, E.RELAY_FAILED, lane=lane) == (lane, [])


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_each_situation_has_its_signal():
    """Ready, measuring, waiting for a second pass, granted, denied and referred are told apart."""
    assert signal(Lane()) is Signal.READY
    assert signal(after(MEASURE)[0]) is Signal.MEASURING
    assert signal(after(ESCORT)[0]) is Signal.ESCORTING
    assert signal(after(GRANT, E.COMMITTED_GRANT)[0]) is Signal.GRANTED
    assert signal(after(DENY, E.COMMITTED_DENY)[0]) is Signal.DENIED
    assert signal(after(REFER, E.COMMITTED_REFER)[0]) is Signal.REFERRED


@pytest.mark.parametrize("reason", Reason)
def test_a_referral_for_the_stations_sake_is_shown_as_the_stations(reason):
    """What is the station's or the clock's matter shows the station's fault, everything else the person at the desk."""
    lane, _ = after(Decision(Outcome.REFER, reason, "r"), E.COMMITTED_REFER)
    stations = REASONS[reason].matter in (Matter.STATION, Matter.CLOCK)
    assert signal(lane) is (Signal.STATION_FAULT if stations else Signal.REFERRED)


def test_signals_are_told_apart_without_colour():
    """Every signal has a pattern; shape is unique, and no two share blink, sound and colour."""
    assert set(PATTERNS) == set(Signal)
    shapes = [pattern.shape for pattern in PATTERNS.values()]
    assert len(set(shapes)) == len(shapes)
    told = [(p.colour, p.blink, p.beep) for p in PATTERNS.values()]
    assert len(set(told)) == len(told)
    for pattern in PATTERNS.values():
        assert all(0 <= part <= 1 for part in pattern.colour)
        assert all(seconds > 0 for seconds in (*pattern.blink, *pattern.beep))


def test_the_names_used_here_are_the_tables():
    """This file tests the table the flow uses."""
    assert lanes.TABLE is TABLE
