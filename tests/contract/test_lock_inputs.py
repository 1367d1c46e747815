"""The contract of the inputs of lock, passage, break-glass and key switch (drivers.inputs), on the twin's pins.

The wiring of the hardware bench has no loop-backs for them; what they share with the others is proved there.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from drivers.inputs import LaneInputs
from drivers.outputs import LaneOutputs
from station.device_config import ButtonConfig, DoorConfig, RelayConfig
from station.ports import InputKind, Release

RELAY = 17
PINS = {"bolt": 22, "passage": 24, "break_glass": 5, "block": 16, "rex": 12, "fire": 18}
BOTH = {
    "bolt": (InputKind.BOLT_THROWN, InputKind.BOLT_WITHDRAWN),
    "block": (InputKind.BLOCKED, InputKind.UNBLOCKED),
    "break_glass": (InputKind.BREAK_GLASS, InputKind.BREAK_GLASS_CLEARED),
    "fire": (InputKind.FIRE, InputKind.FIRE_CLEARED),
    "rex": (InputKind.REX, InputKind.REX_RELEASED),
}
AT_REST = {
    InputKind.BOLT_WITHDRAWN,
    InputKind.UNBLOCKED,
    InputKind.BREAK_GLASS_CLEARED,
    InputKind.FIRE_CLEARED,
    InputKind.REX_RELEASED,
}


def door(active: str = "low", **others: Any) -> DoorConfig:
    buttons = {name: ButtonConfig(pin=pin, active=active) for name, pin in PINS.items()}
    return DoorConfig(relay=RelayConfig(pin=RELAY), **buttons, **others)


@pytest.fixture
def made():
    """Inputs and outputs to be closed at the end of the test."""
    opened: list[Any] = []
    yield opened
    for one in reversed(opened):
        one.close()


@pytest.fixture
def watched(twin_bench, made, eventually):
    """Start inputs and real outputs on a bench at rest; return what is reported from then on."""

    def start(active: str = "low", **others: Any) -> list[InputKind]:
        for pin in PINS.values():
            twin_bench.drive(pin, int(active == "low"))
        factory, heard = twin_bench.factory(), []
        outputs = LaneOutputs(door(active, **others), factory)
        made.append(outputs)
        outputs.lock()
        inputs = LaneInputs(door(active, **others), outputs, factory)
        made.append(inputs)
        inputs.watch(heard.append)
        eventually(lambda: len(heard) >= len(AT_REST), "every input but the passage is reported")
        assert set(heard) == AT_REST
        heard.clear()
        return heard

    return start


@pytest.mark.parametrize("active", ["low", "high"])
@pytest.mark.parametrize("name", BOTH)
def test_both_states_are_reported(twin_bench, watched, eventually, name, active):
    """Bolt, key switch, break-glass, fire and exit button report that they become active and that they cease to be."""
    heard = watched(active)
    for number, kind in enumerate(BOTH[name] * 2):
        twin_bench.drive(PINS[name], int((active == "high") == (number % 2 == 0)))
        eventually(lambda number=number: len(heard) == number + 1, f"{kind} is reported")
    assert heard == [*BOTH[name], *BOTH[name]]


def test_a_passage_sensor_reports_pulses_alone(twin_bench, watched, eventually):
    """Each person is one report; that the beam is free again is none."""
    heard = watched()
    for count in (1, 2, 3):
        twin_bench.drive(PINS["passage"], 0)
        eventually(lambda count=count: heard.count(InputKind.PASSAGE) == count, f"person {count}")
        twin_bench.drive(PINS["passage"], 1)
        twin_bench.drive(PINS["block"], (count + 1) % 2)  # settles later: once reported, the beam was read as free
        eventually(lambda count=count: len(heard) == 2 * count, f"the key switch after person {count}")
    assert heard[::2] == [InputKind.PASSAGE] * 3
    assert heard[1::2] == [InputKind.BLOCKED, InputKind.UNBLOCKED, InputKind.BLOCKED]


def test_break_glass_and_fire_each_hold_the_door(twin_bench, watched, eventually):
    """While they overlap the door stays released until both are over; a lock meanwhile is done then."""
    heard = watched()
    assert twin_bench.level(RELAY) == 0
    twin_bench.drive(PINS["break_glass"], 0)
    eventually(lambda: twin_bench.level(RELAY) == 1, "the glass releases")
    twin_bench.drive(PINS["fire"], 0)
    eventually(lambda: InputKind.FIRE in heard, "fire is reported")
    twin_bench.drive(PINS["break_glass"], 1)
    eventually(lambda: InputKind.BREAK_GLASS_CLEARED in heard, "the glass is mended")
    assert twin_bench.level(RELAY) == 1
    twin_bench.drive(PINS["break_glass"], 0)
    eventually(lambda: heard.count(InputKind.BREAK_GLASS) == 2, "broken again")
    twin_bench.drive(PINS["fire"], 1)
    eventually(lambda: InputKind.FIRE_CLEARED in heard, "the fire is over")
    assert twin_bench.level(RELAY) == 1
    assert twin_bench.levels(RELAY) == [0, 1]


def test_what_lasted_is_locked_by_the_gate_and_not_before(twin_bench, watched, made, eventually):
    """The inputs end a release; the lock itself is the gate's, remembered while the release lasts."""
    heard = watched()
    outputs = made[0]
    twin_bench.drive(PINS["break_glass"], 0)
    eventually(lambda: twin_bench.level(RELAY) == 1, "released")
    outputs.lock()
    assert twin_bench.level(RELAY) == 1
    twin_bench.drive(PINS["break_glass"], 1)
    eventually(lambda: twin_bench.level(RELAY) == 0, "the lock that came meanwhile is done")
    eventually(lambda: InputKind.BREAK_GLASS_CLEARED in heard, "reported")


def test_broken_glass_at_boot_releases_at_once(twin_bench, made, eventually):
    """A station that starts while the glass is broken releases the door, and is told."""
    twin_bench.drive(PINS["break_glass"], 0)
    factory, heard = twin_bench.factory(), []
    outputs = LaneOutputs(door(), factory)
    made.append(outputs)
    outputs.lock()
    inputs = LaneInputs(door(), outputs, factory)
    made.append(inputs)
    inputs.watch(heard.append)
    eventually(lambda: InputKind.BREAK_GLASS in heard, "reported")
    eventually(lambda: twin_bench.level(RELAY) == 1, "released")


def test_lock_inputs_move_no_relay(twin_bench, watched, eventually):
    """Bolt, passage and key switch are only reported: what follows is the gate's to decide."""
    heard = watched()
    for name in ("bolt", "passage", "block"):
        twin_bench.drive(PINS[name], 0)
    eventually(lambda: len(heard) == 3, "all three are reported")
    assert twin_bench.levels(RELAY) == [0]


def test_controlled_egress_still_breaks_the_glass(twin_bench, made, eventually):
    """On a controlled lane an exit button does nothing, breaking the glass releases."""
    factory, heard = twin_bench.factory(), []
    outputs = LaneOutputs(door(egress="controlled"), factory)
    made.append(outputs)
    inputs = LaneInputs(door(egress="controlled"), outputs, factory)
    made.append(inputs)
    inputs.watch(heard.append)
    eventually(lambda: len(heard) == len(AT_REST) - 1, "at rest, without the exit button")
    twin_bench.drive(PINS["rex"], 0)
    twin_bench.drive(PINS["break_glass"], 0)
    eventually(lambda: InputKind.BREAK_GLASS in heard, "reported")
    eventually(lambda: twin_bench.level(RELAY) == 1, "released")
    assert InputKind.REX not in heard


def test_release_causes_are_kept_apart(twin_bench, made, eventually):
    """The end of one cause never ends another."""
    outputs = LaneOutputs(door(), twin_bench.factory())
    made.append(outputs)
    for cause in (Release.FIRE, Release.BREAK_GLASS):
        outputs.release(cause, math.inf)
    outputs.lock()
    outputs.end_release(Release.FIRE)
    outputs.lock()
    eventually(lambda: twin_bench.level(RELAY) == 1, "released")
    outputs.end_release(Release.BREAK_GLASS)
    eventually(lambda: twin_bench.level(RELAY) == 0, "locked once both are over")
    assert twin_bench.levels(RELAY) == [0, 1, 0]
