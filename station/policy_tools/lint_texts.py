"""Checks of what people read: both languages, and words that fit what the rule is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from station.core.model import LANGUAGES, Outcome, Text
from station.core.policy import Policy, Rule
from station.core.reasons import Reason
from station.policy_tools.findings import Finding, error, warning
from station.policy_tools.layout import Layout
from station.policy_tools.words import say_list
from station.wording import text as catalogue

_HAN = re.compile(r"[\u3400-\u9fff]")
_NOT_LIVE = frozenset({"paper", "phone-static"})
ABOUT: Mapping[Reason, Mapping[str, frozenset[str]]] = {
    Reason.HOME_QUARANTINE: {"status": frozenset({"home-quarantine"})},
    Reason.ZONE_CLOSED: {"direction": frozenset({"out"}), "zone_level": frozenset({"locked-down", "control"})},
    Reason.FEVER_RAISED: {"temperature": frozenset({"raised"})},
    Reason.FACE_COLD: {"temperature": frozenset({"cold"})},
    Reason.FACE_TOO_FAR: {"temperature": frozenset({"too-far"})},
    Reason.NO_FACE: {"temperature": frozenset({"no-reading"})},
    Reason.SENSOR_OUT_OF_RANGE: {"temperature": frozenset({"out-of-range"})},
    Reason.THERMOMETER_FAULT: {"temperature": frozenset({"fault"})},
    Reason.QUOTA_USED: {"quota": frozenset({"used"})},
    Reason.PASSBACK: {"passback": frozenset({"violation"})},
    Reason.NOT_LIVE: {"medium": _NOT_LIVE},
    Reason.NONCE_NEEDED: {"medium": _NOT_LIVE | {"phone-live"}},
    Reason.HEALTH_CODE: {"health": frozenset({"yellow", "red", "none"})},
}
"""What the catalogue's text for a reason takes for granted: a rule without words of its own must ask for it."""
ASKED: Mapping[Reason, frozenset[str]] = {
    Reason.AWAY_TOO_LONG: frozenset({"away_minutes"}),
    Reason.TEST_DUE: frozenset({"health_age_days", "health"}),
}
"""Facts that a rule with such a reason must ask about, at least one of them."""
_VAGUE = {
    Reason.POLICY: "does not say what to do",
    Reason.OUTSIDE_HOURS: "does not say when to come back",
}
"""Reasons whose text tells too little, unless the rule adds to it."""
_OF_RULES = frozenset(
    {*ABOUT, *ASKED, *_VAGUE, Reason.REGISTER_FIRST, Reason.GUARD_CHECK, Reason.ESCORT_NEEDED, Reason.GRANTED}
    | {Reason.MEASURE_FIRST, Reason.CLOCK_LOST, Reason.CLOCK_UNSURE, Reason.STATUS_UNKNOWN, Reason.PASS_EXPIRED}
)
"""Reasons that a rule may give; what is left is found by the station itself, before any rule is asked."""


def missing(fields: Mapping[str, Any]) -> Iterator[Finding]:
    """Find languages that texts of a policy's source lack; a station refuses the whole policy for the first of them."""
    for kind in ("rules", "quotas", "hold_open"):
        rows = fields.get(kind, ())
        for number, row in enumerate(rows if isinstance(rows, list | tuple) else (), 1):
            if isinstance(row, Mapping):
                yield from _missing_in(row, str(row.get("id", f"{kind} {number}")))


def _missing_in(row: Mapping[str, Any], name: str) -> Iterator[Finding]:
    for key in ("describe", "say"):
        words = row.get(key, {} if key == "describe" else None)
        if isinstance(words, Mapping):
            lacking = [language for language in LANGUAGES if not str(words.get(language, "")).strip()]
            if lacking:
                yield error("translation-missing", name, f"{key} has no text in {say_list(lacking, 'and')}")


def alike(policy: Policy) -> Iterator[Finding]:
    """Find texts that are the same in both languages, or in the wrong one."""
    texts: list[tuple[str, str, Text]] = [(quota.id, "describe", quota.describe) for quota in policy.quotas]
    texts += [(schedule.id, "describe", schedule.describe) for schedule in policy.schedules]
    for rule in policy.rules:
        texts += [(rule.id, "describe", rule.describe), *([(rule.id, "say", rule.say)] if rule.say else [])]
    for name, key, words in texts:
        chinese, english = words["zh"], words["en"]
        if chinese.strip() == english.strip():
            yield warning("translation-identical", name, f"{key} is the same in both languages: {english!r}")
        elif not _HAN.search(chinese) or _HAN.search(english):
            yield warning("translation-swapped", name, f"{key} has English as zh, or Chinese as en")


def misleading(layout: Layout) -> Iterator[Finding]:
    """Find rules without words of their own where the catalogue's text for the reason may not be true, or not help."""
    for number, rule in enumerate(layout.policy.rules):
        if rule.outcome not in (Outcome.DENY, Outcome.REFER):
            continue
        if rule.reason not in _OF_RULES:
            text = f"{rule.reason} is what the station itself finds, before any rule; choose a reason of rules"
            yield warning("reason-of-station", rule.id, text)
        elif rule.say is None and (why := _untold(layout, number, rule)):
            shown = f"{catalogue(f'reason-{rule.reason}')['en']}. {catalogue(f'reason-{rule.reason}', 'next')['en']}"
            yield warning("say-missing", rule.id, f'people read "{shown}", which {why}; write say = {{ zh, en }}')


def _untold(layout: Layout, number: int, rule: Rule) -> str:
    """Return why the catalogue's text for a rule's reason does not do, empty where it does."""
    for fact, values in ABOUT.get(rule.reason, {}).items():
        fitting = layout.words(fact, *values)[fact]
        if layout.boxes[number].get(fact, layout.space.full[fact]) & ~fitting:
            return f"is not true of all: the rule does not ask that {fact} is {say_list(sorted(values))}"
    needed = ASKED.get(rule.reason)
    if needed and not any(layout.asks(number, fact) for fact in needed):
        return f"may not be true: the rule does not ask about {say_list(sorted(needed))}"
    if rule.reason is Reason.QUOTA_USED and any(quota.per == "pass" for quota in layout.policy.quotas):
        return "speaks of a household, while a quota counts per pass"
    return _VAGUE.get(rule.reason, "") if rule.outcome is Outcome.DENY else ""
