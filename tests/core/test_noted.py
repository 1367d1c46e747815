"""What a record keeps of the facts: all that is needed to decide again, and nothing that names anybody."""

from __future__ import annotations

import json

from hypothesis import given, settings

from station.core.facts import FACTS
from station.core.model import Credential
from station.core.noted import USUAL, noted, recalled
from tests.policy_tools.linting import REST, policy
from tests.policy_tools.many_policies import policies
from tests.policy_tools.presenting import Shown, any_presentation

ELSEWHERE = {"zone_level", "direction", "class", "temperature", "minute_of_day", "weekday", "day", "clock"}
"""Facts that other fields of the record, its time, or the policy and the station's place tell."""


def test_every_fact_is_kept_or_told_elsewhere():
    """No fact is forgotten: a new one must be kept, or be told by the rest of the record."""
    assert {*USUAL, *ELSEWHERE} == set(FACTS)
    assert not set(USUAL) & ELSEWHERE


@settings(max_examples=50, deadline=None)
@given(policies, any_presentation)
def test_what_is_kept_is_recalled(any_policy, shown):
    """Through JSON and back, each kept fact has its value."""
    facts = shown.facts(any_policy)
    kept = json.loads(json.dumps(noted(facts)))
    assert recalled(kept) == {name: FACTS[name].read(facts) for name in USUAL}


def test_the_usual_costs_little():
    """A paper pass without a past and without a health code costs some ten bytes beside the record."""
    assert len(json.dumps(noted(Shown(health=None).facts(policy(REST))))) < 60


def test_nothing_that_names_anybody_is_kept():
    """Neither name nor plate, household, zone or pass id of anybody is in what is kept."""
    shown = Shown(home="320102000000", own=(("in", 5),))
    text = json.dumps(noted(shown.facts(policy(REST))))
    holder: Credential = shown.holder
    assert holder.household is not None
    for secret in (holder.name, holder.cti.hex(), holder.household.hex(), holder.home_zone):
        assert secret not in text


def test_what_no_fact_can_have_is_not_recalled():
    """A damaged record yields no fact rather than a wrong one."""
    told = recalled({"status": "happy", "health_age_days": "3", "colour": "red", "medium": "phone-live"})
    assert "status" not in told
    assert "health_age_days" not in told
    assert "colour" not in told
    assert told["medium"] == "phone-live"
