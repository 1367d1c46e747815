"""From the rule that fired to the outcome: where the guard answers instead, for want of knowledge or of a sensor."""

from __future__ import annotations

from dataclasses import dataclass, replace

from station.core.facts import Facts
from station.core.model import Band, Outcome, Text
from station.core.passback import Peers
from station.core.policy import Degraded, Policy, Rule
from station.core.reasons import REASONS, Reason

NO_RULE = "check:no-rule"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy says of some facts. `local`: decided without having heard from the site's other gates."""

    outcome: Outcome
    reason: Reason
    rule: str
    say: Text | None = None
    local: bool = False


def rule_on(rule: Rule | None, facts: Facts, policy: Policy, *, can_measure: bool) -> Ruling:
    """Return what follows from `rule` being the first that fires for `facts`; None: none does."""
    if rule is None:
        return _degrade(Ruling(Outcome.REFER, Reason.NO_RULE, NO_RULE), policy)
    ruling = _alone(Ruling(rule.outcome, rule.reason, rule.id, rule.say), rule, facts, policy)
    return _sensor_excused(ruling, facts, policy, can_measure=can_measure)


def _degrade(ruling: Ruling, policy: Policy) -> Ruling:
    denies = policy.when(REASONS[ruling.reason].matter) is Degraded.DENY
    return replace(ruling, outcome=Outcome.DENY) if denies else ruling


def _alone(ruling: Ruling, rule: Rule, facts: Facts, policy: Policy) -> Ruling:
    if facts.peers != Peers.UNHEARD or not policy.by_memory:
        return ruling
    refers = ruling.outcome is Outcome.DENY and rule.by_memory
    return replace(ruling, local=True, outcome=Outcome.REFER if refers else ruling.outcome)


def _sensor_excused(ruling: Ruling, facts: Facts, policy: Policy, *, can_measure: bool) -> Ruling:
    measurable = can_measure and facts.temperature == Band.NOT_MEASURED
    wants_sensor = ruling.outcome is Outcome.MEASURE and not measurable
    if wants_sensor or (ruling.outcome is Outcome.DENY and facts.temperature == Band.FAULT):
        excused = replace(ruling, outcome=Outcome.REFER, reason=Reason.THERMOMETER_FAULT, say=None)
        return _degrade(excused, policy)
    return ruling
