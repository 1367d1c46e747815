"""What a simulation found, line by line: whose outcome changes, whose may, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from station.core.calendar import Calendar
from station.core.facts import word
from station.policy_tools.simulate import Effect, Result, unknown_facts
from station.policy_tools.words import say_list, say_moment


def report(results: Iterable[Result], calendar: Calendar) -> Iterator[str]:
    """Yield a line for each decision that changes or may, then the totals. `calendar`: whose local time is shown."""
    every = list(results)
    for result in every:
        if result.effect is not Effect.STAYS:
            yield _line(result, calendar)
    yield from _totals(every)


def _line(result: Result, calendar: Calendar) -> str:
    past = result.past
    holder = past.cti.hex() if past.cti else "-"
    kind = word(past.pass_class) if past.pass_class else "-"
    head = f"seq {past.seq}  {say_moment(past.wall_us // 1_000_000, calendar)}  {holder}  {kind}  {past.direction}"
    found = say_list(sorted(f"{outcome}/{rule}" for outcome, rule in result.found))
    depends = f" (depends on {', '.join(sorted(result.depends))})" if result.depends else ""
    return f"{head}  {result.effect}: {past.outcome}/{past.rule} -> {found}{depends}"


def _totals(results: list[Result]) -> Iterator[str]:
    effects = Counter(result.effect for result in results)
    said = ", ".join(f"{effects[effect]} {words}" for effect, words in _EFFECTS.items())
    yield f"{len(results)} decisions: {said}"
    moves = Counter(move for result in results if (move := _move(result)))
    for (before, after), count in sorted(moves.items()):
        yield f"  {count} {before} -> {after}"
    other_rule = sum(result.effect is Effect.STAYS and not _by_same_rule(result) for result in results)
    if other_rule:
        yield f"  {other_rule} of those that stay are decided by another rule"
    if missing := unknown_facts(results):
        yield f"not known of these decisions, as the journal does not tell: {', '.join(missing)}"
    if any(result.past.policy == 0 for result in results):
        yield "decisions before the first policy of this journal are judged without knowing why they were made"


_EFFECTS = {Effect.STAYS: "stay", Effect.CHANGES: "change", Effect.MAY_CHANGE: "may change"}


def _move(result: Result) -> tuple[str, str] | None:
    if result.effect is not Effect.CHANGES:
        return None
    return result.past.outcome, say_list(sorted({str(outcome) for outcome, _ in result.found}))


def _by_same_rule(result: Result) -> bool:
    return {rule for _, rule in result.found} == {result.past.rule}
