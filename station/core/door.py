"""The door as a transition table.

Theory of operation. The door is LOCKED until something permits it to open: a committed grant, the exit button (REX), a
schedule that holds it open, or fire. The bolt is then given time to withdraw (UNLOCKING), the person to open
(UNLOCKED). Opening it relocks at once, so that it latches when it falls shut (RELOCKING). A door that stays OPEN is
first PROPPED (a warning), then HELD (an alarm); one that opens without permission is FORCED; one that is shut but whose
bolt does not come out is AJAR, then LOCK_FAILED. HOLD_OPEN, OUT_OF_SERVICE and RELEASED (by fire) last until what
caused them is over; fire overrules everything. Nobody waits for software here: REX and fire have already moved the
relay when this table hears of them (drivers/inputs.py); the table keeps the record straight.

A lock that falls shut too early would belie what was promised. The exit button releases the relay for its whole time,
whatever the table commands (drivers/outputs.py), and who is let in while the door stands open (OPEN_UNLOCKED) may reach
it when it has just fallen shut. So a door that is to be locked before such a time is over is UNLOCKED until then, and
one that is blocked remembers that somebody may still leave.

A door without a feedback of its bolt is told at once that the bolt moved (station/doorway.py), so that one table serves
both. Commands are returned in the order in which they must be carried out. Times are monotonic microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from operator import attrgetter

from station.core.record import dataclass, replace


class DoorState(StrEnum):
    """Where the door stands. STARTING: the contact has not reported yet."""

    STARTING = "starting"
    LOCKED = "locked"
    UNLOCKING = "unlocking"
    UNLOCKED = "unlocked"
    OPEN = "open"
    OPEN_UNLOCKED = "open-unlocked"
    PROPPED = "propped-open"
    HELD = "held-open"
    FORCED = "forced-open"
    RELOCKING = "relocking"
    AJAR = "ajar"
    LOCK_FAILED = "lock-failed"
    HOLD_OPEN = "hold-open"
    OUT_OF_SERVICE = "out-of-service"
    RELEASED = "released-by-fire"


class DoorEvent(StrEnum):
    """What can happen to a door.

    PULSE: a turnstile turned. RESUME_*: what kept the door in HOLD_OPEN, OUT_OF_SERVICE or RELEASED is over, and the
    contact says that it is open or shut.
    """

    GRANT = "grant"
    OPENED = "opened"
    CLOSED = "closed"
    BOLT_WITHDRAWN = "bolt-withdrawn"
    BOLT_THROWN = "bolt-thrown"
    PULSE = "pulse"
    REX = "rex"
    FIRE = "fire"
    HOLD_OPEN = "hold-open"
    BLOCK = "block"
    RESUME_OPEN = "resume-open"
    RESUME_SHUT = "resume-shut"
    DEADLINE = "deadline"
    RELAY_FAILED = "relay-failed"


class DoorCommand(StrEnum):
    """What must be done. UNLOCK and LOCK move the relay; the others are told to lane and journal."""

    UNLOCK = "unlock"
    LOCK = "lock"
    PASSED = "passed"
    SHUT = "shut"
    NOT_PASSED = "not-passed"
    NOT_UNLOCKED = "not-unlocked"
    NOTE_REX = "note-rex"


class Limit(StrEnum):
    """Names of the configured times a deadline may be set to."""

    BOLT = "bolt"
    UNLOCK = "unlock"
    PROPPED = "propped"
    HELD = "held"
    AJAR = "ajar"


@dataclass(frozen=True, slots=True)
class DoorTimes:
    """Configured times, microseconds. A door open for `propped_us` warns, for `held_us` longer it rings."""

    unlock_us: int
    propped_us: int
    held_us: int
    bolt_us: int = 1_500_000
    ajar_us: int = 10_000_000
    exit_us: int | None = None
    """How long the exit button itself holds the relay; None: `unlock_us`."""

    @property
    def exit(self) -> int:
        """Return how long the exit button holds the relay."""
        return self.unlock_us if self.exit_us is None else self.exit_us

    def of(self, limit: Limit) -> int:
        """Return the duration of a limit."""
        return _DURATION[limit](self)


_DURATION: dict[Limit, Callable[[DoorTimes], int]] = {limit: attrgetter(f"{limit}_us") for limit in Limit}


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
    exit_until_us: int = 0
    """Until when the exit button, pressed last, releases the relay."""

    @property
    def alarm(self) -> str | None:
        """The alarm or warning that rings in this state."""
        return ALARMS.get(self.state)


S, E, C, L = DoorState, DoorEvent, DoorCommand, Limit

ALARMS = {
    S.PROPPED: "door-propped",
    S.HELD: "door-held",
    S.FORCED: "door-forced",
    S.AJAR: "door-ajar",
    S.LOCK_FAILED: "door-lock",
}
"""Each rings exactly while the door is in its state. Fire and break-glass ring by themselves, as long as they last."""

_SHUT_STATES = (S.LOCKED, S.RELOCKING, S.AJAR, S.LOCK_FAILED)
"""Shut, and nobody has permission."""
_PERMITTED = (S.UNLOCKING, S.UNLOCKED)
_STANDING_OPEN = (S.OPEN, S.OPEN_UNLOCKED, S.PROPPED, S.HELD, S.FORCED)
_LASTING = (S.HOLD_OPEN, S.OUT_OF_SERVICE, S.RELEASED)
_STUCK_OPEN = (S.HELD, S.FORCED)
_UNLOCKED_OPEN = (S.OPEN_UNLOCKED, *_STUCK_OPEN)
"""Open, and unlocked for a time where they have a deadline."""


_UNLOCKING, _RELOCKING = DoorRow(S.UNLOCKING, (C.UNLOCK,), L.BOLT), DoorRow(S.RELOCKING, (C.LOCK,), L.BOLT)

_OWN: dict[tuple[DoorState, DoorEvent], DoorRow] = {
    (S.STARTING, E.OPENED): DoorRow(S.OPEN, (C.LOCK,), L.PROPPED),
    (S.STARTING, E.CLOSED): _RELOCKING,
    (S.RELOCKING, E.DEADLINE): DoorRow(S.AJAR, (C.LOCK,), L.AJAR),
    (S.AJAR, E.DEADLINE): DoorRow(S.LOCK_FAILED, (C.LOCK,)),
    (S.LOCKED, E.BOLT_WITHDRAWN): DoorRow(S.LOCK_FAILED, (C.LOCK,)),
    (S.UNLOCKING, E.GRANT): _UNLOCKING,
    (S.UNLOCKING, E.REX): replace(_UNLOCKING, commands=(C.UNLOCK, C.NOTE_REX)),
    (S.UNLOCKING, E.BOLT_WITHDRAWN): DoorRow(S.UNLOCKED, (), L.UNLOCK),
    (S.UNLOCKING, E.DEADLINE): DoorRow(S.LOCK_FAILED, (C.LOCK, C.NOT_UNLOCKED)),
    (S.UNLOCKED, E.GRANT): DoorRow(S.UNLOCKED, (C.UNLOCK,), L.UNLOCK),
    (S.UNLOCKED, E.REX): DoorRow(S.UNLOCKED, (C.UNLOCK, C.NOTE_REX), L.UNLOCK),
    (S.UNLOCKED, E.DEADLINE): replace(_RELOCKING, commands=(C.LOCK, C.NOT_PASSED)),
    (S.OPEN_UNLOCKED, E.REX): DoorRow(S.OPEN_UNLOCKED, (C.UNLOCK, C.NOTE_REX), L.UNLOCK),
    (S.OPEN_UNLOCKED, E.DEADLINE): DoorRow(S.OPEN, (C.LOCK,), L.PROPPED),
    (S.OPEN_UNLOCKED, E.RELAY_FAILED): DoorRow(S.OPEN, (C.LOCK, C.NOT_UNLOCKED), L.PROPPED),
    (S.OPEN, E.REX): DoorRow(S.OPEN, (C.LOCK, C.NOTE_REX), L.PROPPED),
    (S.OPEN, E.DEADLINE): DoorRow(S.PROPPED, (C.SHUT,), L.HELD),
    (S.PROPPED, E.REX): DoorRow(S.OPEN, (C.LOCK, C.NOTE_REX), L.PROPPED),
    (S.PROPPED, E.DEADLINE): DoorRow(S.HELD),
    (S.HOLD_OPEN, E.GRANT): DoorRow(S.HOLD_OPEN, (C.PASSED, C.SHUT)),
    (S.HOLD_OPEN, E.REX): DoorRow(S.HOLD_OPEN, (C.NOTE_REX,)),
    (S.HOLD_OPEN, E.BLOCK): DoorRow(S.OUT_OF_SERVICE, (C.LOCK,)),
    (S.HOLD_OPEN, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK,)),
    # Nobody is let in by a lane that is blocked, but people inside may always leave.
    (S.OUT_OF_SERVICE, E.GRANT): DoorRow(S.OUT_OF_SERVICE, (C.LOCK, C.NOT_UNLOCKED)),
    (S.OUT_OF_SERVICE, E.REX): DoorRow(S.OUT_OF_SERVICE, (C.UNLOCK, C.NOTE_REX), L.UNLOCK),
    (S.OUT_OF_SERVICE, E.DEADLINE): DoorRow(S.OUT_OF_SERVICE, (C.LOCK,)),
    (S.OUT_OF_SERVICE, E.FIRE): DoorRow(S.RELEASED, (C.UNLOCK,)),
    (S.RELEASED, E.GRANT): DoorRow(S.RELEASED, (C.PASSED, C.SHUT)),
    (S.RELEASED, E.REX): DoorRow(S.RELEASED, (C.NOTE_REX,)),
}
"""Rows of one state."""

_SHARED: tuple[tuple[tuple[DoorState, ...], dict[DoorEvent, DoorRow]], ...] = (
    (
        (S.STARTING, *_SHUT_STATES),
        {
            E.GRANT: _UNLOCKING,
            E.REX: replace(_UNLOCKING, commands=(C.UNLOCK, C.NOTE_REX)),
            E.FIRE: DoorRow(S.RELEASED, (C.UNLOCK,)),
            E.HOLD_OPEN: DoorRow(S.HOLD_OPEN, (C.UNLOCK,)),
            E.BLOCK: DoorRow(S.OUT_OF_SERVICE, (C.LOCK,)),
        },
    ),
    (_SHUT_STATES, {E.OPENED: DoorRow(S.FORCED)}),
    ((S.RELOCKING, S.AJAR, S.LOCK_FAILED), {E.BOLT_THROWN: DoorRow(S.LOCKED)}),
    (
        _PERMITTED,
        {
            E.OPENED: DoorRow(S.OPEN, (C.LOCK, C.PASSED), L.PROPPED),
            E.PULSE: replace(_RELOCKING, commands=(C.LOCK, C.PASSED, C.SHUT)),
            E.RELAY_FAILED: replace(_RELOCKING, commands=(C.LOCK, C.NOT_UNLOCKED)),
            E.FIRE: DoorRow(S.RELEASED, (C.UNLOCK, C.SHUT)),
            E.HOLD_OPEN: DoorRow(S.HOLD_OPEN, (C.UNLOCK, C.PASSED, C.SHUT)),
            E.BLOCK: DoorRow(S.OUT_OF_SERVICE, (C.LOCK, C.NOT_PASSED)),
        },
    ),
    (
        _STANDING_OPEN,
        {
            E.CLOSED: replace(_RELOCKING, commands=(C.LOCK, C.SHUT)),
            E.FIRE: DoorRow(S.RELEASED, (C.UNLOCK, C.SHUT)),
            E.HOLD_OPEN: DoorRow(S.HOLD_OPEN, (C.UNLOCK, C.SHUT)),
            E.BLOCK: DoorRow(S.OUT_OF_SERVICE, (C.LOCK, C.SHUT)),
        },
    ),
    # Who is let in at an open door is taken to go through, and finds it unlocked should it fall shut before.
    (
        (S.OPEN, S.OPEN_UNLOCKED, S.PROPPED),
        {E.GRANT: DoorRow(S.OPEN_UNLOCKED, (C.UNLOCK, C.PASSED), L.UNLOCK)},
    ),
    # A contact that reports "open" for ever must not end the service: grants still unlock for their time.
    # A relay that fails may still be energised by an earlier grant: it is told to lock as often as it takes.
    *(
        (
            (state,),
            {
                E.GRANT: DoorRow(state, (C.UNLOCK, C.PASSED), L.UNLOCK),
                E.REX: DoorRow(state, (C.UNLOCK, C.NOTE_REX), L.UNLOCK),
                E.DEADLINE: DoorRow(state, (C.LOCK, C.SHUT)),
                E.RELAY_FAILED: DoorRow(state, (C.LOCK, C.NOT_UNLOCKED)),
            },
        )
        for state in _STUCK_OPEN
    ),
    (_LASTING, {E.RESUME_OPEN: DoorRow(S.OPEN, (C.LOCK,), L.PROPPED), E.RESUME_SHUT: _RELOCKING}),
)
"""Rows that several states have alike."""

TABLE: dict[tuple[DoorState, DoorEvent], DoorRow] = _OWN | {
    (state, event): row for states, rows in _SHARED for state in states for event, row in rows.items()
}

_SAYS = {E.OPENED: True, E.CLOSED: False}
_CONTACT = tuple(_SAYS)
_BOLT = (E.BOLT_WITHDRAWN, E.BOLT_THROWN)
_RESUME = (E.RESUME_OPEN, E.RESUME_SHUT)

IGNORED = frozenset(
    {
        # A contact or bolt that says nothing new, or nothing that matters while the door stands open.
        *((state, E.CLOSED) for state in (*_SHUT_STATES, *_PERMITTED)),
        *((state, E.OPENED) for state in _STANDING_OPEN),
        *((state, event) for state in (S.STARTING, *_STANDING_OPEN, *_LASTING) for event in _BOLT),
        (S.LOCKED, E.BOLT_THROWN),
        *((state, E.BOLT_WITHDRAWN) for state in (S.UNLOCKED, S.RELOCKING, S.AJAR, S.LOCK_FAILED)),
        *((state, E.BOLT_THROWN) for state in _PERMITTED),
        # While it is held open, blocked or released the door may swing as it likes.
        *((state, event) for state in _LASTING for event in _CONTACT),
        # A turnstile that turns without permission is an alarm of its own (station/doorway.py), not a state.
        *((state, E.PULSE) for state in S if state not in _PERMITTED),
        # Where nothing was to be unlocked for a person; fire has cut the lock's power in hardware.
        *((state, E.RELAY_FAILED) for state in S if state not in (*_PERMITTED, *_UNLOCKED_OPEN)),
        # Deadlines that no row sets.
        *((state, E.DEADLINE) for state in (S.STARTING, S.LOCKED, S.LOCK_FAILED, S.HOLD_OPEN, S.RELEASED)),
        # Nothing lasting to resume from, or lasting already; fire and a technician's block overrule the schedule.
        *((state, event) for state in S if state not in _LASTING for event in _RESUME),
        *((state, E.HOLD_OPEN) for state in _LASTING),
        *((state, E.BLOCK) for state in (S.OUT_OF_SERVICE, S.RELEASED)),
        (S.RELEASED, E.FIRE),
    }
)


def handle(door: Door, event: DoorEvent, now_us: int, times: DoorTimes) -> tuple[Door, tuple[DoorCommand, ...]]:
    """Return the door after an event, and what must be done."""
    is_open = _SAYS.get(event, door.is_open)
    exit_until = now_us + times.exit if event is E.REX else door.exit_until_us
    row = TABLE.get((door.state, event))
    if event is E.BOLT_WITHDRAWN and door.state is S.LOCK_FAILED and exit_until > now_us:
        return Door(S.UNLOCKED, exit_until, is_open, exit_until), ()  # late, but whoever leaves forces nothing
    if row is None:
        return replace(door, is_open=is_open, exit_until_us=exit_until), ()
    deadline = now_us + times.of(row.limit) if row.limit else None
    if row.next is S.RELOCKING and (until := max(exit_until, _granted_until(door))) > now_us:
        # What the exit button holds is locked behind it (drivers/outputs.py); what a grant holds is locked at its end.
        commands = row.commands if until == exit_until else tuple(c for c in row.commands if c is not C.LOCK)
        return Door(S.UNLOCKED, until, is_open, exit_until), commands
    if row.next is S.OUT_OF_SERVICE and deadline is None and exit_until > now_us:
        deadline = exit_until
    return Door(row.next, deadline, is_open, exit_until), row.commands


def _granted_until(door: Door) -> int:
    """Return until when somebody let in at an open door may reach it, should it fall shut now."""
    return door.deadline_us or 0 if door.state in _UNLOCKED_OPEN else 0


def resume(door: Door) -> DoorEvent:
    """Return the event that ends a lasting state, by what the contact says."""
    return E.RESUME_OPEN if door.is_open else E.RESUME_SHUT
