"""Why a presentation is decided as it is: the station's own checks, each rule up to the one that fires, the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from station.core.decide import decide, setting_of
from station.core.facts import FACTS, MEMORY_FACTS, Facts, Presented, Site, observe, word
from station.core.model import LANGUAGES, ClockState, Credential, Decision, Instant, Status, Text
from station.core.policy import Policy, Rule
from station.core.ruling import NO_RULE, Ruling, rule_on
from station.core.status import StatusList
from station.policy_tools.words import say_condition, say_moment, say_rule, say_value
from station.wording import reason, text

WIDTH = 9
FIELD = {"class": "pass_class"}
"""Facts whose name in `Facts` is not the one that rules use."""


@dataclass(frozen=True, slots=True)
class Case:
    """One presentation. `assumed`: facts, by the names rules use, that are taken instead of what was observed."""

    credential: Credential
    presented: Presented
    site: Site
    policy: Policy | None
    statuses: StatusList | None
    now: Instant
    assumed: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What decided. `facts`: None where a check of the station did, before any rule was asked."""

    case: Case
    ruling: Ruling
    facts: Facts | None
    fired: Rule | None


def explain(case: Case) -> Explanation:
    """Decide about a presentation as the station would, and keep what it went by."""
    policy, now = case.policy, case.now
    decision = decide(case.credential, case.presented, case.site, policy, case.statuses, now)
    if policy is None or (decision.rule.startswith("check:") and decision.rule != NO_RULE):
        return Explanation(case, _as_ruling(decision), None, None)
    setting = setting_of(case.credential, case.site, policy, case.statuses)
    seen = observe(case.credential, _status(case), case.presented, case.site, setting, now)
    facts = replace(seen, **{FIELD.get(name, name): value for name, value in case.assumed.items()})  # type: ignore[arg-type]
    fired, ruling = rule_on(facts, policy, now.seconds, can_measure=case.site.can_measure)
    return Explanation(case, ruling, facts, fired)


def _status(case: Case) -> Status:
    index = case.credential.status_index
    found = case.statuses.lookup(case.credential.kid, index) if case.statuses and index is not None else None
    return found or Status.OK


def _as_ruling(decision: Decision) -> Ruling:
    return Ruling(decision.outcome, decision.reason, decision.rule, decision.say, decision.local)


# --- in words --------------------------------------------------------------------------------------------------------


def lines(explanation: Explanation) -> Iterator[str]:
    """Yield an explanation line by line."""
    case = explanation.case
    holder, site = case.credential, case.site
    yield _line("pass", f"{holder.cti.hex()}, {word(holder.pass_class)} of {holder.home_zone}")
    calendar = case.policy.calendar if case.policy else None
    at = "unknown" if case.now.state is ClockState.LOST else say_moment(case.now.seconds, calendar)
    yield _line("at", f"{at}{' local time' if calendar else ''}, gate {site.gate}, direction {site.direction}")
    if explanation.facts is None:
        yield _line("check", f"{explanation.ruling.rule} decides; no rule is asked")
    else:
        yield _line("check", "clock, live code, validity, gate, direction and status let the rules decide")
        yield from _facts(explanation.facts, case.assumed)
        if case.policy and case.policy.by_memory and not MEMORY_FACTS & set(case.assumed):
            yield _line("", "earlier passages are not looked up; assume them, such as --fact passback=violation")
        yield from _rules(explanation)
    yield from _outcome(explanation.ruling, explanation.fired)


def _facts(facts: Facts, assumed: Mapping[str, object]) -> Iterator[str]:
    for number, (name, info) in enumerate(FACTS.items()):
        mark = " (assumed)" if name in assumed else ""
        yield _line("" if number else "facts", f"{name:20} {say_value(name, info.read(facts))}{mark}")


def _rules(explanation: Explanation) -> Iterator[str]:
    policy, facts, seconds = explanation.case.policy, explanation.facts, explanation.case.now.seconds
    assert policy is not None and facts is not None  # noqa: S101, PT018 - for the type checker
    yield _line("rules", f"{len(policy.rules)} rules, policy {policy.version or 'not signed yet'}")
    for number, rule in enumerate(policy.rules, 1):
        if rule is explanation.fired:
            yield _line("", f"{number:3} {say_rule(rule)}: FIRES ({rule.describe['en']})")
            left = len(policy.rules) - number
            if left:
                yield _line("", f"    the {left} below are not asked")
            return
        yield _line("", f"{number:3} {say_rule(rule)}: no, {_why_not(rule, facts, seconds)}")
    yield _line("", "    no rule fires")


def _why_not(rule: Rule, facts: Facts, seconds: int) -> str:
    if not rule.in_time(seconds):
        if seconds < rule.valid_from:
            return f"it begins at {say_moment(rule.valid_from)}"
        return f"it ended at {say_moment(rule.valid_to)}"
    return "; ".join(
        f"{unmet.fact} is {say_value(unmet.fact, FACTS[unmet.fact].read(facts))}, asked: {say_condition(unmet)}"
        for unmet in rule.unmet(facts)
    )


def _outcome(ruling: Ruling, fired: Rule | None) -> Iterator[str]:
    yield _line("outcome", f"{ruling.outcome}, reason {ruling.reason}, rule {ruling.rule}")
    if fired is not None and (ruling.outcome, ruling.reason) != (fired.outcome, fired.reason):
        yield _line("", f"the rule says {fired.outcome}: {_instead(ruling)}")
    elif ruling.local:
        yield _line("", "marked as local knowledge: the site's other gates have not been heard from")
    said: Text = reason(ruling.reason)
    step = ruling.say or text(f"reason-{ruling.reason}", "next")
    for number, language in enumerate(LANGUAGES):
        yield _line("" if number else "read", f"{said[language]} / {step[language]}")


def _instead(ruling: Ruling) -> str:
    if ruling.local:
        return "but the site's other gates have not been heard from, so the guard decides"
    return "but the temperature cannot be taken, or the sensor failed, which is held against nobody"


def _line(name: str, value: str) -> str:
    return f"{name:{WIDTH}} {value}"
