"""The collector's order of things: COMMIT, then acknowledgement, then PUBACK - and the publisher's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from station.core import events
from sync import wire
from sync.central import ranges, tables
from sync.central.collector import Collector
from sync.central.document_table import StoredDocument
from sync.central.inbound import read
from sync.central.publisher import Publisher
from sync.central.store import Store
from sync.mqtt import Received
from tests.central.test_store import piece, stored, stream
from tests.sync.lab import KEY, KID, STATION

EPOCH = 2**62 + 5


class Desk:
    """A collector with a real SQLite database and everything it has sent."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(f"sqlite:///{directory}/central.db")
        self.store.open()
        self.acks: list[wire.Ack] = []
        self.committed_when_sent: list[int] = []
        seal = lambda ack: wire.seal_ack(ack, KID, KEY)  # noqa: E731 - the one line of what serve.run passes
        self.collector = Collector(self.store, seal, credit=9, retry_ms=1500)

    def send(self, topic: str, payload: bytes) -> None:
        """Take an acknowledgement and look what is committed at this very moment."""
        assert topic == f"gs/1/{STATION}/dn/ack"
        self.acks.append(wire.open_ack(payload, lambda kid: KEY.public_key() if kid == KID else None))
        with self.store.reading() as db:
            self.committed_when_sent.append(
                db.execute(sa.select(sa.func.count()).select_from(tables.event)).scalar_one()
            )

    def flush(self, *messages: Received) -> None:
        """Let the collector work."""
        self.collector.flush(list(map(read, messages)), self.send)

    def rejected(self) -> dict[str, int]:
        """Counted messages by kind."""
        with self.store.reading() as db:
            return {row.code: row.count for row in db.execute(sa.select(tables.rejected))}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk."""
    found = Desk(tmp_path)
    yield found
    found.store.close()


def message(leaf: str, payload: bytes, content_type: str = wire.JSON_TYPE, station: str = STATION) -> Received:
    """A message as paho delivers it."""
    link: Any = None
    return Received(link, f"gs/1/{station}/up/{leaf}", payload, content_type, 1, 1, retained=False)


def batch(first: int, last: int) -> Received:
    """A batch of the stream."""
    return message("log", wire.encode_batch(piece(stream(60), first, last).batch), wire.BATCH_TYPE)


def hello(first_kept: int = 1, nonce: int = 7) -> Received:
    """A hello."""
    greeting = wire.Hello(epoch=EPOCH, nonce=nonce, first_kept=first_kept, next_seq=61, acked=0, head="0" * 64)
    return message("hello", wire.encode(greeting))


def test_one_acknowledgement_per_station_from_behind_the_commit(desk: Desk) -> None:
    """Several messages of a station are one transaction and one acknowledgement; when it leaves, the rows are there."""
    desk.flush(batch(1, 10), batch(11, 20), batch(31, 40), hello())
    assert desk.committed_when_sent == [30]
    ack = desk.acks[0]
    assert (ack.prefix.seq, ack.prefix.head) == (20, piece(stream(60), 1, 20).hashes[-1].hex())
    assert [(h.first, h.last) for h in ack.held] == [(31, 40)]
    assert (ack.hello, ack.credit, ack.retry_ms, ack.fork) == (7, 9, 1500, False)
    assert ack.db_generation == desk.store.generation


def test_no_commit_no_acknowledgement(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the COMMIT fails, nothing is sent; the same messages given again are committed once."""
    monkeypatch.setattr(Store, "commit_batches", _lost)
    with pytest.raises(sa.exc.OperationalError):
        desk.flush(batch(1, 10))
    assert desk.acks == []
    monkeypatch.undo()
    desk.flush(batch(1, 10))
    desk.flush(batch(1, 10))
    assert stored(desk.store) == stream(60)[:10]
    assert [ack.prefix.seq for ack in desk.acks] == [10, 10], "a duplicate is acknowledged too: the first may be lost"


def _lost(*_: object) -> None:
    raise sa.exc.OperationalError("COMMIT", {}, Exception("the server closed the connection"))


def test_hello_is_answered_also_where_nothing_is_known(desk: Desk) -> None:
    """A station that was acknowledged while away learns it; one that central has forgotten learns that."""
    desk.flush(hello(nonce=1))
    assert (desk.acks[0].prefix.seq, desk.acks[0].prefix.head) == (0, events.GENESIS.hex())
    desk.flush(batch(1, 10))
    desk.flush(hello(nonce=2))
    assert (desk.acks[2].prefix.seq, desk.acks[2].hello) == (10, 2)


def test_of_an_ended_stream_the_ranges_are_named_that_are_asked_for(desk: Desk) -> None:
    """More ranges than fit: a hello of an ended stream says from where on, so that what was sent last is among them."""
    desk.flush(*(batch(seq, seq) for seq in range(2, 60, 2)), hello())
    assert [held.first for held in desk.acks[-1].held] == [*range(2, 34, 2)]
    asked = wire.Hello(epoch=EPOCH, nonce=8, first_kept=1, next_seq=61, acked=49, head="0" * 64, ended=True)
    desk.flush(batch(50, 50), message("hello", wire.encode(asked)))
    assert [(held.first, held.last) for held in desk.acks[-1].held] == [(seq, seq) for seq in range(50, 60, 2)]
    assert (desk.acks[-1].prefix.seq, desk.acks[-1].hello) == (0, 8)


def test_rows_lost_for_good_are_written_down(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Rows a station no longer keeps and central never had are an explicit lost range, said once."""
    desk.flush(hello(first_kept=5))
    desk.flush(hello(first_kept=5))
    with desk.store.reading() as db:
        assert [(r.first, r.last) for r in db.execute(sa.select(tables.lost_range))] == [(1, 4)]
    assert caplog.text.count("never received") == 1


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (message("log", b"\0\0", wire.BATCH_TYPE), "not-zstd"),
        (message("log", wire.encode_batch(piece(stream(9), 1, 9).batch)), "content-type"),
        (message("hello", b"{}"), "malformed"),
        (message("tele", b"[" * 100_000), "malformed"),
        (message("state", b'{"v":1,"state":"dancing"}'), "malformed"),
        (message("nonsense", b"{}"), "topic"),
        (message("log", b"x", wire.BATCH_TYPE, station="UPPER"), "topic"),
        (message("log", b"x" * (wire.MAX_PAYLOAD + 1), wire.BATCH_TYPE), "too-big"),
    ],
)
def test_an_unusable_message_is_counted_and_hinders_nobody(
    desk: Desk, bad: Received, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted each time, logged once, and the good batch beside it is committed."""
    for _ in range(3):
        desk.flush(bad, batch(1, 10))
    assert desk.rejected() == {code: 3}
    assert caplog.text.count("cannot be used") == 1
    assert stored(desk.store) == stream(60)[:10]


@pytest.mark.parametrize(
    "fault",
    [
        sa.exc.DataError("INSERT", {}, Exception("no")),
        sa.exc.IntegrityError("INSERT", {}, Exception("no")),
        OverflowError("no"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_batch_the_database_refuses_hinders_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """A batch that no database will take is counted, the others of the same transaction are committed."""
    commit = Store.commit_batches

    def picky(self: Store, offers: Any, asked: Any = ()) -> Any:
        if any(one.station == "poison" for one in offers):
            raise fault
        return commit(self, offers, asked)

    monkeypatch.setattr(Store, "commit_batches", picky)
    poison = message("log", batch(1, 10).payload, wire.BATCH_TYPE, station="poison")
    desk.flush(poison, batch(1, 10), hello())
    assert stored(desk.store) == stream(60)[:10]
    assert desk.rejected() == {"database": 1}
    assert [(ack.station, ack.prefix.seq, ack.hello) for ack in desk.acks] == [(STATION, 10, 7)]


def test_a_stream_in_too_many_pieces_hinders_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What would be one piece more is counted and not acknowledged; sent again when the holes are closed, it is."""
    monkeypatch.setattr(ranges, "MOST_RANGES", 2)
    for _ in range(2):
        desk.flush(batch(1, 10), batch(21, 30), batch(41, 50))
    assert desk.rejected() == {"ranges": 2}
    assert caplog.text.count("cannot be used") == 1
    assert [(held.first, held.last) for held in desk.acks[-1].held] == [(21, 30)]
    desk.flush(batch(11, 20))
    desk.flush(batch(41, 50))
    assert [(held.first, held.last) for held in desk.acks[-1].held] == [(41, 50)]


def test_a_fork_is_answered_as_one(desk: Desk) -> None:
    """The acknowledgement of a fork says so and claims only what is held."""
    desk.flush(batch(1, 10))
    other = piece(stream(60, "another life"), 1, 12).batch
    desk.flush(message("log", wire.encode_batch(other), wire.BATCH_TYPE))
    assert desk.acks[1].fork
    assert desk.acks[1].prefix.seq == 10


def test_signs_of_life_are_kept(desk: Desk) -> None:
    """State, health and hello of each station are there for who asks."""
    desk.flush(
        hello(),
        message("tele", wire.encode(wire.Tele(queue=3))),
        message("state", wire.encode(wire.State(state="online"))),
    )
    with desk.store.reading() as db:
        row = db.execute(sa.select(tables.station)).one()
    assert row.state == "online"
    assert wire.decode(row.tele.encode(), wire.Tele).queue == 3
    assert wire.decode(row.hello.encode(), wire.Hello).nonce == 7


def test_documents_are_published_once_per_connection_and_when_they_change(desk: Desk) -> None:
    """All after each connect, changed ones when they change, withdrawn ones as an empty text."""
    sent: list[tuple[str, bytes]] = []

    def publish(topic: str, payload: bytes) -> int:
        sent.append((topic, payload))
        return len(sent)

    publisher = Publisher(desk.store)
    desk.store.put_document("status", "all", "0", 5, b"manifest")
    desk.store.put_document("policy", "all", "0", 1, b"one")
    desk.store.put_document("status-chunk", "320611001001", "7-2", 5, b"chunk")
    for _ in range(2):
        publisher.look(publish)
    policy, chunk = ("gs/1/doc/all/policy/0", b"one"), ("gs/1/doc/320611001001/status-chunk/7-2", b"chunk")
    assert sent == [policy, chunk, ("gs/1/doc/all/status/0", b"manifest")], "the manifest comes after its chunks"
    desk.store.withdraw_document(StoredDocument("status", "all", "0", 5, b"manifest"))
    publisher.look(publish)
    assert sent.pop() == ("gs/1/doc/all/status/0", b"")
    del sent[2:]
    publisher.published(1, 0)
    with desk.store.reading() as db:
        c = tables.document.c
        assert db.execute(sa.select(c.type).where(c.published_us.is_not(None))).scalars().all() == ["policy"]
    desk.store.put_document("policy", "all", "0", 2, b"two")
    publisher.look(publish)
    assert sent[2:] == [("gs/1/doc/all/policy/0", b"two")]
    publisher.connected()
    publisher.look(publish)
    assert len(sent) == 5
    with desk.store.reading() as db:
        db.execute(sa.delete(tables.document).where(tables.document.c.type == "policy"))
    publisher.look(publish)
    assert sent[5:] == [("gs/1/doc/all/policy/0", b"")]


def test_a_document_not_sent_is_sent_later(desk: Desk) -> None:
    """Without a connection nothing counts as published."""
    publisher = Publisher(desk.store)
    desk.store.put_document("policy", "all", "0", 1, b"one")
    publisher.look(lambda _topic, _payload: None)
    sent: list[str] = []
    publisher.look(lambda topic, _payload: sent.append(topic) or 1)
    assert sent == ["gs/1/doc/all/policy/0"]
