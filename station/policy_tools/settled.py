"""What is certain about the facts of a past decision: some from its record, some from what a policy says of the place.

Whatever is not returned is unknown, and may have been anything.
"""

from __future__ import annotations

from station.core import passback
from station.core.calendar import weekday
from station.core.facts import HOUR_S, word
from station.core.model import ClockState, Credential, Instant
from station.core.passback import Peers
from station.core.policy import DEFAULT_RISK, Policy
from station.policy_tools.replay import Past

Known = dict[str, object]
OWN_FACTS = frozenset(
    {"zone_level", "home_risk", "minute_of_day", "weekday", "day", "quota", "policy_age_hours"},
)
"""Facts in which two policies may differ about one and the same presentation."""


def of_record(past: Past, *, alone: bool) -> Known:
    """Return what the record tells, whatever the policy. `alone`: the site has no other gates."""
    known: Known = {"direction": str(past.direction), "clock": past.clock}
    if past.pass_class is not None:
        known["class"] = word(past.pass_class)
    if alone:
        known["peers"] = str(Peers.ALONE)
    elif past.local:
        known["peers"] = str(Peers.UNHEARD)
    if past.history is not None:
        now = _instant(past)
        timed = past.clock != ClockState.LOST
        known["passback"] = passback.passback(past.history, past.direction)
        known["away_minutes"] = passback.minutes_away(past.history, now) if timed else None
        known["last_passage_minutes"] = passback.minutes_since(past.history, now) if timed else None
    if past.noted is not None:
        known |= {name: value for name, value in past.noted.items() if name not in OWN_FACTS and name != "escort"}
    return known


def of_policy(policy: Policy, past: Past, zone: str, was: Policy | None) -> Known:
    """Return what a policy says of the place and time of a record. `was`: the policy that was in force then."""
    known: Known = {"zone_level": policy.level(zone)}
    now = _instant(past)
    timed = past.clock != ClockState.LOST
    day, minute = policy.calendar.local(now.seconds)
    known["minute_of_day"] = minute if timed else None
    known["weekday"] = weekday(day) if timed else None
    known["day"] = policy.calendar.kind(day) if timed else None
    age = 0 if policy.issued is None else max(0, now.seconds - policy.issued) // HOUR_S
    known["policy_age_hours"] = age if timed else None
    if not policy.risks:
        known["home_risk"] = DEFAULT_RISK
    elif was is not None and past.noted is not None and policy.risks == was.risks:
        known["home_risk"] = past.noted["home_risk"]
    return known | _quota(policy, past, was)


def _quota(policy: Policy, past: Past, was: Policy | None) -> Known:
    if was is not None and past.noted is not None and policy.quotas == was.quotas:
        return {"quota": past.noted["quota"]}
    if past.pass_class is None or past.cti is None:
        return {}
    holder = Credential(b"", past.cti, 0, 0, past.pass_class, "", frozenset(), household=past.household or b"?")
    counting = [quota for quota in policy.quotas if quota.covers(holder, past.direction)]
    if not counting:
        return {"quota": "none"}
    shared = any(quota.per == "household" for quota in counting)
    if past.history is None or (shared and not past.household_known):
        return {}
    if past.household is None:
        counting = [quota for quota in counting if quota.per == "pass"]
    offset = policy.calendar.utc_offset_minutes
    used = passback.quota(counting, holder, past.history, past.direction, offset, _instant(past))
    return {"quota": None if past.clock == ClockState.LOST and used != "none" else used}


def _instant(past: Past) -> Instant:
    return Instant(past.wall_us, 0, ClockState(past.clock))
