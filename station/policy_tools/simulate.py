"""What a new policy would have decided about what a journal recorded.

Facts that the journal does not tell are unknown: they may have been anything that fits the decision made then, by the
rule that fired then. Where that leaves more than one outcome, the decision "may change".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from station.core.facts import FACTS
from station.core.model import Band, Outcome
from station.core.passback import Peers
from station.core.policy import Degraded, Policy
from station.core.reasons import REASONS, Matter, Reason
from station.core.ruling import NO_RULE
from station.policy_tools.course import ESCORT, FIRST, TEMPERATURE, Course, Stage, Step
from station.policy_tools.possible import always
from station.policy_tools.replay import Past
from station.policy_tools.search import Found, Hanging, Search, hanging
from station.policy_tools.settled import OWN_FACTS, Known, of_policy, of_record
from station.policy_tools.space import MOMENT, Box, Space

NO_POLICY = "check:policy"


class Effect(StrEnum):
    """What a new policy does to a decision."""

    STAYS = "stays"
    CHANGES = "changes"
    MAY_CHANGE = "may change"


@dataclass(frozen=True, slots=True)
class Result:
    """One decision under the new policy. `found`: every outcome, and its rule, that the known facts allow."""

    past: Past
    effect: Effect
    found: frozenset[Found]
    depends: frozenset[str] = frozenset()
    """Facts that are not known and that rules ask for on the way."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the station. `blind`: lanes without a thermometer; `alone`: the site has no other gates."""

    zone: str
    blind: frozenset[str] = frozenset()
    alone: bool = True


class Simulation:
    """Tries one policy on decisions made under another, or under none that is at hand."""

    def __init__(self, new: Policy, old: Policy | None, place: Place, at_s: int | None = None) -> None:
        """`at_s`: take the new rules that are valid then (unsigned seconds), not when the decision was made."""
        self._new, self._old, self._place, self._at_s = new, old, place, at_s
        self._space = Space([*new.rules, *(old.rules if old else ())])
        self._course = Course(self._space, new.rules)
        self._old_course = Course(self._space, old.rules) if old else None
        self._never = tuple(always(self._space))
        self._seen: dict[tuple[object, ...], frozenset[Found]] = {}

    def run(self, pasts: Iterable[Past]) -> Iterator[Result]:
        """Yield what becomes of each decision. Raises TooHardError where a policy is beyond reasoning."""
        return map(self._judge, pasts)

    def _judge(self, past: Past) -> Result:
        known = of_record(past, alone=self._place.alone)
        if past.rule.startswith("check:") and past.rule not in (NO_RULE, NO_POLICY):
            return self._checked(past, known)
        return self._result(past, self._candidates(past, known), known)

    def _checked(self, past: Past, known: Known) -> Result:
        """The station's own checks stand before any policy, which only says what to do where it cannot decide."""
        matter = REASONS[Reason(past.reason)].matter
        if matter is Matter.HOLDER or past.cti is None:
            return Result(past, Effect.STAYS, frozenset({(Outcome(past.outcome), past.rule)}))
        action = self._new.when(matter)
        found = {(Outcome.DENY if action is Degraded.DENY else Outcome.REFER, past.rule)}
        if action is Degraded.NONCE and not (self._old and self._old.when(matter) is Degraded.NONCE):
            found |= self._candidates(replace(past, rule=NO_POLICY), known | {"medium": "phone-nonce"})
        return self._result(past, frozenset(found), known)

    def _result(self, past: Past, found: frozenset[Found], known: Known) -> Result:
        outcomes = {outcome for outcome, _ in found}
        if outcomes == {past.outcome}:
            return Result(past, Effect.STAYS, found)
        effect = Effect.MAY_CHANGE if past.outcome in outcomes else Effect.CHANGES
        return Result(past, effect, found, self._unknown(past, found, known) if len(outcomes) > 1 else frozenset())

    def _unknown(self, past: Past, found: Iterable[Found], known: Known) -> frozenset[str]:
        ids = {rule for _, rule in found}
        last = max((n for n, rule in enumerate(self._new.rules) if rule.id in ids), default=-1)
        asked = {condition.fact for rule in self._new.rules[: last + 1] for condition in rule.conditions}
        own = of_policy(self._new, past, self._place.zone, self._old)
        return frozenset(asked - {*known, *own, TEMPERATURE, ESCORT})

    # --- all outcomes that fit -------------------------------------------------------------------------------------

    def _candidates(self, past: Past, known: Known) -> frozenset[Found]:
        at_s = past.wall_us // 1_000_000 if self._at_s is None else self._at_s
        settled, where = self._settled(self._new, past, at_s), self._box(known)
        can_measure = past.lane not in self._place.blind
        search = Search(self._new, self._course, self._never, settled, where, past.band, past.escorts, can_measure)
        before = [(second, way) for second in past.escorts or (FIRST.escort,) for way in self._before(past, second)]
        demands = tuple((step.fires, _items(step.fixed)) for _, way in before for step in way)
        key = (_items(settled), _items(where), past.band, past.escorts, can_measure, demands, past.local)
        if key not in self._seen:
            found = frozenset(
                found
                for second, way in before
                for found in self._following(replace(search, escorts=(second,) if past.escorts else ()), way, past)
            )
            # What the rules held then exclude altogether was not decided by them: nothing follows from it.
            self._seen[key] = found or frozenset(search.outcomes([]))
        return self._seen[key]

    def _following(self, search: Search, way: list[Step], past: Past) -> Iterator[Found]:
        """Yield what may be decided given what held then, and whether it was marked as local knowledge."""
        if not way or self._old is None:
            yield from search.outcomes(way)
            return
        unheard = self._space.bit("peers", str(Peers.UNHEARD))
        cases = [case for case in hanging(self._old, way[-1]) if case.hangs is past.local]
        told = [Hanging(case.hangs, {**case.where, "peers": unheard}, case.outside) for case in cases]
        told.append(Hanging(hangs=False, where={"peers": self._space.full["peers"] & ~unheard}))
        for case in told:
            if (where := self._space.meet(search.where, case.where)) is not None:
                yield from replace(search, where=where, never=(*self._never, *case.outside)).outcomes(way)

    def _box(self, known: Known) -> Box:
        return {fact: self._space.bit(fact, value) for fact, value in known.items()}

    def _settled(self, policy: Policy, past: Past, at_s: int) -> Mapping[str, int]:
        own = of_policy(policy, past, self._place.zone, self._old)
        return {**self._box(own), MOMENT: self._space.bit(MOMENT, at_s)}

    def _before(self, past: Past, second: str) -> list[list[Step]]:
        """Return what must have held for the decision made then, for each way to it; nothing where that is unknown.

        `second`: the class of the second pass.
        """
        old, course = self._old, self._old_course
        if old is None or course is None or past.policy != old.version or self._entangled(past, old):
            return [[]]
        ids = [rule.id for rule in old.rules]
        if past.rule not in (*ids, NO_RULE):
            return [[]]
        fired = ids.index(past.rule) if past.rule in ids else None
        settled = self._settled(old, past, past.wall_us // 1_000_000)
        stage = Stage(past.band or Band.NOT_MEASURED, second)
        return [[*way, course.step(fired, stage, settled)] for way in course.ways(stage, settled)]

    def _entangled(self, past: Past, old: Policy) -> bool:
        """Say whether the policies read an unknown fact differently, so that the one tells nothing of the other's."""
        zone = self._place.zone
        free = OWN_FACTS - {*of_policy(old, past, zone, old), *of_policy(self._new, past, zone, old)}
        differing = {"home_risk": old.risks != self._new.risks, "quota": old.quotas != self._new.quotas}
        asked = {condition.fact for rule in (*old.rules, *self._new.rules) for condition in rule.conditions}
        return any(differing.get(fact, False) for fact in free & asked)


def _items(box: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(box.items()))


def unknown_facts(results: Iterable[Result]) -> list[str]:
    """Return the facts that stood in the way of certainty, in the order of the table of facts."""
    missing = {fact for result in results for fact in result.depends}
    return [fact for fact in FACTS if fact in missing]
