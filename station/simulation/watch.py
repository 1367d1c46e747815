"""What can be seen at the gate of a scenario: noted for the timeline, and held against what is expected."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from station.flow import LaneFlow
from station.simulation.scenario import Expectation
from station.simulation.stage import StageOutputs
from station.simulation.timeline import Timeline
from station.views import lane_signal


@dataclass(frozen=True, slots=True)
class Sight:
    """One moment at the gate. `inside`: how many are; `saying`: the loudspeaker; `recorded`: journal marks so far."""

    flows: Mapping[str, LaneFlow]
    outputs: Mapping[str, StageOutputs]
    inside: int | None
    saying: str
    recorded: Collection[str]


def note(timeline: Timeline, at: float, sight: Sight) -> None:
    """Note every lane's state."""
    for lane, flow in sight.flows.items():
        timeline.note(at, f"{lane} signal", lane_signal(flow))
        timeline.note(at, f"{lane} lane", flow.lane.state)
        timeline.note(at, f"{lane} alarms", " ".join(sorted(flow.doorway.alarms)))
        if flow.config.door is not None:
            timeline.note(at, f"{lane} door", flow.doorway.door.state)
            timeline.note(at, f"{lane} relay", "unlocked" if sight.outputs[lane].unlocked else "")
            timeline.note(at, f"{lane} contact", "open" if flow.doorway.door.is_open else "")


def unmet(wanted: Expectation, sight: Sight) -> Iterator[str]:
    """Yield what is not as it is expected, in words."""
    where = f"{wanted.at:g} s, lane {wanted.lane}"
    for name, value in _found(wanted.lane, sight).items():
        asked = getattr(wanted, name)
        if asked is not None and asked != value:
            yield f"{where}: {name} is {value}, expected {asked}"
    ringing = sight.flows[wanted.lane].doorway.alarms
    if wanted.alarm is not None and wanted.alarm not in ringing:
        yield f"{where}: no alarm {wanted.alarm}; ringing: {', '.join(ringing) or 'none'}"
    if wanted.recorded is not None and wanted.recorded not in sight.recorded:
        yield f"{where}: nothing recorded as {wanted.recorded!r} so far"


def _found(lane: str, sight: Sight) -> dict[str, object]:
    flow = sight.flows[lane]
    door, decision = flow.doorway, flow.lane.decision
    return {
        "signal": str(lane_signal(flow)),
        "lane_state": str(flow.lane.state),
        "door": str(door.door.state),
        "unlocked": sight.outputs[flow.config.door_of or lane].unlocked,
        "reason": str(flow.lane.fault or decision.reason) if decision else None,
        "silent": not door.alarms,
        "inside": sight.inside,
        "says": sight.saying,
    }
