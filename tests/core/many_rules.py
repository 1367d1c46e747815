"""Conditions, facts and rules of every kind, for tests that hold over all of them.

POOL has each fact asked with each operator, about each of its words or about numbers at the edges of its range;
VALUES has what the facts may be, the numbers beside each of those edges and "no value" among them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from station.core.facts import FACTS, NUMERIC, Facts
from station.core.matching import Condition, Row
from station.core.model import Outcome
from station.core.policy import FOREVER, Policy, Rule
from station.core.policy_reader import ALLOWED_MATTERS, OWN_REASON
from station.core.reasons import REASONS, Reason
from tests.core.issuing import observed

FIELD_OF = {name: name for name in FACTS} | {"class": "pass_class"}
MOMENTS = (0, 1, 10, 11, 20, FOREVER)
"""When rules begin and end to be valid."""
WORDS = {"zh": "规定", "en": "a rule"}


def edges(fact: str) -> tuple[int, ...]:
    """Return the numbers a fact is compared with: the ends of its range, their neighbours, and one between."""
    low, high = FACTS[fact].bounds
    return tuple(sorted({low, low + 1, (low + high) // 2, high - 1, high}))


def _lists(values: Sequence[object]) -> Iterable[frozenset[object]]:
    return [frozenset(some) for size in (0, 1, 2) for some in itertools.combinations(values, size)] + [
        frozenset(values)
    ]


def _about(fact: str) -> Iterable[Condition]:
    info = FACTS[fact]
    values: Sequence[object] = edges(fact) if info.values is None else sorted(info.values)
    for name, value in itertools.product(("eq", "ne"), values):
        yield Condition(fact, name, value)
    for name, listed in itertools.product(("in", "not_in"), _lists(values)):
        yield Condition(fact, name, listed)
    if info.values is None:
        for name in NUMERIC:
            operands = itertools.permutations(values, 2) if name == "between" else values
            yield from (Condition(fact, name, operand) for operand in operands)


POOL = {fact: tuple(_about(fact)) for fact in FACTS}
VALUES: dict[str, tuple[object, ...]] = {
    fact: (None, *sorted(info.values))
    if info.values is not None
    else (None, *sorted({edge + step for edge in edges(fact) for step in (-1, 0, 1)}))
    for fact, info in FACTS.items()
}

USUAL = observed()


def facts_of(values: dict[str, object]) -> Facts:
    """Return the usual facts with these values, by the names that rules use."""
    return replace(USUAL, **{FIELD_OF[fact]: value for fact, value in values.items()})  # type: ignore[arg-type]


_DRAWN = {fact: st.sampled_from(pool) for fact, pool in POOL.items()}
conditions = st.sampled_from(sorted(FACTS)).flatmap(_DRAWN.__getitem__)
times = st.lists(st.sampled_from(MOMENTS), min_size=2, max_size=2).map(lambda pair: (min(pair), max(pair)))
rows: st.SearchStrategy[Row] = st.tuples(st.lists(conditions, max_size=4), times)
any_facts = st.fixed_dictionaries({fact: st.sampled_from(VALUES[fact]) for fact in FACTS}).map(facts_of)


def rules_of(outcome: Outcome) -> st.SearchStrategy[Rule]:
    """Return rules with one outcome and any reason that goes with it."""
    fitting = [reason for reason in Reason if REASONS[reason].matter in ALLOWED_MATTERS[outcome]]
    reasons = st.just(OWN_REASON[outcome]) if outcome in OWN_REASON else st.sampled_from(fitting)
    return st.builds(
        lambda row, reason: Rule("", 1, tuple(row[0]), outcome, reason, WORDS, None, *row[1]),
        rows,
        reasons,
    )


def _numbered(rules: Sequence[Rule]) -> Policy:
    return Policy(1, tuple(replace(rule, id=f"rule {number}") for number, rule in enumerate(rules)), {})


policies = st.lists(st.one_of(*map(rules_of, Outcome)), max_size=6).map(_numbered)
