"""Central's figures as Prometheus text: what this collector has done, and what the database says of all stations.

Stations are named only where something is wrong with them, and then at most MOST_NAMED: those that have been silent for
the longest. Nothing here names a person or a pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sync import wire
from sync.central import tables
from sync.central.database import Database, now_us
from sync.central.lost_table import lost_rows
from sync.central.store import Standing
from sync.config import MetricsConfig
from sync.metrics import Endpoint

OFFLINE_S = 90
"""A station is offline when it has neither said hello nor told of its health for so long."""
MOST_NAMED = 50
_LEAVES = frozenset({"log", "hello", "tele", "state"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CollectorFigures:
    """What one collector has done since its start. Any thread may count and read."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._messages = Counter(
            "gate_central_messages", "Messages taken, by the last part of their topic.", ["leaf"], registry=registry
        )
        self._events = Counter("gate_central_events_committed", "Events committed.", registry=registry)
        self._doubled = Counter(
            "gate_central_events_doubled", "Events that came although they were held already.", registry=registry
        )
        self._rejected = Counter(
            "gate_central_rejected", "Messages that could not be used, by what was wrong.", ["code"], registry=registry
        )
        self._forks = Counter(
            "gate_central_forks", "Flushes in which a stream offered other rows than are held.", registry=registry
        )
        self._lost = Counter(
            "gate_central_lost_events",
            "Events that a station no longer keeps and central never had, when they were found.",
            registry=registry,
        )
        self._seconds = Histogram(
            "gate_central_flush_seconds",
            "From the first message of a flush to the acknowledgements behind its COMMIT.",
            registry=registry,
            buckets=_SECONDS,
        )

    def flushed(self, topics: Iterable[str], standing: Iterable[Standing], seconds: float) -> None:
        """Count a flush that is committed and acknowledged."""
        for topic in topics:
            self._messages.labels(_leaf(topic)).inc()
        for one in standing:
            self._events.inc(one.fresh)
            self._doubled.inc(one.doubled)
            self._forks.inc(one.forked)
        self._seconds.observe(seconds)

    def rejected(self, code: str) -> None:
        """Count a message that could not be used. `code`: one of wire.WireError, `database`, or `qos`."""
        self._rejected.labels(code).inc()

    def lost(self, rows: int) -> None:
        """Count rows that were found lost."""
        self._lost.inc(rows)


def _leaf(topic: str) -> str:
    """Return the last part of a topic, where stations send such; a stranger's topic makes no series of its own."""
    try:
        leaf = wire.parse_up(topic)[1]
    except wire.WireError:
        return "other"
    return leaf if leaf in _LEAVES else "other"


class FleetFigures(Collector):
    """What the database says of all stations, the same at every collector. Asked at each scrape, one at a time."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the database is asked when somebody scrapes, not at the start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of this moment; only that the database cannot be used where it cannot."""
        found = list[Metric]()
        up = True
        try:
            with self._lock, self._database.reading() as db:
                found = [*_stations(db, now_us()), _forked(db), _lost(db)]
        except (sa.exc.DBAPIError, sa.exc.TimeoutError):
            up = False
        yield GaugeMetricFamily("gate_central_database_up", "1 where the database can be used.", float(up))
        yield from found


class CentralMetrics:
    """Everything that a collector tells, and the endpoint where it does if it is configured to."""

    def __init__(self, config: MetricsConfig | None, url: str) -> None:
        """`url`: of the database."""
        self.figures, self._fleet = CollectorFigures(), FleetFigures(url)
        self.figures.registry.register(self._fleet)
        self._endpoint = Endpoint(config, self.figures.registry)

    def close(self) -> None:
        """Stop listening, let go of the database."""
        self._endpoint.close()
        self._fleet.close()


def _stations(db: sa.Connection, now: int) -> Iterator[Metric]:
    seen = tables.station.c.last_seen_us
    since = now - OFFLINE_S * 1_000_000
    total, online = db.execute(sa.select(sa.func.count(), sa.func.count(sa.case((seen >= since, 1))))).one()
    counted = GaugeMetricFamily(
        "gate_central_stations", f"Stations; offline: silent for {OFFLINE_S} s.", labels=["state"]
    )
    counted.add_metric(["online"], online)
    counted.add_metric(["offline"], total - online)
    yield counted
    silent = GaugeMetricFamily(
        "gate_central_station_silent_seconds",
        f"How long an offline station has been silent; the {MOST_NAMED} longest.",
        labels=["station"],
    )
    query = sa.select(tables.station.c.id, seen).where(seen < since).order_by(seen, tables.station.c.id)
    for row in db.execute(query.limit(MOST_NAMED)):
        silent.add_metric([row.id], (now - row.last_seen_us) / 1e6)
    yield silent


def _forked(db: sa.Connection) -> Metric:
    query = sa.select(sa.func.count()).where(tables.stream.c.forked_us.is_not(None))
    count = db.execute(query).scalar_one()
    return GaugeMetricFamily("gate_central_streams_forked", "Streams that ever offered other rows than held.", count)


def _lost(db: sa.Connection) -> Metric:
    rows = lost_rows(db)
    let_go = sum(one.skipped_us is not None for one in rows)
    found = GaugeMetricFamily(
        "gate_central_lost_ranges",
        "Ranges of lost events that have not come since; skipped: let go by an operator.",
        labels=["state"],
    )
    found.add_metric(["waiting"], len(rows) - let_go)
    found.add_metric(["skipped"], let_go)
    return found
