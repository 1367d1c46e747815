"""The door of one lane: carries events to the door's table and its commands to relay, lane and alarms."""

from __future__ import annotations

import logging
from collections.abc import Callable

from station.alarms import Alarms
from station.core import door as doors
from station.core.door import Door, DoorCommand, DoorEvent, DoorState
from station.core.events import Kind
from station.core.lane import LaneEvent
from station.device_config import DoorConfig
from station.ports import Clock, DeviceFault, InputKind, Outputs
from station.recorder import Recorder

log = logging.getLogger(__name__)

_EVENT = {
    InputKind.DOOR_OPENED: DoorEvent.OPENED,
    InputKind.DOOR_CLOSED: DoorEvent.CLOSED,
    InputKind.BOLT_WITHDRAWN: DoorEvent.BOLT_WITHDRAWN,
    InputKind.BOLT_THROWN: DoorEvent.BOLT_THROWN,
}
_RELEASE = {
    InputKind.FIRE: ("fire", True),
    InputKind.FIRE_CLEARED: ("fire", False),
    InputKind.BREAK_GLASS: ("break-glass", True),
    InputKind.BREAK_GLASS_CLEARED: ("break-glass", False),
}
_TOLD = {
    DoorCommand.PASSED: LaneEvent.PASSED,
    DoorCommand.SHUT: LaneEvent.SHUT,
    DoorCommand.NOT_UNLOCKED: LaneEvent.RELAY_FAILED,
}
_LOCKED, _UNLOCKED = DoorState.LOCKED, DoorState.UNLOCKED
"""By names of their own: Python 3.11 takes 0.2 us to find a member by its enumeration; a passage takes six steps."""
_MOMENT_US = 10_000_000
"""How long an alarm rings that tells of a moment and not of a state."""
_PERMITTED = (DoorState.UNLOCKING, DoorState.UNLOCKED, DoorState.OPEN, DoorState.OPEN_UNLOCKED)
_ANYBODY_MAY_PASS = (DoorState.HOLD_OPEN, DoorState.RELEASED)
_WAITING = _PERMITTED[:2]
"""States in which somebody has been let in and has not opened yet."""
_UNLOCKS = (*_PERMITTED[:2], *_ANYBODY_MAY_PASS)
"""States in which the relay is meant to be unlocked."""
_UNLOCKED_FOR_A_TIME = (DoorState.OPEN_UNLOCKED, DoorState.HELD, DoorState.FORCED, DoorState.OUT_OF_SERVICE)
"""States in which a grant or an exit unlocks until the deadline."""
_PASSED_BY = (DoorEvent.CLOSED, DoorEvent.PULSE)
"""After these nobody who was let in is awaited any more."""
_BOLT = (DoorEvent.BOLT_WITHDRAWN, DoorEvent.BOLT_THROWN)
_BOLT_MOVES = {
    DoorState.UNLOCKING: DoorEvent.BOLT_WITHDRAWN,
    DoorState.RELOCKING: DoorEvent.BOLT_THROWN,
}


TellLane = Callable[[LaneEvent], None]


def _nobody(_event: LaneEvent) -> None:
    """Nobody waits for a passage."""


class Doorway:
    """One door. Used by the gate thread alone; egress moves the relay without it (drivers/inputs.py)."""

    def __init__(
        self,
        lane: str,
        config: DoorConfig,
        outputs: Outputs,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        """`lane`: the one whose door it is."""
        self._lane, self._config, self._outputs = lane, config, outputs
        self._recorder, self._clock = recorder, clock
        self._tell_lane: TellLane = _nobody
        self._times = _times(config)
        self.door = Door()
        self.alarms = Alarms(lane, recorder, clock)
        self._failing: set[str] = set()
        """The moves that failed last time; the alarm ends when each has worked again."""
        self._released_by: set[str] = set()
        self._blocked_by: set[str] = set()
        self._held_open = False
        self._expected, self._counted = 0, 0
        self._bolt: DoorEvent | None = None
        """What the bolt said last."""
        self._rex_since_us: int | None = None
        self._called_until_us = 0

    def start(self) -> None:
        """Secure the door. Without a contact it counts as shut; with one, the first report tells."""
        self._drive("lock", self._outputs.lock)
        if self._config.contact is None:
            self.step(DoorEvent.CLOSED)

    # --- what happens ----------------------------------------------------------------------------------------------

    def grant(self, people: int, tell_lane: TellLane) -> None:
        """Unlock for so many people; a passage sensor counts them. The lane is told PASSED, SHUT, NOT_PASSED ..."""
        if tell_lane != self._tell_lane:
            self._tell_lane(LaneEvent.NOT_PASSED)  # the lane on the other side, if it still waits
        self._tell_lane = tell_lane
        still = self._expected - self._counted if self.counts and self.door.state in _WAITING else 0
        self._expected, self._counted = max(0, still) + max(1, people), 0
        self.step(DoorEvent.GRANT)

    @property
    def counts(self) -> bool:
        """Whether each person is counted who goes through, so that two grants may wait for two passages."""
        return self._config.passage is not None and (self._config.kind == "turnstile" or self._config.contact is None)

    def input(self, kind: InputKind) -> None:
        """Take a change of contact, button or alarm line."""
        if kind in _EVENT:
            event = _EVENT[kind]
            if event in _BOLT:
                self._bolt = event
            self.step(event)
        elif kind in _RELEASE:
            self._release(*_RELEASE[kind])
        elif kind in (InputKind.TAMPER, InputKind.TAMPER_CLEARED):
            self.alarms.set("tamper", rings=kind is InputKind.TAMPER)
        elif kind in (InputKind.REX, InputKind.REX_RELEASED):
            self._exit_button(pressed=kind is InputKind.REX)
        elif kind is InputKind.PASSAGE:
            self._pulse()
        elif kind is InputKind.DURESS:
            self._hidden_button()
        else:
            self.block("switch", blocked=kind is InputKind.BLOCKED)

    def hold_open(self, *, wanted: bool) -> None:
        """Hold the door open by schedule, or end that."""
        self._held_open = wanted
        self._settle()

    def block(self, cause: str, *, blocked: bool) -> None:
        """Take the lane out of service, or back; it stays out while any cause lasts."""
        (self._blocked_by.add if blocked else self._blocked_by.discard)(cause)
        self._settle()

    def _release(self, cause: str, begins: bool) -> None:
        """Fire and break-glass: the door is released while either lasts."""
        (self._released_by.add if begins else self._released_by.discard)(cause)
        if begins:
            self.step(DoorEvent.FIRE)
        self.alarms.set(cause, rings=begins)
        self._settle()

    def _settle(self) -> None:
        """Bring the lasting states in line with what is wanted: fire before a block, a block before a schedule."""
        ended = {
            DoorState.RELEASED: not self._released_by,
            DoorState.OUT_OF_SERVICE: not self._blocked_by,
            DoorState.HOLD_OPEN: not self._held_open,
        }
        if ended.get(self.door.state, False):
            self.step(doors.resume(self.door))
        if self._blocked_by:
            self.step(DoorEvent.BLOCK)
        elif self._held_open:
            self.step(DoorEvent.HOLD_OPEN)

    def _exit_button(self, *, pressed: bool) -> None:
        if pressed:
            self._rex_since_us = self._clock.now().mono_us
            self.step(DoorEvent.REX)
        else:
            self._rex_since_us = None
            self.alarms.set("rex-stuck", rings=False)

    def _hidden_button(self) -> None:
        """Call for help without a trace here; a button pressed again and again is one call."""
        now = self._clock.now()
        if now.mono_us >= self._called_until_us:
            self._called_until_us = now.mono_us + _MOMENT_US
            self._recorder.alarm_silently(self._lane, None, now)

    def _pulse(self) -> None:
        """Somebody went through a turnstile or a light beam; more than were let through is tailgating."""
        if self.door.state in _ANYBODY_MAY_PASS:
            return
        self._counted += 1
        permitted = self.door.state in _PERMITTED
        # Somebody who leaves by the exit button is not counted against a grant: nobody knows how many they are.
        if not permitted or 0 < self._expected < self._counted:
            self.alarms.ring_once("tailgating", _MOMENT_US)
        if not self.counts or not permitted:
            return
        if self._counted < self._expected:
            self._tell_lane(LaneEvent.PASSED)
        else:
            self.step(DoorEvent.PULSE)

    # --- the table -------------------------------------------------------------------------------------------------

    def step(self, event: DoorEvent) -> None:
        """Carry an event to the door's table and do what it commands."""
        before = self.door
        if event is DoorEvent.OPENED and self._bolt is DoorEvent.BOLT_THROWN:
            self._bolt = None  # the opening belies it: torn out of its keep, or a feedback that says so for ever
        self.door, commands = doors.handle(before, event, self._clock.now().mono_us, self._times)
        if self.door.state is _LOCKED or (event in _PASSED_BY and self._lasts_for_exit):
            self._expected = 0  # who leaves by the exit button is not counted
        for command in commands:
            self._do(command)
        if before.state in doors.ALARMS or self.door.state in doors.ALARMS:
            self._change_alarm(before.alarm, self.door.alarm)
        awaited = _BOLT_MOVES.get(self.door.state)
        if awaited is not None and (self._config.bolt is None or self._bolt is awaited):
            self.step(awaited)  # it has moved already, or nobody can tell

    @property
    def _lasts_for_exit(self) -> bool:
        """Whether the door is unlocked for nobody but who leaves by the exit button."""
        return self.door.state is _UNLOCKED and self.door.deadline_us == self.door.exit_until_us

    def _change_alarm(self, before: str | None, after: str | None) -> None:
        if before and before != after:
            self.alarms.set(before, rings=False)
        if after and after != before:
            self.alarms.set(after, rings=True)

    def _do(self, command: DoorCommand) -> None:
        if (told := _TOLD.get(command)) is not None:
            self._tell_lane(told)
            return
        match command:
            case DoorCommand.LOCK:
                self._drive("lock", self._outputs.lock)
            case DoorCommand.UNLOCK:
                if not self._drive("unlock", self._outputs.unlock):
                    self.step(DoorEvent.RELAY_FAILED)
            case DoorCommand.NOT_PASSED:
                self._not_passed()
            case DoorCommand.NOTE_REX:
                self._recorder.commit_unless_broken(Kind.DOOR, {"lane": self._lane, "what": "rex"}, self._clock.now())

    def _drive(self, name: str, move: Callable[[], None]) -> bool:
        try:
            move()
        except DeviceFault as fault:
            log.error("%s", fault)  # noqa: TRY400 - the fault tells it all
            self._failing.add(name)
            self.alarms.set("relay", rings=True)
            return False
        if name in self._failing:
            self._failing.discard(name)
            if not self._failing:
                self.alarms.set("relay", rings=False)
        return True

    def tend(self) -> None:
        """Once a second: see whether a relay that failed works again, lest door and alarm wait for the next person."""
        waits = self.door.deadline_us is not None and self.door.state in _UNLOCKED_FOR_A_TIME
        if "lock" in self._failing and not waits and self.door.state not in _UNLOCKS:
            self._drive("lock", self._outputs.lock)
        if self._failing == {"unlock"} and self._outputs.obeys():
            self._failing.clear()
            self.alarms.set("relay", rings=False)

    def _not_passed(self) -> None:
        nobody_can_tell = self._config.contact is None and self._config.passage is None
        if nobody_can_tell:  # the passage is taken for granted
            self._tell_lane(LaneEvent.PASSED)
            self._tell_lane(LaneEvent.SHUT)
        else:
            self._tell_lane(LaneEvent.NOT_PASSED)

    # --- time ------------------------------------------------------------------------------------------------------

    @property
    def secured(self) -> bool:
        """Whether the door is shut and nobody may open it: what an interlocked door waits for."""
        leaving = self.door.deadline_us is not None
        blocked = self.door.state is DoorState.OUT_OF_SERVICE and not leaving
        stays_thrown = self.door.state is DoorState.LOCK_FAILED and self._bolt is DoorEvent.BOLT_THROWN
        return (blocked or stays_thrown or self.door.state is _LOCKED) and not self.door.is_open

    def next_deadline_us(self) -> int | None:
        """Return the monotonic moment at which `expire` must be called, or None."""
        stuck = None if self._rex_since_us is None or "rex-stuck" in self.alarms else self._rex_stuck_us()
        due = [at for at in (self.door.deadline_us, self.alarms.next_end_us, stuck) if at is not None]
        return min(due, default=None)

    def _rex_stuck_us(self) -> int:
        return (self._rex_since_us or 0) + round(self._config.rex_stuck_s * 1e6)

    def expire(self) -> None:
        """Let deadlines that have passed take effect."""
        now_us, due = self._clock.now().mono_us, self.door.deadline_us
        if due is not None and now_us >= due:
            self.step(DoorEvent.DEADLINE)
        if self._rex_since_us is not None and now_us >= self._rex_stuck_us():
            self.alarms.set("rex-stuck", rings=True)
        self.alarms.expire()


def _times(config: DoorConfig) -> doors.DoorTimes:
    def micro(seconds: float) -> int:
        return round(seconds * 1e6)

    return doors.DoorTimes(
        unlock_us=micro(config.unlock_s),
        propped_us=micro(config.propped_s),
        held_us=micro(config.held_s - config.propped_s),
        bolt_us=micro(config.bolt_s),
        ajar_us=micro(config.ajar_s),
        exit_us=micro(config.relay.pulse_s) if config.relay.drive == "pulse" else None,
    )
