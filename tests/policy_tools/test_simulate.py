"""What a new policy would have decided: never wrong, and as exact as the journal allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from station.core.model import Band, ClockState, HealthCode, Outcome, PassClass, Status
from station.core.passback import Peers
from station.core.policy import Policy
from station.core.reasons import Reason
from station.policy_tools.replay import decisions
from station.policy_tools.report import report
from station.policy_tools.simulate import Effect, Place, Result, Simulation
from tests.core.issuing import ZONE, rule
from tests.policy_tools.journals import LANE, followed, forgiven, recorded
from tests.policy_tools.linting import BANDS, REST, SAY, deny, measuring, policy
from tests.policy_tools.many_policies import policies
from tests.policy_tools.presenting import USUAL, Shown, any_presentation

FOUND = [band for band in Band if band is not Band.NOT_MEASURED]


def tried(events: object, new: Policy, old: Policy | None, *, alone: bool = True, **place: object) -> list[Result]:
    """Return what becomes of a journal's decisions."""
    simulation = Simulation(new, old, Place(ZONE, alone=alone, **place))  # type: ignore[arg-type]
    return list(simulation.run(decisions(events, alone=alone)))  # type: ignore[arg-type]


def last(shown: Shown, new: Policy, old: Policy, *, keep_facts: bool = False, alone: bool = True) -> Result:
    """Return what becomes of one presentation."""
    blind = frozenset() if shown.can_measure else frozenset({LANE})
    events = recorded(shown, old, followed(shown, old), keep_facts=keep_facts)
    return tried(events, new, old, alone=alone, blind=blind)[-1]


# --- never wrong -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(policies, policies, any_presentation, st.sampled_from(FOUND), st.booleans())
def test_the_truth_is_among_what_is_found(old, new, shown, band, keep_facts):
    """Whatever the two policies and the presentation, the new outcome and its rule are among those found."""
    shown = replace(shown, band=band)
    then = followed(shown, old)
    assume(then.outcome is not Outcome.ESCORT)
    measured, accompanied = then.reading.band is not Band.NOT_MEASURED, then.escort is not None
    now = followed(shown, new, measured=measured, accompanied=accompanied)
    result = last(shown, new, old, keep_facts=keep_facts, alone=shown.peers is Peers.ALONE)
    assert (now.outcome, now.rule) in result.found
    assert result.effect is not (Effect.CHANGES if now.outcome is then.outcome else Effect.STAYS)


@settings(max_examples=40, deadline=None)
@given(policies, any_presentation, st.sampled_from(FOUND))
def test_the_same_policy_changes_nothing(one, shown, band):
    """A policy tried on its own decisions lets every outcome stay, though half of the facts are unknown."""
    shown = replace(shown, band=band)
    assume(followed(shown, one).outcome is not Outcome.ESCORT)
    result = last(shown, one, one, alone=shown.peers is Peers.ALONE)
    assert result.effect is Effect.STAYS


@settings(max_examples=40, deadline=None)
@given(policies, policies, any_presentation, st.sampled_from(FOUND))
def test_facts_that_were_kept_make_it_exact(old, new, shown, band):
    """Where the record keeps the facts, and risks and quotas are read alike, exactly one outcome is found."""
    shown = replace(shown, band=band)
    new = replace(new, risks=old.risks, quotas=old.quotas)
    then = followed(shown, old)
    assume(then.outcome is not Outcome.ESCORT)
    result = last(shown, new, old, keep_facts=True, alone=shown.peers is Peers.ALONE)
    assert len(result.found) == 1
    assert result.effect is not Effect.MAY_CHANGE


# --- by example ------------------------------------------------------------------------------------------------------

OPEN = policy(REST)
RED = rule(id="red", outcome="refer", reason="health-code", when={"health": {"eq": "red"}})


def test_what_the_journal_tells_is_certain():
    """Class, direction and time are in the journal: a rule about them changes an outcome, or not, for certain."""
    visitors = policy(deny("visitors", {"class": {"eq": "visitor"}}), REST)
    changed = last(Shown(kind=PassClass.VISITOR), visitors, OPEN)
    assert (changed.effect, changed.found) == (Effect.CHANGES, {(Outcome.DENY, "visitors")})
    assert last(Shown(), visitors, OPEN).effect is Effect.STAYS
    night = policy(deny("morning", {"minute_of_day": {"between": [600, 660]}}), REST)
    assert last(Shown(), night, OPEN).effect is Effect.CHANGES
    assert last(Shown(at=USUAL - 60), night, OPEN).effect is Effect.STAYS


def test_what_it_does_not_tell_may_change():
    """A rule about the health code may change an outcome, and says that it depends on that."""
    result = last(Shown(), policy(RED, REST), OPEN)
    assert result.effect is Effect.MAY_CHANGE
    assert result.found == {(Outcome.REFER, "red"), (Outcome.GRANT, "rest")}
    assert result.depends == {"health"}


def test_the_old_decision_tells_of_unknown_facts():
    """Who was granted under a rule against red codes had none: the same rule in the new policy changes nothing."""
    old = policy(RED, REST)
    new = policy(deny("children", {"class": {"eq": "visitor"}}), RED, REST)
    assert last(Shown(), new, old).effect is Effect.STAYS
    assert last(Shown(health=HealthCode.RED), new, old).found == {(Outcome.REFER, "red")}


def test_a_policy_that_is_not_the_one_of_the_decision_tells_nothing():
    """Decisions made under another policy than the one at hand are judged without it."""
    old = replace(policy(RED, REST), version=2)
    events = recorded(Shown(), replace(old, version=1), followed(Shown(), old))
    assert tried(events, policy(RED, REST), old)[-1].effect is Effect.MAY_CHANGE
    assert tried(recorded(Shown(), old, followed(Shown(), old)), policy(RED, REST), old)[-1].effect is Effect.STAYS


def test_a_level_of_the_zone_is_the_new_policys():
    """The zone's level comes from each policy's own table, as the zone is known."""
    rows = [deny("shut", {"zone_level": {"eq": "control"}}), REST]
    open_zone, shut_zone = policy(*rows), policy(*rows, zones={ZONE: "control"})
    assert last(Shown(), shut_zone, open_zone).found == {(Outcome.DENY, "shut")}
    assert last(Shown(), open_zone, shut_zone).found == {(Outcome.GRANT, "rest")}


@pytest.mark.parametrize("keep_facts", [False, True])
def test_a_risk_that_changed_is_not_taken_from_the_old_decision(keep_facts):
    """Who came from an area that was at low risk may come from one that is now at high risk."""
    rows = [deny("high", {"home_risk": {"eq": "high"}}), REST]
    old, new = policy(*rows, risks={"3201": "high", "3207": "low"}), policy(*rows, risks={"3207": "high"})
    result = last(Shown(home="320700000000"), new, old, keep_facts=keep_facts)
    assert (result.effect, result.depends) == (Effect.MAY_CHANGE, {"home_risk"})
    same = replace(new, risks=old.risks)
    assert last(Shown(home="320700000000"), same, old, keep_facts=keep_facts).effect is Effect.STAYS


def test_what_was_marked_as_local_knowledge_is_judged_as_that():
    """A refusal that the guard decided for want of news is judged without news again; another never is."""
    once = policy(deny("once", {"passback": {"eq": "violation"}}, reason="passback"), REST)
    harsh = policy(deny("once", {"passback": {"eq": "violation"}}, reason="passback", say=SAY), REST)
    unheard = Shown(own=(("in", 5),), peers=Peers.UNHEARD)
    assert last(unheard, harsh, once, alone=False).found == {(Outcome.REFER, "once")}
    nobody = policy(deny("once", {"passback": {"eq": "violation"}}), deny("nobody", {}))
    assert last(unheard, nobody, once, alone=False).found == {(Outcome.REFER, "once")}
    before = policy(rule(id="back", when={"passback": {"eq": "clear"}}), REST)
    assert last(unheard, nobody, before, alone=False).found == {(Outcome.REFER, "once"), (Outcome.REFER, "nobody")}
    heard = replace(unheard, peers=Peers.HEARD)
    assert last(heard, harsh, once, alone=False).found == {(Outcome.DENY, "once")}


def test_passages_of_the_journal_count_for_new_quotas():
    """A quota that did not exist then is counted from the passages the journal holds."""
    quota = {"id": "q", "direction": "out", "passages": 1, "days": 2, "describe": {"zh": "限额", "en": "a quota"}}
    limited = policy(deny("used", {"quota": {"eq": "used"}}), REST, quotas=[quota])
    assert last(Shown(way="out", own=(("out", 60),)), limited, OPEN).found == {(Outcome.DENY, "used")}
    assert last(Shown(way="out", household=(("out", 60),)), limited, OPEN).effect is Effect.MAY_CHANGE
    assert last(Shown(way="out", own=(("out", 3000),)), limited, OPEN).effect is Effect.STAYS
    assert last(Shown(own=(("out", 60),)), limited, OPEN).effect is Effect.STAYS


def test_a_household_that_the_journal_does_not_tell_is_unknown():
    """Who never went through has no known household; after a passage the household's others count."""
    quota = {"id": "q", "direction": "out", "passages": 1, "days": 2, "describe": {"zh": "限额", "en": "a quota"}}
    limited = policy(deny("used", {"quota": {"eq": "used"}}), REST, quotas=[quota])
    both = Shown(way="out", own=(("in", 4000),), household=(("out", 60),))
    assert last(both, limited, OPEN).found == {(Outcome.DENY, "used")}
    result = last(Shown(way="out"), limited, OPEN)
    assert (result.effect, result.depends) == (Effect.MAY_CHANGE, {"quota"})


def test_without_a_clock_no_quota_is_used():
    """A decision made without a clock has no quota that could be used up, as at the station."""
    quota = {"id": "q", "direction": "out", "passages": 1, "days": 2, "describe": {"zh": "限额", "en": "a quota"}}
    judges = {"degraded": {"clock": "nonce"}}
    limited = policy(deny("used", {"quota": {"eq": "used"}}), REST, quotas=[quota], **judges)
    lost = Shown(way="out", own=(("out", 60),), clock=ClockState.LOST, medium="phone-nonce")
    assert last(lost, limited, policy(REST, **judges)).effect is Effect.STAYS
    assert followed(lost, limited).rule == "rest"


def test_what_a_guard_forgave_does_not_count():
    """A passage that was forgiven is no violation in the replay either."""
    once = policy(deny("once", {"passback": {"eq": "violation"}}), REST)
    events = recorded(Shown(own=(("in", 60),)), OPEN, followed(Shown(), OPEN))
    assert tried(events, once, OPEN)[-1].found == {(Outcome.DENY, "once")}
    assert tried([*events[:-1], forgiven(9, USUAL - 60), events[-1]], once, OPEN)[-1].effect is Effect.STAYS


def test_other_gates_passages_are_unknown():
    """At a site with other gates the journal cannot tell of passages there: passback is unknown."""
    once = policy(deny("once", {"passback": {"eq": "violation"}}), REST)
    result = last(Shown(), once, OPEN, alone=False)
    assert result.effect is Effect.MAY_CHANGE
    assert result.depends == {"passback"}
    assert {outcome for outcome, _ in result.found} == {Outcome.DENY, Outcome.REFER, Outcome.GRANT}


def test_measuring_goes_as_far_as_the_record():
    """Who was measured is judged with the band; who was not would have been measured first; without a sensor, refer."""
    rows = [*measuring(*BANDS), REST]
    assert last(Shown(), policy(*rows), OPEN).found == {(Outcome.MEASURE, "measure")}
    warm = Shown(band=Band.RAISED)
    assert last(warm, policy(REST), policy(*rows)).found == {(Outcome.GRANT, "rest")}
    harsh = policy(deny("ill", {"temperature": {"eq": "raised"}}), *rows)
    assert last(warm, harsh, policy(*rows)).found == {(Outcome.DENY, "ill")}
    assert last(Shown(can_measure=False), policy(*rows), OPEN).found == {(Outcome.REFER, "measure")}


def test_a_second_pass_of_the_record_counts():
    """Who was accompanied is judged with the second pass, whose class its own record tells."""
    ask = rule(id="ask", outcome="escort", when={"class": {"eq": "visitor"}, "escort": {"eq": "none"}})
    by_resident = rule(id="by-resident", when={"escort": {"eq": "resident"}})
    anybody = rule(id="anybody", when={"escort": {"ne": "none"}})
    refuse = rule(id="refuse", outcome="refer", reason="guard-check", when={"class": {"eq": "visitor"}})
    old, new = policy(ask, anybody, REST), policy(ask, by_resident, refuse, REST)
    visitor = Shown(kind=PassClass.VISITOR, escort=PassClass.RESIDENT)
    events = recorded(visitor, old, followed(visitor, old))
    assert tried(events, new, old)[-1].found == {(Outcome.GRANT, "by-resident"), (Outcome.REFER, "refuse")}
    told = {**events[-1].payload, "cti": events[-1].payload["escort"], "class": "resident"}
    told.pop("escort")
    seen = replace(events[-1], seq=99, wall_us=events[-1].wall_us + 1, payload=told)
    assert tried([*events, seen], new, old)[0].found == {(Outcome.GRANT, "by-resident")}


@pytest.mark.parametrize(("action", "effect"), [("refer", Effect.STAYS), ("deny", Effect.CHANGES)])
def test_the_stations_own_checks_follow_the_degraded_actions(action, effect):
    """What the station could not decide goes where the new policy sends it; what is the holder's matter stays."""
    events = recorded(Shown(), OPEN, followed(Shown(), OPEN))
    unknown = {**events[-1].payload, "outcome": "refer", "reason": "status-unknown", "rule": "check:status"}
    expired = {**events[-1].payload, "outcome": "deny", "reason": "pass-expired", "rule": "check:expired"}
    degraded = policy(deny("all", {}), degraded={"undecided": action})
    assert tried([*events[:-1], replace(events[-1], payload=unknown)], degraded, OPEN)[-1].effect is effect
    assert tried([*events[:-1], replace(events[-1], payload=expired)], degraded, OPEN)[-1].effect is Effect.STAYS


def test_without_a_clock_phones_may_be_judged():
    """Where the new policy judges phones without a clock, a referral for want of one may change."""
    events = recorded(Shown(), OPEN, followed(Shown(), OPEN))
    lost = {**events[-1].payload, "outcome": "refer", "reason": Reason.CLOCK_LOST.value, "rule": "check:clock"}
    event = replace(events[-1], payload=lost, clock=ClockState.LOST.value)
    result = tried([event], policy(REST, degraded={"clock": "nonce"}), OPEN)[-1]
    assert result.effect is Effect.MAY_CHANGE
    assert tried([event], policy(REST), OPEN)[-1].effect is Effect.STAYS


def test_the_rules_can_be_taken_as_of_another_time():
    """A rule that begins tomorrow does nothing at the time of the event, and counts with the time of tomorrow."""
    tomorrow = policy(deny("all", {}, **{"from": USUAL + 86_400}), REST)
    events = recorded(Shown(), OPEN, followed(Shown(), OPEN))
    pasts = list(decisions(events, alone=True))
    assert next(Simulation(tomorrow, OPEN, Place(ZONE)).run(pasts)).effect is Effect.STAYS
    later = Simulation(tomorrow, OPEN, Place(ZONE), USUAL + 86_400)
    assert next(later.run(pasts)).found == {(Outcome.DENY, "all")}


def test_the_report_tells_who_and_how_many():
    """Each change has its line, with seq, time, pass, class, old and new; the totals and the unknown facts follow."""
    shut = policy(deny("shut", {"class": {"eq": "visitor"}}, say=SAY), RED, REST)
    kinds = (PassClass.VISITOR, PassClass.RESIDENT)
    events = [
        replace(recorded(Shown(kind=kind), OPEN, followed(Shown(kind=kind), OPEN))[-1], seq=seq)
        for seq, kind in enumerate(kinds, 1)
    ]
    lines = list(report(tried(events, shut, None), shut.calendar))
    assert lines[0] == ("seq 1  2026-03-04 10:00:00  a1b2c3d4e5f60718  visitor  in  changes: grant/rest -> deny/shut")
    assert lines[1].endswith("may change: grant/rest -> grant/rest or refer/red (depends on health)")
    assert lines[2:] == [
        "2 decisions: 0 stay, 1 change, 1 may change",
        "  1 grant -> deny",
        "not known of these decisions, as the journal does not tell: health",
        "decisions before the first policy of this journal are judged without knowing why they were made",
    ]


def test_status_is_not_told_by_a_grant_under_a_policy_that_does_not_ask():
    """A new rule about home quarantine may concern anybody whom the old policy did not ask about it."""
    new = policy(deny("home", {"status": {"eq": "home-quarantine"}}, reason="home-quarantine"), REST)
    assert last(Shown(status=Status.OK), new, OPEN).depends == {"status"}
    assert last(Shown(status=Status.OK), new, OPEN, keep_facts=True).effect is Effect.STAYS
