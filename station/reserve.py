"""The reserve: 16 MiB put aside on installation, so that what must be recorded can be on a full disk.

That is what happened already, or may not wait: overrides, alarms, and the passages of people who were let in.

A file of fixed size, written in place: no block is allocated when it is needed. Each record is length, CRC-32 and the
event's JSON; a zero length ends the list. The station moves the records into the journal as `late` events as soon as
that commits again, in one transaction with the mark of how far it got and with the state changes that belong to them,
so none is lost or doubled.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from station.core.events import Kind
from station.core.model import Instant
from station.journal import Change, Journal, JournalFault, set_state
from station.register import ADD_PASSAGE, ADD_USED

FILE = "reserve.bin"
SIZE = 16 * 1024 * 1024
HEADER = struct.Struct("<II")
GENERATION = struct.Struct("<Q")
MARK = "reserve-drained"
REPLAYED = {"passage": ADD_PASSAGE, "used": ADD_USED, "state": set_state(MARK, b"").sql}
"""The state changes that a record keeps, by name: no SQL is run from the file. Others (tidying up) are left out."""
_NAMES = {sql: name for name, sql in REPLAYED.items()}


class Reserve:
    """The open reserve file. Used by the gate thread alone."""

    def __init__(self, directory: Path, size: int = SIZE) -> None:
        """Open or preallocate the file. Raises JournalFault where there is no room even now."""
        self.path = directory / FILE
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(self._file).st_size < size:
                # Written, not just posix_fallocate'd: on some file systems first use of a block still needs metadata.
                for start in range(0, size, 1 << 20):
                    os.pwrite(self._file, bytes(min(1 << 20, size - start)), start)
                os.fsync(self._file)
        except OSError as error:
            raise JournalFault(f"{self.path}: cannot be set aside ({error}); free {size >> 20} MiB") from error
        self._size = size
        (self.generation,) = GENERATION.unpack(os.pread(self._file, GENERATION.size, 0))
        self.records, self._end = self._scan()

    def _scan(self) -> tuple[list[bytes], int]:
        records, at = [], GENERATION.size
        while at + HEADER.size <= self._size:
            length, crc = HEADER.unpack(os.pread(self._file, HEADER.size, at))
            body = os.pread(self._file, length, at + HEADER.size)
            if length == 0 or len(body) != length or zlib.crc32(body) != crc:
                break
            records.append(body)
            at += HEADER.size + length
        return records, at

    def append(self, kind: Kind, payload: Mapping[str, object], now: Instant, changes: Iterable[Change] = ()) -> None:
        """Record one event durably. Raises JournalFault when even the reserve fails: then only paper is left.

        `changes` are made when the event comes into the journal (those of REPLAYED).
        """
        row: dict[str, object] = {
            "kind": kind.value,
            "wall_us": now.wall_us,
            "mono_us": now.mono_us,
            "payload": payload,
        }
        if kept := [(_NAMES[c.sql], [_plain(value) for value in c.values]) for c in changes if c.sql in _NAMES]:
            row["changes"] = kept
        body = json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()
        framed = HEADER.pack(len(body), zlib.crc32(body)) + body + HEADER.pack(0, 0)
        if self._end + len(framed) > self._size:
            raise JournalFault(f"{self.path}: the reserve is full; use the mechanical key and the paper log")
        try:
            os.pwrite(self._file, framed, self._end)
            os.fsync(self._file)
        except OSError as error:
            raise JournalFault(f"{self.path}: cannot be written ({error}); use key and paper log") from error
        self.records.append(body)
        self._end += len(framed) - HEADER.size

    def drain(self, journal: Journal, now: Instant) -> int:
        """Move all records into the journal as `late` events; return how many. Raises JournalFault."""
        if not self.records:
            return 0
        generation, count = json.loads(journal.state(MARK) or b"[-1,0]")
        done = count if generation == self.generation else 0
        rows = [json.loads(record) for record in self.records[done:]]
        changes = [change for row in rows for change in _changes(row.pop("changes", []))]
        late = [(Kind.LATE, row) for row in rows]
        if late:
            mark = json.dumps([self.generation, len(self.records)]).encode()
            journal.append_all(late, now, [*changes, set_state(MARK, mark)])
        self._restart()
        return len(late)

    def pending(self) -> list[Change]:
        """Return the state changes that wait here, in order."""
        return [change for record in self.records for change in _changes(json.loads(record).get("changes", []))]

    def _restart(self) -> None:
        """Empty the file under the next generation: a crash just before repeats nothing, for the mark tells how far."""
        try:
            os.pwrite(self._file, GENERATION.pack(self.generation + 1) + HEADER.pack(0, 0), 0)
            os.fsync(self._file)
        except OSError as error:
            raise JournalFault(f"{self.path}: cannot be emptied ({error}); check the disk") from error
        self.generation += 1
        self.records, self._end = [], GENERATION.size

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _plain(value: object) -> object:
    """Return a value of a change as JSON has it: bytes as {"hex": ...}."""
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _changes(kept: Iterable[tuple[str, list[Any]]]) -> list[Change]:
    """Return the changes of a record; a name that only another version knows is passed over."""
    known = [(REPLAYED[name], values) for name, values in kept if name in REPLAYED]
    return [
        Change(sql, tuple(bytes.fromhex(v["hex"]) if isinstance(v, dict) else v for v in values))
        for sql, values in known
    ]
