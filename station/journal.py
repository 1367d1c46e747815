"""The journal: the only writer of events, and of every state that must survive.

SQLite in WAL mode with synchronous=FULL: when `append` returns, the event is on the medium. Sequence numbers have no
gaps, each event is chained to the one before, and state that belongs to an event changes in the event's transaction.
A file that does not open or does not verify is set aside, never overwritten; the station goes on with a new stream.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apsw

from station.core.events import GENESIS, Kind, Payload, chain, encode
from station.core.model import ClockState, Instant
from station.core.record import dataclass
from station.core.rehoming import original
from station.core.retention import Disk
from station.schema import EVICTED, EVICTED_SEQ, JOURNAL_DDL, JOURNAL_SCHEMA, QUARANTINE

log = logging.getLogger(__name__)

FILE = "journal.db"
APPLICATION_ID = 0x47534A31
"""SQLite application_id of a journal: "GSJ1"."""
BUSY_MS = 2000
LOOK_BACK = 20_000
"""Events looked through at start for one with a trusted clock."""
WAL_LIMIT = 16 * 1024 * 1024
"""Bytes to which the WAL is cut back after a slow reader let it grow."""


class JournalFault(Exception):  # noqa: N818 - "fault" is the word of the field
    """The event could not be committed. Nothing may happen that depends on it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A statement to run in the transaction of an event; `sql` is a constant of the code, `values` its parameters."""

    sql: str
    values: tuple[Any, ...]


def set_state(key: str, value: bytes) -> Change:
    """Return the change that stores a state value under a key."""
    return Change("INSERT OR REPLACE INTO state(key, value) VALUES (?, ?)", (key, value))


class Journal:
    """One open journal file. Used by the gate thread alone."""

    def __init__(self, directory: Path, boot: str, ring: Path | None = None) -> None:
        """Open or create `directory`/journal.db. Raises JournalFault only when no usable file can be made at all."""
        self.path, self.boot = directory / FILE, boot
        self.quarantined: Path | None = None
        self._ring = _Bell(ring) if ring else None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._db = self._open_or_quarantine()
            self.epoch = int(self._one("SELECT epoch FROM stream"))
            self.seq, self.head = self._tail()
        except (apsw.Error, OSError) as error:
            raise JournalFault(f"{self.path}: cannot be opened ({error}); check disk and permissions") from error

    # --- opening ---------------------------------------------------------------------------------------------------

    def _open_or_quarantine(self) -> apsw.Connection:
        try:
            return self._open()
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, _UnsoundError, TypeError, ValueError) as error:
            # TypeError, ValueError: a flipped bit makes a number of a row's bytes, or a text that is no UTF-8.
            self.quarantined = _set_aside(self.path)
            log.error("journal %s is damaged (%s); set aside as %s", self.path, error, self.quarantined)  # noqa: TRY400
            return self._open()

    def _open(self) -> apsw.Connection:
        # Made before SQLite does, so that the WAL's files inherit who may read it (gate-sync, by its group).
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
        self.path.chmod(0o640)
        db = apsw.Connection(str(self.path))
        try:
            db.set_busy_timeout(BUSY_MS)
            _configure(db)
            _verify(db)
        except BaseException:
            db.close()
            raise
        return db

    def _one(self, sql: str) -> Any:
        return self._db.execute(sql).get

    def _tail(self) -> tuple[int, bytes]:
        row: Any = self._db.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
        return (row[0], row[1]) if row else (0, GENESIS)

    # --- writing ---------------------------------------------------------------------------------------------------

    def append(self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()) -> int:
        """Commit one event with the state changes that belong to it; return its seq. Raises JournalFault."""
        return self.append_all([(kind, payload)], now, changes)

    def append_all(self, events: Iterable[tuple[Kind, Payload]], now: Instant, changes: Iterable[Change] = ()) -> int:
        """Commit several events in one transaction; return the last seq. Raises JournalFault."""
        seq, head = self.seq, self.head
        try:
            with self._db:
                for kind, payload in events:
                    seq += 1
                    raw = encode(seq, now, self.boot, kind, payload)
                    head = chain(head, raw)
                    self._db.execute("INSERT INTO event(seq, raw, hash) VALUES (?, ?, ?)", (seq, raw, head))
                for change in changes:
                    self._db.execute(change.sql, change.values)
        except (apsw.Error, OSError, ValueError) as error:
            raise JournalFault(f"{self.path}: the event could not be committed ({error})") from error
        self.seq, self.head = seq, head
        if self._ring:
            self._ring.ring()
        return seq

    def evict(self, up_to: int) -> None:
        """Delete the rows up to `up_to`, in one transaction with the hash on which the kept ones follow.

        Raises JournalFault. The newest row cannot go; that central has the others is for the caller to know.
        """
        if up_to >= self.seq:
            raise ValueError(f"row {up_to} is the newest or beyond it; the chain goes on from there")
        try:
            with self._db:
                digest: Any = self._db.execute("SELECT hash FROM event WHERE seq = ?", (up_to,)).get
                if digest is None:
                    return
                mark = set_state(EVICTED, up_to.to_bytes(EVICTED_SEQ) + digest)
                self._db.execute(mark.sql, mark.values)
                for table in ("event", "personal"):
                    self._db.execute(f"DELETE FROM {table} WHERE seq <= ?", (up_to,))
        except (apsw.Error, OSError) as error:
            raise JournalFault(f"{self.path}: old events could not be evicted ({error}); check the disk") from error

    def begin_stream(self, work: Callable[[apsw.Connection], tuple[int, int, bytes]]) -> None:
        """Let `work` put another stream into this file, in one transaction: it returns epoch, last seq and its hash.

        Raises JournalFault; then nothing has changed.
        """
        try:
            with self._db:
                begun = work(self._db)
        except (apsw.Error, OSError, ValueError) as error:
            raise JournalFault(f"{self.path}: no new stream could be begun ({error}); check the disk") from error
        self.epoch, self.seq, self.head = begun
        if self._ring:
            self._ring.ring()

    # --- reading ---------------------------------------------------------------------------------------------------

    def state(self, key: str) -> bytes | None:
        """Return a stored state value. Raises JournalFault, as every method here does where the file cannot be read."""
        rows = self.rows("SELECT value FROM state WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a query of the station's own."""
        try:
            return list(self._db.execute(sql, values))
        except (apsw.Error, OSError) as error:
            raise JournalFault(f"{self.path}: cannot be read ({error}); check the disk") from error

    def disk(self) -> Disk:
        """Return how full the disk is that the journal is on. Raises JournalFault, OSError."""
        found = os.statvfs(self.path.parent)
        empty: int = self.rows("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")[0][0]
        return Disk((found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize, empty)

    def last(self, count: int) -> list[tuple[int, bytes]]:
        """Return (seq, raw) of the last `count` events, oldest first."""
        rows = self.rows("SELECT seq, raw FROM event ORDER BY seq DESC LIMIT ?", (count,))
        return [(seq, raw) for seq, raw in reversed(rows)]

    def last_wall_us(self) -> int:
        """Return the wall time of the last event whose clock was trusted, microseconds; 0 where none is found.

        What a guard told is left out: it dies with its boot, or each boot would allow the next guard to go on from it.
        """
        query = "SELECT raw FROM event WHERE typeof(raw) = 'blob' ORDER BY seq DESC LIMIT ?"
        for (raw,) in self.rows(query, (LOOK_BACK,)):
            try:
                event = original(raw)
            except ValueError:
                continue  # rotten: the others tell the time as well
            if event.clock == ClockState.TRUSTED:
                return event.wall_us
        return 0

    def close(self) -> None:
        """Close the file; the WAL stays for readers under another user (FCNTL_PERSIST_WAL)."""
        self._db.close()
        if self._ring:
            self._ring.close()


class _UnsoundError(Exception):
    """The file is a database, but not a sound journal."""


def _configure(db: apsw.Connection) -> None:
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only in a new file; see station/retention.py
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
    _persist_wal(db)
    version = db.execute("PRAGMA user_version").get
    if not 0 <= version <= JOURNAL_SCHEMA:
        raise _UnsoundError(f"schema {version}, this software knows {JOURNAL_SCHEMA}")
    if version < JOURNAL_SCHEMA:
        _create(db)  # every table is made only where it is missing


def _create(db: apsw.Connection) -> None:
    with db:
        db.execute(JOURNAL_DDL)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(
            "INSERT OR IGNORE INTO stream(id, epoch, created_us) VALUES (1, ?, ?)",
            (secrets.randbits(63) | 1, time.time_ns() // 1000),
        )
        db.execute(f"PRAGMA user_version = {JOURNAL_SCHEMA}")


def _persist_wal(db: apsw.Connection) -> None:
    # A reader under another user cannot recreate the WAL's files; without this the writer's clean close removes them.
    flag = ctypes.c_int(1)
    db.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(flag))


def _verify(db: apsw.Connection) -> None:
    """Check the database, and the chain of its last events, before anything is built on them."""
    if db.execute("SELECT count(*) FROM stream").get != 1:
        raise _UnsoundError("it names no stream")
    if db.execute("SELECT typeof(epoch) <> 'integer' OR epoch <= 0 FROM stream").get:
        raise _UnsoundError("its stream has no number")
    result = db.execute("PRAGMA quick_check(1)").get
    if result != "ok":
        raise _UnsoundError(result)
    newest_first: list[Any] = db.execute("SELECT seq, raw, hash FROM event ORDER BY seq DESC LIMIT 1000").fetchall()
    if newest_first and not (isinstance(newest_first[0][2], bytes) and len(newest_first[0][2]) == len(GENESIS)):
        raise _UnsoundError(f"event {newest_first[0][0]} has no hash")
    for (seq, _, before), (following, raw, digest) in itertools.pairwise(reversed(newest_first)):
        if following != seq + 1 or chain(before, raw) != digest:
            raise _UnsoundError(f"the chain breaks at event {following}")


def _set_aside(path: Path) -> Path:
    target = path.with_name(f"{QUARANTINE}{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{target}{suffix}")
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target


class _Bell:
    """Rings gate-sync after each commit. A hint only: nobody listening is not an error."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ring(self) -> None:
        try:
            self._socket.sendto(b"", self._path)
        except OSError:
            return  # gate-sync is not running, or its queue is full: its poll finds the row

    def close(self) -> None:
        self._socket.close()
