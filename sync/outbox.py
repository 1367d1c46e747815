"""The station's journal as gate-sync sees it: read-only, perhaps absent, perhaps replaced at any moment."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import msgspec

from station.core import events
from station.core.sealing import written
from station.schema import BOOT_NONCE, EVICTED, EVICTED_SEQ, FORMER
from sync import wire

log = logging.getLogger(__name__)

BUSY_MS = 1000
DIGEST = 32
MOST_ENDS = 200
"""Batches of which the last hash is remembered: more than are ever on their way."""
Row = tuple[int, int, int, str, str, int, str, dict[str, msgspec.Raw]]
_ROWS = msgspec.json.Decoder(list[Row])
"""Reads what station.core.events writes, all rows of a batch at once: eight times as fast as row by row."""

_FORMER = re.compile(rf"{FORMER}[0-9a-f]{{16}}")


class _Ended(msgspec.Struct, frozen=True):
    """What station/rehoming.py notes of a stream that has ended."""

    epoch: int
    prefix: int


class JournalError(Exception):
    """The journal cannot be read now, or what it holds is damaged. The message says what to do next."""


class DamagedRowError(JournalError):
    """The first row that was asked for is missing or damaged. Those behind it may be sound (sync/old_stream.py)."""


class _UnreadableError(JournalError):
    """Some of the rows that were asked for are stored so that SQLite cannot read them."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What the journal holds: rows `first` to `last` without gaps (`first` is `last` + 1 where it holds none)."""

    epoch: int
    first: int
    last: int


class Outbox:
    """Reads journal.db. Every read is short, so it never holds up the station's checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: apsw.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._epoch = -1
        self._ends: dict[int, bytes] = {}
        """The hashes with which batches of this stream ended: a row may go bad while it is on its way."""

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._file = None, None

    def look(self) -> Stream | None:
        """Return what the journal holds, None while there is none. Raises JournalError."""
        rows = self._query(
            "SELECT epoch, (SELECT MIN(seq) FROM event), (SELECT MAX(seq) FROM event) FROM stream WHERE id = 1"
        )
        if not rows:
            return None
        epoch, first, last = rows[0]
        if epoch != self._epoch:
            self._epoch = epoch
            self._ends.clear()
        return Stream(epoch, first if first is not None else 1, last if last is not None else 0)

    def hash_at(self, seq: int) -> bytes | None:
        """Return the chain hash after row `seq`, None where that is not kept. Raises JournalError."""
        if seq == 0:
            return events.GENESIS
        rows = self._readable("SELECT hash FROM event WHERE seq BETWEEN ? AND ? AND typeof(hash) = 'blob'", seq, seq)
        return rows[0][0] if rows else self._ends.get(seq) or self._evicted(seq)

    def _evicted(self, seq: int) -> bytes | None:
        """Return the chain hash after the row that was evicted last, if that is `seq`: what is kept follows on it."""
        for (value,) in self._query("SELECT value FROM state WHERE key = ?", (EVICTED,)):
            if len(value) == EVICTED_SEQ + DIGEST and int.from_bytes(value[:EVICTED_SEQ]) == seq:
                return bytes(value[EVICTED_SEQ:])
        return None

    def former(self) -> list[tuple[str, int, int]]:
        """Return (table, epoch, last row that stayed behind) of streams that another one has replaced in this file."""
        found = list[tuple[str, int, int]]()
        for key, value in self._query("SELECT key, value FROM state WHERE key GLOB ?", (f"former {FORMER}*",)):
            table = key.removeprefix("former ")
            with contextlib.suppress(msgspec.MsgspecError):
                ended = msgspec.json.decode(value, type=_Ended)
                if _FORMER.fullmatch(table):
                    found.append((table, ended.epoch, ended.prefix))
        return found

    def confirms(self, seq: int, head: bytes) -> bool | None:
        """Say whether `head` is the hash after row `seq`; None where no row is left to tell. Raises JournalError."""
        known = self.hash_at(seq)
        if known is not None:
            return known == head
        query = "SELECT raw, hash FROM event WHERE seq BETWEEN ? AND ? AND typeof(raw) = 'blob'"
        following = self._readable(query, seq + 1, seq + 1)
        if not following:
            return None
        raw, after = following[0]
        return bool(events.chain(head, raw) == after)

    def batch(self, epoch: int, first: int, last: int, max_bytes: int, prev: bytes) -> wire.Batch:
        """Cut a batch from row `first` to at most `last`, or to before a damaged row; `prev` is the hash before it.

        Raises DamagedRowError where `first` itself is damaged, JournalError.
        """
        query = "SELECT (SELECT epoch FROM stream), seq, raw, hash FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq"
        rows = self._readable(query, first, last)
        if any(found != epoch for found, *_ in rows):  # between the look and now another journal took its place
            raise JournalError(f"{self.path}: was replaced while being read; trying again")
        if not rows and not self._is_within(epoch, first):
            raise JournalError(f"{self.path}: row {first} is gone; the station may have started a new journal")
        taken, size, head = list[bytes](), 0, prev
        for _, seq, raw, stored in rows:
            if seq != first + len(taken) or not isinstance(raw, bytes) or len(raw) > wire.MAX_RAW:
                break
            size, after = size + len(raw), events.chain(head, raw)
            if after != stored or (taken and size > max_bytes):
                break
            taken.append(raw)
            head = after
        sound = self._sound(first, taken)
        if not sound:
            raise DamagedRowError(f"{self.path}: row {first} is missing or damaged")
        self._remember(epoch, first + sound - 1, rows[sound - 1][3])
        return wire.Batch(
            epoch=epoch,
            first_seq=first,
            n=sound,
            prev_hash=prev.hex(),
            last_hash=rows[sound - 1][3].hex(),
            events=[msgspec.Raw(raw) for raw in taken[:sound]],
            sealed=self._sealed(first, sound),
        )

    def _remember(self, epoch: int, seq: int, digest: bytes) -> None:
        if epoch == self._epoch:
            self._ends.pop(seq, None)
            self._ends[seq] = digest
            if len(self._ends) > MOST_ENDS:
                del self._ends[next(iter(self._ends))]

    def _is_within(self, epoch: int, seq: int) -> bool:
        """Say whether row `seq` is one of those that the journal holds, readable or not."""
        found = self.look()
        return found is not None and found.epoch == epoch and found.first <= seq <= found.last

    def _sealed(self, first: int, count: int) -> list[str]:
        """Return what each of `count` events from `first` on knows of a person; nothing where none does."""
        query = "SELECT seq, text FROM personal WHERE seq BETWEEN ? AND ? AND typeof(text) = 'blob'"
        found = dict(self._readable(query, first, first + count - 1))
        return [written(found.get(seq, b"")) for seq in range(first, first + count)] if found else []

    @staticmethod
    def _sound(first: int, taken: list[bytes]) -> int:
        """Return how many rows are events before the first that hashes and is none: central would refuse it."""
        try:
            read = [row[0] for row in _ROWS.decode(b"[" + b",".join(taken) + b"]")]
        except (msgspec.MsgspecError, ValueError, RecursionError):
            read = []
        if read == list(range(first, first + len(taken))):
            return len(taken)
        for count, raw in enumerate(taken):
            try:
                whole = events.decode(raw).seq == first + count
            except (ValueError, RecursionError):
                whole = False
            if not whole:
                return count
        return len(taken)

    def documents(self) -> list[wire.DocumentMark]:
        """Return the documents in force. Raises JournalError."""
        rows = self._query("SELECT type, seq, hash, in_force_us FROM document ORDER BY type LIMIT 32")
        return [
            wire.DocumentMark(type=t, seq=s, hash=h.hex(), in_force_us=us) for t, s, h, us in rows if len(h) == DIGEST
        ]

    def boot_nonce(self) -> str:
        """Return the number this start of the station has drawn, 16 hexadecimal digits; empty where there is none."""
        rows = self._query("SELECT value FROM state WHERE key = ?", (BOOT_NONCE,))
        return bytes(rows[0][0]).hex() if rows else ""

    def answers(self, after: int) -> list[tuple[int, str, str]]:
        """Return (id, command, body) of answers to commands with an id above `after`. Raises JournalError."""
        return self._query("SELECT id, command, body FROM answer WHERE id > ? ORDER BY id LIMIT 16", (after,))

    def last_answer(self) -> int:
        """Return the id of the newest answer to a command, 0 where there is none. Raises JournalError."""
        rows = self._query("SELECT coalesce(max(id), 0) FROM answer")
        return int(rows[0][0]) if rows else 0

    def recorded_us(self, seq: int) -> int | None:
        """Return when row `seq` was recorded (Unix microseconds), None where it is not kept. Raises JournalError."""
        query = "SELECT raw FROM event WHERE seq BETWEEN ? AND ? AND typeof(raw) = 'blob'"
        for (raw,) in self._readable(query, seq, seq):
            with contextlib.suppress(ValueError):
                return events.decode(raw).wall_us
        return None

    def named(self, names: tuple[str, str], first: int, last: int) -> list[bytes]:
        """Return those of rows `first` to `last` in which one of `names` stands between quotes. Raises JournalError."""
        quoted = [f'"{name}"' for name in names]
        named = "typeof(raw) = 'blob' AND (instr(raw, ?) OR instr(raw, ?))"
        sql = f"SELECT raw FROM event WHERE seq BETWEEN ? AND ? AND {named} ORDER BY seq"
        return [raw for (raw,) in self._readable(sql, first, last, *quoted)]

    def trust(self) -> bytes | None:
        """Return the trust bundle in force as received, None where there is none or it cannot be read now."""
        return self._document("trust")

    def status(self) -> bytes | None:
        """Return the status manifest in force as received, None where there is none or it cannot be read now."""
        return self._document("status")

    def _document(self, kind: str) -> bytes | None:
        try:
            rows = self._query("SELECT raw FROM document WHERE type = ?", (kind,))
        except JournalError:
            return None
        return rows[0][0] if rows else None

    def _readable(self, sql: str, first: int, last: int, *more: object) -> list[tuple[Any, ...]]:
        """Return what `sql` finds in those of rows `first` to `last` that can be read. Raises JournalError."""
        try:
            return self._query(sql, (first, last, *more))
        except _UnreadableError:
            return self._halved(sql, first, last, *more)

    def _halved(self, sql: str, first: int, last: int, *more: object) -> list[tuple[Any, ...]]:
        """Find them half by half, all over one connection: opening the file for each would take a second altogether."""
        try:
            return self._query(sql, (first, last, *more), keep=True)
        except _UnreadableError:
            if first >= last:
                return []
        middle = (first + last) // 2
        return [*self._halved(sql, first, middle, *more), *self._halved(sql, middle + 1, last, *more)]

    def _query(self, sql: str, values: Sequence[object] = (), *, keep: bool = False) -> list[tuple[Any, ...]]:
        """Ask the journal. Lets go of the file where that fails; with `keep` not for rows that cannot be read."""
        try:
            connection = self._open()
            return list(connection.execute(sql, tuple(values))) if connection else []
        except apsw.SQLError as error:
            self.close()
            if "no such table" in str(error):
                return []  # the station is just creating the file
            raise JournalError(f"{self.path}: {error}; the station may be of another version, update both") from error
        except (apsw.Error, OSError, ValueError) as error:
            # What SQLite calls corrupt; or a bit has made a text of bytes, and those are no UTF-8.
            kind = _UnreadableError if isinstance(error, (apsw.CorruptError, ValueError)) else JournalError
            if kind is JournalError or not keep:
                self.close()
            raise kind(
                f"{self.path}: cannot be read ({error}); is gate-sync in the station's group, is the disk sound?"
            ) from error

    def _open(self) -> apsw.Connection | None:
        """Return a connection to the file that is there NOW: it may have been replaced since the last look."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.close()
            return None
        if self._connection is None or self._file != (found.st_dev, found.st_ino):
            self.close()
            uri = f"file:{quote(str(self.path.absolute()))}?mode=ro"
            self._connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
            self._connection.set_busy_timeout(BUSY_MS)
            self._file = (found.st_dev, found.st_ino)
        return self._connection
