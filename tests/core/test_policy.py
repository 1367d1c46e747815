"""The policy: the first row that fits decides, and the longest prefix tells of a place."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.facts import FACTS, MEMORY_FACTS
from station.core.matching import Condition
from station.core.model import Direction
from station.core.policy import DEFAULT_LEVEL, DEFAULT_RISK, FOREVER, Degraded, Policy, Rule
from station.core.policy_reader import read_table
from station.core.reasons import Matter, Reason
from tests.core.issuing import NOW, ZONE, observed, policy, rule, table
from tests.core.many_rules import MOMENTS, POOL, any_facts, facts_of, policies

FACTS_NOW = observed()


def read(*rules: object, **changes: object) -> Policy:
    """Read a policy that must be good."""
    return read_table(1, table(*rules, **changes))


def one(**changes: object) -> Rule:
    """Return a rule, read as the only one of its policy."""
    return read(rule(**changes)).rules[0]


# --- which row decides -----------------------------------------------------------------------------------------------


def test_the_first_row_that_fits_decides():
    """Rows are asked from top to bottom; later ones that would fit too do not matter."""
    rows = [rule(id="a", when={"direction": {"eq": "out"}}), rule(id="b", outcome="deny"), rule(id="c")]
    fired = read(*rows).first_match(FACTS_NOW, NOW)
    assert fired is not None
    assert fired.id == "b"
    assert read(*rows[:1]).first_match(FACTS_NOW, NOW) is None
    assert read().first_match(FACTS_NOW, NOW) is None


@settings(max_examples=150, deadline=None)
@given(policies, any_facts, st.sampled_from(MOMENTS))
def test_the_table_and_the_rules_agree(some, facts, seconds):
    """The rule that fires is the first that applies; each one before it can say what was not met."""
    fired = some.first_match(facts, seconds)
    assert fired == next((row for row in some.rules if row.applies(facts, seconds)), None)
    for row in itertools.takewhile(lambda row: row is not fired, some.rules):
        unmet = row.unmet(facts)
        assert unmet or not row.in_time(seconds)
        assert set(unmet) <= set(row.conditions)
        assert not any(condition.holds(facts) for condition in unmet)


def test_all_conditions_of_a_row_must_hold():
    """Conditions are joined by "and", also several about one fact."""
    row = one(when={"direction": {"eq": "in"}, "weekday": {"ge": 2, "le": 5}})
    for day, way in itertools.product(range(1, 8), Direction):
        facts = replace(FACTS_NOW, weekday=day, direction=way)
        assert row.applies(facts, NOW) == (way is Direction.IN and 2 <= day <= 5)


def test_a_row_tells_which_conditions_were_not_met():
    """Why a rule did not fire is exactly the conditions that do not hold, in their order."""
    row = one(when={"direction": {"eq": "out"}, "weekday": {"ge": 1, "le": 5}, "class": {"ne": "resident"}})
    out, weekday = Condition("direction", "eq", "out"), Condition("weekday", "le", 5)
    kind = Condition("class", "ne", "resident")
    assert row.unmet(facts_of({"weekday": 7})) == (out, weekday, kind)
    assert row.unmet(facts_of({"weekday": 5, "class": "worker"})) == (out,)
    assert row.unmet(facts_of({"weekday": 1, "class": "worker", "direction": "out"})) == ()


def test_a_row_counts_from_its_first_to_its_last_second():
    """Both ends of a row's validity belong to it, and outside it is skipped, whatever it asks."""
    row = one(**{"from": NOW, "to": NOW + 60})
    moments = (NOW - 1, NOW, NOW + 60, NOW + 61)
    assert [row.applies(FACTS_NOW, at) for at in moments] == [False, True, True, False]
    assert [row.in_time(at) for at in moments] == [False, True, True, False]
    assert [one().in_time(at) for at in (0, FOREVER)] == [True, True]


def test_table_of_the_demos_rules():
    """Each row of the compound's policy fires for the case it is written for."""
    leaving, coming = {"direction": "out"}, {"direction": "in"}
    cases = {
        "quarantine-leaving": leaving | {"status": "home-quarantine"},
        "quarantine-coming": coming | {"status": "home-quarantine"},
        "asked-to-see-guard": {"status": "refer"},
        "zone-closed-to-leaving": leaving | {"zone_level": "control"},
        "health-code-not-green": {"health": "red"},
        "fever": {"temperature": "raised"},
        "face-cold": {"temperature": "cold"},
        "face-too-far": {"temperature": "too-far"},
        "sensor-out-of-range": {"temperature": "out-of-range"},
        "no-face": {"temperature": "no-reading"},
        "thermometer-fault": {"temperature": "fault"},
        "green-channel": {"pass_class": "vehicle"},
        "measure-coming": coming | {"zone_level": "precaution"},
        "welcome": coming | {"zone_level": "precaution", "temperature": "normal"},
    }
    assert set(cases) == {row.id for row in policy().rules}
    for expected, changes in cases.items():
        fired = policy().first_match(replace(FACTS_NOW, **changes), NOW)
        assert fired is not None
        assert fired.id == expected


# --- what the policy says of places ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "default"),
    [
        ("zones", ("precaution", "locked-down", "control", "open"), DEFAULT_LEVEL),
        ("risks", ("medium", "high", "low", "unknown"), DEFAULT_RISK),
    ],
)
def test_the_longest_prefix_tells_of_a_place(name, values, default):
    """Level and risk are those of the most exact prefix named, whatever their order; a default where none is."""
    prefixes = ("3206", ZONE, "32", ZONE[:9])
    wanted = {
        ZONE: values[1],
        ZONE[:11] + "9": values[3],
        "320699999999": values[0],
        "321111111111": values[2],
        "110101001001": default,
    }
    for order in itertools.permutations(zip(prefixes, values, strict=True)):
        places = read(rule(), **{name: dict(order)})
        told = places.level if name == "zones" else places.risk
        assert {zone: told(zone) for zone in wanted} == wanted
    everywhere = read(rule(), **{name: {"": values[2]}})
    assert (everywhere.level if name == "zones" else everywhere.risk)(ZONE) == values[2]


def test_levels_and_risks_are_told_apart():
    """A zone's level says nothing of its risk, nor the other way round."""
    assert read(rule(), zones={"3206": "control"}).risk(ZONE) == DEFAULT_RISK
    assert read(rule(), risks={"3206": "high"}).level(ZONE) == DEFAULT_LEVEL
    assert (read(rule()).level(ZONE), read(rule()).risk(ZONE)) == ("open", "unknown")


# --- what the policy says of trouble and of memory -------------------------------------------------------------------


def test_whatever_is_not_chosen_goes_to_the_guard():
    """A policy that says nothing of trouble refers; what it says of one kind changes no other."""
    assert {matter: read(rule()).when(matter) for matter in Matter} == dict.fromkeys(Matter, Degraded.REFER)
    chosen = read(rule(), degraded={"clock": "nonce", "station": "deny"})
    expected = dict.fromkeys(Matter, Degraded.REFER) | {Matter.CLOCK: Degraded.NONCE, Matter.STATION: Degraded.DENY}
    assert {matter: chosen.when(matter) for matter in Matter} == expected


@pytest.mark.parametrize("fact", FACTS)
def test_a_rule_by_memory_asks_about_passages(fact):
    """Rules about quota, anti-passback and times since passages depend on other gates, and no others do."""
    plain = Rule("a", 1, (), read(rule()).rules[0].outcome, Reason.GRANTED, {})
    asking = replace(plain, conditions=(Condition("direction", "eq", "in"), POOL[fact][0]))
    assert asking.by_memory is (fact in MEMORY_FACTS)
    assert Policy(1, (plain, asking, plain), {}).by_memory is (fact in MEMORY_FACTS)
    assert not plain.by_memory
    assert not Policy(1, (plain,), {}).by_memory
