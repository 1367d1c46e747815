"""An explanation: the rule that fires, the unmet conditions of those before it, the words that are read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from station.core.calendar import Calendar
from station.core.model import Band, ClockState, Outcome, PassClass, Status
from station.core.passback import Peers
from station.core.policy import Policy
from station.core.reasons import Reason
from station.policy_tools.case import read_facts, read_moment
from station.policy_tools.explain import Case, Explanation, explain, lines
from station.policy_tools.papers import assumed_status
from station.policy_tools.sources import SourceError
from tests.core.issuing import rule
from tests.policy_tools.linting import BANDS, REST, SAY, deny, measuring, policy
from tests.policy_tools.presenting import USUAL, Shown

NIGHT = deny("night", {"class": {"in": ["visitor", "worker"]}, "minute_of_day": {"between": [1320, 360]}}, say=SAY)
LATER = deny("later", {}, **{"from": USUAL + 60})
OVER = deny("over", {}, to=USUAL - 60)


def case(shown: Shown, one: Policy | None, **assumed: object) -> Case:
    """Return the case of a presentation."""
    return Case(shown.holder, shown.presented, shown.site, one, shown.statuses, shown.now, assumed)


def explained(shown: Shown, one: Policy | None, **assumed: object) -> tuple[Explanation, str]:
    """Return an explanation and its text."""
    explanation = explain(case(shown, one, **assumed))
    return explanation, "\n".join(lines(explanation))


def test_each_earlier_rule_says_why_not():
    """Every unmet condition of every rule before the one that fires is told, with what was asked and what is."""
    _, text = explained(Shown(), policy(NIGHT, OVER, LATER, deny("out", {"direction": {"eq": "out"}}), REST))
    assert "1 night (deny): no, class is resident, asked: one of visitor, worker; " in text
    assert "minute_of_day is 10:00, asked: from 22:00 to before 06:00" in text
    assert "2 over (deny): no, it ended at 2026-03-04 01:59:00 UTC" in text
    assert "3 later (deny): no, it begins at 2026-03-04 02:01:00 UTC" in text
    assert "4 out (deny): no, direction is in, asked: out" in text
    assert "5 rest (grant): FIRES" in text
    assert "outcome   grant, reason granted, rule rest" in text


def test_a_met_condition_is_no_reason():
    """Of two conditions only the one that is not met is told."""
    _, text = explained(Shown(kind=PassClass.WORKER), policy(NIGHT, REST))
    assert "1 night (deny): no, minute_of_day is 10:00" in text
    assert "class is worker, asked" not in text


def test_rules_below_are_not_asked():
    """After the rule that fires, the explanation ends with how many are left."""
    _, text = explained(Shown(), policy(deny("all", {}, say=SAY), NIGHT, REST))
    assert "the 2 below are not asked" in text
    assert "night" not in text
    assert "目前规定不允许通行 / 请询问值守人员。" in text
    assert "The rules do not allow this now / Please ask the guard." in text


def test_where_no_rule_fires():
    """All rules are explained, and what follows from none is told."""
    explanation, text = explained(Shown(), policy(NIGHT))
    assert explanation.fired is None
    assert "no rule fires" in text
    assert "outcome   refer, reason no-rule, rule check:no-rule" in text


@pytest.mark.parametrize(
    ("shown", "one", "rule_id"),
    [
        (Shown(clock=ClockState.LOST), policy(REST), "check:clock"),
        (Shown(status=Status.REVOKED), policy(REST), "check:revoked"),
        (Shown(), None, "check:policy"),
    ],
    ids=["clock", "revoked", "no policy"],
)
def test_a_check_of_the_station_is_told_as_that(shown, one, rule_id):
    """Where the station's own check decides, no rule is said to have been asked."""
    explanation, text = explained(shown, one)
    assert explanation.facts is None
    assert f"check     {rule_id} decides; no rule is asked" in text
    assert "rules     " not in text


def test_it_says_what_the_station_decides():
    """Outcome, reason and rule are those of the station's decision, in ordinary and in excused cases."""
    once = deny("once", {"passback": {"eq": "violation"}}, reason="passback")
    one = policy(once, *measuring(*BANDS), REST)
    for shown in (
        Shown(),
        Shown(band=Band.RAISED),
        Shown(can_measure=False),
        Shown(own=(("in", 5),)),
        Shown(own=(("in", 5),), peers=Peers.UNHEARD),
    ):
        ruling, decision = explain(case(shown, one)).ruling, shown.decide(one)
        assert (ruling.outcome, ruling.reason, ruling.rule) == (decision.outcome, decision.reason, decision.rule)
        assert ruling.local == decision.local


def test_the_guard_in_place_of_the_rule_is_explained():
    """Where the station does not do what the rule says, the explanation says why."""
    once = deny("once", {"passback": {"eq": "violation"}}, reason="passback")
    _, text = explained(Shown(own=(("in", 5),), peers=Peers.UNHEARD), policy(once, REST))
    assert "the rule says deny: but the site's other gates have not been heard from" in text
    _, text = explained(Shown(can_measure=False), policy(*measuring("raised"), REST))
    assert "the rule says measure: but the temperature cannot be taken" in text


def test_assumed_facts_decide():
    """A fact that is assumed takes the place of what was observed, and is marked."""
    used = deny("used", {"quota": {"eq": "used"}}, say=SAY)
    explanation, text = explained(Shown(), policy(used, REST), quota="used")
    assert (explanation.ruling.outcome, explanation.ruling.rule) == (Outcome.DENY, "used")
    assert "not looked up" not in text
    assert "earlier passages are not looked up" in explained(Shown(), policy(used, REST))[1]
    assert "quota                used (assumed)" in text
    explanation, _ = explained(Shown(), policy(deny("v", {"class": {"eq": "visitor"}}), REST), **{"class": "visitor"})
    assert explanation.ruling.rule == "v"


def test_a_status_can_be_assumed():
    """The assumed status is what the rules see, wherever in the list the pass stands, and "revoked" is refused."""
    one = policy(deny("home", {"status": {"eq": "home-quarantine"}}, reason="home-quarantine"), REST)
    base = case(Shown(), one)
    for index in (0, 5, 65_536, 200_000):
        holder = replace(base.credential, status_index=index)
        for status, expected in (
            (Status.HOME_QUARANTINE, "home"),
            (Status.OK, "rest"),
            (Status.REVOKED, "check:revoked"),
        ):
            listed = assumed_status(holder.kid, index, status, USUAL)
            assert explain(replace(base, credential=holder, statuses=listed)).ruling.rule == expected


def test_without_a_status_list_the_check_decides():
    """A pass that cannot be looked up is not explained by rules."""
    explanation = explain(replace(case(Shown(), policy(REST)), statuses=None))
    assert explanation.ruling.reason is Reason.STATUS_UNKNOWN


# --- what is assumed, as it is written -------------------------------------------------------------------------------


def test_facts_are_read():
    """Words, numbers and "none" are read as the rules mean them."""
    read = read_facts(["quota=used", "away_minutes=200", "health_age_days=none", "class=medic", "health=none"])
    assert read == {"quota": "used", "away_minutes": 200, "health_age_days": None, "class": "medic", "health": "none"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mood=good", "no fact 'mood'; there are zone_level"),
        ("quota=much", "quota is one of left, none, used"),
        ("away_minutes=long", "away_minutes is a whole number, or none"),
        ("away_minutes=-1", "away_minutes is a whole number, or none"),
        ("temperature=raised", "use --temperature"),
        ("quota", "quota is one of"),
    ],
)
def test_facts_that_are_none_are_refused(text, says):
    """What is no fact, or no value of it, is refused with what there is."""
    with pytest.raises(SourceError, match=says.replace("(", "\\(")):
        read_facts([text])


def test_moments_are_read_in_the_policys_time():
    """A time without a zone is local by the policy; one with a zone is what it says; anything else is refused."""
    beijing = Calendar(480)
    assert read_moment("2026-03-04T10:00", beijing) == USUAL
    assert read_moment("2026-03-04T02:00+00:00", beijing) == USUAL
    assert read_moment("2026-03-04T02:00", Calendar(0)) == USUAL
    with pytest.raises(SourceError, match="not a time"):
        read_moment("tomorrow", beijing)


def test_an_escort_is_explained():
    """With a second pass the rules that ask for one are explained with it."""
    ask = rule(id="ask", outcome="escort", when={"escort": {"eq": "none"}})
    explanation, text = explained(Shown(escort=PassClass.RESIDENT), policy(ask, REST))
    assert explanation.ruling.rule == "rest"
    assert "1 ask (escort): no, escort is resident, asked: none" in text
