"""What events know of persons: kept as the stations sealed it, found by pass id, opened only with the offline key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from station.core.events import Event, Kind
from station.core.rehoming import original
from station.core.sealing import Sealed, SealError, read
from sync import wire
from sync.central import tables
from sync.central.database import Database, now_us
from sync.central.event_rows import Fresh

PAGE = 1000
_HINT = f'"{Kind.REHOMED}"'.encode()
_ERASED = sa.text("""
SELECT mine.seq FROM rehomed AS mine JOIN stream ON stream.id = mine.stream
WHERE mine.stream = :stream AND mine.seq BETWEEN :first AND :last AND (
    EXISTS (
        SELECT 1 FROM stream AS old JOIN personal ON personal.stream = old.id AND personal.seq = mine.origin_seq
            LEFT JOIN event ON event.stream = personal.stream AND event.seq = personal.seq
        WHERE old.station = stream.station AND old.epoch = mine.epoch AND personal.erased_us IS NOT NULL
            AND (event.hash = mine.hash OR event.hash IS NULL)
    ) OR EXISTS (
        SELECT 1 FROM rehomed AS earlier JOIN stream AS other ON other.id = earlier.stream
            JOIN personal ON personal.stream = earlier.stream AND personal.seq = earlier.seq
        WHERE other.station = stream.station AND earlier.epoch = mine.epoch AND earlier.origin_seq = mine.origin_seq
            AND earlier.hash = mine.hash AND personal.erased_us IS NOT NULL
    )
)
""")
"""Events that were erased under another place. Where a month's events are taken away no hash is left to compare: what
was erased there stays erased."""
Place = tuple[int, int]
"""Stream and sequence number."""


@dataclass(frozen=True, slots=True)
class Known:
    """An event and what is sealed beside it; None where nothing is, or it was erased."""

    place: Place
    station: str
    event: Event
    sealed: Sealed | None


class PersonTable(Database):
    """The table `personal`, and the events it belongs to."""

    def run_keys(self, station: str) -> list[bytes]:
        """Return the keys that a station has sealed for central, one for each of its starts, newest first."""
        found = list[bytes]()
        for event in self._events(station, (Kind.SEALING, Kind.REHOMED)):
            if event.kind == Kind.SEALING:
                try:
                    found.append(read(event.payload.get("key")))
                except SealError:
                    continue  # no key: what it sealed stays shut
        return found[::-1]

    def _events(self, station: str, kinds: Iterable[Kind]) -> Iterator[Event]:
        c, stream = tables.event.c, tables.stream.c
        query = sa.select(c.raw).join_from(tables.event, tables.stream, c.stream == stream.id)
        query = query.where(stream.station == station, c.kind.in_([kind.value for kind in kinds])).order_by(c.wall_us)
        with self._engine.begin() as db:
            for (raw,) in db.execute(query).all():
                try:
                    yield original(bytes(raw))
                except ValueError:
                    continue  # stored as it came, and no event: it tells of nobody

    def with_fields(self) -> Iterator[Known]:
        """Yield every event that knows of a person, by stream and number.

        It is read in pages, and between them nothing is locked: in SQLite a reader would hold up the collector.
        """
        last = (0, 0)
        while page := self._page(last):
            yield from (known for _, known in page if known)
            last = page[-1][0]

    def _page(self, after: Place) -> list[tuple[Place, Known | None]]:
        c, stream, personal = tables.event.c, tables.stream.c, tables.personal.c
        joined = sa.join(tables.personal, tables.event, (c.stream == personal.stream) & (c.seq == personal.seq))
        joined = joined.join(tables.stream, stream.id == c.stream)
        query = sa.select(c.stream, c.seq, c.raw, stream.station, personal.text).select_from(joined)
        query = query.where(sa.tuple_(personal.stream, personal.seq) > after)
        with self._engine.begin() as db:
            rows = db.execute(query.order_by(personal.stream, personal.seq).limit(PAGE)).all()
        return [((r.stream, r.seq), _known((r.stream, r.seq), r.station, bytes(r.raw), r.text)) for r in rows]

    def erase(self, places: Iterable[Place]) -> int:
        """Erase what is sealed beside events; return how many there were. The events and their chain stay."""
        count, c = 0, tables.personal.c
        with self._engine.begin() as db:
            for stream, seq in places:
                change = sa.update(tables.personal).where(c.stream == stream, c.seq == seq, c.text.is_not(None))
                count += db.execute(change.values(text=None, erased_us=now_us())).rowcount
        return count


def _known(place: Place, station: str, raw: bytes, text: bytes | None) -> Known | None:
    try:
        event = original(raw)
        mark = read(event.payload.get("sealed"))
    except ValueError:
        return None  # sealed bytes beside an event that does not say so: there is no way to open them
    return Known(place, station, event, None if text is None else Sealed(mark, bytes(text)))


def insert_personal(db: sa.Connection, stream: int, batch: wire.Batch, fresh: Iterable[Fresh]) -> None:
    """Keep what the fresh events of a batch, which has been decoded strictly, know of persons.

    Who was erased stays erased when a station carries the event over into a new stream; `insert_origins` comes before.
    """
    found = [
        (seq, raw, read(text))
        for some in fresh
        for seq, raw, _ in some.numbered()
        if (text := batch.sealed[seq - batch.first_seq])
    ]
    carried = any(_HINT in raw for _, raw, _ in found)  # in nearly no batch: spares asking
    erased = _erased_elsewhere(db, stream, batch) if carried else frozenset[int]()
    moment = now_us()
    rows = [
        {
            "stream": stream,
            "seq": seq,
            "text": None if seq in erased else text,
            "erased_us": moment if seq in erased else None,
        }
        for seq, _, text in found
    ]
    if rows:
        db.execute(sa.insert(tables.personal), rows)


def _erased_elsewhere(db: sa.Connection, stream: int, batch: wire.Batch) -> frozenset[int]:
    """Return which events of a batch were erased where they were first recorded, or in a stream they came to before."""
    rows = db.execute(_ERASED, {"stream": stream, "first": batch.first_seq, "last": batch.last_seq})
    return frozenset(rows.scalars())
