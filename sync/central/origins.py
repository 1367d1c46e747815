"""Events that a station carried over into a new stream, by where they were first recorded: so that each counts once."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from station.core.events import Kind, decode
from station.core.rehoming import origin
from sync.central import tables
from sync.central.event_rows import Fresh

_HINT = f'"{Kind.REHOMED}"'.encode()
_BIGINT = 2**63


def insert_origins(db: sa.Connection, fresh: Iterable[Fresh]) -> None:
    """Note the first places of events that are just being inserted."""
    rows = [
        row
        for some in fresh
        if _HINT in b"".join(some.raws)  # nearly no batch: spares looking at each event
        for seq, raw, _ in some.numbered()
        if _HINT in raw and (row := _row(some.stream, seq, raw)) is not None
    ]
    if rows:
        db.execute(sa.insert(tables.rehomed), rows)


def _row(stream: int, seq: int, raw: bytes) -> dict[str, object] | None:
    try:
        found = origin(decode(raw))
    except ValueError:
        return None  # it says that it was carried over, and not from where: an event like any other
    if found is None or not (0 <= found.epoch < _BIGINT and 0 < found.seq < _BIGINT):
        return None
    return {"stream": stream, "seq": seq, "epoch": found.epoch, "origin_seq": found.seq, "hash": found.hash}
