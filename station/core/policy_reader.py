"""Reads a policy from its document. What is unknown refuses the whole of it, and the last good one stays in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.core import shape
from station.core.calendar import Calendar, day_number
from station.core.documents import FIELDS, Envelope
from station.core.facts import FACTS, LEVELS, NUMERIC, OPERATORS, PLACE_FACTS, RISKS, word
from station.core.matching import Condition
from station.core.model import LANGUAGES, Direction, Outcome, PassClass, Rejected, Text
from station.core.passback import KEEP_DAYS, Quota
from station.core.policy import DEGRADABLE, FOREVER, Degraded, HoldOpen, Policy, Rule
from station.core.reasons import REASONS, Matter, Reason

_ANY = frozenset(Matter)
ALLOWED_MATTERS = {
    Outcome.GRANT: _ANY,
    Outcome.MEASURE: _ANY,
    Outcome.ESCORT: _ANY,
    Outcome.DENY: frozenset({Matter.HOLDER}),
    Outcome.REFER: _ANY - {Matter.NONE},
}
"""Whose matter the reason of a rule may be: nobody is denied for a fault of the station."""
OWN_REASON = {
    Outcome.GRANT: Reason.GRANTED,
    Outcome.MEASURE: Reason.MEASURE_FIRST,
    Outcome.ESCORT: Reason.ESCORT_NEEDED,
}
"""Outcomes that are their own reason, whatever the rule names."""
RULE_KEYS = {"id", "version", "when", "outcome", "reason", "describe", "say", "from", "to"}
QUOTA_KEYS = {"id", "per", "direction", "passages", "days", "classes", "describe"}
POLICY_KEYS = {
    "rules",
    "zones",
    "risks",
    "utc_offset_minutes",
    "holidays",
    "workdays",
    "quotas",
    "degraded",
    "hold_open",
}
HOLD_OPEN_KEYS = {"id", "when", "gates", "describe"}


class PolicyError(ValueError):
    """The policy cannot be used. Carries the reason code and names the rule."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """`detail` names rule, fact and what is wrong with it."""
        super().__init__(detail)
        self.reason = reason


def _invalid(detail: str) -> PolicyError:
    return PolicyError(Reason.POLICY_INVALID, detail)


def read_text(value: object, name: str) -> Text:
    """Read a message that must exist in every language."""
    row = shape.mapping(value, name)
    if set(row) != set(LANGUAGES):
        raise shape.ShapeError(f"{name} needs exactly the languages {', '.join(LANGUAGES)}")
    return {language: shape.text(row[language], f"{name}.{language}", 400) for language in LANGUAGES}


# --- conditions ------------------------------------------------------------------------------------------------------


def _value(fact: str, value: object, where: str) -> object:
    info = FACTS[fact]
    if info.values is None:
        return shape.integer(value, where, *info.bounds)
    if shape.text(value, where) not in info.values:
        raise _invalid(f"{where}: {value!r} is none of {', '.join(sorted(info.values))}")
    return value


def _condition(fact: str, name: str, operand: object, where: str) -> Condition:
    if name not in OPERATORS:
        detail = f"{where}: no operator {name!r}; there are {sorted(OPERATORS)}"
        raise PolicyError(Reason.POLICY_UNKNOWN_OPERATOR, detail)
    if name in NUMERIC and FACTS[fact].values is not None:
        raise _invalid(f"{where}: {name!r} compares numbers, {fact} is a word")
    if name == "between":
        ends = tuple(_value(fact, v, where) for v in shape.sequence(operand, where, 2))
        if len(set(ends)) != 2:  # noqa: PLR2004 - from and to
            raise _invalid(f"{where}: between takes two different numbers, [from, to)")
        return Condition(fact, name, ends)
    if name in ("in", "not_in"):
        return Condition(fact, name, frozenset(_value(fact, v, where) for v in shape.sequence(operand, where, 100)))
    return Condition(fact, name, _value(fact, operand, where))


def _conditions(value: object, where: str) -> tuple[Condition, ...]:
    conditions = []
    for fact, tests in shape.mapping(value, where).items():
        if not isinstance(fact, str) or fact not in FACTS:
            raise PolicyError(Reason.POLICY_UNKNOWN_FACT, f"{where}: no fact {fact!r}; there are {sorted(FACTS)}")
        for name, operand in shape.mapping(tests, f"{where}.{fact}").items():
            conditions.append(_condition(fact, str(name), operand, f"{where}.{fact}.{name}"))
    return tuple(conditions)


# --- rules, quotas, days ---------------------------------------------------------------------------------------------


def _rule(value: object, number: int) -> Rule:
    row = shape.mapping(value, f"rule {number}")
    identifier = shape.text(row.get("id"), f"rule {number}.id", 60)
    where = f"rule {identifier}"
    shape.keys_within(row, RULE_KEYS, where)
    reason = Reason(shape.text(row.get("reason", "policy"), f"{where}.reason"))
    outcome = Outcome(shape.text(row.get("outcome"), f"{where}.outcome"))
    if REASONS[reason].matter not in ALLOWED_MATTERS[outcome]:
        raise _invalid(f"{where}.reason: {reason} is no reason to {outcome}")
    begin, end = (
        shape.integer(row.get("from", 0), f"{where}.from"),
        shape.integer(row.get("to", FOREVER), f"{where}.to"),
    )
    if begin > end:
        raise _invalid(f"{where}: it ends before it begins")
    return Rule(
        id=identifier,
        version=shape.integer(row.get("version"), f"{where}.version", 1),
        conditions=_conditions(row.get("when"), where),
        outcome=outcome,
        reason=OWN_REASON.get(outcome, reason),
        describe=read_text(row.get("describe"), f"{where}.describe"),
        say=read_text(row["say"], f"{where}.say") if "say" in row else None,
        valid_from=begin,
        valid_to=end,
    )


def _quota(value: object, number: int) -> Quota:
    row = shape.mapping(value, f"quota {number}")
    identifier = shape.text(row.get("id"), f"quota {number}.id", 60)
    where = f"quota {identifier}"
    shape.keys_within(row, QUOTA_KEYS, where)
    per = shape.text(row.get("per", "household"), f"{where}.per")
    if per not in ("household", "pass"):
        raise _invalid(f"{where}.per: {per!r} is neither household nor pass")
    names = {word(c): c for c in PassClass}
    classes = [
        shape.text(c, f"{where}.classes") for c in shape.sequence(row.get("classes", ()), f"{where}.classes", 10)
    ]
    if wrong := set(classes) - set(names):
        raise _invalid(f"{where}.classes: {sorted(wrong)} are none of {', '.join(names)}")
    return Quota(
        id=identifier,
        per=per,
        direction=Direction(shape.text(row.get("direction"), f"{where}.direction")),
        passages=shape.integer(row.get("passages"), f"{where}.passages", 1, 1000),
        days=shape.integer(row.get("days"), f"{where}.days", 1, KEEP_DAYS - 1),
        describe=read_text(row.get("describe"), f"{where}.describe"),
        classes=frozenset(names[c] for c in classes),
    )


def _hold_open(value: object, number: int) -> HoldOpen:
    row = shape.mapping(value, f"hold_open {number}")
    identifier = shape.text(row.get("id"), f"hold_open {number}.id", 60)
    where = f"hold_open {identifier}"
    shape.keys_within(row, HOLD_OPEN_KEYS, where)
    conditions = _conditions(row.get("when"), where)
    if asked := {condition.fact for condition in conditions} - PLACE_FACTS:
        raise _invalid(f"{where}: a schedule cannot ask about {', '.join(sorted(asked))}; nobody stands there")
    if not any(condition.fact == "minute_of_day" for condition in conditions):
        raise _invalid(f"{where}: a schedule needs minute_of_day; a door is never held open without an end")
    gates = shape.sequence(row.get("gates", ()), f"{where}.gates", 50)
    return HoldOpen(
        id=identifier,
        conditions=conditions,
        describe=read_text(row.get("describe"), f"{where}.describe"),
        gates=frozenset(shape.text(gate, f"{where}.gates", 40) for gate in gates),
    )


def _days(fields: Mapping[Any, object], name: str) -> frozenset[int]:
    return frozenset(day_number(shape.text(d, name, 10)) for d in shape.sequence(fields.get(name, ()), name, 1000))


def _prefixes(fields: Mapping[Any, object], name: str, allowed: tuple[str, ...]) -> dict[str, str]:
    rows = shape.mapping(fields.get(name, {}), name)
    table = {shape.text(k, f"{name}: prefix", 12): shape.text(v, f"{name}.{k}") for k, v in rows.items()}
    if wrong := set(table.values()) - set(allowed):
        raise _invalid(f"{name}: {sorted(wrong)} are none of {', '.join(allowed)}")
    return table


def _degraded(value: object) -> dict[Matter, Degraded]:
    chosen = {
        Matter(shape.text(k, "degraded")): Degraded(shape.text(v, f"degraded.{k}"))
        for k, v in shape.mapping(value, "degraded").items()
    }
    for matter, action in chosen.items():
        if action not in DEGRADABLE.get(matter, frozenset()):
            raise _invalid(f"degraded.{matter}: {action} cannot be chosen here")
    return chosen


# --- the whole -------------------------------------------------------------------------------------------------------


def read_table(version: int, fields: Mapping[Any, object]) -> Policy:
    """Read a policy's fields. Raises PolicyError."""
    try:
        shape.keys_within(fields, FIELDS | POLICY_KEYS, "policy")
        rules = [_rule(row, n) for n, row in enumerate(shape.sequence(fields.get("rules"), "rules", 500), 1)]
        quotas = [_quota(row, n) for n, row in enumerate(shape.sequence(fields.get("quotas", ()), "quotas", 50), 1)]
        schedules = shape.sequence(fields.get("hold_open", ()), "hold_open", 50)
        offset = shape.integer(fields.get("utc_offset_minutes"), "utc_offset_minutes", -720, 840)
        issued = fields.get("iat")
        policy = Policy(
            version=version,
            rules=tuple(rules),
            zones=_prefixes(fields, "zones", LEVELS),
            calendar=Calendar(offset, _days(fields, "holidays"), _days(fields, "workdays")),
            risks=_prefixes(fields, "risks", RISKS),
            quotas=tuple(quotas),
            schedules=tuple(_hold_open(row, n) for n, row in enumerate(schedules, 1)),
            degraded=_degraded(fields.get("degraded", {})),
            issued=issued if isinstance(issued, int) else None,
        )
    except PolicyError:
        raise
    except ValueError as error:
        raise _invalid(str(error)) from error
    if len({rule.id for rule in rules}) < len(rules):
        raise _invalid("two rules share an id")
    return policy


def read_policy(envelope: Envelope) -> Policy | Rejected:
    """Read a verified policy document."""
    try:
        return read_table(envelope.seq, envelope.fields)
    except PolicyError as error:
        return Rejected(error.reason, str(error))
