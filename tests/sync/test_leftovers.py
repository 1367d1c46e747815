"""Journals that were set aside as damaged: what verifies goes up under its old epoch, what does not is said."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest
import sqlalchemy as sa

from station.core.events import GENESIS
from station.journal import Journal
from sync import wire
from sync.central import ranges, tables
from sync.leftovers import MOST_REFUSALS, Sending
from sync.old_stream import WINDOW, OldStream
from sync.outbox import JournalError
from tests.sync.lab import KEY, KID, STATION, ZONE
from tests.sync.lab import Journal as Written
from tests.sync.whole import Central, WholeStation

NAME = "journal.db.quarantine-17"


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """The server."""
    found = Central(tmp_path / "central")
    yield found
    found.close()


def set_aside(folder: Path, rows: int, *damage: str, folded: bool = True) -> tuple[int, list[tuple[int, bytes, bytes]]]:
    """Leave a damaged journal in a station's folder; return its epoch and the rows it had."""
    old = Written(folder / "written" / "journal.db")
    old.write(rows)
    epoch, found = old.epoch, old.rows()
    for sql in damage:
        old._db.execute(sql)
    if folded:
        old._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old.close()
    for suffix in ("", "-wal", "-shm"):
        part = folder / "written" / f"journal.db{suffix}"
        if part.exists():
            part.replace(folder / f"{NAME}{suffix}")
    return epoch, found


def held(central: Central, epoch: int) -> list[int]:
    """The numbers central holds of a stream."""
    joined = sa.join(tables.event, tables.stream, tables.event.c.stream == tables.stream.c.id)
    query = sa.select(tables.event.c.seq).select_from(joined).where(tables.stream.c.epoch == epoch)
    with central.store.reading() as db:
        return sorted(db.execute(query).scalars())


def run(folder: Path, central: Central, rounds: int = 200) -> None:
    """Let the station beside the old journal talk until it has nothing more to say."""
    station = WholeStation(folder)
    station.connect()
    station.write(30)
    station.talk(central, rounds)
    assert station.uplink.queue == 0
    station.close()


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "in the WAL"])
def test_a_whole_old_journal_goes_up_under_its_epoch(tmp_path: Path, central: Central, folded: bool) -> None:
    """All rows arrive, nothing is lost, the file is kept under another name, and is not asked about again."""
    (tmp_path / "station").mkdir()
    epoch, rows = set_aside(tmp_path / "station", 1200, folded=folded)
    run(tmp_path / "station", central)
    assert held(central, epoch) == [seq for seq, _, _ in rows]
    assert central.lost() == []
    assert (tmp_path / "station" / f"{NAME}.uploaded").exists()
    assert not (tmp_path / "station" / NAME).exists()
    run(tmp_path / "station", central, 3)


def test_what_cannot_be_read_is_said(tmp_path: Path, central: Central) -> None:
    """A row with other bytes, three rows gone, one that is no event: each is lost, with the row that hung on them."""
    (tmp_path / "station").mkdir()
    damage = (
        "UPDATE event SET raw = X'5B5D' WHERE seq = 40",
        "DELETE FROM event WHERE seq BETWEEN 60 AND 62",
        "UPDATE event SET hash = zeroblob(32) WHERE seq = 80",
        "UPDATE event SET raw = 'text' WHERE seq = 90",
    )
    epoch, _ = set_aside(tmp_path / "station", 100, *damage)
    run(tmp_path / "station", central)
    gone = {40, 60, 61, 62, 63, 80, 81, 90, 91}
    assert held(central, epoch) == [seq for seq in range(1, 101) if seq not in gone]
    said = {seq for at, first, last in central.lost() if at == epoch for seq in range(first, last + 1)}
    assert said == gone
    assert (tmp_path / "station" / f"{NAME}.uploaded").exists()


HOLES = 40
"""More than an acknowledgement names ranges (16)."""


def holed(folder: Path) -> tuple[int, set[int]]:
    """Leave a journal with many holes; return its epoch and the rows that cannot be sent."""
    gone = {20 * n for n in range(1, HOLES + 1)}
    epoch, _ = set_aside(folder, 20 * HOLES + 10, "UPDATE event SET raw = X'5B5D' WHERE seq % 20 = 0")
    return epoch, gone


def test_more_holes_than_an_acknowledgement_names(tmp_path: Path, central: Central) -> None:
    """Beyond the ranges that are named nothing is sent for ever: all rows arrive, all holes are said, and it ends."""
    (tmp_path / "station").mkdir()
    epoch, gone = holed(tmp_path / "station")
    run(tmp_path / "station", central)
    assert held(central, epoch) == [seq for seq in range(1, 20 * HOLES + 11) if seq not in gone]
    assert {seq for at, first, last in central.lost() if at == epoch for seq in range(first, last + 1)} == gone
    assert (tmp_path / "station" / f"{NAME}.uploaded").exists()


def test_many_holes_and_a_link_that_breaks(tmp_path: Path, central: Central) -> None:
    """What was known of the ranges that are not named is forgotten with the link; it ends all the same."""
    (tmp_path / "station").mkdir()
    epoch, gone = holed(tmp_path / "station")
    station = WholeStation(tmp_path / "station")
    for rounds in (35, 45, 400):
        station.connect()
        station.talk(central, rounds)
        station.disconnect()
    station.close()
    assert held(central, epoch) == [seq for seq in range(1, 20 * HOLES + 11) if seq not in gone]
    assert {seq for at, first, last in central.lost() if at == epoch for seq in range(first, last + 1)} == gone
    assert (tmp_path / "station" / f"{NAME}.uploaded").exists()


def test_a_batch_that_nobody_received_is_sent_again(tmp_path: Path, central: Central) -> None:
    """Where an acknowledgement cannot name all ranges, each batch dies once on its way, and the hello behind it not."""
    (tmp_path / "station").mkdir()
    epoch, gone = holed(tmp_path / "station")
    station = WholeStation(tmp_path / "station")
    station.connect()
    died, began, count = set[bytes](), station.now, 0
    while not (tmp_path / "station" / f"{NAME}.uploaded").exists() and station.now < began + 3600:
        sent = station.work(1.0)
        count += len(sent)
        lost = {raw for leaf, raw, _ in sent if leaf == "log" and wire.decode_batch(raw).epoch == epoch} - died
        died |= lost
        station.hear(central.take([message for message in sent if message[1] not in lost]))
    station.close()
    assert len(died) > HOLES
    assert count < 5 * HOLES, "each time after a wait"
    assert held(central, epoch) == [seq for seq in range(1, 20 * HOLES + 11) if seq not in gone]
    assert {seq for at, first, last in central.lost() if at == epoch for seq in range(first, last + 1)} == gone


def wait_until_uploaded(folder: Path, central: Central) -> None:
    """Let the station beside the old journal talk until it is done with that, waits and all; two hours at most."""
    station = WholeStation(folder)
    station.connect()
    until = station.now + 7200
    while not (folder / f"{NAME}.uploaded").exists() and station.now < until:
        sent = station.work(2.0)
        station.hear(central.take(sent) if sent else [])
    station.close()
    assert (folder / f"{NAME}.uploaded").exists()


def test_more_holes_than_central_keeps(tmp_path: Path, central: Central, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces for which central has no range left are refused: each is let go after some repeats, said, and it ends."""
    monkeypatch.setattr(ranges, "MOST_RANGES", 20)
    (tmp_path / "station").mkdir()
    epoch, gone = holed(tmp_path / "station")
    wait_until_uploaded(tmp_path / "station", central)
    assert held(central, epoch) == [seq for seq in range(1, 400) if seq not in gone]
    lost = {seq for at, first, last in central.lost() if at == epoch for seq in range(first, last + 1)}
    assert lost == gone | set(range(400, 20 * HOLES + 11))


def test_a_refused_piece_between_ranges_that_are_named(
    tmp_path: Path, central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Central holds rows on both sides of it and names them all: it is let go likewise, what closes holes is taken."""
    monkeypatch.setattr(ranges, "MOST_RANGES", 2)
    (tmp_path / "station").mkdir()
    epoch, _ = set_aside(tmp_path / "station", 20)
    whole = OldStream(tmp_path / "station" / NAME)
    batches = [whole.piece(0, 3).batch, whole.piece(0, 20).batch]
    whole.close()
    assert batches[0] is not None
    assert batches[1] is not None
    central.take([("log", wire.encode_batch(batches[0]), wire.BATCH_TYPE)])
    central.take([("log", wire.encode_batch(tail(batches[1], 12)), wire.BATCH_TYPE)])
    with apsw.Connection(str(tmp_path / "station" / NAME)) as db:
        db.execute("UPDATE event SET raw = X'5B5D' WHERE seq IN (5, 10)")
    wait_until_uploaded(tmp_path / "station", central)
    assert held(central, epoch) == [1, 2, 3, 4, *range(11, 21)]
    assert [(first, last) for at, first, last in central.lost() if at == epoch] == [(5, 10)]


def tail(batch: wire.Batch, first: int) -> wire.Batch:
    """A batch's rows from `first` on."""
    skipped = first - batch.first_seq
    prev = wire.hashes(batch)[skipped - 1].hex()
    return msgspec.structs.replace(
        batch, first_seq=first, n=batch.n - skipped, prev_hash=prev, events=batch.events[skipped:]
    )


def test_only_answers_of_their_own_count_as_refusals(tmp_path: Path) -> None:
    """An answer that comes twice counts once, and another piece begins anew."""
    set_aside(tmp_path, 1200)
    sending = Sending(OldStream(tmp_path / NAME), random.Random(1))
    ack = wire.Ack(
        station=STATION, epoch=sending.stream.epoch, prefix=wire.Prefix(seq=0, head="00" * 32), db_generation="g"
    )
    assert sending.take(msgspec.structs.replace(ack, hello=sending.hello(ZONE).nonce))
    for span in ((1, WINDOW), (WINDOW + 1, 2 * WINDOW)):
        for number in range(1, MOST_REFUSALS + 1):
            assert sending.next() is not None
            assert sending.flying == span
            answered = msgspec.structs.replace(ack, hello=sending.hello(ZONE).nonce)
            assert sending.take(answered) is (number == MOST_REFUSALS)
            assert not sending.take(answered)
            assert not sending.take(ack)
        assert sending.flying is None
    sending.stream.close()


@pytest.mark.parametrize("said", ["nothing", "less each time", "another database each time"])
def test_no_acknowledgement_makes_it_send_at_once_again(tmp_path: Path, said: str) -> None:
    """Whatever central answers to each message, nothing is sent twice without waiting."""
    (tmp_path / "station").mkdir()
    epoch, _ = set_aside(tmp_path / "station", 1200)
    station = WholeStation(tmp_path / "station")
    station.connect()
    first, count = station.now, 0
    for round_ in range(1000):
        for leaf, payload, _ in station.work(0.01):
            hello = wire.decode(payload, wire.Hello) if leaf == "hello" else None
            if hello is not None and hello.epoch != epoch:
                station.hear([answer(hello.epoch, hello.next_seq - 1, hello.nonce, station)])
                continue
            count += 1
            at = 500 if said == "less each time" and round_ % 2 else 0
            generation = f"g{round_}" if said == "another database each time" else "g"
            asked = hello.nonce if hello else 0
            station.hear([answer(epoch, at, asked, station, generation)])
    assert station.now - first < 15
    assert count < 20
    station.close()


def test_an_answer_that_comes_twice_settles_nothing_that_was_sent_later(tmp_path: Path) -> None:
    """The broker may deliver twice: only what names a batch speaks for it, and only once."""
    epoch, _ = set_aside(tmp_path, 1200)
    sending = Sending(OldStream(tmp_path / NAME), random.Random(1))
    held = [wire.Held(first=n, last=n, last_hash="ab" * 32) for n in range(2, 34, 2)]
    ack = wire.Ack(
        station=STATION, epoch=epoch, prefix=wire.Prefix(seq=0, head="00" * 32), db_generation="g", held=held
    )
    first = msgspec.structs.replace(ack, hello=sending.hello(ZONE).nonce)
    assert sending.take(first)
    for row in range(1, 33, 2):
        assert sending.next() is not None
        assert sending.flying == (row, row)
        assert not sending.is_unnamed
        assert not sending.take(first), "not of this batch"
        assert sending.take(msgspec.structs.replace(ack, prefix=wire.Prefix(seq=row, head="00" * 32)))
    batch = sending.next()
    assert batch is not None
    assert sending.is_unnamed
    behind, flying = sending.hello(ZONE), (batch.first_seq, batch.last_seq)
    assert (behind.acked, behind.head) == (batch.first_seq - 1, batch.prev_hash)
    assert not sending.take(ack)
    answered = msgspec.structs.replace(ack, hello=behind.nonce)
    assert not sending.take(answered), "central has answered and does not hold it"
    assert sending.flying == flying
    named = [wire.Held(first=batch.first_seq, last=batch.last_seq, last_hash="ab" * 32)]
    answered = msgspec.structs.replace(answered, held=named)
    assert sending.take(answered)
    assert sending.flying is None
    assert sending.next() is not None
    assert not sending.take(answered)
    sending.stream.close()


def answer(epoch: int, seq: int, asked: int, station: WholeStation, generation: str = "g") -> bytes:
    """An acknowledgement that says what it is told to say; its hashes are right for the live stream."""
    head = station.journal.rows("SELECT hash FROM event WHERE seq = ?", (seq,)) if seq else [(GENESIS,)]
    digest = head[0][0] if head else bytes(32)
    prefix = wire.Prefix(seq=seq, head=digest.hex())
    ack = wire.Ack(station=STATION, epoch=epoch, prefix=prefix, db_generation=generation, hello=asked)
    return wire.seal_ack(ack, KID, KEY)


def test_a_file_with_torn_pages_gives_what_is_left_of_it(tmp_path: Path, central: Central) -> None:
    """Pages in the middle and at the end are garbage: rows of the other pages arrive, the rest is said."""
    (tmp_path / "station").mkdir()
    epoch, rows = set_aside(tmp_path / "station", 3000)
    path = tmp_path / "station" / NAME
    size = path.stat().st_size
    with path.open("r+b") as file:
        for at in (size // 2, size - 8192):
            file.seek(at // 4096 * 4096)
            file.write(os.urandom(4096))
    run(tmp_path / "station", central)
    arrived = held(central, epoch)
    assert 2000 < len(arrived) < len(rows)
    said = {seq for at, first, last in central.lost() if at == epoch for seq in range(first, last + 1)}
    assert set(range(1, max(arrived) + 1)) == set(arrived) | {seq for seq in said if seq < max(arrived)}


def test_what_central_has_already_is_not_sent(tmp_path: Path, central: Central) -> None:
    """Most of a journal set aside was acknowledged long ago: central is asked first."""
    station = WholeStation(tmp_path / "station")
    station.connect()
    station.write(60)
    station.talk(central)
    station.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / "station" / f"journal.db{suffix}").rename(tmp_path / "station" / f"{NAME}{suffix}")
    station = WholeStation(tmp_path / "station")
    station.connect()
    sent = list[tuple[str, bytes, str]]()
    for _ in range(20):
        now = station.work()
        sent += now
        station.hear(central.take(now) if now else [])
    batches = [wire.decode_batch(payload) for leaf, payload, _ in sent if leaf == "log"]
    assert {batch.epoch for batch in batches} == {station.journal.epoch}
    assert (tmp_path / "station" / f"{NAME}.uploaded").exists()
    station.close()


def test_an_old_journal_that_contradicts_central_is_kept_and_named(
    tmp_path: Path, central: Central, caplog: pytest.LogCaptureFixture
) -> None:
    """Other rows under the old numbers: nothing is overwritten, the live stream goes on, the file keeps its name."""
    (tmp_path / "station").mkdir()
    set_aside(tmp_path / "station", 20)
    shutil.copy(tmp_path / "station" / NAME, tmp_path / "copy")
    run(tmp_path / "station", central)
    epoch = Journal(tmp_path / "station", "x").epoch
    other = apsw.Connection(str(tmp_path / "copy"))
    for seq in range(1, 21):
        other.execute("DELETE FROM event WHERE seq = ?", (seq,))
    kept = next(iter(other.execute("SELECT epoch FROM stream")))[0]
    other.close()
    forged = Written(tmp_path / "forged" / "journal.db", kept)
    forged.write(25)
    forged._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    forged.close()
    shutil.copy(tmp_path / "forged" / "journal.db", tmp_path / "station" / "journal.db.quarantine-18")
    run(tmp_path / "station", central)
    assert held(central, kept) == list(range(1, 21))
    assert held(central, epoch)
    assert "central holds other rows" in caplog.text
    assert (tmp_path / "station" / "journal.db.quarantine-18").exists()


def test_a_file_that_is_no_database_is_named_once_and_left(
    tmp_path: Path, central: Central, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage beside the journal holds up nothing."""
    (tmp_path / "station").mkdir()
    (tmp_path / "station" / NAME).write_bytes(b"no database at all, really" * 400)
    run(tmp_path / "station", central)
    assert caplog.text.count("keep the file and call the operator") == 1
    assert (tmp_path / "station" / NAME).exists()
    with pytest.raises(JournalError):
        OldStream(tmp_path / "station" / NAME)


def test_a_piece_is_bounded_and_chained(tmp_path: Path) -> None:
    """A piece holds at most a window of rows and ends at a given row; each follows on the one before."""
    _, rows = set_aside(tmp_path, WINDOW + 50)
    stream = OldStream(tmp_path / NAME)
    first = stream.piece(0, 10_000)
    assert first.batch is not None
    assert (first.batch.first_seq, first.reached, first.batch.prev_hash) == (1, WINDOW, GENESIS.hex())
    second = stream.piece(first.reached, WINDOW + 20)
    assert second.batch is not None
    assert (second.batch.first_seq, second.reached) == (WINDOW + 1, WINDOW + 20)
    assert wire.hashes(second.batch)[-1] == rows[WINDOW + 19][2]
    assert stream.piece(stream.last, 10_000).batch is None
    stream.close()
