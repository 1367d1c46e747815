"""What a scenario names and does not define: found before anything is played, by the path of the key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum

from station.core.door import DoorState
from station.core.lane import LaneState
from station.core.model import Band, Status
from station.core.reasons import Reason
from station.core.signals import Signal
from station.ports import InputKind
from station.simulation.scenario import Expectation, Scenario, ScenarioError, Step

SILENT = "silent"
WHAT = (
    *("scan", "temperature", "input", "fault", "clock_step", "clock", "guard", "celsius"),
    *("status", "power", "policy", "announcements"),
)
"""The keys of a step of which exactly one is given."""
_ENUMS: dict[str, type[StrEnum]] = {"signal": Signal, "lane_state": LaneState, "door": DoorState, "reason": Reason}
_OF_A_DOOR = ("relay", "inputs")
"""Faults of what hangs on a door."""


def check(scenario: Scenario) -> None:
    """Raise ScenarioError naming every key whose value cannot be meant, one per line."""
    if problems := list(mistakes(scenario)):
        raise ScenarioError("\n".join(problems))


def mistakes(scenario: Scenario) -> Iterator[str]:
    """Yield what is wrong, in words, with the path of the key."""
    lanes = [lane.id for lane in scenario.lanes]
    doors = [lane.id for lane in scenario.lanes if lane.door is not None and lane.door_of is None]
    if len(set(lanes)) < len(lanes):
        yield "two lanes have the same id - at `$.lanes`"
    for number, lane in enumerate(scenario.lanes):
        if lane.door_of is not None and lane.door_of not in doors:
            yield _unknown(f"$.lanes[{number}].door_of", lane.door_of, doors)
    for number, group in enumerate(scenario.interlock):
        for name in sorted(set(group) - set(doors)):
            yield _unknown(f"$.interlock[{number}]", name, doors)
    for number, step in enumerate(scenario.steps):
        yield from _of_step(step, f"$.steps[{number}]", scenario, doors)
        yield from _of_moment(step, f"$.steps[{number}]", scenario, lanes)
    for number, expectation in enumerate(scenario.expect):
        yield from _of_expectation(expectation, f"$.expect[{number}]")
        yield from _of_moment(expectation, f"$.expect[{number}]", scenario, lanes)


def _of_moment(what: Step | Expectation, where: str, scenario: Scenario, lanes: list[str]) -> Iterator[str]:
    if what.at > scenario.seconds:
        yield f"{what.at:g} s is after the scenario's end ({scenario.seconds:g} s) - at `{where}.at`"
    if what.lane not in lanes:
        yield _unknown(f"{where}.lane", what.lane, lanes)


def _of_step(step: Step, where: str, scenario: Scenario, doors: list[str]) -> Iterator[str]:
    given = [name for name in WHAT if getattr(step, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield f"a step says exactly one of {', '.join(WHAT)}; found {found} - at `{where}`"
    if step.input is not None:
        yield from _one_of(f"{where}.input", step.input, InputKind)
    if step.temperature is not None:
        yield from _one_of(
            f"{where}.temperature", step.temperature, [SILENT, *(b for b in Band if b is not Band.NOT_MEASURED)]
        )
    if (step.input is not None or step.fault in _OF_A_DOOR) and step.lane not in doors:
        yield f"the lane has no door of its own; name the one its door stands in - at `{where}.lane`"
    if step.status is not None:
        name, _, status = step.status.partition("=")
        yield from _one_of(f"{where}.status", name, scenario.passes)
        yield from _one_of(f"{where}.status", status, [word.name.lower().replace("_", "-") for word in Status])


def _of_expectation(expectation: Expectation, where: str) -> Iterator[str]:
    for name, words in _ENUMS.items():
        asked = getattr(expectation, name)
        if asked is not None:
            yield from _one_of(f"{where}.{name}", asked, words)


def _one_of(where: str, value: str, words: Iterable[str]) -> Iterator[str]:
    known = [str(word) for word in words]
    if value not in known:
        yield _unknown(where, value, known)


def _unknown(where: str, value: str, known: Collection[str]) -> str:
    return f"{value!r} is none of {', '.join(known) or '(nothing is defined)'} - at `{where}`"
