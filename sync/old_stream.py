"""A stream that has ended: a journal set aside as damaged, or what stayed behind when a new stream began.

Nothing here is believed: only rows that follow on their predecessor's hash are handed out. A row that cannot be read,
or whose predecessor cannot, is left out; the rows after it go on from its stored hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import msgspec

from station.core import events
from station.core.sealing import written
from sync import wire
from sync.outbox import DIGEST, JournalError

WINDOW = 500
"""Numbers looked at in one go; a batch holds at most so many events."""
EMPTY_WINDOWS = 20
"""After so many windows without a readable row the file is taken to end, where its last row cannot be asked for."""
BUSY_MS = 1000

_Row = tuple[int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Piece:
    """What comes after a row: a batch, or none. `reached`: everything up to here is in it or cannot be sent."""

    batch: wire.Batch | None
    reached: int


class OldStream:
    """Reads one. `name`: the file's or the table's; `last` is 0 where it holds no rows."""

    def __init__(self, path: Path, table: str = "event", epoch: int | None = None, last: int | None = None) -> None:
        """`epoch` and `last`: of a table that is not the file's own stream. Raises JournalError."""
        self.name = path.name if table == "event" else table
        self._table = table
        try:
            uri = f"file:{quote(str(path.absolute()))}?mode=ro"
            self._db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
            self._db.set_busy_timeout(BUSY_MS)
            self.epoch = self._number("SELECT epoch FROM stream WHERE id = 1") if epoch is None else epoch
        except (apsw.Error, OSError, ValueError) as error:
            raise JournalError(f"{path}: cannot be read ({error}); keep the file and call the operator") from error
        newest = self._newest()
        self.last = newest if last is None else min(newest, last)

    def _number(self, sql: str) -> int:
        found = self._db.execute(sql).get
        if not isinstance(found, int) or not 0 <= found < 2**63:
            raise apsw.CorruptError(f"a number was expected, found {found!r}")
        return found

    def _newest(self) -> int:
        try:
            return self._number(f"SELECT coalesce(max(seq), 0) FROM {self._table}")
        except apsw.Error:
            return self._newest_readable()

    def _newest_readable(self) -> int:
        newest = at = empty = 0
        while empty < EMPTY_WINDOWS:
            rows = self._readable(at, at + WINDOW)
            newest, empty = (rows[-1][0], 0) if rows else (newest, empty + 1)
            at += WINDOW
        return newest

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def piece(self, after: int, until: int) -> Piece:
        """Return the first rows after row `after`, up to `until`, that verify. Bounded work; nothing here raises."""
        end = min(until, self.last, after + WINDOW)
        prev = events.GENESIS if after == 0 else None
        taken, size, start = list[_Row](), 0, events.GENESIS
        expected = after + 1
        for row in self._readable(after, end):
            seq, raw, digest = row
            good = seq == expected and prev is not None and _verifies(row, prev)
            if taken and (not good or size + len(raw) > wire.MAX_RAW):
                break
            if good and prev is not None:
                start = start if taken else prev
                taken.append(row)
                size += len(raw)
            prev, expected = digest, seq + 1
        if not taken:
            return Piece(None, max(end, after))
        return Piece(_batch(self.epoch, taken, start, self._sealed(taken)), taken[-1][0])

    def _sealed(self, rows: list[_Row]) -> list[str]:
        """Return what these events know of persons, as far as it can be read; a table that was replaced has none."""
        if self._table != "event":
            return []
        try:
            query = "SELECT seq, text FROM personal WHERE seq BETWEEN ? AND ? AND typeof(text) = 'blob'"
            found: dict[int, bytes] = dict(self._db.execute(query, (rows[0][0], rows[-1][0])))
        except (apsw.Error, OSError):
            return []
        return [written(found.get(seq, b"")) for seq, _, _ in rows] if found else []

    def _readable(self, first: int, last: int) -> list[_Row]:
        """Return the rows `first` to `last` that can be read, however much of the file cannot."""
        query = f"SELECT seq, raw, hash FROM {self._table} WHERE seq BETWEEN ? AND ? ORDER BY seq"
        try:
            found: list[Any] = list(self._db.execute(query, (first, last)))
        except (apsw.Error, OSError, ValueError):  # a text that is no UTF-8, where bytes were
            if first >= last:
                return []
            middle = (first + last) // 2
            return [*self._readable(first, middle), *self._readable(middle + 1, last)]
        return [row for row in found if isinstance(row[1], bytes) and isinstance(row[2], bytes)]


def _verifies(row: _Row, prev: bytes) -> bool:
    seq, raw, digest = row
    if len(raw) > wire.MAX_RAW or len(digest) != DIGEST or events.chain(prev, raw) != digest:
        return False
    try:
        return events.decode(raw).seq == seq
    except ValueError:
        return False


def _batch(epoch: int, rows: list[_Row], prev: bytes, sealed: list[str]) -> wire.Batch:
    return wire.Batch(
        epoch=epoch,
        first_seq=rows[0][0],
        n=len(rows),
        prev_hash=prev.hex(),
        last_hash=rows[-1][2].hex(),
        events=[msgspec.Raw(raw) for _, raw, _ in rows],
        sealed=sealed,
    )
