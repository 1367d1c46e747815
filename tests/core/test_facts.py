"""The facts rules can ask about: each observed as it is, and none that depends on a time nobody knows."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.calendar import DAY_S, Calendar, day_number
from station.core.facts import FACTS, LEVELS, MEMORY_FACTS, NUMERIC, OPERATORS, RISKS, Facts, word
from station.core.model import (
    Band,
    ClockState,
    Direction,
    Health,
    HealthCode,
    Instant,
    Live,
    PassClass,
    Status,
    TemperatureReading,
)
from station.core.passback import History, Peers, Quota
from tests.core.issuing import NOW, NOW_INSTANT, credential, observed, passage, setting
from tests.core.many_rules import FIELD_OF

LOST = replace(NOW_INSTANT, state=ClockState.LOST)
PHONE = {"phone_key": b"\x02" + bytes(32)}
CLASSES = {"resident", "visitor", "worker", "returnee", "vehicle", "medic"}
SPELLED = {
    "zone_level": {"locked-down", "control", "precaution", "open"},
    "home_risk": {"high", "medium", "low", "unknown"},
    "direction": {"in", "out"},
    "class": CLASSES,
    "status": {"ok", "revoked", "home-quarantine", "refer"},
    "health": {"none", "green", "yellow", "red"},
    "temperature": {"not-measured", "normal", "raised", "cold", "too-far", "no-reading", "out-of-range", "fault"},
    "day": {"workday", "weekend", "holiday"},
    "quota": {"none", "left", "used"},
    "passback": {"unknown", "clear", "violation"},
    "escort": CLASSES | {"none"},
    "medium": {"paper", "phone-static", "phone-live", "phone-nonce"},
    "clock": {"trusted", "holdover", "lost"},
    "peers": {"alone", "heard", "unheard"},
}
NUMBERS = {
    "health_age_days": (0, 3650),
    "minute_of_day": (0, 1439),
    "weekday": (1, 7),
    "away_minutes": (0, 20_000),
    "last_passage_minutes": (0, 20_000),
    "status_age_hours": (0, 20_000),
    "policy_age_hours": (0, 20_000),
    "inside": (0, 100_000),
}


def value(fact: str, facts: Facts) -> object:
    """Return a fact as rules see it."""
    return FACTS[fact].read(facts)


# --- the tables ------------------------------------------------------------------------------------------------------


def test_every_fact_is_in_the_table_once():
    """The table of facts, the fields of Facts and this test know the same facts, values and ranges."""
    assert set(FIELD_OF.values()) == {field.name for field in fields(Facts)}
    assert {name: set(info.values) for name, info in FACTS.items() if info.values is not None} == SPELLED
    assert {name: info.bounds for name, info in FACTS.items() if info.values is None} == NUMBERS
    assert set(OPERATORS) == {"eq", "ne", "in", "not_in", *NUMERIC}
    assert set(NUMERIC) == {"lt", "le", "gt", "ge", "between"}


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_reads_its_own_field(fact):
    """A fact changes with its field and with no other."""
    facts = observed()
    marked = replace(facts, **{FIELD_OF[fact]: "mark"})
    assert {name for name in FACTS if value(name, marked) == "mark"} == {fact}


def test_the_facts_of_memory_are_those_of_passages():
    """What other gates may know better is what is counted and remembered of passages."""
    before, after = (History(peers=peers) for peers in (Peers.ALONE, Peers.HEARD))
    went = passage(Direction.OUT, NOW - 60)
    quota = Quota("q", "pass", Direction.IN, 1, 1, {})
    place = setting(quotas=(quota,))
    quiet = observed(place=place, history=before)
    busy = observed(place=place, history=replace(after, own=(passage(Direction.IN, NOW - 120), went)))
    changed = {fact for fact in FACTS if value(fact, quiet) != value(fact, busy)}
    assert changed == MEMORY_FACTS | {"peers"}


@pytest.mark.parametrize(
    ("name", "operand", "holding", "failing"),
    [
        ("eq", 3, {3}, {2, 4}),
        ("ne", 3, {2, 4}, {3}),
        ("in", frozenset({2, 4}), {2, 4}, {1, 3, 5}),
        ("not_in", frozenset({2, 4}), {1, 3, 5}, {2, 4}),
        ("lt", 3, {1, 2}, {3, 4}),
        ("le", 3, {2, 3}, {4, 5}),
        ("gt", 3, {4, 5}, {2, 3}),
        ("ge", 3, {3, 4}, {1, 2}),
        ("between", (2, 4), {2, 3}, {1, 4, 5}),
        ("between", (4, 2), {4, 5, 1}, {2, 3}),
    ],
)
def test_operators_are_what_their_names_say(name, operand, holding, failing):
    """Each operator holds for these numbers and fails for those, at the edges too."""
    test = OPERATORS[name]
    assert {number for number in holding | failing if test(number, operand)} == holding


def test_names_are_written_as_rules_write_them():
    """Numbers of the formats are spelled in lower case with hyphens."""
    assert word(Status.HOME_QUARANTINE) == "home-quarantine"
    assert {word(kind) for kind in PassClass} == CLASSES
    assert [word(code) for code in HealthCode] == ["green", "yellow", "red"]


# --- what is observed ------------------------------------------------------------------------------------------------


def test_what_is_observed_is_what_can_be_asked():
    """Over all classes, codes, statuses, bands and clocks, every observed fact is one of the table's values."""
    for kind, code, status, band, clock in itertools.product(PassClass, [None, *HealthCode], Status, Band, ClockState):
        health = None if code is None else Health(code, NOW // DAY_S - 2)
        holder = credential(pass_class=kind, health=health, phone_key=None if code is None else bytes(33))
        moment = Instant(NOW * 1_000_000, 0, clock)
        place = setting(level="control", status_issued=NOW - 60, policy_issued=NOW - 60)
        facts = observed(holder, status, place, moment, reading=TemperatureReading(band))
        known = clock is not ClockState.LOST
        for fact, info in FACTS.items():
            seen = value(fact, facts)
            if info.values is None:
                assert seen is None or (isinstance(seen, int) and info.bounds[0] <= seen <= info.bounds[1])
            else:
                assert seen in info.values or (seen is None and not known)
        assert facts.pass_class == kind.name.lower()
        assert facts.health == ("none" if code is None else code.name.lower())
        assert facts.health_age_days == (2 if code is not None and known else None)
        assert facts.status == status.name.lower().replace("_", "-")
        assert (facts.temperature, facts.clock, facts.zone_level) == (band, clock, "control")
        assert facts.medium == ("paper" if code is None else "phone-static")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("risk", RISKS)
def test_level_and_risk_are_the_settings(level, risk):
    """The level of the gate's zone and the risk of the home area come from the policy's tables."""
    facts = observed(place=setting(level=level, risk=risk))
    assert (facts.zone_level, facts.home_risk) == (level, risk)


def test_the_direction_is_the_lanes():
    """The way somebody goes is the way of the lane, not what the pass is good for."""
    holder = credential(directions=frozenset({Direction.OUT}))
    assert [observed(holder, way=way).direction for way in Direction] == ["in", "out"]


@pytest.mark.parametrize(
    ("changes", "medium"),
    [
        ({}, "paper"),
        (PHONE, "phone-static"),
        (PHONE | {"live": Live(NOW)}, "phone-live"),
        (PHONE | {"live": Live(NOW, bytes(8))}, "phone-nonce"),
    ],
)
def test_how_a_pass_is_shown(changes, medium):
    """Printed, a phone's pass as a picture, signed by the phone a moment ago, signed over the station's number."""
    assert observed(credential(**changes)).medium == medium


@pytest.mark.parametrize("kind", PassClass)
def test_the_escort_is_the_class_of_the_second_pass(kind):
    """Without a second pass there is none; with one, its class counts."""
    assert observed().escort == "none"
    assert observed(escort=credential(pass_class=kind, cti=bytes(8))).escort == kind.name.lower()


@pytest.mark.parametrize(
    ("age_s", "days"), [(0, 0), (NOW % DAY_S, 0), (NOW % DAY_S + 1, 1), (14 * DAY_S, 14), (-DAY_S, 0)]
)
def test_the_age_of_a_health_code(age_s, days):
    """Days of UTC since the code's day; a code dated after the station's day is new, not of negative age."""
    health = Health(HealthCode.GREEN, (NOW - age_s) // DAY_S)
    assert observed(credential(health=health)).health_age_days == days


def test_the_age_of_a_health_code_ends_with_utc_days():
    """A code of today is a day old from the first second of the next UTC day."""
    holder = credential(health=Health(HealthCode.GREEN, 20_000))
    for seconds, days in ((20_001 * DAY_S - 1, 0), (20_001 * DAY_S, 1)):
        assert observed(holder, now=Instant(seconds * 1_000_000, 0)).health_age_days == days


@pytest.mark.parametrize("fact", ["status_age_hours", "policy_age_hours"])
@pytest.mark.parametrize(
    ("age_s", "hours"), [(0, 0), (3599, 0), (3600, 1), (100 * 3600, 100), (-7200, 0), (None, None)]
)
def test_the_age_of_a_document(fact, age_s, hours):
    """Full hours since it was issued; one from the future is new, and without one there is no age."""
    issued = None if age_s is None else NOW - age_s
    facts = observed(place=setting(**{fact.replace("age_hours", "issued"): issued}))
    assert value(fact, facts) == hours
    other = {"status_age_hours", "policy_age_hours"} - {fact}
    assert value(other.pop(), facts) is None


def test_day_and_minute_are_local():
    """Minute, weekday and kind of day follow the policy's offset and its lists."""
    national_day = day_number("2025-10-01")
    calendar = Calendar(480, holidays=frozenset({national_day}))
    midnight = national_day * DAY_S - 480 * 60
    seen = []
    for seconds in (midnight - 60, midnight):
        facts = observed(place=setting(calendar=calendar), now=Instant(seconds * 1_000_000, 0))
        seen.append((facts.minute_of_day, facts.weekday, facts.day))
    assert seen == [(1439, 2, "workday"), (0, 3, "holiday")]


def test_passages_become_facts():
    """Quota, anti-passback, time away and peers are those of the history, in the lane's direction."""
    went = passage(Direction.OUT, NOW - 185 * 60)
    history = History((went,), (went,), Peers.HEARD)
    place = setting(quotas=(Quota("q", "household", Direction.OUT, 1, 2, {}),))
    leaving = observed(place=place, way=Direction.OUT, history=history)
    assert (leaving.quota, leaving.passback, leaving.peers) == ("used", "violation", "heard")
    assert (leaving.away_minutes, leaving.last_passage_minutes) == (185, 185)
    coming = observed(place=place, way=Direction.IN, history=history)
    assert (coming.quota, coming.passback) == ("none", "clear")


def test_quotas_count_in_the_policys_days():
    """A passage of before local midnight is yesterday's, whatever day UTC has."""
    midnight = 20_000 * DAY_S - 480 * 60
    history = History((passage(Direction.OUT, midnight - 1),))
    daily = (Quota("q", "pass", Direction.OUT, 1, 1, {}),)
    for offset, expected in ((480, "left"), (0, "used")):
        place = setting(calendar=Calendar(offset), quotas=daily)
        now = Instant(midnight * 1_000_000, 0)
        assert observed(place=place, now=now, way=Direction.OUT, history=history).quota == expected


# --- a lost clock ----------------------------------------------------------------------------------------------------

TIMED = {
    *("health_age_days", "minute_of_day", "weekday", "day"),
    *("away_minutes", "last_passage_minutes", "status_age_hours", "policy_age_hours"),
}


def test_a_lost_clock_knows_no_times():
    """What depends on the time has no value while nobody knows it; everything else stays as it was."""
    history = History((passage(Direction.OUT, NOW - 60),))
    place = setting(status_issued=NOW - 60, policy_issued=NOW - 60)
    sure, lost = (observed(place=place, now=now, history=history) for now in (NOW_INSTANT, LOST))
    assert {fact for fact in FACTS if value(fact, lost) is None} == TIMED
    assert {fact for fact in FACTS if value(fact, sure) is None} == set()
    assert {fact for fact in FACTS if value(fact, sure) != value(fact, lost)} == TIMED | {"clock"}


def test_a_lost_clock_counts_no_quota():
    """Which day it is nobody knows, so nobody is told that the day's passages are used up; without quotas none is."""
    history, quota = History((passage(Direction.OUT, NOW - 60),)), Quota("q", "pass", Direction.OUT, 1, 1, {})
    for now, expected in ((NOW_INSTANT, "used"), (LOST, None)):
        assert observed(place=setting(quotas=(quota,)), now=now, way=Direction.OUT, history=history).quota == expected
        assert observed(now=now, way=Direction.OUT, history=history).quota == "none"


@given(st.integers(0, 2**33), st.integers(-(10**6), 10**6), st.sampled_from([ClockState.TRUSTED, ClockState.HOLDOVER]))
def test_ages_are_never_negative(seconds, ahead, state):
    """Whenever it is and whenever things happened: every number is at least 0 while the time is known."""
    then = max(0, seconds + ahead)
    history = History((passage(Direction.OUT, then),))
    place = setting(status_issued=then, policy_issued=then)
    holder = credential(health=Health(HealthCode.GREEN, then // DAY_S))
    facts = observed(holder, place=place, now=Instant(seconds * 1_000_000, 0, state), history=history)
    for fact in NUMBERS:
        number = value(fact, facts)
        assert isinstance(number, int)
        assert number >= 0
