"""What only PostgreSQL does: binary COPY, and a partition of the events for each month in which they were received."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from sync.central.event_rows import Fresh, Texts, clean_text, clean_texts, columns

LOCK = 0x67617465
"""Number of the advisory lock (database-wide) under which tables and partitions are made."""
MONTHS_AHEAD = 3
PORTION = 32 << 10
"""Bytes handed to the driver at a time: each time costs as much as taking ten events apart."""
IDLE_MS, STATEMENT_MS = 3_000, 30_000
"""So long a collector may do nothing in a transaction, and so long one statement may take it, milliseconds."""
LOCK_MS = 2_000
"""So long making partitions waits for others: ATTACH needs the default one for itself, which a dump reads for hours."""
_DEAF = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
"""A server of which nothing is heard is given up after some ten seconds (libpq: seconds, and milliseconds the last)."""
DEFAULT = "event_default"
"""The partition for what no month's partition is there for; `keep_partitions` empties it."""

_COPY = (
    "COPY event (stream, seq, received_us, wall_us, kind, lane, outcome, reason, rule, cti, raw, hash) "
    "FROM STDIN (FORMAT BINARY)"
)
_BEGIN, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_TYPES = postgresql.dialect()  # type: ignore[no-untyped-call]
_NUMBERS = struct.Struct(">hiiiqiqiq").pack  # 12 fields; stream, seq, received_us, wall_us: each length, value
_NUMBERS_NO_WALL = struct.Struct(">hiiiqiqi").pack
_LENGTH = struct.Struct(">i").pack
_DIGEST = _LENGTH(32)


class Postgresql:
    """The dialect of a PostgreSQL database."""

    insert = staticmethod(insert)

    @staticmethod
    def engine(url: str) -> sa.Engine:
        """Return an engine whose transactions are durable when they are committed."""
        options = {"connect_timeout": 10, "options": "-c synchronous_commit=on", **_DEAF}
        return sa.create_engine(url, pool_pre_ping=True, connect_args=options)

    @staticmethod
    def give_way(engine: sa.Engine) -> None:
        """Let the server end transactions of this engine in which nothing happens any more."""
        sa.event.listen(engine, "connect", _limit)

    @staticmethod
    def lock_schema(db: sa.Connection) -> None:
        """Let one process at a time make tables and partitions: two would trip over each other."""
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))

    @staticmethod
    def keep_partitions(db: sa.Connection, now_us: int) -> list[str]:
        """Make the partitions of this month and the next ones. Returns the names of the new ones."""
        there = set(db.execute(sa.text("SELECT relname FROM pg_class WHERE relname LIKE 'event\\_%'")).scalars())
        if DEFAULT not in there:
            db.execute(sa.text(f"CREATE TABLE {DEFAULT} PARTITION OF event DEFAULT"))
            _make_exact(db, DEFAULT)
        wanted = [month(now_us, ahead) for ahead in range(MONTHS_AHEAD + 1)]
        made = [one for one in wanted if one[0] not in there]
        for name, first_us, end_us in made:
            _add_partition(db, name, first_us, end_us)
        return [name for name, *_ in made]

    @staticmethod
    def tend_partitions(engine: sa.Engine, now_us: int) -> list[str] | None:
        """Do what `keep_partitions` does, in a transaction of its own; None where somebody else needs the table now."""
        try:
            with engine.begin() as db:
                db.execute(sa.text(f"SET LOCAL lock_timeout = {LOCK_MS}"))
                Postgresql.lock_schema(db)
                return Postgresql.keep_partitions(db, now_us)
        except sa.exc.OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise
            return None

    @staticmethod
    def put(db: sa.Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
        """Insert rows; where one with the same key is there, it gets the new values."""
        db.execute(_put(table), {c.name: [row[c.name] for row in rows] for c in table.columns})

    @staticmethod
    def insert_events(db: sa.Connection, fresh: Iterable[Fresh], received_us: int) -> None:
        """Insert events by one COPY; while the server works on a batch, the next one is taken apart."""
        driver = db.connection.driver_connection
        with _wrapped(), driver.cursor() as cursor, cursor.copy(_COPY) as copy:  # type: ignore[union-attr]
            portion = bytearray(_BEGIN)
            for some in fresh:
                portion += _packed(some, received_us)
                if len(portion) >= PORTION:
                    copy.write(portion)
                    portion = bytearray()
            copy.write(portion + _END)


def _limit(connection: psycopg.Connection, _record: object) -> None:
    """Name the limits of a connection. While the client has stopped in a COPY only the second one counts."""
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_MS}")
    connection.execute(f"SET statement_timeout = {STATEMENT_MS}")
    connection.autocommit = False


@lru_cache
def _put(table: sa.Table) -> sa.TextClause:
    """Return one statement for any number of rows: a column is an array. One each would cost ten times the time."""
    names = [c.name for c in table.columns]
    arrays = ", ".join(f"CAST(:{c.name} AS {c.type.compile(_TYPES)}[])" for c in table.columns)
    key = ", ".join(c.name for c in table.primary_key)
    changed = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if not c.primary_key)
    insert_all = f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM unnest({arrays})"
    return sa.text(f"{insert_all} ON CONFLICT ({key}) DO UPDATE SET {changed}")


@contextmanager
def _wrapped() -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does for its own statements."""
    try:
        yield
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(_COPY, None, error, psycopg.Error) from error


def _packed(some: Fresh, received_us: int) -> bytes:
    """Return the rows as COPY's binary format wants them (PostgreSQL: COPY, "Binary Format")."""
    parts, stream = list[bytes](), some.stream
    for seq, raw, digest in some.numbered():
        wall_us, texts, cti = columns(raw)
        if wall_us is None:
            numbers = _NUMBERS_NO_WALL(12, 4, stream, 8, seq, 8, received_us, -1)
        else:
            numbers = _NUMBERS(12, 4, stream, 8, seq, 8, received_us, 8, wall_us)
        parts += (numbers, _packed_texts(texts), _field(cti), _LENGTH(len(raw)), raw, _DIGEST, digest)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _packed_texts(texts: Texts) -> bytes:
    return b"".join(map(_field, clean_texts(texts)))


def _field(text: str | None) -> bytes:
    clean = clean_text(text)
    if clean is None:
        return _NULL
    raw = clean.encode()
    return _LENGTH(len(raw)) + raw


def month(now_us: int, ahead: int = 0) -> tuple[str, int, int]:
    """Return the name of a month's partition, its first microsecond and the one after its last (UTC)."""
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    count = now.year * 12 + now.month - 1 + ahead
    begin, end = (datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in (count, count + 1))
    return f"event_{begin:%Y_%m}", int(begin.timestamp()) * 1_000_000, int(end.timestamp()) * 1_000_000


def _add_partition(db: sa.Connection, name: str, first_us: int, end_us: int) -> None:
    """Make a month's partition and move into it what came while there was none."""
    within = f"received_us >= {first_us} AND received_us < {end_us}"
    db.execute(sa.text(f"CREATE TABLE {name} (LIKE event INCLUDING DEFAULTS)"))
    moved = f"WITH moved AS (DELETE FROM {DEFAULT} WHERE {within} RETURNING *) INSERT INTO {name} SELECT * FROM moved"
    db.execute(sa.text(moved))
    db.execute(sa.text(f"ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({first_us}) TO ({end_us})"))
    _make_exact(db, name)


def _make_exact(db: sa.Connection, name: str) -> None:
    db.execute(sa.text(f"ALTER TABLE {name} ADD PRIMARY KEY (stream, seq)"))
