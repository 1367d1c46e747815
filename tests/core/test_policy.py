"""The policy: refused as a whole where anything is unknown, and the first row that fits decides."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.core.documents import DocumentType
from station.core.facts import DAY_S, FACTS, LEVELS, NUMERIC, OPERATORS, Facts, observe
from station.core.model import (
    LANGUAGES,
    NOT_MEASURED,
    Band,
    ClockState,
    Direction,
    Health,
    HealthCode,
    Instant,
    Outcome,
    PassClass,
    Rejected,
    Status,
    TemperatureReading,
)
from station.core.policy import Condition, Policy, PolicyError, first_match, read_policy, read_table
from station.core.reasons import REASONS, Matter, Reason
from tests.core.issuing import NOW, NOW_INSTANT, ZONE, credential, envelope, policy, policy_source, rule, site, table

FACTS_NOW = observe(credential(), Status.OK, NOT_MEASURED, site(), "open", 480, NOW_INSTANT)
WORDS = {"zh": "规定", "en": "a rule"}


def read(*rules: object, **changes: object) -> Policy:
    """Read a policy that must be good."""
    return read_table(1, table(*rules, **changes))


def test_the_demos_policy_is_read():
    """The compound's policy has its twelve rows, every row described in every language."""
    rules = policy().rules
    assert len(rules) == 12
    assert all(set(row.describe) == set(LANGUAGES) for row in rules)
    assert rules[-1].reason is Reason.GRANTED


# --- refused as a whole ----------------------------------------------------------------------------------------------


def when(fact: object, test: object) -> dict[str, object]:
    """Return a row with one fact tested."""
    return rule(when={fact: test})


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
    "number as text": (when("weekday", {"eq": "1"}), INVALID, "not a whole number from 1 to 7"),
    "number out of range": (when("weekday", {"le": 8}), INVALID, "not a whole number from 1 to 7"),
    "truth as number": (when("weekday", {"eq": True}), INVALID, "not a whole number from 1 to 7"),
    "one value for a list": (when("direction", {"in": "in"}), INVALID, "is not a list"),
    "list too long": (when("minute_of_day", {"in": list(range(101))}), INVALID, "at most 100"),
    "tests that are no map": (when("direction", "in"), INVALID, "is not a map"),
    "conditions that are no map": (rule(when=[]), INVALID, "is not a map"),
    "conditions missing": ({k: v for k, v in rule().items() if k != "when"}, INVALID, "is not a map"),
    "row that is no map": ("grant all", INVALID, "rule 2 is not a map"),
    "unknown outcome": (rule(outcome="maybe"), INVALID, "'maybe' is not a valid Outcome"),
    "unknown reason": (rule(reason="because"), INVALID, "'because' is not a valid Reason"),
    "unknown key": (rule(note="x"), INVALID, "unknown keys: 'note'"),
    "id missing": (rule(id=None), INVALID, "rule 2.id is not printable text"),
    "version 0": (rule(version=0), INVALID, "version is not a whole number from 1"),
    "version missing": ({k: v for k, v in rule().items() if k != "version"}, INVALID, "version is not"),
    "time as text": (rule(**{"from": "monday"}), INVALID, "from is not a whole number"),
    "end before time began": (rule(to=-1), INVALID, "to is not a whole number"),
    "language missing": (rule(describe={"zh": "规定"}), INVALID, "needs exactly the languages zh, en"),
    "language too many": (rule(describe={**WORDS, "fr": "une règle"}), INVALID, "needs exactly the languages"),
    "instruction in one language": (rule(say={"en": "Go home."}), INVALID, "say needs exactly the languages"),
    "instruction too long": (rule(say={**WORDS, "en": "x" * 401}), INVALID, "at most 400"),
    "instruction with control characters": (rule(say={**WORDS, "en": "a\x1bb"}), INVALID, "say.en is not printable"),
    "description missing": ({k: v for k, v in rule().items() if k != "describe"}, INVALID, "describe is not a map"),
    "denied as granted": (rule(outcome="deny", reason="granted"), INVALID, "granted is no reason to deny"),
    "id used twice": (rule(id="first"), INVALID, "two rules share an id"),
}


@pytest.mark.parametrize(("row", "reason", "says"), MISTAKES.values(), ids=MISTAKES)
def test_one_wrong_row_refuses_the_whole_policy(row, reason, says):
    """Beside a good row, each kind of mistake refuses the document with its own reason and names the place."""
    with pytest.raises(PolicyError) as caught:
        read(rule(id="first"), row)
    assert caught.value.reason is reason
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"note": 1}, "policy has unknown keys: 'note'"),
        ({"rules": None}, "rules is not a list"),
        ({"rules": [rule(id=str(n)) for n in range(501)]}, "at most 500"),
        ({"zones": []}, "zones is not a map"),
        ({"zones": {ZONE: "shut"}}, "['shut'] are none of"),
        ({"zones": {ZONE + "0": "open"}}, "zone is not printable text of at most 12"),
        ({"zones": {3206: "open"}}, "zone is not printable text"),
        ({"utc_offset_minutes": None}, "utc_offset_minutes is not a whole number"),
        ({"utc_offset_minutes": 841}, "from -720 to 840"),
        ({"utc_offset_minutes": -721}, "from -720 to 840"),
    ],
)
def test_each_wrong_field_refuses_the_policy(changes, says):
    """The fields beside the rows are held to type and range."""
    with pytest.raises(PolicyError) as caught:
        read(**{"rules": [rule()], **changes})
    assert caught.value.reason is Reason.POLICY_INVALID
    assert says in str(caught.value)


def test_a_signed_policy_is_read_or_refused_with_its_reason():
    """What comes out of a verified document is a policy of its number, or the refusal of the first mistake."""
    good = read_policy(envelope(DocumentType.POLICY, policy_source(), seq=4))
    assert isinstance(good, Policy)
    assert good.version == 4
    bad = {**policy_source(), "rules": [when("mood", {"eq": "good"})]}
    refused = read_policy(envelope(DocumentType.POLICY, bad))
    assert isinstance(refused, Rejected)
    assert refused.reason is UNKNOWN_FACT


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    """Return lists and maps of values."""
    return st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
anything = st.recursive(leaves | st.binary(max_size=8), nested, max_leaves=8)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(sorted(rule())) | st.sampled_from(["say", "reason", "from", "to"]), anything),
    st.dictionaries(st.sampled_from(["zones", "utc_offset_minutes", "rules"]), anything, max_size=2),
)
def test_any_row_is_read_or_refused(changes, others):
    """Rows and fields of any shape are read or refused with a reason of policies; nothing else is raised."""
    fields = {**table(rule(**changes)), **others}
    try:
        read_table(1, fields)
    except PolicyError:
        with pytest.raises(PolicyError) as caught:
            read_table(1, fields)
        assert caught.value.reason in {UNKNOWN_FACT, UNKNOWN_OPERATOR, INVALID}


# --- which row decides -----------------------------------------------------------------------------------------------


def test_the_first_row_that_fits_decides():
    """Rows are asked from top to bottom; later ones that would fit too do not matter."""
    rules = read(
        rule(id="a", when={"direction": {"eq": "out"}}),
        rule(id="b", outcome="deny"),
        rule(id="c"),
    ).rules
    fired = first_match(rules, FACTS_NOW, NOW)
    assert fired is not None
    assert fired.id == "b"
    assert first_match(rules[:1], FACTS_NOW, NOW) is None
    assert first_match((), FACTS_NOW, NOW) is None


def test_all_conditions_of_a_row_must_hold():
    """Conditions are joined by "and", also several about one fact."""
    (row,) = read(rule(when={"direction": {"eq": "in"}, "weekday": {"ge": 2, "le": 5}})).rules
    for day, way in itertools.product(range(1, 8), Direction):
        facts = replace(FACTS_NOW, weekday=day, direction=way)
        assert row.applies(facts, NOW) == (way is Direction.IN and 2 <= day <= 5)


def test_a_row_counts_from_its_first_to_its_last_second():
    """Both ends of a row's validity belong to it, and outside it is skipped."""
    (row,) = read(rule(**{"from": NOW, "to": NOW + 60})).rules
    assert [row.applies(FACTS_NOW, at) for at in (NOW - 1, NOW, NOW + 60, NOW + 61)] == [False, True, True, False]


def test_a_grant_has_the_reason_of_grants():
    """Whatever reason a granting row states, the record says granted; a refusal without one says policy."""
    granting, refusing = read(rule(reason="zone-closed"), rule(id="b", outcome="deny")).rules
    assert (granting.reason, refusing.reason) == (Reason.GRANTED, Reason.POLICY)


def test_the_longest_prefix_gives_the_level():
    """The level of a zone is that of the most exact prefix named, whatever their order; "open" where none is."""
    levels = {"3206": "precaution", ZONE: "locked-down", "32": "control", ZONE[:9]: "open"}
    for order in itertools.permutations(levels.items()):
        rules = read(rule(), zones=dict(order))
        assert rules.level(ZONE) == "locked-down"
        assert rules.level(ZONE[:11] + "9") == "open"
        assert rules.level("320699999999") == "precaution"
        assert rules.level("321111111111") == "control"
        assert rules.level("110101001001") == "open"
    assert read(rule(), zones={"": "control"}).level(ZONE) == "control"
    assert read(rule()).level(ZONE) == "open"


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
        "no-face": {"temperature": "no-reading"},
        "thermometer-fault": {"temperature": "fault"},
        "green-channel": {"pass_class": "vehicle"},
        "measure-coming": coming | {"zone_level": "precaution"},
        "welcome": coming | {"zone_level": "precaution", "temperature": "normal"},
    }
    assert set(cases) == {row.id for row in policy().rules}
    for expected, changes in cases.items():
        fired = first_match(policy().rules, replace(FACTS_NOW, **changes), NOW)
        assert fired is not None
        assert fired.id == expected


# --- facts -----------------------------------------------------------------------------------------------------------

FIELD_OF = {name: name for name in FACTS} | {"class": "pass_class"}
SPELLED = {
    "zone_level": set(LEVELS),
    "direction": {"in", "out"},
    "class": {"resident", "visitor", "worker", "returnee", "vehicle", "medic"},
    "status": {"ok", "revoked", "home-quarantine", "refer"},
    "health": {"none", "green", "yellow", "red"},
    "temperature": {"not-measured", "normal", "raised", "cold", "no-reading", "fault"},
    "medium": {"paper", "phone-static"},
    "clock": {"trusted", "holdover", "lost"},
}
NUMBERS = {"health_age_days": (0, 3650), "minute_of_day": (0, 1439), "weekday": (1, 7)}


def test_every_fact_is_in_the_table_once():
    """The table of facts, the fields of Facts and this test know the same facts, values and ranges."""
    assert set(FIELD_OF.values()) == {field.name for field in fields(Facts)}
    assert {name: set(info.values) for name, info in FACTS.items() if info.values is not None} == SPELLED
    assert {name: info.bounds for name, info in FACTS.items() if info.values is None} == NUMBERS
    assert set(OPERATORS) == {"eq", "ne", "in", "not_in", "lt", "le", "gt", "ge"}


@pytest.mark.parametrize("fact", SPELLED)
def test_every_word_of_every_fact_can_be_asked_for(fact):
    """Each value of each word fact passes the reader and is told apart by all four operators of words."""
    for value, actual in itertools.product(sorted(SPELLED[fact]), repeat=2):
        facts, same = replace(FACTS_NOW, **{FIELD_OF[fact]: actual}), value == actual
        tests = {"eq": (value, same), "ne": (value, not same), "in": ([value], same), "not_in": ([value], not same)}
        for name, (operand, expected) in tests.items():
            (row,) = read(when(fact, {name: operand})).rules
            assert row.applies(facts, NOW) == expected


@pytest.mark.parametrize("fact", NUMBERS)
def test_every_number_can_be_compared(fact):
    """All operators compare numbers as their names say, at the bounds and beside them."""
    low, high = NUMBERS[fact]
    for value, actual in itertools.product({low, low + 1, high - 1, high}, repeat=2):
        facts = replace(FACTS_NOW, **{FIELD_OF[fact]: actual})
        expected = {"eq": actual == value, "ne": actual != value, "lt": actual < value, "le": actual <= value}
        expected |= {"gt": actual > value, "ge": actual >= value}
        for name, holds in expected.items():
            (row,) = read(when(fact, {name: value})).rules
            assert row.applies(facts, NOW) == holds
        (listed,) = read(when(fact, {"in": [value]})).rules
        assert listed.applies(facts, NOW) == (actual == value)
    for outside in (low - 1, high + 1):
        with pytest.raises(PolicyError):
            read(when(fact, {"eq": outside}))


@pytest.mark.parametrize("name", OPERATORS)
def test_a_fact_without_a_value_meets_only_negations(name):
    """Somebody without a health code has no age of it: neither young nor old enough, only "not" holds."""
    operand = frozenset({3}) if name in ("in", "not_in") else 3
    facts = replace(FACTS_NOW, health_age_days=None)
    assert Condition("health_age_days", name, operand).holds(facts) == (name in ("ne", "not_in"))


def test_only_numbers_have_an_order():
    """The operators of order are refused for each word fact."""
    for fact, name in itertools.product(SPELLED, NUMERIC):
        with pytest.raises(PolicyError, match="compares numbers"):
            read(when(fact, {name: min(SPELLED[fact])}))


def test_what_is_observed_is_what_can_be_asked():
    """Over all classes, codes, statuses, bands and clocks, every observed fact is one of the table's values."""
    for kind, code, status, band, clock in itertools.product(PassClass, [None, *HealthCode], Status, Band, ClockState):
        health = None if code is None else Health(code, NOW // DAY_S - 2)
        holder = credential(pass_class=kind, health=health, phone_key=None if code is None else bytes(33))
        moment = Instant(NOW * 1_000_000, 0, clock)
        facts = observe(holder, status, TemperatureReading(band), site(), "control", 480, moment)
        for info in FACTS.values():
            value = info.read(facts)
            if info.values is not None:
                assert value in info.values
            elif value is not None:
                assert isinstance(value, int)
                assert info.bounds[0] <= value <= info.bounds[1]
        assert facts.pass_class == kind.name.lower()
        assert facts.health == ("none" if code is None else code.name.lower())
        assert facts.health_age_days == (None if code is None else 2)
        assert facts.status == status.name.lower().replace("_", "-")
        assert (facts.temperature, facts.clock, facts.zone_level) == (band, clock, "control")
        assert facts.medium == ("paper" if code is None else "phone-static")


@pytest.mark.parametrize(
    ("seconds", "offset", "minute", "weekday"),
    [
        (0, 0, 0, 4),  # 1970-01-01, a Thursday
        (DAY_S - 1, 0, 1439, 4),
        (DAY_S, 0, 0, 5),
        (16 * 3600, 480, 0, 5),  # midnight in Beijing
        (16 * 3600 - 1, 480, 1439, 4),
        (3600, -720, 13 * 60, 3),
        (4 * DAY_S, 0, 0, 1),
        (3 * DAY_S, 0, 0, 7),
        (NOW, 480, 23 * 60 + 6, 7),  # Sunday 2025-06-15 23:06:40
    ],
)
def test_local_time(seconds, offset, minute, weekday):
    """Minute of day and weekday are those of the policy's local time."""
    facts = observe(credential(), Status.OK, NOT_MEASURED, site(), "open", offset, Instant(seconds * 1_000_000, 0))
    assert (facts.minute_of_day, facts.weekday) == (minute, weekday)


def test_a_health_code_of_tomorrow_has_age_0():
    """A code dated after the station's day is new, not of negative age."""
    holder = credential(health=Health(HealthCode.GREEN, NOW // DAY_S + 1))
    assert observe(holder, Status.OK, NOT_MEASURED, site(), "open", 0, NOW_INSTANT).health_age_days == 0


@pytest.mark.parametrize("outcome", Outcome)
def test_nobody_is_denied_for_a_fault_of_the_station(outcome):
    """A denial gives a reason that is the holder's matter, a referral one that is somebody's; others give any."""
    for reason in Reason:
        matter = REASONS[reason].matter
        fits = {Outcome.DENY: matter is Matter.HOLDER, Outcome.REFER: matter is not Matter.NONE}.get(outcome, True)
        row = rule(outcome=outcome.value, reason=reason.value)
        if fits:
            assert read(row).rules[0].outcome is outcome
            continue
        with pytest.raises(PolicyError, match="is no reason to"):
            read(row)
