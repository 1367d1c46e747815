"""What people read: both languages, in their place, and words that are true of everybody who reads them."""

from __future__ import annotations

import pytest

from station.core.reasons import REASONS, Matter, Reason
from station.policy_tools.findings import Severity
from station.policy_tools.lint import check_file
from station.policy_tools.lint_texts import ABOUT, ASKED
from tests.core.issuing import ZONE, rule
from tests.policy_tools.linting import BANDS, REST, SAY, deny, found, measuring, only
from tests.policy_tools.presenting import USUAL

SOURCE = """
utc_offset_minutes = 480
[[rules]]
id = "first"
version = 1
outcome = "deny"
describe = {{ {describe} }}
say = {{ {say} }}
when = {{ class = {{ eq = "medic" }} }}
[[rules]]
id = "rest"
version = 1
outcome = "grant"
describe = {{ zh = "放行", en = "All pass" }}
when = {{}}
"""
BOTH = 'zh = "规定", en = "a rule"'


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"describe": 'zh = "规定"'}, "first: describe has no text in en"),
        ({"describe": 'en = "a rule"'}, "first: describe has no text in zh"),
        ({"describe": ""}, "first: describe has no text in zh and en"),
        ({"say": 'zh = " ", en = "Go."'}, "first: say has no text in zh"),
    ],
    ids=str,
)
def test_a_missing_translation_is_an_error(tmp_path, changes, says):
    """A language that lacks, or is blank, is an error that names the rule and the text."""
    path = tmp_path / "policy.toml"
    path.write_text(SOURCE.format(**{"describe": BOTH, "say": BOTH, **changes}), encoding="utf-8")
    _, findings = check_file(path, USUAL)
    assert [str(f) for f in findings if f.severity is Severity.ERROR] == [f"error translation-missing: {says}"]


def test_every_missing_translation_is_told_at_once(tmp_path):
    """A station stops at the first mistake; the check names them all."""
    path = tmp_path / "policy.toml"
    path.write_text(SOURCE.format(describe='zh = "规定"', say='en = "Go."'), encoding="utf-8")
    policy, findings = check_file(path, USUAL)
    assert policy is None
    assert [f.code for f in findings] == ["translation-missing"] * 2


def test_texts_that_were_not_translated():
    """One text for both languages, or each in the other's place, is told; in rules and quotas alike."""
    same = {"zh": "No entry", "en": "No entry"}
    assert "'No entry'" in only("translation-identical", rule(describe=same)).text
    swapped = {"zh": "No entry", "en": "禁止进入"}
    assert only("translation-swapped", rule(describe=swapped)).rule == "a"
    assert only("translation-swapped", deny("a", {"class": {"eq": "medic"}}, say=swapped), REST).rule == "a"
    mixed = {"zh": "禁止进入", "en": "禁止 entry"}
    assert only("translation-swapped", rule(describe=mixed)).rule == "a"
    schedule = {"id": "s", "when": {"minute_of_day": {"lt": 600}}, "describe": same}
    assert only("translation-identical", REST, hold_open=[schedule]).rule == "s"
    quota = {"id": "q", "direction": "out", "passages": 1, "days": 1, "describe": same}
    assert "translation-identical" in [f.code for f in found(REST, quotas=[quota])]


def when_for(reason: Reason) -> dict[str, object]:
    """Return conditions under which the catalogue's text for a reason is true."""
    asked = {fact: {"in": sorted(values)} for fact, values in ABOUT.get(reason, {}).items()}
    return asked or {fact: {"eq": 3} if fact != "health" else {"eq": "none"} for fact in sorted(ASKED[reason])[:1]}


@pytest.mark.parametrize("reason", [*ABOUT, *ASKED])
def test_a_reason_whose_text_is_not_true_of_all(reason):
    """Without the condition that the text takes for granted, and without words of its own, a rule is told so."""
    outcome = "refer" if REASONS[reason].matter is not Matter.HOLDER else "deny"
    quota = {"id": "q", "direction": "out", "passages": 1, "days": 1, "describe": {"zh": "限额", "en": "a quota"}}
    around = {"zones": {ZONE: "control"}, "quotas": [quota] if reason is Reason.QUOTA_USED else []}
    row = rule(id="x", outcome=outcome, reason=reason.value)
    vague = {"class": {"eq": "medic"}}

    def told(**changes: object) -> list[str]:
        rows = [row | changes, *measuring(*BANDS), REST]
        return [f.text for f in found(*rows, **around) if f.code == "say-missing"]

    assert len(told(when=vague)) == 1
    assert not told(when=vague, say=SAY)
    assert not told(when=when_for(reason))


def test_reasons_that_do_not_say_enough():
    """Being told "the rules do not allow this", or "not at this time", is not enough for somebody who is denied."""
    for reason in ("policy", "outside-hours"):
        row = rule(id="x", outcome="deny", reason=reason, when={"minute_of_day": {"lt": 360}})
        assert only("say-missing", row, REST).rule == "x"
        assert not found(row | {"say": SAY}, REST)


def test_a_quota_per_pass_is_not_the_households():
    """The catalogue speaks of a household; where a quota counts per pass, the rule needs its own words."""
    quota = {"id": "q", "per": "pass", "direction": "out", "passages": 1, "days": 1}
    quota |= {"describe": {"zh": "限额", "en": "a quota"}}
    used = rule(id="used", outcome="deny", reason="quota-used", when={"quota": {"eq": "used"}})
    assert "household" in only("say-missing", used, REST, quotas=[quota]).text


def test_reasons_that_are_the_stations_own():
    """A rule that gives a reason which only the station itself finds, is told to choose another."""
    row = deny("x", {"class": {"eq": "medic"}}, reason="pass-forged")
    assert only("reason-of-station", row, REST).rule == "x"
