"""A policy laid out in its space, and the questions that checks ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from station.core.model import Band, Outcome
from station.core.policy import HoldOpen, Policy, Rule
from station.core.reasons import Reason
from station.policy_tools.course import ESCORT, FIRST, TEMPERATURE, Course, Stage, meets_all
from station.policy_tools.possible import impossible
from station.policy_tools.space import MOMENT, Box, Space
from station.policy_tools.words import say_box

EVERYWHERE: Box = {}


@dataclass(frozen=True, slots=True)
class Example:
    """A box of facts, all of which are alike to the rules in question, at a stage."""

    box: Box
    stage: Stage


class Layout:
    """One policy's rules as boxes, numbered from 0 as in the policy."""

    def __init__(self, policy: Policy, now_s: int) -> None:
        """`now_s`: what was before is not asked about, unsigned seconds."""
        self.policy = policy
        self.space = Space([*policy.rules, *map(as_rule, policy.schedules)], now_s)
        self.course = Course(self.space, policy.rules)
        self.boxes = self.course.boxes
        self.never = impossible(self.space, policy)
        self.stages = self.course.stages()

    def asks(self, number: int, fact: str) -> bool:
        """Say whether a rule asks about a fact."""
        return any(condition.fact == fact for condition in self.policy.rules[number].conditions)

    def numbers(self, *facts: str) -> list[int]:
        """Return the rules that ask about any of some facts."""
        return [n for n in range(len(self.boxes)) if any(self.asks(n, fact) for fact in facts)]

    def words(self, fact: str, *words: str) -> Box:
        """Return the box of some values of a fact."""
        return {fact: self.space.mask(fact, lambda value: value in words)}

    def has_passed(self, number: int) -> bool:
        """Say whether a rule is never valid again."""
        return self.boxes[number].get(MOMENT) == 0

    # --- examples --------------------------------------------------------------------------------------------------

    def fires(
        self,
        number: int | None,
        where: Box = EVERYWHERE,
        stages: Iterable[Stage] | None = None,
        after: int | None = None,
    ) -> Example | None:
        """Return an example in which a rule decides (None: no rule does), None where there is none.

        `after`: the rule that must have fired last before. Raises TooHardError.
        """
        for stage in self.stages if stages is None else stages:
            held = self._within(where, stage)
            for way in self.course.ways(stage) if held is not None else ():
                if after is not None and (not way or way[-1].fires != after):
                    continue
                steps = [*way, self.course.step(number, stage)]
                if (box := meets_all(self.space, steps, held or {}, self.never)) is not None:
                    return Example(box, stage)
        return None

    def holds(self, number: int) -> Example | None:
        """Return an example in which a rule's conditions hold together, whoever decides. Raises TooHardError."""
        box = self.space.outside(self.boxes[number], self.never)
        return None if box is None else self._from_whole(box)

    def bands(self) -> Iterator[Stage]:
        """Yield the stage of each band right after the first measurement."""
        return (Stage(band) for band in Band if band is not Band.NOT_MEASURED)

    def _within(self, where: Box, stage: Stage) -> Box | None:
        if not all(where.get(fact, -1) & cell for fact, cell in self._fixed(stage).items()):
            return None
        return {fact: mask for fact, mask in where.items() if fact not in (TEMPERATURE, ESCORT)}

    def _fixed(self, stage: Stage) -> Mapping[str, int]:
        return {
            TEMPERATURE: self.space.bit(TEMPERATURE, stage.temperature),
            ESCORT: self.space.bit(ESCORT, stage.escort),
        }

    def _from_whole(self, box: Box) -> Example:
        band, second = (self._usual(box, fact) for fact in (TEMPERATURE, ESCORT))
        return Example({f: m for f, m in box.items() if f not in (TEMPERATURE, ESCORT)}, Stage(band, second))

    def _usual(self, box: Box, fact: str) -> str:
        """Return the first stage's value of a fact where the box has it, else any it has."""
        usual = FIRST.temperature if fact == TEMPERATURE else FIRST.escort
        mask = box.get(fact, self.space.full[fact])
        held = [cell.low for number, cell in enumerate(self.space.cells[fact]) if mask >> number & 1]
        return usual if usual in held else str(held[0])

    # --- what an example tells -------------------------------------------------------------------------------------

    def first_at(self, example: Example) -> int | None:
        """Return the rule that decides at one point of an example."""
        point = {fact: _lowest(example.box.get(fact, full)) for fact, full in self.space.full.items()}
        point |= self._fixed(example.stage)
        return next((n for n, box in enumerate(self.boxes) if all(m & point[f] for f, m in box.items())), None)

    def widened(self, example: Example) -> Example:
        """Return an example that no rule covers, made as wide as no rule covers it: what does not matter is gone."""
        box, fixed = dict(example.box), self._fixed(example.stage)
        for fact, held in example.box.items():
            for cell in (1 << number for number in range(len(self.space.cells[fact]))):
                wider = {**box, **fixed, fact: box[fact] | cell}
                if not held & cell and not any(self.space.meet(rule, wider) is not None for rule in self.boxes):
                    box[fact] |= cell
        return Example(box, example.stage)

    def say(self, example: Example, *facts: str) -> str:
        """Return an example in words; of its box only `facts`, where some are named."""
        besides = {}
        if example.stage.temperature != FIRST.temperature:
            besides[TEMPERATURE] = example.stage.temperature
        if example.stage.escort != FIRST.escort:
            besides[ESCORT] = example.stage.escort
        box = {fact: mask for fact, mask in example.box.items() if not facts or fact in facts}
        return say_box(self.space, box, besides)


def as_rule(schedule: HoldOpen) -> Rule:
    """Return a schedule as the rule it would be, to lay it out in the same space."""
    return Rule(schedule.id, 1, schedule.conditions, Outcome.GRANT, Reason.GRANTED, schedule.describe)


def _lowest(mask: int) -> int:
    return mask & -mask
