"""Follows one past presentation through a policy, along every rule that may fire for the facts that are known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from station.core.facts import Facts
from station.core.model import Outcome
from station.core.passback import Peers
from station.core.policy import Policy
from station.core.ruling import Ruling, rule_on
from station.policy_tools.course import FIRST, Course, Stage, Step, meets_all
from station.policy_tools.space import Box

Found = tuple[Outcome, str]
"""An outcome, and the rule it is by."""
_ANY_FACTS = Facts(**dict.fromkeys(Facts.__slots__))  # type: ignore[arg-type]


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
        for peers, also in self._heard():
            if (where := self.course.space.meet(self.where, also)) is not None:
                yield from self._at(FIRST, list(before), where, peers)

    def _heard(self) -> Iterator[tuple[str, Box]]:
        """Yield the cases of having heard from the site's other gates, as far as they make a difference."""
        if not self.policy.by_memory:
            yield Peers.ALONE, {}
            return
        unheard = self.course.space.bit("peers", str(Peers.UNHEARD))
        yield Peers.UNHEARD, {"peers": unheard}
        yield Peers.HEARD, {"peers": self.course.space.full["peers"] & ~unheard}

    def _at(self, stage: Stage, steps: list[Step], where: Box, peers: str) -> Iterator[Found]:
        for number, rule in (*enumerate(self.policy.rules), (None, None)):
            taken = [*steps, self.course.step(number, stage, self.settled)]
            if meets_all(self.course.space, taken, where, self.never) is not None:
                facts = replace(_ANY_FACTS, peers=peers, temperature=stage.temperature)
                ruling = rule_on(rule, facts, self.policy, can_measure=self.can_measure)
                yield from self._after(ruling, stage, taken, where, peers)

    def _after(self, ruling: Ruling, stage: Stage, steps: list[Step], where: Box, peers: str) -> Iterator[Found]:
        """Go on where the record tells what was measured or who came along; else this is how far it goes."""
        if ruling.outcome is Outcome.MEASURE and self.band is not None:
            yield from self._at(replace(stage, temperature=self.band), steps, where, peers)
        elif ruling.outcome is Outcome.ESCORT and self.escorts and stage.escort == FIRST.escort:
            for second in self.escorts:
                yield from self._at(Stage(escort=second), steps, where, peers)
        else:
            yield ruling.outcome, ruling.rule
