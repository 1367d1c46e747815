"""The contract of a lane's inputs: station.ports.Inputs as drivers.inputs keeps it."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import inputs as module
from drivers.debounce import PATIENCE, Debouncer
from drivers.inputs import LaneInputs
from drivers.outputs import LaneOutputs
from station.device_config import ButtonConfig, DoorConfig, RelayConfig
from station.ports import DeviceFault, InputKind, Release

RELAY, CONTACT, REX, FIRE, TAMPER = 17, 22, 24, 5, 16
BUTTONS = {"contact": CONTACT, "rex": REX, "fire": FIRE, "tamper": TAMPER}
AT_REST = {
    InputKind.DOOR_CLOSED,
    InputKind.FIRE_CLEARED,
    InputKind.TAMPER_CLEARED,
    InputKind.REX_RELEASED,
    ("end", Release.FIRE),
}


def door(active: str = "low", circuit: str = "open", **others: Any) -> DoorConfig:
    return DoorConfig(
        relay=RelayConfig(pin=RELAY),
        **{name: ButtonConfig(pin=pin, active=active, circuit=circuit) for name, pin in BUTTONS.items()},
        **others,
    )


class Diary:
    """Stands in for the outputs and keeps, in order, what they were asked and what was reported."""

    def __init__(self) -> None:
        self.lines: list[Any] = []
        self.broken = False

    def release(self, cause: Release, seconds: float) -> None:
        self.lines.append(("release", cause, seconds))
        if self.broken:
            raise DeviceFault("relay", "pin 17 does not obey", "Check it")

    def end_release(self, cause: Release) -> None:
        self.lines.append(("end", cause))

    def report(self, kind: InputKind) -> None:
        self.lines.append(kind)


@pytest.fixture
def diary() -> Diary:
    """What outputs and gate heard."""
    return Diary()


@pytest.fixture
def made() -> Iterator[list[Any]]:
    """Inputs and outputs to be closed at the end of the test."""
    opened: list[Any] = []
    yield opened
    for one in opened:
        one.close()


def rest(bench: Any, active: str) -> None:
    """Bring every input to its inactive level and wait until it is there."""
    for pin in BUTTONS.values():
        bench.drive(pin, int(active == "low"))


@pytest.fixture
def watched(bench, diary, made, eventually):
    """Start inputs on a bench at rest, told to the diary; the first reports are cleared from it."""

    def start(active: str = "low", **others: Any) -> LaneInputs:
        rest(bench, active)
        inputs = LaneInputs(door(active, **others), diary, bench.factory())
        made.append(inputs)
        inputs.watch(diary.report)
        at_rest = AT_REST - ({InputKind.REX_RELEASED} if others.get("egress") == "controlled" else set())
        eventually(lambda: len(diary.lines) >= len(at_rest), "contact, button, fire and tamper are reported")
        assert set(diary.lines) == at_rest
        diary.lines.clear()
        return inputs

    return start


@pytest.mark.parametrize("circuit", ["open", "closed"])
@pytest.mark.parametrize("active", ["low", "high"])
def test_each_input_reports_each_change(bench, diary, watched, eventually, active, circuit):
    """Both polarities and circuits: opening, closing, tampering and its end come through in order, once each."""
    watched(active, circuit=circuit)
    on, off = int(active == "high"), int(active == "low")
    expected = [InputKind.DOOR_OPENED, InputKind.DOOR_CLOSED, InputKind.TAMPER, InputKind.TAMPER_CLEARED]
    for number, (pin, level) in enumerate([(CONTACT, on), (CONTACT, off), (TAMPER, on), (TAMPER, off)]):
        bench.drive(pin, level)
        eventually(lambda number=number: diary.lines == expected[: number + 1], f"{expected[number]}")


@pytest.mark.parametrize("active", ["low", "high"])
def test_a_cut_wire_opens_a_closed_circuit(bench, diary, watched, eventually, active):
    """With contacts closed at rest a cut wire reads as door open, not as a door that stays shut for ever."""
    watched(active, circuit="closed")
    bench.drive(CONTACT, None)
    eventually(lambda: diary.lines == [InputKind.DOOR_OPENED], "the cut wire is noticed")


def test_rex_and_fire_release_before_they_report(bench, diary, watched, eventually):
    """Egress first: the outputs are told before the gate, for the configured time, fire for ever; no more."""
    watched(unlock_s=7.5)
    bench.drive(REX, 0)
    eventually(lambda: InputKind.REX in diary.lines, "the exit button is reported")
    bench.drive(REX, 1)
    eventually(lambda: InputKind.REX_RELEASED in diary.lines, "that it is let go is reported")
    bench.drive(FIRE, 0)
    eventually(lambda: InputKind.FIRE in diary.lines, "fire is reported")
    bench.drive(FIRE, 1)
    eventually(lambda: InputKind.FIRE_CLEARED in diary.lines, "the end of fire is reported")
    assert diary.lines == [
        ("release", Release.REX, 7.5),
        InputKind.REX,
        InputKind.REX_RELEASED,
        ("release", Release.FIRE, math.inf),
        InputKind.FIRE,
        ("end", Release.FIRE),
        InputKind.FIRE_CLEARED,
    ]


def test_each_press_of_the_exit_button_counts(bench, diary, watched, eventually):
    """Three presses release three times; a held button only once."""
    watched()
    for count in (1, 2, 3):
        bench.drive(REX, 0)
        eventually(lambda count=count: diary.lines.count(InputKind.REX) == count, f"press {count}")
        quiet = threading.Event()
        bench.drive(REX, 1)
        assert not quiet.wait(0.15)
    assert diary.lines.count(InputKind.REX) == 3


def test_controlled_egress_ignores_a_button_but_never_fire(bench, diary, watched, eventually):
    """A controlled lane has no exit button, whatever is wired there; fire releases it all the same."""
    watched(egress="controlled")
    bench.drive(REX, 0)
    bench.drive(FIRE, 0)
    eventually(lambda: InputKind.FIRE in diary.lines, "fire is reported")
    assert diary.lines == [("release", Release.FIRE, math.inf), InputKind.FIRE]


def test_fire_at_boot_releases_at_once(bench, made, eventually):
    """A fire contact active when the station starts unlocks the real relay, and lock stays without effect."""
    rest(bench, "low")
    bench.drive(FIRE, 0)
    factory, heard = bench.factory(), []
    outputs = LaneOutputs(door(), factory)
    made.append(outputs)
    outputs.lock()
    inputs = LaneInputs(door(), outputs, factory)
    made.append(inputs)
    inputs.watch(heard.append)
    eventually(lambda: InputKind.FIRE in heard, "fire is reported")
    eventually(lambda: bench.level(RELAY) == 1, "the door is released")
    outputs.lock()
    assert bench.level(RELAY) == 1
    bench.drive(FIRE, 1)
    eventually(lambda: bench.level(RELAY) == 0, "the lock is done when the fire is over")


def test_rex_beats_a_lock_on_the_real_relay(bench, made, eventually):
    """Press, lock by the gate at once, expiry: the door is open for the whole time and locked afterwards."""
    rest(bench, "low")
    factory, heard = bench.factory(), []
    outputs = LaneOutputs(door(unlock_s=0.6), factory)
    made.append(outputs)
    outputs.lock()
    inputs = LaneInputs(door(unlock_s=0.6), outputs, factory)
    made.append(inputs)
    inputs.watch(lambda kind: (heard.append(kind), outputs.lock()) if kind is InputKind.REX else None)
    bench.drive(REX, 1)
    eventually(inputs.alive, "inputs are watched")
    bench.drive(REX, 0)
    eventually(lambda: heard == [InputKind.REX], "the press is reported")
    eventually(lambda: bench.level(RELAY) == 1, "unlocked although the gate locked")
    eventually(lambda: bench.level(RELAY) == 0, "locked after the release", 3.0)


def test_short_pulse_is_no_press_and_the_last_level_is_never_lost(bench, diary, watched, eventually):
    """A burst of edges that ends where it began is nothing; one that ends elsewhere is one change."""
    watched()
    for _ in range(5):
        bench.drive(CONTACT, 0)
        bench.drive(CONTACT, 1)
    assert not threading.Event().wait(0.3)
    assert diary.lines == []
    for _ in range(5):
        bench.drive(CONTACT, 1)
        bench.drive(CONTACT, 0)
    eventually(lambda: diary.lines == [InputKind.DOOR_OPENED], "exactly one opening")


def test_lost_edge_is_found_by_looking(twin_bench, diary, made, eventually, monkeypatch):
    """Even if no edge ever arrives, the worker finds the new level."""
    inputs = LaneInputs(door(), diary, twin_bench.factory())
    made.append(inputs)
    inputs.watch(diary.report)
    eventually(lambda: InputKind.DOOR_CLOSED in diary.lines, "pulled up: closed")
    for watched_input in inputs._watched:
        watched_input.device.when_activated = None
    twin_bench.drive(CONTACT, 0)
    eventually(lambda: InputKind.DOOR_OPENED in diary.lines, "opened", 3.0)


def test_failing_report_and_outputs_stop_nothing(bench, made, eventually, caplog):
    """Exceptions of the outputs and of the gate's callback are logged; the next change comes through, worker alive."""
    rest(bench, "low")
    outputs = Diary()
    outputs.broken = True
    heard: list[InputKind] = []

    def report(kind: InputKind) -> None:
        heard.append(kind)
        if kind is InputKind.REX:
            raise ValueError("the gate's own mistake")

    inputs = LaneInputs(door(), outputs, bench.factory())
    made.append(inputs)
    inputs.watch(report)
    eventually(lambda: InputKind.DOOR_CLOSED in heard, "ready")
    bench.drive(REX, 0)
    eventually(lambda: InputKind.REX in heard, "reported although the release failed")
    bench.drive(CONTACT, 0)
    eventually(lambda: InputKind.DOOR_OPENED in heard, "the next change comes through")
    assert inputs.alive()
    assert "pin 17 does not obey" in caplog.text
    assert "the gate's own mistake" in caplog.text


def test_unreadable_fire_contact_is_no_longer_alive(twin_bench, diary, made, eventually, monkeypatch, caplog):
    """What egress hangs on must be readable: the fault is logged once, the other inputs go on, and it ends."""
    inputs = LaneInputs(door(), diary, twin_bench.factory())
    made.append(inputs)
    inputs.watch(diary.report)
    eventually(inputs.alive, "alive")
    (fire,) = [one for one in inputs._watched if one.name == "fire"]
    genuine = fire.device

    class Unreadable:
        @property
        def is_active(self) -> bool:
            raise OSError("bad read")

    fire.device = Unreadable()
    eventually(lambda: not inputs.alive(), "no longer alive")
    twin_bench.drive(CONTACT, 0)
    eventually(lambda: InputKind.DOOR_OPENED in diary.lines, "the contact is still read")
    fire.device = genuine
    eventually(inputs.alive, "alive again")
    assert caplog.text.count("fire cannot be read") == 1


def test_alive_only_between_watch_and_close(bench, diary, watched):
    """A supervisor sees the worker's life: alive once watching, not after close; close twice is fine."""
    inputs = watched()
    assert inputs.alive()
    inputs.close()
    inputs.close()
    assert not inputs.alive()
    never = LaneInputs(door(), diary, bench.factory())
    assert not never.alive()
    never.close()


def test_hanging_callback_is_not_alive(twin_bench, made, diary, eventually, monkeypatch):
    """A worker stuck in a callback stops being alive, so that the supervisor ends the process."""
    monkeypatch.setattr(module, "_STALE_S", 0.3)
    stuck = threading.Event()
    inputs = LaneInputs(door(), diary, twin_bench.factory())
    made.append(inputs)
    inputs.watch(lambda _kind: stuck.wait(20))
    eventually(lambda: not inputs.alive(), "stale")
    stuck.set()
    eventually(inputs.alive, "alive again")


def test_pin_that_cannot_be_an_input_is_named(twin_bench, diary):
    """BCM 2 has a physical pull-up, so nothing active-high can be there: the fault names lane, input and pin."""
    bad = DoorConfig(relay=RelayConfig(pin=RELAY), fire=ButtonConfig(pin=2, active="high"))
    with pytest.raises(DeviceFault, match="north: fire: pin 2") as fault:
        LaneInputs(bad, diary, twin_bench.factory(), "north")
    assert fault.value.remedy


@given(gaps=st.lists(st.tuples(st.floats(0.0001, 0.2), st.booleans()), max_size=40), last=st.booleans())
def test_debouncer_always_ends_at_the_last_level(gaps, last):
    """Whatever edges came, once it is quiet the settled level is the real one, and news alternate."""
    settle, now = 0.03, 0.0
    debouncer, news = Debouncer(settle, now), []
    for gap, level in [*gaps, (0.01, last)]:
        now += gap
        debouncer.edge(now)
        news.append(debouncer.level(level, now))
    news.append(debouncer.level(last, now + settle + 1e-6))
    told = [level for level in news if level is not None]
    assert told[-1] == last
    assert all(a != b for a, b in itertools.pairwise(told))


def test_chatter_cannot_hold_back_an_alarm():
    """An input that never rests is believed after a while: chatter that reads active is reported active."""
    debouncer = Debouncer(0.03, 0.0)
    debouncer.edge(0.0)
    assert debouncer.level(False, 0.031) is False
    taken = None
    for step in range(1, 100):
        now = 1.0 + step * 0.01
        debouncer.edge(now)
        taken = debouncer.level(True, now)
        if taken:
            break
    assert taken is True
    assert now <= 1.0 + 0.02 + 0.03 * PATIENCE
