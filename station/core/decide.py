"""The decision about one presentation: first the built-in checks (is the pass good here and now?), then the policy."""

from __future__ import annotations

from station.core import live
from station.core.calendar import DAY_S
from station.core.facts import Presented, Setting, Site, observe
from station.core.model import (
    ClockState,
    Credential,
    Decision,
    Instant,
    Outcome,
    PassClass,
    Rejected,
    Status,
    Text,
)
from station.core.policy import Degraded, Policy
from station.core.reasons import REASONS, Matter, Reason
from station.core.record import replace
from station.core.ruling import rule_on
from station.core.status import StatusList

# By names of their own: Python 3.11 takes 0.2 us to find a member by its enumeration, more than most checks take.
_LOST, _REVOKED, _DENY = ClockState.LOST, Status.REVOKED, Outcome.DENY
Failed = tuple[Reason, str]
"""The reason and the id of the built-in check that failed."""


def _clock(credential: Credential, presented: Presented, policy: Policy | None, now: Instant) -> Failed | None:
    """Without a clock only a phone that signs the station's own nonce can be judged, and only where policy says so."""
    if now.state is not _LOST:
        return None
    nonce = credential.live.nonce if credential.live else None
    by_nonce = policy is not None and policy.when(Matter.CLOCK) is Degraded.NONCE
    return None if by_nonce and nonce in presented.nonces else (Reason.CLOCK_LOST, "check:clock")


def _live(credential: Credential, presented: Presented, now: Instant) -> Failed | None:
    if credential.live is None:
        return None
    if reason := live.not_fresh(credential.live, presented.nonces, presented.shown or now):
        return reason, "check:live"
    return (Reason.LIVE_REPLAYED, "check:replay") if presented.used_up else None


def _good_here(credential: Credential, site: Site, now: Instant) -> Failed | None:
    """The built-in checks that need nothing but the pass: the first that fails, with its rule id."""
    seconds = now.seconds
    if now.state is not _LOST and seconds + now.uncertainty_s < credential.not_before:
        return Reason.PASS_NOT_YET_VALID, "check:not-yet-valid"
    if seconds - now.uncertainty_s > credential.expires:
        return Reason.PASS_EXPIRED, "check:expired"
    of_zone = site.zone == credential.home_zone or site.zone in credential.extra_zones
    if not of_zone or (credential.gates and site.gate not in credential.gates):
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


def _degrade(decision: Decision, policy: Policy | None) -> Decision:
    """Deny instead of calling the guard where policy says so; never for what a rule refers itself."""
    matter = REASONS[decision.reason].matter
    if decision.outcome is Outcome.REFER and policy is not None and policy.when(matter) is Degraded.DENY:
        return replace(decision, outcome=Outcome.DENY)
    return decision


def refuse(rejected: Rejected, policy: Policy | None = None) -> Decision:
    """Turn a refusal into a decision: deny what is the holder's matter, refer to the guard what is the station's."""
    outcome = Outcome.DENY if REASONS[rejected.reason].matter is Matter.HOLDER else Outcome.REFER
    decision = Decision(outcome, rejected.reason, f"check:{rejected.reason}", credential=rejected.credential)
    return _degrade(decision, policy)


def setting_of(credential: Credential, site: Site, policy: Policy, statuses: StatusList | None) -> Setting:
    """Return what the documents in force say of this place and this pass."""
    return Setting(
        level=policy.level(site.zone),
        risk=policy.risk(credential.home_zone),
        calendar=policy.calendar,
        quotas=policy.quotas,
        status_issued=statuses.manifest.envelope.issued if statuses else None,
        policy_issued=policy.issued,
    )


def decide(
    credential: Credential,
    presented: Presented,
    site: Site,
    policy: Policy | None,
    statuses: StatusList | None,
    now: Instant,
) -> Decision:
    """Decide about a credential. Always ends with an outcome, a reason and the id of what decided."""

    def decision(outcome: Outcome, reason: Reason, rule: str, say: Text | None = None) -> Decision:
        return Decision(outcome, reason, rule, say, credential, presented.reading, presented.escort)

    def cannot(reason: Reason, rule: str) -> Decision:
        return _degrade(decision(Outcome.REFER, reason, rule), policy)

    if failed := _clock(credential, presented, policy, now):
        return cannot(*failed)
    if failed := _live(credential, presented, now) or _good_here(credential, site, now):
        if REASONS[failed[0]].matter is not Matter.HOLDER:
            return cannot(*failed)
        return decision(_DENY, *failed)
    status = _status(credential, statuses)
    if status is _REVOKED:
        return decision(_DENY, Reason.PASS_REVOKED, "check:revoked")
    if status is None:
        return cannot(Reason.STATUS_UNKNOWN, "check:status")
    if policy is None:
        return cannot(Reason.NO_POLICY, "check:policy")
    facts = observe(credential, status, presented, site, setting_of(credential, site, policy, statuses), now)
    _, ruling = rule_on(facts, policy, now.seconds, can_measure=site.can_measure)
    ruled = decision(ruling.outcome, ruling.reason, ruling.rule, ruling.say)
    return replace(ruled, local=True) if ruling.local else ruled
