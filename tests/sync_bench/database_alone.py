"""The ceiling: PostgreSQL itself taking the rows that our collector makes, packed before the clock starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import sqlalchemy as sa

from sync.central.collector import MOST_PER_FLUSH
from sync.central.store import Store, offer
from tests.sync_bench.feed import STATIONS
from tests.sync_bench.traffic import Journal

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
"""Of COPY's binary format (PostgreSQL: COPY, "Binary Format")."""


def packed(url: str, journal: Journal, events: int, size: int) -> list[bytes]:
    """Commit the events through our store; return the rows it made as the database gives them out, a COMMIT's each."""
    with closing(Store(url)) as store:
        store.open()
        for first in range(1, events // STATIONS + 1, size):
            batch = journal.batch(first, min(first + size - 1, events // STATIONS))
            store.commit_batches([offer(f"gate-{number}", batch) for number in range(STATIONS)])
    portion = size * MOST_PER_FLUSH
    out = "COPY (SELECT * FROM event) TO STDOUT (FORMAT BINARY)"
    with psycopg.connect(_dsn(url)) as db, db.cursor() as cursor, cursor.copy(out) as copy:
        raw = b"".join(copy).removeprefix(HEADER).removesuffix(TRAILER)
    whole = list(_rows(raw))
    return [HEADER + b"".join(whole[at : at + portion]) + TRAILER for at in range(0, len(whole), portion)]


def seconds(url: str, portions: list[bytes]) -> float:
    """Let an empty database take the rows over one connection; return how long it took."""
    with closing(Store(url)) as store:
        store.open()
    with psycopg.connect(_dsn(url)) as db, db.cursor() as cursor:
        begin = time.perf_counter()
        for portion in portions:
            with cursor.copy("COPY event FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(portion)
            db.commit()
        return time.perf_counter() - begin


def _dsn(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _rows(raw: bytes) -> Iterator[bytes]:
    """Yield each row: a count of fields, and of each its length (-1: NULL) and its bytes."""
    at = 0
    while at < len(raw):
        begin, at, fields = at, at + 2, int.from_bytes(raw[at : at + 2])
        for _ in range(fields):
            length = int.from_bytes(raw[at : at + 4], signed=True)
            at += 4 + max(length, 0)
        yield raw[begin:at]
