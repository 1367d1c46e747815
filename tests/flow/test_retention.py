"""Eviction on the real journal and gate-sync's real file: what goes, and that what stays still verifies."""

from __future__ import annotations

import json

import pytest

from station.config import RetentionConfig
from station.core.events import Kind
from station.core.model import ClockState, Instant
from station.core.retention import DAY_US, Disk
from station.inbox import Inbox
from station.journal import Journal, JournalFault, set_state
from station.rehoming import former_key, former_table
from station.retention import LOOK_US, MOST_FORMER, PORTION, Retention
from station.schema import EVICTED, EVICTED_SEQ
from sync import wire
from sync.outbox import Outbox, Stream
from sync.store import SyncStore

BEGAN_US = 1_700_000_000_000_000
EMPTY, FULL = Disk(10, 90), Disk(90, 10)
AFTER = Instant(BEGAN_US + 40 * DAY_US, 1)


class Bench:
    """A journal, gate-sync's file and reader, and retention over them."""

    def __init__(self, folder):
        self.folder = folder
        self.journal, self.store = Journal(folder, "boot-1"), SyncStore(folder)
        self.inbox, self.outbox = Inbox(folder), Outbox(folder / "journal.db")
        self.retention = Retention(self.journal, self.inbox, RetentionConfig())

    def write(self, count, wall_us=BEGAN_US, state=ClockState.TRUSTED):
        """Record events in one transaction; return the last seq."""
        return self.journal.append_all([(Kind.DECISION, {"n": n}) for n in range(count)], Instant(wall_us, 1, state))

    def acknowledge(self, seq):
        """Let central acknowledge up to a row."""
        self.store.set_delivered(self.journal.epoch, seq, self.head(seq))

    def head(self, seq):
        """Return the chain hash after a row."""
        return self.journal.rows("SELECT hash FROM event WHERE seq = ?", (seq,))[0][0]

    def kept(self):
        """Return first and last row."""
        return self.journal.rows("SELECT min(seq), max(seq) FROM event")[0]

    def evict(self, disk=EMPTY, now=AFTER):
        """Evict until nothing is due any more; return how many rows went each time."""
        gone = []
        while count := self.retention.evict(disk, now):
            gone.append(count)
            if count < PORTION:
                break
        return gone

    def close(self):
        """Close everything."""
        self.outbox.close()
        self.inbox.close()
        self.store.close()
        self.journal.close()


@pytest.fixture
def bench(tmp_path):
    """A bench."""
    made = Bench(tmp_path)
    yield made
    made.close()


def test_old_acknowledged_rows_go_in_portions_and_the_rest_verifies(bench):
    """450 of 460 rows are acknowledged and old; the hash of the last one that goes lets the first that stays verify."""
    bench.write(460)
    bench.acknowledge(450)
    heads = {seq: bench.head(seq) for seq in (449, 450, 460)}
    assert bench.evict() == [PORTION, PORTION, 50]
    assert bench.kept() == (451, 460)
    assert bench.journal.state(EVICTED) == (450).to_bytes(EVICTED_SEQ) + heads[450]
    assert bench.outbox.look() == Stream(bench.journal.epoch, 451, 460)
    assert bench.outbox.hash_at(450) == heads[450]
    assert bench.outbox.hash_at(449) is None
    assert bench.outbox.confirms(450, heads[450]) is True
    batch = bench.outbox.batch(bench.journal.epoch, 451, 460, wire.MAX_RAW, heads[450])
    assert wire.hashes(batch)[-1] == heads[460]
    assert bench.journal.append(Kind.DECISION, {}, AFTER) == 461


def test_young_rows_stay_until_they_are_old_or_the_disk_is_full(bench):
    """Rows of the last 30 days stay on a disk with room; on a full one they go, except the newest."""
    bench.write(5)
    bench.write(5, AFTER.wall_us)
    bench.acknowledge(10)
    assert bench.evict() == [5]
    assert bench.kept() == (6, 10)
    assert bench.evict(FULL, Instant(AFTER.wall_us, LOOK_US + 1)) == [4]
    assert bench.kept() == (10, 10)


def test_nothing_goes_by_age_while_the_clock_is_lost(bench):
    """A clock that stands in 2090 must not empty the journal."""
    bench.write(5)
    bench.acknowledge(4)
    assert bench.evict(EMPTY, Instant(BEGAN_US + 20_000 * DAY_US, 1, ClockState.LOST)) == []
    assert bench.kept() == (1, 5)


def test_an_acknowledgement_of_another_journal_evicts_nothing(bench):
    """gate-sync's file may come from another card: where its hash is not this journal's, nothing goes."""
    bench.write(5)
    bench.store.set_delivered(bench.journal.epoch, 4, bytes(32))
    assert bench.evict() == []
    bench.store.set_delivered(bench.journal.epoch, 9, bytes(32))
    assert bench.evict(FULL, Instant(AFTER.wall_us, LOOK_US + 1)) == []
    assert bench.kept() == (1, 5)


def test_the_newest_row_cannot_be_evicted(bench):
    """The chain goes on from it; whoever asks for it is told so, and nothing changes."""
    bench.write(2)
    with pytest.raises(ValueError, match="newest"):
        bench.journal.evict(2)
    assert bench.kept() == (1, 2)


def test_a_failing_eviction_changes_nothing(bench):
    """Rows and the note of the last evicted one change together or not at all."""
    bench.write(3)
    bench.journal.rows("CREATE TRIGGER no BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(JournalFault, match="could not be evicted"):
        bench.journal.evict(1)
    assert bench.journal.state(EVICTED) is None
    assert bench.kept() == (1, 3)


def test_pages_are_given_back_on_a_full_disk_and_used_again_otherwise(bench):
    """By age the file keeps its pages for what comes; where the disk is full it gets shorter."""
    bench.write(PORTION * 4)
    bench.acknowledge(PORTION * 4)
    pages = bench.journal.rows("PRAGMA page_count")[0][0]
    bench.retention.evict(EMPTY, AFTER)
    assert bench.journal.rows("PRAGMA page_count")[0][0] == pages
    bench.retention.evict(FULL, AFTER)
    assert bench.journal.rows("PRAGMA page_count")[0][0] < pages
    assert bench.journal.rows("PRAGMA freelist_count")[0][0] == 0
    assert bench.journal.rows("PRAGMA integrity_check") == [("ok",)]


def test_streams_that_have_ended_go_after_their_time_or_beyond_the_fourth(bench):
    """A table of a former stream goes by age, in portions, and with it what was noted of it; too many go at any age."""
    bench.write(1)
    for number in range(MOST_FORMER + 1):
        table = former_table(number)
        numbers = "WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n LIMIT 250) SELECT seq FROM n"
        bench.journal.rows(f"CREATE TABLE {table} AS {numbers}")
        note = json.dumps({"epoch": number, "prefix": 0, "ended_us": BEGAN_US + number * DAY_US}).encode()
        bench.journal.append(Kind.BOOT, {}, AFTER, [set_state(former_key(table), note)])
    now = Instant(BEGAN_US + 5 * DAY_US, 1)
    for _ in range(4):
        now = Instant(now.wall_us, now.mono_us + LOOK_US + 1)
        bench.retention.evict(EMPTY, now)
    names = {name for (name,) in bench.journal.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'former%'")}
    assert names == {former_table(number) for number in range(1, MOST_FORMER + 1)}
    assert bench.journal.state(former_key(former_table(0))) is None
    for _ in range(20):
        now = Instant(BEGAN_US + 33 * DAY_US, now.mono_us + LOOK_US + 1)
        bench.retention.evict(EMPTY, now)
    names = {name for (name,) in bench.journal.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'former%'")}
    assert names == {former_table(number) for number in range(3, MOST_FORMER + 1)}


def test_the_disk_is_looked_at(bench):
    """The figures are those of the file system that holds the journal."""
    disk = bench.retention.look()
    assert 0 < disk.share < 1
    assert disk.reusable == 0
