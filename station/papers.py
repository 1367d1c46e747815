"""What the guard should know about the documents in force and the clock: absent, out of date, or fine."""

from __future__ import annotations

from station.core.documents import DocumentType
from station.core.model import ClockState, Instant
from station.documents import Documents
from station.guard_screen import Condition
from station.health import Ailment

STALE_STATUS_S = 24 * 3600
"""A status manifest is re-issued hourly; a day without one turns the light amber (pass-format, "Trust")."""


def paper_ailments(documents: Documents, now: Instant) -> dict[str, Ailment | None]:
    """Return what is wrong with trust bundle, policy, status list and clock, each by its part's name."""
    return {
        "trust": None if documents.trust else Ailment("health-trust", Condition.FAULT),
        "policy": _policy(documents, now),
        "status-list": _status(documents, now),
        "clock": _clock(now),
    }


def _policy(documents: Documents, now: Instant) -> Ailment | None:
    envelope = documents.in_force.get(DocumentType.POLICY)
    if envelope is None:
        return Ailment("health-policy", Condition.FAULT)
    if documents.withdrawn(DocumentType.POLICY):
        return Ailment("health-policy-withdrawn", Condition.DEGRADED)
    return Ailment("health-policy-stale", Condition.DEGRADED) if envelope.expires < now.seconds else None


def _status(documents: Documents, now: Instant) -> Ailment | None:
    envelope = documents.in_force.get(DocumentType.STATUS)
    if envelope is None:
        return Ailment("health-status", Condition.FAULT)
    if documents.withdrawn(DocumentType.STATUS):
        return Ailment("health-status-withdrawn", Condition.DEGRADED)
    stale = envelope.issued < now.seconds - STALE_STATUS_S or envelope.expires < now.seconds
    return Ailment("health-status-stale", Condition.DEGRADED) if stale else None


def _clock(now: Instant) -> Ailment | None:
    if now.state is ClockState.TRUSTED:
        return None
    if now.state is ClockState.LOST:
        return Ailment("health-clock-lost", Condition.FAULT)
    return Ailment("health-clock-holdover", Condition.DEGRADED, f"within {now.uncertainty_s:.1f} s")
