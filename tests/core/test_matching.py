"""The table that finds the first rule: it answers as asking the rules one by one would."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.facts import FACTS, NUMERIC, OPERATORS, Facts
from station.core.matching import Condition, Row, compile_rows, operands
from station.core.policy import FOREVER
from tests.core.many_rules import MOMENTS, POOL, USUAL, VALUES, any_facts, facts_of, rows

ALWAYS = (0, FOREVER)
AROUND = sorted({moment + step for moment in MOMENTS for step in (-1, 0, 1) if moment + step >= 0})


def one_by_one(table: list[Row], facts: Facts, seconds: int) -> int | None:
    """Return the number of the first rule that fires, asking each in turn."""
    for number, (conditions, (begin, end)) in enumerate(table):
        if begin <= seconds <= end and all(condition.holds(facts) for condition in conditions):
            return number
    return None


@settings(max_examples=400, deadline=None)
@given(st.lists(rows, max_size=8), any_facts, st.sampled_from(AROUND))
def test_the_table_answers_as_the_rules_one_by_one(table, facts, seconds):
    """Whatever the rules ask about, and however the facts stand to their edges, the first that fires is found."""
    assert compile_rows(table).first(facts, seconds) == one_by_one(table, facts, seconds)


@pytest.mark.parametrize("fact", FACTS)
def test_every_condition_at_every_edge(fact):
    """Each condition alone, of each operator, agrees with itself asked directly at and beside all edges."""
    for condition in POOL[fact]:
        table = compile_rows([([condition], ALWAYS)])
        for value in VALUES[fact]:
            expected = 0 if condition.admits(value) else None
            assert table.first(facts_of({fact: value}), 5) == expected, (condition, value)


@pytest.mark.parametrize("fact", FACTS)
def test_two_conditions_on_one_fact_are_joined(fact):
    """Any two conditions on one fact in one rule both hold where the table says so."""
    chance = random.Random(fact)
    for one, other in (chance.choices(POOL[fact], k=2) for _ in range(400)):
        table = compile_rows([([one, other], ALWAYS)])
        value = chance.choice(VALUES[fact])
        assert (table.first(facts_of({fact: value}), 5) == 0) == (one.admits(value) and other.admits(value))


@pytest.mark.parametrize("seed", range(4))
def test_the_longest_policy(seed):
    """Five hundred rules over all facts, the most a policy may have: a thousand presentations each agree."""
    chance = random.Random(seed)

    def row() -> Row:
        asked = chance.sample(sorted(FACTS), chance.randint(3, 6))
        begin, end = sorted(chance.choices(MOMENTS, k=2))
        return [chance.choice(POOL[fact]) for fact in asked], (begin, end)

    table = [row() for _ in range(500)]
    compiled = compile_rows(table)
    found = set()
    for _ in range(1000):
        facts = facts_of({fact: chance.choice(values) for fact, values in VALUES.items()})
        seconds = chance.choice(AROUND)
        expected = one_by_one(table, facts, seconds)
        assert compiled.first(facts, seconds) == expected
        found.add(expected)
    assert len(found) > 40


def test_without_rules_none_fires():
    """An empty policy finds nothing at any moment."""
    assert [compile_rows([]).first(USUAL, seconds) for seconds in AROUND] == [None] * len(AROUND)


@pytest.mark.parametrize("times", [pair for pair in itertools.product(MOMENTS, repeat=2) if pair[0] <= pair[1]])
def test_both_ends_of_a_rules_time_belong_to_it(times):
    """At every second around its begin and its end, a rule fires within and not outside."""
    table = compile_rows([([], times)])
    for seconds in AROUND:
        assert table.first(USUAL, seconds) == (0 if times[0] <= seconds <= times[1] else None)


@given(st.sampled_from(MOMENTS), st.lists(st.integers(0, 25), min_size=1, max_size=6), st.integers(0, 30))
def test_rules_follow_one_another_in_time(last, ends, seconds):
    """Of rules that end one after the other, the first that has not ended fires."""
    table = [([], (0, end)) for end in (*ends, last)]
    expected = next((number for number, (_, (_, end)) in enumerate(table) if seconds <= end), None)
    assert compile_rows(table).first(USUAL, seconds) == expected


# --- one condition ---------------------------------------------------------------------------------------------------

CLOCK = {"22:00": 22 * 60, "06:00": 6 * 60, "00:00": 0, "23:59": 23 * 60 + 59}


@pytest.mark.parametrize(
    ("ends", "within", "outside"),
    [
        (("06:00", "22:00"), ["06:00", "21:59", "12:00"], ["05:59", "22:00", "23:59", "00:00"]),
        (("22:00", "06:00"), ["22:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "21:59"]),
        (("22:00", "00:00"), ["22:00", "23:59"], ["00:00", "21:59"]),
        (("00:00", "06:00"), ["00:00", "05:59"], ["06:00", "23:59"]),
        (("23:59", "00:00"), ["23:59"], ["00:00", "23:58"]),
        (("00:00", "23:59"), ["00:00", "23:58"], ["23:59"]),
    ],
)
def test_between_runs_past_midnight(ends, within, outside):
    """From the first minute, up to but without the last; where the last is earlier, through the night."""

    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    condition = Condition("minute_of_day", "between", tuple(minute(end) for end in ends))
    for texts, expected in ((within, True), (outside, False)):
        for text in texts:
            assert condition.holds(facts_of({"minute_of_day": minute(text)})) is expected, text


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_a_time_and_its_reverse_share_the_day(begin, end, minute):
    """Each minute is either between two times or between them the other way round, never both and never neither."""
    if begin != end:
        there, back = (Condition("minute_of_day", "between", pair) for pair in ((begin, end), (end, begin)))
        assert there.admits(minute) is not back.admits(minute)


@pytest.mark.parametrize("name", OPERATORS)
def test_a_fact_without_a_value_meets_only_negations(name):
    """Somebody without a health code has no age of it: neither young nor old enough, only "not" holds."""
    for condition in (one for fact in FACTS for one in POOL[fact] if one.operator == name):
        assert condition.holds(facts_of({condition.fact: None})) is (name in ("ne", "not_in"))


def test_the_numbers_a_condition_names():
    """Whatever the operator, the numbers at which its answer may change are known."""
    named = {"between": (7, 3), "in": frozenset({1, 2}), "not_in": frozenset({4}), "eq": 5, "ne": 6, "lt": 8}
    found = {name: set(operands(Condition("weekday", name, operand))) for name, operand in named.items()}
    assert found == {"between": {3, 7}, "in": {1, 2}, "not_in": {4}, "eq": {5}, "ne": {6}, "lt": {8}}
    assert {name for name in OPERATORS if name not in named} == set(NUMERIC) - {"lt", "between"}
