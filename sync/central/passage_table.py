"""Who went through which gate of a site with several gates: kept for eight days, for the site's other gates."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from station.core.model import Direction
from station.core.passback import Passage
from sync.central import tables
from sync.central.database import Database
from sync.central.passages import passages

Numbered = tuple[int, bytes]
"""Sequence number and exact bytes of an event."""


class PassageTable(Database):
    """The table `passage`."""

    def passages(self, stations: Collection[str], since_us: int) -> list[Passage]:
        """Return the passages at these stations since then, oldest first."""
        c = tables.passage.c
        query = sa.select(c.cti, c.household, c.direction, c.wall_us).where(
            c.station.in_(stations), c.wall_us >= since_us
        )
        with self._engine.begin() as db:
            rows = db.execute(query.order_by(c.wall_us, c.stream, c.seq, c.person)).all()
        return [
            Passage(
                bytes(r.cti), None if r.household is None else bytes(r.household), Direction(r.direction), r.wall_us
            )
            for r in rows
        ]

    def forget_passages(self, stations: Collection[str], before_us: int) -> None:
        """Drop the passages at these stations before then."""
        c = tables.passage.c
        with self._engine.begin() as db:
            db.execute(sa.delete(tables.passage).where(c.station.in_(stations), c.wall_us < before_us))


def insert_passages(db: sa.Connection, stream: int, station: str, events: Iterable[Numbered]) -> list[Passage]:
    """Keep who went through, from events that have just been inserted, and return it."""
    found = [(seq, person, one) for seq, raw in events for person, one in enumerate(passages(raw))]
    rows = [
        {
            "stream": stream,
            "seq": seq,
            "person": person,
            "station": station,
            "wall_us": one.wall_us,
            "cti": one.cti,
            "household": one.household,
            "direction": one.direction.value,
        }
        for seq, person, one in found
    ]
    if rows:
        db.execute(sa.insert(tables.passage), rows)
    return [one for _, _, one in found]
