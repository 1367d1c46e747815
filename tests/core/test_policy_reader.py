"""Reading a policy: refused as a whole where anything is unknown, with the reason and the place of the mistake."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.core.documents import DocumentType
from station.core.facts import FACTS, NUMERIC, OPERATORS
from station.core.matching import Condition
from station.core.model import LANGUAGES, Outcome, Rejected
from station.core.policy import FOREVER, Policy
from station.core.policy_reader import POLICY_KEYS, QUOTA_KEYS, RULE_KEYS, PolicyError, read_policy, read_table
from station.core.reasons import REASONS, Matter, Reason
from tests.core.issuing import NOW, envelope, observed, policy, policy_source, rule, table
from tests.core.many_rules import edges, facts_of

WORDS = {"zh": "规定", "en": "a rule"}
WORD_FACTS = [fact for fact in FACTS if FACTS[fact].values is not None]
NUMBER_FACTS = [fact for fact in FACTS if FACTS[fact].values is None]


def read(*rules: object, **changes: object) -> Policy:
    """Read a policy that must be good."""
    return read_table(1, table(*rules, **changes))


def refused(*rules: object, **changes: object) -> PolicyError:
    """Read a policy that must be refused."""
    with pytest.raises(PolicyError) as caught:
        read(*rules, **changes)
    return caught.value


def when(fact: object, test: object) -> dict[str, object]:
    """Return a row with one fact tested."""
    return rule(when={fact: test})


def without(row: dict[str, object], key: str) -> dict[str, object]:
    """Return a row without one key."""
    return {k: v for k, v in row.items() if k != key}


def test_the_demos_policy_is_read():
    """The compound's policy has its twelve rows, every row described in every language."""
    rules = policy().rules
    assert len(rules) == 14
    assert all(set(row.describe) == set(LANGUAGES) for row in rules)
    assert rules[-1].reason is Reason.GRANTED


# --- rules -----------------------------------------------------------------------------------------------------------

UNKNOWN_FACT, UNKNOWN_OPERATOR, INVALID = (
    Reason.POLICY_UNKNOWN_FACT,
    Reason.POLICY_UNKNOWN_OPERATOR,
    Reason.POLICY_INVALID,
)

MISTAKES = {
    "unknown fact": (when("mood", {"eq": "good"}), UNKNOWN_FACT, "no fact 'mood'"),
    "fact that is no text": (when(5, {"eq": 5}), UNKNOWN_FACT, "no fact 5"),
    "unknown operator": (when("direction", {"like": "in"}), UNKNOWN_OPERATOR, "no operator 'like'"),
    "operator that is no text": (when("direction", {1: "in"}), UNKNOWN_OPERATOR, "no operator '1'"),
    "unknown value": (when("direction", {"eq": "up"}), INVALID, "'up' is none of in, out"),
    "unknown value in a list": (when("class", {"in": ["medic", "king"]}), INVALID, "'king' is none of"),
    "value of the wrong type": (when("direction", {"eq": 1}), INVALID, "is not printable text"),
    "order of words": (when("class", {"lt": "medic"}), INVALID, "'lt' compares numbers"),
    "range of words": (when("class", {"between": ["medic", "worker"]}), INVALID, "'between' compares numbers"),
    "number as text": (when("weekday", {"eq": "1"}), INVALID, "not a whole number from 1 to 7"),
    "number out of range": (when("weekday", {"le": 8}), INVALID, "not a whole number from 1 to 7"),
    "number out of range in a list": (when("weekday", {"in": [1, 0]}), INVALID, "not a whole number from 1 to 7"),
    "truth as number": (when("weekday", {"eq": True}), INVALID, "not a whole number from 1 to 7"),
    "part of a number": (when("weekday", {"eq": 1.0}), INVALID, "not a whole number from 1 to 7"),
    "one value for a list": (when("direction", {"in": "in"}), INVALID, "is not a list"),
    "list too long": (when("minute_of_day", {"in": list(range(101))}), INVALID, "at most 100"),
    "range that is no list": (when("minute_of_day", {"between": 480}), INVALID, "is not a list of at most 2"),
    "range of one": (when("minute_of_day", {"between": [480]}), INVALID, "takes two different numbers"),
    "range of none": (when("minute_of_day", {"between": []}), INVALID, "takes two different numbers"),
    "range of three": (when("minute_of_day", {"between": [1, 2, 3]}), INVALID, "is not a list of at most 2"),
    "empty range": (when("minute_of_day", {"between": [480, 480]}), INVALID, "takes two different numbers"),
    "range beyond the day": (when("minute_of_day", {"between": [1320, 1440]}), INVALID, "from 0 to 1439"),
    "time nobody translated": (when("minute_of_day", {"ge": "08:00"}), INVALID, "not a whole number"),
    "tests that are no map": (when("direction", "in"), INVALID, "is not a map"),
    "conditions that are no map": (rule(when=[]), INVALID, "is not a map"),
    "conditions missing": (without(rule(), "when"), INVALID, "is not a map"),
    "row that is no map": ("grant all", INVALID, "rule 2 is not a map"),
    "unknown outcome": (rule(outcome="maybe"), INVALID, "'maybe' is not a valid Outcome"),
    "outcome missing": (without(rule(), "outcome"), INVALID, "outcome is not printable text"),
    "unknown reason": (rule(reason="because"), INVALID, "'because' is not a valid Reason"),
    "unknown key": (rule(note="x"), INVALID, "unknown keys: 'note'"),
    "id missing": (rule(id=None), INVALID, "rule 2.id is not printable text"),
    "id too long": (rule(id="x" * 61), INVALID, "rule 2.id is not printable text of at most 60"),
    "version 0": (rule(version=0), INVALID, "version is not a whole number from 1"),
    "version missing": (without(rule(), "version"), INVALID, "version is not"),
    "time as text": (rule(**{"from": "monday"}), INVALID, "from is not a whole number"),
    "end before the first second": (rule(to=-1), INVALID, "to is not a whole number"),
    "end before it begins": (rule(**{"from": NOW, "to": NOW - 1}), INVALID, "it ends before it begins"),
    "language missing": (rule(describe={"zh": "规定"}), INVALID, "needs exactly the languages zh, en"),
    "language too many": (rule(describe={**WORDS, "fr": "une règle"}), INVALID, "needs exactly the languages"),
    "instruction in one language": (rule(say={"en": "Go home."}), INVALID, "say needs exactly the languages"),
    "instruction too long": (rule(say={**WORDS, "en": "x" * 401}), INVALID, "at most 400"),
    "instruction with control characters": (rule(say={**WORDS, "en": "a\x1bb"}), INVALID, "say.en is not printable"),
    "description missing": (without(rule(), "describe"), INVALID, "describe is not a map"),
    "denied as granted": (rule(outcome="deny", reason="granted"), INVALID, "granted is no reason to deny"),
    "id used twice": (rule(id="first"), INVALID, "two rules share an id"),
}


@pytest.mark.parametrize(("row", "reason", "says"), MISTAKES.values(), ids=MISTAKES)
def test_one_wrong_row_refuses_the_whole_policy(row, reason, says):
    """Beside a good row, each kind of mistake refuses the document with its own reason and names the place."""
    error = refused(rule(id="first"), row)
    assert error.reason is reason
    assert says in str(error)


def test_a_rule_is_read_whole():
    """Every key of a rule arrives in its place, the times too; without them it is valid for ever."""
    row = rule(id="night", version=3, outcome="deny", reason="outside-hours", say=WORDS, **{"from": NOW, "to": NOW})
    row["when"] = {"minute_of_day": {"between": [1320, 360]}, "class": {"in": ["worker"], "ne": "medic"}}
    (one,) = read(row).rules
    assert set(row) == RULE_KEYS
    assert (one.id, one.version, one.outcome, one.reason) == ("night", 3, Outcome.DENY, Reason.OUTSIDE_HOURS)
    assert (one.describe, one.say, one.valid_from, one.valid_to) == (WORDS, WORDS, NOW, NOW)
    assert set(one.conditions) == {
        Condition("minute_of_day", "between", (1320, 360)),
        Condition("class", "in", frozenset({"worker"})),
        Condition("class", "ne", "medic"),
    }
    (plain,) = read(rule()).rules
    assert (plain.valid_from, plain.valid_to, plain.say, plain.conditions) == (0, FOREVER, None, ())


def test_a_grant_has_the_reason_of_grants():
    """Outcomes that are their own reason keep it whatever the row states; a refusal without one says policy."""
    outcomes = {"grant": Reason.GRANTED, "measure": Reason.MEASURE_FIRST, "escort": Reason.ESCORT_NEEDED}
    for outcome, own in outcomes.items():
        assert read(rule(outcome=outcome, reason="zone-closed")).rules[0].reason is own
    assert read(rule(outcome="deny")).rules[0].reason is Reason.POLICY


@pytest.mark.parametrize("outcome", Outcome)
def test_nobody_is_denied_for_a_fault_of_the_station(outcome):
    """A denial gives a reason that is the holder's matter, a referral one that is somebody's; others give any."""
    for reason in Reason:
        matter = REASONS[reason].matter
        fits = {Outcome.DENY: matter is Matter.HOLDER, Outcome.REFER: matter is not Matter.NONE}.get(outcome, True)
        row = rule(outcome=outcome.value, reason=reason.value)
        if fits:
            assert read(row).rules[0].outcome is outcome
        else:
            assert "is no reason to" in str(refused(row))


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fact", WORD_FACTS)
def test_every_word_of_every_fact_can_be_asked_for(fact):
    """Each value of each word fact passes the reader and is told apart by all four operators of words."""
    for value, actual in itertools.product(sorted(FACTS[fact].values or ()), repeat=2):
        facts, same = facts_of({fact: actual}), value == actual
        tests = {"eq": (value, same), "ne": (value, not same), "in": ([value], same), "not_in": ([value], not same)}
        for name, (operand, expected) in tests.items():
            (row,) = read(when(fact, {name: operand})).rules
            assert row.applies(facts, NOW) == expected


@pytest.mark.parametrize("fact", NUMBER_FACTS)
def test_every_number_can_be_compared(fact):
    """All operators compare numbers as their names say, at the bounds and beside them; beyond, they are refused."""
    low, high = FACTS[fact].bounds
    for value, actual in itertools.product(edges(fact), repeat=2):
        facts = facts_of({fact: actual})
        expected = {"eq": actual == value, "ne": actual != value, "lt": actual < value, "le": actual <= value}
        expected |= {"gt": actual > value, "ge": actual >= value}
        for name, holds in expected.items():
            (row,) = read(when(fact, {name: value})).rules
            assert row.applies(facts, NOW) == holds
        (listed,) = read(when(fact, {"in": [value]})).rules
        assert listed.applies(facts, NOW) == (actual == value)
        if value != high:
            (between,) = read(when(fact, {"between": [value, high]})).rules
            assert between.applies(facts, NOW) == (value <= actual < high)
    for outside, name in itertools.product((low - 1, high + 1), {*OPERATORS} - {"between", "in", "not_in"}):
        assert f"from {low} to {high}" in str(refused(when(fact, {name: outside})))


def test_only_numbers_have_an_order():
    """The operators of order are refused for each word fact."""
    for fact, name in itertools.product(WORD_FACTS, NUMERIC):
        assert "compares numbers" in str(refused(when(fact, {name: min(FACTS[fact].values or ())})))


# --- documents -------------------------------------------------------------------------------------------------------


def test_a_signed_policy_is_read_or_refused_with_its_reason():
    """What comes out of a verified document is a policy of its number and date, or the refusal of the first mistake."""
    good = read_policy(envelope(DocumentType.POLICY, policy_source(), seq=4))
    assert isinstance(good, Policy)
    assert (good.version, good.issued) == (4, NOW - 60)
    for row, reason, says in (MISTAKES[name] for name in ("unknown fact", "unknown operator", "unknown key")):
        fields = {**policy_source(), "rules": [row]}
        verdict = read_policy(envelope(DocumentType.POLICY, fields))
        assert isinstance(verdict, Rejected)
        assert verdict.reason is reason
        assert says in verdict.detail


def tried(fields: dict[str, object]) -> Policy | Reason:
    """Read a policy, or return why it was refused."""
    try:
        return read_table(1, fields)
    except PolicyError as error:
        return error.reason


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    """Return lists and maps of values."""
    return st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
anything = st.recursive(leaves | st.binary(max_size=8), nested, max_leaves=8)
QUOTA = {"id": "shopping", "direction": "out", "passages": 1, "days": 2, "describe": WORDS}
quotas = st.fixed_dictionaries({}, optional=dict.fromkeys(QUOTA_KEYS, anything)).map(lambda row: QUOTA | row)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(sorted(RULE_KEYS)), anything),
    st.dictionaries(st.sampled_from(sorted(POLICY_KEYS)), anything | st.lists(quotas, max_size=2), max_size=2),
)
def test_any_row_is_read_or_refused(changes, others):
    """Rows and fields of any shape are read, and then decide, or refused with a reason of policies; no other error."""
    verdict = tried({**table(rule(**changes)), **others})
    if isinstance(verdict, Policy):
        verdict.first_match(observed(), NOW)
    else:
        assert verdict in {UNKNOWN_FACT, UNKNOWN_OPERATOR, INVALID}


operands = st.sampled_from([*range(-1, 9), 720, 1439, 1440, "in", "medic", "used", True, None])
tests = st.dictionaries(
    st.sampled_from([*OPERATORS, "like"]), operands | st.lists(operands, max_size=3), min_size=1, max_size=2
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([*FACTS, "mood"]), tests, min_size=1, max_size=2))
def test_any_condition_is_read_or_refused(conditions):
    """Conditions of any make are refused by name, or read and asked at once, with an answer."""
    verdict = tried(table(rule(when=conditions)))
    if isinstance(verdict, Policy):
        assert (verdict.first_match(observed(), NOW) is None) == bool(verdict.rules[0].unmet(observed()))
    else:
        assert verdict in {UNKNOWN_FACT, UNKNOWN_OPERATOR, INVALID}
