"""The server's loop around the collector: PUBACK comes last, and never without a COMMIT."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from station.core import cose
from sync import mqtt, wire
from sync.central import config, serve
from sync.central.command_room import CommandRoom
from sync.central.site_desk import SiteDesk
from sync.central.site_round import MOST_UNDER_WAY
from sync.central.store import Store
from tests.central.test_sites import entered, raw
from tests.central.test_store import piece, stored, stream
from tests.sync.lab import STATION, central_toml


class FakeLink:
    """Remembers in which order things were sent."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.sent: list[tuple[str, bytes]] = []
        self.closed = False

    def publish(self, topic: str, payload: bytes, **_: object) -> int | None:
        """Take a message."""
        if self.closed:
            return None
        self.order.append(topic.rsplit("/", 1)[1])
        self.sent.append((topic, payload))
        return len(self.order)

    def subscribe(self, _filters: object) -> None:
        """Subscribe."""

    def acknowledge(self, _message: mqtt.Received) -> None:
        """Take a PUBACK."""
        self.order.append("puback")

    def close(self) -> None:
        """End."""
        self.closed = True


def make(directory: Path, more: str = "") -> tuple[Any, FakeLink]:
    """A server without network. `more`: tables to append to its configuration."""
    found = config.load(central_toml(directory, 1883, more=more))
    server = serve._Server(found, serve.read_keys(found), threading.Event(), lambda: None)
    server._store.open()
    link = FakeLink()
    server._link = link
    return server, link


def batch(link: Any, first: int, last: int) -> mqtt.Received:
    """A batch as received."""
    payload = wire.encode_batch(piece(stream(30), first, last).batch)
    return mqtt.Received(link, wire.up(STATION, "log"), payload, wire.BATCH_TYPE, 1, first, retained=False)


def test_the_puback_comes_after_the_acknowledgement(tmp_path: Path) -> None:
    """Drained together, several messages are answered by one acknowledgement and then PUBACKed one by one."""
    server, link = make(tmp_path)
    for first in (1, 11, 21):
        server._put(batch(link, first, first + 9))
    server._step()
    assert link.order == ["ack", "puback", "puback", "puback"]
    server._store.close()


def test_a_lost_database_is_waited_for_without_any_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """COMMIT is tried again until it works; before that neither acknowledgement nor PUBACK leaves; said once."""
    server, link = make(tmp_path)
    commit, failures = Store.commit_batches, [3]

    def unsteady(self: Store, offers: Any, asked: Any = ()) -> Any:
        if failures[0]:
            failures[0] -= 1
            assert link.order == []
            raise sa.exc.OperationalError("COMMIT", {}, Exception("gone"))
        return commit(self, offers, asked)

    monkeypatch.setattr(Store, "commit_batches", unsteady)
    server._put(batch(link, 1, 10))
    server._step()
    assert link.order == ["ack", "puback"]
    assert stored(server._store) == stream(30)[:10]
    assert caplog.text.count("the database cannot be used") == 1
    server._store.close()


def test_told_to_stop_it_answers_nothing_it_has_not_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop while the database is away leaves the messages to the next collector."""
    server, link = make(tmp_path)

    def gone(*_: object) -> None:
        server._stop.set()
        raise sa.exc.OperationalError("COMMIT", {}, Exception("gone"))

    monkeypatch.setattr(Store, "commit_batches", gone)
    server._put(batch(link, 1, 10))
    server._step()
    assert link.order == []
    server._store.close()


def test_messages_of_a_lost_connection_are_not_answered_on_the_next(tmp_path: Path) -> None:
    """Message ids belong to their connection: after a loss they mean something else."""
    server, link = make(tmp_path)
    server._put(batch(link, 1, 10))
    server._put(mqtt.Down(link, "lost"))  # type: ignore[arg-type]
    server._step()
    assert link.order == []
    assert server._link is None
    server._store.close()


def test_health_is_dropped_before_events_are(tmp_path: Path) -> None:
    """A queue that is full takes no more messages with QoS 0, and still all others."""
    server, link = make(tmp_path)
    tele = mqtt.Received(link, wire.up(STATION, "tele"), b"{}", wire.JSON_TYPE, 0, 0, retained=False)  # type: ignore[arg-type]
    for _ in range(serve.MOST_UNACKNOWLEDGED + 10):
        server._put(tele)
    server._put(batch(link, 1, 10))
    assert server._queue.qsize() == serve.MOST_UNACKNOWLEDGED + 1
    server._store.close()


def test_a_passage_is_told_although_the_broker_was_left_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Committed, and then the database away for so long that the link was closed: the next link begins with it."""
    server, link = make(tmp_path, f'[[site]]\nname = "garden"\nstations = ["{STATION}", "gate-west-1"]\n')
    timers = msgspec.structs.replace(server._config.timers, database_leave_s=0.0)
    server._config = msgspec.structs.replace(server._config, timers=timers)
    note = Store.note_stations

    def unsteady(self: Store, said: Any) -> None:
        if not link.closed:
            raise sa.exc.OperationalError("UPDATE", {}, Exception("gone"))
        note(self, said)

    monkeypatch.setattr(Store, "note_stations", unsteady)
    rows = [raw(entered(time.time_ns() // 1000))]
    passage = mqtt.Received(
        link,  # type: ignore[arg-type]
        wire.up(STATION, "log"),
        wire.encode_batch(piece(rows, 1, 1).batch),
        wire.BATCH_TYPE,
        1,
        1,
        retained=False,
    )
    health = mqtt.Received(link, wire.up(STATION, "tele"), b'{"queue":1}', wire.JSON_TYPE, 0, 0, retained=False)  # type: ignore[arg-type]
    server._put(passage)
    server._put(health)
    server._step()
    assert (link.closed, link.sent) == (True, [])
    server._link = again = FakeLink()
    server._put(mqtt.Up(again))  # type: ignore[arg-type]
    server._step()
    notices = [payload for topic, payload in again.sent if topic == wire.down("gate-west-1", "peer")]
    assert [len(cose.decode_strict(cose.open_sign1(payload).payload)["passages"]) for payload in notices] == [1, 0]
    server._store.close()


@pytest.mark.parametrize("leaf", ["log", "hello", "state", "rsp/0123456789abcdef", "nonsense"])
def test_only_health_may_come_without_an_acknowledgement(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, leaf: str
) -> None:
    """Anything else with QoS 0 would escape the receive maximum and fill the memory: dropped, counted, not logged."""
    server, link = make(tmp_path)
    for qos in (0, 0, 1):
        server._put(mqtt.Received(link, wire.up(STATION, leaf), b"{}", wire.JSON_TYPE, qos, 1, retained=False))  # type: ignore[arg-type]
    assert server._queue.qsize() == 1
    assert server._metrics.figures.registry.get_sample_value("gate_central_rejected_total", {"code": "qos"}) == 2
    assert caplog.records == []
    server._store.close()


def test_what_waits_for_its_commit_holds_no_payload(tmp_path: Path) -> None:
    """However large a message was, in the queue there is only what it says."""
    server, link = make(tmp_path)
    server._put(mqtt.Received(link, wire.up(STATION, "tele"), b" " * 10**6, wire.JSON_TYPE, 0, 0, retained=False))  # type: ignore[arg-type]
    server._put(batch(link, 1, 10))
    assert [server._queue.get_nowait().message.payload for _ in range(2)] == [b"", b""]
    server._store.close()


def test_answers_do_not_keep_events_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many answers there are, after a bounded number of them what has been gathered is committed."""
    server, link = make(tmp_path)
    monkeypatch.setattr(CommandRoom, "take", lambda *_: None)
    server._put(batch(link, 1, 10))
    topic = wire.up(STATION, "rsp/0123456789abcdef")
    for _ in range(2 * serve.MOST_AT_ONCE):
        server._put(mqtt.Received(link, topic, b"{}", wire.JSON_TYPE, 1, 1, retained=False))  # type: ignore[arg-type]
    server._step()
    assert link.order.index("ack") == serve.MOST_AT_ONCE - 1
    server._step()
    server._step()
    assert link.order.count("puback") == 2 * serve.MOST_AT_ONCE + 1
    server._store.close()


class Answering(FakeLink):
    """A link whose broker PUBACKs what it is sent: at once, unless it is told to be slow."""

    def __init__(self, server: Any) -> None:
        super().__init__()
        self._server, self.slow = server, False

    def publish(self, topic: str, payload: bytes, **_: object) -> int | None:
        """Take a message, and answer it."""
        mid = super().publish(topic, payload)
        if mid is not None and not self.slow:
            self._server._put(mqtt.Published(self, mid, 0))  # type: ignore[arg-type]
        return mid


def with_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> tuple[Any, Answering]:
    """A server that has just connected, where the gates of the sites are to be told `count` notices."""
    server, _ = make(tmp_path)
    notices = [(wire.down(STATION, "peer"), b"%d" % number) for number in range(count)]
    monkeypatch.setattr(SiteDesk, "every_minute", lambda _: iter(notices))
    link = Answering(server)
    server._link = link
    server._put(mqtt.Up(link))  # type: ignore[arg-type]
    return server, link


def test_eight_days_for_every_gate_keep_no_events_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after a new connection is acknowledged between the notices, and systemd hears that all is well."""
    server, link = with_news(tmp_path, monkeypatch, 10_000)
    alive = list[int]()
    monkeypatch.setattr(serve, "notify", lambda _: alive.append(len(link.sent)))
    server._step()
    server._put(batch(link, 1, 10))
    server._step()
    assert link.order.index("ack") < 100
    while len(link.sent) < 10_001:
        server._step()
    assert max(after - before for before, after in pairwise(alive)) < 100
    assert [payload for topic, payload in link.sent if topic.endswith("/peer")] == [b"%d" % n for n in range(10_000)]
    server._store.close()


def test_notices_do_not_pile_up_before_a_slow_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acknowledgements wait in the same line to the network: the next notices follow the PUBACKs."""
    server, link = with_news(tmp_path, monkeypatch, 1000)
    link.slow = True
    for _ in range(3):
        server._step()
    assert len(link.sent) == MOST_UNDER_WAY
    server._put(mqtt.Published(link, 1, 0))  # type: ignore[arg-type]
    server._step()
    assert len(link.sent) == MOST_UNDER_WAY + 1
    server._store.close()


def test_a_new_connection_begins_the_round_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was left of the round, and what was under way, went with the connection before."""
    server, link = with_news(tmp_path, monkeypatch, 1000)
    link.slow = True
    server._step()
    server._put(mqtt.Down(link, "lost"))  # type: ignore[arg-type]
    server._step()
    assert len(link.sent) == MOST_UNDER_WAY
    server._link = again = Answering(server)
    server._put(mqtt.Up(again))  # type: ignore[arg-type]
    server._step()
    assert [payload for _, payload in again.sent] == [b"%d" % number for number in range(MOST_UNDER_WAY)]
    server._store.close()
