"""The transaction at one lane as a transition table.

Theory of operation. A presentation is decided (station.core.decide) and comes here as an event named after its outcome.
"Measure first" starts a screening and waits for the second decision, "escort" waits for a second pass. Every other
outcome is RECORDed; only the event that tells of the committed record may UNLOCK, so there is no way through this table
from a decision to the relay that does not pass the journal. A grant waits for the passage (PASSING), a refusal is shown
for a while (REFUSED), a referral waits for the guard (REFERRED). The next person need not wait for the end of a
refusal.

Times are monotonic microseconds.
"""

from __future__ import annotations

from enum import StrEnum

from station.core.model import Decision, Outcome
from station.core.reasons import REASONS, Matter, Reason
from station.core.record import dataclass
from station.core.signals import Signal


class LaneState(StrEnum):
    """Where the transaction stands."""

    IDLE = "idle"
    MEASURING = "measuring"
    COMMITTING = "committing"
    PASSING = "passing"
    REFUSED = "refused"
    REFERRED = "referred"
    ESCORTING = "escorting"


class LaneEvent(StrEnum):
    """What can happen to a transaction. REFUSED_AGAIN: the same refusal of the same text, already recorded."""

    MEASURE = "measure"
    GRANT = "grant"
    DENY = "deny"
    REFER = "refer"
    ESCORT = "escort"
    REFUSED_AGAIN = "refused-again"
    COMMITTED_GRANT = "committed-grant"
    COMMITTED_DENY = "committed-deny"
    COMMITTED_REFER = "committed-refer"
    COMMIT_FAILED = "commit-failed"
    PASSED = "passed"
    SHUT = "shut"
    NOT_PASSED = "not-passed"
    RELAY_FAILED = "relay-failed"
    DISMISSED = "dismissed"
    DEADLINE = "deadline"


class LaneCommand(StrEnum):
    """What must be done."""

    MEASURE = "measure"
    GIVE_UP_MEASURING = "give-up-measuring"
    RECORD = "record"
    UNLOCK = "unlock"
    RECORD_PASSAGE = "record-passage"
    RECORD_NO_ENTRY = "record-no-entry"
    RECORD_NOT_UNLOCKED = "record-not-unlocked"
    RECORD_UNANSWERED = "record-unanswered"
    RECORD_DISMISSED = "record-dismissed"
    RECORD_UNESCORTED = "record-unescorted"
    ALARM_JOURNAL = "alarm-journal"


class LaneLimit(StrEnum):
    """Names of the configured times a deadline may be set to."""

    MEASURE = "measure"
    REFUSAL = "refusal"
    GUARD = "guard"
    ESCORT = "escort"


@dataclass(frozen=True, slots=True)
class LaneTimes:
    """Configured times, microseconds."""

    measure_us: int
    refusal_us: int
    guard_us: int
    escort_us: int = 20_000_000

    def of(self, limit: LaneLimit) -> int:
        """Return the duration of a limit."""
        return {
            LaneLimit.MEASURE: self.measure_us,
            LaneLimit.REFUSAL: self.refusal_us,
            LaneLimit.GUARD: self.guard_us,
            LaneLimit.ESCORT: self.escort_us,
        }[limit]


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One transition: the next state, the commands, and the limit the deadline is set to (None: no deadline)."""

    next: LaneState
    commands: tuple[LaneCommand, ...] = ()
    limit: LaneLimit | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane's transaction. `decision` is the one being recorded, shown or passed on; None while idle."""

    state: LaneState = LaneState.IDLE
    decision: Decision | None = None
    deadline_us: int | None = None
    fault: Reason | None = None
    """The station's own fault that stands in the way of the decision."""


S, E, C, L = LaneState, LaneEvent, LaneCommand, LaneLimit
_IDLE = S.IDLE
"""By a name of its own: Python 3.11 takes 0.2 us to find a member by its enumeration; a passage takes four steps."""

OUTCOME_EVENT = {
    Outcome.MEASURE: E.MEASURE,
    Outcome.GRANT: E.GRANT,
    Outcome.DENY: E.DENY,
    Outcome.REFER: E.REFER,
    Outcome.ESCORT: E.ESCORT,
}
COMMITTED_EVENT = {
    Outcome.GRANT: E.COMMITTED_GRANT,
    Outcome.DENY: E.COMMITTED_DENY,
    Outcome.REFER: E.COMMITTED_REFER,
}

FAULT_OF = {E.COMMIT_FAILED: Reason.JOURNAL_FAILED, E.RELAY_FAILED: Reason.RELAY_FAILED}
DOOR_EVENTS = (E.PASSED, E.SHUT, E.NOT_PASSED, E.RELAY_FAILED)
_OPEN_TO_DECISIONS = (S.IDLE, S.MEASURING, S.REFUSED, S.REFERRED, S.ESCORTING)

TABLE: dict[tuple[LaneState, LaneEvent], LaneRow] = {
    **{(state, E.MEASURE): LaneRow(S.MEASURING, (C.MEASURE,), L.MEASURE) for state in _OPEN_TO_DECISIONS},
    **{
        (state, event): LaneRow(S.COMMITTING, (C.RECORD,))
        for state in _OPEN_TO_DECISIONS
        for event in (E.GRANT, E.DENY, E.REFER)
    },
    **{(state, E.REFUSED_AGAIN): LaneRow(S.REFUSED, (), L.REFUSAL) for state in _OPEN_TO_DECISIONS},
    **{(state, E.ESCORT): LaneRow(S.ESCORTING, (), L.ESCORT) for state in _OPEN_TO_DECISIONS},
    (S.ESCORTING, E.DEADLINE): LaneRow(S.IDLE, (C.RECORD_UNESCORTED,)),
    (S.ESCORTING, E.DISMISSED): LaneRow(S.IDLE, (C.RECORD_DISMISSED,)),
    (S.MEASURING, E.DEADLINE): LaneRow(S.MEASURING, (C.GIVE_UP_MEASURING,)),
    (S.MEASURING, E.DISMISSED): LaneRow(S.IDLE, (C.RECORD_DISMISSED,)),
    # The guard may open for somebody else while a granted passage is pending: recorded like any other.
    (S.PASSING, E.GRANT): LaneRow(S.COMMITTING, (C.RECORD,)),
    (S.COMMITTING, E.COMMITTED_GRANT): LaneRow(S.PASSING, (C.UNLOCK,)),
    (S.COMMITTING, E.COMMITTED_DENY): LaneRow(S.REFUSED, (), L.REFUSAL),
    (S.COMMITTING, E.COMMITTED_REFER): LaneRow(S.REFERRED, (), L.GUARD),
    (S.COMMITTING, E.COMMIT_FAILED): LaneRow(S.REFUSED, (C.ALARM_JOURNAL,), L.REFUSAL),
    (S.PASSING, E.PASSED): LaneRow(S.PASSING, (C.RECORD_PASSAGE,)),
    (S.PASSING, E.SHUT): LaneRow(S.IDLE),
    (S.PASSING, E.NOT_PASSED): LaneRow(S.IDLE, (C.RECORD_NO_ENTRY,)),
    (S.PASSING, E.RELAY_FAILED): LaneRow(S.REFUSED, (C.RECORD_NOT_UNLOCKED,), L.REFUSAL),
    (S.REFUSED, E.DEADLINE): LaneRow(S.IDLE),
    (S.REFUSED, E.DISMISSED): LaneRow(S.IDLE),
    (S.REFERRED, E.DEADLINE): LaneRow(S.IDLE, (C.RECORD_UNANSWERED,)),
    (S.REFERRED, E.DISMISSED): LaneRow(S.IDLE, (C.RECORD_DISMISSED,)),
}

IGNORED = frozenset(
    {
        # A grant is being passed on: the next pass waits until the door is shut (the flow does not decide before).
        *((S.PASSING, event) for event in OUTCOME_EVENT.values() if event is not E.GRANT),
        *((S.PASSING, event) for event in (E.REFUSED_AGAIN, E.DISMISSED, E.DEADLINE)),
        # The commit answers within the same step; nothing else can come between.
        *((S.COMMITTING, event) for event in E if event not in (*COMMITTED_EVENT.values(), E.COMMIT_FAILED)),
        # An answer nobody waits for.
        *(
            (state, event)
            for state in S
            if state is not S.COMMITTING
            for event in (*COMMITTED_EVENT.values(), E.COMMIT_FAILED)
        ),
        # The door moves for reasons of its own: REX, fire, a guard's key.
        *((state, event) for state in _OPEN_TO_DECISIONS for event in DOOR_EVENTS),
        (S.IDLE, E.DEADLINE),
        (S.IDLE, E.DISMISSED),
    }
)


def handle(
    lane: Lane, event: LaneEvent, now_us: int, times: LaneTimes, decision: Decision | None = None
) -> tuple[Lane, tuple[LaneCommand, ...]]:
    """Return the lane after an event, and what must be done. `decision` comes with the events of an outcome."""
    row = TABLE.get((lane.state, event))
    if row is None:
        return lane, ()
    deadline = now_us + times.of(row.limit) if row.limit else None
    kept = None if row.next is _IDLE else decision or lane.decision
    return Lane(row.next, kept, deadline, FAULT_OF.get(event)), row.commands


_SIGNAL = {
    LaneState.MEASURING: Signal.MEASURING,
    LaneState.ESCORTING: Signal.ESCORTING,
    LaneState.REFUSED: Signal.DENIED,
    LaneState.REFERRED: Signal.REFERRED,
    LaneState.PASSING: Signal.GRANTED,
    LaneState.COMMITTING: Signal.GRANTED,
}


def signal(lane: Lane) -> Signal:
    """Return what LED, buzzer and screen show for the transaction. The station's fault is never shown as a refusal."""
    if lane.state is S.IDLE or lane.decision is None:
        return Signal.READY
    stationary = REASONS[lane.fault or lane.decision.reason].matter in (Matter.STATION, Matter.CLOCK)
    return Signal.STATION_FAULT if stationary else _SIGNAL[lane.state]
