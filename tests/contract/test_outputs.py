"""The contract of a lane's outputs: station.ports.Outputs as drivers.outputs keeps it."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import pins
from drivers.outputs import LaneOutputs, drive_safe, needed_pull, safe_levels
from drivers.patterns import phase
from station.config import Config, HardwareConfig, parse
from station.core.signals import PATTERNS, Signal
from station.device_config import DoorConfig, LedConfig, RelayConfig
from station.ports import DeviceFault, Release

RELAY, RED, GREEN, BLUE, BUZZER = 17, 12, 18, 20, 4
COMBINATIONS = [(active, mode) for active in ("high", "low") for mode in ("fail-secure", "fail-safe")]
all_relays = pytest.mark.parametrize(("active", "mode"), COMBINATIONS)
DOOR = DoorConfig(relay=RelayConfig(pin=RELAY))
FULL = DoorConfig(relay=RelayConfig(pin=RELAY), led=LedConfig(red=RED, green=GREEN, blue=BLUE), buzzer=BUZZER)


def energised(active: str) -> int:
    return int(active == "high")


def unlocked_level(active: str, mode: str) -> int:
    return energised(active) if mode == "fail-secure" else 1 - energised(active)


@pytest.fixture
def made() -> Any:
    """Outputs to be closed at the end of the test, whatever became of them."""
    opened: list[LaneOutputs] = []
    yield opened
    for outputs in opened:
        outputs.close()


@all_relays
def test_relay_takes_every_level_without_a_glitch(eventually, bench, made, active, mode):
    """From the first moment to the close the relay shows only the levels asked for, beginning de-energised."""
    door = DoorConfig(relay=RelayConfig(pin=RELAY, active=active, mode=mode))
    rest, unlocked = 1 - energised(active), unlocked_level(active, mode)
    outputs = LaneOutputs(door, bench.factory())
    made.append(outputs)
    expected = [rest]
    for step, level in ((outputs.unlock, unlocked), (outputs.lock, 1 - unlocked), (outputs.unlock, unlocked)):
        step()
        eventually(lambda level=level: bench.level(RELAY) == level, f"{step.__name__} gives level {level}")
        expected += [level] if expected[-1] != level else []
    outputs.close()
    eventually(lambda: bench.level(RELAY) == rest, "close de-energises")
    expected += [rest] if expected[-1] != rest else []
    assert bench.levels(RELAY)[-len(expected) :] == expected
    assert len(bench.levels(RELAY)) <= len(expected) + 1, "a real probe may first see the pin float"


@all_relays
def test_first_output_level_is_the_safe_one_and_the_pull_agrees(eventually, twin_bench, made, active, mode):
    """The pin becomes an output at its safe level, and its pull alone would keep the relay de-energised."""
    relay = RelayConfig(pin=RELAY, active=active, mode=mode)
    made.append(LaneOutputs(DoorConfig(relay=relay), twin_bench.factory()))
    eventually(lambda: twin_bench.levels(RELAY) != [], "the pin is claimed")
    first = next(entry for entry in twin_bench.entries() if entry["function"] == "output")
    assert (first["pin"], first["level"], first["pull"]) == (RELAY, 1 - energised(active), needed_pull(relay))
    assert (needed_pull(relay) == "up") == (safe_levels(DoorConfig(relay=relay)) == [(RELAY, 1)])


@all_relays
def test_closing_an_unlocked_or_locked_door_leaves_the_safe_level(eventually, bench, made, active, mode):
    """After close the relay is de-energised whatever it was before, twice is fine, and later calls change nothing."""
    door = DoorConfig(relay=RelayConfig(pin=RELAY, active=active, mode=mode))
    factory, rest = bench.factory(), 1 - energised(active)
    for step in ("unlock", "lock"):
        outputs = LaneOutputs(door, factory)
        made.append(outputs)
        getattr(outputs, step)()
        outputs.close()
        outputs.close()
        eventually(lambda: bench.level(RELAY) == rest, f"safe after {step}")
        outputs.unlock()
        outputs.release(Release.FIRE, math.inf)
        assert bench.level(RELAY) == rest
        assert not outputs.alive()


def test_close_drives_the_safe_level_before_the_pin_is_given_back(twin_bench, made, eventually):
    """The pull is only the second line of defence: the last level ever driven is the safe one."""
    outputs = LaneOutputs(DOOR, twin_bench.factory())
    made.append(outputs)
    outputs.unlock()
    outputs.close()
    eventually(lambda: twin_bench.entries()[-1]["function"] == "input", "the pin is given back")
    assert [entry["level"] for entry in twin_bench.entries() if entry["function"] == "output"] == [0, 1, 0]


def test_lock_during_release_takes_effect_when_it_has_expired(eventually, bench, made):
    """An exit release outlasts a lock that came during it; the door locks by itself once it is over."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    outputs.lock()
    begun = time.monotonic()
    outputs.release(Release.REX, 0.5)
    eventually(lambda: bench.level(RELAY) == 1, "the exit button unlocks")
    outputs.lock()
    eventually(lambda: bench.level(RELAY) == 0, "the remembered lock takes effect", 3.0)
    assert time.monotonic() - begun >= 0.5
    assert bench.levels(RELAY)[-3:] == [0, 1, 0]


def test_an_exit_release_relocks_by_itself(eventually, bench, made):
    """After the exit button the door locks again even while the gate thread is held up and asks for nothing."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    outputs.lock()
    outputs.release(Release.REX, 0.3)
    eventually(lambda: bench.levels(RELAY) == [0, 1, 0], "the door was released and is locked again")


def test_an_exit_release_does_not_end_a_passage(eventually, bench, made):
    """The exit button during a granted passage prolongs it; only the gate's own lock ends it."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    outputs.unlock()
    outputs.release(Release.REX, 0.05)
    over = threading.Event()
    assert not over.wait(0.4)
    assert bench.level(RELAY) == 1
    outputs.lock()
    eventually(lambda: bench.level(RELAY) == 0, "the gate's lock works")


def test_unlock_during_release_forgets_the_remembered_lock(bench, made):
    """The gate's last word counts: lock, then unlock during a release leaves the door unlocked."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    outputs.release(Release.REX, 0.1)
    outputs.lock()
    outputs.unlock()
    assert not threading.Event().wait(0.4)
    assert bench.level(RELAY) == 1


def test_second_press_prolongs_the_release(eventually, bench, made):
    """A later exit press holds the door for its full time, and a shorter one never shortens it."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    begun = time.monotonic()
    outputs.release(Release.REX, 0.6)
    outputs.release(Release.REX, 0.01)
    outputs.lock()
    eventually(lambda: bench.level(RELAY) == 1, "unlocked")
    eventually(lambda: bench.level(RELAY) == 0, "locks in the end", 3.0)
    assert time.monotonic() - begun >= 0.6


def test_fire_outlasts_exit_and_lock_until_it_is_cleared(eventually, bench, made):
    """Fire holds the door open over an expired exit release and any lock; when it ends the lock is done."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    outputs.release(Release.FIRE, math.inf)
    outputs.release(Release.REX, 0.05)
    outputs.lock()
    outputs.end_release(Release.REX)
    assert not threading.Event().wait(0.3)
    assert bench.level(RELAY) == 1
    outputs.end_release(Release.FIRE)
    eventually(lambda: bench.level(RELAY) == 0, "the remembered lock is done once the fire is over")


def test_many_threads_leave_the_door_as_the_last_word_says(eventually, bench, made):
    """Locks from one thread against releases from another: never stuck, and locked once all releases are over."""
    outputs = LaneOutputs(DOOR, bench.factory())
    made.append(outputs)
    threads = [
        threading.Thread(target=lambda: [outputs.release(Release.REX, 0.02) for _ in range(100)]),
        threading.Thread(target=lambda: [outputs.lock() for _ in range(100)]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    outputs.lock()
    eventually(lambda: bench.level(RELAY) == 0, "locked once the last release is over")
    assert outputs.alive()


def test_relay_that_refuses_is_reported_and_tried_again(eventually, twin_bench, made, monkeypatch, caplog):
    """A relay write that fails raises DeviceFault with a remedy, is logged once, and is repeated until it works."""
    factory = twin_bench.factory()
    outputs = LaneOutputs(DOOR, factory)
    made.append(outputs)
    broken = threading.Event()
    broken.set()
    genuine = type(factory.pin(RELAY))._set_state

    def refuse(pin, value):
        if broken.is_set():
            raise OSError("bad write")
        genuine(pin, value)

    monkeypatch.setattr(type(factory.pin(RELAY)), "_set_state", refuse)
    with caplog.at_level(logging.INFO, "drivers.outputs"):
        with pytest.raises(DeviceFault, match="pin 17") as fault:
            outputs.unlock()
        assert fault.value.remedy
        eventually(lambda: "does not obey" in caplog.text, "the fault is logged")
        assert not outputs.alive()
        broken.clear()
        eventually(lambda: twin_bench.level(RELAY) == 1, "the relay is tried again")
        eventually(outputs.alive, "healthy again")
        eventually(lambda: "obeys again" in caplog.text, "the end of the fault is logged")
    assert caplog.text.count("does not obey") == 1


def test_granted_lights_green_and_beeps_once(eventually, bench, made):
    """The signal's colour shows and its one-shot beep ends."""
    outputs = LaneOutputs(FULL, bench.factory())
    made.append(outputs)
    outputs.signal(Signal.GRANTED)
    eventually(lambda: bench.levels(BUZZER)[-2:] == [1, 0], "one beep")
    eventually(lambda: [bench.level(pin) for pin in (RED, GREEN, BLUE)] == [0, 1, 0], "green alone")


def test_new_signal_interrupts_the_old(eventually, bench, made):
    """An endless alarm stops as soon as another signal comes; close leaves everything dark and silent."""
    outputs = LaneOutputs(FULL, bench.factory())
    made.append(outputs)
    outputs.signal(Signal.ALARM)
    eventually(lambda: bench.levels(RED).count(1) >= 2, "red blinks")
    eventually(lambda: bench.levels(BUZZER).count(1) >= 2, "the alarm sounds again and again")
    outputs.signal(Signal.GRANTED)
    eventually(lambda: bench.level(GREEN) == 1 and bench.level(RED) == 0, "green instead of red")
    eventually(lambda: bench.level(BUZZER) == 0, "silence after one beep")
    outputs.signal(Signal.EVACUATE)
    outputs.close()
    eventually(lambda: not any(bench.level(pin) for pin in (RED, GREEN, BLUE, BUZZER)), "dark and silent")


def test_broken_light_and_buzzer_never_stop_the_relay(eventually, twin_bench, made, caplog):
    """LED and buzzer on pins that cannot be claimed are logged once each; the relay works as ever."""
    factory = twin_bench.factory()
    factory.reserve_pins(twin_bench, RED, BUZZER)
    outputs = LaneOutputs(FULL, factory)
    made.append(outputs)
    outputs.signal(Signal.ALARM)
    outputs.unlock()
    eventually(lambda: twin_bench.level(RELAY) == 1, "the relay obeys")
    outputs.signal(Signal.GRANTED)
    assert outputs.alive()
    assert caplog.text.count("status LED does not work") == 1
    assert caplog.text.count("buzzer does not work") == 1


def test_light_that_fails_later_is_logged_once_and_recovers(twin_bench, made, eventually, monkeypatch, caplog):
    """A red LED pin that refuses several writes is one log line when it begins and one when it ends."""
    factory = twin_bench.factory()
    outputs = LaneOutputs(FULL, factory)
    made.append(outputs)
    kind, refused = type(factory.pin(RED)), []
    genuine = kind._set_state

    def refuse(pin, value):
        if pin._number == RED and len(refused) < 4:
            refused.append(value)
            raise OSError("bad write")
        genuine(pin, value)

    monkeypatch.setattr(kind, "_set_state", refuse)
    with caplog.at_level(logging.INFO, "drivers.patterns"):
        outputs.signal(Signal.ALARM)
        eventually(lambda: "works again" in caplog.text, "the end of the fault is logged")
    assert len(refused) == 4
    assert caplog.text.count("status LED does not work") == 1


def test_a_relay_is_tried_without_moving(twin_bench, made, eventually, monkeypatch):
    """`obeys` writes the level that is there, locked or unlocked: no edge; a pin that refuses writes is told."""
    factory = twin_bench.factory()
    outputs = LaneOutputs(DOOR, factory)
    made.append(outputs)
    for move, levels in ((outputs.lock, [0]), (outputs.unlock, [0, 1])):
        move()
        assert outputs.obeys()
        eventually(lambda levels=levels: twin_bench.levels(RELAY) == levels, "no edge but the move's own")
    kind = type(factory.pin(RELAY))
    with monkeypatch.context() as patch:

        def refuse(_pin, _value):
            raise OSError("bad write")

        patch.setattr(kind, "_set_state", refuse)
        assert not outputs.obeys()
    assert outputs.obeys()
    assert twin_bench.levels(RELAY) == [0, 1]
    outputs.close()
    assert not outputs.obeys()


def test_relay_on_a_pin_with_the_wrong_fixed_pull_is_refused(twin_bench):
    """BCM 2 has a physical pull-up: an active-high relay there would be energised when released."""
    with pytest.raises(DeviceFault, match="pin 2"):
        LaneOutputs(DoorConfig(relay=RelayConfig(pin=2)), twin_bench.factory())


def _config(active: str) -> Config:
    lane = '[[lane]]\nid = "a{0}"\ndirection = "in"\ncamera.source = "dir:x"\n[lane.door]\nbuzzer = {1}\n'
    relay = '[lane.door.relay]\npin = {0}\nactive = "{1}"\n'
    text = '[station]\nid = "s"\ngate = "g"\nzone = "110101001001"\n[trust]\nroots = {}\n'.format(["00" * 32] * 3)
    return parse(text + lane.format(1, 4) + relay.format(17, active) + lane.format(2, 5) + relay.format(22, active))


@pytest.mark.parametrize("active", ["high", "low"])
def test_drive_safe_reaches_every_lane(eventually, twin_bench, active):
    """Every output of every lane ends driven at its safe level, never having shown another."""
    assert drive_safe(_config(active), twin_bench.factory()) == []
    rest = 1 - energised(active)
    eventually(lambda: twin_bench.level(22) == rest, "the last relay is driven")
    eventually(lambda: twin_bench.levels(5) == [0], "the last buzzer is driven")
    assert [twin_bench.levels(pin) for pin in (17, 4, 22)] == [[rest], [0], [rest]]


def test_drive_safe_goes_on_after_a_bad_pin(eventually, twin_bench, monkeypatch):
    """A pin that fails is named with a remedy, and the others are still driven safe."""
    factory = twin_bench.factory()

    def refuse(state):
        raise OSError("busy")

    monkeypatch.setattr(factory.pin(17), "output_with_state", refuse, raising=False)
    (fault,) = drive_safe(_config("low"), factory)
    assert "pin 17" in fault.problem
    assert fault.remedy
    eventually(lambda: twin_bench.level(22) == 1, "the other lane is safe")


@given(
    durations=st.lists(st.floats(0.01, 5), max_size=6).map(tuple),
    repeats=st.booleans(),
    at_rest=st.booleans(),
    elapsed=st.floats(0, 1000),
)
def test_phase_always_moves_on(durations, repeats, at_rest, elapsed):
    """At any moment a pattern has a state and a next change that is not behind; rest lasts for ever."""
    on, wait = phase(durations, repeats, at_rest, elapsed)
    assert wait >= 0
    assert (wait == math.inf) == (not durations or (not repeats and elapsed >= sum(durations)))
    assert wait < math.inf or on == at_rest


@pytest.mark.parametrize(("elapsed", "on"), [(0.0, True), (0.3, False), (0.5, True), (10.2, True), (10.4, False)])
def test_phase_repeats(elapsed, on):
    """0.25 s on, 0.25 s off, for ever."""
    assert phase((0.25, 0.25), True, True, elapsed)[0] == on


@pytest.mark.parametrize("signal", list(Signal))
def test_phase_begins_every_signal_as_its_table_says(signal):
    """Each signal starts lit; it sounds at once where it has a sound."""
    pattern = PATTERNS[signal]
    assert phase(pattern.blink, pattern.blink_repeats, True, 0.0)[0]
    assert phase(pattern.beep, pattern.beep_repeats, False, 0.0)[0] == bool(pattern.beep)


class _RecordedLgpio(types.ModuleType):
    """Stands in for the library lgpio: records claims and writes, and keeps lines as its source does (lgGpio.c)."""

    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, 32, 64
    RISING_EDGE, FALLING_EDGE, BOTH_EDGES = 1, 2, 3
    error = OSError

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.calls: list[tuple[Any, ...]] = []
        self._mode: dict[int, int] = {}

    def gpio_claim_input(self, _handle, gpio, flags=0):
        self.calls.append(("input", gpio, flags))
        self._mode[gpio] = flags

    def gpio_claim_output(self, _handle, gpio, level=0, flags=0):
        self.calls.append(("output", gpio, level, flags))
        self._mode[gpio] = flags | 2

    def gpio_free(self, _handle, gpio):
        del self._mode[gpio]

    def gpio_write(self, _handle, gpio, level):
        self.calls.append(("write", gpio, int(level)))

    def gpio_get_mode(self, _handle, gpio):
        return self._mode.get(gpio, 0)


def test_real_lines_are_claimed_with_level_and_pull(monkeypatch):
    """On lgpio an active-low relay line is claimed high, pulled up, never low, and keeps its pull on close."""
    library = _RecordedLgpio()
    monkeypatch.setitem(sys.modules, "lgpio", library)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    header = types.SimpleNamespace(_handle=0)
    info = types.SimpleNamespace(name="GPIO17", interfaces={"gpio"}, pull="")
    line = pins.line_class()(header, info)
    assert library.calls == []
    line.input_with_pull("up")
    line.output_with_state(True)
    line.output_with_state(False)
    line.close()
    up = library.SET_PULL_UP
    outputs = [call for call in library.calls if call[0] != "input"]
    assert outputs == [("output", 17, 1, up), ("write", 17, 0)]
    assert library.calls[-1] == ("input", 17, up)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)


def test_missing_lgpio_names_the_package(monkeypatch):
    """Without the library the fault says which package and which kind of virtual environment are needed."""
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    with pytest.raises(DeviceFault, match="python3-lgpio") as fault:
        pins.factory(HardwareConfig(pins="lgpio"))
    assert "system-site-packages" in fault.value.remedy


def test_missing_world_names_the_command(tmp_path):
    """Where no world answers, the fault says how to start one."""
    with pytest.raises(DeviceFault, match=r"drivers\.twins\.world"):
        pins.factory(HardwareConfig(pins="twin", world=tmp_path / "none"))
