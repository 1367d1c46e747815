"""The rows of the event tables, from the one list of fields in station.core.events."""

from __future__ import annotations

from station.core.events import FIELDS, Kind
from tests.docs.blocks import Row, code


def event_rows() -> list[Row]:
    """Return (kind.field,) for every field, kinds in their own order."""
    return [(code(f"{kind}.{field}"),) for kind in Kind for field in sorted(FIELDS[kind])]


def kind_rows() -> list[Row]:
    """Return (kind,) for every kind."""
    return [(code(kind),) for kind in Kind]
