"""The journal's promises, on the real SQLite: durable, gap-free, chained, never overwritten."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.events import GENESIS, Kind, chain, decode
from station.core.model import ClockState, Instant
from station.journal import Change, Journal, JournalFault, set_state
from station.schema import JOURNAL_SCHEMA

NOW = Instant(1_700_000_000_000_000, 5_000_000)

WRITER = """
import sys
from pathlib import Path
from station.core.events import Kind
from station.core.model import ClockState, Instant
from station.journal import Journal, set_state
journal = Journal(Path(sys.argv[1]), "boot")
for number in range(1_000_000):
    seq = journal.append(Kind.DECISION, {"n": number}, Instant(number, number), [set_state("n", b"%d" % number)])
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
"""


@pytest.fixture
def journal(tmp_path):
    """An empty journal."""
    made = Journal(tmp_path, "boot-1")
    yield made
    made.close()


def rows(folder: Path) -> list[tuple[int, bytes, bytes]]:
    """Read a journal's events as gate-sync does."""
    db = apsw.Connection(f"file:{folder}/journal.db?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    found = list(db.execute("SELECT seq, raw, hash FROM event ORDER BY seq"))
    db.close()
    return found


def assert_sound(found: list[tuple[int, bytes, bytes]]) -> None:
    """Every seq follows the one before, every hash the bytes."""
    head = GENESIS
    for number, (seq, raw, digest) in enumerate(found, 1):
        head = chain(head, raw)
        assert (seq, digest) == (number, head)


@settings(max_examples=25, deadline=None)
@given(payloads=st.lists(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20)), max_size=12))
def test_events_come_back_as_they_were_written(tmp_path_factory, payloads):
    """Whatever JSON is recorded, it is read back the same, numbered without gaps and chained."""
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, "boot-1")
    for payload in payloads:
        journal.append(Kind.DECISION, payload, NOW)
    journal.close()
    found = rows(folder)
    assert_sound(found)
    assert [decode(raw).payload for _, raw, _ in found] == payloads


def test_a_failed_commit_leaves_no_trace(journal, tmp_path):
    """An event whose transaction fails takes no number, no hash and no state with it; the next one is sound."""
    journal.append(Kind.BOOT, {}, NOW)
    with pytest.raises(JournalFault):
        journal.append(
            Kind.DECISION, {}, NOW, [set_state("key", b"new"), Change("INSERT INTO nowhere VALUES (?)", (1,))]
        )
    assert journal.state("key") is None
    assert journal.append(Kind.DECISION, {}, NOW, [set_state("key", b"value")]) == 2
    assert journal.state("key") == b"value"
    assert_sound(rows(tmp_path))


def test_what_is_not_json_is_refused(journal):
    """A payload that cannot be encoded is a journal fault like any other: nothing depends on it, nothing crashes."""
    with pytest.raises(JournalFault):
        journal.append(Kind.DECISION, {"skin_c": float("nan")}, NOW)
    assert journal.append(Kind.DECISION, {}, NOW) == 1


def test_a_full_disk_is_a_fault_and_ends(journal):
    """SQLITE_FULL from the real SQLite is a JournalFault; once there is room, numbering goes on without a gap."""
    pages = journal.rows("PRAGMA page_count")[0][0]
    journal.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalFault, match="could not be committed"):
        for _ in range(1000):
            journal.append(Kind.DECISION, {"text": "x" * 500}, NOW)
    last = journal.seq
    journal.rows("PRAGMA max_page_count = 1000000")
    assert journal.append(Kind.DECISION, {}, NOW) == last + 1


def test_kill_nine_loses_no_event_whose_append_returned(tmp_path):
    """A writer is killed at some moment: every seq it has reported is there, with its state, and the chain holds."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    reported = 0
    for line in process.stdout:
        reported = int(line)
        if reported >= 150:
            os.kill(process.pid, signal.SIGKILL)
            break
    rest = process.stdout.read().split()
    process.stdout.close()
    process.wait()
    reported = int(rest[-1]) if rest else reported
    journal = Journal(tmp_path, "boot-2")
    assert journal.seq >= reported
    assert journal.state("n") == b"%d" % (journal.seq - 1)
    assert journal.append(Kind.BOOT, {}, NOW) == journal.seq
    journal.close()
    assert_sound(rows(tmp_path))


@pytest.mark.parametrize("damage", ["header", "chain", "schema"])
def test_a_damaged_journal_is_set_aside_not_overwritten(tmp_path, damage):
    """A file that does not open, whose chain breaks or of unknown schema is kept beside; a new stream begins."""
    journal = Journal(tmp_path, "boot-1")
    for _ in range(3):
        journal.append(Kind.DECISION, {}, NOW)
    epoch = journal.epoch
    journal.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    if damage == "chain":
        journal.rows("UPDATE event SET raw = CAST('[]' AS BLOB) WHERE seq = 2")
    if damage == "schema":
        journal.rows("PRAGMA user_version = 99")
    journal.close()
    if damage == "header":
        (tmp_path / "journal.db").write_bytes(b"not a database " * 100)
        (tmp_path / "journal.db-wal").unlink(missing_ok=True)
    renewed = Journal(tmp_path, "boot-2")
    assert renewed.quarantined is not None
    assert renewed.quarantined.exists()
    assert renewed.epoch != epoch
    assert renewed.append(Kind.BOOT, {}, NOW) == 1
    renewed.close()


def test_a_place_where_nothing_can_be_written_is_told(tmp_path):
    """Where the folder cannot be made, opening raises a fault that names the path."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalFault, match="file"):
        Journal(tmp_path / "file" / "state", "boot-1")


def test_a_reader_works_after_the_writer_closed(tmp_path):
    """After a clean close the WAL's files are still there, so that a reader who may not write can read."""
    journal = Journal(tmp_path, "boot-1")
    journal.append(Kind.BOOT, {}, NOW)
    journal.close()
    assert (tmp_path / "journal.db-wal").exists()
    assert len(rows(tmp_path)) == 1
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o640


def test_a_file_of_the_first_schema_is_brought_up(tmp_path):
    """A journal from before passages were remembered keeps its stream and events, and gets what is missing."""
    journal = Journal(tmp_path, "boot-1")
    journal.append(Kind.BOOT, {}, NOW)
    epoch = journal.epoch
    for table in ("passage", "live_used", "forgiven"):
        journal.rows(f"DROP TABLE {table}")
    journal.rows("PRAGMA user_version = 1")
    journal.close()
    renewed = Journal(tmp_path, "boot-2")
    assert renewed.quarantined is None
    assert (renewed.epoch, renewed.seq) == (epoch, 1)
    assert renewed.append(Kind.BOOT, {}, NOW, [Change("INSERT INTO live_used VALUES (?, ?)", (b"cti", 1))]) == 2
    assert renewed.rows("PRAGMA user_version") == [(JOURNAL_SCHEMA,)]
    renewed.close()


def test_the_time_to_go_on_from_is_that_of_a_trusted_clock(journal):
    """Events of a clock in holdover, which a guard may have set, or of a lost one, do not count."""
    assert journal.last_wall_us() == 0
    for state, wall_us in ((ClockState.LOST, 5), (ClockState.TRUSTED, 7), (ClockState.HOLDOVER, 99)):
        journal.append(Kind.CLOCK, {}, Instant(wall_us, 1, state))
    assert journal.last_wall_us() == 7


FLIPS = {
    "a number becomes bytes": (-4, 0x10),
    "bytes become a number": (-3, 0x80),
    "bytes become a text": (-2, 1),
    "the hash becomes a text": (-1, 1),
}
"""A flipped bit in what SQLite stores before a row's bytes: where, counted from these, and which."""


def flip(folder: Path, kind: str, seq: int) -> None:
    """Flip a bit of a row in the closed file."""
    path, (offset, bit) = folder / "journal.db", FLIPS[kind]
    raw = next(row[1] for row in rows(folder) if row[0] == seq)
    data = bytearray(path.read_bytes())
    for found in re.finditer(re.escape(raw), bytes(data)):  # SQLite leaves copies where it has split pages
        data[found.start() + offset] ^= bit
    path.write_bytes(data)


def filled(folder: Path, count: int) -> None:
    """Leave a journal of so many events; its WAL is empty."""
    journal = Journal(folder, "boot-1")
    journal.append_all([(Kind.DECISION, {"n": n}) for n in range(count)], NOW)
    journal.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()


@pytest.mark.parametrize("kind", FLIPS)
def test_a_journal_whose_last_rows_cannot_be_read_is_set_aside(tmp_path, kind):
    """A flipped bit among the rows that are verified at the start, wherever it is: the station starts all the same."""
    filled(tmp_path, 30)
    flip(tmp_path, kind, 23)
    journal = Journal(tmp_path, "boot-2")
    assert journal.quarantined is not None
    assert journal.append(Kind.BOOT, {}, NOW) == 1
    journal.close()


@pytest.mark.parametrize(
    "damage",
    ["UPDATE stream SET epoch = x'0102030405'", "UPDATE stream SET epoch = 1.5", "UPDATE event SET hash = 5"],
)
def test_a_journal_without_a_number_or_a_head_is_set_aside(tmp_path, damage):
    """What everything else is built on is checked by its kind, too; the station starts, and its events go on."""
    filled(tmp_path, 1)
    journal = Journal(tmp_path, "boot-1")
    journal.rows(damage)
    journal.close()
    journal = Journal(tmp_path, "boot-2")
    assert journal.quarantined is not None
    assert journal.append(Kind.BOOT, {}, NOW) == 1
    journal.close()


def test_an_older_row_that_is_no_bytes_keeps_no_station_from_starting(tmp_path):
    """Before the rows that are verified, and the clock was lost ever since: the time to go on from is an older one."""
    filled(tmp_path, 100)
    journal = Journal(tmp_path, "boot-1")
    journal.append_all([(Kind.DECISION, {"n": n}) for n in range(1100)], Instant(1, 1, ClockState.LOST))
    journal.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    flip(tmp_path, "bytes become a number", 100)
    journal = Journal(tmp_path, "boot-2")
    assert journal.quarantined is None
    assert journal.last_wall_us() == NOW.wall_us
    journal.close()
