"""The bench for pins: the same contract tests run against the twin and, on a Raspberry Pi, against real pins.

On a Raspberry Pi: GATE_STATION_HARDWARE=1 pytest -m hardware tests/contract. Nothing but the loop-backs may be
connected: each pin of LOOPS is wired to its probe through 1 kOhm, BCM numbers:

    17-27 relay    22-23 contact    24-25 exit button    5-6 fire    16-26 tamper
    12-13 LED red    18-19 LED green    20-21 LED blue    4-7 buzzer

The relay's cases (both polarities) need dtparam=strict_gpiod, as a station does.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.pins import factory as make_factory
from drivers.twins.pins import RELEASE_KEY
from drivers.twins.world import World, launch
from station.config import HardwareConfig

LOOPS = {17: 27, 22: 23, 24: 25, 5: 6, 16: 26, 12: 13, 18: 19, 20: 21, 4: 7}
"""Pin under test -> the probe it is wired to."""
HARDWARE = os.environ.get("GATE_STATION_HARDWARE") == "1"
DEADLINE_S = 10.0


def _eventually(holds: Callable[[], bool], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait until `holds()`, at most so many seconds; fail naming `what` otherwise."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"within {seconds} s: {what}"
        pause.wait(0.003)


class TwinBench:
    """Pins in a world of their own; `levels` comes from the log of the world process."""

    def __init__(self, place: Path) -> None:
        self.socket, self.record = place / "world", place / "world.log"
        self.process = launch(self.socket, self.record)
        self.world = World.connect(self.socket)
        self.hardware = HardwareConfig(pins="twin", world=self.socket)
        self._factories: list[Any] = []

    def factory(self) -> Any:
        """Return a pin factory as a station makes it."""
        self._factories.append(make_factory(self.hardware))
        return self._factories[-1]

    def keep_levels(self) -> None:
        """From now on a dead station's pins keep their levels."""
        self.world.set(RELEASE_KEY, "keep")
        assert self.world.wait_for(lambda state: state.get(RELEASE_KEY) == "keep", DEADLINE_S)

    def drive(self, pin: int, level: int | None) -> None:
        """Drive an input pin from outside; None lets go of it."""
        self.world.set(f"pin.{pin}", level)

    def entries(self, what: str = "pin") -> list[dict[str, Any]]:
        """Return the world's log so far: its entries of one kind."""
        lines = self.record.read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry.get("what") == what]

    def levels(self, pin: int) -> list[int]:
        """Return the levels of the pin since it was first an output, without repetitions, oldest first."""
        entries = [entry for entry in self.entries() if entry["pin"] == pin]
        first = next((n for n, entry in enumerate(entries) if entry["function"] == "output"), len(entries))
        found = [entry["level"] for entry in entries[first:]]
        return [level for n, level in enumerate(found) if n == 0 or found[n - 1] != level]

    def level(self, pin: int) -> int | None:
        """Return the pin's level now, None where nothing is known of it."""
        return next((entry["level"] for entry in reversed(self.entries()) if entry["pin"] == pin), None)

    def close(self) -> None:
        """End everything."""
        for factory in self._factories:
            factory.close()
        self.world.close()
        self.process.terminate()
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()


class PiBench:
    """Real pins, each wired to a probe (LOOPS)."""

    def __init__(self) -> None:
        self.hardware = HardwareConfig(pins="lgpio")
        self._header = make_factory(self.hardware)
        self._probes: dict[int, Any] = {}
        self._seen: dict[int, list[int]] = {}
        for pin in (17, 12, 18, 20, 4):
            self._listen(pin)

    def factory(self) -> Any:
        """Return the header; one process opens it once."""
        return self._header

    def drive(self, pin: int, level: int | None) -> None:
        """Drive a pin through its probe."""
        probe = self._header.pin(LOOPS[pin])
        if level is None:
            probe.close()
        else:
            probe.output_with_state(bool(level))

    def levels(self, pin: int) -> list[int]:
        """Return the levels the probe saw since the pin left its resting level."""
        return self._seen[pin]

    def level(self, pin: int) -> int:
        """Return what the probe sees now."""
        return int(self._probes[pin].state)

    def close(self) -> None:
        """End everything."""
        self._header.close()

    def _listen(self, pin: int) -> None:
        probe = self._header.pin(LOOPS[pin])
        probe.input_with_pull("floating")
        seen = self._seen[pin] = [int(probe.state)]

        def changed(_ticks: Any, level: Any) -> None:
            seen.append(int(level))

        self._probes[pin] = probe
        probe.keep_alive = changed
        probe.when_changed = changed


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait with a deadline: called with a condition, what it means, and perhaps seconds."""
    return _eventually


@pytest.fixture
def twin_bench(tmp_path: Path) -> Iterator[TwinBench]:
    """A bench that only the twin offers: its world's log and both release behaviours."""
    bench = TwinBench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture(params=["twin", pytest.param("pi", marks=pytest.mark.hardware)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TwinBench | PiBench]:
    """The bench under the contract: the twin, and real pins where there are any."""
    if request.param == "pi" and not HARDWARE:
        pytest.skip("needs a Raspberry Pi with the loop-backs of tests/contract/conftest.py; GATE_STATION_HARDWARE=1")
    made = TwinBench(tmp_path) if request.param == "twin" else PiBench()
    yield made
    made.close()
