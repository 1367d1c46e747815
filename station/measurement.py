"""The screening of whoever stands at a lane, from its start until it can be decided on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from station.core.baseline import Baseline
from station.core.model import Band, Instant, TemperatureReading

DOOR_WAIT_US = 30_000_000
"""So long somebody who was measured waits for another door to be shut, before the guard is asked."""


class Measured(NamedTuple):
    """What a screening found. `usual`: what is usual at this lane after it; None where it changed nothing."""

    reading: TemperatureReading
    usual: Baseline | None = None


class Measurement:
    """Used by the gate thread alone."""

    def __init__(self, start: Callable[[int], None] | None) -> None:
        """`start(token)` starts a screening; None where the lane has no thermometer."""
        self._start = start
        self._token, self._since_us = 0, 0
        self.found: Measured | None = None
        """A result that is not decided on yet: another door must be shut first."""

    def begin(self, now: Instant) -> None:
        """Have somebody measured; what was found before is of no use."""
        self._token, self._since_us, self.found = self._token + 1, now.mono_us, None
        if self._start:
            self._start(self._token)

    def take(self, token: int, found: Measured) -> bool:
        """Take a result; False where nobody waits for it any more."""
        if token != self._token:
            return False
        self.found = found
        return True

    def give_up(self) -> None:
        """The sensor has not answered in time."""
        self.found = self.found or Measured(TemperatureReading(Band.FAULT))

    def forget(self) -> None:
        """Nobody waits for the result any more."""
        self.found = None

    @property
    def waits_until_us(self) -> int | None:
        """Until when what was found may wait for another door, monotonic microseconds; None: nothing was found."""
        return None if self.found is None else self._since_us + DOOR_WAIT_US
