"""A real broker that already holds everything: a consumer finds its queue full when the clock starts.

So no peer shares the machine with whoever publishes. The session belongs to the client id `bench`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from sync import wire
from sync.config import BrokerConfig
from sync.mqtt import Link, Published, Settings, Subscribed, Up
from tests.demo.processes import Process, free_port, listening, until
from tests.sync_bench.traffic import Journal

CLIENT = "bench"
SESSION_S = 3600
PLAIN_FILTERS = ("gs/1/+/up/log",)
STATIONS = 50
Message = tuple[str, bytes, str]
"""Topic, payload, content type."""


class Broker:
    """Mosquitto on a loopback port of its own, without limits on what waits for a client."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError where it is not installed."""
        binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise FileNotFoundError("mosquitto is not installed; run: apt-get install mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            *(["user root"] if os.geteuid() == 0 else []),
            "allow_anonymous true",
            "persistence false",
            "set_tcp_nodelay true",
            "max_queued_messages 0",
            "max_inflight_messages 0",
        ]
        config = folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        self._process = Process([binary, "-c", str(config)], folder / "mosquitto.log")
        until(lambda: listening(self.port), 10, "Mosquitto listens")

    def stop(self) -> None:
        """End it."""
        self._process.stop()


def batches(journal: Journal, events: int, size: int, *, compressed: bool) -> Iterator[Message]:
    """Yield `events` events of several stations in batches, the stations taking turns.

    `compressed`: as stations send them; else the same JSON as it is, which any consumer reads without more ado.
    """
    for first in range(1, events // STATIONS + 1, size):
        batch = journal.batch(first, min(first + size - 1, events // STATIONS))
        payload, kind = (
            (wire.encode_batch(batch), wire.BATCH_TYPE) if compressed else (msgspec.json.encode(batch), wire.JSON_TYPE)
        )
        for station in range(STATIONS):
            yield wire.up(f"gate-{station}", "log"), payload, kind


class _Client:
    """A connection whose answers can be waited for."""

    def __init__(self, port: int, name: str, *, keep: bool) -> None:
        self.seen: list[object] = []
        broker = BrokerConfig(host="127.0.0.1", port=port)
        settings = Settings(name, broker, True, SESSION_S if keep else 0, 200, wire.MAX_PAYLOAD)
        self.link = Link(settings, self.seen.append)
        self.link.start()
        self.wait(Up, 1)

    def wait(self, kind: type, count: int) -> None:
        """Wait until so many answers of a kind have come."""
        until(lambda: sum(isinstance(one, kind) for one in self.seen) >= count, 120, kind.__name__)


def load(port: int, messages: Iterable[Message], filters: Sequence[str]) -> None:
    """Leave a session behind that holds these messages."""
    session = _Client(port, CLIENT, keep=True)
    session.link.subscribe(filters)
    session.wait(Subscribed, 1)
    session.link.close()
    publisher, count = _Client(port, "feeder", keep=False), 0
    for topic, payload, content_type in messages:
        publisher.link.publish(topic, payload, content_type=content_type)
        count += 1
    publisher.wait(Published, count)
    publisher.link.close()


def forget(port: int) -> None:
    """End the session. A shared subscription of nobody would go on taking its share of what others wait for."""
    _Client(port, CLIENT, keep=False).link.close()
