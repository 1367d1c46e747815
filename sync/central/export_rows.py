"""Events of the central database as rows for people, in constant memory: the database sends them as they are asked for.

PostgreSQL: a server-side cursor; SQLite: a reader that does not hold up the collectors. Each event comes once: what a
station carried over into a new stream comes as it was recorded, and not at all where it is held already.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from heapq import merge
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from station.core.events import Kind, decode
from station.core.rehoming import origin
from sync.central import tables
from sync.central.database import dialect_of
from sync.central.event_rows import clean_text, clean_texts, columns

AT_ONCE = 2000
"""Rows that are in memory at a time."""

COLUMNS = (
    "station",
    "epoch",
    "seq",
    "time",
    "clock",
    "uncertainty_ms",
    "kind",
    "lane",
    "outcome",
    "reason",
    "rule",
    "cti",
    "received",
    "payload",
)

Row = tuple[Any, ...]
"""The values of COLUMNS; `time` and `received` as Unix microseconds, None where there is none."""


class ExportError(ValueError):
    """The file cannot be written. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events. `begin`, `end`: of the station's time, Unix microseconds, the end not included; None: no limit."""

    begin_us: int | None = None
    end_us: int | None = None
    stations: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def takes(self, wall_us: int | None, kind: str | None) -> bool:
        """Say whether an event of this time and kind is meant."""
        if self.kinds and kind not in self.kinds:
            return False
        if wall_us is None:
            return self.begin_us is None and self.end_us is None
        after = self.begin_us is None or wall_us >= self.begin_us
        return after and (self.end_us is None or wall_us < self.end_us)


class _Event(msgspec.Struct, array_like=True, gc=False):
    """What only the event's own bytes tell."""

    seq: msgspec.Raw
    wall_us: msgspec.Raw
    mono_us: msgspec.Raw
    boot: msgspec.Raw
    clock: str
    uncertainty_ms: int
    kind: msgspec.Raw
    payload: msgspec.Raw


_DECODER = msgspec.json.Decoder(_Event)
_BIGINT = 2**63
_STORED = ("stream", "seq", "received_us", "wall_us", "kind", "lane", "outcome", "reason", "rule", "cti", "raw")
_OCCURRENCE = sa.table("occurrence", *(sa.column(name) for name in _STORED))


class _Told(NamedTuple):
    """What the database tells of an event. `place`: stream and number; `named`: the columns from `kind` to `cti`."""

    place: tuple[int, int]
    received_us: int | None
    raw: bytes
    wall_us: int | None
    named: tuple[str | None, ...]


def rows(url: str, choice: Choice) -> Generator[Row, None, None]:
    """Yield events by stream and number. Raises ExportError, sqlalchemy.exc.DBAPIError."""
    engine = _reading(url)
    try:
        with engine.connect() as db:
            streams = _streams(db, choice)
            db.execution_options(stream_results=True, yield_per=AT_ONCE)
            with (
                closing(db.execute(_stored(choice, streams))) as stored,
                closing(db.execute(_carried(choice, streams))) as carried,
            ):
                # Merged here: one query for both would make PostgreSQL sort all events before the first is sent.
                told = merge(map(_as_stored, stored), _meant(carried, choice), key=lambda one: one.place)
                yield from (_row(one, *streams[one.place[0]]) for one in told)
    finally:
        engine.dispose()


def _reading(url: str) -> sa.Engine:
    """Return an engine for one long reading, which sees the database as it was when it began.

    On SQLite the usual one would lock the file against the collectors.
    """
    if not url.startswith("sqlite:///"):
        return dialect_of(url).engine(url).execution_options(isolation_level="REPEATABLE READ")
    path = f"file:{quote(url.removeprefix('sqlite:///'))}?mode=ro"
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path, uri=True, isolation_level=None))
    sa.event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN"))
    return engine


def _streams(db: sa.Connection, choice: Choice) -> dict[int, tuple[str, int]]:
    """Return station and epoch of each stream that is meant. Raises ExportError for a station nobody knows."""
    c = tables.stream.c
    query = sa.select(c.id, c.station, c.epoch)
    if choice.stations:
        known = set(
            db.execute(sa.select(tables.station.c.id).where(tables.station.c.id.in_(choice.stations))).scalars()
        )
        if unknown := sorted(set(choice.stations) - known):
            raise ExportError(f"central has never heard of {', '.join(unknown)}; is the name right?")
        query = query.where(c.station.in_(choice.stations))
    return {row.id: (row.station, row.epoch) for row in db.execute(query)}


def _stored(choice: Choice, streams: Collection[int]) -> sa.Select[Any]:
    """Select the events that are what they say."""
    c, r = tables.event.c, tables.rehomed.c
    known = sa.exists().where(r.stream == c.stream, r.seq == c.seq)
    query = sa.select(*(c[name] for name in _STORED)).where(c.kind.is_distinct_from(Kind.REHOMED.value) | ~known)
    if choice.stations:
        query = query.where(c.stream.in_(streams))
    if choice.begin_us is not None:
        query = query.where(c.wall_us >= choice.begin_us)
    if choice.end_us is not None:
        query = query.where(c.wall_us < choice.end_us)
    if choice.kinds:
        query = query.where(c.kind.in_(choice.kinds))
    return query.order_by(c.stream, c.seq)


def _carried(choice: Choice, streams: Collection[int]) -> sa.Select[Any]:
    """Select what was carried over and is held nowhere else: few events, and only their bytes tell kind and time."""
    c, r = _OCCURRENCE.c, tables.rehomed.c
    query = sa.select(*(c[name] for name in _STORED)).where(c.kind == Kind.REHOMED.value)
    query = query.join_from(tables.rehomed, _OCCURRENCE, (c.stream == r.stream) & (c.seq == r.seq))
    if choice.stations:
        query = query.where(r.stream.in_(streams))
    return query.order_by(r.stream, r.seq)


def _as_stored(row: Any) -> _Told:
    named = (row.kind, row.lane, row.outcome, row.reason, row.rule, row.cti)
    return _Told((row.stream, row.seq), row.received_us or None, bytes(row.raw), row.wall_us, named)


def _meant(carried: Iterable[Any], choice: Choice) -> Iterator[_Told]:
    """Yield events that were carried over as they were before, where the choice takes them."""
    for row in carried:
        came_from = origin(decode(bytes(row.raw)))
        if came_from is not None:  # or it would not be in `rehomed`
            wall_us, texts, cti = columns(came_from.raw)
            named = (*clean_texts(texts), clean_text(cti))
            if choice.takes(wall_us, named[0]):
                yield _Told((row.stream, row.seq), row.received_us or None, came_from.raw, wall_us, named)


def _row(told: _Told, station: str, epoch: int) -> Row:
    try:
        event = _DECODER.decode(told.raw)
        own: tuple[Any, Any, str] = (event.clock, event.uncertainty_ms, bytes(event.payload).decode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        own = (None, None, told.raw.decode("utf-8", "replace"))
    clock, uncertainty_ms, payload = own
    place = (station, f"{epoch:016x}", told.place[1])
    return (*place, told.wall_us, clock, _fitting(uncertainty_ms), *told.named, told.received_us, payload)


def _fitting(number: int | None) -> int | None:
    """Return a number that a column of 64 bits holds, else None: one odd event must not cost the whole file."""
    return number if number is not None and -_BIGINT <= number < _BIGINT else None
