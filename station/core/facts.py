"""The facts a policy rule can ask about, and the operators it can ask with: two fixed tables.

Adding a fact means adding a row here; docs/reference/policy.md is held against these tables by a test.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from station.core import passback
from station.core.calendar import DAY_KINDS, DAY_S, Calendar, weekday
from station.core.model import (
    NOT_MEASURED,
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
from station.core.passback import NO_HISTORY, History, Peers, Quota
from station.core.record import dataclass

LEVELS = ("locked-down", "control", "precaution", "open")
RISKS = ("high", "medium", "low", "unknown")
PLACE_FACTS = frozenset({"zone_level", "direction", "minute_of_day", "weekday", "day", "clock"})
"""Facts of a place and a moment, without anybody there: what a schedule may ask about."""
MEMORY_FACTS = frozenset({"quota", "passback", "away_minutes", "last_passage_minutes"})
"""Facts that depend on having heard from the site's other gates."""
HOUR_S = 3600
_LOST = ClockState.LOST
"""By a name of its own: Python 3.11 takes 0.2 us to find a member by its enumeration."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a decision is made."""

    gate: str
    zone: str
    direction: Direction
    can_measure: bool
    """False where the lane has no thermometer; a rule that says "measure" then refers to the guard."""


@dataclass(frozen=True, slots=True)
class Presented:
    """One presentation: what is known of it besides the pass."""

    reading: TemperatureReading = NOT_MEASURED
    history: History = NO_HISTORY
    escort: Credential | None = None
    """The second pass, once one has been shown."""
    nonces: frozenset[bytes] = frozenset()
    """What the station shows, or has shown within the last minute, for phones to sign."""
    used_up: bool = False
    """A grant has consumed this very live code."""
    inside: int = 0
    """How many people this station has let in and not yet out."""
    shown: Instant | None = None
    """When it was held up, where somebody has been measured or waited for since; None: now."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the policy and the documents say of the place and the moment."""

    level: str
    risk: str
    """Of the area the pass calls home."""
    calendar: Calendar
    quotas: tuple[Quota, ...] = ()
    status_issued: int | None = None
    policy_issued: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that rules can ask about one presentation."""

    zone_level: str
    home_risk: str
    direction: str
    pass_class: str
    status: str
    health: str
    health_age_days: int | None
    temperature: str
    minute_of_day: int | None
    weekday: int | None
    day: str | None
    quota: str | None
    passback: str
    away_minutes: int | None
    last_passage_minutes: int | None
    escort: str
    medium: str
    clock: str
    peers: str
    status_age_hours: int | None
    policy_age_hours: int | None
    inside: int


@dataclass(frozen=True, slots=True)
class FactInfo:
    """How a fact is read and which values a rule may compare it with (None: whole numbers within `bounds`)."""

    read: Callable[[Facts], Any]
    values: frozenset[str] | None = None
    bounds: tuple[int, int] = (0, 0)


def _names(kind: type[PassClass | Status | HealthCode]) -> frozenset[str]:
    return frozenset(word(member) for member in kind)


def word(member: PassClass | Status | HealthCode) -> str:
    """Return the name of a number as rules write it."""
    return _WORDS[type(member)][member]


_WORDS = {kind: {m: m.name.lower().replace("_", "-") for m in kind} for kind in (PassClass, Status, HealthCode)}
"""By kind and number: to ask a member for its name takes four times as long as to find it here."""
_CLASSES = _names(PassClass)
MEDIA = ("paper", "phone-static", "phone-live", "phone-nonce")

FACTS: dict[str, FactInfo] = {
    "zone_level": FactInfo(operator.attrgetter("zone_level"), frozenset(LEVELS)),
    "home_risk": FactInfo(operator.attrgetter("home_risk"), frozenset(RISKS)),
    "direction": FactInfo(operator.attrgetter("direction"), frozenset(Direction)),
    "class": FactInfo(operator.attrgetter("pass_class"), _CLASSES),
    "status": FactInfo(operator.attrgetter("status"), _names(Status)),
    "health": FactInfo(operator.attrgetter("health"), _names(HealthCode) | {"none"}),
    "health_age_days": FactInfo(operator.attrgetter("health_age_days"), bounds=(0, 3650)),
    "temperature": FactInfo(operator.attrgetter("temperature"), frozenset(Band)),
    "minute_of_day": FactInfo(operator.attrgetter("minute_of_day"), bounds=(0, 1439)),
    "weekday": FactInfo(operator.attrgetter("weekday"), bounds=(1, 7)),
    "day": FactInfo(operator.attrgetter("day"), frozenset(DAY_KINDS)),
    "quota": FactInfo(operator.attrgetter("quota"), frozenset({"none", "left", "used"})),
    "passback": FactInfo(operator.attrgetter("passback"), frozenset({"unknown", "clear", "violation"})),
    "away_minutes": FactInfo(operator.attrgetter("away_minutes"), bounds=(0, 20_000)),
    "last_passage_minutes": FactInfo(operator.attrgetter("last_passage_minutes"), bounds=(0, 20_000)),
    "escort": FactInfo(operator.attrgetter("escort"), _CLASSES | {"none"}),
    "medium": FactInfo(operator.attrgetter("medium"), frozenset(MEDIA)),
    "clock": FactInfo(operator.attrgetter("clock"), frozenset(ClockState)),
    "peers": FactInfo(operator.attrgetter("peers"), frozenset(Peers)),
    "status_age_hours": FactInfo(operator.attrgetter("status_age_hours"), bounds=(0, 20_000)),
    "policy_age_hours": FactInfo(operator.attrgetter("policy_age_hours"), bounds=(0, 20_000)),
    "inside": FactInfo(operator.attrgetter("inside"), bounds=(0, 100_000)),
}

Test = Callable[[Any, Any], bool]
NUMERIC: dict[str, Test] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "between": lambda fact, ends: ends[0] <= fact < ends[1] if ends[0] <= ends[1] else not ends[1] <= fact < ends[0],
}
"""`between` takes [from, to): the first value belongs to it, the last does not; it may run past midnight."""
OPERATORS: dict[str, Test] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "in": lambda fact, values: fact in values,
    "not_in": lambda fact, values: fact not in values,
    **NUMERIC,
}


def observe(
    credential: Credential, status: Status, presented: Presented, site: Site, setting: Setting, now: Instant
) -> Facts:
    """Gather the facts of one presentation. What depends on a time that nobody knows has no value."""
    known = now.state is not _LOST
    seconds = now.seconds
    day, minute = setting.calendar.local(seconds)
    history, health, escort = presented.history, credential.health, presented.escort
    offset = setting.calendar.utc_offset_minutes
    quota = passback.quota(setting.quotas, credential, history, site.direction, offset, now)
    return Facts(
        zone_level=setting.level,
        home_risk=setting.risk,
        direction=site.direction,
        pass_class=word(credential.pass_class),
        status=word(status),
        health=word(health.code) if health else "none",
        health_age_days=max(0, seconds // DAY_S - health.day) if health and known else None,
        temperature=presented.reading.band,
        minute_of_day=minute if known else None,
        weekday=weekday(day) if known else None,
        day=setting.calendar.kind(day) if known else None,
        quota=quota if known or quota == "none" else None,
        passback=passback.passback(history, site.direction),
        away_minutes=passback.minutes_away(history, now) if known else None,
        last_passage_minutes=passback.minutes_since(history, now) if known else None,
        escort=word(escort.pass_class) if escort else "none",
        medium=_medium(credential),
        clock=now.state,
        peers=history.peers,
        status_age_hours=_hours(setting.status_issued, seconds) if known else None,
        policy_age_hours=_hours(setting.policy_issued, seconds) if known else None,
        inside=presented.inside,
    )


def of_place(site: Site, level: str, calendar: Calendar, now: Instant) -> Facts:
    """Gather the facts of a place at a moment; what a person would bring has no value of meaning."""
    nobody = Credential(b"", b"", 0, 0, PassClass.VISITOR, "", frozenset())
    setting = Setting(level, "unknown", calendar)
    return observe(nobody, Status.OK, Presented(), site, setting, now)


def _medium(credential: Credential) -> str:
    if credential.live is not None:
        return "phone-live" if credential.live.nonce is None else "phone-nonce"
    return "paper" if credential.phone_key is None else "phone-static"


def _hours(issued: int | None, seconds: int) -> int | None:
    return None if issued is None else max(0, seconds - issued) // HOUR_S
