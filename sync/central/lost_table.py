"""Rows that a station no longer keeps and central never had. Only an operator's signed command lets them go."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from station.core.events import GENESIS
from sync import wire
from sync.central import ranges, streams, tables
from sync.central.database import Database, ensure, now_us
from sync.central.ranges import Range, Span
from sync.central.skip import Skip
from sync.central.streams import Stream


class SkipError(ValueError):
    """These rows cannot be let go. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows that are missing for good. `skipped_us`: when they were let go, None while the stream waits for them."""

    station: str
    epoch: int
    first: int
    last: int
    noted_us: int
    skipped_us: int | None


class LostTable(Database):
    """The table `lost_range`."""

    def note_lost(self, station: str, epoch: int, first_kept: int) -> list[Span]:
        """Write down what a station no longer keeps and is not held. Returns the ranges that are new."""
        with self._engine.begin() as db:
            stream = streams.lock(db, {(station, epoch)})[0]
            known = _noted(db, stream.number)
            lost = ranges.missing(ranges.spans(stream.held) + known, 1, first_kept - 1)
            for first, last in lost:
                ensure(db, tables.lost_range, stream=stream.number, first=first, last=last, noted_us=now_us())
        return lost

    def lost(self) -> list[Lost]:
        """Return what is missing for good, by station, epoch and number. What has come since is left out."""
        with self._engine.begin() as db:
            return lost_rows(db)

    def skip_lost(self, skip: Skip, command: bytes) -> None:
        """Let lost rows go, so that the prefix moves on beyond them. `command`: the signed bytes, verified before.

        Raises SkipError where the rows are not lost, or one of their neighbours is not held. Behind the end of a stream
        that has ended there is no neighbour to wait for; should one come after all, the store joins it (ranges.joined).
        """
        with self._engine.begin() as db:
            number = db.execute(
                sa.select(tables.stream.c.id).where(
                    tables.stream.c.station == skip.station, tables.stream.c.epoch == skip.epoch
                )
            ).scalar_one_or_none()
            if number is None:
                raise SkipError(f"there is no journal {skip.epoch:016x} of {skip.station}; see: gate-central lost list")
            stream = streams.lock(db, {(skip.station, skip.epoch)})[0]
            span = (skip.first, skip.last)
            noted = _noted(db, number)
            if ranges.without([span], noted):
                raise SkipError(f"rows {span[0]} to {span[1]} are not all lost; see: gate-central lost list")
            seam = _seam(stream.held, *span, at_end=span[1] == max(last for _, last in noted) and _ended(db, stream))
            if seam is not None:
                stream.held = ranges.merge(stream.held, seam)
            _mark(db, number, span, command)
            streams.write(db, [stream])


def lost_rows(db: sa.Connection) -> list[Lost]:
    """Return what `LostTable.lost` does, within a transaction."""
    stream, lost, held = tables.stream.c, tables.lost_range.c, tables.held.c
    columns = (stream.station, stream.epoch, stream.id, lost.first, lost.last, lost.noted_us, lost.skipped_us)
    joined = sa.join(tables.lost_range, tables.stream, stream.id == lost.stream)
    found, number, there = list[Lost](), 0, list[Span]()
    query = sa.select(*columns).select_from(joined).order_by(stream.station, stream.epoch, lost.first)
    for row in db.execute(query).all():
        pieces = [(row.first, row.last)]
        if row.skipped_us is None:
            if row.id != number:  # read once for all of a stream
                ends = db.execute(sa.select(held.first, held.last).where(held.stream == row.id))
                number, there = row.id, [(one.first, one.last) for one in ends]
            pieces = ranges.without(pieces, there)
        found += [Lost(row.station, row.epoch, *piece, row.noted_us, row.skipped_us) for piece in pieces]
    return found


def _noted(db: sa.Connection, number: int) -> list[Span]:
    c = tables.lost_range.c
    return [(row.first, row.last) for row in db.execute(sa.select(c.first, c.last).where(c.stream == number))]


def _ended(db: sa.Connection, stream: Stream) -> bool:
    """Say whether the station goes on with another stream, as it last said hello."""
    station, epoch = stream.key
    hello = db.execute(sa.select(tables.station.c.hello).where(tables.station.c.id == station)).scalar_one()
    try:
        return wire.decode(hello.encode(), wire.Hello).epoch != epoch
    except wire.WireError:
        return False  # it never said hello


def _seam(held: list[Range], first: int, last: int, *, at_end: bool) -> Range | None:
    """Return the range that joins the two on either side of a hole, with their hashes.

    None where nothing is held behind it and, as `at_end` says, nothing will be.
    """
    if ranges.missing(ranges.spans(held), first, last) != [(first, last)]:
        raise SkipError(f"some of the rows {first} to {last} are held; see: gate-central lost list")
    before = GENESIS if first == 1 else next((r.last_hash for r in held if r.last == first - 1), None)
    after = next((r.prev_hash for r in held if r.first == last + 1), None)
    if before is not None and at_end and all(r.last < first for r in held):
        return None
    if before is None or after is None:
        which = f"row {first - 1}" if before is None else f"row {last + 1}"
        raise SkipError(f"{which} has not been received, so the hole's edge is not known yet; try again when it has")
    return Range(first, last, before, after)


def _mark(db: sa.Connection, number: int, span: Span, command: bytes) -> None:
    """Put what was noted as lost, in whatever pieces, under the command that lets it go; the rest stays as it is."""
    lost = tables.lost_range
    overlapping = (lost.c.stream == number, lost.c.first <= span[1], lost.c.last >= span[0])
    rows = [row._asdict() for row in db.execute(sa.select(lost).where(*overlapping))]
    db.execute(sa.delete(lost).where(*overlapping))
    for row in rows:
        for first, last in ranges.without([(row["first"], row["last"])], [span]):
            ensure(db, lost, **{**row, "first": first, "last": last})
    noted_us = min(row["noted_us"] for row in rows)
    ensure(
        db, lost, stream=number, first=span[0], last=span[1], noted_us=noted_us, skipped_us=now_us(), command=command
    )
