"""A new stream in place of one that central cannot take: all or nothing, and every event with its first bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from station.config import RetentionConfig
from station.core.events import FIELDS, GENESIS, Event, Kind, chain, decode
from station.core.model import ClockState, Instant
from station.core.rehoming import carried, origin, original
from station.inbox import Inbox, Rehoming
from station.journal import Change, Journal, JournalFault, set_state
from station.recorder import SILENT, Recorder
from station.rehoming import ALARM, DAMAGED, former_table, last_rehoming, rehome
from station.reserve import Reserve
from station.schema import EVICTED, Cause
from station.upkeep import SHOWN_US, Upkeep
from sync.store import Order, SyncStore

NOW = Instant(1_700_000_000_000_000, 5_000_000)
LATER = Instant(NOW.wall_us + 1_000_000, 6_000_000)

KILLED = """
import os, signal, sys
from pathlib import Path
from station.core.model import Instant
from station.inbox import Rehoming
from station.journal import Journal
from station.rehoming import rehome
import station.rehoming
journal = Journal(Path(sys.argv[1]), "boot-2")
prefix, beats = int(sys.argv[2]), int(sys.argv[3])
head = journal.rows("SELECT hash FROM event WHERE seq = ?", (prefix,))[0][0]
station.rehoming.BEAT_EVERY = 1
def beat():
    global beats
    beats -= 1
    if beats == 0:
        os.kill(os.getpid(), signal.SIGKILL)
rehome(journal, Rehoming(journal.epoch, prefix, head, "fork"), Instant(1_700_000_001_000_000, 1), beat)
os.kill(os.getpid(), signal.SIGKILL)
"""


def filled(folder: Path, count: int = 10) -> Journal:
    """A journal with events."""
    journal = Journal(folder, "boot-1")
    for number in range(count):
        journal.append(Kind.DECISION, {"lane": "in", "rule": f'quoted "{number}" 中文'}, NOW)
    return journal


def rows(journal: Journal, table: str = "event") -> list[tuple[int, bytes, bytes]]:
    """Return all rows of a stream."""
    return journal.rows(f"SELECT seq, raw, hash FROM {table} ORDER BY seq")


def order(journal: Journal, prefix: int) -> Rehoming:
    """The order to end the present stream, of which central has `prefix` rows."""
    head = next((digest for seq, _, digest in rows(journal) if seq == prefix), GENESIS)
    return Rehoming(journal.epoch, prefix, head, "fork")


def assert_carried(before: list[tuple[int, bytes, bytes]], epoch: int, prefix: int, after: Journal) -> None:
    """The new stream is sound, begins with the alarm, and carries every row after the prefix, recomputable."""
    head = GENESIS
    told = list[Event]()
    for number, (seq, raw, digest) in enumerate(rows(after), 1):
        head = chain(head, raw)
        assert (seq, digest) == (number, head)
        told.append(decode(raw))
    assert (told[0].kind, told[0].payload["alarm"]) == (Kind.ALARM, ALARM)
    left = before[prefix:]
    at = bytes.fromhex(str(told[0].payload["head"]))
    assert told[0].payload["acked"] == prefix
    for event, (seq, raw, digest) in zip(told[1 : 1 + len(left)], left, strict=True):
        came_from = origin(event)
        assert came_from is not None
        assert (came_from.epoch, came_from.seq, came_from.raw) == (epoch, seq, raw)
        at = chain(at, came_from.raw)
        assert at == came_from.hash == digest


def test_what_is_not_acknowledged_is_carried_over(tmp_path):
    """Ten rows, four acknowledged: alarm and six rows in a stream of another epoch; the old table stays beside."""
    journal = filled(tmp_path)
    before, epoch = rows(journal), journal.epoch
    assert rehome(journal, order(journal, 4), LATER, lambda: None) == 6
    assert journal.epoch != epoch
    assert journal.seq == 7
    assert_carried(before, epoch, 4, journal)
    assert rows(journal, former_table(epoch)) == before
    assert journal.append(Kind.DECISION, {}, LATER) == 8
    journal.close()
    again = Journal(tmp_path, "boot-2")
    assert (again.quarantined, again.seq) == (None, 8)
    since = last_rehoming(again)
    assert since is not None
    assert (since.wall_us, since.cause) == (LATER.wall_us, "fork")
    again.close()


ROTTEN = {
    "not UTF-8": ("UPDATE event SET raw = CAST(X'FF' || substr(raw, 2) AS BLOB) WHERE seq = 7", [7]),
    "no event": ("UPDATE event SET raw = X'5B5D' WHERE seq = 7", [7]),
    "another text": ("UPDATE event SET raw = CAST(replace(raw, 'quoted', 'Quoted') AS BLOB) WHERE seq = 7", [7]),
    "another hash": ("UPDATE event SET hash = zeroblob(32) WHERE seq = 7", [7]),
    "gone": ("DELETE FROM event WHERE seq BETWEEN 7 AND 8", [7, 8]),
}


@pytest.mark.parametrize("kind", ROTTEN)
def test_a_damaged_row_does_not_stop_a_new_stream(tmp_path, kind):
    """An alarm stands in its place, so that all others keep their distance; they are carried over as they are."""
    sql, gone = ROTTEN[kind]
    journal = filled(tmp_path)
    ordered, epoch = order(journal, 4), journal.epoch
    journal.append_all([], NOW, [Change("INSERT INTO personal VALUES (9, X'00')", ()), Change(sql, ())])
    rehome(journal, ordered, LATER, lambda: None)
    told = [decode(raw) for _, raw, _ in rows(journal)]
    assert told[0].payload["rows"] == 6
    assert [event.payload["seq"] for event in told[1:]] == [5, 6, 7, 8, 9, 10]
    lost = [event.payload for event in told[1:] if event.kind == Kind.ALARM]
    assert lost == [{"alarm": DAMAGED, "what": "begins", "epoch": epoch, "seq": seq} for seq in gone]
    assert all(set(event.payload) <= set(FIELDS[Kind(event.kind)]) for event in told)
    assert journal.rows("SELECT seq FROM personal") == [(6,)]
    journal.close()
    again = Journal(tmp_path, "boot-2")
    assert again.quarantined is None
    assert again.last_wall_us() == NOW.wall_us
    again.close()


def test_a_row_that_is_no_text_stops_neither_retention_nor_the_lane(tmp_path):
    """An acknowledged row has rotted: it goes with its neighbours when they are old, and nothing raises."""
    journal = filled(tmp_path)
    store, inbox = SyncStore(tmp_path), Inbox(tmp_path)
    store.set_delivered(journal.epoch, 8, rows(journal)[7][2])
    journal.append_all([], NOW, [Change(ROTTEN["not UTF-8"][0], ())])
    recorder = Recorder(journal, Reserve(tmp_path, 1 << 16), lambda _fault: None)
    upkeep = Upkeep(recorder, inbox, RetentionConfig(keep_days=1))
    later = Instant(NOW.wall_us + 5 * 86_400_000_000, NOW.mono_us)
    assert journal.last_wall_us() == NOW.wall_us
    upkeep.tend(later, lambda: None, idle=True)
    assert [seq for seq, _, _ in rows(journal)] == [9, 10]
    for end in (inbox, store, recorder):
        end.close()


def test_nothing_but_the_stream_changes(tmp_path):
    """Documents, high water marks, register and other state are the same afterwards."""
    journal = filled(tmp_path, 2)
    changes = [
        Change("INSERT INTO document VALUES ('policy', 3, ?, ?, 1)", (bytes(32), b"raw")),
        Change("INSERT INTO high_water VALUES ('policy', ?, 3, ?)", (b"kid1", bytes(32))),
        Change("INSERT INTO passage VALUES (1, ?, NULL, 'in', 1)", (b"cti",)),
        set_state("inbox", b"17"),
    ]
    journal.append(Kind.BOOT, {}, NOW, changes)
    tables = ("document", "high_water", "passage")
    before = [journal.rows(f"SELECT * FROM {table}") for table in tables]
    rehome(journal, order(journal, 1), LATER, lambda: None)
    assert [journal.rows(f"SELECT * FROM {table}") for table in tables] == before
    assert journal.state("inbox") == b"17"
    journal.close()


@pytest.mark.parametrize("wrong", ["hash", "beyond", "none"])
def test_a_prefix_that_is_not_this_journals_counts_as_none(tmp_path, wrong):
    """Where the acknowledged hash is not found here, all rows are carried over: too many do no harm."""
    journal = filled(tmp_path, 5)
    before, epoch = rows(journal), journal.epoch
    asked = {
        "hash": Rehoming(epoch, 3, bytes(31) + b"x", "replaced"),
        "beyond": Rehoming(epoch, 30, bytes(31) + b"x", "shorter"),
        "none": Rehoming(epoch, 0, GENESIS, "fork"),
    }[wrong]
    assert rehome(journal, asked, LATER, lambda: None) == 5
    assert_carried(before, epoch, 0, journal)
    journal.close()


def test_rows_evicted_before_are_known_by_their_hash(tmp_path):
    """The acknowledged prefix may have been evicted; what is kept follows on the hash that was."""
    journal = filled(tmp_path, 8)
    before, asked, epoch = rows(journal), order(journal, 5), journal.epoch
    journal.evict(5)
    assert rehome(journal, asked, LATER, lambda: None) == 3
    assert_carried(before, epoch, 5, journal)
    assert journal.state(EVICTED) is None
    assert journal.state(f"{EVICTED} {former_table(epoch)}") is not None
    journal.close()


def test_a_row_is_wrapped_once_however_often_it_moves(tmp_path):
    """After a second new stream every row still names its first origin, and is no longer than before."""
    journal = filled(tmp_path, 3)
    before, first = rows(journal), journal.epoch
    rehome(journal, order(journal, 0), LATER, lambda: None)
    second, once = journal.epoch, rows(journal)
    rehome(journal, order(journal, 0), LATER, lambda: None)
    origins = [origin(decode(raw)) for _, raw, _ in rows(journal)]
    assert [(o.epoch, o.seq) for o in origins if o] == [(second, 1), (first, 1), (first, 2), (first, 3)]
    assert [o.raw for o in origins if o][1:] == [raw for _, raw, _ in before]
    assert len(rows(journal)[2][1]) == len(once[1][1])
    journal.close()


@pytest.mark.parametrize("beats", [1, 4, 6, 99])
def test_kill_nine_leaves_the_old_stream_or_the_new_one(tmp_path, beats):
    """Killed in the middle of the transaction, or just after it: before or after, never between."""
    journal = filled(tmp_path)
    before, epoch = rows(journal), journal.epoch
    journal.close()
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "4", str(beats)], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    again = Journal(tmp_path, "boot-3")
    assert again.quarantined is None
    if beats <= 6:
        assert (again.epoch, rows(again)) == (epoch, before)
        rehome(again, order(again, 4), LATER, lambda: None)
    assert again.epoch != epoch
    assert_carried(before, epoch, 4, again)
    again.close()


def test_a_failing_disk_changes_nothing(tmp_path):
    """Where there is no room for the new stream the old one goes on, in memory as on the disk."""
    journal = filled(tmp_path)
    before, epoch, head = rows(journal), journal.epoch, journal.head
    journal.rows(f"PRAGMA max_page_count = {journal.rows('PRAGMA page_count')[0][0]}")
    with pytest.raises(JournalFault, match="no new stream"):
        rehome(journal, order(journal, 2), LATER, lambda: None)
    assert (journal.epoch, journal.seq, journal.head, rows(journal)) == (epoch, 10, head, before)
    journal.close()


def test_a_row_whose_bytes_say_rehomed_is_still_any_row():
    """The word in a text of an ordinary event does not make it one that was carried over."""
    raw = b'[1,2,3,"b","trusted",0,"decision",{"rule":"rehomed"}]'
    assert carried(7, 1, bytes(32), raw)["raw"] == raw.decode()
    assert original(raw).kind == Kind.DECISION
    with pytest.raises(ValueError, match="without"):
        original(b'[1,2,3,"b","trusted",0,"rehomed",{"epoch":1}]')


def test_the_time_to_go_on_from_is_found_in_rows_that_were_carried_over(tmp_path):
    """A station whose clock is lost carries its events over and still knows when the last trusted one was."""
    journal = filled(tmp_path, 3)
    rehome(journal, order(journal, 0), Instant(5, 5, ClockState.LOST), lambda: None)
    assert journal.last_wall_us() == NOW.wall_us
    journal.close()


@pytest.mark.parametrize("prefix", [0, 4])
def test_what_events_know_of_persons_goes_with_them(tmp_path, prefix):
    """The sealed part of an event stands under its new number; of what stayed behind nothing is left."""
    journal = filled(tmp_path)
    for seq in range(1, 11):
        journal.rows("INSERT INTO personal VALUES (?, ?)", (seq, b"sealed %d" % seq))
    rehome(journal, order(journal, prefix), LATER, lambda: None)
    found = journal.rows("SELECT event.raw, personal.text FROM personal JOIN event USING (seq) ORDER BY seq")
    said = [(came_from.seq, text) for raw, text in found if (came_from := origin(decode(raw)))]
    assert said == [(seq, b"sealed %d" % seq) for seq in range(prefix + 1, 11)]
    journal.close()


class Kept:
    """Upkeep over a journal and gate-sync's real file."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.store, self.inbox = filled(folder), SyncStore(folder), Inbox(folder)
        self.recorder = Recorder(self.journal, Reserve(folder, 1 << 20), lambda _fault: None)
        self.upkeep = Upkeep(self.recorder, self.inbox, RetentionConfig())

    def order(self, prefix: int) -> None:
        """Let gate-sync order a new stream."""
        asked = order(self.journal, prefix)
        self.store.order(Order(asked.epoch, asked.prefix, asked.head, Cause.FORK))


@pytest.fixture
def kept(tmp_path):
    """Upkeep."""
    made = Kept(tmp_path)
    yield made
    made.inbox.close()
    made.store.close()
    made.recorder.close()


def test_an_order_is_carried_out_once_and_only_while_nobody_is_there(kept):
    """Busy: nothing. Idle: a new stream, shown for a day. The same order is then of an old stream and does nothing."""
    epoch = kept.journal.epoch
    kept.order(4)
    kept.upkeep.tend(LATER, lambda: None, idle=False)
    assert kept.journal.epoch == epoch
    assert kept.upkeep.ailments(LATER) == {"disk": None, "stream": None}
    kept.upkeep.tend(LATER, lambda: None, idle=True)
    new = kept.journal.epoch
    assert new != epoch
    kept.upkeep.tend(LATER, lambda: None, idle=True)
    assert kept.journal.epoch == new
    shown = kept.upkeep.ailments(LATER)["stream"]
    assert shown is not None
    assert shown.key == "health-stream"
    assert kept.upkeep.ailments(Instant(LATER.wall_us + SHOWN_US, 1))["stream"] is None


def test_an_order_that_fails_is_tried_again_only_after_minutes(kept, monkeypatch, caplog):
    """Each try goes over the whole backlog: not once a second. That it failed is said once."""
    tried = list[int]()

    def fails(journal, *_):
        tried.append(journal.epoch)
        raise JournalFault("row 23 cannot be read")

    monkeypatch.setattr("station.upkeep.rehome", fails)
    kept.order(4)
    for second in range(600):
        kept.upkeep.tend(Instant(NOW.wall_us, second * 1_000_000), lambda: None, idle=True)
    assert len(tried) == 1
    kept.upkeep.tend(Instant(NOW.wall_us, 600_000_000), lambda: None, idle=True)
    assert len(tried) == 2
    assert caplog.text.count("row 23 cannot be read") == 1
    monkeypatch.undo()
    kept.upkeep.tend(Instant(NOW.wall_us, 1_200_000_000), lambda: None, idle=True)
    assert kept.journal.epoch != tried[0]


def test_an_order_that_makes_no_sense_is_not_read(kept):
    """A cause nobody knows, a negative prefix: left alone."""
    for prefix, cause in ((-1, "fork"), (1, "whim")):
        db = kept.store._connection
        db.execute("INSERT OR REPLACE INTO rehoming VALUES (?, ?, ?, ?, 1)", (kept.journal.epoch, prefix, b"", cause))
        assert kept.inbox.rehoming(kept.journal.epoch) is None


def test_silent_alarms_stay_silent_under_their_new_numbers(kept):
    """What may not be seen at the gate is still left out of the numbers that are shown."""
    kept.recorder.alarm_silently("in", "li", NOW)
    kept.recorder.commit(Kind.DECISION, {}, NOW)
    silent = kept.journal.seq - 1
    assert kept.recorder.apparent(kept.journal.seq) == kept.journal.seq - 1
    kept.order(4)
    kept.upkeep.tend(LATER, lambda: None, idle=True)
    assert kept.journal.state(SILENT) == b"[%d]" % (silent - 4 + 1)
    moved = kept.journal.rows("SELECT raw FROM event WHERE seq = ?", (silent - 4 + 1,))[0][0]
    assert original(moved).payload["alarm"] == "duress"
    assert kept.recorder.apparent(kept.journal.seq) == kept.journal.seq - 1


def test_a_journal_set_aside_is_marked_once_central_has_it(kept, tmp_path):
    """The file and its companions get another name; what is named and is no such file is left alone."""
    name = "journal.db.quarantine-7"
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"{name}{suffix}").write_text("old")
    (tmp_path / "reserve.txt").write_text("other")
    for said in (name, "reserve.txt", "journal.db.quarantine-../reserve.txt", "journal.db.quarantine-8"):
        kept.store._connection.execute("INSERT INTO uploaded VALUES (?, 1, 1, 0, '', 1)", (said,))
    kept.upkeep.tend(LATER, lambda: None, idle=True)
    found = {path.name for path in tmp_path.iterdir() if "quarantine" in path.name}
    assert found == {f"{name}.uploaded{suffix}" for suffix in ("", "-wal", "-shm")}
    assert (tmp_path / "reserve.txt").exists()


def test_a_full_disk_is_told_and_decides_as_configured(tmp_path, kept):
    """Above the alarm's share: a fault of the part `disk`, and the outcome the configuration names."""
    for when_full, expected in (("guard", "refer"), ("deny", "deny")):
        config = RetentionConfig(evict_at=0.1, alarm_at=0.100001, when_full=when_full)
        upkeep = Upkeep(kept.recorder, kept.inbox, config)
        assert upkeep.instead() is None
        upkeep._retention._limits = type(upkeep._retention._limits)(alarm_at=0.0)
        upkeep.tend(LATER, lambda: None, idle=False)
        assert upkeep.instead() == expected
        ailment = upkeep.ailments(LATER)["disk"]
        assert ailment is not None
        assert ailment.key == "health-disk"
