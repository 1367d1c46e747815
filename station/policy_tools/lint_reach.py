"""Checks by reasoning over all facts: rules that never decide, facts that no rule covers, rules that contradict."""

from __future__ import annotations

from collections.abc import Iterator

from station.core.model import Outcome
from station.policy_tools.course import ESCORT, TEMPERATURE
from station.policy_tools.findings import Finding, error, note
from station.policy_tools.layout import Layout, as_rule
from station.policy_tools.space import Box, TooHardError
from station.policy_tools.words import say_list, say_rule

_TOO_HARD = "this could not be decided in reasonable time; split the rule or ask about fewer facts"


def never_decides(layout: Layout) -> Iterator[Finding]:
    """Find rules that can never fire, and say which earlier ones stand in their way."""
    for number, rule in enumerate(layout.policy.rules):
        if layout.has_passed(number):
            continue
        try:
            if layout.fires(number) is None:
                yield error("unreachable", rule.id, f"it can never fire: {_why(layout, number)}")
        except TooHardError:
            yield note("undecided", rule.id, _TOO_HARD)


def _why(layout: Layout, number: int) -> str:
    example = layout.holds(number)
    if example is None:
        return f"its conditions never hold together{_hint(layout, number)}"
    winner = layout.first_at(example)
    if winner is None or winner >= number:
        return f"its conditions hold only where nobody comes to{_hint(layout, number)}"
    facts = [c.fact for n in (number, winner) for c in layout.policy.rules[n].conditions]
    first = say_rule(layout.policy.rules[winner])
    earlier = [layout.policy.rules[n].id for n in _covering(layout, number)]
    together = f"; {say_list(earlier, 'and')} leave nothing of it" if len(earlier) > 1 else ""
    return f"{first} comes first, for example where {layout.say(example, *facts)}{together}"


def _hint(layout: Layout, number: int) -> str:
    rules = layout.policy.rules
    if layout.asks(number, TEMPERATURE) and not any(rule.outcome is Outcome.MEASURE for rule in rules):
        return ": no rule says measure, so that no temperature is ever known"
    if layout.asks(number, ESCORT) and not any(rule.outcome is Outcome.ESCORT for rule in rules):
        return ": no rule says escort, so that there is never a second pass"
    if layout.asks(number, "quota"):
        return ": no quota counts for this class in this direction"
    return ""


def _covering(layout: Layout, number: int) -> list[int]:
    """Return the earlier rules that together cover a rule, none of which could be left out."""
    needed = list(range(number))
    if layout.space.outside(layout.boxes[number], [*layout.never, *layout.boxes[:number]]) is not None:
        return []
    for left_out in range(number):
        fewer = [n for n in needed if n != left_out]
        if layout.space.outside(layout.boxes[number], [*layout.never, *(layout.boxes[n] for n in fewer)]) is None:
            needed = fewer
    return needed


def never_open(layout: Layout) -> Iterator[Finding]:
    """Find schedules whose conditions never hold together."""
    for schedule in layout.policy.schedules:
        try:
            if layout.space.outside(layout.space.box(as_rule(schedule)), layout.never) is None:
                yield error("never-open", schedule.id, "this schedule's conditions never hold together")
        except TooHardError:
            yield note("undecided", schedule.id, _TOO_HARD)


def uncovered(layout: Layout) -> Iterator[Finding]:
    """Find facts for which no rule fires."""
    try:
        example = layout.fires(None)
    except TooHardError:
        yield note("undecided", "", f"whether every case has a rule: {_TOO_HARD}")
        return
    if example is not None:
        case = layout.say(layout.widened(example))
        text = f"no rule decides where {case}; write one for the rest, with `when = {{}}`, as the last"
        yield error("uncovered", "", text)


def overlaps(layout: Layout) -> Iterator[Finding]:
    """Note where two rules with different outcomes both hold and neither is an exception from the other."""
    rules = layout.policy.rules
    for number, rule in enumerate(rules):
        lost, example = [], ""
        for later in range(number + 1, len(rules)):
            if not _contradict(rule.outcome, rules[later].outcome) or _one_within_other(layout, number, later):
                continue
            try:
                both = layout.fires(number, layout.boxes[later])
            except TooHardError:
                continue
            if both is not None:
                lost.append(say_rule(rules[later]))
                facts = [c.fact for n in (number, later) for c in rules[n].conditions]
                example = example or f"{rules[later].id} where {layout.say(both, *facts)}"
        if lost:
            text = f"its {rule.outcome} wins over {say_list(lost, 'and')}; for example over {example}"
            yield note("overlap", rule.id, text)


def _contradict(winner: Outcome, loser: Outcome) -> bool:
    """Say whether it matters which comes first: who is refused is not measured, and measuring decides nothing."""
    if winner is Outcome.MEASURE or (loser is Outcome.MEASURE and winner is not Outcome.GRANT):
        return False
    return winner is not loser


def _one_within_other(layout: Layout, one: int, other: int) -> bool:
    return _within(layout, one, other) or _within(layout, other, one)


def _within(layout: Layout, inner: int, outer: int) -> bool:
    box: Box = layout.boxes[inner]
    return all(not box.get(fact, layout.space.full[fact]) & ~mask for fact, mask in layout.boxes[outer].items())
