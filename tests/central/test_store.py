"""The central database, on SQLite and on PostgreSQL: nothing lost, nothing doubled, forks refused."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence

import msgspec
import pytest
import sqlalchemy as sa

from station.core import events
from station.core.model import Instant
from sync import wire
from sync.central import ranges, tables
from sync.central.store import Offer, Standing, Store, offer
from tests.central.conftest import Postgres
from tests.sync.lab import PAYLOAD, STATION

EPOCH = 2**62 + 5


def stream(count: int, note: str = "", same: int = 0) -> list[bytes]:
    """The raw events of a stream; those after `same` carry `note`."""
    return [
        events.encode(n, Instant(n, n), "b", events.Kind.DECISION, {**PAYLOAD, "note": note if n > same else ""})
        for n in range(1, count + 1)
    ]


def piece(rows: Sequence[bytes], first: int, last: int, epoch: int = EPOCH) -> Offer:
    """The batch of rows `first` to `last`."""
    heads = [events.GENESIS]
    for raw in rows[:last]:
        heads.append(events.chain(heads[-1], raw))
    batch = wire.Batch(
        epoch=epoch,
        first_seq=first,
        n=last - first + 1,
        prev_hash=heads[first - 1].hex(),
        last_hash=heads[last].hex(),
        events=[msgspec.Raw(raw) for raw in rows[first - 1 : last]],
    )
    return offer(STATION, batch)


def put(store: Store, *offers: Offer) -> Standing:
    """Commit batches of one stream."""
    return store.commit_batches(offers)[STATION, offers[0].batch.epoch]


def stored(store: Store) -> list[bytes]:
    """Return the raw events as stored, by sequence number."""
    with store.reading() as db:
        query = sa.select(tables.event.c.seq, tables.event.c.raw).order_by(tables.event.c.stream, tables.event.c.seq)
        return [bytes(row.raw) for row in db.execute(query)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_with_duplicates_and_overlaps_gives_the_stream(store: Store, seed: int) -> None:
    """Batches in random order, doubled and overlapping, commit to exactly the stream and its verified prefix."""
    rows, dice = stream(60), random.Random(seed)
    offers = [piece(rows, n, min(60, n + 9)) for n in range(1, 61, 5)]
    offers += dice.sample(offers, 5)
    dice.shuffle(offers)
    while offers:
        together = [offers.pop() for _ in range(min(len(offers), dice.randint(1, 4)))]
        standing = put(store, *together)
    assert stored(store) == rows
    assert not standing.forked
    assert ranges.prefix(standing.held) == (60, piece(rows, 60, 60).hashes[-1])
    assert len(standing.held) == 1


def test_a_gap_holds_the_prefix_back(store: Store) -> None:
    """What lies beyond a hole is held, but never part of the prefix."""
    rows = stream(30)
    standing = put(store, piece(rows, 1, 10), piece(rows, 21, 30))
    assert ranges.prefix(standing.held)[0] == 10
    assert ranges.spans(standing.held) == [(1, 10), (21, 30)]
    assert ranges.prefix(put(store, piece(rows, 11, 20)).held)[0] == 30


def test_a_stream_in_too_many_pieces_takes_only_what_joins_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch that would begin one more range is left out and said; what closes the holes makes room for it."""
    monkeypatch.setattr(ranges, "MOST_RANGES", 2)
    rows = stream(60)
    standing = put(store, piece(rows, 1, 10), piece(rows, 21, 30), piece(rows, 41, 50))
    assert ranges.spans(standing.held) == [(1, 10), (21, 30)]
    assert (standing.crowded, standing.forked, standing.fresh) == (1, False, 20)
    standing = put(store, piece(rows, 11, 20), piece(rows, 41, 50), piece(rows, 31, 35))
    assert ranges.spans(standing.held) == [(1, 35), (41, 50)]
    assert standing.crowded == 0
    assert put(store, piece(rows, 36, 60)).crowded == 0
    assert stored(store) == rows


@pytest.mark.parametrize(("first", "last"), [(1, 20), (11, 20), (15, 25), (21, 30), (5, 5), (1, 9)], ids=str)
def test_a_fork_commits_nothing(store: Store, first: int, last: int) -> None:
    """Other rows under the same numbers, or rows on another past, change nothing and are answered as a fork."""
    rows, others = stream(30), stream(30, "another life", same=4)
    put(store, piece(rows, 1, 20))
    standing = put(store, piece(others, first, last))
    assert standing.forked
    assert stored(store) == rows[:20]
    assert ranges.spans(standing.held) == [(1, 20)]
    with store.reading() as db:
        assert db.execute(sa.select(tables.stream.c.forked_us)).scalar_one() is not None


def test_a_fork_before_what_is_held_is_seen(store: Store) -> None:
    """Rows that come later but lie before, and do not lead to what is held, are a fork."""
    rows, others = stream(30), stream(30, "another life")
    put(store, piece(rows, 11, 20))
    assert put(store, piece(others, 1, 10)).forked
    assert stored(store) == rows[10:20]


def test_a_fork_does_not_hinder_others(store: Store) -> None:
    """In one transaction with a fork the other streams are committed."""
    rows = stream(10)
    put(store, piece(rows, 1, 10))
    found = store.commit_batches([piece(stream(10, "other"), 1, 10), piece(rows, 1, 10, epoch=7)])
    assert found[STATION, EPOCH].forked
    assert not found[STATION, 7].forked
    assert ranges.prefix(found[STATION, 7].held)[0] == 10


def test_a_broken_chain_is_no_offer() -> None:
    """A batch whose hashes do not lead from prev_hash to last_hash, or not from zero, is refused at once."""
    rows = stream(5)
    good = piece(rows, 1, 5).batch
    with pytest.raises(wire.WireError, match="chain"):
        offer(STATION, msgspec.structs.replace(good, last_hash="0" * 64))
    shifted = piece(rows, 2, 5).batch
    with pytest.raises(wire.WireError, match="chain"):
        offer(STATION, msgspec.structs.replace(shifted, first_seq=1))


def test_collectors_side_by_side(url: str) -> None:
    """Several writers offering the same stream at one time lose and double nothing."""
    rows = stream(120)
    offers = [piece(rows, n, n + 9) for n in range(1, 112, 10)]
    stores = [Store(url) for _ in range(3)]
    faults = list[BaseException]()

    def work(store: Store, mine: list[Offer]) -> None:
        try:
            store.open()
            for one in mine:
                put(store, one)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            faults.append(error)

    threads = []
    for number, store in enumerate(stores):
        mine = offers[:]
        random.Random(number).shuffle(mine)
        threads.append(threading.Thread(target=work, args=(store, mine)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert stored(stores[0]) == rows
    assert len({store.generation for store in stores}) == 1
    for store in stores:
        store.close()


@pytest.mark.parametrize("_again", range(10))
def test_a_new_database_opened_by_many_at_once(url: str, _again: int) -> None:
    """Several collectors that start on an empty database at one moment all come up, with one generation."""
    together, faults = threading.Barrier(6), list[BaseException]()
    stores = [Store(url) for _ in range(6)]

    def start(store: Store) -> None:
        together.wait(30)
        try:
            store.open()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            faults.append(error)

    threads = [threading.Thread(target=start, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert len({store.generation for store in stores}) == 1
    for store in stores:
        store.close()


def test_columns_hold_what_the_event_says(store: Store) -> None:
    """The columns for queries repeat the payload; what a database cannot take is only in raw."""
    rows = [
        events.encode(1, Instant(123, 0), "b", events.Kind.DECISION, PAYLOAD),
        b'[2,99999999999999999999999999,0,"b","trusted",0,"decision",'
        + msgspec.json.encode({"lane": "in\0out", "reason": "x" * 500, "outcome": 7})
        + b"]",
        b'{"not":"an array"}',
        b'[4,"a","b",{},[],null,5,"\\ud800"]',
    ]
    put(store, piece(rows, 1, 4))
    assert stored(store) == rows
    with store.reading() as db:
        first, second, third, fourth = db.execute(sa.select(tables.event).order_by(tables.event.c.seq)).all()
    assert (first.wall_us, first.kind, first.lane, first.outcome) == (123, "decision", "in", "grant")
    assert (first.reason, first.rule, first.cti) == ("granted", "check:open", "00ff00ff00ff00ff")
    assert (second.wall_us, second.lane, second.outcome, len(second.reason)) == (None, None, None, 200)
    assert (third.kind, fourth.kind) == (None, None)


def test_lost_rows_are_written_down_once(store: Store) -> None:
    """Rows that a station has evicted and central never had become a lost range; those held do not."""
    put(store, piece(stream(20), 11, 15))
    assert store.note_lost(STATION, EPOCH, 21) == [(1, 10), (16, 20)]
    assert store.note_lost(STATION, EPOCH, 21) == []


def test_documents_change_and_stay(store: Store) -> None:
    """A document put twice is one row; a new text under the same name has to be published again."""
    store.put_document("policy", "all", "0", 1, b"one")
    document = store.document("policy", "all", "0")
    assert document is not None
    store.mark_published(document)
    before = store.document_marks()
    store.put_document("policy", "all", "0", 1, b"one")
    assert store.document_marks() == before
    store.put_document("policy", "all", "0", 2, b"two")
    assert store.document_marks() == {("policy", "all", "0"): wire.sha256(b"two")}
    with store.reading() as db:
        assert db.execute(sa.select(tables.document.c.published_us)).scalar_one() is None


def test_rejected_messages_are_counted(store: Store) -> None:
    """Every unusable message is counted by station and kind of mistake, whatever its text holds."""
    for detail in ("a", "b\0\ud800"):
        store.reject("", "topic", detail)
    with store.reading() as db:
        assert db.execute(sa.select(tables.rejected.c["count"])).scalar_one() == 2


def test_a_postgresql_commit_is_synced(postgres: Postgres) -> None:
    """Where the server's default is to answer before the disk has, this connection still waits for the disk."""
    url = postgres.new_url()
    store = Store(url)
    with store.reading() as db:
        name = db.execute(sa.text("SELECT current_database()")).scalar_one()
        db.execute(sa.text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    store.close()
    store.open()
    with store.reading() as db:
        assert db.execute(sa.text("SHOW synchronous_commit")).scalar_one() == "on"
        assert db.execute(sa.text("SHOW fsync")).scalar_one() == "on"
    store.close()


def test_a_sqlite_commit_is_synced(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite runs with synchronous FULL (2) and WAL: a COMMIT survives a power cut."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('db')}/c.db")
    store.open()
    with store.reading() as db:
        assert db.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    store.close()
