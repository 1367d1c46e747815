"""The thermometer worker of one lane: takes a series of samples when asked, and looks after the sensors in between."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from station.core.baseline import Baseline, Relative, threshold
from station.core.calibration import FACTORY
from station.core.fever import FACE_FLOOR_C, FeverLimits, Sample, confirmed, estimate
from station.core.model import Band, TemperatureReading
from station.device_config import ThermometerConfig
from station.ports import DeviceFault, RangeSensor, Thermometer

log = logging.getLogger(__name__)

PROBE_S = 5.0
BACKGROUND_PROBES = 12
"""The coldest of so many probes (a minute) is the background: rarely does somebody stand there all that time."""
SLOWEST_SAMPLE_S = 0.25
"""A thermal array's picture takes so long; the range sensor's measurement fits in."""

TOO_SLOW_S = 2.0
"""A sensor that takes longer for a sample is faulty: no series of such would end before the lane gives it up."""


@dataclass(frozen=True, slots=True)
class Screened:
    """A finished screening. `token` says which request it answers; a late answer is thrown away."""

    lane: str
    token: int
    reading: TemperatureReading
    baseline: Baseline | None = None
    """What is usual here after this reading; None where it changed nothing. To be stored with the decision."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """A device began or ceased to be at fault."""

    part: str
    fault: DeviceFault | None


class ScreeningWorker:
    """Owns the thermometer of a lane and its range sensor, opens them anew after a fault."""

    def __init__(
        self,
        lane: str,
        config: ThermometerConfig,
        open_device: Callable[[], Thermometer],
        put: Callable[[object], None],
        open_range: Callable[[], RangeSensor] | None = None,
        baseline: Baseline | None = None,
    ) -> None:
        """`open_device` and `open_range` open the sensors (raise DeviceFault); `put` takes Screened and DeviceReport.

        `baseline`: what was usual here when the station last ran.
        """
        self._lane, self._config, self._open, self._put = lane, config, open_device, put
        self._calibration = config.calibration.record() if config.calibration else FACTORY
        self._correction = config.correction.record(config.emissivity)
        self._rule = config.baseline.rule() if config.baseline else None
        self._baseline = baseline or Baseline()
        self._device: Thermometer | None = None
        self._range = _Ranging(lane, open_range, put) if open_range else None
        self._empty: deque[float] = deque(maxlen=BACKGROUND_PROBES)
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
        """End the worker and release the sensors. May be called twice."""
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
            if token is None:
                self._tended(self._probe)
            else:
                self._answer(token)
        if self._device:
            self._device.close()
        if self._range:
            self._range.close()

    def _answer(self, token: int) -> None:
        reading = self._tended(self._screen) or TemperatureReading(Band.FAULT)
        usual = None
        if reading.band is Band.NORMAL and reading.estimate_c is not None:
            usual = self._baseline.heard(reading.estimate_c, self._rule or Relative(), self._calibration)
            self._baseline = usual
        self._put(Screened(self._lane, token, reading, usual))

    def _tended(self, work: Callable[[], TemperatureReading | None]) -> TemperatureReading | None:
        """Do something with the thermometer and tell how it does; None where it failed."""
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the lane must get an answer and the guard a fault
            fault = error if isinstance(error, DeviceFault) else _unexpected("thermometer", self._lane, error)
            self._put(DeviceReport(f"thermometer {self._lane}", fault))
            if self._device:
                self._device.close()
                self._device = None
            return None
        self._put(DeviceReport(f"thermometer {self._lane}", None))
        return result

    def _probe(self) -> None:
        self._empty.append(self._sample().object_c)

    def _screen(self) -> TemperatureReading:
        """Take a series and, where it is raised, another: nobody is held back on one."""
        first = self._judged()
        return first if first.band is not Band.RAISED else confirmed(first, self._judged())

    def _judged(self) -> TemperatureReading:
        samples = [self._sample()]
        for _ in range(self._config.samples - 1):
            self._stopping.wait(self._config.interval_s)
            samples.append(self._sample())
        raised_c = threshold(self._baseline, self._rule, self._config.raised_c, self._calibration)
        limits = FeverLimits(raised_c, self._config.cold_c)
        return estimate(samples, limits, self._config.seen, self._correction, self._calibration, self._background())

    def _background(self) -> float | None:
        """Return what is behind the person; None where all that was seen may have been somebody waiting there."""
        coldest = min(self._empty, default=math.inf)
        return coldest if coldest < FACE_FLOOR_C else None

    def _sample(self) -> Sample:
        if self._device is None:
            self._device = self._open()
        asked_s = time.monotonic()
        taken = self._device.sample()
        if (took_s := time.monotonic() - asked_s) > TOO_SLOW_S:
            remedy = "Check the wires and the pull-ups; something holds the bus back"
            raise DeviceFault(f"thermometer {self._lane}", f"it took {took_s:.1f} s to answer", remedy)
        away = self._range.millimetres() if self._range else None
        return Sample(time.monotonic(), taken.object_c, taken.ambient_c, away, taken.fill)


class _Ranging:
    """The range sensor beside the thermometer. It may fail: then the series is judged by its shape."""

    def __init__(self, lane: str, open_device: Callable[[], RangeSensor], put: Callable[[object], None]) -> None:
        self._lane, self._open, self._put = lane, open_device, put
        self._device: RangeSensor | None = None
        self._rest_until_s = 0.0
        self._ailing = False

    def millimetres(self) -> float | None:
        """Return the distance, inf where nothing is in reach, None where the sensor does not tell."""
        if time.monotonic() < self._rest_until_s:
            return None
        try:
            if self._device is None:
                self._device = self._open()
            found = self._device.range_mm()
        except Exception as error:  # noqa: BLE001 - as above; the screening goes on without a distance
            fault = error if isinstance(error, DeviceFault) else _unexpected("range", self._lane, error)
            self.close()
            self._rest_until_s = time.monotonic() + PROBE_S  # a dead bus answers late: not again in this series
            self._put(DeviceReport(f"range {self._lane}", fault))
            self._ailing = True
            return None
        if self._ailing:
            self._put(DeviceReport(f"range {self._lane}", None))
            self._ailing = False
        return math.inf if found is None else float(found)

    def close(self) -> None:
        """Release the sensor."""
        if self._device:
            self._device.close()
            self._device = None


def _unexpected(kind: str, lane: str, error: Exception) -> DeviceFault:
    log.error("%s %s", kind, lane, exc_info=error)
    return DeviceFault(f"{kind} {lane}", f"unexpected: {error!r}", "Send the log of gate-station to the makers")


def longest_screening_us(config: ThermometerConfig) -> int:
    """Return how long the lane waits for a screening before it calls the sensor faulty, microseconds.

    A raised reading is confirmed, so there may be two series.
    """
    return round((2 * config.samples * (config.interval_s + SLOWEST_SAMPLE_S) + 2.0) * 1e6)
