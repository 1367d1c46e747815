"""The decision about one presentation: first the built-in checks (is the pass good here and now?), then the policy."""

from __future__ import annotations

from dataclasses import replace

from station.core.facts import DAY_S, Site, observe
from station.core.model import (
    Band,
    ClockState,
    Credential,
    Decision,
    Instant,
    Outcome,
    PassClass,
    Rejected,
    Status,
    TemperatureReading,
    Text,
)
from station.core.policy import Policy, Rule, first_match
from station.core.reasons import REASONS, Matter, Reason
from station.core.status import StatusList


def _good_here(credential: Credential, site: Site, now: Instant) -> tuple[Reason, str] | None:
    """The built-in checks that need nothing but the pass: the first that fails, with its rule id."""
    if now.seconds + now.uncertainty_s < credential.not_before:
        return Reason.PASS_NOT_YET_VALID, "check:not-yet-valid"
    if now.seconds - now.uncertainty_s > credential.expires:
        return Reason.PASS_EXPIRED, "check:expired"
    zones = {credential.home_zone, *credential.extra_zones}
    if site.zone not in zones or (credential.gates and site.gate not in credential.gates):
        return Reason.WRONG_GATE, "check:gate"
    if site.direction not in credential.directions:
        return Reason.WRONG_DIRECTION, "check:direction"
    return None


def _status(credential: Credential, statuses: StatusList | None) -> Status | None:
    if credential.status_index is None:
        # Only delegated visitor passes (24 h) carry no index; anything else without one cannot be revoked.
        brief = credential.expires - credential.not_before <= DAY_S
        return Status.OK if credential.pass_class is PassClass.VISITOR and brief else None
    return statuses.lookup(credential.kid, credential.status_index) if statuses else None


def refuse(rejected: Rejected) -> Decision:
    """Turn a refusal into a decision: deny what is the holder's matter, refer to the guard what is the station's."""
    outcome = Outcome.DENY if REASONS[rejected.reason].matter is Matter.HOLDER else Outcome.REFER
    return Decision(outcome, rejected.reason, f"check:{rejected.reason}", credential=rejected.credential)


def decide(
    credential: Credential,
    reading: TemperatureReading,
    site: Site,
    policy: Policy | None,
    statuses: StatusList | None,
    now: Instant,
) -> Decision:
    """Decide about a credential. Always ends with an outcome, a reason and the id of what decided."""

    def decision(outcome: Outcome, reason: Reason, rule: str, say: Text | None = None) -> Decision:
        return Decision(outcome, reason, rule, say, credential, reading)

    if now.state is ClockState.LOST:
        return decision(Outcome.REFER, Reason.CLOCK_LOST, "check:clock")
    if failed := _good_here(credential, site, now):
        return decision(Outcome.DENY, *failed)
    status = _status(credential, statuses)
    if status is Status.REVOKED:
        return decision(Outcome.DENY, Reason.PASS_REVOKED, "check:revoked")
    if status is None:
        return decision(Outcome.REFER, Reason.STATUS_UNKNOWN, "check:status")
    if policy is None:
        return decision(Outcome.REFER, Reason.NO_POLICY, "check:policy")
    level = policy.level(site.zone)
    facts = observe(credential, status, reading, site, level, policy.utc_offset_minutes, now)
    rule = first_match(policy.rules, facts, now.seconds)
    if rule is None:
        return decision(Outcome.REFER, Reason.NO_RULE, "check:no-rule")
    return _sensor_excused(decision(rule.outcome, _reason(rule), rule.id, rule.say), site)


def _reason(rule: Rule) -> Reason:
    return Reason.MEASURE_FIRST if rule.outcome is Outcome.MEASURE else rule.reason


def _sensor_excused(decision: Decision, site: Site) -> Decision:
    """A rule that wants what no sensor can give, or holds a faulty one against the person, ends at the guard."""
    band = decision.reading.band
    unmeasurable = decision.outcome is Outcome.MEASURE and not (site.can_measure and band is Band.NOT_MEASURED)
    if unmeasurable or (decision.outcome is Outcome.DENY and band is Band.FAULT):
        return replace(decision, outcome=Outcome.REFER, reason=Reason.THERMOMETER_FAULT, say=None)
    return decision
