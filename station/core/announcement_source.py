"""The office's source of announcements: a TOML file with one [[announcement]] each, and dates as dates."""

from __future__ import annotations

import tomllib
from datetime import datetime, time
from typing import Any

from station.core.announcements import read_list

FIELD = "announcements"


def read_source(text: str) -> list[dict[str, object]]:
    """Return the field `announcements` of the document, read as a station reads it. Raises ValueError."""
    content = tomllib.loads(text)
    if unknown := set(content) - {"announcement"}:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}; there are only [[announcement]] tables")
    rows = [_row(row) for row in content.get("announcement", [])]
    read_list(rows)
    return rows


def _row(row: Any) -> dict[str, object]:
    if not isinstance(row, dict):
        raise ValueError("`announcement` is a list of tables: write [[announcement]]")  # noqa: TRY004 - the file's mistake
    for name in ("from", "to"):
        if name not in row:
            raise ValueError(f"announcement {row.get('id', '?')}: `{name}` is missing, a date and time with its offset")
    moments = {name: _seconds(row[name], f"announcement {row.get('id', '?')}.{name}") for name in ("from", "to")}
    times = [_time(one) for one in row["at"]] if isinstance(row.get("at"), list) else row.get("at")
    return {**row, **moments, **({"at": times} if "at" in row else {})}


def _seconds(value: object, where: str) -> int:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f"{where}: write date, time and offset, as 2026-01-05T08:00:00+08:00")
    return int(moment.timestamp())


def _time(value: object) -> object:
    return value.strftime("%H:%M") if isinstance(value, time) else value
