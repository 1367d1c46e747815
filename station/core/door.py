"""The door as a transition table.

Theory of operation. The door is LOCKED until something permits it to open: a committed grant, the exit button (REX) or
fire. It is then UNLOCKED until it is opened or the time runs out. Opening it relocks at once, so that it latches when
it falls shut. A door that stays OPEN too long is HELD; one that opens without permission is FORCED. Fire RELEASES it
from any state, and it stays released until the fire alarm is cleared. Nobody waits for software here: REX and fire
have already moved the relay when this table hears of them (drivers/inputs.py); the table keeps the record straight.

Commands are returned in the order in which they must be carried out. Times are monotonic microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class DoorState(StrEnum):
    """Where the door stands. STARTING: the contact has not reported yet."""

    STARTING = "starting"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    OPEN = "open"
    HELD = "held-open"
    FORCED = "forced-open"
    RELEASED = "released-by-fire"


class DoorEvent(StrEnum):
    """What can happen to a door."""

    GRANT = "grant"
    OPENED = "opened"
    CLOSED = "closed"
    REX = "rex"
    FIRE = "fire"
    FIRE_CLEARED_OPEN = "fire-cleared-open"
    FIRE_CLEARED_SHUT = "fire-cleared-shut"
    DEADLINE = "deadline"
    RELAY_FAILED = "relay-failed"


class DoorCommand(StrEnum):
    """What must be done. UNLOCK and LOCK move the relay; the others are told to lane, journal and guard."""

    UNLOCK = "unlock"
    LOCK = "lock"
    PASSED = "passed"
    SHUT = "shut"
    NOT_PASSED = "not-passed"
    NOT_UNLOCKED = "not-unlocked"
    NOTE_REX = "note-rex"
    ALARM_HELD = "alarm-held"
    ALARM_FORCED = "alarm-forced"
    ALARM_FIRE = "alarm-fire"
    END_HELD = "end-held"
    END_FORCED = "end-forced"
    END_FIRE = "end-fire"


class Limit(StrEnum):
    """Names of the configured times a deadline may be set to."""

    UNLOCK = "unlock"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class DoorTimes:
    """Configured times, microseconds."""

    unlock_us: int
    held_us: int

    def of(self, limit: Limit) -> int:
        """Return the duration of a limit."""
        return self.unlock_us if limit is Limit.UNLOCK else self.held_us


@dataclass(frozen=True, slots=True)
class DoorRow:
    """One transition: the next state, the commands, and the limit the deadline is set to (None: no deadline)."""

    next: DoorState
    commands: tuple[DoorCommand, ...] = ()
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """A door's state. `is_open` is what the contact last said; without a contact it stays False."""

    state: DoorState = DoorState.STARTING
    deadline_us: int | None = None
    is_open: bool = False


S, E, C = DoorState, DoorEvent, DoorCommand

TABLE: dict[tuple[DoorState, DoorEvent], DoorRow] = {
    (S.STARTING, E.OPENED): DoorRow(S.OPEN, (C.LOCK,), Limit.HELD),
    (S.STARTING, E.CLOSED): DoorRow(S.LOCKED, (C.LOCK,)),
    (S.STARTING, E.GRANT): DoorRow(S.UNLOCKED, (C.UNLOCK,), Limit.UNLOCK),
    (S.STARTING, E.REX): DoorRow(S.UNLOCKED, (C.UNLOCK, C.NOTE_REX), Limit.UNLOCK),
    (S.STARTING, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK, C.ALARM_FIRE)),
    (S.LOCKED, E.GRANT): DoorRow(S.UNLOCKED, (C.UNLOCK,), Limit.UNLOCK),
    (S.LOCKED, E.OPENED): DoorRow(S.FORCED, (C.ALARM_FORCED,)),
    (S.LOCKED, E.REX): DoorRow(S.UNLOCKED, (C.UNLOCK, C.NOTE_REX), Limit.UNLOCK),
    (S.LOCKED, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK, C.ALARM_FIRE)),
    (S.UNLOCKED, E.GRANT): DoorRow(S.UNLOCKED, (C.UNLOCK,), Limit.UNLOCK),
    (S.UNLOCKED, E.OPENED): DoorRow(S.OPEN, (C.LOCK, C.PASSED), Limit.HELD),
    (S.UNLOCKED, E.REX): DoorRow(S.UNLOCKED, (C.UNLOCK, C.NOTE_REX), Limit.UNLOCK),
    (S.UNLOCKED, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK, C.ALARM_FIRE, C.SHUT)),
    (S.UNLOCKED, E.DEADLINE): DoorRow(S.LOCKED, (C.LOCK, C.NOT_PASSED)),
    (S.UNLOCKED, E.RELAY_FAILED): DoorRow(S.LOCKED, (C.LOCK, C.NOT_UNLOCKED)),
    (S.OPEN, E.CLOSED): DoorRow(S.LOCKED, (C.LOCK, C.SHUT)),
    (S.OPEN, E.GRANT): DoorRow(S.OPEN, (C.PASSED,), Limit.HELD),
    (S.OPEN, E.REX): DoorRow(S.OPEN, (C.LOCK, C.NOTE_REX), Limit.HELD),
    (S.OPEN, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK, C.ALARM_FIRE, C.SHUT)),
    (S.OPEN, E.DEADLINE): DoorRow(S.HELD, (C.ALARM_HELD, C.SHUT)),
    # A relay that fails may still be energised by an earlier grant: it is told to lock as often as it takes.
    # A contact that reports "open" for ever must not end the service: grants still unlock for their time.
    (S.HELD, E.CLOSED): DoorRow(S.LOCKED, (C.LOCK, C.END_HELD, C.SHUT)),
    (S.HELD, E.GRANT): DoorRow(S.HELD, (C.UNLOCK, C.PASSED), Limit.UNLOCK),
    (S.HELD, E.REX): DoorRow(S.HELD, (C.UNLOCK, C.NOTE_REX), Limit.UNLOCK),
    (S.HELD, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK, C.END_HELD, C.ALARM_FIRE, C.SHUT)),
    (S.HELD, E.DEADLINE): DoorRow(S.HELD, (C.LOCK, C.SHUT)),
    (S.HELD, E.RELAY_FAILED): DoorRow(S.HELD, (C.LOCK, C.NOT_UNLOCKED)),
    (S.FORCED, E.CLOSED): DoorRow(S.LOCKED, (C.LOCK, C.END_FORCED, C.SHUT)),
    (S.FORCED, E.GRANT): DoorRow(S.FORCED, (C.UNLOCK, C.PASSED), Limit.UNLOCK),
    (S.FORCED, E.REX): DoorRow(S.FORCED, (C.UNLOCK, C.NOTE_REX), Limit.UNLOCK),
    (S.FORCED, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK, C.END_FORCED, C.ALARM_FIRE, C.SHUT)),
    (S.FORCED, E.DEADLINE): DoorRow(S.FORCED, (C.LOCK, C.SHUT)),
    (S.FORCED, E.RELAY_FAILED): DoorRow(S.FORCED, (C.LOCK, C.NOT_UNLOCKED)),
    (S.RELEASED, E.GRANT): DoorRow(S.RELEASED, (C.PASSED, C.SHUT)),
    (S.RELEASED, E.REX): DoorRow(S.RELEASED, (C.NOTE_REX,)),
    (S.RELEASED, E.FIRE_CLEARED_OPEN): DoorRow(S.OPEN, (C.LOCK, C.END_FIRE), Limit.HELD),
    (S.RELEASED, E.FIRE_CLEARED_SHUT): DoorRow(S.LOCKED, (C.LOCK, C.END_FIRE)),
}

IGNORED = frozenset(
    {
        # A contact that repeats itself says nothing new.
        (S.LOCKED, E.CLOSED),
        (S.UNLOCKED, E.CLOSED),
        (S.OPEN, E.OPENED),
        (S.HELD, E.OPENED),
        (S.FORCED, E.OPENED),
        # During a fire the door may swing as it likes, and the alarm may ring on.
        (S.RELEASED, E.OPENED),
        (S.RELEASED, E.CLOSED),
        (S.RELEASED, E.FIRE),
        # Where nothing was to be unlocked for a person; fire has cut the lock's power in hardware.
        *((state, E.RELAY_FAILED) for state in (S.STARTING, S.LOCKED, S.OPEN, S.RELEASED)),
        # Deadlines that no row sets.
        (S.STARTING, E.DEADLINE),
        (S.LOCKED, E.DEADLINE),
        (S.RELEASED, E.DEADLINE),
        # The end of a fire alarm nobody heard begin.
        *(
            (state, event)
            for state in S
            if state is not S.RELEASED
            for event in (E.FIRE_CLEARED_OPEN, E.FIRE_CLEARED_SHUT)
        ),
    }
)


def handle(door: Door, event: DoorEvent, now_us: int, times: DoorTimes) -> tuple[Door, tuple[DoorCommand, ...]]:
    """Return the door after an event, and what must be done."""
    is_open = {E.OPENED: True, E.CLOSED: False}.get(event, door.is_open)
    row = TABLE.get((door.state, event))
    if row is None:
        return replace(door, is_open=is_open), ()
    deadline = now_us + times.of(row.limit) if row.limit else None
    return Door(row.next, deadline, is_open), row.commands


def fire_cleared(door: Door) -> DoorEvent:
    """Return the event that tells the end of a fire alarm, by what the contact says."""
    return E.FIRE_CLEARED_OPEN if door.is_open else E.FIRE_CLEARED_SHUT
