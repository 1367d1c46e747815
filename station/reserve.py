"""The reserve: 16 MiB put aside on installation, so that overrides and alarms can be recorded on a full disk.

A file of fixed size, written in place: no block is allocated when it is needed. Each record is length, CRC-32 and the
event's JSON; a zero length ends the list. The station moves the records into the journal as `late` events as soon as
that commits again, in one transaction with the mark of how far it got, so none is lost or doubled.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from station.core.events import Kind
from station.core.model import Instant
from station.journal import Journal, JournalFault, set_state

FILE = "reserve.bin"
SIZE = 16 * 1024 * 1024
HEADER = struct.Struct("<II")
GENERATION = struct.Struct("<Q")
MARK = "reserve-drained"


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

    def append(self, kind: Kind, payload: Mapping[str, object], now: Instant) -> None:
        """Record one event durably. Raises JournalFault when even the reserve fails: then only paper is left."""
        row = {"kind": kind.value, "wall_us": now.wall_us, "mono_us": now.mono_us, "payload": payload}
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
        late = [(Kind.LATE, json.loads(record)) for record in self.records[done:]]
        if late:
            mark = json.dumps([self.generation, len(self.records)]).encode()
            journal.append_all(late, now, [set_state(MARK, mark)])
        self._restart()
        return len(late)

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
