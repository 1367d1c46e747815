"""The door: its table is total, alarms end, and it is never unlocked beyond its time or without a cause.

At the end door and lane are joined as the flow joins them and driven by hypothesis through anything that can happen.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from station.core import lane as lanes
from station.core.door import (
    ALARMS,
    IGNORED,
    TABLE,
    Door,
    DoorCommand,
    DoorEvent,
    DoorState,
    DoorTimes,
    Limit,
    handle,
    resume,
)
from station.core.lane import Lane, LaneCommand, LaneEvent, LaneState, LaneTimes
from station.core.model import Decision, Outcome
from station.core.reasons import Reason

S, E, C = DoorState, DoorEvent, DoorCommand
TIMES = DoorTimes(unlock_us=5_000_000, propped_us=10_000_000, held_us=10_000_000)
PERMITS = (E.GRANT, E.REX, E.FIRE, E.HOLD_OPEN)
LASTING = (S.HOLD_OPEN, S.OUT_OF_SERVICE, S.RELEASED)
MOVES = {S.UNLOCKING: E.BOLT_WITHDRAWN, S.RELOCKING: E.BOLT_THROWN}
"""What a door without feedback of its bolt is told at once."""


def after(*events: DoorEvent, door: Door | None = None, now_us: int = 0) -> tuple[Door, list[DoorCommand]]:
    """Let events happen at one moment; return door and commands."""
    door, done = door or Door(), []
    for event in events:
        door, commands = handle(door, event, now_us, TIMES)
        done += commands
        if door.state in MOVES:
            door, commands = handle(door, MOVES[door.state], now_us, TIMES)
            done += commands
    return door, done


def with_bolt(*events: DoorEvent, door: Door | None = None, now_us: int = 0) -> tuple[Door, list[DoorCommand]]:
    """As `after`, for a door whose bolt tells of itself."""
    door, done = door or Door(), []
    for event in events:
        door, commands = handle(door, event, now_us, TIMES)
        done += commands
    return door, done


SHUT = after(E.CLOSED)[0]


# --- the table as a whole --------------------------------------------------------------------------------------------


def test_every_state_knows_every_event():
    """Each pair of state and event stands in the table or among the ignored, never in both."""
    assert set(TABLE) | IGNORED == set(itertools.product(S, E))
    assert not set(TABLE) & IGNORED


@pytest.mark.parametrize("pair", sorted(IGNORED))
def test_an_ignored_event_changes_nothing_but_what_the_contact_said(pair):
    """What is ignored keeps state and deadline and commands nothing; the contact's word is kept."""
    state, event = pair
    for is_open in (False, True):
        door, commands = handle(Door(state, 42, is_open), event, 0, TIMES)
        says = {E.OPENED: True, E.CLOSED: False}.get(event, is_open)
        assert (door, commands) == (Door(state, 42, says), ())


def test_every_state_is_reached_and_the_locked_one_again():
    """From the start every state can be reached, and from every state the locked one."""
    ways = {state: {row.next for (at, _), row in TABLE.items() if at is state} for state in S}
    for start in S:
        seen, todo = set(), [start]
        while todo:
            new = ways[todo.pop()] - seen
            seen |= new
            todo += new
        assert seen >= set(S) - {S.STARTING}


def test_only_a_grant_rex_schedule_or_fire_unlocks():
    """Rows that unlock are rows of one of the four causes, and fire always unlocks at once."""
    for (state, event), row in TABLE.items():
        if C.UNLOCK in row.commands:
            assert event in PERMITS, (state, event)
            assert row.commands[0] is C.UNLOCK
    for state in set(S) - {S.RELEASED}:
        assert TABLE[state, E.FIRE].next is S.RELEASED
        assert TABLE[state, E.FIRE].commands[0] is C.UNLOCK


def test_every_row_that_unlocks_sets_the_time_to_lock():
    """Unlocked means unlocked until a deadline, except where a schedule or fire lasts until it is over."""
    for pair, row in TABLE.items():
        if C.UNLOCK in row.commands:
            assert row.limit in (Limit.BOLT, Limit.UNLOCK) or row.next in (S.RELEASED, S.HOLD_OPEN), pair
            if row.limit:
                assert TABLE[row.next, E.DEADLINE].commands[0] is C.LOCK


def test_a_row_never_leaves_the_relay_unlocked_without_a_deadline():
    """Walking every row with the relay's state: unlocked without deadline, schedule or fire is never reached."""
    seen, todo = set(), [(S.STARTING, False, False)]
    while todo:
        state, unlocked, timed = at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        assert not unlocked or timed or state in (S.RELEASED, S.HOLD_OPEN), at
        for event in E:
            row = TABLE.get((state, event))
            if row is None or (event is E.DEADLINE and not timed):
                continue
            moves = [command is C.UNLOCK for command in row.commands if command in (C.UNLOCK, C.LOCK)]
            todo.append((row.next, moves[-1] if moves else unlocked, row.limit is not None))
    assert {state for state, _, _ in seen} == set(S)


def test_every_deadline_ends():
    """Each deadline that is set is answered by a row; following deadlines alone, the last row sets none."""
    for row in TABLE.values():
        state, limit, steps = row.next, row.limit, 0
        while limit is not None:
            assert (state, E.DEADLINE) in TABLE
            answer = TABLE[state, E.DEADLINE]
            state, limit, steps = answer.next, answer.limit, steps + 1
            assert steps < 4


def test_each_alarm_has_its_state():
    """Five alarms and warnings in the table, each of another state; the locked door is silent."""
    assert len(set(ALARMS.values())) == len(ALARMS) == 5
    assert Door(S.LOCKED).alarm is None
    assert {Door(state).alarm for state in ALARMS} == set(ALARMS.values())


def test_every_alarm_can_end():
    """From every state with an alarm the locked state is reached by what the door itself can tell."""
    for state in ALARMS:
        assert after(E.CLOSED, E.BOLT_THROWN, door=Door(state))[0].state is S.LOCKED


def test_limits_have_their_own_times():
    """Each limit is the configured time of its name."""
    times = DoorTimes(1, 2, 3, 4, 5)
    assert [times.of(limit) for limit in (Limit.UNLOCK, Limit.PROPPED, Limit.HELD, Limit.BOLT, Limit.AJAR)] == [
        1,
        2,
        3,
        4,
        5,
    ]


# --- stories ---------------------------------------------------------------------------------------------------------


def test_a_passage():
    """Unlocked by the grant, locked at the opening so that it latches, noted as passed, shut."""
    door, done = after(E.GRANT, door=SHUT, now_us=10)
    assert (door.state, door.deadline_us, done) == (S.UNLOCKED, 10 + TIMES.unlock_us, [C.UNLOCK])
    door, done = after(E.OPENED, door=door, now_us=20)
    assert (door.state, door.deadline_us, done) == (S.OPEN, 20 + TIMES.propped_us, [C.LOCK, C.PASSED])
    assert after(E.CLOSED, door=door) == (SHUT, [C.LOCK, C.SHUT])


def test_nobody_came():
    """A grant nobody uses is locked again at its deadline and noted."""
    assert after(E.GRANT, E.DEADLINE, door=SHUT) == (SHUT, [C.UNLOCK, C.LOCK, C.NOT_PASSED])


def test_held_open():
    """A door that stays open frees the lane and warns, then rings once, until it is shut."""
    door, done = after(E.GRANT, E.OPENED, E.DEADLINE, door=SHUT, now_us=5)
    assert (door.state, door.deadline_us, done[-1], door.alarm) == (
        S.PROPPED,
        5 + TIMES.held_us,
        C.SHUT,
        "door-propped",
    )
    door, done = after(E.DEADLINE, door=door)
    assert (door.state, door.deadline_us, done, door.alarm) == (S.HELD, None, [], "door-held")
    assert after(E.OPENED, door=door)[1] == []
    assert after(E.CLOSED, door=door) == (SHUT, [C.LOCK, C.SHUT])


def test_a_passage_through_a_propped_door_begins_anew():
    """Somebody with a grant who comes through a propped door ends the warning, and its time begins again."""
    propped, _ = after(E.GRANT, E.OPENED, E.DEADLINE, door=SHUT)
    door, done = after(E.GRANT, door=propped, now_us=9)
    assert (door.state, door.deadline_us, done) == (S.OPEN_UNLOCKED, 9 + TIMES.unlock_us, [C.UNLOCK, C.PASSED])
    door, done = after(E.DEADLINE, door=door, now_us=20)
    assert (door.state, door.deadline_us, done) == (S.OPEN, 20 + TIMES.propped_us, [C.LOCK])


def test_a_door_that_falls_shut_before_somebody_let_in_can_still_be_opened():
    """Let in while somebody else comes out: the lane is told the end, and the lock waits for the time of the grant."""
    leaving, _ = after(E.REX, E.OPENED, door=SHUT, now_us=0)
    door, done = after(E.GRANT, door=leaving, now_us=6_000_000)
    assert done == [C.UNLOCK, C.PASSED]
    door, done = after(E.CLOSED, door=door, now_us=7_000_000)
    assert (door.state, door.deadline_us, done) == (S.UNLOCKED, 11_000_000, [C.SHUT])
    assert after(E.OPENED, door=door, now_us=8_000_000)[1] == [C.LOCK, C.PASSED]
    door, done = after(E.DEADLINE, door=door, now_us=11_000_000)
    assert (door.state, done) == (S.LOCKED, [C.LOCK, C.NOT_PASSED])


@pytest.mark.parametrize("story", [after, with_bolt])
def test_an_exit_is_not_over_when_the_first_has_left(story):
    """The button releases the relay for its whole time: a door shut before is neither ajar nor forced by the next."""
    door, _ = story(E.REX, E.BOLT_WITHDRAWN, E.OPENED, door=SHUT, now_us=0)
    door, _ = story(E.CLOSED, door=door, now_us=3_000_000)
    assert (door.state, door.deadline_us, door.alarm) == (S.UNLOCKED, TIMES.unlock_us, None)
    second, _ = story(E.OPENED, door=door, now_us=4_000_000)
    assert (second.state, second.alarm) == (S.OPEN, None)
    door, done = story(E.DEADLINE, door=door, now_us=TIMES.unlock_us)
    assert (done[0], story(E.BOLT_THROWN, door=door)[0].state) == (C.LOCK, S.LOCKED)


def test_forced_open():
    """A door that opens without permission rings, also after a grant ran out, and ends when it is shut."""
    door, done = after(E.OPENED, door=SHUT)
    assert (door.state, door.alarm, done) == (S.FORCED, "door-forced", [])
    assert after(E.CLOSED, door=door) == (SHUT, [C.LOCK, C.SHUT])
    assert after(E.GRANT, E.DEADLINE, E.OPENED, door=SHUT)[0].state is S.FORCED


# --- the bolt --------------------------------------------------------------------------------------------------------


def test_the_bolt_is_waited_for():
    """With feedback the door is unlocked once the bolt has withdrawn, and locked once it is thrown."""
    door, done = with_bolt(E.GRANT, door=SHUT, now_us=1)
    assert (door.state, door.deadline_us, done) == (S.UNLOCKING, 1 + TIMES.bolt_us, [C.UNLOCK])
    door, _ = with_bolt(E.BOLT_WITHDRAWN, door=door, now_us=2)
    assert (door.state, door.deadline_us) == (S.UNLOCKED, 2 + TIMES.unlock_us)
    door, _ = with_bolt(E.OPENED, E.CLOSED, door=door)
    assert door.state is S.RELOCKING
    assert with_bolt(E.BOLT_THROWN, door=door)[0].state is S.LOCKED


def test_a_bolt_that_does_not_withdraw():
    """The lane is told that the door was not unlocked, and the lock rings until it works again."""
    door, done = with_bolt(E.GRANT, E.DEADLINE, door=SHUT)
    assert (door.alarm, done) == ("door-lock", [C.UNLOCK, C.LOCK, C.NOT_UNLOCKED])
    door, _ = with_bolt(E.GRANT, E.BOLT_WITHDRAWN, door=door)
    assert (door.state, door.alarm) == (S.UNLOCKED, None)


def test_a_door_that_does_not_latch():
    """Shut without the bolt coming out: a warning, then an alarm, both ended by the bolt."""
    door, _ = with_bolt(E.GRANT, E.OPENED, E.CLOSED, E.DEADLINE, door=SHUT)
    assert (door.state, door.alarm) == (S.AJAR, "door-ajar")
    assert with_bolt(E.BOLT_THROWN, door=door)[0].alarm is None
    door, _ = with_bolt(E.DEADLINE, door=door)
    assert (door.state, door.alarm) == (S.LOCK_FAILED, "door-lock")
    assert with_bolt(E.BOLT_THROWN, door=door)[0].alarm is None
    assert with_bolt(E.OPENED, door=door)[0].state is S.FORCED


def test_a_key_that_withdraws_the_bolt_is_noticed():
    """A bolt that moves although nobody was let in rings."""
    assert with_bolt(E.BOLT_WITHDRAWN, door=SHUT)[0].alarm == "door-lock"


# --- turnstile, schedule, out of service -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.UNLOCKING, S.UNLOCKED])
def test_a_turnstile_locks_behind_the_one_who_went_through(state):
    """Its pulse is the passage and its end."""
    door, done = with_bolt(E.PULSE, door=Door(state, 7))
    assert (door.state, done) == (S.RELOCKING, [C.LOCK, C.PASSED, C.SHUT])


def test_a_schedule_holds_the_door_open():
    """Open and shut as people like, passages noted, no alarm, until the schedule ends; then by the contact."""
    door, done = after(E.HOLD_OPEN, door=SHUT)
    assert (door.state, door.deadline_us, done) == (S.HOLD_OPEN, None, [C.UNLOCK])
    door, done = after(E.OPENED, E.GRANT, E.REX, E.DEADLINE, door=door)
    assert (door.state, door.alarm, done) == (S.HOLD_OPEN, None, [C.PASSED, C.SHUT, C.NOTE_REX])
    assert after(resume(door), door=door)[0].state is S.OPEN
    door, done = after(E.CLOSED, E.RESUME_SHUT, door=door, now_us=TIMES.unlock_us)
    assert (door.state, done) == (S.LOCKED, [C.LOCK])


def test_a_blocked_lane_lets_nobody_in_but_everybody_out():
    """A grant is not carried out, the exit button unlocks for its time, fire releases."""
    door, done = after(E.BLOCK, door=SHUT)
    assert (door.state, done) == (S.OUT_OF_SERVICE, [C.LOCK])
    assert after(E.GRANT, door=door)[1] == [C.LOCK, C.NOT_UNLOCKED]
    leaving, done = after(E.REX, door=door, now_us=3)
    assert (leaving.deadline_us, done) == (3 + TIMES.unlock_us, [C.UNLOCK, C.NOTE_REX])
    left, done = after(E.DEADLINE, door=leaving, now_us=3 + TIMES.unlock_us)
    assert (left.state, left.deadline_us, done) == (S.OUT_OF_SERVICE, None, [C.LOCK])
    assert after(E.FIRE, door=door)[0].state is S.RELEASED


def test_fire_overrules_block_and_schedule():
    """While the fire alarm lasts neither a block nor a schedule changes anything."""
    fire, _ = after(E.FIRE, door=SHUT)
    assert after(E.BLOCK, E.HOLD_OPEN, door=fire) == (fire, [])


def test_a_relay_that_does_not_move():
    """A door that could not be unlocked counts as locked again at once, and the lane is told."""
    assert after(E.GRANT, E.RELAY_FAILED, door=SHUT) == (SHUT, [C.UNLOCK, C.LOCK, C.NOT_UNLOCKED])


@pytest.mark.parametrize("alarm", [(E.OPENED,), (E.GRANT, E.OPENED, E.DEADLINE, E.DEADLINE)])
def test_a_contact_stuck_at_open_does_not_end_the_service(alarm):
    """While held or forced, a grant unlocks for its time, is noted as passed, locks again and rings on."""
    stuck, _ = after(*alarm, door=SHUT)
    door, done = after(E.GRANT, door=stuck, now_us=7)
    assert (door.state, door.deadline_us, done) == (stuck.state, 7 + TIMES.unlock_us, [C.UNLOCK, C.PASSED])
    door, done = after(E.DEADLINE, door=door)
    assert (door.state, door.deadline_us, done) == (stuck.state, None, [C.LOCK, C.SHUT])


def test_egress_is_noted_and_bounded():
    """REX unlocks for the usual time, is noted, and locks again."""
    door, done = after(E.REX, door=SHUT)
    assert (door.state, done) == (S.UNLOCKED, [C.UNLOCK, C.NOTE_REX])
    assert after(E.DEADLINE, door=door)[1] == [C.LOCK, C.NOT_PASSED]


@pytest.mark.parametrize("state", sorted(set(S) - {S.RELEASED}))
def test_fire_releases_from_every_state(state):
    """Fire unlocks first, and the door stays released through all events until the alarm is cleared."""
    door, done = after(E.FIRE, door=Door(state, 99))
    assert (door.state, door.deadline_us, done[0]) == (S.RELEASED, None, C.UNLOCK)
    door, done = after(E.OPENED, E.CLOSED, E.FIRE, E.REX, E.GRANT, E.DEADLINE, E.OPENED, door=door)
    assert (door.state, done) == (S.RELEASED, [C.NOTE_REX, C.PASSED, C.SHUT])
    assert resume(door) is E.RESUME_OPEN
    door, done = after(resume(door), door=door, now_us=3)
    assert (door.state, door.deadline_us, done) == (S.OPEN, 3 + TIMES.propped_us, [C.LOCK])


@pytest.mark.parametrize("before", [(), (E.OPENED,), (E.GRANT, E.OPENED, E.DEADLINE, E.DEADLINE)])
@pytest.mark.parametrize("opened", [(), (E.OPENED,)])
def test_fire_ends_the_passage_it_interrupts(before, opened):
    """A lane that waits for a passage is told its end when fire comes, whether or not the door was opened yet."""
    passing, _ = after(*before, E.GRANT, *opened, door=SHUT)
    assert after(E.FIRE, door=passing)[1][-1] is C.SHUT


def test_the_end_of_a_fire_with_the_door_shut_locks():
    """A released door that is shut when the alarm is cleared is locked."""
    door, _ = after(E.FIRE, E.OPENED, E.CLOSED, door=SHUT)
    assert resume(door) is E.RESUME_SHUT
    assert after(resume(door), door=door) == (SHUT, [C.LOCK])


@pytest.mark.parametrize(("first", "state"), [(E.OPENED, S.OPEN), (E.CLOSED, S.LOCKED)])
def test_the_contacts_first_word_locks(first, state):
    """At the start the contact tells where the door stands, and the relay is locked whatever it says; no alarm yet."""
    door, done = after(first)
    assert (door.state, done) == (state, [C.LOCK])


# --- door and lane together ------------------------------------------------------------------------------------------

LANE_TIMES = LaneTimes(measure_us=4_000_000, refusal_us=5_000_000, guard_us=60_000_000)
TOLD = {
    C.PASSED: LaneEvent.PASSED,
    C.SHUT: LaneEvent.SHUT,
    C.NOT_PASSED: LaneEvent.NOT_PASSED,
    C.NOT_UNLOCKED: LaneEvent.RELAY_FAILED,
}
GRANT = Decision(Outcome.GRANT, Reason.GRANTED, "welcome")
REFUSALS = [
    Decision(Outcome.DENY, Reason.PASS_EXPIRED, "check:expired"),
    Decision(Outcome.REFER, Reason.GUARD_CHECK, "asked"),
]
MEASURE = Decision(Outcome.MEASURE, Reason.MEASURE_FIRST, "measure-coming")
RECORDS = (LaneCommand.RECORD_PASSAGE, LaneCommand.RECORD_NO_ENTRY, LaneCommand.RECORD_NOT_UNLOCKED)


class GateMachine(RuleBasedStateMachine):
    """One lane with its door, joined as station.flow and station.doorway join them, beside a model of the relay."""

    def __init__(self) -> None:
        super().__init__()
        self.lane, self.door, self.now_us = Lane(), Door(), 0
        self.unlocked, self.lock_by_us = False, 0
        self.exit_until_us = 0
        self.committed, self.recorded = 0, 0
        self.commits_work, self.relay_works = True, True
        self.lock_sticks = False

    # the joints: what the flow does with commands

    def tell_lane(self, event: LaneEvent, decision: Decision | None = None) -> None:
        """Carry an event to the lane."""
        self.lane, commands = lanes.handle(self.lane, event, self.now_us, LANE_TIMES, decision)
        for command in commands:
            if command is LaneCommand.RECORD:
                self.commit()
            elif command is LaneCommand.UNLOCK:
                assert event is LaneEvent.COMMITTED_GRANT
                assert self.commits_work
                self.tell_door(E.GRANT)
            elif command is LaneCommand.GIVE_UP_MEASURING:
                self.tell_lane(LaneEvent.REFER, REFUSALS[1])
            elif command in RECORDS:
                self.recorded += 1

    def commit(self) -> None:
        """Answer the command to record, as the journal is."""
        assert self.lane.decision is not None
        if not self.commits_work:
            self.tell_lane(LaneEvent.COMMIT_FAILED)
            return
        if self.lane.decision.outcome is Outcome.GRANT:
            self.committed += 1
        self.tell_lane(lanes.COMMITTED_EVENT[self.lane.decision.outcome])

    def tell_door(self, event: DoorEvent) -> None:
        """Carry an event to the door; its bolt follows at once unless it sticks."""
        self.door, commands = handle(self.door, event, self.now_us, TIMES)
        for command in commands:
            if command is C.UNLOCK:
                assert event in PERMITS
                self.unlock(event)
            elif command is C.LOCK:
                self.unlocked = False
            elif command in TOLD:
                self.tell_lane(TOLD[command])
        if self.door.state in MOVES and not self.lock_sticks:
            self.tell_door(MOVES[self.door.state])

    def unlock(self, event: DoorEvent) -> None:
        """Move the relay, if it moves; fire also cuts the lock's power in hardware."""
        if self.relay_works or event is E.FIRE:
            longest = TIMES.unlock_us + (TIMES.bolt_us if self.door.state is S.UNLOCKING else 0)
            self.unlocked, self.lock_by_us = True, self.now_us + longest
        else:
            self.tell_door(E.RELAY_FAILED)

    # what can happen

    @initialize(first=st.sampled_from([None, E.OPENED, E.CLOSED]))
    def start(self, first: DoorEvent | None) -> None:
        """The contact has reported, or not yet."""
        if first:
            self.tell_door(first)

    @rule(works=st.booleans())
    def journal(self, *, works: bool) -> None:
        """The disk fails or recovers."""
        self.commits_work = works

    @rule(works=st.booleans())
    def relay(self, *, works: bool) -> None:
        """The relay's driver fails or recovers."""
        self.relay_works = works

    @rule(decision=st.sampled_from([GRANT, MEASURE, *REFUSALS]))
    def hold_up(self, decision: Decision) -> None:
        """Somebody holds up a pass, or a screening ends; the flow does not decide while somebody passes."""
        if self.lane.state is not LaneState.PASSING:
            self.tell_lane(lanes.OUTCOME_EVENT[decision.outcome], decision)

    @rule()
    def hold_up_refused_again(self) -> None:
        """The same refusal is shown again."""
        self.tell_lane(LaneEvent.REFUSED_AGAIN, REFUSALS[0])

    @rule()
    def guard_opens(self) -> None:
        """The guard opens by hand, also during a passage."""
        self.tell_lane(LaneEvent.GRANT, GRANT)

    @rule()
    def guard_dismisses(self) -> None:
        """The guard ends what is shown."""
        self.tell_lane(LaneEvent.DISMISSED)

    @rule(sticks=st.booleans())
    def bolt(self, *, sticks: bool) -> None:
        """The bolt sticks, or comes free and does what it should have done."""
        self.lock_sticks = sticks
        if not sticks and self.door.state in MOVES:
            self.tell_door(MOVES[self.door.state])

    @rule(event=st.sampled_from([E.BOLT_THROWN, E.BOLT_WITHDRAWN, E.PULSE, E.HOLD_OPEN, E.BLOCK]))
    def lock_or_schedule(self, event: DoorEvent) -> None:
        """The bolt moves by itself, a turnstile turns, a schedule or a block begins."""
        self.tell_door(event)

    @rule(event=st.sampled_from([E.OPENED, E.CLOSED, E.OPENED, E.CLOSED, E.REX, E.FIRE]))
    def door_input(self, event: DoorEvent) -> None:
        """A contact or button changes, in any order; the button releases the relay by itself (drivers/outputs.py)."""
        if event is E.REX:
            self.exit_until_us = self.now_us + TIMES.unlock_us
        self.tell_door(event)

    @precondition(lambda self: self.door.state in LASTING)
    @rule()
    def what_lasted_is_over(self) -> None:
        """Fire alarm, block or schedule ends."""
        self.tell_door(resume(self.door))

    @rule(seconds=st.sampled_from([0.1, 1, 4, 5, 20, 61]))
    def time_passes(self, seconds: float) -> None:
        """Time passes from deadline to deadline, as the gate thread lets it."""
        until_us = self.now_us + round(seconds * 1e6)
        for _ in range(20):
            due = [at for at in (self.lane.deadline_us, self.door.deadline_us) if at is not None and at <= until_us]
            if not due:
                break
            self.now_us = max(self.now_us, min(due))
            if self.lane.deadline_us is not None and self.lane.deadline_us <= self.now_us:
                self.tell_lane(LaneEvent.DEADLINE)
            if self.door.deadline_us is not None and self.door.deadline_us <= self.now_us:
                self.tell_door(E.DEADLINE)
        else:
            raise AssertionError("deadlines without end")
        self.now_us = until_us

    # what must always be so

    @invariant()
    def never_unlocked_beyond_its_time(self) -> None:
        """The relay is locked, or within the time of its last cause, or released by fire."""
        released = self.door.state in (S.RELEASED, S.HOLD_OPEN)
        assert self.door.state is not S.RELEASED or self.unlocked
        assert not self.unlocked or released or self.now_us < self.lock_by_us
        assert not self.unlocked or released or self.door.deadline_us is not None
        assert not self.unlocked or released or self.door.deadline_us <= self.lock_by_us

    @invariant()
    def what_an_exit_releases_is_not_called_locked(self) -> None:
        """While the button releases the relay, opening is no alarm, and a block is no lock."""
        if self.now_us < self.exit_until_us:
            assert self.door.state not in (S.LOCKED, S.RELOCKING, S.AJAR)
            assert self.door.state is not S.OUT_OF_SERVICE or self.door.deadline_us == self.exit_until_us

    @invariant()
    def a_commit_never_waits(self) -> None:
        """Between events no lane waits for its record."""
        assert self.lane.state is not LaneState.COMMITTING

    @invariant()
    def a_passage_can_end(self) -> None:
        """A lane that waits for a passage has a door that will tell its end without further help."""
        if self.lane.state is LaneState.PASSING:
            assert self.door.deadline_us is not None

    @invariant()
    def no_deadline_is_overdue(self) -> None:
        """No deadline of lane or door lies in the past."""
        for due in (self.lane.deadline_us, self.door.deadline_us):
            assert due is None or due > self.now_us

    @invariant()
    def passages_need_grants(self) -> None:
        """No more passages and no-entries are recorded than grants were committed."""
        assert self.recorded <= self.committed

    @invariant()
    def an_idle_lane_holds_nothing(self) -> None:
        """Idle, the lane remembers no decision and waits for nothing; otherwise it knows its decision."""
        if self.lane.state is LaneState.IDLE:
            assert self.lane == Lane()
        else:
            assert self.lane.decision is not None


GateMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class TestGate(GateMachine.TestCase):
    """Door and lane together keep every invariant through anything that can happen."""
