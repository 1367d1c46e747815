"""Figures as Prometheus text: the endpoint of both ends, and what a station tells there.

What lies in the two files is read at each scrape, in the scrape's own thread, as `gate-sync status` reads it; what only
the running program knows is handed over as numbers. No label names a person, a pass or a station.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sync import status
from sync.config import MetricsConfig, SyncConfig

log = logging.getLogger(__name__)


class Endpoint:
    """Hands out what a registry holds at http://HOST:PORT/metrics until it is closed."""

    def __init__(self, config: MetricsConfig | None, registry: CollectorRegistry) -> None:
        """`config`: None where nothing is to listen. A port that is taken is said in the log and stops nothing."""
        self._started = None
        if config is None:
            return
        where = f"{config.host}:{config.port}"
        try:
            self._started = start_http_server(config.port, config.host, registry)
        except OSError as error:
            log.error("no metrics at %s: %s; name another port in [metrics]", where, error)  # noqa: TRY400
            return
        log.info("metrics at http://%s/metrics", where)

    def close(self) -> None:
        """Stop listening. May be called twice."""
        if self._started is not None:
            server, thread = self._started
            server.shutdown()
            server.server_close()
            thread.join()
            self._started = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What only the running gate-sync knows. `ignored`: acknowledgements that were of no use, by what was wrong."""

    online: bool = False
    batches: int = 0
    retransmitted: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)


Families: TypeAlias = Iterator[Metric]


class StationFigures(Collector):
    """A station's figures. `counts` is called from the threads of the scrapes."""

    def __init__(self, config: SyncConfig, counts: Callable[[], Counts]) -> None:
        self._config, self._counts = config, counts

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names need not be known before the first scrape."""
        return ()

    def collect(self) -> Families:
        """Yield the figures of this moment."""
        yield from _counted(self._counts())
        yield from _filed(status.examine(self._config, dt.datetime.now(dt.UTC)))


def station_registry(config: SyncConfig, counts: Callable[[], Counts]) -> CollectorRegistry:
    """Return a registry with a station's figures alone."""
    registry = CollectorRegistry()
    registry.register(StationFigures(config, counts))
    return registry


def _counted(counts: Counts) -> Families:
    yield GaugeMetricFamily("gate_sync_link_up", "1 while there is a connection to the broker.", float(counts.online))
    yield CounterMetricFamily("gate_sync_batches_sent", "Batches of events sent since the start.", counts.batches)
    yield CounterMetricFamily(
        "gate_sync_batches_unacknowledged",
        "Batches without an acknowledgement in time, whose events are sent again.",
        counts.retransmitted,
    )
    ignored = CounterMetricFamily(
        "gate_sync_acks_ignored", "Acknowledgements that were refused or of no use.", labels=["code"]
    )
    for code, count in counts.ignored.items():
        ignored.add_metric([code], count)
    yield ignored


def _filed(report: status.Report) -> Families:
    well = report.journal is not None and report.link is not None
    yield GaugeMetricFamily("gate_sync_files_readable", "1 where journal.db and sync.db can be read.", float(well))
    if report.journal is not None:
        yield GaugeMetricFamily("gate_sync_queue_events", "Events that central has not acknowledged.", report.queue)
        yield GaugeMetricFamily(
            "gate_sync_acknowledged_seq", "Up to which event central has acknowledged.", report.acknowledged
        )
        yield GaugeMetricFamily(
            "gate_sync_oldest_unacknowledged_age_seconds",
            "Age of the oldest event that central has not acknowledged; 0 where none waits.",
            report.oldest_age_s,
        )
        yield GaugeMetricFamily(
            "gate_sync_quarantined_journals", "Damaged journals still to be sent.", len(report.quarantined)
        )
    if report.acknowledged_at is not None:
        yield GaugeMetricFamily(
            "gate_sync_acknowledged_timestamp_seconds",
            "When central last acknowledged something new, Unix time.",
            report.acknowledged_at.timestamp(),
        )
    if report.certificate is not None:
        yield GaugeMetricFamily(
            "gate_sync_certificate_days", "Whole days until the certificate ends.", report.certificate.days_left
        )
