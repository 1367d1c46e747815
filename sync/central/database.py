"""How the central database is reached: SQLite or PostgreSQL, durable at each COMMIT.

What the two do differently is in their dialects; everything else speaks to both by SQLAlchemy Core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa

from sync.central.event_rows import Fresh
from sync.central.postgresql import Postgresql
from sync.central.sqlite import BUSY_S, Sqlite

__all__ = ["BUSY_S", "UNSTORABLE", "Database", "Dialect", "dialect_of", "ensure", "now_us", "storable"]

UNSTORABLE = (sa.exc.DataError, sa.exc.IntegrityError, OverflowError)
"""Raised for values that no database takes: it is not away, and trying again would never help."""


def now_us() -> int:
    """Return Unix time in microseconds."""
    return time.time_ns() // 1000


def storable(text: str) -> str:
    """Return a text that every database takes: PostgreSQL knows no NUL, and no lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class Dialect(Protocol):
    """What a kind of database does in its own way."""

    @property
    def insert(self) -> Callable[[sa.Table], Any]:
        """An INSERT that knows ON CONFLICT."""

    def engine(self, url: str) -> sa.Engine:
        """Return an engine whose transactions are durable when they are committed."""

    def give_way(self, engine: sa.Engine, /) -> None:
        """Let the server end transactions of this engine in which nothing happens any more."""

    def lock_schema(self, db: sa.Connection, /) -> None:
        """Keep others from changing tables and partitions until the transaction ends."""

    def keep_partitions(self, db: sa.Connection, now_us: int, /) -> list[str]:
        """Make the partitions that events will soon need, under `lock_schema`. Returns the names of the new ones."""

    def tend_partitions(self, engine: sa.Engine, now_us: int, /) -> list[str] | None:
        """Do what `keep_partitions` does, in a transaction of its own; None where somebody else needs the table now."""

    def put(self, db: sa.Connection, table: sa.Table, rows: list[dict[str, object]], /) -> None:
        """Insert rows; where one with the same key is there, it gets the new values."""

    def insert_events(self, db: sa.Connection, fresh: Iterable[Fresh], received_us: int, /) -> None:
        """Insert events that are not there yet."""


_DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "postgresql": Postgresql()}


def dialect_of(kind: str) -> Dialect:
    """Return the dialect of a URL, or by the name SQLAlchemy gives it."""
    return _DIALECTS[kind.partition(":")[0].partition("+")[0]]


def ensure(db: sa.Connection, table: sa.Table, **values: object) -> None:
    """Insert a row unless one with its key is there."""
    db.execute(dialect_of(db.dialect.name).insert(table).values(**values).on_conflict_do_nothing())


class Database:
    """The database at `url`. Methods raise sqlalchemy.exc.DBAPIError, having changed nothing, where it is lost."""

    def __init__(self, url: str) -> None:
        self._dialect = dialect_of(url)
        self._engine = self._dialect.engine(url)

    def close(self) -> None:
        """Let go of all connections. May be called twice."""
        self._engine.dispose()

    def give_way(self) -> None:
        """Let the server end a transaction in which this process has stopped: its locks would hold up all others.

        To be called before the database is used.
        """
        self._dialect.give_way(self._engine)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection for queries, in a transaction."""
        with self._engine.begin() as db:
            yield db
