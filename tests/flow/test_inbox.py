"""The station's view of sync.db: a hostile or broken file never harms the gate thread."""

from __future__ import annotations

import os

import apsw
import pytest

from station.inbox import NO_LINK, NOTHING, Inbox, Mark
from station.schema import SYNC_DDL


@pytest.fixture
def database(tmp_path):
    """A sync.db as gate-sync makes it."""
    made = apsw.Connection(str(tmp_path / "sync.db"))
    made.execute("PRAGMA journal_mode = WAL")
    made.execute(SYNC_DDL)
    yield made
    made.close()


ROW = "INSERT INTO inbox(type, hash, raw, received_us) VALUES ({}, randomblob(32), {}, 1)"


@pytest.mark.parametrize(
    "row",
    [
        ROW.format("'policy'", "7"),
        ROW.format("'policy'", "'text'"),
        ROW.format("x'00ff'", "x'01'"),
        ROW.format("CAST(x'ff' AS TEXT)", "x'01'"),
        ROW.format("'policy'", "zeroblob(5000000)"),
    ],
)
def test_odd_rows_are_passed_over(tmp_path, database, row):
    """A row of the wrong type, encoding or size is never handed on, and never raises."""
    database.execute(row)
    found = Inbox(tmp_path).arrivals(NOTHING)
    assert all(isinstance(arrival.raw, bytes) for arrival in found)


def test_good_rows_come_in_order_a_few_at_a_time(tmp_path, database):
    """Documents come oldest first, not all at once; chunks are asked for by hash."""
    for number in range(9):
        database.execute(ROW.format("'policy'", f"x'0{number}'"))
    database.execute("INSERT INTO inbox(type, hash, raw, received_us) VALUES ('status-chunk', x'aa', x'bb', 1)")
    inbox = Inbox(tmp_path)
    first = inbox.arrivals(NOTHING)
    assert [arrival.raw for arrival in first] == [b"\x00", b"\x01", b"\x02", b"\x03"]
    assert inbox.arrivals(first[-1].mark)[0].raw == b"\x04"
    assert inbox.chunk(b"\xaa") == b"\xbb"


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO link VALUES (1, 1, 1, CAST(x'ff' AS TEXT))",
        "INSERT INTO link VALUES (1, 'yes', 'never', x'00')",
        "INSERT INTO delivered VALUES (5, 'many', x'00', 1)",
        "DROP TABLE link",
    ],
)
def test_odd_states_read_as_no_link_and_nothing_acknowledged(tmp_path, database, change):
    """A broken link row or mark shows as not connected and nothing acknowledged: the safe side."""
    database.execute(change)
    inbox = Inbox(tmp_path)
    assert inbox.link() == NO_LINK
    assert inbox.acknowledged(5) == 0


def test_a_pipe_in_its_place_does_not_hang(tmp_path):
    """Something that is no file is not opened."""
    os.mkfifo(tmp_path / "sync.db")
    assert Inbox(tmp_path).arrivals(NOTHING) == []


def test_a_new_file_is_found(tmp_path, database):
    """When gate-sync makes its file anew, the next look reads the new one."""
    inbox = Inbox(tmp_path)
    assert inbox.arrivals(NOTHING) == []
    database.close()
    for path in tmp_path.glob("sync.db*"):
        path.unlink()
    again = apsw.Connection(str(tmp_path / "sync.db"))
    again.execute(SYNC_DDL)
    again.execute(ROW.format("'policy'", "x'07'"))
    again.close()
    assert [arrival.raw for arrival in inbox.arrivals(NOTHING)] == [b"\x07"]


def test_chunks_and_deltas_are_no_documents(tmp_path, database):
    """What belongs to a manifest is not handed on by itself; deltas are asked for, newest first and not without end."""
    for number in range(12):
        database.execute(ROW.format("'status-delta'", f"x'{number:02x}'"))
    database.execute(ROW.format("'status-chunk'", "x'bb'"))
    database.execute(ROW.format("'status-delta'", "'text'"))
    inbox = Inbox(tmp_path)
    assert inbox.arrivals(NOTHING) == []
    assert inbox.deltas() == [bytes([number]) for number in range(11, 3, -1)]


def test_a_chunk_is_found_by_the_beginning_of_its_hash(tmp_path, database):
    """A base is named by eight bytes; another type under the same hash is none."""
    row = "INSERT INTO inbox(type, hash, raw, received_us) VALUES (?, ?, ?, 1)"
    database.execute(row, ("status-chunk", b"12345678rest", b"chunk"))
    database.execute(row, ("policy", b"abcdefghrest", b"policy"))
    inbox = Inbox(tmp_path)
    assert inbox.chunk_like(b"12345678") == b"chunk"
    assert inbox.chunk_like(b"12345679") is None
    assert inbox.chunk_like(b"abcdefgh") is None


def test_notices_come_in_order_and_odd_ones_are_passed_over(tmp_path, database):
    """What the other gates report is read from where the last look ended; rows of the wrong type or size are not."""
    for raw in ("x'01'", "'text'", "7", "zeroblob(5000000)", "x'02'"):
        database.execute(f"INSERT INTO peer(raw, received_us) VALUES ({raw}, 1)")
    inbox = Inbox(tmp_path)
    first, last = Mark(row=1), Mark(row=5)
    assert inbox.notices(NOTHING) == [(first, b"\x01"), (last, b"\x02")]
    assert inbox.notices(first) == [(last, b"\x02")]
    assert inbox.notices(last) == []


def test_a_file_of_an_older_gate_sync_has_no_notices(tmp_path, database):
    """Where the table is not there yet, there is nothing new, and the rest of the file is read."""
    database.execute("DROP TABLE peer")
    database.execute(ROW.format("'policy'", "x'01'"))
    inbox = Inbox(tmp_path)
    assert inbox.notices(NOTHING) == []
    assert [arrival.raw for arrival in inbox.arrivals(NOTHING)] == [b"\x01"]


def test_a_mark_counts_in_its_own_file_alone(tmp_path, database):
    """What is read up to a row of one file is unread in another, whatever its rows are numbered."""
    database.execute(ROW.format("'policy'", "x'01'"))
    database.execute("INSERT INTO command(hash, raw, retained, received_us) VALUES (x'01', x'01', 0, 1)")
    database.execute("INSERT INTO peer(raw, received_us) VALUES (x'01', 1)")
    inbox = Inbox(tmp_path)
    for nonce in (b"one", b"two"):
        database.execute("INSERT OR REPLACE INTO file VALUES (1, ?)", (nonce,))
        for read in (inbox.arrivals, inbox.commands, inbox.notices):
            assert len(read(Mark(b"another", 2**62))) == 1
            assert len(read(Mark(nonce, 0))) == 1
            assert read(Mark(nonce, 1)) == []
        assert inbox.arrivals(NOTHING)[0].mark == Mark(nonce, 1)


@pytest.mark.parametrize("nonce", ["'text'", "7", "zeroblob(65)", "CAST(x'ff' AS TEXT)"])
def test_an_odd_nonce_is_none(tmp_path, database, nonce):
    """A file that says of itself something impossible is read like one of an older gate-sync, which says nothing."""
    database.execute(f"INSERT INTO file VALUES (1, {nonce})")
    database.execute(ROW.format("'policy'", "x'01'"))
    assert Inbox(tmp_path).arrivals(NOTHING)[0].mark == Mark(b"", 1)


@pytest.mark.parametrize("mark", [NOTHING, Mark(row=7), Mark(b"\0\xff", 2**62)])
def test_a_mark_is_kept_and_recalled(mark):
    """What the journal keeps comes back; an older journal knew no files."""
    assert Mark.recall(mark.keep()) == mark
    assert Mark.recall(b"12") == Mark(row=12)
    assert Mark.recall(None) == NOTHING


def test_marks_of_one_file_rise():
    """The higher row counts; where the file is another, the other mark counts alone."""
    assert Mark(b"a", 5).through(Mark(b"a", 3)) == Mark(b"a", 5)
    assert Mark(b"a", 5).through(Mark(b"b", 3)) == Mark(b"b", 3)
