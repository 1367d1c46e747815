"""Random policies with everything that policies can hold: quotas, calendars, zones, risks, degraded actions."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from station.core.calendar import Calendar, day_number
from station.core.facts import FACTS
from station.core.matching import Condition
from station.core.model import Direction, Outcome, PassClass
from station.core.passback import Quota
from station.core.policy import Degraded, Policy, Rule
from station.core.reasons import Matter, Reason
from tests.core.issuing import ZONE

WORDS = {"zh": "规定", "en": "a rule"}
_REASON = {
    Outcome.GRANT: Reason.GRANTED,
    Outcome.DENY: Reason.POLICY,
    Outcome.REFER: Reason.GUARD_CHECK,
    Outcome.MEASURE: Reason.MEASURE_FIRST,
    Outcome.ESCORT: Reason.ESCORT_NEEDED,
}
_NUMBERS = {
    "health_age_days": 3,
    "minute_of_day": 600,
    "weekday": 3,
    "away_minutes": 180,
    "last_passage_minutes": 60,
    "inside": 10,
}
_ASKED = sorted(set(FACTS) - {"status_age_hours", "policy_age_hours"})


def _about(fact: str) -> st.SearchStrategy[Condition]:
    if FACTS[fact].values is None:
        near = st.integers(_NUMBERS[fact] - 1, _NUMBERS[fact] + 1)
        return st.builds(Condition, st.just(fact), st.sampled_from(["lt", "ge", "eq", "ne"]), near)
    one = st.sampled_from(sorted(map(str, FACTS[fact].values or ())))
    several = st.frozensets(one, min_size=1, max_size=3)
    return st.builds(Condition, st.just(fact), st.sampled_from(["eq", "ne"]), one) | st.builds(
        Condition, st.just(fact), st.sampled_from(["in", "not_in"]), several
    )


conditions = st.sampled_from(_ASKED).flatmap(_about)
rules = st.builds(
    lambda asked, outcome: Rule("", 1, tuple(asked), outcome, _REASON[outcome], WORDS),
    st.lists(conditions, max_size=3),
    st.sampled_from(Outcome),
)
_quotas = st.builds(
    lambda per, way, passages, days, classes: Quota("q", per, way, passages, days, WORDS, classes),
    st.sampled_from(["household", "pass"]),
    st.sampled_from(Direction),
    st.integers(1, 2),
    st.integers(1, 3),
    st.frozensets(st.sampled_from(PassClass), max_size=2),
)
_days = st.frozensets(st.integers(0, 60).map(lambda day: day_number("2026-03-04") + day), max_size=6)


def _numbered(policy: Policy) -> Policy:
    return replace(policy, rules=tuple(replace(rule, id=f"rule-{n}") for n, rule in enumerate(policy.rules)))


policies = st.builds(
    Policy,
    version=st.just(1),
    rules=st.lists(rules, max_size=7).map(tuple),
    zones=st.fixed_dictionaries({}, optional={ZONE: st.sampled_from(["control", "locked-down"])}),
    calendar=st.builds(Calendar, st.sampled_from([0, 480]), _days, _days),
    risks=st.fixed_dictionaries({}, optional={"3201": st.just("high"), "3207": st.just("low")}),
    quotas=st.lists(_quotas, max_size=2).map(tuple),
    degraded=st.fixed_dictionaries(
        {},
        optional={
            Matter.UNDECIDED: st.sampled_from([Degraded.REFER, Degraded.DENY]),
            Matter.STATION: st.sampled_from([Degraded.REFER, Degraded.DENY]),
        },
    ),
    issued=st.just(0),
).map(_numbered)
