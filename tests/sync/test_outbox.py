"""The journal as a reader sees it: absent, growing, replaced, damaged - and sync.db beside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import pytest

from station.core import cose, events
from sync import wire
from sync.outbox import DamagedRowError, JournalError, Outbox, Stream
from sync.store import FILE, MAX_ROWS, SyncStore
from sync.trust import TrustKeys, ack_keys
from tests.sync.lab import KEY, KID, Journal, trust_bundle


def test_a_journal_that_comes_later_is_read(tmp_path: Path) -> None:
    """Before the station's first start there is nothing; afterwards the same reader sees the rows."""
    outbox = Outbox(tmp_path / "station" / "journal.db")
    assert outbox.look() is None
    assert outbox.trust() is None
    journal = Journal(tmp_path / "station" / "journal.db")
    assert outbox.look() == Stream(journal.epoch, 1, 0)
    journal.write(3)
    assert outbox.look() == Stream(journal.epoch, 1, 3)
    journal.close()
    assert outbox.look() == Stream(journal.epoch, 1, 3), "after a clean close of the writer too"
    outbox.close()


def test_a_replaced_journal_is_seen_at_once(journal: Journal, tmp_path: Path) -> None:
    """Another file under the same name is another stream, and rows of it are never sent under the old epoch."""
    journal.write(5)
    outbox = Outbox(journal.path)
    before = outbox.look()
    assert before is not None
    other = Journal(tmp_path / "other" / "journal.db")
    other.write(2)
    other.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{journal.path}{suffix}").unlink()
    (tmp_path / "other" / "journal.db").replace(journal.path)
    with pytest.raises(JournalError, match="replaced"):
        outbox.batch(before.epoch, 1, 2, wire.MAX_RAW, events.GENESIS)
    assert outbox.look() == Stream(other.epoch, 1, 2)
    outbox.close()


def test_a_batch_keeps_to_its_limits(journal: Journal) -> None:
    """A batch ends at its last row or before its bytes are exceeded, and holds at least one event."""
    journal.write(20)
    outbox = Outbox(journal.path)
    assert outbox.batch(journal.epoch, 1, 7, wire.MAX_RAW, events.GENESIS).n == 7
    size = len(journal.rows()[0][1])
    assert outbox.batch(journal.epoch, 1, 20, 3 * size, events.GENESIS).n == 3
    assert outbox.batch(journal.epoch, 1, 20, 1, events.GENESIS).n == 1
    assert wire.hashes(outbox.batch(journal.epoch, 1, 20, wire.MAX_RAW, events.GENESIS))[-1] == journal.rows()[19][2]
    outbox.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET raw = X'5B5D' WHERE seq = 3",
        "UPDATE event SET hash = zeroblob(32) WHERE seq = 3",
        "DELETE FROM event WHERE seq = 3",
    ],
)
def test_a_damaged_row_is_named(journal: Journal, damage: str) -> None:
    """A row that central would refuse is found before it is sent; a batch ends before it."""
    journal.write(5)
    heads = [row[2] for row in journal.rows()]
    journal._db.execute(damage)
    outbox = Outbox(journal.path)
    assert outbox.batch(journal.epoch, 1, 5, wire.MAX_RAW, events.GENESIS).last_seq == 2
    with pytest.raises(DamagedRowError, match="row 3 is missing or damaged"):
        outbox.batch(journal.epoch, 3, 5, wire.MAX_RAW, heads[1])
    outbox.close()


def tear(journal: Journal) -> int:
    """Write rows until they hang on several interior pages, fill the second with zeros; return the first row on it."""
    journal.write(20_000)
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = journal._db.pragma("page_size")
    root = next(iter(journal._db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'")))[0]
    journal.close()
    data = bytearray(journal.path.read_bytes())
    page = data[(root - 1) * size : root * size]
    cells = [int.from_bytes(page[at : at + 2]) for at in (12, 14)]  # behind the header: where each cell begins
    (_, before), (torn, _) = [(int.from_bytes(page[at : at + 4]), varint(page[at + 4 :])) for at in cells]
    data[(torn - 1) * size : torn * size] = bytes(size)
    journal.path.write_bytes(data)
    return before + 1


def varint(data: bytes) -> int:
    """Read a number as SQLite writes it: seven bits a byte, the last one below 128."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 127
        if byte < 128:
            break
    return value


def test_a_torn_interior_page_does_not_open_the_journal_for_each_row(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand rows hang on it: they are found damaged over one connection, or two, not over two thousand."""
    first, opened = tear(journal), list[str]()

    class Counted(apsw.Connection):
        def __init__(self, name: str, flags: int) -> None:
            opened.append(name)
            super().__init__(name, flags=flags)

    monkeypatch.setattr(apsw, "Connection", Counted)
    outbox = Outbox(journal.path)
    with pytest.raises(DamagedRowError, match=f"row {first} is missing or damaged"):
        outbox.batch(journal.epoch, first, first + 999, wire.MAX_RAW, bytes(32))
    assert len(opened) <= 2
    outbox.close()


def test_an_evicted_rows_hash_is_confirmed_by_the_next_row(journal: Journal) -> None:
    """The hash before the first kept row can still be checked, the ones before that cannot."""
    journal.write(10)
    heads = [row[2] for row in journal.rows()]
    journal.evict(5)
    outbox = Outbox(journal.path)
    assert outbox.confirms(7, heads[6]) is True
    assert outbox.confirms(7, heads[5]) is False
    assert outbox.confirms(5, heads[4]) is True
    assert outbox.confirms(5, heads[3]) is False
    assert outbox.confirms(3, heads[2]) is None
    assert outbox.hash_at(0) == events.GENESIS
    outbox.close()


def test_a_file_that_is_no_database_is_an_error_to_read_and_no_crash(tmp_path: Path) -> None:
    """Garbage instead of a journal is reported."""
    path = tmp_path / "journal.db"
    path.write_bytes(b"no database at all, really" * 100)
    with pytest.raises(JournalError, match="cannot be read"):
        Outbox(path).look()


def test_sync_db_can_be_read_by_the_station_after_a_clean_close(tmp_path: Path) -> None:
    """Files are 0640 whatever the umask, and the WAL stays, so that a reader who may not write finds all it needs."""
    before = os.umask(0)
    store = SyncStore(tmp_path / "sync")
    os.umask(before)
    store.set_delivered(5, 9, b"h" * 32)
    store.set_link(connected=True, error="")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "sync").iterdir()}
    store.close()
    assert modes == {FILE: 0o640, f"{FILE}-wal": 0o640, f"{FILE}-shm": 0o640}
    assert {path.name for path in (tmp_path / "sync").iterdir()} == set(modes)
    with apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY) as db:
        assert list(db.execute("SELECT epoch, prefix FROM delivered")) == [(5, 9)]
    db.close()


def test_sync_db_waits_for_the_disk(tmp_path: Path) -> None:
    """What is acknowledged survives a power cut: WAL with synchronous FULL (2)."""
    store = SyncStore(tmp_path)
    assert store._connection.pragma("synchronous") == 2
    assert store._connection.pragma("journal_mode") == "wal"
    store.close()


def test_a_damaged_sync_db_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken sync.db costs nothing that central and broker would not tell again."""
    (tmp_path / FILE).write_bytes(b"broken" * 1000)
    store = SyncStore(tmp_path)
    assert store.delivered(1) is None
    assert any(path.name.startswith(f"{FILE}.damaged-") for path in tmp_path.iterdir())
    assert "is damaged" in caplog.text
    store.close()


def test_the_inbox_keeps_the_newest_of_each_topic_once(tmp_path: Path) -> None:
    """The same text is stored once, a new text replaces the old one of its topic, other topics stay."""
    store = SyncStore(tmp_path)
    assert store.put_document("t/1", "policy", b"one")
    assert not store.put_document("t/1", "policy", b"one")
    assert store.put_document("t/2", "status-chunk", b"chunk")
    assert not store.put_document("t/3", "policy", b"one"), "one text on two topics is one row"
    assert store.put_document("t/1", "policy", b"two")
    rows = list(store._connection.execute("SELECT type, raw FROM inbox ORDER BY id"))
    assert rows == [("policy", b"one"), ("status-chunk", b"chunk"), ("policy", b"two")]
    store.put_document("t/3", "policy", b"two")
    assert [raw for _, raw in store._connection.execute("SELECT type, raw FROM inbox")] == [b"chunk", b"two"]
    store.close()


def test_the_inbox_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many topics a broker invents, the number of rows has an end."""
    assert MAX_ROWS == 4096
    monkeypatch.setattr("sync.store.MAX_ROWS", 5)
    store = SyncStore(tmp_path)
    for number in range(12):
        store.put_document(f"t/{number}", "status-chunk", str(number).encode())
    assert [raw for (raw,) in store._connection.execute("SELECT raw FROM inbox ORDER BY id")] == [
        b"7",
        b"8",
        b"9",
        b"10",
        b"11",
    ]
    store.close()


def test_only_keys_with_the_ack_role_may_acknowledge() -> None:
    """The trust bundle's roles decide; anything that is no trust bundle gives no keys."""
    assert set(ack_keys(trust_bundle())) == {KID}
    assert ack_keys(trust_bundle(("policy",))) == {}
    raw = [trust_bundle()]
    keys = TrustKeys(lambda: raw[0])
    found = keys(KID)
    assert found is not None
    assert found.public_bytes_raw() == KEY.public_key().public_bytes_raw()
    raw[0] = trust_bundle(("policy",))
    assert keys(KID) is None, "a new bundle counts at once"
    raw[0] = b"garbage"
    assert keys(KID) is None


def test_a_withdrawn_key_may_not_acknowledge() -> None:
    """What the status manifest withdraws counts at once and ends with it; where it is damaged nobody may."""
    status = [manifest([b"\x09\x09\x09\x09"])]
    keys = TrustKeys(trust_bundle, lambda: status[0])
    assert keys(KID) is not None
    status[0] = manifest([KID])
    assert keys(KID) is None
    status[0] = manifest([])
    assert keys(KID) is not None
    for damaged in (b"garbage", cose.sign1(cose.encode([1]), KID, KEY), manifest(7)):
        status[0] = damaged
        assert keys(KID) is None


def manifest(revoked: object) -> bytes:
    """A status manifest in force that withdraws these keys."""
    return cose.sign1(cose.encode({"type": "status", "issuers": [], "revoked": revoked}), KID, KEY)


def test_the_status_manifest_in_force_is_read_from_the_journal(tmp_path: Path) -> None:
    """The outbox hands out the manifest as received, nothing where there is none."""
    journal = Journal(tmp_path / "journal.db")
    outbox = Outbox(journal.path)
    assert outbox.status() is None
    journal._db.execute("INSERT INTO document VALUES ('status', 1, ?, ?, 1)", (bytes(32), b"manifest"))
    assert outbox.status() == b"manifest"
    outbox.close()
    journal.close()
