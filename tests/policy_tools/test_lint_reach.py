"""Rules that never fire, gaps, and contradictions: found exactly, with an example that is true."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.matching import Condition
from station.core.model import Outcome
from station.core.policy import Policy, Rule
from station.core.reasons import Reason
from station.policy_tools import space as spaces
from station.policy_tools.findings import Severity
from station.policy_tools.layout import Layout
from station.policy_tools.lint_reach import never_decides, uncovered
from tests.core.issuing import rule
from tests.policy_tools.linting import BANDS, REST, deny, found, measuring, only, policy
from tests.policy_tools.many_policies import WORDS
from tests.policy_tools.presenting import USUAL, Shown

# --- never fires -----------------------------------------------------------------------------------------------------


def test_a_rule_below_a_wider_one_never_fires():
    """A rule whose every case an earlier one takes is an error that names the earlier one and a case."""
    finding = only(
        "unreachable",
        deny("all-out", {"direction": {"eq": "out"}}),
        rule(id="medics", when={"direction": {"eq": "out"}, "class": {"eq": "medic"}}),
        REST,
    )
    assert finding.rule == "medics"
    assert finding.severity is Severity.ERROR
    assert "all-out (deny) comes first, for example where direction is out, class is medic" in finding.text


def test_several_rules_together_can_shadow_one():
    """No single earlier rule covers it, but two do, and only those two are named."""
    early = deny("early", {"minute_of_day": {"lt": 600}})
    late = deny("late", {"minute_of_day": {"ge": 540}})
    aside = deny("aside", {"class": {"eq": "visitor"}, "direction": {"eq": "in"}, "minute_of_day": {"lt": 1}})
    finding = next(f for f in found(early, late, aside, REST) if f.rule == "rest")
    assert finding.code == "unreachable"
    assert "early and late leave nothing of it" in finding.text


def test_a_rule_that_a_minute_is_left_of_fires():
    """One minute that no earlier rule takes is enough."""
    early = deny("early", {"minute_of_day": {"lt": 600}})
    late = deny("late", {"minute_of_day": {"gt": 600}})
    assert not [f for f in found(early, late, REST) if f.code == "unreachable"]


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ({"weekday": {"ge": 3, "le": 2}}, "never hold together"),
        ({"status": {"eq": "revoked"}}, "never hold together"),
        ({"health": {"eq": "none"}, "health_age_days": {"ge": 0}}, "never hold together"),
        ({"passback": {"eq": "unknown"}, "away_minutes": {"gt": 5}}, "never hold together"),
        ({"day": {"eq": "holiday"}}, "never hold together"),
        ({"clock": {"eq": "lost"}}, "never hold together"),
        ({"quota": {"eq": "used"}}, "no quota counts for this class in this direction"),
        ({"temperature": {"eq": "raised"}}, "no rule says measure"),
        ({"escort": {"eq": "resident"}}, "no rule says escort"),
    ],
    ids=str,
)
def test_conditions_that_never_meet_are_told_with_the_cause(when, says):
    """What contradicts itself, or asks for what this policy can never bring about, is told as that."""
    finding = next(f for f in found(deny("odd", when), REST) if f.code == "unreachable")
    assert finding.rule == "odd"
    assert says in finding.text


def test_a_holiday_can_be_where_one_is_listed():
    """The calendar of the policy decides which days can be: a listed holiday, and the weekday it falls on."""
    holiday = deny("closed", {"day": {"eq": "holiday"}})
    monday = deny("monday", {"day": {"eq": "holiday"}, "weekday": {"eq": 1}})
    listed = {"holidays": ["2026-05-01"]}  # a Friday
    assert [f.rule for f in found(holiday, REST, **listed) if f.code == "unreachable"] == []
    assert [f.rule for f in found(monday, REST, **listed) if f.code == "unreachable"] == ["monday"]


def test_a_temperature_is_known_only_of_who_is_measured():
    """A rule about the temperature of people whom no rule measures never fires, though others are measured."""
    rows = [*measuring(*BANDS), REST]
    leaving = deny("leaving-warm", {"direction": {"eq": "out"}, "temperature": {"eq": "raised"}})
    finding = next(f for f in found(leaving, *rows) if f.code == "unreachable")
    assert finding.rule == "leaving-warm"
    assert "only where nobody comes to" in finding.text


def test_a_second_pass_is_there_only_where_one_was_asked_for():
    """After "escort" the rules about the second pass can fire, for those alone who were asked for one."""
    ask = rule(id="ask", outcome="escort", when={"class": {"eq": "visitor"}, "escort": {"eq": "none"}})
    good = rule(id="good", when={"class": {"eq": "visitor"}, "escort": {"eq": "resident"}})
    idle = deny("idle", {"class": {"eq": "worker"}, "escort": {"eq": "resident"}})
    assert [f.rule for f in found(ask, good, idle, REST) if f.code == "unreachable"] == ["idle"]


def test_who_was_measured_can_be_told_to_bring_somebody():
    """Where the rule that says escort looks at the temperature first, the rules about the second pass fire after it."""
    ask = rule(id="ask", outcome="escort", when={"temperature": {"eq": "normal"}, "escort": {"eq": "none"}})
    rows = [rule(id="with", when={"escort": {"eq": "resident"}}), ask, *measuring(*BANDS), REST]
    assert not [f for f in found(*rows) if f.code == "unreachable"]
    without = [row for row in rows if row["id"] != "measure"]
    assert {"with", "ask"} <= {f.rule for f in found(*without) if f.code == "unreachable"}


def test_a_schedule_that_never_holds():
    """A schedule for a kind of day that there is not, is an error; one that can hold is none."""
    words = {"zh": "开放", "en": "open"}
    when = {"minute_of_day": {"lt": 600}, "day": {"eq": "holiday"}}
    row = {"id": "fair", "when": when, "describe": words}
    assert only("never-open", REST, hold_open=[row]).rule == "fair"
    assert not found(REST, hold_open=[row], holidays=["2026-05-01"])


def test_rules_that_ended_are_not_called_unreachable():
    """A rule that ended shadows nothing from now on, and is reported as ended only."""
    over = deny("over", {}, to=USUAL - 1)
    codes = {(f.rule, f.code) for f in found(over, REST)}
    assert codes == {("over", "ended")}


def test_a_later_beginning_leaves_the_time_before():
    """A rule below one that begins tomorrow fires until then."""
    tomorrow = deny("tomorrow", {}, **{"from": USUAL + 86_400})
    assert not [f for f in found(tomorrow, REST) if f.code == "unreachable"]


# --- gaps ------------------------------------------------------------------------------------------------------------


def test_a_gap_is_an_error_with_an_example_in_words():
    """What no rule covers is described by the facts that matter, and no others."""
    rows = [
        rule(id="in", when={"direction": {"eq": "in"}}),
        rule(id="residents", when={"class": {"in": ["resident", "worker"]}}),
        rule(id="day", when={"minute_of_day": {"between": [360, 1320]}}),
    ]
    finding = only("uncovered", *rows)
    assert finding.severity is Severity.ERROR
    assert "direction is out" in finding.text
    assert "class is not resident or worker" in finding.text
    assert "minute_of_day is not 06:00 to 21:59" in finding.text
    assert "health" not in finding.text


def test_no_gap_is_reported_where_rules_share_everything_out():
    """A policy without a last rule for the rest has no gap where its rules take every case there can be."""
    rows = [
        rule(id="out", when={"direction": {"eq": "out"}}),
        *measuring(*BANDS),
        rule(id="well", when={"temperature": {"eq": "normal"}}),
    ]
    assert not [f for f in found(*rows) if f.code in ("uncovered", "unreachable")]


def test_a_band_that_no_rule_takes_is_a_gap():
    """The same policy without the rule for a failed sensor has exactly that gap."""
    rows = [
        rule(id="out", when={"direction": {"eq": "out"}}),
        *measuring(*(band for band in BANDS if band != "fault")),
        rule(id="well", when={"temperature": {"eq": "normal"}}),
    ]
    assert "temperature is fault" in only("uncovered", *rows).text


def test_a_gap_between_two_times_of_validity_is_found():
    """A rule that ends a minute before the next begins leaves a gap in that minute."""
    rows = [rule(id="old", to=USUAL + 60), rule(id="new", **{"from": USUAL + 120})]
    finding = next(f for f in found(*rows) if f.code == "uncovered")
    assert "moment is" in finding.text
    rows[1]["from"] = USUAL + 61
    assert not [f for f in found(*rows) if f.code == "uncovered"]


# --- contradictions --------------------------------------------------------------------------------------------------


def test_an_overlap_says_which_rule_wins():
    """Two rules of different outcome that both hold somewhere are noted, the first as the winner, with a case."""
    rows = [deny("at-night", {"minute_of_day": {"lt": 360}}), rule(id="medics", when={"class": {"eq": "medic"}}), REST]
    notes = [f for f in found(*rows) if f.code == "overlap"]
    assert [f.rule for f in notes] == ["at-night"]
    assert "wins over medics (grant)" in notes[0].text
    assert "class is medic, minute_of_day is 00:00 to 05:59" in notes[0].text


def test_exceptions_and_their_general_rule_are_no_overlap():
    """An exception above its general rule is how policies are written, and is not noted."""
    assert not [f for f in found(deny("visitors", {"class": {"eq": "visitor"}}), REST) if f.code == "overlap"]


def test_an_overlap_that_a_third_rule_takes_away_is_not_noted():
    """Where an earlier rule decides all that two others share, they do not contradict each other."""
    first = rule(id="medics-at-night", when={"class": {"eq": "medic"}, "minute_of_day": {"lt": 360}})
    rows = [first, deny("at-night", {"minute_of_day": {"lt": 360}}), rule(id="medics", when={"class": {"eq": "medic"}})]
    assert "overlap" not in [f.code for f in found(*rows, REST) if f.rule == "at-night"]


# --- exactness -------------------------------------------------------------------------------------------------------

_about = {
    "direction": ["in", "out"],
    "class": ["resident", "visitor", "medic"],
    "minute_of_day": [0, 600, 1439],
}
_asked = st.one_of(
    [
        st.builds(Condition, st.just(fact), st.sampled_from(["eq", "ne"]), st.sampled_from(values))
        for fact, values in _about.items()
    ]
    + [st.builds(Condition, st.just("minute_of_day"), st.sampled_from(["lt", "gt"]), st.sampled_from([0, 600, 1439]))]
)
_rows = st.lists(st.lists(_asked, max_size=3), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(_rows)
def test_what_is_found_is_what_trying_everything_finds(rows):
    """Over every direction, class and minute, exactly the rules that never come first are found, and every gap is."""
    rules = tuple(Rule(str(n), 1, tuple(row), Outcome.GRANT, Reason.GRANTED, WORDS) for n, row in enumerate(rows))
    one = Policy(1, rules, {})
    usual = Shown().facts(one)
    classes = ("resident", "visitor", "worker", "returnee", "vehicle", "medic")
    first = {
        one.table.first(replace(usual, direction=way, pass_class=kind, minute_of_day=minute), USUAL)
        for way, kind, minute in itertools.product(("in", "out"), classes, (0, 1, 599, 600, 601, 1438, 1439))
    }
    layout = Layout(one, USUAL)
    assert {f.rule for f in never_decides(layout)} == {rule.id for n, rule in enumerate(rules) if n not in first}
    assert bool(list(uncovered(layout))) == (None in first)


def test_a_policy_beyond_reasoning_is_told_and_is_no_error(monkeypatch):
    """When the steps run out, the finding is a note, never a wrong verdict."""
    monkeypatch.setattr(spaces, "STEPS", 1)
    kinds = [deny(kind, {"class": {"eq": kind}, "minute_of_day": {"lt": 600}}) for kind in ("medic", "worker")]
    layout = Layout(policy(*kinds, REST), USUAL)
    findings = [*never_decides(layout), *uncovered(layout)]
    assert {f.code for f in findings} == {"undecided"}
    assert {f.severity for f in findings} == {Severity.NOTE}
