"""Builds what the guard screen shows from the state of lanes and journal."""

from __future__ import annotations

from station.by_hand import FORGIVABLE, awaits_reading
from station.core import lane as lanes
from station.core.door import DoorState
from station.core.events import Kind, decode
from station.core.lane import LaneState
from station.core.model import Decision, Direction, Outcome, Text
from station.core.reasons import Reason
from station.core.signals import Signal
from station.flow import LaneFlow
from station.guard_screen import LaneView, PassageView
from station.wording import holder, next_step, reason, text

_BY_NUMBER = frozenset({Reason.CLOCK_LOST, Reason.CLOCK_UNSURE, Reason.NONCE_NEEDED, Reason.LIVE_WRONG_NONCE})
"""Reasons that a phone can answer by signing the number the station shows."""
ALARMS = (
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
    return Signal.OUT_OF_SERVICE if signal is Signal.READY and flow.locked_down else signal


def message_key(flow: LaneFlow, signal: Signal) -> str:
    """Return the key in the catalogue of what is told at a lane that shows `signal`."""
    if signal in (Signal.EVACUATE, Signal.ALARM):
        return f"alarm-{next(name for name in ALARMS if name in flow.doorway.alarms)}"
    if signal is Signal.OUT_OF_SERVICE:
        return "out-of-service" if flow.out_of_service else "locked-down"
    told = flow.lane.fault or (flow.lane.decision.reason if flow.lane.decision else None)
    return f"reason-{told}" if told else "ready"


def told_next(flow: LaneFlow, key: str) -> Text:
    """Return what the person should do now, for a key of `message_key`: in the rule's own words where it has some."""
    decision = flow.lane.decision
    by_rule = decision is not None and not flow.lane.fault and key == f"reason-{decision.reason}"
    return next_step(decision) if decision and by_rule else text(key, "next")


def lane_view(flow: LaneFlow, since_us: int, number: str = "") -> LaneView:
    """Return the panel of one lane. `number`: what phones are asked to sign, shown where it helps."""
    signal, decision = lane_signal(flow), flow.lane.decision
    key = message_key(flow, signal)
    headline, step = text(key), told_next(flow, key)
    if flow.busy_with_other or flow.waits_for_door:
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
        by_hand=awaits_reading(flow),
        turn=flow.turn.number,
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
