"""Events of the central database as rows for people, in constant memory: the database sends them as they are asked for.

PostgreSQL: a server-side cursor; SQLite: a reader that does not hold up the collectors.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from sync.central import tables
from sync.central.database import dialect_of

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


def rows(url: str, choice: Choice) -> Generator[Row, None, None]:
    """Yield events by stream and number. Raises ExportError, sqlalchemy.exc.DBAPIError."""
    engine = _reading(url)
    try:
        with engine.connect() as db:
            streams = _streams(db, choice)
            db.execution_options(stream_results=True, yield_per=AT_ONCE)
            with closing(db.execute(_query(choice, streams))) as found:
                for row in found:
                    yield _row(row, *streams[row.stream])
    finally:
        engine.dispose()


def _reading(url: str) -> sa.Engine:
    """Return an engine for one long reading. On SQLite the usual one would lock the file against the collectors."""
    if not url.startswith("sqlite:///"):
        return dialect_of(url).engine(url)
    path = f"file:{quote(url.removeprefix('sqlite:///'))}?mode=ro"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(path, uri=True))


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


def _query(choice: Choice, streams: dict[int, tuple[str, int]]) -> sa.Select[Any]:
    c = tables.event.c
    names = ("stream", "seq", "received_us", "wall_us", "kind", "lane", "outcome", "reason", "rule", "cti", "raw")
    query = sa.select(*(c[name] for name in names)).order_by(c.stream, c.seq)
    if choice.stations:
        query = query.where(c.stream.in_(sorted(streams)))
    if choice.begin_us is not None:
        query = query.where(c.wall_us >= choice.begin_us)
    if choice.end_us is not None:
        query = query.where(c.wall_us < choice.end_us)
    return query.where(c.kind.in_(choice.kinds)) if choice.kinds else query


def _row(row: Any, station: str, epoch: int) -> Row:
    raw = bytes(row.raw)
    try:
        event = _DECODER.decode(raw)
        own: tuple[Any, Any, str] = (event.clock, event.uncertainty_ms, bytes(event.payload).decode())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        own = (None, None, raw.decode("utf-8", "replace"))
    clock, uncertainty_ms, payload = own
    told = (row.kind, row.lane, row.outcome, row.reason, row.rule, row.cti)
    return (
        station,
        f"{epoch:016x}",
        row.seq,
        row.wall_us,
        clock,
        uncertainty_ms,
        *told,
        row.received_us or None,
        payload,
    )
