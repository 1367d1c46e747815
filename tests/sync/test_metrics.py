"""The station's metrics: fetched from the real endpoint and read with Prometheus' own parser."""

from __future__ import annotations

import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from sync import config
from sync.config import MetricsConfig
from sync.metrics import Counts, Endpoint, station_registry
from tests.sync.lab import STATION, Broker, Journal, Listener, Process, free_port, sync_toml, until
from tests.sync.test_agent import Running

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(port: int) -> Samples:
    """Fetch and parse an endpoint: (name, labels) to value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def with_metrics(path: Path, port: int) -> Path:
    """Let a configuration offer metrics."""
    path.write_text(path.read_text() + f"\n[metrics]\nport = {port}\n")
    return path


@pytest.fixture
def port() -> int:
    """A free port."""
    return free_port()


@pytest.fixture
def running(tmp_path: Path, broker: Broker, journal: Journal, port: int) -> Iterator[Running]:
    """An agent with metrics, a journal of 40 events and a broker, but no central."""
    journal.write(40)
    found = Running(with_metrics(sync_toml(tmp_path, broker.port), port))
    yield found
    if found.thread.is_alive():
        found.end()


def test_what_a_station_tells(running: Running, broker: Broker, journal: Journal, port: int) -> None:
    """Queue, link, batches, those that nobody acknowledged and acknowledgements of no use are there and true."""
    listener = Listener(broker.port, f"gs/1/{STATION}/up/#")
    until(lambda: scrape(port)["gate_sync_link_up", ()] == 1, what="the link")
    until(lambda: scrape(port)["gate_sync_batches_unacknowledged_total", ()] >= 1, what="a retransmission")
    sent = sum(topic.endswith("/log") for topic in listener.topics())
    found = scrape(port)
    assert found["gate_sync_batches_sent_total", ()] >= sent >= 1
    assert found["gate_sync_queue_events", ()] == 40
    assert found["gate_sync_acknowledged_seq", ()] == 0
    assert 0 < found["gate_sync_oldest_unacknowledged_age_seconds", ()] < 120
    assert found["gate_sync_files_readable", ()] == 1
    assert ("gate_sync_certificate_days", ()) not in found
    listener.link.publish(f"gs/1/{STATION}/dn/ack", b"not signed by anybody")
    bad = ("gate_sync_acks_ignored_total", (("code", "malformed"),))
    until(lambda: scrape(port).get(bad) == 1, what="the refused acknowledgement")
    names = {label for _, labels in scrape(port) for label, _ in labels}
    assert names == {"code"}
    listener.link.close()


def test_it_ends_with_the_program(running: Running, port: int) -> None:
    """After a clean stop nothing listens any more."""
    until(lambda: scrape(port), what="the endpoint")
    running.end()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_off_unless_configured(tmp_path: Path) -> None:
    """Without the table nothing listens, and the host is loopback where it is not named."""
    settings = config.load(sync_toml(tmp_path, 1))
    assert settings.metrics is None
    assert config.load(with_metrics(sync_toml(tmp_path, 1), 9100)).metrics == MetricsConfig(port=9100, host="127.0.0.1")


def test_a_taken_port_stops_nothing(tmp_path: Path, broker: Broker, journal: Journal) -> None:
    """The port belongs to somebody else: gate-sync says so and works on."""
    journal.write(3)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listener = Listener(broker.port, f"gs/1/{STATION}/up/#")
        path = with_metrics(sync_toml(tmp_path, broker.port), port)
        command = [sys.executable, "-m", "sync.cli", "run", "--config", str(path)]
        process = Process(command, tmp_path / "sync.log")
        try:
            until(lambda: any(topic.endswith("/log") for topic in listener.topics()), what="the events")
        finally:
            process.stop()
    listener.link.close()
    assert f"no metrics at 127.0.0.1:{port}" in (tmp_path / "sync.log").read_text()


def test_counts_are_handed_through() -> None:
    """What the program counts comes out under its own name, also before either file is there."""
    registry = station_registry(
        config.parse(
            '[station]\nid = "a"\nzone = "320611001001"\n[broker]\nhost = "b"\n'
            '[paths]\njournal = "/nowhere/j"\nstate = "/nowhere"\nrun = "/nowhere"\n'
        ),
        lambda: Counts(online=False, batches=7, retransmitted=2, ignored={"head": 3}),
    )
    port = free_port()
    endpoint = Endpoint(MetricsConfig(port=port), registry)
    try:
        found = scrape(port)
    finally:
        endpoint.close()
    assert found["gate_sync_batches_sent_total", ()] == 7
    assert found["gate_sync_batches_unacknowledged_total", ()] == 2
    assert found["gate_sync_acks_ignored_total", (("code", "head"),)] == 3
    assert found["gate_sync_files_readable", ()] == 0
    assert ("gate_sync_queue_events", ()) not in found


def test_a_slow_reader_does_not_hold_up_the_next(port: int) -> None:
    """Somebody who connects and says nothing leaves the endpoint to others."""
    endpoint = Endpoint(MetricsConfig(port=port), CollectorRegistry())
    try:
        with socket.create_connection(("127.0.0.1", port)):
            began = time.monotonic()
            assert scrape(port) == {}
            assert time.monotonic() - began < 5
    finally:
        endpoint.close()
