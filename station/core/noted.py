"""What a decision's record keeps of its facts, so that a new policy can be tried on old decisions.

Only what the rest of the record does not tell: no name, no plate, no area, no household. What is most usual is left
out, so that an ordinary passage costs some ten bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from station.core.facts import FACTS, Facts

USUAL: Mapping[str, str | int | None] = {
    "home_risk": "unknown",
    "status": "ok",
    "health": "none",
    "health_age_days": None,
    "quota": "none",
    "passback": "unknown",
    "away_minutes": None,
    "last_passage_minutes": None,
    "escort": "none",
    "medium": "paper",
    "peers": "alone",
    "status_age_hours": None,
    "policy_age_hours": None,
    "inside": 0,
}
"""The facts that are kept, and the values that are not written."""


def noted(facts: Facts) -> dict[str, str | int | None]:
    """Return what is kept of facts, as JSON values."""
    held = {name: FACTS[name].read(facts) for name in USUAL}
    return {name: _plain(value) for name, value in held.items() if value != USUAL[name]}


def recalled(kept: Mapping[str, object]) -> dict[str, object]:
    """Return the facts of which `kept` was written; a value that no fact can have is left out."""
    known = {**USUAL, **{name: value for name, value in kept.items() if name in USUAL}}
    return {name: value for name, value in known.items() if _possible(name, value)}


def _plain(value: str | int | None) -> str | int | None:
    return str(value) if isinstance(value, str) else value


def _possible(name: str, value: object) -> bool:
    values = FACTS[name].values
    if values is None:
        return value is None or isinstance(value, int)
    return value in values or (value is None and name == "quota")  # which has no value without a clock
