"""Checks of what belongs together: measuring and its bands, escorts, quotas, times, levels, the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from station.core.facts import MEMORY_FACTS, word
from station.core.model import Band, Outcome, PassClass
from station.core.policy import FOREVER, Degraded, Rule
from station.core.reasons import Matter
from station.policy_tools.course import TEMPERATURE, Stage
from station.policy_tools.findings import Finding, note, warning
from station.policy_tools.layout import Layout
from station.policy_tools.words import say_list, say_moment

_TIME_FACTS = ("minute_of_day", "weekday", "day", "health_age_days", *sorted(MEMORY_FACTS - {"passback"}))
_NOT_SOUND = (Band.RAISED, Band.COLD, Band.TOO_FAR, Band.NO_READING, Band.OUT_OF_RANGE, Band.FAULT)


def measured(layout: Layout) -> Iterator[Finding]:
    """Find temperatures that are taken and then not looked at, and rules that would measure again."""
    rules = layout.policy.rules
    grants = [n for n, r in enumerate(rules) if r.outcome is Outcome.GRANT and not layout.asks(n, TEMPERATURE)]
    for number in _having(layout, Outcome.MEASURE):
        ignored: dict[str, list[str]] = {}
        for stage in map(Stage, _NOT_SOUND):
            for grant in grants:
                if layout.fires(grant, stages=[stage], after=number):
                    ignored.setdefault(rules[grant].id, []).append(stage.temperature)
        for grant_id, bands in ignored.items():
            text = f"of those it measures, {grant_id} lets in who is {say_list(bands)}; write rules above it"
            yield warning("band-ignored", rules[number].id, text)
        again = next((e for stage in layout.bands() if (e := layout.fires(number, stages=[stage]))), None)
        if again:
            text = f'it would measure again where {layout.say(again)}; add temperature = {{ eq = "not-measured" }}'
            yield warning("measures-again", rules[number].id, text)


def foreseen(layout: Layout) -> Iterator[Finding]:
    """Find bands that no rule names, so that a rule about something else refuses whom it was never meant for."""
    rules = layout.policy.rules
    denies = [n for n, r in enumerate(rules) if r.outcome is Outcome.DENY and not layout.asks(n, TEMPERATURE)]
    for number in _having(layout, Outcome.MEASURE):
        for deny in denies:
            bands = [band for band in _NOT_SOUND if _only_for(layout, deny, band, number)]
            if bands:
                text = f"of those it measures, {rules[deny].id} refuses who is {say_list(bands)} without saying so; "
                yield warning("band-unforeseen", rules[number].id, text + "write a rule for each above it")


def _only_for(layout: Layout, deny: int, band: Band, after: int) -> bool:
    """Say whether a rule refuses somebody with this band whom it would not refuse with a normal temperature."""
    found = layout.fires(deny, stages=[Stage(band)], after=after)
    return found is not None and layout.fires(deny, found.box, stages=[Stage(Band.NORMAL)], after=after) is None


def escorted(layout: Layout) -> Iterator[Finding]:
    """Find rules that ask for a second pass which then makes nothing better."""
    helping = [n for n, rule in enumerate(layout.policy.rules) if rule.outcome in (Outcome.GRANT, Outcome.MEASURE)]
    with_second = [stage for stage in layout.stages if stage.escort != "none"]
    for number in _having(layout, Outcome.ESCORT):
        if not any(layout.fires(n, stages=with_second, after=number) for n in helping):
            text = 'no second pass makes it good; add escort = { eq = "none" }, and a rule for who comes along'
            yield warning("escort-helps-nobody", layout.policy.rules[number].id, text)


def quotas(layout: Layout) -> Iterator[Finding]:
    """Find quotas that no rule asks about, and rules that ask where none counts."""
    asking = layout.numbers("quota")
    for quota in layout.policy.quotas:
        kinds = layout.words("class", *map(word, quota.classes or PassClass))
        place = {**layout.words("direction", quota.direction), **kinds}
        if not any(layout.space.meet(layout.boxes[n], place) is not None for n in asking):
            yield warning("quota-unused", "", f"quota {quota.id} counts, but no rule asks about it")
    if asking and not layout.policy.quotas:
        text = f"[[quotas]] names none, but these rules ask about one: {_ids(layout, asking)}"
        yield warning("quota-missing", "", text)


def times(layout: Layout) -> Iterator[Finding]:
    """Tell which rules have ended or are still to begin."""
    calendar = layout.policy.calendar
    for number, rule in enumerate(layout.policy.rules):
        if layout.has_passed(number):
            yield warning("ended", rule.id, f"it ended at {say_moment(rule.valid_to, calendar)}; take it out")
        elif rule.valid_from > _now(layout):
            until = f", until {say_moment(rule.valid_to, calendar)}" if rule.valid_to < FOREVER else ""
            yield note("begins-later", rule.id, f"it begins at {say_moment(rule.valid_from, calendar)}{until}")
        elif rule.valid_to < FOREVER:
            yield note("ends", rule.id, f"it ends at {say_moment(rule.valid_to, calendar)}")


def calendar(layout: Layout) -> Iterator[Finding]:
    """Tell when the list of holidays and make-up workdays ends before now."""
    days = layout.policy.calendar.holidays | layout.policy.calendar.workdays
    if days and max(days) < layout.policy.calendar.local(_now(layout))[0]:
        last = date.fromordinal(date(1970, 1, 1).toordinal() + max(days))
        yield note("calendar-past", "", f"holidays and workdays name no day after {last}; put in the next year's")


def _now(layout: Layout) -> int:
    return int(layout.space.cells["moment"][0].low)


def places(layout: Layout) -> Iterator[Finding]:
    """Tell which levels and risks rules ask for that no place has, and which places no rule asks for."""
    policy = layout.policy
    if (asking := layout.numbers("home_risk")) and not policy.risks:
        text = (
            f'[risks] names no area, so that each is "unknown"; rules that ask about home_risk: {_ids(layout, asking)}'
        )
        yield warning("risks-missing", "", text)
    if policy.risks and not asking:
        yield warning("risks-unused", "", "[risks] names areas, but no rule asks about home_risk")
    present = {"open", *policy.zones.values()}
    sleeping = [n for n in layout.numbers("zone_level") if not _at_levels(layout, n, present)]
    if sleeping:
        text = f"rules for a zone level that [zones] gives to no zone now: {_ids(layout, sleeping)}"
        yield note("level-unused", "", text)


def _at_levels(layout: Layout, number: int, levels: set[str]) -> bool:
    return layout.space.meet(layout.boxes[number], layout.words("zone_level", *levels)) is not None


def clock(layout: Layout) -> Iterator[Finding]:
    """Find rules that fall silent without a clock where the policy goes on deciding then."""
    if layout.policy.when(Matter.CLOCK) is not Degraded.NONCE or layout.numbers("clock"):
        return
    refusing = [n for n in layout.numbers(*_TIME_FACTS) if _refuses(layout.policy.rules[n])]
    if refusing:
        text = (
            "while the clock is lost, phones that sign the number are still judged, and times have no value; write a "
            f"rule that asks about clock; these cannot hold then: {_ids(layout, refusing)}"
        )
        yield warning("clock-forgotten", "", text)


def health(layout: Layout) -> Iterator[Finding]:
    """Find rules about the age of a health code where passes without one were not thought of."""
    refusing = [n for n in layout.numbers("health_age_days") if _refuses(layout.policy.rules[n])]
    none = layout.words("health", "none")["health"]
    full = layout.space.full["health"]
    thought_of = any(mask != full and mask & none for box in layout.boxes if (mask := box.get("health", full)))
    if refusing and not thought_of:
        text = f"write a rule for health = none; these cannot hold for passes without a code: {_ids(layout, refusing)}"
        yield warning("health-forgotten", "", text)


def alone(layout: Layout) -> Iterator[Finding]:
    """Tell what happens to rules about earlier passages while the site's other gates are not heard from."""
    asking = [n for n in layout.numbers(*MEMORY_FACTS) if layout.policy.rules[n].outcome is Outcome.DENY]
    if asking:
        text = (
            f"these refer to the guard while other gates of the site have not been heard from: {_ids(layout, asking)}"
        )
        yield note("by-memory", "", text)


def _refuses(rule: Rule) -> bool:
    return rule.outcome in (Outcome.DENY, Outcome.REFER)


def _having(layout: Layout, outcome: Outcome) -> list[int]:
    return [n for n, rule in enumerate(layout.policy.rules) if rule.outcome is outcome]


def _ids(layout: Layout, numbers: list[int]) -> str:
    return say_list([layout.policy.rules[n].id for n in numbers], "and")
