"""The policies that come with the project: read, without a mistake, and deciding what their headers promise."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from station.core.model import LANGUAGES, Band, ClockState, HealthCode, Outcome, PassClass, Status
from station.core.passback import Peers
from station.core.policy import Policy
from station.policy_tools.findings import Severity
from station.policy_tools.lint import check_file
from station.policy_tools.sources import read_policy_file
from tests.core.issuing import ZONE
from tests.policy_tools.presenting import USUAL, Shown, moment

FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "policies"
FILES = sorted(FOLDER.glob("*.toml"))
GRANT, DENY, REFER, MEASURE, ESCORT = Outcome.GRANT, Outcome.DENY, Outcome.REFER, Outcome.MEASURE, Outcome.ESCORT
HIGH, MEDIUM, LOW, UNKNOWN = "320102000000", "320103000000", "320700000000", "110000000000"
"""Areas, by the risks that returnees.toml gives them."""

RESIDENT, VISITOR, WORKER = Shown(), Shown(kind=PassClass.VISITOR), Shown(kind=PassClass.WORKER)
RETURNEE, VEHICLE, MEDIC = (Shown(kind=kind) for kind in (PassClass.RETURNEE, PassClass.VEHICLE, PassClass.MEDIC))
QUARANTINE, SEEN = {"status": Status.HOME_QUARANTINE}, {"status": Status.REFER}
OUT, WELL = {"way": "out"}, {"band": Band.NORMAL}
STATIC, LIVE, SIGNED = ({"medium": f"phone-{how}"} for how in ("static", "live", "nonce"))
NIGHT, EVENING = {"at": moment("2026-03-04T23:30")}, {"at": moment("2026-03-04T19:00")}
LOST = {"clock": ClockState.LOST, **SIGNED}


def case(shown: Shown, outcome: Outcome, rule: str, **changes: object) -> object:
    """Return one case, named by its rule and what is special about it."""
    special = ", ".join(f"{name}={value}" for name, value in changes.items())
    return pytest.param(replace(shown, **changes), outcome, rule, id=f"{rule}: {shown.kind.name.lower()} {special}")


def bands(shown: Shown) -> list[object]:
    """Return the cases of what a thermometer may say, the same wherever people are measured."""
    return [
        case(shown, REFER, "fever", band=Band.RAISED),
        case(shown, DENY, "face-cold", band=Band.COLD),
        case(shown, DENY, "face-too-far", band=Band.TOO_FAR),
        case(shown, DENY, "no-face", band=Band.NO_READING),
        case(shown, REFER, "sensor-out-of-range", band=Band.OUT_OF_RANGE),
        case(shown, REFER, "thermometer-fault", band=Band.FAULT),
    ]


QUARANTINED = [
    case(RESIDENT, DENY, "quarantine-leaving", **OUT, **QUARANTINE),
    case(RESIDENT, REFER, "quarantine-coming", **QUARANTINE),
    case(RESIDENT, REFER, "asked-to-see-guard", **SEEN),
]

CASES: dict[str, list[object]] = {
    "locked-down": [
        *QUARANTINED,
        case(RESIDENT, DENY, "nobody-leaves", **OUT),
        case(RESIDENT, DENY, "nobody-leaves", **OUT, health=HealthCode.RED),
        case(RESIDENT, DENY, "show-it-live", **OUT, **STATIC),
        case(RESIDENT, DENY, "nobody-leaves", **OUT, **LIVE),
        case(MEDIC, GRANT, "medics", **OUT),
        case(VEHICLE, GRANT, "supplies"),
        case(WORKER, GRANT, "workers-leaving", **OUT),
        case(VISITOR, DENY, "visitors-stay-out"),
        case(WORKER, REFER, "health-code-not-green", health=HealthCode.YELLOW),
        case(WORKER, REFER, "no-health-code", health=None),
        case(WORKER, MEASURE, "measure-coming", age=2),
        case(WORKER, REFER, "test-older-than-2-days", age=3),
        case(WORKER, REFER, "clock-lost", **LOST),
        *bands(WORKER),
        case(WORKER, REFER, "measure-coming", can_measure=False),
        case(WORKER, GRANT, "welcome", **WELL),
        case(RESIDENT, REFER, "home-to-stay", **WELL),
        case(RETURNEE, REFER, "home-to-stay", **WELL),
    ],
    "control": [
        *QUARANTINED,
        case(RESIDENT, REFER, "list-too-old", **OUT, list_hours=73),
        case(RESIDENT, GRANT, "shopping", **OUT, list_hours=72),
        case(RESIDENT, DENY, "show-it-live", **STATIC),
        case(MEDIC, GRANT, "medics", **OUT),
        case(VEHICLE, GRANT, "green-channel"),
        case(VEHICLE, GRANT, "green-channel", **OUT),
        case(VEHICLE, REFER, "supplies-from-high-risk", home=HIGH),
        case(RESIDENT, REFER, "health-code-not-green", **OUT, health=HealthCode.RED),
        case(WORKER, GRANT, "workers-leaving", **OUT),
        case(RESIDENT, GRANT, "shopping", **OUT),
        case(RESIDENT, DENY, "shopping-used", **OUT, household=(("out", 60),)),
        case(RESIDENT, DENY, "shopping-used", **OUT, own=(("out", 24 * 60), ("in", 23 * 60))),
        case(RESIDENT, GRANT, "shopping", **OUT, household=(("out", 48 * 60), ("in", 47 * 60))),
        case(RESIDENT, REFER, "shopping-used", **OUT, household=(("out", 60),), peers=Peers.UNHEARD),
        case(RESIDENT, DENY, "nobody-leaves", **OUT, at_home=False),
        case(VISITOR, DENY, "nobody-leaves", **OUT),
        case(RETURNEE, DENY, "nobody-leaves", **OUT),
        case(VISITOR, DENY, "visitors-stay-out"),
        case(RESIDENT, MEASURE, "measure-coming", own=(("out", 180),)),
        case(RESIDENT, REFER, "back-late", own=(("out", 181),)),
        case(RESIDENT, REFER, "clock-lost", **LOST),
        *bands(RESIDENT),
        case(RESIDENT, MEASURE, "measure-coming"),
        case(RESIDENT, GRANT, "welcome", **WELL),
    ],
    "precaution": [
        *QUARANTINED,
        case(MEDIC, GRANT, "medics"),
        case(VEHICLE, GRANT, "green-channel"),
        case(RESIDENT, GRANT, "leaving", **OUT),
        case(VISITOR, GRANT, "leaving", **OUT, **STATIC),
        case(VISITOR, DENY, "visitors-live", **STATIC),
        case(VISITOR, DENY, "visitors-live"),
        case(RESIDENT, REFER, "health-code-not-green", health=HealthCode.YELLOW),
        case(VISITOR, DENY, "visitors-without-code", **LIVE, health=None),
        case(VISITOR, MEASURE, "measure-coming", **LIVE, age=3),
        case(VISITOR, DENY, "visitors-test", **LIVE, age=4),
        case(RESIDENT, MEASURE, "measure-coming", age=7),
        case(RESIDENT, REFER, "test-older-than-7-days", age=8),
        case(RESIDENT, MEASURE, "measure-coming", health=None),
        *bands(RESIDENT),
        case(RESIDENT, GRANT, "welcome", **WELL),
        case(VISITOR, GRANT, "welcome", **LIVE, **WELL),
    ],
    "returnees": [
        *QUARANTINED[:2],
        case(RESIDENT, REFER, "asked-to-see-guard", **SEEN),
        case(RETURNEE, REFER, "returnee-not-registered", home=LOW, **SEEN),
        case(RETURNEE, REFER, "from-unknown-area", home=UNKNOWN),
        case(RETURNEE, REFER, "from-high-risk", home=HIGH),
        case(RETURNEE, REFER, "from-high-risk", home=HIGH, **OUT),
        case(RETURNEE, DENY, "from-medium-risk-leaving", home=MEDIUM, **OUT),
        case(RETURNEE, REFER, "health-code-not-green", home=LOW, health=HealthCode.YELLOW),
        case(RETURNEE, REFER, "returnee-without-test", home=LOW, health=None),
        case(RETURNEE, REFER, "returnee-test-due", home=LOW, age=3),
        case(RETURNEE, REFER, "returnee-test-due", home=LOW, age=3, **OUT),
        case(RETURNEE, MEASURE, "measure-returnees", home=LOW, age=2),
        case(RETURNEE, MEASURE, "measure-returnees", home=MEDIUM),
        *bands(replace(RETURNEE, home=LOW)),
        case(RETURNEE, GRANT, "welcome", home=MEDIUM, **WELL),
        case(RETURNEE, GRANT, "welcome", home=LOW, **OUT),
        case(RESIDENT, GRANT, "welcome", home=HIGH),
        case(RESIDENT, GRANT, "welcome", age=30),
    ],
    "visitors": [
        case(VISITOR, REFER, "asked-to-see-guard", **SEEN),
        case(VISITOR, GRANT, "leaving", **OUT, **NIGHT),
        case(RESIDENT, GRANT, "not-visitors", **NIGHT),
        case(VISITOR, REFER, "visitors-clock-lost", **LOST),
        case(VISITOR, DENY, "visitors-by-day", **NIGHT),
        case(VISITOR, DENY, "visitors-by-day", at=moment("2026-03-04T07:59")),
        case(VISITOR, ESCORT, "resident-fetches", at=moment("2026-03-04T08:00")),
        case(VISITOR, DENY, "visitors-once", own=(("in", 30),)),
        case(VISITOR, REFER, "visitors-once", own=(("in", 30),), peers=Peers.UNHEARD),
        case(VISITOR, ESCORT, "resident-fetches", own=(("in", 90), ("out", 30))),
        case(VISITOR, DENY, "visitors-live", **STATIC),
        case(VISITOR, ESCORT, "resident-fetches", **LIVE),
        case(VISITOR, DENY, "visitors-at-night-by-number", **LIVE, **EVENING),
        case(VISITOR, ESCORT, "resident-fetches", **SIGNED, **EVENING),
        case(VISITOR, ESCORT, "resident-fetches", escort=PassClass.VISITOR),
        case(VISITOR, GRANT, "visitors-with-resident", escort=PassClass.RESIDENT),
        case(VISITOR, DENY, "visitors-live", **STATIC, escort=PassClass.RESIDENT),
    ],
    "shifts": [
        case(WORKER, REFER, "asked-to-see-guard", **SEEN),
        case(WORKER, REFER, "out-twice", **OUT, own=(("out", 30),)),
        case(WORKER, GRANT, "leaving", **OUT, **NIGHT),
        case(WORKER, DENY, "in-twice", at=moment("2026-03-04T06:00"), own=(("in", 30),)),
        case(WORKER, REFER, "workers-on-rest-days", at=moment("2026-03-07T06:00")),
        case(WORKER, REFER, "workers-on-rest-days", at=moment("2026-02-17T06:00")),
        case(WORKER, GRANT, "early-shift", at=moment("2026-02-28T06:00")),
        case(WORKER, REFER, "workers-between-shifts", at=moment("2026-03-04T05:29")),
        case(WORKER, GRANT, "early-shift", at=moment("2026-03-04T05:30")),
        case(WORKER, GRANT, "early-shift", at=moment("2026-03-04T06:29")),
        case(WORKER, REFER, "workers-between-shifts", at=moment("2026-03-04T06:30")),
        case(WORKER, GRANT, "late-shift", at=moment("2026-03-04T14:00")),
        case(WORKER, GRANT, "night-shift", at=moment("2026-03-04T22:00")),
        case(WORKER, GRANT, "back-from-a-break", own=(("in", 120), ("out", 59))),
        case(WORKER, REFER, "workers-between-shifts", own=(("in", 120), ("out", 60))),
        case(VEHICLE, GRANT, "deliveries"),
        case(VEHICLE, DENY, "deliveries-closed", **EVENING),
        case(VEHICLE, DENY, "deliveries-closed", at=moment("2026-03-07T10:00")),
        case(RESIDENT, GRANT, "staff-quarters", **NIGHT),
        case(MEDIC, GRANT, "staff-quarters", **NIGHT),
        case(VISITOR, REFER, "others-to-the-guard"),
    ],
    "office": [
        case(VISITOR, GRANT, "leaving", **OUT, **NIGHT),
        case(WORKER, GRANT, "leaving", **OUT, **SEEN),
        case(WORKER, REFER, "asked-to-see-guard", **SEEN),
        case(VISITOR, DENY, "visitors-out-of-hours", **EVENING),
        case(VISITOR, REFER, "visitors"),
        case(VEHICLE, GRANT, "deliveries", at=moment("2026-03-07T10:00")),
        case(VEHICLE, REFER, "late", **NIGHT),
        case(WORKER, REFER, "late", **NIGHT),
        case(WORKER, REFER, "day-of-rest", at=moment("2026-03-07T10:00")),
        case(WORKER, GRANT, "welcome", health=HealthCode.RED),
        case(RESIDENT, GRANT, "welcome", health=None),
    ],
}


@cache
def shipped(name: str) -> Policy:
    """Return a policy of the project, read as a station reads it."""
    return read_policy_file(FOLDER / f"{name}.toml")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_without_a_mistake(path):
    """The check finds neither an error nor a doubt."""
    policy, findings = check_file(path, USUAL)
    assert policy is not None
    assert not [str(one) for one in findings if one.severity is not Severity.NOTE]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_says_for_whom_it_is(path):
    """A comment on top says for whom it is, in both languages, and how it is signed."""
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert head[0].startswith("# ")
    assert f"gate-central policy sign {path.name}" in "\n".join(head)
    if path.stem != "compound":
        assert any("适用于" in line for line in head)


@pytest.mark.parametrize(
    ("name", "shown", "outcome", "rule"),
    [
        pytest.param(name, *one.values, id=f"{name}: {one.id}")  # type: ignore[attr-defined]
        for name, cases in CASES.items()
        for one in cases
    ],
)
def test_it_decides(name, shown, outcome, rule):
    """Each case ends with the outcome and by the rule that the table names."""
    decision = shown.decide(shipped(name))
    assert (decision.outcome, decision.rule) == (outcome, rule)


def test_every_rule_has_a_case():
    """No rule of a shipped policy is left without a case; compound.toml's are in tests/core/test_policy.py."""
    assert {path.stem for path in FILES} == {*CASES, "compound"}
    for name, cases in CASES.items():
        tried = {one.values[2] for one in cases}  # type: ignore[attr-defined]
        assert tried == {rule.id for rule in shipped(name).rules}


@pytest.mark.parametrize("name", ["locked-down", "control"])
def test_a_zone_is_opened_by_its_level_alone(name):
    """With nothing changed but the zone's level, people leave and visitors come in."""
    closed, opened = shipped(name), replace(shipped(name), zones={ZONE: "open"})
    for shown in (replace(RESIDENT, way="out", at_home=False), replace(VISITOR, band=Band.NORMAL)):
        assert shown.decide(closed).outcome is DENY
        assert shown.decide(opened).outcome is GRANT


def test_the_office_asks_nothing_about_health():
    """In ordinary times neither temperature nor health code is asked for by any rule."""
    asked = {condition.fact for rule in shipped("office").rules for condition in rule.conditions}
    assert not asked & {"temperature", "health", "health_age_days", "home_risk", "zone_level"}
    assert all(rule.outcome is not MEASURE for rule in shipped("office").rules)


@pytest.mark.parametrize("name", CASES)
def test_whoever_is_denied_reads_what_to_do_in_both_languages(name):
    """Every description exists in both languages, and they differ."""
    for rule in shipped(name).rules:
        assert set(rule.describe) == set(LANGUAGES)
        assert rule.describe["zh"] != rule.describe["en"]
