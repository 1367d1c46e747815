"""What facts cannot be together, as boxes: so that no gap is reported that nobody can fall into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from station.core.calendar import DAY_KINDS, Calendar, weekday
from station.core.facts import FACTS, word
from station.core.model import ClockState, Direction, PassClass
from station.core.passback import Quota
from station.core.policy import Degraded, Policy
from station.core.reasons import Matter
from station.policy_tools.space import Box, Space

_TIMED = ("health_age_days", "minute_of_day", "weekday", "day", "away_minutes", "last_passage_minutes")
_AGES = ("status_age_hours", "policy_age_hours")
_WEEKEND = 6


def impossible(space: Space, policy: Policy) -> tuple[Box, ...]:
    """Return what cannot be at a gate where `policy` is in force."""
    return (*always(space), *_clock(space, policy), *_quotas(space, policy.quotas), *_days(space, policy.calendar))


def always(space: Space) -> Iterator[Box]:
    """Yield what cannot be under any policy."""
    lost = space.mask("clock", lambda state: state == ClockState.LOST)
    known = space.full["clock"] & ~lost
    for fact in (*_TIMED, *_AGES):
        yield {"clock": lost, fact: space.mask(fact, _has_value)}
    yield {"clock": lost, "quota": _words(space, "quota", "left", "used")}
    for fact in ("minute_of_day", "weekday", "day", "quota", "policy_age_hours"):
        yield {"clock": known, fact: _nothing(space, fact)}
    yield from _health(space, known)
    yield from _history(space, known)
    yield {"status": _words(space, "status", "revoked")}
    yield {"inside": _nothing(space, "inside")}
    no_list = {"clock": known, "status_age_hours": _nothing(space, "status_age_hours")}
    yield no_list | {"class": _words(space, "class", *(set(FACTS["class"].values or ()) - {"visitor"}))}
    yield no_list | {"status": _words(space, "status", "home-quarantine", "refer")}


def _health(space: Space, known: int) -> Iterator[Box]:
    none, age = _words(space, "health", "none"), "health_age_days"
    yield {"health": none, age: space.mask(age, _has_value)}
    yield {"clock": known, "health": space.full["health"] & ~none, age: _nothing(space, age)}


def _history(space: Space, known: int) -> Iterator[Box]:
    """The last passage: none is remembered, or it went one way, and only who went out is away."""
    away, last = "away_minutes", "last_passage_minutes"
    some = {fact: space.mask(fact, _has_value) for fact in (away, last)}
    unknown = _words(space, "passback", "unknown")
    yield {"passback": unknown, last: some[last]}
    yield {"clock": known, "passback": space.full["passback"] & ~unknown, last: _nothing(space, last)}
    for direction, went_out in ((Direction.IN, "clear"), (Direction.OUT, "violation")):
        way, out = _words(space, "direction", direction), _words(space, "passback", went_out)
        yield {"direction": way, "passback": space.full["passback"] & ~out, away: some[away]}
        yield {"direction": way, "passback": out, "clock": known, away: _nothing(space, away)}
    for number in range(1, len(space.cells[away])):
        yield {away: 1 << number, last: some[last] & ~(1 << number)}


def _clock(space: Space, policy: Policy) -> Iterator[Box]:
    """Without a clock the policy is asked only about a phone that signs the station's number, if it says so."""
    lost = _words(space, "clock", ClockState.LOST)
    if policy.when(Matter.CLOCK) is Degraded.NONCE:
        yield {"clock": lost, "medium": space.full["medium"] & ~_words(space, "medium", "phone-nonce")}
    else:
        yield {"clock": lost}


def _quotas(space: Space, quotas: Iterable[Quota]) -> Iterator[Box]:
    none = _words(space, "quota", "none")
    for way, kind in product(Direction, PassClass):
        counting = [q for q in quotas if q.direction is way and (not q.classes or kind in q.classes)]
        place = {"direction": _words(space, "direction", way), "class": _words(space, "class", word(kind))}
        if not counting:
            yield place | {"quota": space.full["quota"] & ~none}
        elif any(quota.per == "pass" for quota in counting):
            yield place | {"quota": none}


def _days(space: Space, calendar: Calendar) -> Iterator[Box]:
    holidays = {weekday(day) for day in calendar.holidays}
    worked = {weekday(day) for day in calendar.workdays - calendar.holidays}
    for number in range(1, 8):
        plain = "weekend" if number >= _WEEKEND else "workday"
        kinds = {plain} | ({"holiday"} if number in holidays else set()) | ({"workday"} if number in worked else set())
        if never := set(DAY_KINDS) - kinds:
            yield {"weekday": space.bit("weekday", number), "day": _words(space, "day", *never)}


def _words(space: Space, fact: str, *words: str) -> int:
    return space.mask(fact, lambda value: value in words)


def _nothing(space: Space, fact: str) -> int:
    return space.mask(fact, lambda value: value is None)


def _has_value(value: object) -> bool:
    return value is not None
