"""What holds of every decision, whatever is asked: it ends, explains itself, and is no better than its parts allow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.decide import decide, refuse, setting_of
from station.core.facts import Presented, observe
from station.core.model import (
    Band,
    ClockState,
    Decision,
    Direction,
    Live,
    Outcome,
    PassClass,
    Rejected,
    Status,
    TemperatureReading,
    Verdict,
)
from station.core.passback import History, Peers
from station.core.reasons import REASONS, Matter, Reason
from tests.core.deciding import ask, at, brief
from tests.core.issuing import DAY_S, INDEX, NOW, credential, passage, policy, site, statuses
from tests.core.many_rules import policies

LISTED = {status: statuses({INDEX: status}) for status in Status}
COMPANION = credential(pass_class=PassClass.VISITOR, cti=bytes(8))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(PassClass),
    st.none() | st.sampled_from([INDEX, 70_000]),
    st.sampled_from(Band),
    st.sampled_from(Direction),
    st.booleans(),
    st.sampled_from(["locked-down", "control", "precaution", "open"]),
    st.none() | st.sampled_from(Status),
    st.builds(at, st.integers(NOW - 40 * DAY_S, NOW + 40 * DAY_S), st.floats(0, 1e6), st.sampled_from(ClockState)),
)
def test_every_decision_ends_and_explains_itself(kind, index, band, way, can_measure, level, status, now):
    """Whatever is asked: an outcome, a reason of the table, a rule; grants only of known good status in their time."""
    listed = LISTED.get(status)
    times = {} if index else {"not_before": NOW, "expires": NOW + DAY_S}
    holder = credential(pass_class=kind, status_index=index, **times)
    place = site(way, can_measure=can_measure)
    decision = ask(holder, reading=TemperatureReading(band), site=place, policy=policy(level), statuses=listed, now=now)
    assert decision.reason in REASONS
    assert decision.rule
    if decision.outcome is Outcome.GRANT:
        assert now.state is not ClockState.LOST
        assert status is Status.OK or (index is None and kind is PassClass.VISITOR)
        assert index == INDEX or kind is PassClass.VISITOR
        assert holder.not_before - now.uncertainty_s <= now.seconds <= holder.expires + now.uncertainty_s
        assert band in {Band.NORMAL, Band.NOT_MEASURED}
    if decision.outcome is Outcome.DENY:
        assert REASONS[decision.reason].matter is Matter.HOLDER


shown = st.builds(
    Presented,
    reading=st.sampled_from(Band).map(TemperatureReading),
    history=st.builds(
        lambda ways, peers: History(tuple(passage(way, NOW - 60) for way in ways), (), peers),
        st.lists(st.sampled_from(Direction), max_size=2),
        st.sampled_from(Peers),
    ),
    escort=st.none() | st.just(COMPANION),
    nonces=st.sampled_from([frozenset(), frozenset({b"shown now"})]),
    used_up=st.booleans(),
)
lives = st.none() | st.builds(Live, st.integers(NOW - 40, NOW + 40), st.sampled_from([None, b"shown now", b"long ago"]))
moments = st.builds(at, st.just(NOW), st.sampled_from([0.0, 5.0, 100.0]), st.sampled_from(ClockState))


@settings(max_examples=200, deadline=None)
@given(policies, shown, lives, st.sampled_from(Direction), st.booleans(), st.none() | st.sampled_from(Status), moments)
def test_every_rule_of_every_policy_is_accounted_for(some, presented, live, way, can_measure, status, now):
    """Under any rules: the decision names a rule of the policy or a check, and is no better than both allow."""
    holder = credential(live=live, phone_key=None if live is None else bytes(33))
    listed, place = LISTED.get(status), site(way, can_measure=can_measure)
    decision = decide(holder, presented, place, some, listed, now)
    assert (decision.credential, decision.reading, decision.escort) == (holder, presented.reading, presented.escort)
    fired = next((row for row in some.rules if row.id == decision.rule), None)
    if fired is None:
        assert decision.rule.startswith("check:")
        assert decision.outcome in {Outcome.DENY, Outcome.REFER}
    else:
        facts = observe(holder, status, presented, place, setting_of(holder, place, some, listed), now)
        assert fired == next(row for row in some.rules if row.applies(facts, NOW))
        assert decision.outcome in {fired.outcome, Outcome.REFER}
        assert decision.reason in {fired.reason, Reason.THERMOMETER_FAULT}
        assert now.state is not ClockState.LOST
        assert status is not Status.REVOKED
        assert live is None or not presented.used_up
        assert live is None or live.nonce is None or live.nonce in presented.nonces
    if decision.outcome is Outcome.DENY:
        assert decision.verdict is Verdict.DENIED
    if decision.outcome is Outcome.MEASURE:
        assert can_measure
        assert presented.reading.band is Band.NOT_MEASURED


def test_each_outcome_and_matter_has_its_verdict():
    """Granted, waiting, the holder's matter, not known, the station's and the clock's are told apart."""
    of_matter = {
        Matter.HOLDER: Verdict.DENIED,
        Matter.UNDECIDED: Verdict.CANNOT_DECIDE,
        Matter.STATION: Verdict.STATION_FAULT,
        Matter.CLOCK: Verdict.CLOCK,
    }
    for reason in Reason:
        verdicts = {outcome: Decision(outcome, reason, "r").verdict for outcome in Outcome}
        assert verdicts[Outcome.GRANT] is Verdict.GRANTED
        assert {verdicts[Outcome.MEASURE], verdicts[Outcome.ESCORT]} == {Verdict.PENDING}
        if (matter := REASONS[reason].matter) is not Matter.NONE:
            assert {verdicts[Outcome.DENY], verdicts[Outcome.REFER]} == {of_matter[matter]}


@pytest.mark.parametrize("reason", Reason)
def test_a_refusal_denies_only_what_is_the_holders_matter(reason):
    """Refusals of texts: the holder's matters are denied, all others are for the guard, never the person's fault."""
    rejected = Rejected(reason, "", credential())
    decision = refuse(rejected)
    holders = REASONS[reason].matter is Matter.HOLDER
    assert brief(decision) == (Outcome.DENY if holders else Outcome.REFER, reason, f"check:{reason}")
    assert decision.credential == credential()
