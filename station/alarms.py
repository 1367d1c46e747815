"""The alarms of one lane: each is recorded once when it begins and once when it ends, in the reserve if it must be."""

from __future__ import annotations

from collections.abc import Iterator

from station.core.events import Kind
from station.ports import Clock
from station.recorder import Recorder


class Alarms:
    """What rings now. Used by the gate thread alone."""

    def __init__(self, lane: str, recorder: Recorder, clock: Clock) -> None:
        self._lane, self._recorder, self._clock = lane, recorder, clock
        self._since_us: dict[str, int] = {}
        self._ends_us: dict[str, int] = {}

    def set(self, name: str, *, rings: bool) -> None:
        """Begin or end an alarm; nothing happens where it is so already."""
        if rings == (name in self._since_us):
            return
        now = self._clock.now()
        if rings:
            self._since_us[name] = now.wall_us
        else:
            del self._since_us[name]
            self._ends_us.pop(name, None)
        payload = {"lane": self._lane, "alarm": name, "what": "begins" if rings else "ends"}
        self._recorder.commit_or_reserve(Kind.ALARM, payload, now)

    def ring_once(self, name: str, for_us: int) -> None:
        """Tell of a moment: the alarm ends by itself, `for_us` after the last time it was told."""
        self.set(name, rings=True)
        self._ends_us[name] = self._clock.now().mono_us + for_us

    def expire(self) -> None:
        """End what has rung for its time."""
        if not self._ends_us:
            return
        now_us = self._clock.now().mono_us
        for name in [name for name, at in self._ends_us.items() if now_us >= at]:
            self.set(name, rings=False)

    @property
    def next_end_us(self) -> int | None:
        """When `expire` has something to do, monotonic microseconds."""
        return min(self._ends_us.values(), default=None)

    def __contains__(self, name: str) -> bool:
        return name in self._since_us

    def __iter__(self) -> Iterator[str]:
        return iter(self._since_us)

    def __bool__(self) -> bool:
        return bool(self._since_us)
