"""What the tests of the I2C sensors share: a world in this process, and time that passes only by waiting."""

from __future__ import annotations

import os
from typing import Any

import pytest
from smbus2 import i2c_msg

SENSORS = os.environ.get("GATE_STATION_SENSORS", "mlx90614").split(",")
"""Which sensors are wired to /dev/i2c-1 of the Raspberry Pi, with GATE_STATION_HARDWARE=1."""


def on_hardware(sensor: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a case that needs `sensor` on /dev/i2c-1."""
    there = os.environ.get("GATE_STATION_HARDWARE") == "1" and sensor in SENSORS
    reason = f"needs a sensor on /dev/i2c-1: set GATE_STATION_HARDWARE=1 and GATE_STATION_SENSORS={sensor} on the Pi"
    return [pytest.mark.hardware, pytest.mark.skipif(not there, reason=reason)]


class Room(dict[str, Any]):
    """A world that lives in this process, with one sensor under `key`."""

    def __init__(self, key: str, **scene: Any) -> None:
        super().__init__({key: scene})
        self._key = key

    def scene(self, **changes: Any) -> None:
        """Change what the sensor meets."""
        self[self._key] = self[self._key] | changes


class Hours:
    """Time for driver and twin together: it passes while somebody waits or the bus is busy."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """Return the time, seconds."""
        return self.seconds

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class Disturbed:
    """A bus that lets the first transactions fail, and can change what is read, before the bus behind it."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self.failures: list[OSError] = []
        self.changes: list[tuple[bytes, int, bytes]] = []
        """An asked address, a place in its next answer, and the bytes to put there; each once."""
        self.transactions: list[list[bytes]] = []

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Fail as long as failures are left; else carry out and change the answer."""
        self.transactions.append([bytes(message) for message in i2c_msgs])
        if self.failures:
            raise self.failures.pop(0)
        self._bus.i2c_rdwr(*i2c_msgs)
        asked = bytes(i2c_msgs[0]) if len(i2c_msgs) > 1 else None
        if change := next((change for change in self.changes if change[0] == asked), None):
            self.changes.remove(change)
            for at, byte in enumerate(change[2], start=change[1]):
                i2c_msgs[1].buf[at] = bytes([byte])

    def close(self) -> None:
        """Release the bus behind."""
        self._bus.close()
