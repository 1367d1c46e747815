"""Central's metrics: fetched from the real endpoint and read with Prometheus' own parser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from sync import wire
from sync.central import metrics, tables
from sync.central.collector import Collector
from sync.central.inbound import read
from sync.central.metrics import CentralMetrics
from sync.central.store import Said, Store
from sync.config import MetricsConfig
from tests.central.test_collector import message
from tests.central.test_store import EPOCH, piece, put, stream
from tests.sync.lab import (
    KEY,
    KID,
    STATION,
    Broker,
    Journal,
    central_toml,
    free_port,
    start_collector,
    start_sync,
    until,
)
from tests.sync.test_metrics import Samples, scrape


class Desk:
    """A collector that counts, with its endpoint."""

    def __init__(self, store: Store, url: str) -> None:
        self.port = free_port()
        self.metrics = CentralMetrics(MetricsConfig(port=self.port), url)
        self.acks: list[wire.Ack] = []
        self.collector = Collector(store, self._sign, credit=9, retry_ms=1500, figures=self.metrics.figures)

    def _sign(self, ack: wire.Ack) -> bytes:
        self.acks.append(ack)
        return wire.seal_ack(ack, KID, KEY)

    def flush(self, *messages: object) -> Samples:
        """Let the collector work, then scrape."""
        self.collector.flush(list(map(read, messages)), lambda _topic, _payload: None)  # type: ignore[arg-type]
        return scrape(self.port)


def test_what_a_collector_has_done(store: Store, url: str) -> None:
    """Messages, new events, doubled ones, forks, refusals and the time of a flush are counted as they happened."""
    desk = Desk(store, url)
    rows = stream(100)
    try:
        first = desk.flush(message("log", wire.encode_batch(piece(rows, 1, 40).batch), wire.BATCH_TYPE))
        assert first["gate_central_events_committed_total", ()] == 40
        assert first["gate_central_events_doubled_total", ()] == 0
        again = desk.flush(
            message("log", wire.encode_batch(piece(rows, 31, 100).batch), wire.BATCH_TYPE),
            message("log", b"no batch", wire.BATCH_TYPE),
            message("nonsense", b""),
        )
        assert again["gate_central_events_committed_total", ()] == 100
        assert again["gate_central_events_doubled_total", ()] == 10
        assert again["gate_central_messages_total", (("leaf", "log"),)] == 3
        assert again["gate_central_messages_total", (("leaf", "other"),)] == 1
        assert again["gate_central_rejected_total", (("code", "not-zstd"),)] == 1
        assert again["gate_central_flush_seconds_count", ()] == 2
        assert 0 < again["gate_central_flush_seconds_sum", ()] < 60
        other = stream(100, note="another card", same=50)
        forked = desk.flush(message("log", wire.encode_batch(piece(other, 51, 60).batch), wire.BATCH_TYPE))
        assert forked["gate_central_forks_total", ()] == 1
        assert forked["gate_central_streams_forked", ()] == 1
        assert forked["gate_central_events_committed_total", ()] == 100
    finally:
        desk.metrics.close()


def test_stations_online_offline_and_what_is_lost(store: Store, url: str) -> None:
    """Offline is silence of 90 s; the longest silent are named, no more than fit; lost ranges by their fate."""
    store.note_stations([Said(f"gate-{n:03}", "state", "online", alive=True) for n in range(80)])
    now = time.time_ns() // 1000
    c = tables.station.c
    with store.reading() as db:
        silent = sa.update(tables.station).where(c.id < "gate-060")
        db.execute(silent.values(last_seen_us=now - (metrics.OFFLINE_S + 5) * 1_000_000))
        db.execute(sa.update(tables.station).where(c.id == "gate-059").values(last_seen_us=now - 3600 * 1_000_000))
        edge = sa.update(tables.station).where(c.id == "gate-070")
        db.execute(edge.values(last_seen_us=now - (metrics.OFFLINE_S - 30) * 1_000_000))
    store.note_lost("gate-000", 7, 5)
    desk = Desk(store, url)
    try:
        found = scrape(desk.port)
    finally:
        desk.metrics.close()
    assert found["gate_central_stations", (("state", "online"),)] == 20
    assert found["gate_central_stations", (("state", "offline"),)] == 60
    named = {
        dict(labels)["station"]: value for (name, labels), value in found.items() if name.endswith("_silent_seconds")
    }
    assert len(named) == metrics.MOST_NAMED
    assert 3600 <= named["gate-059"] < 3700
    assert found["gate_central_lost_ranges", (("state", "waiting"),)] == 1
    assert found["gate_central_lost_ranges", (("state", "skipped"),)] == 0
    assert found["gate_central_database_up", ()] == 1


def test_lost_rows_that_came_after_all_wait_for_nobody(store: Store, url: str) -> None:
    """What is counted is what `lost list` shows: or an alarm that nobody can end would hide the next loss."""
    rows = stream(20)
    put(store, piece(rows, 11, 20))
    store.note_lost(STATION, EPOCH, 11)
    desk = Desk(store, url)
    waiting = "gate_central_lost_ranges", (("state", "waiting"),)
    try:
        assert scrape(desk.port)[waiting] == 1
        put(store, piece(rows, 4, 6))
        assert scrape(desk.port)[waiting] == 2
        put(store, piece(rows, 1, 10))
        assert scrape(desk.port)[waiting] == 0
    finally:
        desk.metrics.close()


def test_a_scrape_asks_no_more_for_many_lost_ranges(store: Store, url: str) -> None:
    """What a stream holds is read once, in however many pieces it is."""
    rows = stream(100)
    put(store, *(piece(rows, n, n) for n in range(2, 101, 2)))
    fleet, asked = metrics.FleetFigures(url), list[str]()
    note = lambda _db, _cursor, statement, *_: asked.append(statement)  # noqa: E731 - a listener of four unused things
    counts = list[int]()
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for first_kept, waiting in ((3, 1), (101, 50)):
            store.note_lost(STATION, EPOCH, first_kept)
            asked.clear()
            found = {
                sample.labels["state"]: sample.value
                for one in fleet.collect()
                for sample in one.samples
                if one.name == "gate_central_lost_ranges"
            }
            assert found == {"waiting": waiting, "skipped": 0}
            counts.append(len(asked))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        fleet.close()
    assert counts[0] == counts[1]


def test_a_database_that_is_away(tmp_path: Path) -> None:
    """The scrape still answers: what the collector counted, and that the database cannot be used."""
    port = free_port()
    away = CentralMetrics(MetricsConfig(port=port), f"sqlite:///{tmp_path}/none/central.db")
    try:
        found = scrape(port)
    finally:
        away.close()
    assert found["gate_central_database_up", ()] == 0
    assert found["gate_central_events_committed_total", ()] == 0
    assert not [name for name, _ in found if name.startswith("gate_central_stations")]


def test_labels_stay_few(store: Store, url: str) -> None:
    """Whatever strangers publish, topics and contents make no series of their own."""
    desk = Desk(store, url)
    try:
        for n in range(30):
            found = desk.flush(message(f"leaf{chr(97 + n % 26)}", b"x", station=f"stranger-{n}"))
    finally:
        desk.metrics.close()
    assert {labels for name, labels in found if name == "gate_central_messages_total"} == {(("leaf", "other"),)}
    assert not [labels for _, labels in found if "station" in dict(labels)]


@pytest.mark.parametrize("offered", [True, False])
def test_the_real_collector(offered: bool, tmp_path: Path, broker: Broker, journal: Journal) -> None:
    """`gate-central serve` tells what it did where it is configured to, and listens nowhere otherwise."""
    last, port = journal.write(25), free_port()
    path = central_toml(tmp_path, broker.port, more=f"[metrics]\nport = {port}" if offered else "")
    collector = start_collector(tmp_path, path)
    station = start_sync(tmp_path, broker.port)
    try:
        with_all = lambda: scrape(port)["gate_central_events_committed_total", ()] == last  # noqa: E731
        if offered:
            until(lambda: _answers(port), what="the endpoint")
            until(with_all, what="the events")
            assert scrape(port)["gate_central_stations", (("state", "online"),)] == 1
        else:
            until((tmp_path / "sync" / "sync.db").exists, what="gate-sync")
            until(lambda: "ready" in _log(tmp_path), what="the collector")
            assert not _answers(port)
    finally:
        station.stop()
        collector.stop()


def _log(directory: Path) -> str:
    return (directory / "collector.log").read_text()


def _answers(port: int) -> bool:
    try:
        return bool(scrape(port))
    except OSError:
        return False
