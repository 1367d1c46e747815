"""What is sent when, and what an acknowledgement means. No broker: time is a number, central a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from station.core import events
from station.schema import EVICTED, EVICTED_SEQ
from sync import config, wire
from sync.outbox import Outbox
from sync.store import SyncStore
from sync.trust import TrustKeys
from sync.uplink import MOST_UNPUBACKED, Uplink
from tests.sync.lab import KEY, KID, STATION, ZONE, Journal

CONFIG = config.parse(f"""
[station]
id = "{STATION}"
zone = "{ZONE}"
[broker]
host = "localhost"
[batch]
backfill_events = 10
live_events = 5
in_flight = 4
""")


class Bench:
    """An uplink with a journal, a clock that is set by hand, and everything it has sent."""

    def __init__(self, directory: Path, journal: Journal) -> None:
        self.journal, self.now = journal, 1000.0
        self.store, self.outbox = SyncStore(directory / "sync"), Outbox(journal.path)
        self.uplink = Uplink(CONFIG, self.outbox, self.store, TrustKeys(self.outbox.trust), {"gate-sync": "test"})
        self.sent: list[tuple[str, bytes, int]] = []
        self.generation = "g1"
        self.count, self.mids, self.broker_takes = 0, list[int](), True

    def publish(self, leaf: str, payload: bytes, _content_type: str) -> int:
        """Take a message."""
        self.count += 1
        self.mids.append(self.count)
        self.sent.append((leaf, payload, self.count))
        return self.count

    def connect(self) -> None:
        """Connect and let hello and the first batches go."""
        self.uplink.look(self.now)
        self.uplink.connected(self.publish, self.now)
        self.work()

    def work(self, later: float = 0.0) -> None:
        """Let time pass and the uplink work."""
        self.now += later
        assert self.uplink.work(self.now)
        self.uplink.save()
        if self.broker_takes:
            self.puback()

    def puback(self, reason: int = 0) -> None:
        """Let the broker answer everything it has been sent."""
        mids, self.mids = self.mids, []
        for mid in mids:
            self.uplink.published(mid, reason, self.now)

    def spans(self) -> list[tuple[int, int]]:
        """The batches sent since the last call."""
        found = [wire.decode_batch(payload) for leaf, payload, _ in self.sent if leaf == "log"]
        self.sent = [entry for entry in self.sent if entry[0] != "log"]
        return [(batch.first_seq, batch.last_seq) for batch in found]

    def hello(self) -> wire.Hello:
        """The last hello sent."""
        return wire.decode([payload for leaf, payload, _ in self.sent if leaf == "hello"][-1], wire.Hello)

    def head(self, seq: int) -> str:
        """The chain hash after a row."""
        rows = {row[0]: row[2] for row in self.journal.rows()}
        return (rows[seq] if seq else events.GENESIS).hex()

    def ack(self, seq: int, *held: tuple[int, int], answer: bool = False, **changes: object) -> None:
        """Let central acknowledge."""
        ranges = [wire.Held(first=a, last=b, last_hash=self.head(b)) for a, b in held]
        head = changes.pop("head", None) or self.head(seq)
        made = wire.Ack(
            station=STATION,
            epoch=self.journal.epoch,
            prefix=wire.Prefix(seq=seq, head=str(head)),
            held=ranges,
            db_generation=self.generation,
            hello=self.hello().nonce if answer else 0,
        )
        raw = wire.seal_ack(msgspec.structs.replace(made, **changes), KID, KEY)
        self.uplink.acknowledge(raw, self.now)
        self.work()

    def delivered(self) -> int:
        """What sync.db says."""
        return (self.store.delivered(self.journal.epoch) or (0, b""))[0]


@pytest.fixture
def bench(tmp_path: Path, journal: Journal) -> Iterator[Bench]:
    """A bench."""
    found = Bench(tmp_path, journal)
    yield found
    found.store.close()
    found.outbox.close()


def test_the_backlog_goes_in_order_and_within_the_window(bench: Bench) -> None:
    """At most four messages are in flight; an acknowledgement makes room for the next."""
    bench.journal.write(55)
    bench.connect()
    assert bench.spans() == [(1, 10), (11, 20), (21, 30), (31, 40)]
    bench.ack(20, answer=True)
    assert bench.spans() == [(41, 50), (51, 55)]
    assert bench.delivered() == 20


def test_live_events_go_before_the_backlog(bench: Bench) -> None:
    """While a backlog is being sent, what happens now is sent first."""
    bench.journal.write(100)
    bench.connect()
    bench.spans()
    bench.journal.write(7)
    bench.ack(20, answer=True)
    assert bench.spans() == [(101, 105), (106, 107)]


def test_hello_tells_where_the_station_stands(bench: Bench) -> None:
    """Epoch, first kept row, next number, acknowledged prefix with its hash, documents."""
    bench.journal.write(9)
    bench.store.set_delivered(bench.journal.epoch, 4, bytes.fromhex(bench.head(4)))
    bench.connect()
    hello = bench.hello()
    assert (hello.epoch, hello.first_kept, hello.next_seq, hello.acked) == (bench.journal.epoch, 1, 10, 4)
    assert hello.head == bench.head(4)
    assert [mark.type for mark in hello.documents] == ["trust"]
    assert bench.spans() == [(5, 9)], "what is acknowledged is not sent"


def test_held_ranges_stop_retransmission_and_move_no_prefix(bench: Bench) -> None:
    """What central holds beyond a gap is not sent again, and not delivered either."""
    bench.journal.write(40)
    bench.connect()
    bench.spans()
    bench.ack(10, (21, 40), answer=True)
    assert bench.delivered() == 10
    bench.work(6)
    assert bench.spans() == [(11, 20)]


def test_without_progress_everything_is_sent_again_with_growing_waits(bench: Bench) -> None:
    """The first repetition comes after 5 s, later ones after longer waits, never after more than 300 s."""
    bench.journal.write(10)
    bench.connect()
    bench.ack(0, answer=True)
    bench.spans()
    bench.work(4.9)
    assert bench.spans() == []
    bench.work(0.2)
    assert bench.spans() == [(1, 10)]
    waits = []
    for _ in range(12):
        due = bench.uplink.deadline(bench.now)
        assert due is not None
        waits.append(due - bench.now)
        bench.work(due - bench.now + 0.001)
        assert bench.spans() == [(1, 10)]
    assert all(5 <= wait <= 300.001 for wait in waits), waits
    assert max(waits) > 60


def test_a_lost_batch_is_sent_again_although_younger_ones_make_progress(bench: Bench) -> None:
    """A busy station does not starve a hole: only older flights' progress gives a batch more time."""
    bench.journal.write(10)
    bench.connect()
    bench.ack(0, answer=True)
    bench.spans()
    for second in range(1, 5):
        bench.journal.write(1)
        bench.work(1)
        assert bench.spans() == [(10 + second, 10 + second)]
        bench.ack(0, (11, 10 + second))
    bench.work(1.1)
    assert bench.spans() == [(1, 10)]


def test_a_queue_that_moves_is_waited_for(bench: Bench) -> None:
    """As long as older batches are being acknowledged, the ones behind them are not doubled."""
    bench.journal.write(40)
    bench.connect()
    bench.ack(0, answer=True)
    bench.spans()
    for seq in (10, 20, 30):
        bench.work(4)
        assert bench.spans() == []
        bench.ack(seq)
    bench.work(4)
    assert bench.spans() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"station": "another-gate"},
        {"epoch": 77},
        {"head": "ab" * 32},
        {"db_generation": "another"},
    ],
    ids=str,
)
def test_a_wrong_acknowledgement_changes_nothing(bench: Bench, wrong: dict[str, object]) -> None:
    """Another station, another epoch, another hash, another database: nothing becomes evictable."""
    bench.journal.write(10)
    bench.connect()
    bench.ack(0, answer=True)
    bench.ack(10, **wrong)
    assert bench.delivered() == 0
    bench.ack(10)
    assert bench.delivered() == 10


def test_an_acknowledgement_by_a_key_without_the_role_is_ignored_and_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """No trust bundle, no acknowledgement; the log says so one time."""
    bench.journal.write(10)
    bench.journal._db.execute("DELETE FROM document")
    bench.connect()
    for _ in range(3):
        bench.ack(10, answer=True)
    assert bench.delivered() == 0
    assert caplog.text.count("an acknowledgement was ignored") == 1
    bench.journal.trust()
    bench.ack(10, answer=True)
    assert bench.delivered() == 10


def test_only_the_answer_to_hello_rewinds(bench: Bench) -> None:
    """A late acknowledgement of less changes nothing but makes the station ask; the answer then counts."""
    bench.journal.write(40)
    bench.connect()
    bench.ack(40, answer=True)
    bench.spans()
    first = bench.hello().nonce
    bench.ack(15)
    assert bench.delivered() == 40
    bench.work(5)
    assert bench.hello().nonce != first
    bench.ack(15, answer=True)
    assert bench.delivered() == 15, "rows that central lost must not be evicted"
    assert bench.spans() == [(16, 25), (26, 35), (36, 40)]


def test_another_database_generation_makes_the_station_ask(bench: Bench) -> None:
    """After a restore under way the station says hello again before it believes anything."""
    bench.journal.write(20)
    bench.connect()
    bench.ack(10, answer=True)
    bench.generation = "g2"
    first = bench.hello().nonce
    bench.ack(20)
    assert bench.delivered() == 10
    bench.work(5)
    assert bench.hello().nonce != first
    bench.ack(20, answer=True)
    assert bench.delivered() == 20


def test_eviction_makes_no_other_hello(bench: Bench) -> None:
    """Old rows that central has go every minute: that is no news, and central is not asked for all its notices."""
    bench.journal.write(60)
    bench.connect()
    bench.ack(60, answer=True)
    first = bench.hello().nonce
    for minute in range(1, 11):
        bench.journal.evict(minute)
        bench.work(60)
        assert bench.hello().nonce == first
        assert bench.uplink.is_heard


def test_a_rewind_stops_at_what_is_still_kept(bench: Bench) -> None:
    """Where rows are evicted that central has lost, the rest is sent and kept, and nothing counts as delivered."""
    bench.journal.write(30)
    heads = {n: bench.head(n) for n in (5, 10)}
    bench.store.set_delivered(bench.journal.epoch, 20, bytes.fromhex(bench.head(20)))
    bench.journal.evict(10)
    bench.connect()
    bench.spans()
    bench.ack(5, answer=True, head=heads[5])
    assert bench.delivered() == 5
    assert bench.spans() == [(12, 20)], "21 to 30 are in flight; the first kept row cannot be chained"
    bench.ack(10, answer=True, head=heads[10])


def test_a_rewind_to_the_last_evicted_row_sends_all_kept_rows(bench: Bench) -> None:
    """Central's own head proves the hash before the first kept row."""
    bench.journal.write(30)
    head = bench.head(10)
    bench.store.set_delivered(bench.journal.epoch, 20, bytes.fromhex(bench.head(20)))
    bench.journal.evict(10)
    bench.connect()
    bench.spans()
    bench.ack(10, answer=True, head=head)
    assert bench.spans() == [(11, 20)]


def test_no_subscriber_pauses_one_second_then_longer(bench: Bench) -> None:
    """Reason 0x10 pauses 1 s, doubling to 60 s, and one message alone tries again; PUBACK 0 ends it."""
    bench.broker_takes = False
    bench.journal.write(60)
    bench.connect()
    waits = []
    for _ in range(8):
        bench.puback(wire.NO_SUBSCRIBER)
        bench.sent.clear()
        bench.work()
        assert bench.sent == [], "nothing is sent in the pause"
        due = bench.uplink.deadline(bench.now)
        assert due is not None
        waits.append(due - bench.now)
        bench.work(waits[-1])
        assert [leaf for leaf, _, _ in bench.sent] == ["hello", "log"]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])
    bench.puback()
    bench.work()
    assert len(bench.uplink._flights) == 4


def test_what_the_broker_has_not_taken_is_never_repeated(bench: Bench) -> None:
    """A slow link: batches and hello wait for their PUBACK, however long; the time for central runs from there."""
    bench.broker_takes = False
    bench.journal.write(40)
    bench.connect()
    assert bench.spans() == [(1, 10), (11, 20), (21, 30), (31, 40)]
    assert [leaf for leaf, _, _ in bench.sent] == ["hello"]
    assert bench.uplink.deadline(bench.now) is None
    for _ in range(10):
        bench.work(60)
    assert bench.spans() == []
    assert [leaf for leaf, _, _ in bench.sent] == ["hello"]
    bench.puback()
    assert bench.uplink.deadline(bench.now) == bench.now + 5
    bench.work(4.9)
    assert bench.spans() == []
    bench.work(0.2)
    assert bench.spans() == [(1, 10), (11, 20), (21, 30), (31, 40)]
    assert [leaf for leaf, _, _ in bench.sent] == ["hello", "hello"]
    assert bench.uplink.retransmitted == 4


def test_on_another_connection_everything_goes_at_once(bench: Bench) -> None:
    """What the broker had not taken may be lost with the connection it was on."""
    bench.broker_takes = False
    bench.journal.write(10)
    bench.connect()
    assert bench.spans() == [(1, 10)]
    bench.uplink.disconnected()
    bench.connect()
    assert bench.spans() == [(1, 10)]


def test_live_events_overtake_a_backlog_on_a_slow_link(bench: Bench) -> None:
    """Few batches are handed to the link ahead of their PUBACK, so what happens now does not wait behind all of it."""
    bench.uplink._config = msgspec.structs.replace(
        CONFIG, batch=config.BatchConfig(backfill_events=10, live_events=5, in_flight=32)
    )
    bench.broker_takes = False
    bench.journal.write(400)
    bench.connect()
    bench.puback()
    bench.ack(0, answer=True)
    assert len(bench.spans()) == 2 * MOST_UNPUBACKED
    bench.journal.write(3)
    bench.work()
    assert bench.spans() == []
    bench.puback()
    bench.work()
    assert bench.spans()[0] == (401, 403)


def test_a_new_journal_starts_another_stream(bench: Bench, tmp_path: Path) -> None:
    """When the station begins a new journal, its stream is greeted and sent from row 1."""
    bench.journal.write(10)
    bench.connect()
    bench.ack(10, answer=True)
    bench.spans()
    other = Journal(tmp_path / "other" / "journal.db")
    other.trust()
    other.write(3)
    other.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{bench.journal.path}{suffix}").unlink()
    (tmp_path / "other" / "journal.db").replace(bench.journal.path)
    bench.work(1)
    assert bench.hello().epoch == other.epoch
    assert bench.spans() == [(1, 3)]


@pytest.mark.parametrize("case", ["fork", "answer", "ahead", "held ahead", "shorter", "replaced"])
def test_a_fork_stops_uploading_and_orders_a_new_stream(
    bench: Bench, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A copied or restored journal is not sent on: it is said once, nothing counts as delivered, the station is told.

    The order names the prefix where that is known to be right, and none where it is the prefix that is in doubt.
    """
    bench.journal.write(10)
    bench.store.set_delivered(bench.journal.epoch, 4, bytes.fromhex(bench.head(4)))
    if case in ("shorter", "replaced"):
        bench.store.set_delivered(bench.journal.epoch, 20 if case == "shorter" else 5, bytes(32))
    bench.connect()
    before = bench.delivered()
    beyond = wire.Prefix(seq=11, head="ab" * 32)
    match case:
        case "fork":
            bench.ack(4, answer=True)
            bench.ack(4, fork=True)
        case "answer":
            bench.ack(8, answer=True, head="ab" * 32)
        case "ahead":
            bench.ack(4, answer=True, prefix=beyond)
        case "held ahead":
            bench.ack(4, answer=True, held=[wire.Held(first=9, last=11, last_hash="ab" * 32)])
    assert bench.uplink.blocked
    assert not bench.uplink.is_drained
    bench.spans()
    bench.work(400)
    bench.ack(10)
    assert bench.spans() == []
    assert bench.delivered() == before
    assert caplog.text.count("uploading has stopped") == 1
    orders = list(bench.store._connection.execute("SELECT epoch, prefix, head, cause FROM rehoming"))
    doubted = case in ("shorter", "replaced")
    cause = {"answer": "fork", "held ahead": "ahead"}.get(case, case)
    at = (0, events.GENESIS) if doubted else (4, bytes.fromhex(bench.head(4)))
    assert orders == [(bench.journal.epoch, *at, cause)]


def test_what_is_ignored_is_counted(bench: Bench) -> None:
    """Each kind of useless acknowledgement has its own count, however often it comes."""
    bench.journal.write(10)
    bench.connect()
    bench.ack(10, answer=True)
    for _ in range(3):
        bench.ack(5, head="ab" * 32)
        bench.ack(9, station="another-gate")
        bench.ack(9, epoch=77)
        bench.ack(9, db_generation="another")
        bench.uplink.acknowledge(b"junk", bench.now)
        bench.uplink.acknowledge(bytes(wire.MAX_PAYLOAD + 1), bench.now)
    counts = bench.uplink.complaints.ignored
    assert counts == {"behind": 3, "station": 3, "epoch": 3, "generation": 3, "malformed": 3, "too-big": 3}


def test_a_rewind_into_evicted_rows_goes_on_from_the_hash_that_was_kept(bench: Bench) -> None:
    """Retention keeps the hash of the last row it evicted, so the first row that is kept can be chained to it."""
    bench.journal.write(30)
    head = bench.head(10)
    bench.store.set_delivered(bench.journal.epoch, 20, bytes.fromhex(bench.head(20)))
    mark = (10).to_bytes(EVICTED_SEQ) + bytes.fromhex(head)
    bench.journal._db.execute("INSERT INTO state VALUES (?, ?)", (EVICTED, mark))
    bench.journal.evict(10)
    bench.connect()
    bench.spans()
    bench.ack(0, answer=True)
    assert bench.spans() == [(11, 20)]


def test_the_queue_is_what_is_not_acknowledged(bench: Bench) -> None:
    """The number the guard screen and central see."""
    bench.journal.write(10)
    bench.connect()
    assert bench.uplink.queue == 10
    bench.ack(7, answer=True)
    assert bench.uplink.queue == 3
