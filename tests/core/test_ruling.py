"""From rule to outcome: the same as what the station decides, whatever the policy and the facts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.model import Band, ClockState, Outcome
from station.core.passback import Peers
from station.core.policy import Degraded
from station.core.reasons import Matter, Reason
from station.core.ruling import NO_RULE, Ruling, rule_on
from tests.core.issuing import rule
from tests.policy_tools.linting import deny, policy
from tests.policy_tools.many_policies import policies
from tests.policy_tools.presenting import USUAL, Shown, any_presentation


@settings(max_examples=60, deadline=None)
@given(policies, any_presentation, st.booleans())
def test_it_rules_what_the_station_decides(given_policy, shown, lost):
    """Facts and the rule that fires lead to the outcome, reason, words and mark of `decide`, always."""
    if lost:
        given_policy = replace(given_policy, degraded={**given_policy.degraded, Matter.CLOCK: Degraded.NONCE})
        shown = replace(shown, clock=ClockState.LOST, medium="phone-nonce")
    decision = shown.decide(given_policy)
    facts = shown.facts(given_policy)
    fired, ruling = rule_on(facts, given_policy, shown.at, can_measure=shown.can_measure)
    decided = Ruling(decision.outcome, decision.reason, decision.rule, decision.say, decision.local)
    assert ruling == decided
    assert fired is given_policy.first_match(facts, shown.at)


def ruled(one: object, shown: Shown) -> Ruling:
    """Return what follows for a presentation."""
    return rule_on(shown.facts(one), one, USUAL, can_measure=shown.can_measure)[1]


@pytest.mark.parametrize(("action", "outcome"), [("refer", Outcome.REFER), ("deny", Outcome.DENY)])
def test_no_rule_goes_where_the_policy_sends_it(action, outcome):
    """Where no rule fires, the configured action for what cannot be decided counts."""
    empty = policy(rule(when={"class": {"eq": "medic"}}), degraded={"undecided": action})
    assert ruled(empty, Shown()) == Ruling(outcome, Reason.NO_RULE, NO_RULE)


def test_no_rule_goes_to_the_guard_while_nobody_was_heard():
    """Where other passages might have made a rule fire, the guard decides, whatever is configured."""
    almost = policy(rule(when={"passback": {"eq": "clear"}}), degraded={"undecided": "deny"})
    expected = Ruling(Outcome.REFER, Reason.NO_RULE, NO_RULE, local=True)
    assert ruled(almost, Shown(peers=Peers.UNHEARD)) == expected
    assert ruled(almost, Shown()).outcome is Outcome.DENY


def test_memory_is_excused_while_nobody_was_heard():
    """A refusal by earlier passages becomes the guard's, and everything is marked, while peers are unheard."""
    once = policy(deny("once", {"passback": {"eq": "violation"}}, reason="passback"), rule(id="rest"))
    again = Shown(own=(("in", 5),))
    assert ruled(once, again).outcome is Outcome.DENY
    unheard = ruled(once, replace(again, peers=Peers.UNHEARD))
    assert (unheard.outcome, unheard.local, unheard.rule) == (Outcome.REFER, True, "once")
    assert ruled(once, replace(again, own=(), peers=Peers.UNHEARD)).local
    beside = policy(deny("once", {"passback": {"eq": "violation"}, "class": {"eq": "visitor"}}), rule(id="rest"))
    assert not ruled(beside, replace(again, own=(), peers=Peers.UNHEARD)).local


def test_a_failed_sensor_is_held_against_nobody():
    """A rule that denies for a fault, or measures where nothing can be measured, ends at the guard."""
    harsh = policy(
        deny("harsh", {"temperature": {"eq": "fault"}}),
        rule(id="measure", outcome="measure", when={"temperature": {"ne": "fault"}}),
    )
    for shown in (Shown(band=Band.FAULT), Shown(can_measure=False), Shown(band=Band.NORMAL)):
        assert ruled(harsh, shown).outcome is Outcome.REFER
        assert ruled(harsh, shown).reason is Reason.THERMOMETER_FAULT
    assert ruled(harsh, Shown()).outcome is Outcome.MEASURE
