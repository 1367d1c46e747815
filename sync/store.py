"""sync.db: what central has acknowledged, the inbox of documents, the state of the link. gate-sync alone writes it."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from station.core.passback import DAY_S, KEEP_DAYS
from station.schema import SYNC_DDL, Cause
from sync.notices import tells_nothing

log = logging.getLogger(__name__)

FILE = "sync.db"
MAX_ROWS = 4096
"""Documents kept in the inbox at most; the oldest go first."""
MAX_NOTICES, MAX_NOTICE_BYTES = 4096, 32 << 20
"""Notices from the site's other gates kept at most, and their bytes; the oldest go first."""
MAX_COMMANDS = 64
"""Commands kept at most, taken or not; the oldest go first."""
NOTICES_KEPT_US = KEEP_DAYS * DAY_S * 1_000_000

_PRIVATE_DDL = """
CREATE TABLE IF NOT EXISTS inbox_topic (  -- gate-sync's own: which row stands for which retained topic
    topic TEXT PRIMARY KEY,
    inbox INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (         -- gate-sync's own: what central has told and must outlive a restart
    key TEXT PRIMARY KEY,
    value REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (     -- gate-sync's own: up to which answer of a stream the broker has them all
    epoch INTEGER PRIMARY KEY,
    answer INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Order:
    """To gate-station: begin a new stream with all rows of `epoch` after `prefix`, whose chain hash is `head`."""

    epoch: int
    prefix: int
    head: bytes
    cause: Cause


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A stream that has ended, of which central has `rows`; `lost` could not be read. `name`: a file or a table."""

    name: str
    epoch: int
    rows: int
    lost: int
    note: str = ""


def now_us() -> int:
    """Return Unix time in microseconds."""
    return time.time_ns() // 1000


def _check(connection: apsw.Connection) -> None:
    if connection.pragma("quick_check") != "ok":
        raise apsw.CorruptError("quick_check failed")


class SyncStore:
    """The writing end of sync.db in the directory `state`. A damaged file is set aside: others know it all."""

    def __init__(self, state: Path) -> None:
        self.path = state / FILE
        state.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._open()
        except (apsw.NotADBError, apsw.CorruptError) as error:
            self._set_aside(error)
            self._connection = self._open()

    def _open(self) -> apsw.Connection:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640))
        self.path.chmod(0o640)  # the station's group reads it, whatever the umask; the WAL inherits this
        connection = apsw.Connection(str(self.path))
        try:
            connection.set_busy_timeout(5000)
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            # Without it a reader under another user fails once this writer has closed cleanly.
            persist = ctypes.c_int(1)
            connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(persist))
            connection.execute(SYNC_DDL + _PRIVATE_DDL)
            # gate-station remembers how far it has read, and of which file; one of an older version goes on without.
            connection.execute(
                "INSERT OR IGNORE INTO file SELECT 1, randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)"
            )
            _check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{FILE}.damaged-{int(time.time())}")
        log.error("%s is damaged (%s); kept as %s, starting a new one", self.path, error, aside.name)
        self.path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(FILE + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self._connection:
            yield self._connection

    def delivered(self, epoch: int) -> tuple[int, bytes] | None:
        """Return (prefix, head) that central has acknowledged for a stream, None where it has acknowledged nothing."""
        rows = list(self._connection.execute("SELECT prefix, head FROM delivered WHERE epoch = ?", (epoch,)))
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else None

    def set_delivered(self, epoch: int, prefix: int, head: bytes) -> None:
        """Record durably what central has acknowledged."""
        self._connection.execute(
            "INSERT INTO delivered VALUES (?, ?, ?, ?) ON CONFLICT (epoch) DO UPDATE SET prefix = excluded.prefix, "
            "head = excluded.head, acked_us = excluded.acked_us",
            (epoch, prefix, head, now_us()),
        )

    def spread_s(self) -> float | None:
        """Return over how long central wants reconnects spread, None where it has never said so."""
        rows = list(self._connection.execute("SELECT value FROM told WHERE key = 'spread'"))
        return float(rows[0][0]) if rows else None

    def set_spread_s(self, seconds: float) -> None:
        """Remember over how long central wants reconnects spread."""
        self._connection.execute("INSERT OR REPLACE INTO told VALUES ('spread', ?)", (seconds,))

    def order(self, order: Order) -> None:
        """Order the station to begin a new stream."""
        self._connection.execute(
            "INSERT OR REPLACE INTO rehoming VALUES (?, ?, ?, ?, ?)",
            (order.epoch, order.prefix, order.head, order.cause.value, now_us()),
        )

    def uploaded(self) -> set[str]:
        """Return the names of the ended streams of which central has all that can be read."""
        return {name for (name,) in self._connection.execute("SELECT name FROM uploaded")}

    def set_uploaded(self, done: Uploaded) -> None:
        """Record that central has all that can be read of an ended stream."""
        self._connection.execute(
            "INSERT OR REPLACE INTO uploaded VALUES (?, ?, ?, ?, ?, ?)",
            (done.name, done.epoch, done.rows, done.lost, done.note, now_us()),
        )

    def set_link(self, *, connected: bool, error: str) -> None:
        """Record the state of the connection; `since` moves only when `connected` changes."""
        self._connection.execute(
            "INSERT INTO link VALUES (1, ?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET "
            "since_us = CASE WHEN connected = ?1 THEN since_us ELSE ?2 END, connected = ?1, last_error = ?3",
            (int(connected), now_us(), error),
        )

    def link(self) -> tuple[bool, int, str] | None:
        """Return (connected, since_us, last_error)."""
        rows = list(self._connection.execute("SELECT connected, since_us, last_error FROM link"))
        return (bool(rows[0][0]), int(rows[0][1]), str(rows[0][2])) if rows else None

    def put_document(self, topic: str, kind: str, raw: bytes) -> bool:
        """Put a document into the inbox and drop the one it replaces on its topic. Says whether it is new."""
        digest = hashlib.sha256(raw).digest()
        with self._transaction() as db:
            before = self._number(db, "SELECT inbox FROM inbox_topic WHERE topic = ?", (topic,))
            number = self._number(db, "SELECT id FROM inbox WHERE type = ? AND hash = ?", (kind, digest))
            fresh = number is None
            if number is None:
                db.execute(
                    "INSERT INTO inbox (type, hash, raw, received_us) VALUES (?, ?, ?, ?)",
                    (kind, digest, raw, now_us()),
                )
                number = db.last_insert_rowid()
            db.execute(
                "INSERT INTO inbox_topic VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET inbox = excluded.inbox",
                (topic, number),
            )
            if before not in (None, number):
                self._drop_unused(db, before)
            self._trim(db)
        return fresh

    def put_notice(self, raw: bytes) -> None:
        """Keep a notice from the site's other gates for eight days; one that tells of nobody only until the next."""
        with self._transaction() as db:
            for number, last in list(db.execute("SELECT id, raw FROM peer ORDER BY id DESC LIMIT 1")):
                if tells_nothing(last):
                    db.execute("DELETE FROM peer WHERE id = ?", (number,))
            db.execute("INSERT INTO peer (raw, received_us) VALUES (?, ?)", (raw, now_us()))
            self._trim_notices(db)

    def put_command(self, raw: bytes, *, retained: bool) -> bool:
        """Keep a command for gate-station. Says whether it is new: the broker may deliver one twice."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO command (hash, raw, retained, received_us) VALUES (?, ?, ?, ?)",
                (hashlib.sha256(raw).digest(), raw, int(retained), now_us()),
            )
            fresh = db.changes() > 0
            kept = "SELECT id FROM command ORDER BY id DESC LIMIT ?"
            db.execute(f"DELETE FROM command WHERE id NOT IN ({kept})", (MAX_COMMANDS,))
        return fresh

    def answered(self, epoch: int) -> int:
        """Return up to which answer of a stream the broker has them all, 0 where it has none."""
        return self._number(self._connection, "SELECT answer FROM answered WHERE epoch = ?", (epoch,)) or 0

    def set_answered(self, epoch: int, answer: int) -> None:
        """Record that the broker has this answer of a stream, and all before."""
        self._connection.execute("INSERT OR REPLACE INTO answered VALUES (?, ?)", (epoch, answer))

    @staticmethod
    def _trim_notices(db: apsw.Connection) -> None:
        db.execute("DELETE FROM peer WHERE received_us < ?", (now_us() - NOTICES_KEPT_US,))
        from_newest = "OVER (ORDER BY id DESC)"
        counted = f"SELECT id, row_number() {from_newest} AS n, sum(length(raw)) {from_newest} AS size FROM peer"
        db.execute(
            f"DELETE FROM peer WHERE id IN (SELECT id FROM ({counted}) WHERE n > ? OR size > ?)",
            (MAX_NOTICES, MAX_NOTICE_BYTES),
        )

    @staticmethod
    def _number(db: apsw.Connection, sql: str, values: tuple[object, ...]) -> int | None:
        rows = list(db.execute(sql, values))
        return int(rows[0][0]) if rows else None

    @staticmethod
    def _drop_unused(db: apsw.Connection, number: int | None) -> None:
        db.execute(
            "DELETE FROM inbox WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM inbox_topic WHERE inbox = ?1)", (number,)
        )

    @staticmethod
    def _trim(db: apsw.Connection) -> None:
        db.execute("DELETE FROM inbox WHERE id NOT IN (SELECT id FROM inbox ORDER BY id DESC LIMIT ?)", (MAX_ROWS,))
        db.execute("DELETE FROM inbox_topic WHERE inbox NOT IN (SELECT id FROM inbox)")
