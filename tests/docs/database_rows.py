"""Every table and column of the three databases, from the statements that create them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from types import ModuleType

import apsw

from station.schema import JOURNAL_DDL, SYNC_DDL
from sync import store
from sync.central.tables import metadata
from tests.docs.blocks import ROOT, Row, code


def sqlite_rows(ddl: str) -> list[Row]:
    """Return (table.column, type, key) of each column that the statements make."""
    db = apsw.Connection(":memory:")
    db.execute(ddl)
    tables = [str(row[0]) for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")]
    found = [row for table in tables if not table.startswith("sqlite_") for row in _sqlite_columns(db, table)]
    db.close()
    return found


def _sqlite_columns(db: apsw.Connection, table: str) -> Iterator[Row]:
    for _, name, kind, not_null, _, key in db.execute(f"PRAGMA table_info({table})"):
        yield code(f"{table}.{name}"), kind, "key" if key else "" if not_null else "may be null"


def journal_rows() -> list[Row]:
    """Return the columns of journal.db."""
    return sqlite_rows(JOURNAL_DDL)


def sync_rows() -> list[Row]:
    """Return the columns of sync.db, those that gate-sync keeps for itself too."""
    return sqlite_rows(SYNC_DDL + store._PRIVATE_DDL)


def central_rows() -> list[Row]:
    """Return the columns of the central database."""
    return [
        (
            code(f"{table.name}.{column.name}"),
            str(column.type),
            "key" if column.primary_key else "may be null" if column.nullable else "",
        )
        for table in metadata.sorted_tables
        for column in table.columns
    ]


def _state_key(key: ast.expr, module: ModuleType) -> str:
    """Return a key of the table `state`: a constant, or what a function makes for a lane."""
    if isinstance(key, ast.Call) and isinstance(key.func, ast.Name):
        return str(getattr(module, key.func.id)("LANE"))
    assert isinstance(key, ast.Name), f"{module.__name__}: name the state's key by a constant"
    return str(getattr(module, key.id))


def state_rows() -> list[Row]:
    """Return (key,) of each value the station keeps in the table `state`: the first argument of every set_state."""
    keys = set()
    for path in (ROOT / "station").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "set_state":
                keys.add(_state_key(node.args[0], importlib.import_module(f"station.{path.stem}")))
    return [(code(key),) for key in sorted(keys)]
