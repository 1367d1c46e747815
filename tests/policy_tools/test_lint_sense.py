"""What belongs together in a policy: each mistake in a small policy that has only this one, and the policy mended."""

from __future__ import annotations

import pytest

from station.policy_tools.findings import Severity
from tests.core.issuing import ZONE, rule
from tests.policy_tools.linting import BANDS, REST, SAY, deny, found, measuring, only
from tests.policy_tools.presenting import USUAL

WORDS = {"zh": "限额", "en": "a quota"}
QUOTA = {"id": "q", "direction": "out", "passages": 1, "days": 2, "describe": WORDS}
USED = deny("used", {"direction": {"eq": "out"}, "quota": {"eq": "used"}})


def codes(*rows: object, **changes: object) -> set[str]:
    """Return the kinds of mistake and doubt that are found."""
    return {one.code for one in found(*rows, **changes) if one.severity is not Severity.NOTE}


@pytest.mark.parametrize("band", BANDS)
def test_a_band_that_nobody_looks_at(band):
    """Who measures and then lets in a band with a rule that does not ask for it, is told which."""
    others = [other for other in BANDS if other != band]
    finding = only("band-ignored", *measuring(*others), REST)
    assert finding.rule == "measure"
    assert f"rest lets in who is {band};" in finding.text
    assert not codes(*measuring(*BANDS), REST)


def test_the_rule_that_measures_in_vain_is_named():
    """Of two rules that measure, the one whose people are let in whatever was found is named, and not the other."""
    rows = measuring(*BANDS)
    for row in rows:
        row["when"] = {**row["when"], "direction": {"eq": "in"}}
    leaving = {"direction": {"eq": "out"}, "temperature": {"eq": "not-measured"}}
    rows.append(rule(id="measure-out", outcome="measure", when=leaving))
    assert only("band-ignored", *rows, REST).rule == "measure-out"


@pytest.mark.parametrize("band", BANDS)
def test_a_band_that_a_rule_about_something_else_refuses(band):
    """Rules older than a band let in the normal and refuse the rest: who has the new band is refused by the way."""
    others = [other for other in BANDS if other != band]
    normal = rule(id="normal", when={"temperature": {"eq": "normal"}})
    finding = only("band-unforeseen", *measuring(*others), normal, deny("rest", {}))
    assert finding.rule == "measure"
    assert f"rest refuses who is {band} without" in finding.text
    assert not codes(*measuring(*BANDS), normal, deny("rest", {}))


def test_a_refusal_whatever_was_measured_is_no_oversight():
    """A rule that refuses the normal as well was not forgotten: it has nothing to do with temperatures."""
    residents = rule(id="residents", when={"class": {"eq": "resident"}})
    assert "band-unforeseen" not in codes(*measuring(*BANDS), residents, deny("rest", {}))


def test_measuring_again_and_again():
    """A rule that would measure who was measured is told to ask for not-measured."""
    careless = rule(id="measure", outcome="measure", when={"direction": {"eq": "in"}})
    finding = only("measures-again", *measuring(*BANDS)[:-1], careless, REST)
    assert "not-measured" in finding.text


def test_a_second_pass_that_helps_nobody():
    """A rule that says escort whatever the second pass is, never lets anybody in."""
    endless = rule(id="ask", outcome="escort", when={"class": {"eq": "visitor"}})
    assert only("escort-helps-nobody", endless, REST).rule == "ask"
    helped = rule(id="with", when={"class": {"eq": "visitor"}, "escort": {"eq": "resident"}})
    assert not codes(helped, endless, REST)


def test_a_quota_that_no_rule_asks_about():
    """A quota that counts for nothing is told, also where rules ask about others only."""
    assert "quota q counts" in only("quota-unused", REST, quotas=[QUOTA]).text
    inward = QUOTA | {"id": "in", "direction": "in"}
    assert "quota in counts" in only("quota-unused", USED, REST, quotas=[QUOTA, inward]).text
    assert not codes(USED, REST, quotas=[QUOTA])
    visitors = deny("used", {"quota": {"eq": "used"}, "class": {"eq": "visitor"}})
    workers = QUOTA | {"classes": ["worker"]}
    assert "quota-unused" in codes(visitors, REST, quotas=[workers])


def test_rules_about_a_quota_that_is_not_there():
    """Asking about a quota where none is defined is told, and that the rule can never fire."""
    assert codes(USED, REST) == {"quota-missing", "unreachable"}


def test_rules_that_ended_or_begin_later():
    """What has ended is a doubt; what begins later or has an end is noted, in the policy's local time."""
    ended = only("ended", deny("x", {"class": {"eq": "medic"}}, to=USUAL - 60), REST)
    assert "2026-03-04 09:59:00" in ended.text
    later = {"from": USUAL + 60, "to": USUAL + 120}
    begins = only("begins-later", deny("x", {"class": {"eq": "medic"}}, **later), REST)
    assert "2026-03-04 10:01:00, until 2026-03-04 10:02:00" in begins.text
    assert only("ends", deny("x", {"class": {"eq": "medic"}}, to=USUAL + 60), REST).severity is Severity.NOTE


def test_a_calendar_of_last_year():
    """A list of days that ends in the past is noted with its last day; one that goes on is not."""
    assert "2026-03-03" in only("calendar-past", REST, holidays=["2026-01-01", "2026-03-03"]).text
    assert not found(REST, holidays=["2026-01-01"], workdays=["2026-03-04"])


def test_risks_and_levels():
    """Rules about risks need [risks] and the reverse; a level that no zone has is noted."""
    high = deny("high", {"home_risk": {"eq": "high"}})
    assert only("risks-missing", high, REST).text.endswith("home_risk: high")
    assert only("risks-unused", REST, risks={"32": "high"}).severity is Severity.WARNING
    assert not codes(high, REST, risks={"32": "high"})
    shut = deny("shut", {"zone_level": {"eq": "control"}})
    assert only("level-unused", shut, REST).text.endswith("now: shut")
    assert not found(shut, REST, zones={ZONE: "control"})


def test_refusals_by_time_while_the_clock_is_lost():
    """Where phones are judged without a clock, refusals by time need a rule about the clock beside them."""
    night = deny("night", {"minute_of_day": {"lt": 360}})
    nonce = {"degraded": {"clock": "nonce"}}
    assert only("clock-forgotten", night, REST, **nonce).text.endswith("then: night")
    assert not codes(night, REST)
    asks = rule(id="lost", outcome="refer", reason="clock-lost", when={"clock": {"eq": "lost"}})
    assert not codes(asks, night, REST, **nonce)


def test_old_tests_and_passes_without_a_code():
    """A rule about the age of the code does not touch passes without one: somebody must have thought of them."""
    old = deny("old", {"health_age_days": {"gt": 3}}, reason="test-due")
    assert only("health-forgotten", old, REST).text.endswith("code: old")
    assert not codes(deny("none", {"health": {"eq": "none"}}), old, REST)


def test_what_memory_decides_is_noted():
    """Refusals that depend on other gates' passages are noted, as the guard decides while those are not heard."""
    twice = deny("twice", {"passback": {"eq": "violation"}}, reason="passback", say=SAY)
    assert only("by-memory", twice, REST).text.endswith("from: twice")
