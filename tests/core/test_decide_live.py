"""Live codes and the clock in the decision: what is of this moment, what was used, and whose fault a wrong time is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.live import UNCERTAINTY_CAP_S, WINDOW_S
from station.core.model import ClockState, Decision, Direction, Instant, Live, Outcome, Status, Verdict
from station.core.reasons import REASONS, Matter, Reason
from tests.core.deciding import EVERYBODY, ask, at, brief, rules
from tests.core.issuing import INDEX, NOW, credential, rule, statuses

SHOWN, EARLIER = b"on show.", b"earlier."
BY_NONCE = rules(rule(), degraded={"clock": "nonce"})
LOST = at(NOW, state=ClockState.LOST)
AROUND = {"now", "used_up", "shown", "policy", "nonces", "statuses"}
STATES = [ClockState.TRUSTED, ClockState.HOLDOVER]


def live(t: int, nonce: bytes | None = None, **changes: object) -> Decision:
    """Decide about a pass shown live under a policy that grants everybody."""
    around = {"policy": EVERYBODY, "nonces": frozenset({SHOWN, b"just now"})}
    around |= {name: changes.pop(name) for name in list(changes) if name in AROUND}
    return ask(credential(live=Live(t, nonce), phone_key=bytes(33), **changes), **around)


# --- the window ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("late", "uncertainty_s", "expected"),
    [
        (0, 0.0, Reason.GRANTED),
        (30, 0.0, Reason.GRANTED),
        (31, 0.0, Reason.LIVE_STALE),
        (-30, 0.0, Reason.GRANTED),
        (-31, 0.0, Reason.LIVE_AHEAD),
        (31, 0.9, Reason.LIVE_STALE),
        (31, 1.0, Reason.GRANTED),
        (-32, 1.9, Reason.LIVE_AHEAD),
        (-32, 2.0, Reason.GRANTED),
        (90, 60.0, Reason.GRANTED),
        (91, 60.0, Reason.LIVE_STALE),
        (90, 500.0, Reason.GRANTED),
        (91, 61.0, Reason.CLOCK_UNSURE),  # the cap: beyond it the station's clock is to blame, not the phone
        (91, 500.0, Reason.CLOCK_UNSURE),
        (-91, 500.0, Reason.CLOCK_UNSURE),
        (530, 500.0, Reason.CLOCK_UNSURE),
        (531, 500.0, Reason.LIVE_STALE),  # too old even if the clock were off by all it may be
        (-530, 500.0, Reason.CLOCK_UNSURE),
        (-531, 500.0, Reason.LIVE_AHEAD),
        (10**9, 0.0, Reason.LIVE_STALE),
        (-(10**9), 0.0, Reason.LIVE_AHEAD),
    ],
)
def test_a_live_code_is_good_for_its_moment(late, uncertainty_s, expected, state):
    """Within 30 s and the clock's uncertainty of up to 60 s it is good; beyond, stale, ahead, or the clock's fault."""
    decision = live(NOW - late, now=at(NOW, uncertainty_s, state))
    outcome = {Reason.GRANTED: Outcome.GRANT, Reason.CLOCK_UNSURE: Outcome.REFER}.get(expected, Outcome.DENY)
    assert brief(decision) == (outcome, expected, "a" if outcome is Outcome.GRANT else "check:live")
    assert (decision.verdict is Verdict.CLOCK) == (expected is Reason.CLOCK_UNSURE)


def test_the_window_counts_whole_seconds():
    """A code of 30 seconds ago is good throughout the last second, and not in the next."""
    assert live(NOW, now=at(NOW + WINDOW_S + 0.999999)).outcome is Outcome.GRANT
    assert live(NOW, now=at(NOW + WINDOW_S + 1)).reason is Reason.LIVE_STALE


@settings(max_examples=300, deadline=None)
@given(st.integers(-700, 700), st.floats(0, 600), st.sampled_from(STATES))
def test_nothing_outside_the_window_is_granted(late, uncertainty_s, state):
    """Whatever the clock's state: granted exactly within 30 s and the capped uncertainty, told apart outside."""
    decision = live(NOW - late, now=at(NOW, uncertainty_s, state))
    assert (decision.outcome is Outcome.GRANT) == (abs(late) <= WINDOW_S + min(uncertainty_s, UNCERTAINTY_CAP_S))
    if decision.outcome is Outcome.DENY:
        assert abs(late) > WINDOW_S + uncertainty_s
        assert decision.reason is (Reason.LIVE_STALE if late > 0 else Reason.LIVE_AHEAD)
    elif decision.outcome is Outcome.REFER:
        assert decision.reason is Reason.CLOCK_UNSURE


@pytest.mark.parametrize(
    ("shown", "expected"),
    [(None, Reason.LIVE_STALE), (at(NOW + 10), Reason.GRANTED), (at(NOW + 31), Reason.LIVE_STALE)],
)
def test_who_is_kept_waiting_is_not_held_to_the_time_since(shown, expected):
    """A code is judged at the moment it was held up, though measuring took a minute; nothing else is."""
    later = at(NOW + 90)
    assert live(NOW, now=later, shown=shown).reason is expected
    assert live(NOW, now=later, shown=at(NOW), expires=NOW + 60).reason is Reason.PASS_EXPIRED
    assert live(NOW, now=later, shown=at(NOW), used_up=True).reason is Reason.LIVE_REPLAYED


# --- the station's number --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [NOW, NOW - 31, NOW + 10**6, 0])
@pytest.mark.parametrize("uncertainty_s", [0.0, 1000.0])
def test_the_stations_number_proves_the_moment(t, uncertainty_s):
    """A phone that signed what the station shows is of this moment, whatever its own clock and the station's say."""
    moment = at(NOW, uncertainty_s)
    assert live(t, SHOWN, now=moment).outcome is Outcome.GRANT
    refused = live(t, EARLIER, now=moment)
    assert brief(refused) == (Outcome.DENY, Reason.LIVE_WRONG_NONCE, "check:live")
    assert live(t, SHOWN, now=moment, nonces=frozenset()).reason is Reason.LIVE_WRONG_NONCE


# --- used up ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonce", [None, SHOWN])
def test_a_code_that_a_grant_has_consumed_is_refused(nonce):
    """A live code opens once, with the station's number or without; a printed pass has nothing to use up."""
    assert live(NOW, nonce).outcome is Outcome.GRANT
    assert brief(live(NOW, nonce, used_up=True)) == (Outcome.DENY, Reason.LIVE_REPLAYED, "check:replay")
    assert ask(policy=EVERYBODY, used_up=True).outcome is Outcome.GRANT


def test_an_old_code_is_called_old_rather_than_used():
    """Of a code that is both, the age is told: it would be refused though nobody had used it."""
    assert live(NOW - 31, used_up=True).reason is Reason.LIVE_STALE
    assert live(NOW, EARLIER, used_up=True).reason is Reason.LIVE_WRONG_NONCE


def test_the_moment_is_judged_before_the_pass():
    """A copy of somebody's expired pass is told that it is a copy."""
    assert live(NOW - 31, expires=NOW - 10).reason is Reason.LIVE_STALE
    assert live(NOW, expires=NOW - 10).reason is Reason.PASS_EXPIRED


@pytest.mark.parametrize(("t", "nonce"), [(NOW, None), (0, SHOWN)])
def test_a_live_code_buys_nothing_else(t, nonce):
    """A phone's signature makes no pass good that is not: place, direction and status are judged as ever."""
    assert live(t, nonce, gates=frozenset({"west"})).reason is Reason.WRONG_GATE
    assert live(t, nonce, directions=frozenset({Direction.OUT})).reason is Reason.WRONG_DIRECTION
    assert live(t, nonce, statuses=statuses({INDEX: Status.REVOKED})).reason is Reason.PASS_REVOKED
    assert live(t, nonce, statuses=None).reason is Reason.STATUS_UNKNOWN


# --- a lost clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [None, "refer", "nonce", "deny"])
@pytest.mark.parametrize("how", ["paper", "live", "wrong number", "right number"])
def test_without_a_clock_only_the_stations_number_counts(chosen, how):
    """Who signs the number is judged where the policy says so; all others meet a clock problem, not one of theirs."""
    policy = rules(rule(), degraded={"clock": chosen} if chosen else {})
    nonce = {"wrong number": EARLIER, "right number": SHOWN}.get(how)
    paper = how == "paper"
    decision = ask(policy=policy, now=LOST) if paper else live(NOW, nonce, policy=policy, now=LOST)
    if (chosen, how) == ("nonce", "right number"):
        assert brief(decision) == (Outcome.GRANT, Reason.GRANTED, "a")
        return
    outcome = Outcome.DENY if chosen == "deny" else Outcome.REFER
    assert brief(decision) == (outcome, Reason.CLOCK_LOST, "check:clock")
    assert decision.verdict is Verdict.CLOCK


def test_without_a_policy_nobody_is_judged_without_a_clock():
    """What the policy allows, no policy allows not."""
    assert live(NOW, SHOWN, policy=None, now=LOST).reason is Reason.CLOCK_LOST


def test_a_trusted_clock_needs_no_number():
    """The choice for a lost clock changes nothing while the clock is good."""
    for state in STATES:
        assert ask(policy=BY_NONCE, now=at(NOW, state=state)).outcome is Outcome.GRANT
        assert live(NOW - 31, policy=BY_NONCE, now=at(NOW, state=state)).reason is Reason.LIVE_STALE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Reason.GRANTED),
        ({"not_before": NOW + 10**6}, Reason.GRANTED),  # the last known time is only a floor: it may have begun since
        ({"expires": NOW}, Reason.GRANTED),
        ({"expires": NOW - 1}, Reason.PASS_EXPIRED),  # over before the floor is over for certain
        ({"gates": frozenset({"west"})}, Reason.WRONG_GATE),
        ({"directions": frozenset({Direction.OUT})}, Reason.WRONG_DIRECTION),
        ({"status_index": None}, Reason.STATUS_UNKNOWN),
    ],
)
def test_by_number_everything_but_the_begin_is_checked(changes, expected):
    """At the last known time: what was over by then is over, what had not begun may have; all else is as ever."""
    assert live(NOW, SHOWN, policy=BY_NONCE, now=LOST, **changes).reason is expected


def test_by_number_a_used_code_is_used():
    """Nor does a lost clock let a code be used twice, or a withdrawn pass be used at all."""
    assert live(NOW, SHOWN, policy=BY_NONCE, now=LOST, used_up=True).reason is Reason.LIVE_REPLAYED
    revoked = statuses({INDEX: Status.REVOKED})
    assert live(NOW, SHOWN, policy=BY_NONCE, now=LOST, statuses=revoked).reason is Reason.PASS_REVOKED


@pytest.mark.parametrize("fact", ["minute_of_day", "weekday", "health_age_days"])
def test_by_number_no_rule_about_the_time_fires(fact):
    """Rules that ask for a time do not fire while nobody knows it: the next one, or the guard, decides."""
    hours = rules(
        rule(id="by time", when={fact: {"ge": 1}}),
        rule(id="by clock", outcome="refer", reason="guard-check", when={"clock": {"eq": "lost"}}),
        degraded={"clock": "nonce"},
    )
    assert live(NOW, SHOWN, policy=hours, now=LOST).rule == "by clock"


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2 * NOW),
    st.sampled_from([None, SHOWN, EARLIER]),
    st.sampled_from([None, "refer", "nonce", "deny"]),
    st.integers(0, 2 * NOW),
    st.booleans(),
)
def test_a_lost_clock_is_never_the_persons_fault(t, nonce, chosen, seconds, used_up):
    """Whatever is shown while the time is not known: granted only by number, and blamed on nobody's clock but ours."""
    policy = rules(rule(), degraded={"clock": chosen} if chosen else {})
    moment = Instant(seconds * 1_000_000, 0, ClockState.LOST)
    decision = live(t, nonce, policy=policy, now=moment, used_up=used_up)
    by_number = chosen == "nonce" and nonce == SHOWN
    assert (decision.outcome is Outcome.GRANT) == (by_number and not used_up and seconds <= credential().expires)
    if REASONS[decision.reason].matter is Matter.HOLDER:
        assert by_number
    assert decision.reason not in {Reason.LIVE_STALE, Reason.LIVE_AHEAD, Reason.PASS_NOT_YET_VALID}
