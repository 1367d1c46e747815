"""Follows one past presentation through a policy, along every rule that may fire for the facts that are known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from station.core.facts import MEMORY_FACTS
from station.core.model import Outcome
from station.core.passback import Peers
from station.core.policy import Policy
from station.core.ruling import Ruling, follow
from station.policy_tools.course import FIRST, Course, Stage, Step, given, meets_all
from station.policy_tools.space import Box

Found = tuple[Outcome, str]
"""An outcome, and the rule it is by."""


@dataclass(frozen=True, slots=True)
class Search:
    """One presentation. `settled`: facts that are fixed for this policy; `where`: what is known of the others."""

    policy: Policy
    course: Course
    never: Sequence[Box]
    settled: Mapping[str, int]
    where: Box
    band: str | None
    """What was measured, if anything."""
    escorts: tuple[str, ...]
    """The classes that the second pass may have had; empty where none was shown."""
    can_measure: bool

    def outcomes(self, before: Sequence[Step]) -> Iterator[Found]:
        """Yield what may be decided, given steps that are certain to have held. Raises TooHardError."""
        unheard = self.course.space.bit("peers", str(Peers.UNHEARD))
        for alone, peers in ((True, unheard), (False, self.course.space.full["peers"] & ~unheard)):
            if (where := self.course.space.meet(self.where, {"peers": peers})) is not None:
                yield from self._at(FIRST, list(before), where, alone=alone)

    def _at(self, stage: Stage, steps: list[Step], where: Box, *, alone: bool) -> Iterator[Found]:
        for number, rule in (*enumerate(self.policy.rules), (None, None)):
            taken = [*steps, self.course.step(number, stage, self.settled)]
            for unheard in self._hanging(taken, where) if alone else self._plainly(taken, where):
                measured, sensor = stage.temperature, self.can_measure
                ruling = follow(rule, self.policy, measured, unheard=unheard, can_measure=sensor)
                yield from self._after(ruling, stage, taken, where, alone=alone)

    def _after(self, ruling: Ruling, stage: Stage, steps: list[Step], where: Box, *, alone: bool) -> Iterator[Found]:
        """Go on where the record tells what was measured or who came along; else this is how far it goes."""
        if ruling.outcome is Outcome.MEASURE and self.band is not None:
            yield from self._at(replace(stage, temperature=self.band), steps, where, alone=alone)
        elif ruling.outcome is Outcome.ESCORT and self.escorts and stage.escort == FIRST.escort:
            for second in self.escorts:
                yield from self._at(Stage(escort=second), steps, where, alone=alone)
        else:
            yield ruling.outcome, ruling.rule

    # --- whether it can be, and hangs on what other gates know -----------------------------------------------------

    def _plainly(self, steps: Sequence[Step], where: Box) -> Iterator[bool]:
        if self._can_be(steps, where):
            yield False

    def _hanging(self, steps: Sequence[Step], where: Box) -> Iterator[bool]:
        """Yield whether the last step hangs on earlier passages (Policy.hangs_on_memory), each way that can be."""
        fires = steps[-1].fires
        if fires is not None and self.policy.rules[fires].by_memory:
            if self._can_be(steps, where):
                yield True
            return
        nearly = self._nearly(steps[-1])
        if any(both is not None and self._can_be(steps, both) for both in self._each(where, nearly)):
            yield True
        if {} not in nearly and self._can_be(steps, where, nearly):
            yield False

    def _nearly(self, step: Step) -> list[Box]:
        """Return where earlier rules would fire but for what they ask about passages."""
        found = []
        for box, rule in zip(step.rules[: step.fires], self.policy.rules[: step.fires], strict=True):
            if rule.by_memory:
                found.append(given({f: mask for f, mask in box.items() if f not in MEMORY_FACTS}, step.fixed))
        return [box for box in found if box is not None]

    def _each(self, where: Box, boxes: Sequence[Box]) -> Iterator[Box | None]:
        return (self.course.space.meet(where, box) for box in boxes)

    def _can_be(self, steps: Sequence[Step], where: Box, besides: Sequence[Box] = ()) -> bool:
        return meets_all(self.course.space, steps, where, [*self.never, *besides]) is not None
