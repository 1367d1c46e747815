"""The door of one lane: carries events to the door's table and its commands to relay, lane and alarms."""

from __future__ import annotations

import logging
from collections.abc import Callable

from station.config import DoorConfig
from station.core import door as doors
from station.core.door import Door, DoorCommand, DoorEvent
from station.core.events import Kind
from station.core.lane import LaneEvent
from station.ports import Clock, DeviceFault, InputKind, Outputs
from station.recorder import Recorder

log = logging.getLogger(__name__)

_EVENT = {
    InputKind.DOOR_OPENED: DoorEvent.OPENED,
    InputKind.DOOR_CLOSED: DoorEvent.CLOSED,
    InputKind.REX: DoorEvent.REX,
    InputKind.FIRE: DoorEvent.FIRE,
}
_ALARM = {
    DoorCommand.ALARM_HELD: ("door-held", True),
    DoorCommand.END_HELD: ("door-held", False),
    DoorCommand.ALARM_FORCED: ("door-forced", True),
    DoorCommand.END_FORCED: ("door-forced", False),
    DoorCommand.ALARM_FIRE: ("fire", True),
    DoorCommand.END_FIRE: ("fire", False),
}


class Doorway:
    """One door. Used by the gate thread alone; egress moves the relay without it (drivers/inputs.py)."""

    def __init__(
        self,
        lane: str,
        config: DoorConfig,
        outputs: Outputs,
        recorder: Recorder,
        clock: Clock,
        tell_lane: Callable[[LaneEvent], None],
    ) -> None:
        """`tell_lane` takes PASSED, SHUT and NOT_PASSED."""
        self._lane, self._config, self._outputs = lane, config, outputs
        self._recorder, self._clock, self._tell_lane = recorder, clock, tell_lane
        self._times = doors.DoorTimes(round(config.unlock_s * 1e6), round(config.held_s * 1e6))
        self.door = Door()
        self._failing: set[str] = set()
        """The moves that failed last time; the alarm ends when each has worked again."""
        self.alarms: dict[str, int] = {}
        """Alarms that ring, with the wall time they began (microseconds)."""

    def start(self) -> None:
        """Secure the door. Without a contact it counts as shut; with one, the first report tells."""
        self._drive("lock", self._outputs.lock)
        if self._config.contact is None:
            self.step(DoorEvent.CLOSED)

    def input(self, kind: InputKind) -> None:
        """Take a change of contact, button or alarm line."""
        if kind is InputKind.FIRE_CLEARED:
            self.step(doors.fire_cleared(self.door))
        elif kind in (InputKind.TAMPER, InputKind.TAMPER_CLEARED):
            self.alarm("tamper", begins=kind is InputKind.TAMPER)
        else:
            self.step(_EVENT[kind])

    def step(self, event: DoorEvent) -> None:
        """Carry an event to the door's table and do what it commands."""
        self.door, commands = doors.handle(self.door, event, self._clock.now().mono_us, self._times)
        for command in commands:
            self._do(command)

    def _do(self, command: DoorCommand) -> None:
        match command:
            case DoorCommand.UNLOCK:
                if not self._drive("unlock", self._outputs.unlock):
                    self.step(DoorEvent.RELAY_FAILED)
            case DoorCommand.LOCK:
                self._drive("lock", self._outputs.lock)
            case DoorCommand.PASSED:
                self._tell_lane(LaneEvent.PASSED)
            case DoorCommand.SHUT:
                self._tell_lane(LaneEvent.SHUT)
            case DoorCommand.NOT_PASSED:
                self._not_passed()
            case DoorCommand.NOT_UNLOCKED:
                self._tell_lane(LaneEvent.RELAY_FAILED)
            case DoorCommand.NOTE_REX:
                self._recorder.commit_unless_broken(Kind.DOOR, {"lane": self._lane, "what": "rex"}, self._clock.now())
            case _:
                name, begins = _ALARM[command]
                self.alarm(name, begins=begins)

    def _drive(self, name: str, move: Callable[[], None]) -> bool:
        try:
            move()
        except DeviceFault as fault:
            log.error("%s", fault)  # noqa: TRY400 - the fault tells it all
            self._failing.add(name)
            self.alarm("relay", begins=True)
            return False
        self._failing.discard(name)
        if not self._failing:
            self.alarm("relay", begins=False)
        return True

    def _not_passed(self) -> None:
        if self._config.contact is None:  # without a contact nobody can tell: the passage is taken for granted
            self._tell_lane(LaneEvent.PASSED)
            self._tell_lane(LaneEvent.SHUT)
        else:
            self._tell_lane(LaneEvent.NOT_PASSED)

    def alarm(self, name: str, *, begins: bool) -> None:
        """Begin or end an alarm; recorded once each, in the reserve if it must be."""
        if begins == (name in self.alarms):
            return
        now = self._clock.now()
        if begins:
            self.alarms[name] = now.wall_us
        else:
            del self.alarms[name]
        payload = {"lane": self._lane, "alarm": name, "what": "begins" if begins else "ends"}
        self._recorder.commit_or_reserve(Kind.ALARM, payload, now)

    def expire(self) -> None:
        """Let the deadline take effect if it has passed."""
        due = self.door.deadline_us
        if due is not None and self._clock.now().mono_us >= due:
            self.step(DoorEvent.DEADLINE)
