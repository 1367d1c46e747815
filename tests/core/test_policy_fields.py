"""What a policy says beside its rules: places, days, quotas and trouble, each held to type and range."""

from __future__ import annotations

from dataclasses import replace

import pytest

from station.core.calendar import Calendar, day_number
from station.core.facts import LEVELS, RISKS
from station.core.model import Direction, PassClass
from station.core.passback import KEEP_DAYS, Quota
from station.core.policy import DEGRADABLE, Degraded, Policy
from station.core.policy_reader import POLICY_KEYS, QUOTA_KEYS, PolicyError, read_table
from station.core.reasons import Matter, Reason
from tests.core.issuing import NOW, ZONE, rule, table

WORDS = {"zh": "规定", "en": "a rule"}


def read(*rules: object, **changes: object) -> Policy:
    """Read a policy that must be good."""
    return read_table(1, table(*rules, **changes))


def refused(*rules: object, **changes: object) -> PolicyError:
    """Read a policy that must be refused."""
    with pytest.raises(PolicyError) as caught:
        read(*rules, **changes)
    return caught.value


def without(row: dict[str, object], key: str) -> dict[str, object]:
    """Return a row without one key."""
    return {k: v for k, v in row.items() if k != key}


QUOTA = {"id": "shopping", "direction": "out", "passages": 1, "days": 2, "describe": WORDS}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"note": 1}, "policy has unknown keys: 'note'"),
        ({"rules": None}, "rules is not a list"),
        ({"rules": [rule(id=str(n)) for n in range(501)]}, "at most 500"),
        ({"zones": []}, "zones is not a map"),
        ({"zones": {ZONE: "shut"}}, "zones: ['shut'] are none of locked-down, control, precaution, open"),
        ({"zones": {ZONE: 1}}, f"zones.{ZONE} is not printable text"),
        ({"zones": {ZONE + "0": "open"}}, "zones: prefix is not printable text of at most 12"),
        ({"zones": {3206: "open"}}, "zones: prefix is not printable text"),
        ({"risks": []}, "risks is not a map"),
        ({"risks": {"32": "control"}}, "risks: ['control'] are none of high, medium, low, unknown"),
        ({"risks": {b"32": "high"}}, "risks: prefix is not printable text"),
        ({"utc_offset_minutes": None}, "utc_offset_minutes is not a whole number"),
        ({"utc_offset_minutes": 841}, "from -720 to 840"),
        ({"utc_offset_minutes": -721}, "from -720 to 840"),
        ({"holidays": "2025-10-01"}, "holidays is not a list of at most 1000"),
        ({"holidays": ["2025-10-01"] * 1001}, "holidays is not a list of at most 1000"),
        ({"holidays": ["2025-02-29"]}, "day is out of range for month"),
        ({"holidays": ["2025-10-01T00:00"]}, "holidays is not printable text of at most 10"),
        ({"workdays": [20_362]}, "workdays is not printable text"),
        ({"workdays": ["soon"]}, "'soon'"),
        ({"quotas": {}}, "quotas is not a list of at most 50"),
        ({"quotas": [QUOTA] * 51}, "quotas is not a list of at most 50"),
        ({"quotas": [1]}, "quota 1 is not a map"),
        ({"quotas": [QUOTA, QUOTA | {"id": 5}]}, "quota 2.id is not printable text"),
        ({"quotas": [QUOTA | {"id": "x" * 61}]}, "quota 1.id is not printable text of at most 60"),
        ({"quotas": [QUOTA | {"hours": 3}]}, "quota shopping has unknown keys: 'hours'"),
        ({"quotas": [QUOTA | {"per": "person"}]}, "quota shopping.per: 'person' is neither household nor pass"),
        ({"quotas": [QUOTA | {"direction": "up"}]}, "'up' is not a valid Direction"),
        ({"quotas": [without(QUOTA, "direction")]}, "quota shopping.direction is not printable text"),
        ({"quotas": [QUOTA | {"passages": 0}]}, "quota shopping.passages is not a whole number from 1 to 1000"),
        ({"quotas": [QUOTA | {"passages": 1001}]}, "quota shopping.passages is not a whole number from 1 to 1000"),
        ({"quotas": [QUOTA | {"days": 0}]}, f"quota shopping.days is not a whole number from 1 to {KEEP_DAYS - 1}"),
        ({"quotas": [QUOTA | {"days": KEEP_DAYS}]}, "quota shopping.days is not a whole number"),
        ({"quotas": [QUOTA | {"classes": "worker"}]}, "quota shopping.classes is not a list of at most 10"),
        ({"quotas": [QUOTA | {"classes": ["king"]}]}, "quota shopping.classes: ['king'] are none of resident"),
        ({"quotas": [QUOTA | {"classes": [1]}]}, "quota shopping.classes is not printable text"),
        ({"quotas": [without(QUOTA, "describe")]}, "quota shopping.describe is not a map"),
        ({"quotas": [QUOTA | {"describe": {"en": "x"}}]}, "quota shopping.describe needs exactly the languages"),
        ({"degraded": []}, "degraded is not a map"),
        ({"degraded": {"weather": "refer"}}, "'weather' is not a valid Matter"),
        ({"degraded": {1: "refer"}}, "degraded is not printable text"),
        ({"degraded": {"clock": "grant"}}, "'grant' is not a valid Degraded"),
        ({"degraded": {"clock": 1}}, "degraded.clock is not printable text"),
        ({"degraded": {"holder": "refer"}}, "degraded.holder: refer cannot be chosen here"),
        ({"degraded": {"none": "deny"}}, "degraded.none: deny cannot be chosen here"),
        ({"degraded": {"station": "nonce"}}, "degraded.station: nonce cannot be chosen here"),
        ({"degraded": {"undecided": "nonce"}}, "degraded.undecided: nonce cannot be chosen here"),
    ],
)
def test_each_wrong_field_refuses_the_policy(changes, says):
    """The fields beside the rules are held to type and range."""
    error = refused(**{"rules": [rule()], **changes})
    assert error.reason is Reason.POLICY_INVALID
    assert says in str(error)


def test_a_quota_is_read_whole():
    """Every key of a quota arrives in its place; without them it is for every class, per household."""
    row = QUOTA | {"per": "pass", "classes": ["worker", "medic"]}
    assert set(row) == QUOTA_KEYS
    plain, full = read(rule(), quotas=[QUOTA, row]).quotas
    assert plain == Quota("shopping", "household", Direction.OUT, 1, 2, WORDS)
    assert full == replace(plain, per="pass", classes=frozenset({PassClass.WORKER, PassClass.MEDIC}))
    edge = read(rule(), quotas=[QUOTA | {"days": KEEP_DAYS - 1, "passages": 1000}]).quotas[0]
    assert (edge.days, edge.passages) == (KEEP_DAYS - 1, 1000)
    for kind in PassClass:
        (one,) = read(rule(), quotas=[QUOTA | {"classes": [kind.name.lower()]}]).quotas
        assert one.classes == {kind}


def test_what_is_said_of_places_and_days_is_read_whole():
    """Zones, risks, offset, holidays, workdays and the date of issue arrive in their places."""
    fields = {
        "zones": dict(zip(("1", "2", "3", "4"), LEVELS, strict=True)),
        "risks": dict(zip(("1", "2", "3", "4"), RISKS, strict=True)),
        "holidays": ["2025-10-01", "2025-10-02"],
        "workdays": ["2025-09-28"],
        "quotas": [],
        "degraded": {},
        "hold_open": [],
    }
    one = read(rule(), **fields, utc_offset_minutes=-720, iat=NOW)
    assert {*fields, "rules", "utc_offset_minutes"} == POLICY_KEYS
    holidays = frozenset({day_number("2025-10-01"), day_number("2025-10-02")})
    assert one.calendar == Calendar(-720, holidays, frozenset({day_number("2025-09-28")}))
    assert (one.zones, one.risks, one.issued) == (fields["zones"], fields["risks"], NOW)
    bare = read(rule())
    assert (bare.zones, bare.risks, bare.quotas, bare.degraded, bare.issued) == ({}, {}, (), {}, None)
    assert bare.calendar == Calendar(480)


@pytest.mark.parametrize("matter", Matter)
@pytest.mark.parametrize("action", Degraded)
def test_what_may_be_done_where_the_station_cannot_decide(matter, action):
    """For each kind of trouble exactly the actions that make sense may be chosen; the rest is for the guard."""
    fields = {"degraded": {matter.value: action.value}}
    if action not in DEGRADABLE.get(matter, ()):
        assert "cannot be chosen here" in str(refused(rule(), **fields))
        return
    chosen = read(rule(), **fields)
    assert {one: chosen.when(one) for one in Matter} == {**dict.fromkeys(Matter, Degraded.REFER), matter: action}


def test_what_can_be_degraded_is_not_the_holders_matter():
    """Nothing is chosen for what is the holder's matter, and a nonce helps only a clock."""
    assert set(DEGRADABLE) == {Matter.UNDECIDED, Matter.STATION, Matter.CLOCK}
    assert {matter for matter, actions in DEGRADABLE.items() if Degraded.NONCE in actions} == {Matter.CLOCK}
    assert all(actions >= {Degraded.REFER, Degraded.DENY} for actions in DEGRADABLE.values())
