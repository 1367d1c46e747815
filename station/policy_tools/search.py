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

    def _plainly(self, steps: Sequence[Step], where: Box) -> Iterator[bool]:
        if self._can_be(steps, where):
            yield False

    def _hanging(self, steps: Sequence[Step], where: Box) -> Iterator[bool]:
        """Yield whether the last step hangs on what other gates know, each way that can be."""
        cases = hanging(self.policy, steps[-1])
        yield from {case.hangs for case in cases if self._can_be(steps, where, case)}

    def _can_be(self, steps: Sequence[Step], where: Box, case: Hanging | None = None) -> bool:
        space = self.course.space
        both = where if case is None else space.meet(where, case.where)
        never = self.never if case is None else [*self.never, *case.outside]
        return both is not None and meets_all(space, steps, both, never) is not None


@dataclass(frozen=True, slots=True)
class Hanging:
    """A case in which a decision hangs on earlier passages, or does not (Policy.hangs_on_memory)."""

    hangs: bool
    where: Box
    outside: tuple[Box, ...] = ()


def hanging(policy: Policy, step: Step) -> list[Hanging]:
    """Return the cases of a rule of `policy` that fires in `step`."""
    if step.fires is not None and policy.rules[step.fires].by_memory:
        return [Hanging(hangs=True, where={})]
    nearly = [
        box
        for rule, whole in zip(policy.rules[: step.fires], step.rules[: step.fires], strict=True)
        if rule.by_memory and (box := given(_without_memory(whole), step.fixed)) is not None
    ]
    free = [] if {} in nearly else [Hanging(hangs=False, where={}, outside=tuple(nearly))]
    return [*free, *(Hanging(hangs=True, where=box) for box in nearly)]


def _without_memory(box: Box) -> Box:
    return {fact: mask for fact, mask in box.items() if fact not in MEMORY_FACTS}
