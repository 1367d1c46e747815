"""What only SQLite does: the database of the demo and of a small site. One writer at a time, so nothing is locked."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from sync.central import tables
from sync.central.event_rows import Fresh, rows

BUSY_S = 30
"""How long a SQLite file may be locked by another process."""


class Sqlite:
    """The dialect of a SQLite file."""

    insert = staticmethod(insert)

    @staticmethod
    def engine(url: str) -> sa.Engine:
        """Return an engine whose transactions are durable when they are committed."""
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False})
        sa.event.listen(engine, "connect", _prepare)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine

    @staticmethod
    def give_way(_engine: sa.Engine) -> None:
        """Nothing: there is no server to do it."""

    @staticmethod
    def lock_schema(_db: sa.Connection) -> None:
        """Nothing: the file is locked since BEGIN."""

    @staticmethod
    def keep_partitions(_db: sa.Connection, _now_us: int) -> list[str]:
        """Nothing: there are none."""
        return []

    @staticmethod
    def tend_partitions(_engine: sa.Engine, _now_us: int) -> list[str] | None:
        """Nothing: there are none."""
        return []

    @staticmethod
    def put(db: sa.Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
        """Insert rows; where one with the same key is there, it gets the new values."""
        statement = insert(table)
        changed = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
        db.execute(statement.on_conflict_do_update(index_elements=table.primary_key, set_=changed), rows)

    @staticmethod
    def insert_events(db: sa.Connection, fresh: Iterable[Fresh], received_us: int) -> None:
        """Insert events."""
        if found := list(rows(fresh, received_us)):
            db.execute(sa.insert(tables.event), found)


def _prepare(connection: Any, _record: object) -> None:
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
