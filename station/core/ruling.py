"""From the rule that fired to the outcome: where the guard answers instead, for want of knowledge or of a sensor."""

from __future__ import annotations

from station.core.facts import Facts
from station.core.model import Band, Outcome, Text
from station.core.passback import Peers
from station.core.policy import Degraded, Policy, Rule
from station.core.reasons import REASONS, Reason
from station.core.record import dataclass, replace

NO_RULE = "check:no-rule"
# By names of their own: Python 3.11 takes 0.2 us to find a member by its enumeration.
_DENY, _MEASURE, _UNHEARD = Outcome.DENY, Outcome.MEASURE, Peers.UNHEARD


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy says of some facts. `local`: decided without having heard from the site's other gates."""

    outcome: Outcome
    reason: Reason
    rule: str
    say: Text | None = None
    local: bool = False


def rule_on(facts: Facts, policy: Policy, seconds: int, *, can_measure: bool) -> tuple[Rule | None, Ruling]:
    """Return the first rule that fires for `facts` at `seconds` (unsigned), and what follows from it."""
    rule = policy.first_match(facts, seconds)
    unheard = facts.peers == _UNHEARD and policy.hangs_on_memory(rule, facts, seconds)
    return rule, follow(rule, policy, facts.temperature, unheard=unheard, can_measure=can_measure)


def follow(rule: Rule | None, policy: Policy, temperature: str, *, unheard: bool, can_measure: bool) -> Ruling:
    """Return what follows from a rule that fired; None: none did.

    `unheard`: the site's other gates have not been heard from, and what they know might have led elsewhere.
    """
    if rule is None:
        nothing = Ruling(Outcome.REFER, Reason.NO_RULE, NO_RULE, local=unheard)
        return nothing if unheard else _degrade(nothing, policy)
    refers = unheard and rule.outcome is _DENY
    outcome = Outcome.REFER if refers else rule.outcome
    ruling = Ruling(outcome, rule.reason, rule.id, rule.say, unheard)
    unmeasurable = outcome is _MEASURE and not (can_measure and temperature == Band.NOT_MEASURED)
    if unmeasurable or (outcome is _DENY and temperature in (Band.FAULT, Band.OUT_OF_RANGE)):
        excused = replace(ruling, outcome=Outcome.REFER, reason=Reason.THERMOMETER_FAULT, say=None)
        return _degrade(excused, policy)
    return ruling


def _degrade(ruling: Ruling, policy: Policy) -> Ruling:
    denies = policy.when(REASONS[ruling.reason].matter) is Degraded.DENY
    return replace(ruling, outcome=Outcome.DENY) if denies else ruling
