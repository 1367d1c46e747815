"""How the central database is reached: SQLite or PostgreSQL, durable at each COMMIT."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

BUSY_S = 30
"""How long a SQLite file may be locked by another process."""


def now_us() -> int:
    """Return Unix time in microseconds."""
    return time.time_ns() // 1000


def make_engine(url: str) -> sa.Engine:
    """Return an engine whose transactions are durable when they are committed."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine
    return sa.create_engine(
        url, pool_pre_ping=True, connect_args={"connect_timeout": 10, "options": "-c synchronous_commit=on"}
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late: see _begin_immediate
    _write_ahead(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _write_ahead(connection: Any) -> None:
    """Switch a file to WAL. While another process does it too, SQLite refuses at once, without waiting."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def ensure(db: sa.Connection, table: sa.Table, **values: object) -> None:
    """Insert a row unless one with its key is there."""
    insert = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    db.execute(insert(table).values(**values).on_conflict_do_nothing())


class Database:
    """The database at `url`. Methods raise sqlalchemy.exc.DBAPIError, having changed nothing, where it is lost."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url)

    def close(self) -> None:
        """Let go of all connections. May be called twice."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection for queries, in a transaction."""
        with self._engine.begin() as db:
            yield db
