"""The thermometer worker of one lane: takes a series of samples when asked, and looks after the sensor in between."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from station.config import ThermometerConfig
from station.core.fever import FeverLimits, Sample, estimate
from station.core.model import Band, TemperatureReading
from station.ports import DeviceFault, Thermometer

log = logging.getLogger(__name__)

PROBE_S = 5.0


@dataclass(frozen=True, slots=True)
class Screened:
    """A finished screening. `token` says which request it answers; a late answer is thrown away."""

    lane: str
    token: int
    reading: TemperatureReading


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A device began or ceased to be at fault."""

    part: str
    fault: DeviceFault | None


class ScreeningWorker:
    """Owns the thermometer of a lane, opens it anew after a fault."""

    def __init__(
        self,
        lane: str,
        config: ThermometerConfig,
        open_device: Callable[[], Thermometer],
        put: Callable[[object], None],
    ) -> None:
        """`open_device` opens the sensor (raises DeviceFault); `put` takes Screened and DeviceReport."""
        self._lane, self._config, self._open, self._put = lane, config, open_device, put
        self._limits = FeverLimits(config.raised_c, config.cold_c)
        self._device: Thermometer | None = None
        self._wanted: int | None = None
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"thermometer-{lane}", daemon=True)

    def start(self) -> None:
        """Start the worker."""
        self._thread.start()

    def request(self, token: int) -> None:
        """Ask for a screening; a newer request replaces one that has not begun."""
        self._wanted = token
        self._wake.set()

    def stop(self) -> None:
        """End the worker and release the sensor. May be called twice."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(PROBE_S)
            self._wake.clear()
            token, self._wanted = self._wanted, None
            if self._stopping.is_set():
                break
            reading = self._screen(1 if token is None else self._config.samples)
            if token is not None:
                self._put(Screened(self._lane, token, reading))
        if self._device:
            self._device.close()

    def _screen(self, count: int) -> TemperatureReading:
        try:
            samples = self._series(count)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the lane must get an answer and the guard a fault
            fault = error if isinstance(error, DeviceFault) else _unexpected(self._lane, error)
            self._put(DeviceReport(f"thermometer {self._lane}", fault))
            if self._device:
                self._device.close()
                self._device = None
            return TemperatureReading(Band.FAULT)
        self._put(DeviceReport(f"thermometer {self._lane}", None))
        return estimate(samples, self._limits)

    def _series(self, count: int) -> list[Sample]:
        if self._device is None:
            self._device = self._open()
        samples = [self._device.sample()[:2]]
        for _ in range(count - 1):
            self._stopping.wait(self._config.interval_s)
            samples.append(self._device.sample()[:2])
        return samples


def _unexpected(lane: str, error: Exception) -> DeviceFault:
    log.error("thermometer %s", lane, exc_info=error)
    return DeviceFault(f"thermometer {lane}", f"unexpected: {error!r}", "Send the log of gate-station to the makers")


def longest_screening_us(config: ThermometerConfig) -> int:
    """Return how long the lane waits for a screening before it calls the sensor faulty, microseconds."""
    return round((config.samples * config.interval_s + 2.0) * 1e6)
