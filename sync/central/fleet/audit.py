"""Holds what the central database has of a fleet against what the fleet wrote and what was acknowledged to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from sync.central import tables
from sync.central.database import Database
from sync.central.fleet.station import Station


@dataclass(frozen=True, slots=True)
class Findings:
    """Events, all stations together. All but `stored` must be 0."""

    stored: int
    lost: int
    """Acknowledged, and not in the database."""
    doubled: int
    """In the database more than once."""
    other: int
    """Streams whose last stored event does not have the hash that the station knows it by."""

    @property
    def good(self) -> bool:
        """Whether nothing is lost, doubled or different."""
        return not (self.lost or self.doubled or self.other)


def audit(url: str, stations: Iterable[Station]) -> Findings:
    """Ask the database. Raises sqlalchemy.exc.DBAPIError where it cannot be reached."""
    database = Database(url)
    try:
        with database.reading() as db:
            return _compare(_held(db), stations)
    finally:
        database.close()


def _held(db: sa.Connection) -> dict[tuple[str, int], tuple[int, int, int, bytes]]:
    """Return for each stream: rows, different rows, the last row's number and its hash."""
    event, stream = tables.event.c, tables.stream.c
    rows = sa.func.count()
    counted = (
        sa.select(event.stream, rows.label("rows"), sa.func.count(event.seq.distinct()).label("different"))
        .add_columns(sa.func.max(event.seq).label("last"))
        .group_by(event.stream)
        .subquery()
    )
    query = sa.select(stream.station, stream.epoch, counted, event.hash).where(
        stream.id == counted.c.stream, event.stream == counted.c.stream, event.seq == counted.c.last
    )
    return {(row.station, row.epoch): (row.rows, row.different, row.last, bytes(row.hash)) for row in db.execute(query)}


def _compare(held: dict[tuple[str, int], tuple[int, int, int, bytes]], stations: Iterable[Station]) -> Findings:
    stored = lost = doubled = other = 0
    for station in stations:
        rows, different, last, digest = held.get((station.name, station.journal.epoch), (0, 0, 0, b""))
        stored += different
        lost += max(0, station.prefix - different)
        doubled += rows - different
        other += last > 0 and station.journal.hash_at(last) != digest
    return Findings(stored, lost, doubled, other)
