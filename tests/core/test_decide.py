"""The decision: each built-in check, the order of the checks, and that not knowing is never "ok"."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from station.core.model import (
    NOT_MEASURED,
    Band,
    ClockState,
    Decision,
    Direction,
    Live,
    Outcome,
    PassClass,
    Status,
    TemperatureReading,
    Verdict,
)
from station.core.reasons import REASONS, Matter, Reason
from station.core.status import StatusList
from tests.core.deciding import CLEAN, EVERYBODY, NORMAL, ask, at, brief, rules
from tests.core.issuing import (
    DAY_S,
    FAR_ZONE,
    INDEX,
    NEIGHBOUR,
    NOW,
    STRANGER,
    ZONE,
    credential,
    policy,
    rule,
    site,
    statuses,
)

MEASURE_ALL = rules(rule(id="measure-all", outcome="measure"))


def test_a_good_pass_is_granted_by_the_rule_that_fired():
    """A grant names its rule and keeps credential and reading."""
    decision = ask()
    assert brief(decision) == (Outcome.GRANT, Reason.GRANTED, "welcome")
    assert (decision.credential, decision.reading) == (credential(), NORMAL)


def test_the_rule_that_refuses_is_the_reason():
    """A refusal by policy carries the rule's own reason, id and words."""
    quarantined = statuses({INDEX: Status.HOME_QUARANTINE})
    decision = ask(site=site(Direction.OUT), statuses=quarantined)
    assert brief(decision) == (Outcome.DENY, Reason.HOME_QUARANTINE, "quarantine-leaving")
    assert decision.say is not None
    assert set(decision.say) == {"zh", "en"}
    assert brief(ask(statuses=quarantined))[0] is Outcome.REFER


# --- the checks and their order --------------------------------------------------------------------------------------

LOST = at(NOW, state=ClockState.LOST)
# Each entry spoils one thing; they stand in the order in which they must be noticed.
SPOILS: dict[tuple[Outcome, Reason, str], dict[str, object]] = {
    (Outcome.REFER, Reason.CLOCK_LOST, "check:clock"): {"now": LOST},
    (Outcome.DENY, Reason.LIVE_STALE, "check:live"): {"live": Live(NOW - 31)},
    (Outcome.DENY, Reason.LIVE_REPLAYED, "check:replay"): {"live": Live(NOW), "used_up": True},
    (Outcome.DENY, Reason.PASS_NOT_YET_VALID, "check:not-yet-valid"): {"not_before": NOW + 10},
    (Outcome.DENY, Reason.PASS_EXPIRED, "check:expired"): {"expires": NOW - 10},
    (Outcome.DENY, Reason.WRONG_GATE, "check:gate"): {"gates": frozenset({"west"})},
    (Outcome.DENY, Reason.WRONG_DIRECTION, "check:direction"): {"directions": frozenset({Direction.OUT})},
    (Outcome.DENY, Reason.PASS_REVOKED, "check:revoked"): {"statuses": statuses({INDEX: Status.REVOKED})},
    (Outcome.REFER, Reason.STATUS_UNKNOWN, "check:status"): {"statuses": None},
    (Outcome.REFER, Reason.NO_POLICY, "check:policy"): {"policy": None},
}
OF_THE_PASS = {"live", "not_before", "expires", "gates", "directions"}


def spoiled(*spoils: dict[str, object]) -> Decision:
    """Decide with several things spoiled at once; of two for the same place the first counts."""
    merged: dict[str, object] = {}
    for spoil in spoils:
        merged = spoil | merged
    holder = credential(**{key: value for key, value in merged.items() if key in OF_THE_PASS})
    return ask(holder, **{key: value for key, value in merged.items() if key not in OF_THE_PASS})


@pytest.mark.parametrize("expected", SPOILS, ids=lambda row: row[2])
def test_each_check_alone(expected):
    """Each built-in check ends with its own outcome, reason and id when nothing else is wrong."""
    assert brief(spoiled(SPOILS[expected])) == expected


def test_checks_are_made_in_order():
    """Of any two things wrong, the earlier check is the one that is told."""
    for (first, one), (_, two) in itertools.combinations(SPOILS.items(), 2):
        assert brief(spoiled(one, two)) == first


def test_everything_wrong_at_once_tells_the_first():
    """With all checks failing, the clock is told, which is no fault of the holder."""
    assert brief(spoiled(*SPOILS.values()))[1] is Reason.CLOCK_LOST
    assert REASONS[Reason.CLOCK_LOST].matter is Matter.CLOCK


def test_no_rule_refers_to_the_guard():
    """A policy without a fitting row decides nothing: the guard does."""
    assert brief(ask(policy=rules())) == (Outcome.REFER, Reason.NO_RULE, "check:no-rule")


# --- the clock's edges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "uncertainty_s", "expected"),
    [
        (NOW, 0.0, Reason.GRANTED),
        (NOW - 0.000001, 0.0, Reason.PASS_NOT_YET_VALID),
        (NOW - 10, 9.9, Reason.PASS_NOT_YET_VALID),
        (NOW - 10, 10.0, Reason.GRANTED),
        (NOW + 3600, 0.0, Reason.GRANTED),
        (NOW + 3600.999999, 0.0, Reason.GRANTED),  # exp counts whole seconds: the last one is valid throughout
        (NOW + 3601, 0.0, Reason.PASS_EXPIRED),
        (NOW + 3610, 9.9, Reason.PASS_EXPIRED),
        (NOW + 3610, 10.0, Reason.GRANTED),
    ],
)
def test_an_unsure_clock_decides_for_the_holder(seconds, uncertainty_s, expected):
    """At both ends of validity the station's uncertainty is never held against the person, and no more is given."""
    holder = credential(not_before=NOW, expires=NOW + 3600)
    for state in (ClockState.TRUSTED, ClockState.HOLDOVER):
        assert ask(holder, now=at(seconds, uncertainty_s, state)).reason is expected


# --- zones, gates, directions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "place", "expected"),
    [
        ({}, site(), Reason.GRANTED),
        ({}, site(zone=NEIGHBOUR), Reason.WRONG_GATE),
        ({"home_zone": FAR_ZONE}, site(), Reason.WRONG_GATE),
        ({"extra_zones": frozenset({NEIGHBOUR})}, site(zone=NEIGHBOUR), Reason.GRANTED),
        ({"home_zone": NEIGHBOUR, "extra_zones": frozenset({ZONE})}, site(), Reason.GRANTED),
        ({"gates": frozenset({"east", "west"})}, site(), Reason.GRANTED),
        ({"gates": frozenset({"west"})}, site(), Reason.WRONG_GATE),
        ({"gates": frozenset({"east"}), "home_zone": FAR_ZONE}, site(), Reason.WRONG_GATE),
        ({"directions": frozenset({Direction.IN})}, site(), Reason.GRANTED),
        ({"directions": frozenset({Direction.IN})}, site(Direction.OUT), Reason.WRONG_DIRECTION),
        ({"directions": frozenset({Direction.OUT})}, site(Direction.OUT), Reason.GRANTED),
    ],
)
def test_a_pass_opens_its_own_gates_and_ways(changes, place, expected):
    """Zone and gate must both be the pass's own, and the way one it is good for."""
    assert ask(credential(**changes), site=place).reason is expected


# --- the status is never guessed -------------------------------------------------------------------------------------

MISSING_CHUNK = StatusList(CLEAN.manifest, {})


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ({}, None),
        ({}, MISSING_CHUNK),
        ({"status_index": 65_536}, CLEAN),
        ({"status_index": 2**32}, CLEAN),
        ({"kid": STRANGER.kid}, CLEAN),
        ({"kid": STRANGER.kid, "pass_class": PassClass.VISITOR}, CLEAN),
        ({"pass_class": PassClass.VISITOR}, None),
        *[({"status_index": None, "pass_class": kind}, CLEAN) for kind in PassClass if kind is not PassClass.VISITOR],
    ],
)
def test_an_unknown_status_is_never_ok(changes, listed):
    """No list, no chunk, no entry, no issuer or no index: the guard decides, whatever the policy would say."""
    assert brief(ask(credential(**changes), statuses=listed, policy=EVERYBODY))[:2] == (
        Outcome.REFER,
        Reason.STATUS_UNKNOWN,
    )


@pytest.mark.parametrize("listed", [None, MISSING_CHUNK, CLEAN])
def test_a_delegated_visitor_pass_needs_no_status(listed):
    """Visitor passes of at most 24 hours without an index are the one exception the format names."""
    day = {"pass_class": PassClass.VISITOR, "status_index": None, "not_before": NOW - 60}
    assert ask(credential(**day, expires=NOW - 60 + DAY_S), statuses=listed).outcome is Outcome.GRANT
    longer = ask(credential(**day, expires=NOW - 60 + DAY_S + 1), statuses=listed)
    assert longer.reason is Reason.STATUS_UNKNOWN


def test_a_revoked_pass_is_refused_whatever_the_policy_says():
    """Revocation is built in: no rule can grant it."""
    assert ask(policy=EVERYBODY, statuses=statuses({INDEX: Status.REVOKED})).reason is Reason.PASS_REVOKED


# --- temperature -----------------------------------------------------------------------------------------------------


def test_measure_first_then_ask_again():
    """A rule that wants a temperature says so once, with the reason of measuring."""
    assert brief(ask(reading=NOT_MEASURED)) == (Outcome.MEASURE, Reason.MEASURE_FIRST, "measure-coming")


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        (Band.NORMAL, Reason.GRANTED),
        (Band.RAISED, Reason.FEVER_RAISED),
        (Band.COLD, Reason.FACE_COLD),
        (Band.NO_READING, Reason.NO_FACE),
        (Band.FAULT, Reason.THERMOMETER_FAULT),
    ],
)
def test_each_band_has_its_answer(band, expected):
    """Under the compound's policy each result of a screening ends with its own reason."""
    assert ask(reading=TemperatureReading(band)).reason is expected


def test_a_lane_without_thermometer_calls_the_guard():
    """A rule that says measure, where nobody can, refers instead of waiting; the rule is still named."""
    decision = ask(site=site(can_measure=False), reading=NOT_MEASURED, policy=MEASURE_ALL)
    assert brief(decision) == (Outcome.REFER, Reason.THERMOMETER_FAULT, "measure-all")


@pytest.mark.parametrize("band", [band for band in Band if band is not Band.NOT_MEASURED])
def test_nobody_is_measured_for_ever(band):
    """A rule that says measure after a measurement ends at the guard."""
    decision = ask(reading=TemperatureReading(band), policy=MEASURE_ALL)
    assert brief(decision) == (Outcome.REFER, Reason.THERMOMETER_FAULT, "measure-all")


def test_a_faulty_sensor_is_not_held_against_the_person():
    """A rule that denies after the sensor failed refers instead, without the rule's own words to the person."""
    words = {"zh": "请回家。", "en": "Please go home."}
    strict = rules(rule(outcome="deny", reason="no-face", say=words))
    decision = ask(reading=TemperatureReading(Band.FAULT), policy=strict)
    assert brief(decision) == (Outcome.REFER, Reason.THERMOMETER_FAULT, "a")
    assert decision.say is None
    assert brief(ask(reading=TemperatureReading(Band.NO_READING), policy=strict))[0] is Outcome.DENY


# --- a second pass ---------------------------------------------------------------------------------------------------

ACCOMPANIED = rules(
    rule(id="child-alone", outcome="escort", when={"class": {"eq": "visitor"}, "escort": {"ne": "resident"}}),
    rule(id="welcome"),
)
CHILD = credential(pass_class=PassClass.VISITOR, cti=bytes(8))


def test_somebody_has_to_come_along():
    """A rule that wants a second pass says so; the right one with it ends the wait, another leaves it."""
    waiting = ask(CHILD, policy=ACCOMPANIED)
    assert brief(waiting) == (Outcome.ESCORT, Reason.ESCORT_NEEDED, "child-alone")
    assert (waiting.verdict, waiting.escort) == (Verdict.PENDING, None)
    together = ask(CHILD, policy=ACCOMPANIED, escort=credential())
    assert brief(together) == (Outcome.GRANT, Reason.GRANTED, "welcome")
    assert (together.credential, together.escort) == (CHILD, credential())
    stranger = credential(pass_class=PassClass.WORKER)
    assert brief(ask(CHILD, policy=ACCOMPANIED, escort=stranger))[0] is Outcome.ESCORT


@pytest.mark.parametrize("reading", [NOT_MEASURED, NORMAL])
def test_the_second_pass_is_kept_through_a_screening(reading):
    """Every decision about two people names the second, also while their temperature is awaited."""
    measured = rules(rule(outcome="measure", when={"temperature": {"eq": "not-measured"}}), rule(id="b"))
    decision = ask(CHILD, policy=measured, escort=credential(), reading=reading)
    assert decision.outcome is (Outcome.MEASURE if reading is NOT_MEASURED else Outcome.GRANT)
    assert decision.escort == credential()


def test_the_risk_of_the_area_somebody_comes_from_counts():
    """Of a returnee the pass's home zone, and not the gate's, gives the risk the rules see."""
    returnee = credential(pass_class=PassClass.RETURNEE, home_zone=FAR_ZONE, extra_zones=frozenset({ZONE}))
    by_risk = rules(
        rule(id="register", outcome="refer", reason="register-first", when={"home_risk": {"eq": "high"}}),
        rule(id="welcome"),
        risks={FAR_ZONE[:4]: "high", ZONE: "low"},
    )
    assert brief(ask(returnee, policy=by_risk)) == (Outcome.REFER, Reason.REGISTER_FIRST, "register")
    assert ask(policy=by_risk).outcome is Outcome.GRANT


def test_the_level_of_the_gates_zone_counts():
    """The zone of the gate, not of the holder's home, gives the level the rules see."""
    away = credential(home_zone=NEIGHBOUR, extra_zones=frozenset({ZONE}))
    closed = policy("locked-down")
    assert ask(away, site=site(Direction.OUT), policy=closed).reason is Reason.ZONE_CLOSED
    home = replace(site(Direction.OUT), zone=NEIGHBOUR)
    assert ask(away, site=home, policy=closed).outcome is Outcome.GRANT
