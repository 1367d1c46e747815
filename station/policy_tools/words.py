"""Boxes, conditions, rules and times in words, for technicians."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from station.core.calendar import Calendar
from station.core.facts import FACTS
from station.core.matching import Condition
from station.core.policy import FOREVER, Rule
from station.policy_tools.space import MOMENT, Box, Cell, Space

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OPERATORS = {
    "eq": "{}",
    "ne": "not {}",
    "lt": "less than {}",
    "le": "at most {}",
    "gt": "more than {}",
    "ge": "at least {}",
    "between": "from {} to before {}",
    "in": "one of {}",
    "not_in": "none of {}",
}


def say_value(fact: str, value: object) -> str:
    """Return one value of a fact as people write it."""
    if value is None:
        return "without a value"
    if fact == "minute_of_day" and isinstance(value, int):
        return f"{value // 60:02}:{value % 60:02}"
    if fact == "weekday" and isinstance(value, int):
        return _WEEKDAYS[value - 1]
    return say_moment(value) if fact == MOMENT and isinstance(value, int) else str(value)


def say_moment(seconds: int, calendar: Calendar | None = None) -> str:
    """Return a moment, in a policy's local time or in UTC."""
    if seconds >= FOREVER:
        return "for ever"
    offset = calendar.utc_offset_minutes if calendar else 0
    text = datetime.fromtimestamp(seconds + 60 * offset, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return text if calendar else f"{text} UTC"


def say_condition(condition: Condition) -> str:
    """Return what a condition asks for, without the fact's name."""
    operand: Any = condition.operand
    if condition.operator == "between":
        return _OPERATORS["between"].format(*(say_value(condition.fact, end) for end in operand))
    shown = sorted(operand, key=str) if isinstance(operand, frozenset) else [operand]
    return _OPERATORS[condition.operator].format(", ".join(say_value(condition.fact, value) for value in shown))


def say_box(space: Space, box: Box, besides: Mapping[str, str] | None = None) -> str:
    """Return a box in words. `besides`: facts that stand fixed outside it."""
    parts = [f"{fact} is {say_value(fact, value)}" for fact, value in (besides or {}).items()]
    order = [*FACTS, MOMENT]
    parts += [
        _say_mask(space, fact, box[fact]) for fact in sorted(box, key=order.index) if box[fact] != space.full[fact]
    ]
    return ", ".join(parts) or "any facts"


def _say_mask(space: Space, fact: str, mask: int) -> str:
    cells = [cell for number, cell in enumerate(space.cells[fact]) if mask >> number & 1]
    if len(cells) == 1:
        return f"{fact} is {_say_cell(fact, cells[0])}"
    words = [_say_cell(fact, cell) for cell in _joined(cells)]
    left_out = [cell for number, cell in enumerate(space.cells[fact]) if not mask >> number & 1]
    if 0 < len(left_out) < len(words):
        return f"{fact} is not {say_list([_say_cell(fact, cell) for cell in _joined(left_out)])}"
    return f"{fact} is {say_list(words)}"


def _joined(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Join ranges that follow one another."""
    held: Cell | None = None
    for cell in cells:
        if held is not None and isinstance(held.high, int) and cell.low == held.high + 1:
            held = Cell(held.low, cell.high)
            continue
        if held is not None:
            yield held
        held = cell
    if held is not None:
        yield held


def _say_cell(fact: str, cell: Cell) -> str:
    if cell.low == cell.high:
        return say_value(fact, cell.low)
    if fact == MOMENT and cell.high >= FOREVER:
        return f"{say_value(fact, cell.low)} or later"
    bounds = FACTS[fact].bounds if fact in FACTS else None
    if bounds and cell.high > bounds[1]:
        return f"{say_value(fact, cell.low)} or more"
    return f"{say_value(fact, cell.low)} to {say_value(fact, cell.high)}"


def say_list(words: Collection[str], last: str = "or") -> str:
    """Return words joined as in a sentence."""
    listed = list(words)
    return f" {last} ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)


def say_rule(rule: Rule) -> str:
    """Return a rule by its id, with what it says."""
    return f"{rule.id} ({rule.outcome})"
