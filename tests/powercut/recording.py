"""What the honest disk recorded: writes, flushes and what the writer had told by then, in one order.

The format is that of the lab's powercut/nbd_disk.py --record: kind (W, F or A), offset, length, data. The same rules
decide what a cut leaves: everything flushed, and of the rest each write with some probability, a third of those torn at
pieces of 4096 bytes.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

HEADER = struct.Struct("<cQQ")
TEAR = 4096
SURVIVE = (0.0, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""How likely a write that was not flushed is on the medium all the same; one of these for each cut."""
TORN = 0.33


@dataclass(frozen=True)
class Operation:
    """One line of the recording."""

    kind: bytes
    offset: int
    data: bytes


@dataclass
class Crash:
    """The moment before operation number `at`: what is on the medium, and what the writer had told."""

    at: int
    changes: list[tuple[int, bytes]]
    """(offset, bytes) since the crash before, flushed."""
    unflushed: list[tuple[int, bytes]]
    told: list[dict[str, object]] = field(default_factory=list)


def read(path: Path) -> list[Operation]:
    """Read a recording; half an operation at its end is left out."""
    data, at, found = path.read_bytes(), 0, []
    while at + HEADER.size <= len(data):
        kind, offset, length = HEADER.unpack_from(data, at)
        at += HEADER.size
        if at + length > len(data):
            break
        found.append(Operation(kind, offset, data[at : at + length]))
        at += length
    return found


def crashes(operations: Sequence[Operation], points: Sequence[int]) -> Iterator[Crash]:
    """Yield the state at each of the points, which must rise."""
    position, text = 0, b""
    pending: list[tuple[int, bytes]] = []
    changes: list[tuple[int, bytes]] = []
    told: list[dict[str, object]] = []
    for point in points:
        for operation in operations[position:point]:
            if operation.kind == b"W":
                pending.append((operation.offset, operation.data))
            elif operation.kind == b"F":
                changes += pending
                pending = []
            else:
                *lines, text = (text + operation.data).split(b"\n")
                told += [json.loads(line) for line in lines if line]
        position = point
        yield Crash(point, changes, list(pending), list(told))
        changes = []


def survivors(unflushed: Sequence[tuple[int, bytes]], rng: random.Random) -> list[tuple[int, bytes]]:
    """Draw what reached the medium of writes that were not flushed."""
    likely, kept = rng.choice(SURVIVE), []
    for offset, data in unflushed:
        if rng.random() >= likely:
            continue
        if rng.random() < TORN:
            kept += [piece for piece in _pieces(offset, data) if rng.random() < 1 / 2]
        else:
            kept.append((offset, data))
    return kept


def _pieces(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    edges = [0, *range(TEAR - offset % TEAR, len(data), TEAR), len(data)]
    for begin, end in pairwise(edges):
        yield offset + begin, data[begin:end]


def points(operations: Sequence[Operation], count: int, seed: int) -> list[int]:
    """Draw `count` different moments after the writer told of its first event."""
    words = ((at, operation.data) for at, operation in enumerate(operations) if operation.kind == b"A")
    first = next(at for at, data in words if b'"seq"' in data) + 1
    return sorted(random.Random(seed).sample(range(first, len(operations) + 1), count))
