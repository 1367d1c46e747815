"""What the fleet did, as figures: who is connected, what is acknowledged, how long events and stations waited."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outage:
    """From the first connection lost until all stations were heard again. Seconds since the first loss."""

    began: float
    lost: int = 0
    """Connections lost."""
    broker_back: float | None = None
    """When the first station was connected again."""
    all_back: float | None = None
    first_tries: list[float] = field(default_factory=list)
    """After which wait each station was to try for the first time, since it lost its own connection."""
    heard: Counter[int] = field(default_factory=Counter)
    """Stations heard again in each second."""


class Tally:
    """Counts for all stations together. Times are seconds of the monotonic clock."""

    def __init__(self, stations: int) -> None:
        self.stations = stations
        self.online, self.heard = 0, 0
        self.written, self.acknowledged = 0, 0
        self.peak, self._before = 0, 0
        """The most events acknowledged in one second."""
        self.connects, self.failures = 0, 0
        self.tele, self.documents = 0, 0
        self.outages: list[Outage] = []
        self.all_heard_after: float | None = None
        """How long after the start all stations were heard for the first time, seconds."""
        self.longest_s, self.late_s = 0.0, 0.0
        """Of the second under way: the longest wait of an event for its acknowledgement; the fleet's own delay."""
        self.waits: Counter[int] = Counter()
        """Waits of events for their acknowledgement, by whole milliseconds."""
        self._began = 0.0

    def begin(self, now: float) -> None:
        """Start the clock."""
        self._began = now

    @property
    def outage(self) -> Outage | None:
        """The outage under way."""
        return self.outages[-1] if self.outages and self.outages[-1].all_back is None else None

    def connected(self, now: float) -> None:
        """Count a connection the broker has accepted."""
        self.online += 1
        self.connects += 1
        if (outage := self.outage) and outage.broker_back is None:
            outage.broker_back = now - outage.began

    def lost(self, now: float, *, was_heard: bool) -> None:
        """Count a connection lost."""
        self.online -= 1
        self.heard -= was_heard
        if self.all_heard_after is None:
            return
        if self.outage is None:
            self.outages.append(Outage(now))
        self.outages[-1].lost += 1

    def first_try(self, since_loss_s: float) -> None:
        """Note the wait that a station drew before its first try to come back; however late the fleet is."""
        if self.outage:
            self.outage.first_tries.append(since_loss_s)

    def answered(self, now: float) -> None:
        """Count a station whose hello central has answered."""
        self.heard += 1
        if outage := self.outage:
            outage.heard[int(now - outage.began)] += 1
        if self.heard < self.stations:
            return
        if self.all_heard_after is None:
            self.all_heard_after = now - self._began
        if outage := self.outage:
            outage.all_back = now - outage.began

    def waited(self, seconds: float) -> None:
        """Count an event that is acknowledged."""
        self.acknowledged += 1
        self.waits[round(seconds * 1000)] += 1
        self.longest_s = max(self.longest_s, seconds)

    def second(self) -> tuple[float, float]:
        """End a second; return its longest wait of an event and the fleet's own delay, seconds."""
        self.peak, self._before = max(self.peak, self.acknowledged - self._before), self.acknowledged
        found = self.longest_s, self.late_s
        self.longest_s = self.late_s = 0.0
        return found

    def wait_ms(self, share: float) -> int | None:
        """Return the wait that this share of the events did not exceed, milliseconds; None where there were none."""
        wanted, found = share * self.acknowledged, 0
        for ms in sorted(self.waits):
            found += self.waits[ms]
            if found >= wanted:
                return ms
        return None
