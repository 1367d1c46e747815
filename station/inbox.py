"""The station's view of sync.db: signed documents that arrived, how much central has acknowledged, the link's state.

Read only, and never trusted further than the signatures inside. Everything here answers "nothing new" while gate-sync
has not made the file yet, or makes it anew.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

FILE = "sync.db"
LARGEST = 4 * 1024 * 1024
AT_ONCE = 4
NOTICES_AT_ONCE = 64
"""Documents taken up in one look: the gate thread has other things to do."""


_UNREAD = """WITH this(nonce) AS (
    SELECT coalesce((SELECT nonce FROM file WHERE typeof(nonce) = 'blob' AND length(nonce) <= 64), x'')
)
SELECT nonce, id, {columns} FROM this, {table} WHERE id > iif(nonce = ?, ?, 0) AND {condition} ORDER BY id LIMIT ?"""
"""What is unread is asked for in one statement with whose file it is, which may be made anew between two."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of a table of sync.db, and up to where it is read. `file`: of which sync.db, as each counts for itself."""

    file: bytes = b""
    row: int = 0

    @staticmethod
    def recall(kept: bytes | None) -> Mark:
        """Read what `keep` wrote; nothing is kept before the first row was read."""
        row, _, file = (kept or b"0").partition(b" ")
        return Mark(bytes.fromhex(file.decode("ascii")), int(row))

    def keep(self) -> bytes:
        """Return it as the journal keeps it."""
        return b"%d %s" % (self.row, self.file.hex().encode("ascii")) if self.file else b"%d" % self.row

    def through(self, other: Mark) -> Mark:
        """Return how far is read once `other` is read, too: in another file everything else is unread."""
        return Mark(self.file, max(self.row, other.row)) if other.file == self.file else other


NOTHING = Mark()
"""Nothing is read."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One row of the inbox."""

    mark: Mark
    type: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class ReceivedCommand:
    """A command as received. `retained`: the broker had kept it, or was asked to."""

    mark: Mark
    raw: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to the broker, as gate-sync last wrote it."""

    connected: bool
    since_us: int
    last_error: str


@dataclass(frozen=True, slots=True)
class Rehoming:
    """An order to begin a new stream with the rows of `epoch` after `prefix`. `cause`: station.schema.Cause."""

    epoch: int
    prefix: int
    head: bytes
    cause: str


NO_LINK = Link(connected=False, since_us=0, last_error="")


class Inbox:
    """A reader of sync.db. Used by the gate thread alone."""

    def __init__(self, directory: Path) -> None:
        """`directory`: gate-sync's state directory."""
        self.path = directory / FILE
        self._db: apsw.Connection | None = None
        self._inode = 0

    def arrivals(self, after: Mark) -> list[Arrival]:
        """Return documents (not chunks) beyond a mark, oldest first."""
        documents = "type NOT IN ('status-chunk', 'status-delta') AND typeof(type) = 'text'"
        return [Arrival(mark, *row) for mark, *row in self._unread("inbox", "type, raw", documents, after, AT_ONCE)]

    def chunk(self, digest: bytes) -> bytes | None:
        """Return the status chunk with this SHA-256, if it has arrived."""
        rows = self._query(
            "SELECT raw FROM inbox WHERE type = 'status-chunk' AND hash = ? AND typeof(raw) = 'blob'", (digest,)
        )
        return rows[0][0] if rows else None

    def deltas(self) -> list[bytes]:
        """Return the status deltas that have arrived, newest first."""
        rows = self._query(
            "SELECT raw FROM inbox WHERE type = 'status-delta' AND typeof(raw) = 'blob' ORDER BY id DESC LIMIT 8"
        )
        return [row[0] for row in rows]

    def chunk_like(self, prefix: bytes) -> bytes | None:
        """Return the status chunk whose SHA-256 begins with `prefix`, if it has arrived."""
        rows = self._query(
            "SELECT raw FROM inbox WHERE type = 'status-chunk' AND substr(hash, 1, ?) = ? AND typeof(raw) = 'blob'",
            (len(prefix), prefix),
        )
        return rows[0][0] if rows else None

    def notices(self, after: Mark) -> list[tuple[Mark, bytes]]:
        """Return (mark, raw) of notices from the site's other gates beyond a mark, oldest first."""
        return [(mark, raw) for mark, raw in self._unread("peer", "raw", "true", after, NOTICES_AT_ONCE)]

    def commands(self, after: Mark) -> list[ReceivedCommand]:
        """Return commands beyond a mark, oldest first."""
        rows = self._unread("command", "raw, retained", "true", after, AT_ONCE)
        return [ReceivedCommand(mark, raw, retained != 0) for mark, raw, retained in rows]

    def acknowledged(self, epoch: int) -> int:
        """Return the highest seq of this stream that central has acknowledged."""
        rows = self._query("SELECT prefix FROM delivered WHERE epoch = ? AND typeof(prefix) = 'integer'", (epoch,))
        return rows[0][0] if rows else 0

    def delivered(self, epoch: int) -> tuple[int, bytes] | None:
        """Return the acknowledged prefix of a stream with its chain hash; None until central has answered for it."""
        rows = self._query(
            "SELECT prefix, head FROM delivered WHERE epoch = ?"
            " AND typeof(prefix) = 'integer' AND typeof(head) = 'blob'",
            (epoch,),
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def rehoming(self, epoch: int) -> Rehoming | None:
        """Return the order to end stream `epoch`, None where there is none."""
        rows = self._query(
            "SELECT epoch, prefix, head, cause FROM rehoming WHERE epoch = ? AND typeof(prefix) = 'integer'"
            " AND prefix >= 0 AND typeof(head) = 'blob' AND cause IN ('fork', 'ahead', 'shorter', 'replaced')",
            (epoch,),
        )
        return Rehoming(*rows[0]) if rows else None

    def uploaded(self) -> set[str]:
        """Return the names of ended streams of which central has all that could be read."""
        rows = self._query("SELECT name FROM uploaded WHERE typeof(name) = 'text' AND note = '' LIMIT 1000")
        return {row[0] for row in rows}

    def link(self) -> Link:
        """Return the state of the connection."""
        rows = self._query(
            "SELECT connected, since_us, last_error FROM link WHERE id = 1"
            " AND typeof(since_us) = 'integer' AND typeof(last_error) = 'text' AND length(last_error) < 1000"
        )
        return Link(rows[0][0] == 1, rows[0][1], rows[0][2]) if rows else NO_LINK

    def _unread(self, table: str, columns: str, condition: str, after: Mark, most: int) -> list[list[Any]]:
        sized = f"typeof(raw) = 'blob' AND length(raw) <= {LARGEST} AND {condition}"
        sql = _UNREAD.format(table=table, columns=columns, condition=sized)
        rows = self._query(sql, (after.file, after.row, most))
        return [[Mark(file, row), *values] for file, row, *values in rows]

    def _query(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            db = self._open()
            return list(db.execute(sql, values)) if db else []
        except (apsw.Error, OSError, ValueError, TypeError):
            self.close()  # replaced, being made, or damaged: gate-sync mends its own file, and the next look opens anew
            return []

    def _open(self) -> apsw.Connection | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.close()
            return None
        if not stat.S_ISREG(found.st_mode):
            return None  # a pipe in its place would make the gate thread wait for ever
        inode = found.st_ino
        if self._db is None or inode != self._inode:
            self.close()
            self._db = apsw.Connection(
                f"file:{self.path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            )
            self._db.set_busy_timeout(100)
            self._inode = inode
        return self._db

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None
