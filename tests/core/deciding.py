"""One presentation decided: the typical pass coming in with a normal temperature, unless changed."""

from __future__ import annotations

from dataclasses import fields

from station.core.decide import decide
from station.core.facts import Presented
from station.core.model import Band, ClockState, Credential, Decision, Instant, Outcome, TemperatureReading
from station.core.policy import Policy
from station.core.policy_reader import read_table
from station.core.reasons import Reason
from tests.core.issuing import NOW_INSTANT, credential, policy, rule, site, statuses, table

POLICY = policy()
CLEAN = statuses({})
NORMAL = TemperatureReading(Band.NORMAL, 36.4, 20.0, 9)
SHOWN = {field.name for field in fields(Presented)}


def rules(*rows: object, **changes: object) -> Policy:
    """Return a policy of these rows."""
    return read_table(1, table(*rows, **changes))  # type: ignore[arg-type]


EVERYBODY = rules(rule())


def ask(holder: Credential | None = None, **changes: object) -> Decision:
    """Decide; `changes` are of the presentation (reading, history, ...) or of site, policy, statuses and now."""
    shown = {"reading": NORMAL} | {name: value for name, value in changes.items() if name in SHOWN}
    around = {"site": site(), "policy": POLICY, "statuses": CLEAN, "now": NOW_INSTANT}
    around |= {name: value for name, value in changes.items() if name not in SHOWN}
    return decide(holder or credential(), Presented(**shown), **around)  # type: ignore[arg-type]


def at(seconds: float, uncertainty_s: float = 0.0, state: ClockState = ClockState.TRUSTED) -> Instant:
    """Return a moment."""
    return Instant(round(seconds * 1e6), 0, state, uncertainty_s)


def brief(decision: Decision) -> tuple[Outcome, Reason, str]:
    """Return what a decision says."""
    return decision.outcome, decision.reason, decision.rule
