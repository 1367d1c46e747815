"""The streams of a transaction: their rows locked in order, the ranges that are held of them read and written at once.

Whoever holds a stream's row (SQLite: the file) alone changes its events and ranges. So what `held` says is in `event`,
and no sequence number of a stream is stored twice, in whichever partitions its rows lie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import sqlalchemy as sa

from sync.central import ranges, tables
from sync.central.database import dialect_of, ensure, now_us
from sync.central.ranges import Range, Span

StreamKey: TypeAlias = tuple[str, int]
"""Station and epoch."""


@dataclass(slots=True)
class Stream:
    """A locked stream. `held` may be changed until `write` is called."""

    number: int
    key: StreamKey
    before: list[Range] = field(default_factory=list)
    held: list[Range] = field(default_factory=list)
    skipped: list[Span] = field(default_factory=list)
    """The rows that an operator let go: part of `held` as soon as both their neighbours are."""

    @property
    def stored(self) -> list[Span]:
        """What is held as rows."""
        return ranges.without(ranges.spans(self.held), self.skipped)


def lock(db: sa.Connection, keys: Collection[StreamKey]) -> list[Stream]:
    """Lock streams in order, so that two collectors never wait for each other; those that are new are made."""
    found = _locked(db, keys)
    if len(found) < len(keys):
        moment = now_us()
        for station, epoch in sorted(set(keys) - {one.key for one in found}):
            ensure(db, tables.station, id=station, first_seen_us=moment, last_seen_us=moment)
            ensure(db, tables.stream, station=station, epoch=epoch, first_seen_us=moment)
        found = _locked(db, keys)
    _read_ranges(db, {one.number: one for one in found})
    return found


def _locked(db: sa.Connection, keys: Collection[StreamKey]) -> list[Stream]:
    c = tables.stream.c
    query = sa.select(c.id, c.station, c.epoch).where(sa.tuple_(c.station, c.epoch).in_(sorted(keys)))
    rows = db.execute(query.order_by(c.station, c.epoch).with_for_update())
    return [Stream(row.id, (row.station, row.epoch)) for row in rows]


def _read_ranges(db: sa.Connection, streams: dict[int, Stream]) -> None:
    """Read what is held, by statements of their own: a row waited for is seen as it is now only by what comes after."""
    held, lost = tables.held.c, tables.lost_range.c
    for row in db.execute(sa.select(tables.held).where(held.stream.in_(streams)).order_by(held.stream, held.first)):
        one = Range(row.first, row.last, bytes(row.prev_hash), bytes(row.last_hash))
        streams[row.stream].before.append(one)
        streams[row.stream].held.append(one)
    skipped = sa.select(lost.stream, lost.first, lost.last).where(
        lost.stream.in_(streams), lost.skipped_us.is_not(None)
    )
    for row in db.execute(skipped.order_by(lost.first)):
        streams[row.stream].skipped.append((row.first, row.last))


def write(db: sa.Connection, streams: Iterable[Stream]) -> None:
    """Write the ranges that have changed."""
    gone, come = list[dict[str, object]](), list[dict[str, object]]()
    for one in streams:
        firsts, known = {r.first for r in one.held}, set(one.before)
        gone += [{"number": one.number, "begin": r.first} for r in one.before if r.first not in firsts]
        come += [_row(one.number, r) for r in one.held if r not in known]
    held = tables.held.c
    if gone:
        where = (held.stream == sa.bindparam("number"), held.first == sa.bindparam("begin"))
        db.execute(sa.delete(tables.held).where(*where), gone)
    if come:
        dialect_of(db.dialect.name).put(db, tables.held, come)


def _row(number: int, r: Range) -> dict[str, object]:
    return {"stream": number, "first": r.first, "last": r.last, "prev_hash": r.prev_hash, "last_hash": r.last_hash}


def unskip(db: sa.Connection, stream: Stream, gaps: Sequence[Span]) -> None:
    """Rows that an operator had let go have come after all: what is missing still stays skipped, by that command."""
    lost = tables.lost_range
    for first, last in stream.skipped:
        left = ranges.without([(first, last)], gaps)
        if left == [(first, last)]:
            continue
        where = (lost.c.stream == stream.number, lost.c.first == first)
        row = db.execute(sa.select(lost).where(*where)).one()._asdict()
        db.execute(sa.delete(lost).where(*where))
        for start, stop in left:
            ensure(db, lost, **{**row, "first": start, "last": stop})
    stream.skipped = ranges.without(stream.skipped, gaps)
