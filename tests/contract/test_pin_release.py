"""What becomes of the relay when the station dies without a word, seen by the world that survives it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.outputs import LaneOutputs, drive_safe
from drivers.twins.world import World
from station.config import parse
from station.device_config import DoorConfig, LedConfig, RelayConfig

HOME = Path(__file__).resolve().parents[2]
RELAY, GREEN = 17, 18
STATION = """
import sys
from pathlib import Path
from drivers.outputs import LaneOutputs
from drivers.pins import factory
from station.config import HardwareConfig
from station.device_config import DoorConfig, LedConfig, RelayConfig
from station.core.signals import Signal
pins, world, active, mode = sys.argv[1:]
hardware = HardwareConfig(pins=pins, world=Path(world) if pins == "twin" else None)
led = LedConfig(red=12, green=18, blue=20) if pins == "twin" else None
door = DoorConfig(relay=RelayConfig(pin=17, active=active, mode=mode), led=led)
outputs = LaneOutputs(door, factory(hardware))
outputs.signal(Signal.GRANTED)
{"fail-secure": outputs.unlock, "fail-safe": outputs.lock}[mode]()
print("energised", flush=True)
sys.stdin.read()
"""
COMBINATIONS = [(active, mode) for active in ("high", "low") for mode in ("fail-secure", "fail-safe")]
all_relays = pytest.mark.parametrize(("active", "mode"), COMBINATIONS)


@pytest.fixture
def killed() -> Iterator[Any]:
    """Start a station that energises its relay and kill it with -9."""
    started: list[subprocess.Popen[str]] = []

    def run(pins: str, world: Path | str, active: str, mode: str) -> int:
        command = [sys.executable, "-c", STATION, pins, str(world), active, mode]
        child = subprocess.Popen(command, cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "energised\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL
        return child.pid

    yield run
    for child in started:
        child.kill()
        child.wait(10)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


@all_relays
def test_kill_lets_the_pull_de_energise_the_relay(twin_bench, eventually, killed, active, mode):
    """With strict_gpiod a station killed with its relay energised leaves it to the pull, which de-energises it."""
    pid = killed("twin", twin_bench.socket, active, mode)
    on = int(active == "high")
    eventually(lambda: any(entry.get("by") == "release" for entry in twin_bench.entries()), "the pins are released")
    assert [entry["pid"] for entry in twin_bench.entries("gone")] == [pid]
    eventually(lambda: twin_bench.levels(RELAY) == [1 - on, on, 1 - on], "safe, energised, released to safe")
    last = [entry for entry in twin_bench.entries() if entry["pin"] == RELAY][-1]
    assert (last["by"], last["function"]) == ("release", "input")


@all_relays
def test_kill_on_a_keeping_kernel_needs_drive_safe(twin_bench, eventually, killed, active, mode):
    """Without strict_gpiod the relay stays energised after a kill; drive_safe ends that and its own end keeps it so."""
    twin_bench.keep_levels()
    killed("twin", twin_bench.socket, active, mode)
    on = int(active == "high")
    eventually(lambda: twin_bench.entries("gone") != [], "the station is gone")
    eventually(lambda: any(entry.get("by") == "release" for entry in twin_bench.entries()), "its pins are released")
    assert twin_bench.level(RELAY) == on, "the danger is real: the level is kept"
    text = f"""
        station = {{id = "s", gate = "g", zone = "110101001001"}}
        trust = {{roots = {["00" * 32] * 3}}}
        [[lane]]
        id = "a"
        direction = "in"
        camera = {{source = "dir:x"}}
        door = {{relay = {{pin = {RELAY}, active = "{active}", mode = "{mode}"}}}}
    """
    factory = twin_bench.factory()
    assert drive_safe(parse(text), factory) == []
    eventually(lambda: twin_bench.level(RELAY) == 1 - on, "driven to the safe level")
    factory.world.close()  # as if ExecStopPost's process ended here, without giving pins back
    eventually(lambda: len(twin_bench.entries("gone")) == 2, "the second process is gone")
    assert twin_bench.level(RELAY) == 1 - on


def test_every_output_is_accounted_for_on_release(twin_bench, eventually, killed):
    """All driven pins are released, each once, also the LED's, and a later station starts from its safe level."""
    killed("twin", twin_bench.socket, "high", "fail-secure")
    eventually(lambda: sum(entry.get("by") == "release" for entry in twin_bench.entries()) == 4, "four pins released")
    released = sorted(entry["pin"] for entry in twin_bench.entries() if entry.get("by") == "release")
    assert released == [12, RELAY, GREEN, 20]
    door = DoorConfig(relay=RelayConfig(pin=RELAY), led=LedConfig(red=12, green=GREEN, blue=20))
    outputs = LaneOutputs(door, twin_bench.factory())
    eventually(lambda: twin_bench.level(RELAY) == 0, "the next station starts safe")
    outputs.close()


def test_clean_end_leaves_nothing_to_release(twin_bench, eventually):
    """After close all pins are inputs: the kernel has nothing left to decide."""
    factory = twin_bench.factory()
    outputs = LaneOutputs(DoorConfig(relay=RelayConfig(pin=RELAY, active="low")), factory)
    outputs.unlock()
    outputs.close()
    factory.close()
    eventually(lambda: twin_bench.entries("gone") != [], "the station is gone")
    assert not any(entry.get("by") == "release" for entry in twin_bench.entries())
    assert twin_bench.level(RELAY) == 1


def test_world_survives_nonsense_and_tells_every_watcher(twin_bench, eventually):
    """A line that is no message is logged and skipped; a change reaches every client, the sender included."""
    other = World.connect(twin_bench.socket)
    heard: list[tuple[str, object]] = []
    other.on_change(lambda key, value: heard.append((key, value)))
    other._link.sendall(b"nonsense\n[]\n{}\n" + b'{"op": "fly"}\n')
    eventually(lambda: len(twin_bench.entries("bad-message")) == 4, "four bad lines are logged")
    twin_bench.world.set("camera.a", {"id": "s1"})
    other.set("camera.b", None)
    for world in (twin_bench.world, other):
        assert world.wait_for(lambda state: "camera.b" in state and "camera.a" in state, 5)
    eventually(lambda: heard == [("camera.a", {"id": "s1"}), ("camera.b", None)], "changes in order")
    other.close()


def test_station_outlives_its_world(twin_bench, eventually):
    """When the world dies the twins keep their last state and no call raises."""
    twin_bench.world.set("pin.4", 1)
    assert twin_bench.world.wait_for(lambda state: state.get("pin.4") == 1, 5)
    outputs = LaneOutputs(DoorConfig(relay=RelayConfig(pin=RELAY)), twin_bench.factory())
    twin_bench.process.kill()
    twin_bench.process.wait(10)
    outputs.unlock()
    assert twin_bench.world.get("pin.4") == 1
    outputs.close()


@all_relays
@pytest.mark.parametrize("bench", [pytest.param("pi", marks=pytest.mark.hardware)], indirect=True)
def test_kill_on_real_pins(bench, eventually, killed, active, mode):
    """On a Raspberry Pi with strict_gpiod the relay's pin falls back to its pull after kill -9."""
    killed("lgpio", "-", active, mode)
    eventually(lambda: bench.level(RELAY) == int(active == "low"), "released to the pull")
