"""Builds what the guard screen shows from the state of lanes and journal."""

from __future__ import annotations

from station.core import lane as lanes
from station.core.door import DoorState
from station.core.events import Kind, decode
from station.core.lane import LaneState
from station.core.model import Decision, Direction, Outcome
from station.core.reasons import Reason
from station.core.signals import Signal
from station.flow import FORGIVABLE, LaneFlow
from station.ports import LaneView, PassageView
from station.wording import holder, next_step, reason, text

_BY_NUMBER = frozenset({Reason.CLOCK_LOST, Reason.CLOCK_UNSURE, Reason.NONCE_NEEDED, Reason.LIVE_WRONG_NONCE})
"""Reasons that a phone can answer by signing the number the station shows."""
_ALARM_ORDER = (
    "fire",
    "break-glass",
    "duress",
    "relay",
    "door-forced",
    "tailgating",
    "illegal-passes",
    "door-lock",
    "door-held",
    "tamper",
    "journal",
    "rex-stuck",
    "door-ajar",
    "door-propped",
)
"""Which alarm is named first where several ring."""


def lane_signal(flow: LaneFlow) -> Signal:
    """Return what the lane signals: fire before all, then the transaction, then alarms of the door."""
    if flow.doorway.door.state is DoorState.RELEASED:
        return Signal.EVACUATE
    if flow.out_of_service:
        return Signal.OUT_OF_SERVICE
    signal = lanes.signal(flow.lane)
    if signal is Signal.READY and flow.doorway.alarms:
        return Signal.ALARM
    return signal


def lane_view(flow: LaneFlow, since_us: int, number: str = "") -> LaneView:
    """Return the panel of one lane. `number`: what phones are asked to sign, shown where it helps."""
    signal, decision = lane_signal(flow), flow.lane.decision
    headline, step = text("ready"), text("ready", "next")
    if signal in (Signal.EVACUATE, Signal.ALARM):
        alarm = next(name for name in _ALARM_ORDER if name in flow.doorway.alarms)
        headline, step = text(f"alarm-{alarm}"), text(f"alarm-{alarm}", "next")
    elif signal is Signal.OUT_OF_SERVICE:
        headline, step = text("out-of-service"), text("out-of-service", "next")
    elif flow.lane.fault:
        headline, step = reason(flow.lane.fault), text(f"reason-{flow.lane.fault}", "next")
    elif decision is not None:
        headline, step = reason(decision.reason), next_step(decision)
    if flow.busy_with_other:
        step = text("please-wait")
    credential = decision.credential if decision else None
    return LaneView(
        lane=flow.config.id,
        direction=flow.config.direction,
        signal=signal,
        headline=headline,
        next_step=step,
        door=flow.doorway.door.state.value,
        who=holder(credential) if credential else "",
        rule=decision.rule if decision else "",
        since_us=since_us,
        awaiting_guard=flow.lane.state is LaneState.REFERRED,
        number=number if decision is None or decision.reason in _BY_NUMBER else "",
        local=decision is not None and decision.local,
        forgivable=decision is not None and decision.reason in FORGIVABLE,
    )


def passage_view(flow: LaneFlow, seq: int, wall_us: int, decision: Decision) -> PassageView:
    """Return the line of a decision just recorded, with the masked name."""
    name = decision.credential.name if decision.credential else ""
    outcome, code = decision.outcome, decision.reason
    lane, direction = flow.config.id, flow.config.direction
    return PassageView(seq, wall_us, lane, direction, outcome, code, decision.rule, reason(code), name)


def recalled_passage(seq: int, raw: bytes) -> PassageView | None:
    """Return the line of a decision of an earlier run: the journal knows no names. None for other events."""
    event = decode(raw)
    if event.kind not in (Kind.DECISION, Kind.OVERRIDE):
        return None
    row = {key: str(event.payload[key]) for key in ("lane", "dir", "outcome", "reason", "rule")}
    code = Reason(row["reason"])
    direction, outcome = Direction(row["dir"]), Outcome(row["outcome"])
    return PassageView(seq, event.wall_us, row["lane"], direction, outcome, code, row["rule"], reason(code))
