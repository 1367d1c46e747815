"""What a guard does at a lane by hand: open, dismiss, forgive, enter what a hand thermometer shows.

Nothing here goes round the lane's table: an opening is recorded before the door hears of it, like any other grant.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from station.core import fever
from station.core import lane as lanes
from station.core.lane import LaneEvent, LaneState
from station.core.model import Band, Decision, Outcome
from station.core.reasons import Reason
from station.flow import LaneFlow
from station.lane_record import Operator

FORGIVABLE = frozenset({Reason.PASSBACK, Reason.QUOTA_USED, Reason.AWAY_TOO_LONG})
"""What a guard can forgive: that somebody has gone this way already."""
SETTLED = frozenset({Band.NOT_MEASURED, Band.NORMAL})
"""Bands that leave the guard nothing to measure."""


def open_door(flow: LaneFlow, by: Operator) -> Reason | None:
    """Open by hand; None once it is recorded and the door unlocked, else what stood in the way."""
    if flow.interlocked:
        return Reason.INTERLOCKED
    # Where people are counted, whoever was let in before still comes: this is for somebody else.
    others = flow.lane.state is LaneState.PASSING and flow.doorway.counts
    here = None if others else flow.lane.decision
    before = here or Decision(Outcome.REFER, Reason.GUARD_CHECK, "guard")
    flow.record.begin(0)
    override = Decision(Outcome.GRANT, Reason.OVERRIDE, "guard", None, before.credential, escort=before.escort)
    with _acting(flow, by):
        flow.step(LaneEvent.GRANT, override)
    return flow.lane.fault


def dismiss(flow: LaneFlow, by: Operator) -> bool:
    """End what is shown without opening; False where there is nothing to end."""
    before = flow.lane.state
    with _acting(flow, by):
        flow.step(LaneEvent.DISMISSED)
    return before is not flow.lane.state


def forgive(flow: LaneFlow, by: Operator) -> bool:
    """Forgive the person here their earlier passages; False where nobody is here or it cannot be recorded."""
    decision = flow.lane.decision
    credential = decision.credential if decision and decision.reason in FORGIVABLE else None
    if credential is None or flow.lane.state is LaneState.PASSING:
        return False
    with _acting(flow, by):
        if not flow.record.forgiven(credential, flow.now()):
            return False
        flow.step(LaneEvent.DISMISSED)
    flow.look_anew()
    return True


def awaits_reading(flow: LaneFlow) -> bool:
    """Say whether a guard is asked here for somebody whose temperature the sensor did not settle."""
    decision = flow.lane.decision
    if flow.lane.state is not LaneState.REFERRED or decision is None or decision.credential is None:
        return False
    return decision.reading.band not in SETTLED or decision.reason is Reason.THERMOMETER_FAULT


def measured(flow: LaneFlow, by: Operator, celsius: float) -> Decision | None:
    """Decide anew on what the guard's thermometer shows; None where nobody waits for that.

    It opens nothing by itself: the rules decide, as they do after a screening.
    """
    before = flow.lane.decision
    if before is None or before.credential is None or not awaits_reading(flow):
        return None
    reading = fever.by_hand(before.reading, celsius, flow.config.hand_raised_c)
    verdict = flow.judge_measured(before.credential, reading, before.escort)
    flow.record.measured_by = by
    try:
        flow.step(lanes.OUTCOME_EVENT[verdict.outcome], verdict)
    finally:
        flow.record.measured_by = None
    return verdict


@contextlib.contextmanager
def _acting(flow: LaneFlow, by: Operator) -> Iterator[None]:
    flow.record.by = by
    try:
        yield
    finally:
        flow.record.by = None
