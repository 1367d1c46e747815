"""A thermometer that answers correctly but far too late is a fault like one that does not answer."""

from __future__ import annotations

import time
from queue import Queue

import pytest

from station import screening
from station.core.model import Band
from station.device_config import ThermometerConfig
from station.ports import ThermalSample
from station.screening import DeviceReport, Screened, ScreeningWorker

SLOW_S = 0.05


class Slow:
    """Takes its time for each sample, and more than is borne while `late`."""

    def __init__(self) -> None:
        self.late = True

    def sample(self) -> ThermalSample:
        """Answer, late or not."""
        time.sleep(2 * SLOW_S if self.late else 0)
        return ThermalSample(36.4, 22.0)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def worker(monkeypatch):
    """A running worker with a slow sensor, and the queue of what it puts; a slow sample is one of 0.05 s here."""
    monkeypatch.setattr(screening, "TOO_SLOW_S", SLOW_S)
    sensor, told = Slow(), Queue()
    config = ThermometerConfig(bus="i2c:1", samples=3, interval_s=0.02)
    running = ScreeningWorker("in", config, lambda: sensor, told.put)
    running.start()
    yield running, sensor, told
    running.stop()


def _screened(running: ScreeningWorker, told: Queue, token: int) -> tuple[list[DeviceReport], Screened]:
    running.request(token)
    reports = []
    while not isinstance(item := told.get(timeout=10), Screened):
        reports.append(item)
    return reports, item


def test_a_sensor_that_answers_late_is_a_fault(worker):
    """The guard is told that it is slow, the lane gets "fault" at once, and both end when it is quick again."""
    running, sensor, told = worker
    (begins,), answer = _screened(running, told, 1)
    assert "to answer" in str(begins.fault)
    assert answer.reading.band is Band.FAULT
    sensor.late = False
    (ends,), answer = _screened(running, told, 2)
    assert ends.fault is None
    assert answer.reading.band is not Band.FAULT
