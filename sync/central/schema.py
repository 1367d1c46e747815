"""Which version the tables of a central database are of, and how they come to this program's version.

An empty database gets this version's tables at once. One with tables is changed only by `upgrade`, never in passing:
whoever runs the server decides when, after a backup.
"""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa

from sync.central import tables
from sync.central.database import dialect_of, now_us
from sync.config import ConfigError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Oldest first. 0001: the tables as `serve` created them before there were migrations."""
HEAD = REVISIONS[-1]
MIGRATIONS = Path(__file__).parent / "migrations"

_version = sa.table("alembic_version", sa.column("version_num", sa.String))
_one_at_a_time = threading.Lock()
"""Alembic keeps what it is working on in module globals."""


class SchemaError(ConfigError):
    """The tables are not of this program's version. The message says which it is and what to do."""


def revision(db: sa.Connection) -> str:
    """Return the version of the tables, empty where there are none."""
    inspector = sa.inspect(db)
    if inspector.has_table("alembic_version"):
        return str(db.execute(sa.select(_version.c.version_num)).scalar_one())
    return REVISIONS[0] if inspector.has_table(tables.meta.name) else ""


def require(db: sa.Connection) -> None:
    """Create the tables of an empty database. Raises SchemaError where there are tables of another version."""
    found = revision(db)
    if not found:
        tables.metadata.create_all(db)
        dialect_of(db.dialect.name).keep_partitions(db, now_us())  # nobody can hold them yet
        _stamp(db, HEAD)
    elif found in REVISIONS[:-1]:
        raise SchemaError(
            f"{_name(db)}: its tables are of version {found}, this program needs {HEAD}; back it up, stop all "
            "collectors and run: gate-central database upgrade"
        )
    elif found != HEAD:
        raise SchemaError(
            f"{_name(db)}: its tables are of version {found}, which is newer than this program's {HEAD}; "
            "install the newer program here too"
        )


def current(url: str) -> str:
    """Return the version of the tables, empty where there are none; nothing is changed."""
    engine = dialect_of(url).engine(url)
    try:
        with engine.begin() as db:
            return revision(db)
    finally:
        engine.dispose()


def upgrade(url: str) -> tuple[str, str]:
    """Bring the tables to this program's version, all in one transaction; return the version before and after.

    Raises SchemaError where they are newer, sqlalchemy.exc.DBAPIError where the database cannot be reached.
    """
    dialect = dialect_of(url)
    engine = dialect.engine(url)
    try:
        with engine.begin() as db:
            dialect.lock_schema(db)
            before = revision(db)
            if before in REVISIONS[:-1]:
                _migrate(db, before)
            require(db)
            dialect.keep_partitions(db, now_us())
            return before, revision(db)
    finally:
        engine.dispose()


def _migrate(db: sa.Connection, before: str) -> None:
    from alembic import command  # noqa: PLC0415 - 60 ms and 15 MB that only an upgrade needs
    from alembic.config import Config  # noqa: PLC0415

    if not sa.inspect(db).has_table("alembic_version"):
        _stamp(db, before)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = db
    with _one_at_a_time:
        command.upgrade(config, "head")


def _stamp(db: sa.Connection, version: str) -> None:
    db.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    db.execute(sa.insert(_version).values(version_num=version))


def _name(db: sa.Connection) -> str:
    return db.engine.url.render_as_string(hide_password=True)
