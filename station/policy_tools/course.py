"""How a presentation comes to a rule: at first nothing is measured and nobody comes along; rules may ask for either.

A temperature is known only where a rule said "measure" before, a second pass only where one said "escort". The facts
besides these two are taken to stay as they are meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from station.core.model import Band, Outcome
from station.core.policy import Rule
from station.policy_tools.space import Box, Space

TEMPERATURE, ESCORT = "temperature", "escort"


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a presentation has come: the band measured, and the class of the second pass ("none")."""

    temperature: str = Band.NOT_MEASURED
    escort: str = "none"


FIRST = Stage()


@dataclass(frozen=True, slots=True)
class Step:
    """It is demanded that, with some facts fixed (their cells), rule number `fires` is the first; None: none is."""

    rules: Sequence[Box]
    fires: int | None
    fixed: Mapping[str, int]


def meets_all(space: Space, steps: Sequence[Step], where: Box, never: Sequence[Box]) -> Box | None:
    """Return a box of facts within `where`, outside of `never`, that meets every step. Raises TooHardError."""
    base: Box | None = where
    avoided = list(never)
    for step in steps:
        if step.fires is not None:
            held = given(step.rules[step.fires], step.fixed)
            base = None if held is None or base is None else space.meet(base, held)
        earlier = [given(box, step.fixed) for box in step.rules[: step.fires]]
        if base is None or {} in earlier:
            return None
        avoided += [box for box in earlier if box is not None]
    return space.outside(base, avoided) if base is not None else None


def given(box: Box, fixed: Mapping[str, int]) -> Box | None:
    """Return what a box demands of the other facts once some are fixed; None where it excludes the fixed ones."""
    if any(fact in box and not box[fact] & cell for fact, cell in fixed.items()):
        return None
    return {fact: mask for fact, mask in box.items() if fact not in fixed}


class Course:
    """The stages a presentation can go through under one policy."""

    def __init__(self, space: Space, rules: Sequence[Rule]) -> None:
        """`space` must be cut by these rules."""
        self.space, self.boxes = space, [space.box(rule) for rule in rules]
        self._measuring = [n for n, rule in enumerate(rules) if rule.outcome is Outcome.MEASURE]
        self._escorting = [n for n, rule in enumerate(rules) if rule.outcome is Outcome.ESCORT]

    def step(self, fires: int | None, stage: Stage, settled: Mapping[str, int] | None = None) -> Step:
        """Return the demand that a rule fires at a stage. `settled`: facts fixed besides."""
        fixed = {
            TEMPERATURE: self.space.bit(TEMPERATURE, stage.temperature),
            ESCORT: self.space.bit(ESCORT, stage.escort),
        }
        return Step(self.boxes, fires, {**fixed, **(settled or {})})

    def stages(self) -> list[Stage]:
        """Return a stage for each combination of band and second pass that some rule may tell apart."""
        bands = self._kinds(TEMPERATURE, Band.NOT_MEASURED) if self._measuring else []
        seconds = self._kinds(ESCORT, "none") if self._escorting else []
        return [Stage(band, second) for second in ("none", *seconds) for band in (Band.NOT_MEASURED, *bands)]

    def ways(self, stage: Stage, settled: Mapping[str, int] | None = None) -> Iterator[list[Step]]:
        """Yield what must have fired before, for each way to a stage."""
        if stage == FIRST:
            yield []
        elif stage.escort == "none":
            for number in self._measuring:
                yield [self.step(number, FIRST, settled)]
        elif stage.temperature == Band.NOT_MEASURED:
            for number in self._escorting:
                yield [self.step(number, FIRST, settled)]
            yield from self._measured_first(settled)
        else:
            before = Stage(escort=stage.escort)
            for way in self.ways(before, settled):
                yield from ([*way, self.step(number, before, settled)] for number in self._measuring)

    def _measured_first(self, settled: Mapping[str, int] | None) -> Iterator[list[Step]]:
        """Who was measured, and is then told to bring somebody, is measured anew with them."""
        for band in self._kinds(TEMPERATURE, Band.NOT_MEASURED):
            for first in self._measuring:
                for second in self._escorting:
                    yield [self.step(first, FIRST, settled), self.step(second, Stage(band), settled)]

    def _kinds(self, fact: str, usual: str) -> list[str]:
        """Return one value of a fact, besides the usual one, for each way in which the rules take it."""
        kinds: dict[tuple[bool, ...], str] = {}
        for number, cell in enumerate(self.space.cells[fact]):
            if cell.low != usual:
                kinds.setdefault(tuple(bool(box.get(fact, -1) >> number & 1) for box in self.boxes), cell.low)
        return list(kinds.values())
