"""A row of the living journal that has gone bad before central had it: all others arrive, and the loss is said."""

from __future__ import annotations

import itertools
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from station.core.model import Instant
from station.guard_screen import Condition
from sync import wire
from sync.central.skip import Skip
from sync.old_stream import OldStream
from sync.outbox import DamagedRowError, Outbox
from tests.sync.lab import STATION, Journal
from tests.sync.test_uplink import Bench
from tests.sync.whole import Central, WholeStation

ROT = {
    "other bytes": ("UPDATE event SET raw = X'5B5D' WHERE seq = 23", [23]),
    "no text": ("UPDATE event SET raw = CAST(X'FF' || substr(raw, 2) AS BLOB) WHERE seq = 23", [23]),
    "a text in place of bytes": ("UPDATE event SET raw = 'text' WHERE seq = 23", [23, 24]),
    "another hash": ("UPDATE event SET hash = zeroblob(32) WHERE seq = 23", [23, 24]),
    "no hash": ("UPDATE event SET hash = 'x' WHERE seq = 23", [23, 24]),
    "rows gone": ("DELETE FROM event WHERE seq BETWEEN 23 AND 45", [*range(23, 47)]),
}
FLIPS = {"a number becomes bytes": (-4, 0x10), "the hash becomes a text": (-1, 1)}
"""A flipped bit in what SQLite stores before a row's bytes: where, counted from these, and which."""


@pytest.fixture
def bench(tmp_path: Path, journal: Journal) -> Iterator[Bench]:
    """An uplink beside a journal of 60 rows."""
    found = Bench(tmp_path, journal)
    journal.write(60)
    yield found
    found.store.close()
    found.outbox.close()


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """The server."""
    found = Central(tmp_path / "central")
    yield found
    found.close()


def rot(path: Path, sql: str) -> None:
    """Damage rows of a journal."""
    with apsw.Connection(str(path)) as db:
        db.execute(sql)


def flip(path: Path, kind: str, seq: int = 23) -> None:
    """Flip a bit of a row in the file itself."""
    db = apsw.Connection(str(path))
    ((raw,),) = list(db.execute("SELECT raw FROM event WHERE seq = ?", (seq,)))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(path.read_bytes())
    offset, bit = FLIPS[kind]
    for found in re.finditer(re.escape(raw), bytes(data)):  # SQLite leaves copies where it has split pages
        data[found.start() + offset] ^= bit
    path.write_bytes(data)


@pytest.mark.parametrize("kind", [*ROT, *FLIPS])
def test_all_other_rows_arrive_and_the_loss_is_said(tmp_path: Path, central: Central, kind: str) -> None:
    """Sound rows before and behind it go up, only it counts as lost, and the link tells of it."""
    sql, gone = ROT.get(kind, ("", [23, 24]))
    station = WholeStation(tmp_path / "station")
    station.write(59)
    if kind in FLIPS:
        flip(tmp_path / "station" / "journal.db", kind)
    rot(tmp_path / "station" / "journal.db", sql)
    station.connect()
    station.talk(central)
    station.now += 6  # hellos on one connection keep apart
    station.talk(central)
    assert sorted(seq for _, seq, _ in central.events()) == [seq for seq in range(1, 61) if seq not in gone]
    assert central.lost() == [(station.journal.epoch, gone[0], gone[-1])]
    assert "damaged" in station.uplink.trouble
    assert station.uplink.is_drained
    assert station.work() == [], "it is quiet afterwards"
    station.write(3)
    station.talk(central)
    assert len(central.events()) == 63 - len(gone)
    station.close()


def test_an_operator_lets_the_row_go_and_the_prefix_moves_on(tmp_path: Path, central: Central) -> None:
    """After `gate-central lost skip` everything counts as delivered, and the trouble is over."""
    station = WholeStation(tmp_path / "station")
    station.write(59)
    rot(tmp_path / "station" / "journal.db", ROT["other bytes"][0])
    station.connect()
    station.talk(central)
    station.now += 6
    station.talk(central)
    assert station.uplink.queue == 38
    central.store.skip_lost(Skip(STATION, station.journal.epoch, 23, 23, 0), b"signed")
    station.write(1)
    station.talk(central)
    assert station.uplink.queue == 0
    assert station.uplink.trouble == ""
    station.close()


def test_the_guard_is_told_while_not_everything_goes_up(tmp_path: Path) -> None:
    """A connection over which something cannot be sent is shown; one that is down is shown elsewhere."""
    station = WholeStation(tmp_path / "station")
    now = Instant(1, 1)
    station.store.set_link(connected=True, error="row 23 is damaged")
    shown = station.upkeep.ailments(now)["stream"]
    assert shown is not None
    assert (shown.key, shown.condition, shown.detail) == ("health-upload", Condition.DEGRADED, "row 23 is damaged")
    for connected, error in ((True, ""), (False, "no route")):
        station.store.set_link(connected=connected, error=error)
        assert station.upkeep.ailments(now)["stream"] is None
    station.close()


def test_sound_rows_before_it_are_in_the_batch(bench: Bench) -> None:
    """A batch ends before the damaged row; where it would begin the batch, it is named."""
    bench.journal._db.execute(ROT["other bytes"][0])
    outbox = Outbox(bench.journal.path)
    batch = outbox.batch(bench.journal.epoch, 20, 40, wire.MAX_RAW, bytes.fromhex(bench.head(19)))
    assert (batch.first_seq, batch.last_seq, batch.last_hash) == (20, 22, bench.head(22))
    with pytest.raises(DamagedRowError, match="row 23 is missing or damaged"):
        outbox.batch(bench.journal.epoch, 23, 40, wire.MAX_RAW, bytes.fromhex(bench.head(22)))
    outbox.close()


@pytest.mark.parametrize("kind", FLIPS)
@pytest.mark.parametrize("seq", [1, 23])
def test_a_row_that_sqlite_cannot_read_is_damaged(bench: Bench, kind: str, seq: int) -> None:
    """It is told from a file that cannot be read: asked for alone too, and where it is the first of all."""
    heads = [bench.head(n) for n in range(61)]
    flip(bench.journal.path, kind, seq)
    outbox = Outbox(bench.journal.path)
    for last in (seq, 60):
        with pytest.raises(DamagedRowError, match=f"row {seq} is missing or damaged"):
            outbox.batch(bench.journal.epoch, seq, last, wire.MAX_RAW, bytes.fromhex(heads[seq - 1]))
    assert outbox.hash_at(seq) is None
    assert outbox.confirms(seq - 1, bytes.fromhex(heads[seq - 1])) is True or seq == 1
    assert outbox.confirms(seq, bytes.fromhex(heads[seq])) is True
    outbox.close()


def test_rows_that_go_bad_while_they_are_on_their_way_are_acknowledged(bench: Bench) -> None:
    """The end of a batch, and the row behind it, cannot be read any more: central's hash is the one that was sent."""
    bench.connect()
    heads = {seq: bench.head(seq) for seq in (10, 20, 40)}
    for seq in (20, 21, 40, 41):
        flip(bench.journal.path, "the hash becomes a text", seq)
    bench.ack(10, head=heads[10], answer=True)
    bench.ack(20, head="ab" * 32)
    assert bench.delivered() == 10, "another hash is not the one that was sent"
    bench.ack(20, head=heads[20])
    assert bench.delivered() == 20
    bench.ack(20, head=heads[20], held=[wire.Held(first=31, last=40, last_hash=heads[40])])
    assert bench.uplink._at.held == [(31, 40)]


@pytest.mark.parametrize("kind", FLIPS)
def test_what_looks_for_alarms_and_ages_reads_past_it(bench: Bench, kind: str) -> None:
    """Home Assistant's bridge and the status, too, find all other rows; a row that is no bytes hurts neither."""
    sound = bench.journal.rows()[10:]
    flip(bench.journal.path, kind)
    bench.journal._db.execute("UPDATE event SET raw = 7 WHERE seq = 30")
    bench.journal._db.execute("UPDATE event SET raw = CAST(raw AS TEXT) WHERE seq = 31")
    found = bench.outbox.named(("decision", "boot"), 11, 60)
    assert {raw for seq, raw, _ in sound if seq not in (23, 30, 31)} <= set(found)
    assert bench.outbox.recorded_us(22) is not None
    assert bench.outbox.recorded_us(30) is bench.outbox.recorded_us(31) is None


@pytest.mark.parametrize("kind", FLIPS)
def test_a_live_row_behind_it_holds_nothing_up(bench: Bench, kind: str) -> None:
    """The last row that was sent rots: the next goes on from the hash that was sent."""
    bench.connect()
    bench.ack(40, answer=True)
    bench.spans()
    bench.journal.write(5)
    flip(bench.journal.path, kind, 60)
    bench.work()
    assert bench.spans() == [(61, 65)]


@pytest.mark.parametrize("damage", ["CAST(X'FF' AS TEXT)", "'text'", "7"])
def test_a_sealed_text_that_is_no_bytes_is_left_out(bench: Bench, damage: str) -> None:
    """What an event knows of a person has rotted: the event goes up without it, the others with theirs."""
    for seq in (2, 3):
        bench.journal._db.execute("INSERT INTO personal VALUES (?, X'0102')", (seq,))
    bench.journal._db.execute(f"UPDATE personal SET text = {damage} WHERE seq = 2")
    batch = bench.outbox.batch(bench.journal.epoch, 1, 4, wire.MAX_RAW, bytes(32))
    assert batch.sealed == ["", "", "AQI", ""]
    old = OldStream(bench.journal.path).piece(0, 4).batch
    assert old is not None
    assert old.sealed == batch.sealed


def test_hello_says_from_where_on_everything_is_kept(bench: Bench) -> None:
    """Once central has all rows before the damaged one, and not sooner, another hello declares it lost; once."""
    bench.journal._db.execute(ROT["other bytes"][0])
    bench.connect()
    assert bench.hello().first_kept == 1
    bench.ack(0, answer=True)
    first = bench.hello().nonce
    bench.ack(10, (24, 43))
    bench.work(1)
    assert bench.hello().nonce == first, "rows 11 to 22 are on their way"
    bench.ack(22, (24, 60))
    bench.work(6)
    assert bench.hello().first_kept == 24
    bench.ack(22, (24, 60), answer=True)
    second = bench.hello().nonce
    bench.work(400)
    assert bench.hello().nonce == second


def test_a_journal_full_of_damage_is_gone_through_in_several_goes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After half a second of it the loop is let on, and goes on at once: everything is found, nothing waits."""
    bench.journal._db.execute("UPDATE event SET raw = X'5B5D'")
    monkeypatch.setattr(time, "monotonic", itertools.count(step=0.2).__next__)
    bench.connect()
    assert bench.uplink.trouble.startswith("30 rows"), "three looks at ten rows"
    assert bench.uplink.deadline(bench.now) == bench.now
    bench.work()
    bench.work()
    assert bench.uplink.trouble.startswith("60 rows")
    due = bench.uplink.deadline(bench.now)
    assert due is None or due > bench.now


def test_the_wish_for_a_damaged_row_holds_nothing_up(bench: Bench) -> None:
    """An operator asks for rows again of which one has rotted since: the others are sent, and so is the backlog."""
    bench.connect()
    bench.ack(40, answer=True)
    bench.spans()
    bench.journal._db.execute(ROT["other bytes"][0])
    bench.uplink.resend(20, 30)
    bench.journal.write(2)
    bench.ack(60)
    assert bench.spans() == [(61, 62), (20, 22), (24, 30)]
    assert bench.uplink.trouble == "", "central has had the row"
    bench.ack(62)
    assert bench.delivered() == 62


def test_a_damaged_row_that_is_asked_for_again_counts_once(bench: Bench) -> None:
    """An operator asks for rows among which is one that is known to be damaged."""
    bench.journal._db.execute(ROT["other bytes"][0])
    bench.connect()
    bench.ack(22, (24, 60), answer=True)
    assert bench.uplink.trouble.startswith("1 rows")
    bench.uplink.resend(20, 30)
    bench.ack(22, (24, 60))
    assert bench.uplink.trouble.startswith("1 rows")


def test_damage_is_said_once_when_it_begins_and_once_when_it_is_over(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections that come and go say nothing new; once central counts all rows, it is over, and new damage is new."""
    caplog.set_level(logging.INFO)
    bench.journal._db.execute(ROT["other bytes"][0])
    for _ in range(3):
        bench.uplink.disconnected()
        bench.connect()
        bench.ack(22, (24, 60), answer=True)
    assert caplog.text.count("are damaged") == 1
    assert "every row" not in caplog.text
    bench.ack(60)
    bench.work()
    assert caplog.text.count("central has every row") == 1
    bench.journal.write(5)
    rot(bench.journal.path, ROT["other bytes"][0].replace("23", "63"))
    bench.work()
    assert caplog.text.count("are damaged") == 2


def test_a_row_that_can_be_read_again_is_sent_on_the_next_connection(bench: Bench) -> None:
    """What was damaged in memory only is no loss for ever."""
    raw = bench.journal.rows()[22][1]
    bench.journal._db.execute(ROT["other bytes"][0])
    bench.connect()
    bench.ack(22, (24, 60), answer=True)
    assert bench.uplink.trouble
    bench.journal._db.execute("UPDATE event SET raw = ? WHERE seq = 23", (raw,))
    bench.spans()
    bench.connect()
    bench.ack(22, (24, 60), answer=True)
    assert (23, 23) in bench.spans() or bench.uplink._flights.spans()
    bench.ack(60)
    assert bench.uplink.trouble == ""
