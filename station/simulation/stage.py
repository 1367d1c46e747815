"""Virtual time and the surroundings of a gate in it: clock, queue, relay, disk. All above them is the product's.

The relay stands at the level of station.ports, because the real driver keeps threads and times of its own; its own
behaviour is what the contract tests are for. Exit button and fire move it as the inputs worker does: first of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from station.core.events import Kind, Payload
from station.core.model import ClockState, Instant
from station.core.retention import Disk
from station.core.signals import Signal
from station.device_config import RelayConfig
from station.inbox import NO_LINK, Arrival, Link, Mark, ReceivedCommand
from station.journal import Change, Journal, JournalFault
from station.ports import DeviceFault, Release

BOOT_MONO_US = 60_000_000


class StageClock:
    """A clock that goes only when it is told to. Implements station.ports.Clock."""

    def __init__(self, wall_us: int) -> None:
        self.instant = Instant(wall_us, BOOT_MONO_US)

    def now(self) -> Instant:
        """The present moment of the scenario."""
        return self.instant

    def move(self, micro: int) -> None:
        """Let time pass, microseconds."""
        self.instant = replace(self.instant, wall_us=self.instant.wall_us + micro, mono_us=self.instant.mono_us + micro)

    def step(self, seconds: float) -> None:
        """Let the wall clock jump."""
        self.instant = replace(self.instant, wall_us=self.instant.wall_us + round(seconds * 1e6))

    def state(self, state: ClockState) -> None:
        """Say how far it can be trusted from now on."""
        self.instant = replace(self.instant, state=state)

    def tell(self, signed_s: int, asked_us: int, *, by_central: bool) -> bool:
        """Take in a signed time."""
        passed = (self.instant.mono_us - asked_us) // 2
        state = ClockState.TRUSTED if by_central else ClockState.HOLDOVER
        self.instant = replace(self.instant, wall_us=signed_s * 1_000_000 + passed, state=state)
        return True

    def raise_floor(self, signed_us: int) -> None:
        """Nothing to do: a scenario says itself what its clock does."""


class StageMailbox:
    """The gate's queue in virtual time: waiting lets the time pass to the next thing that happens."""

    def __init__(self, clock: StageClock, script: list[tuple[int, Callable[[], None]]], until_us: int) -> None:
        """`script`: (monotonic microseconds, what happens then) in order; `until_us`: when the scenario ends."""
        self._clock, self._script, self._until_us = clock, script, until_us
        self._ready: list[object] = []
        self.stop: Callable[[], None] = lambda: None
        """Called once the scenario is over."""

    def put(self, item: object) -> None:
        """Queue an item."""
        self._ready.append(item)

    def put_latest(self, key: str, item: object) -> None:
        """As `put`: in a scenario nothing waits."""
        del key
        self._ready.append(item)

    def get(self, timeout_s: float) -> object | None:
        """Return the next item, or None after so many virtual seconds."""
        due_us = self._clock.now().mono_us + max(0, math.ceil(timeout_s * 1e6))
        while not self._ready:
            next_us = self._script[0][0] if self._script else self._until_us
            if next_us > due_us:
                self._clock.move(due_us - self._clock.now().mono_us)
                return None
            self._clock.move(max(0, next_us - self._clock.now().mono_us))
            if not self._script:
                self.stop()
                continue
            self._script.pop(0)[1]()
        return self._ready.pop(0)


class StageInbox:
    """What gate-sync would have received. Stands in for station.inbox.Inbox."""

    def __init__(self) -> None:
        self._arrived: list[Arrival] = []
        self.chunks: dict[bytes, bytes] = {}

    def arrive(self, kind: str, raw: bytes) -> None:
        """A signed document arrives."""
        self._arrived.append(Arrival(Mark(row=len(self._arrived) + 1), kind, raw))

    def arrivals(self, after: Mark) -> list[Arrival]:
        """Return what arrived after a row."""
        return [arrival for arrival in self._arrived if arrival.mark.row > after.row]

    def commands(self, after: Mark) -> list[ReceivedCommand]:
        """Return nothing: central is not part of the scenario."""
        del after
        return []

    def notices(self, after: Mark) -> list[tuple[Mark, bytes]]:
        """Return nothing: the scenario has one station."""
        del after
        return []

    def acknowledged(self, epoch: int) -> int:
        """Return nothing: central is not part of the scenario."""
        del epoch
        return 0

    def delivered(self, epoch: int) -> None:
        """Return nothing: central is not part of the scenario."""
        del epoch

    def rehoming(self, epoch: int) -> None:
        """Return nothing: central is not part of the scenario."""
        del epoch

    def uploaded(self) -> set[str]:
        """Return nothing: central is not part of the scenario."""
        return set()

    def link(self) -> Link:
        """Return that there is no connection."""
        return NO_LINK


class StageJournal(Journal):
    """The real journal on a disk that can be told to fail."""

    failing = False

    def disk(self) -> Disk:
        """Return one with room: a scenario does not depend on the machine that plays it."""
        return Disk(used=0, free=1)

    def append_all(self, events: Iterable[tuple[Kind, Payload]], now: Instant, changes: Iterable[Change] = ()) -> int:
        """Commit events, unless the disk fails."""
        if self.failing:
            raise JournalFault(f"{self.path}: the scenario's disk fails")
        return super().append_all(events, now, changes)


class StageOutputs:
    """Relay, lamp and buzzer of a door in virtual time. Implements station.ports.Outputs."""

    def __init__(self, clock: StageClock, relay: RelayConfig) -> None:
        """`relay`: whether it is held or pulsed, as in drivers.outputs."""
        self._clock = clock
        self._pulse_s = relay.pulse_s if relay.drive == "pulse" else None
        self._pulse_until_us = 0.0
        self.failing = False
        self.shown = Signal.READY
        self._unlocked = False
        self._released: dict[Release, int | float] = {}

    @property
    def unlocked(self) -> bool:
        """Whether the relay is energised now to let somebody through."""
        now_us = self._clock.now().mono_us
        return self._unlocked or any(until > now_us for until in (self._pulse_until_us, *self._released.values()))

    def unlock(self) -> None:
        """Let the door be opened. Raises DeviceFault where the relay fails."""
        self._obey()
        if self._pulse_s is None:
            self._unlocked = True
        else:
            self._pulse_until_us = self._clock.now().mono_us + self._pulse_s * 1e6

    def lock(self) -> None:
        """Secure the door."""
        self._obey()
        self._unlocked = False

    def release(self, cause: Release, seconds: float) -> None:
        """Egress: unlock, whatever the gate thread does."""
        if cause is Release.REX and self._pulse_s is not None:
            seconds = self._pulse_s
        self._released[cause] = self._clock.now().mono_us + seconds * 1e6

    def end_release(self, cause: Release) -> None:
        """Egress ended."""
        self._released.pop(cause, None)

    def obeys(self) -> bool:
        """Say whether the relay moves in this scenario now."""
        return not self.failing

    def signal(self, signal: Signal) -> None:
        """Note what lamp and buzzer show."""
        self.shown = signal

    def close(self) -> None:
        """De-energise: a fail-secure door is locked."""
        self._unlocked, self._pulse_until_us = False, 0.0

    def _obey(self) -> None:
        if self.failing:
            raise DeviceFault("relay", "it does not move in this scenario", "End the fault")
