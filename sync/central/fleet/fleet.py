"""The event loop of all simulated stations: one thread, one selector, one heap of what is due when."""

from __future__ import annotations

import heapq
import random
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from sync import wire
from sync.central.fleet.station import Station, Surroundings
from sync.central.fleet.tally import Tally
from sync.config import BrokerConfig, StationConfig, SyncConfig, TimersConfig

MOST_SPREAD_S, STATIONS_PER_S = 60.0, 200
MOST_WRITES = 200
"""Events recorded before the sockets get their turn again."""
LOOK_S = 0.2


def spread_s(stations: int) -> float:
    """Return over how long so many stations should spread their reconnects, seconds (sync protocol)."""
    return min(MOST_SPREAD_S, stations / STATIONS_PER_S)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the fleet is to do. `rate`: events a second of all stations together."""

    stations: int
    rate: float
    seed: int
    broker: BrokerConfig
    zone: str
    prefix: str
    timers: TimersConfig


@dataclass(frozen=True, slots=True)
class Moment:
    """One second of the fleet. `at`: monotonic time at its end; waits in milliseconds."""

    at: float
    online: int
    heard: int
    written: int
    acknowledged: int
    longest_ms: float
    """The longest wait of an event that was acknowledged in this second."""
    oldest_ms: float
    """How long the oldest event without acknowledgement has waited."""
    late_ms: float
    """How late the fleet itself was at most: above some hundred, it is what is measured."""


class Fleet:
    """All stations. Nothing is started before `run`."""

    def __init__(
        self, plan: Plan, keys: wire.AckVerifier, context: Callable[[str], ssl.SSLContext] | None = None
    ) -> None:
        """`context`: gives a station's TLS context. Raises OSError where the broker's name cannot be resolved."""
        self.plan, self.tally = plan, Tally(plan.stations)
        self._dice = random.Random(plan.seed)  # noqa: S311 - traffic, not a secret
        self._selector = selectors.DefaultSelector()
        self._watched: dict[str, tuple[int, int]] = {}
        self._heap: list[tuple[float, int, Station]] = []
        self._scheduled: dict[str, float] = {}
        self._number = count()
        family, *_, address = socket.getaddrinfo(plan.broker.host, plan.broker.port, type=socket.SOCK_STREAM)[0]
        around = Surroundings(
            (str(address[0]), int(address[1])), family, keys, self.tally, self._watch, self._dice, context
        )
        now = time.monotonic()
        self.stations = [self._station(number, around, now) for number in range(1, plan.stations + 1)]
        self._quiet, self._ending = False, False

    def _station(self, number: int, around: Surroundings, now: float) -> Station:
        plan = self.plan
        config = SyncConfig(
            station=StationConfig(id=f"{plan.prefix}-{number:05}", zone=plan.zone),
            broker=plan.broker,
            timers=plan.timers,
        )
        return Station(config, around, now + self._dice.uniform(0, spread_s(plan.stations)))

    def stop_writing(self) -> None:
        """Record no more events; may be called from a signal handler."""
        self._quiet = True

    def run(self, seconds: float, settle_s: float) -> Iterator[Moment]:
        """Record events for some time, then wait until all are acknowledged, at most `settle_s`; yield each second."""
        now = time.monotonic()
        self.tally.begin(now)
        for station in self.stations:
            self._schedule(station, now)
        end, deadline = now + seconds, 0.0
        next_event, next_second = now, now + 1
        while True:
            now = time.monotonic()
            self._quiet = self._quiet or now >= end
            if not self._quiet:
                next_event = self._write(next_event, now)
            if self._quiet and not deadline:
                deadline = now + settle_s
            self._turn(now, min(next_second, now + LOOK_S if self._quiet or not self.plan.rate else next_event))
            if time.monotonic() >= next_second:
                next_second += 1
                yield self._moment()
                if deadline and (self._settled() or now >= deadline):
                    return

    def _settled(self) -> bool:
        return self.tally.heard == len(self.stations) and self.tally.acknowledged == self.tally.written

    def _write(self, due: float, now: float) -> float:
        """Record the events that are due; return when the next one is."""
        if not self.plan.rate:
            return now + LOOK_S
        for _ in range(MOST_WRITES):
            if due > now:
                break
            station = self._dice.choice(self.stations)
            station.write(now)
            self._schedule(station, now)
            due += self._dice.expovariate(self.plan.rate)
        return due

    def _turn(self, now: float, until: float) -> None:
        """Serve sockets and what is due, once."""
        if self._heap:
            until = min(until, self._heap[0][0])
        for key, _ in self._selector.select(max(0.0, until - now)):
            station: Station = key.data
            moment = time.monotonic()
            station.ready(moment)
            self._schedule(station, moment)
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, station = heapq.heappop(self._heap)
            if self._scheduled.get(station.name) != due:
                continue  # it has been scheduled anew since
            self.tally.late_s = max(self.tally.late_s, now - due)
            del self._scheduled[station.name]
            station.act(now)
            self._schedule(station, now)

    def _schedule(self, station: Station, now: float) -> None:
        due = station.due(now)
        if self._scheduled.get(station.name) != due:
            self._scheduled[station.name] = due
            heapq.heappush(self._heap, (due, next(self._number), station))

    def _watch(self, station: Station, sock: socket.socket | None, *, write: bool) -> None:
        known = self._watched.get(station.name)
        if sock is None:
            if known is not None:
                self._selector.unregister(known[0])
                del self._watched[station.name]
            return
        wanted = (sock.fileno(), selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0))
        if known == wanted:
            return
        if known is None:
            self._selector.register(wanted[0], wanted[1], station)
        else:
            self._selector.modify(wanted[0], wanted[1], station)
        self._watched[station.name] = wanted

    def _moment(self) -> Moment:
        tally, now = self.tally, time.monotonic()
        oldest = max(station.oldest_s(now) for station in self.stations)
        longest, late = tally.second()
        figures = (tally.online, tally.heard, tally.written, tally.acknowledged)
        return Moment(now, *figures, *(round(one * 1000, 1) for one in (longest, oldest, late)))

    def close(self) -> None:
        """Say goodbye everywhere."""
        for station in self.stations:
            station.end()
        self._selector.close()
