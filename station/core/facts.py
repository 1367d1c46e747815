"""The facts a policy rule can ask about, and the operators it can ask with: two fixed tables.

Adding a fact means adding a row here; docs/reference/policy.md is held against these tables by a test.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from station.core.model import (
    Band,
    ClockState,
    Credential,
    Direction,
    HealthCode,
    Instant,
    PassClass,
    Status,
    TemperatureReading,
)

DAY_S = 86_400
LEVELS = ("locked-down", "control", "precaution", "open")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a decision is made."""

    gate: str
    zone: str
    direction: Direction
    can_measure: bool
    """False where the lane has no thermometer; a rule that says "measure" then refers to the guard."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that rules can ask about one presentation."""

    zone_level: str
    direction: str
    pass_class: str
    status: str
    health: str
    health_age_days: int | None
    temperature: str
    minute_of_day: int
    weekday: int
    medium: str
    clock: str


@dataclass(frozen=True, slots=True)
class FactInfo:
    """How a fact is read and which values a rule may compare it with (None: whole numbers within `bounds`)."""

    read: Callable[[Facts], object]
    values: frozenset[str] | None = None
    bounds: tuple[int, int] = (0, 0)


def _names(kind: type[PassClass | Status | HealthCode]) -> frozenset[str]:
    return frozenset(member.name.lower().replace("_", "-") for member in kind)


FACTS: dict[str, FactInfo] = {
    "zone_level": FactInfo(lambda f: f.zone_level, frozenset(LEVELS)),
    "direction": FactInfo(lambda f: f.direction, frozenset(Direction)),
    "class": FactInfo(lambda f: f.pass_class, _names(PassClass)),
    "status": FactInfo(lambda f: f.status, _names(Status)),
    "health": FactInfo(lambda f: f.health, _names(HealthCode) | {"none"}),
    "health_age_days": FactInfo(lambda f: f.health_age_days, bounds=(0, 3650)),
    "temperature": FactInfo(lambda f: f.temperature, frozenset(Band)),
    "minute_of_day": FactInfo(lambda f: f.minute_of_day, bounds=(0, 1439)),
    "weekday": FactInfo(lambda f: f.weekday, bounds=(1, 7)),
    "medium": FactInfo(lambda f: f.medium, frozenset({"paper", "phone-static"})),
    "clock": FactInfo(lambda f: f.clock, frozenset(ClockState)),
}

Test = Callable[[Any, Any], bool]
NUMERIC: dict[str, Test] = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
OPERATORS: dict[str, Test] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "in": lambda fact, values: fact in values,
    "not_in": lambda fact, values: fact not in values,
    **NUMERIC,
}


def observe(
    credential: Credential,
    status: Status,
    reading: TemperatureReading,
    site: Site,
    level: str,
    utc_offset_minutes: int,
    now: Instant,
) -> Facts:
    """Gather the facts of one presentation."""
    local = now.seconds + utc_offset_minutes * 60
    health = credential.health
    return Facts(
        zone_level=level,
        direction=site.direction,
        pass_class=credential.pass_class.name.lower(),
        status=status.name.lower().replace("_", "-"),
        health=health.code.name.lower() if health else "none",
        health_age_days=max(0, now.seconds // DAY_S - health.day) if health else None,
        temperature=reading.band,
        minute_of_day=local % DAY_S // 60,
        weekday=(local // DAY_S + 3) % 7 + 1,  # 1970-01-01 was a Thursday; Monday is 1
        medium="paper" if credential.phone_key is None else "phone-static",
        clock=now.state,
    )
