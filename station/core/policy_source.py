"""What people may write in a policy's TOML or JSON source, turned into the one form that is signed.

Times of day as "HH:MM" where `minute_of_day` is asked about, dates and times as TOML's own or as text "YYYY-MM-DD" and
"YYYY-MM-DDTHH:MM:SS+08:00".
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def read_source(text: str, *, as_json: bool) -> dict[str, Any]:
    """Return the fields of a policy from its source. Raises ValueError naming what cannot be understood."""
    source = json.loads(text) if as_json else tomllib.loads(text)
    if not isinstance(source, dict):
        raise ValueError("a policy is a table")  # noqa: TRY004 - the source is wrong, not the program
    fields: dict[str, Any] = dict(source)
    for name in ("holidays", "workdays"):
        if isinstance(fields.get(name), list):
            fields[name] = [_day(value) for value in fields[name]]
    for name in ("rules", "hold_open"):
        if isinstance(fields.get(name), list):
            fields[name] = [_rule(row) for row in fields[name]]
    return fields


def _day(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _rule(row: object) -> object:
    if not isinstance(row, Mapping):
        return row
    rule = dict(row)
    for name in ("from", "to"):
        if name in rule:
            rule[name] = _moment(rule[name], f"rule {rule.get('id')}.{name}")
    when = rule.get("when")
    if isinstance(when, Mapping) and isinstance(when.get("minute_of_day"), Mapping):
        tests = {name: _minutes(operand) for name, operand in when["minute_of_day"].items()}
        rule["when"] = {**when, "minute_of_day": tests}
    return rule


def _moment(value: object, where: str) -> object:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError(f"{where}: {value.isoformat()} does not say of which time zone; append +08:00")
    return int(value.timestamp())


def _minutes(operand: object) -> object:
    if isinstance(operand, list):
        return [_minutes(item) for item in operand]
    if isinstance(operand, str) and (match := _TIME.fullmatch(operand)):
        return int(match[1]) * 60 + int(match[2])
    return operand
