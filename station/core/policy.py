"""The policy: a first-match table of rules over named facts. Not a program: it always terminates and explains itself.

The rule that fired is the reason. A document that uses an unknown fact, operator or value is refused as a whole, and
the last good one stays in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from station.core import shape
from station.core.documents import FIELDS, Envelope
from station.core.facts import FACTS, LEVELS, NUMERIC, OPERATORS, Facts
from station.core.model import LANGUAGES, Outcome, Rejected, Text
from station.core.reasons import REASONS, Matter, Reason

DEFAULT_LEVEL = "open"
_ANY = frozenset(Matter)
ALLOWED_MATTERS = {
    Outcome.GRANT: _ANY,
    Outcome.MEASURE: _ANY,
    Outcome.DENY: frozenset({Matter.HOLDER}),
    Outcome.REFER: _ANY - {Matter.NONE},
}
"""Whose matter the reason of a rule may be: nobody is denied for a fault of the station."""


class PolicyError(ValueError):
    """The policy cannot be used. Carries the reason code and names the rule."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """`detail` names rule, fact and what is wrong with it."""
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Condition:
    """`fact operator operand`; a fact without a value (no health code) satisfies nothing but "ne" and "not_in"."""

    fact: str
    operator: str
    operand: object

    def holds(self, facts: Facts) -> bool:
        """Say whether the condition is met."""
        value = FACTS[self.fact].read(facts)
        if value is None:
            return self.operator in ("ne", "not_in")
        return OPERATORS[self.operator](value, self.operand)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `valid_from`/`valid_to`: unsigned seconds, the row is skipped outside."""

    id: str
    version: int
    conditions: tuple[Condition, ...]
    outcome: Outcome
    reason: Reason
    describe: Text
    say: Text | None = None
    valid_from: int = 0
    valid_to: int = 2**40

    def applies(self, facts: Facts, seconds: int) -> bool:
        """Say whether the rule fires."""
        return self.valid_from <= seconds <= self.valid_to and all(c.holds(facts) for c in self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, the level of each zone (longest prefix wins) and the local time it speaks of."""

    version: int
    rules: tuple[Rule, ...]
    zones: Mapping[str, str]
    utc_offset_minutes: int

    def level(self, zone: str) -> str:
        """Return the level of a zone: that of the longest prefix named, "open" where none is."""
        matching = [prefix for prefix in self.zones if zone.startswith(prefix)]
        return self.zones[max(matching, key=len)] if matching else DEFAULT_LEVEL


def first_match(rules: Sequence[Rule], facts: Facts, seconds: int) -> Rule | None:
    """Return the first rule that fires."""
    return next((rule for rule in rules if rule.applies(facts, seconds)), None)


# --- reading ---------------------------------------------------------------------------------------------------------

_RULE_KEYS = {"id", "version", "when", "outcome", "reason", "describe", "say", "from", "to"}


def read_text(value: object, name: str) -> Text:
    """Read a message that must exist in every language."""
    row = shape.mapping(value, name)
    if set(row) != set(LANGUAGES):
        raise shape.ShapeError(f"{name} needs exactly the languages {', '.join(LANGUAGES)}")
    return {language: shape.text(row[language], f"{name}.{language}", 400) for language in LANGUAGES}


def _value(fact: str, value: object, where: str) -> object:
    info = FACTS[fact]
    if info.values is None:
        return shape.integer(value, where, *info.bounds)
    if shape.text(value, where) not in info.values:
        raise PolicyError(Reason.POLICY_INVALID, f"{where}: {value!r} is none of {', '.join(sorted(info.values))}")
    return value


def _condition(fact: str, name: str, operand: object, where: str) -> Condition:
    if name not in OPERATORS:
        raise PolicyError(
            Reason.POLICY_UNKNOWN_OPERATOR, f"{where}: no operator {name!r}; there are {sorted(OPERATORS)}"
        )
    if name in NUMERIC and FACTS[fact].values is not None:
        raise PolicyError(Reason.POLICY_INVALID, f"{where}: {name!r} compares numbers, {fact} is a word")
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


def _rule(value: object, number: int) -> Rule:
    row = shape.mapping(value, f"rule {number}")
    identifier = shape.text(row.get("id"), f"rule {number}.id", 60)
    where = f"rule {identifier}"
    shape.keys_within(row, _RULE_KEYS, where)
    reason = Reason(shape.text(row.get("reason", "policy"), f"{where}.reason"))
    outcome = Outcome(shape.text(row.get("outcome"), f"{where}.outcome"))
    if REASONS[reason].matter not in ALLOWED_MATTERS[outcome]:
        raise PolicyError(Reason.POLICY_INVALID, f"{where}.reason: {reason} is no reason to {outcome}")
    begin, end = shape.integer(row.get("from", 0), f"{where}.from"), shape.integer(row.get("to", 2**40), f"{where}.to")
    if begin > end:
        raise PolicyError(Reason.POLICY_INVALID, f"{where}: it ends before it begins")
    return Rule(
        id=identifier,
        version=shape.integer(row.get("version"), f"{where}.version", 1),
        conditions=_conditions(row.get("when"), where),
        outcome=outcome,
        reason=Reason.GRANTED if outcome is Outcome.GRANT else reason,
        describe=read_text(row.get("describe"), f"{where}.describe"),
        say=read_text(row["say"], f"{where}.say") if "say" in row else None,
        valid_from=begin,
        valid_to=end,
    )


def read_table(version: int, fields: Mapping[Any, object]) -> Policy:
    """Read rules, zones and local time from a policy's fields. Raises PolicyError."""
    try:
        shape.keys_within(fields, FIELDS | {"rules", "zones", "utc_offset_minutes"}, "policy")
        rows = shape.sequence(fields.get("rules"), "rules", 500)
        rules = tuple(_rule(row, number) for number, row in enumerate(rows, 1))
        levels = shape.mapping(fields.get("zones", {}), "zones")
        zones = {shape.text(k, "zone", 12): shape.text(v, f"zones.{k}") for k, v in levels.items()}
        offset = shape.integer(fields.get("utc_offset_minutes"), "utc_offset_minutes", -720, 840)
    except PolicyError:
        raise
    except ValueError as error:
        raise PolicyError(Reason.POLICY_INVALID, str(error)) from error
    if wrong := {level for level in zones.values() if level not in LEVELS}:
        raise PolicyError(Reason.POLICY_INVALID, f"zones: {sorted(wrong)} are none of {', '.join(LEVELS)}")
    if len({rule.id for rule in rules}) < len(rules):
        raise PolicyError(Reason.POLICY_INVALID, "two rules share an id")
    return Policy(version, rules, zones, offset)


def read_policy(envelope: Envelope) -> Policy | Rejected:
    """Read a verified policy document; any unknown fact, operator or value refuses the whole of it."""
    try:
        return read_table(envelope.seq, envelope.fields)
    except PolicyError as error:
        return Rejected(error.reason, str(error))
