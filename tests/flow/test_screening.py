"""The screening worker: series, confirmation, range sensor, what is usual, and faults; with scripted sensors."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from station.core.baseline import Baseline
from station.core.model import Band
from station.device_config import BaselineConfig, CalibrationConfig, ThermometerConfig
from station.ports import DeviceFault, ThermalSample
from station.screening import DeviceReport, Screened, ScreeningWorker, longest_screening_us

ROOM = 23.0
SERIES = 3


class Scripted:
    """A thermometer that reads from a list and stays at its end; an exception in the list is raised."""

    def __init__(self, script: Iterable[float | Exception]) -> None:
        self._script = list(script)
        self.taken = 0
        self.closed = 0

    def sample(self) -> ThermalSample:
        """Return the next reading of the script."""
        now = self._script[min(self.taken, len(self._script) - 1)]
        self.taken += 1
        if isinstance(now, Exception):
            raise now
        return ThermalSample(now, ROOM)

    def close(self) -> None:
        """Count that it was closed."""
        self.closed += 1


class Ruler:
    """A range sensor that reads from a list and stays at its end."""

    def __init__(self, *script: int | Exception | None) -> None:
        self._script = list(script)
        self.closed = 0

    def range_mm(self) -> int | None:
        """Return the next distance of the script."""
        now = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(now, Exception):
            raise now
        return now

    def close(self) -> None:
        """Count that it was closed."""
        self.closed += 1


@dataclass
class Lane:
    """A running worker and what it put."""

    worker: ScreeningWorker
    answers: queue.Queue[object] = field(default_factory=queue.Queue)
    reports: list[DeviceReport] = field(default_factory=list)
    tokens: int = 0

    def screen(self) -> Screened:
        """Ask for a screening and wait for its answer."""
        self.tokens += 1
        self.worker.request(self.tokens)
        while True:
            answer = self.answers.get(timeout=10)
            if isinstance(answer, Screened):
                assert answer.token == self.tokens
                return answer
            assert isinstance(answer, DeviceReport)
            self.reports.append(answer)


@pytest.fixture
def start() -> Iterator[Callable[..., Lane]]:
    """Start workers, stopped afterwards. `ruler`: opens the range sensor."""
    running: list[ScreeningWorker] = []

    def begin(device, ruler=None, before=None, **config) -> Lane:
        answers: queue.Queue[object] = queue.Queue()
        settings = ThermometerConfig(bus="twin:t", optics="xCF", samples=SERIES, interval_s=0.02, **config)
        opens = device if callable(device) else lambda: device
        worker = ScreeningWorker("in", settings, opens, answers.put, ruler and (lambda: ruler), before)
        worker.start()
        running.append(worker)
        return Lane(worker, answers)

    yield begin
    for worker in running:
        worker.stop()


def test_one_series_where_nothing_is_raised(start):
    """An ordinary reading takes one series, and tells what is usual here from now on."""
    device = Scripted([36.5])
    answer = start(device).screen()
    assert (answer.reading.band, answer.reading.skin_c, device.taken) == (Band.NORMAL, 36.5, SERIES)
    assert answer.baseline is not None
    assert answer.baseline.values == (36.5,)


def test_raised_is_confirmed_by_a_second_series(start):
    """Two raised series are raised, with the lower figure; they do not change what is usual."""
    device = Scripted([38.4] * SERIES + [38.2] * SERIES)
    answer = start(device).screen()
    assert (answer.reading.band, answer.reading.skin_c, device.taken) == (Band.RAISED, 38.2, 2 * SERIES)
    assert answer.baseline is None


@pytest.mark.parametrize(("second", "band"), [(36.9, Band.NORMAL), (23.0, Band.NO_READING)])
def test_one_raised_series_alone_does_not_count(start, second, band):
    """Where the second series is not raised, the second counts: let in, or asked to stand there again; never held."""
    assert start(Scripted([38.4] * SERIES + [second] * SERIES)).screen().reading.band is band


def test_the_range_sensor_gates(start):
    """Who stands too far, or where nothing is in reach, is asked to come closer whatever the figure says."""
    assert start(Scripted([36.5]), Ruler(100)).screen().reading.band is Band.NORMAL
    assert start(Scripted([36.5]), Ruler(900)).screen().reading.band is Band.TOO_FAR
    assert start(Scripted([36.5]), Ruler(None)).screen().reading.band is Band.TOO_FAR


def test_a_failing_range_sensor_does_not_stop_screenings(start):
    """The screening goes on by the shape of the series; the guard sees a fault of the range sensor alone."""
    ruler = Ruler(DeviceFault("range", "nothing answers", "Check its cable."))
    lane = start(Scripted([36.5]), ruler)
    assert lane.screen().reading.band is Band.NORMAL
    told = [report.part for report in lane.reports if report.fault]
    assert (told, ruler.closed) == (["range in"], 1)


def test_a_raised_threshold_follows_what_is_usual(start):
    """With a baseline, what stands out from the people before is raised, though far below the fixed limit."""
    usual = Baseline((35.0,) * 40)
    relative = BaselineConfig(offset_c=0.8, floor_c=33.0)
    assert start(Scripted([36.0]), None, usual, baseline=relative).screen().reading.band is Band.RAISED
    assert start(Scripted([35.7]), None, usual, baseline=relative).screen().reading.band is Band.NORMAL
    assert start(Scripted([36.0]), None, usual).screen().reading.band is Band.NORMAL
    assert start(Scripted([36.0]), None, None, baseline=relative).screen().reading.band is Band.NORMAL


@pytest.mark.parametrize(
    ("shown", "usual_c", "band"), [(36.0, 33.0, Band.NORMAL), (37.2, 38.5, Band.RAISED)], ids=["too-low", "too-high"]
)
def test_a_new_calibration_begins_with_the_fixed_threshold(start, shown, usual_c, band):
    """What was usual under another calibration, of one day even, holds nobody back and lets no fever pass.

    Held against it, everybody would be raised here, no reading would be normal, and nothing would ever replace it.
    """
    before = Baseline((usual_c,) * 40, usual_c, "2026-03-01 35.0=34.0")
    record = CalibrationConfig(date="2026-03-01", points=((35.0, 35.5),))
    relative = BaselineConfig(offset_c=0.8, floor_c=33.0)
    lane = start(Scripted([shown]), None, before, baseline=relative, calibration=record)
    assert lane.screen().reading.band is band


def test_what_is_usual_grows_with_each_normal_reading(start):
    """Each normal reading adds its estimate to the state that the station started with, under the calibration."""
    record = CalibrationConfig(date="2026-03-01", points=((35.0, 35.5),))
    lane = start(Scripted([36.0]), None, Baseline((36.4,), calibrated=record.record().mark), calibration=record)
    lane.screen()
    usual = lane.screen().baseline
    assert usual is not None
    assert (usual.values, usual.calibrated) == ((36.4, 36.5, 36.5), "2026-03-01 35.0=35.5")


@pytest.mark.parametrize(
    "error", [DeviceFault("thermometer", "nothing answers", "Check its cable."), RuntimeError("?")]
)
def test_a_failing_thermometer_answers_with_a_fault(start, error):
    """Whatever the driver raises, the lane gets an answer; the next screening opens the sensor anew and works."""
    broken, sound = Scripted([36.5, error]), Scripted([36.5])
    devices = iter([broken, sound])
    lane = start(lambda: next(devices))
    assert lane.screen().reading.band is Band.FAULT
    assert (broken.closed, [report.fault is not None for report in lane.reports]) == (1, [True])
    assert lane.screen().reading.band is Band.NORMAL
    assert lane.reports[-1].fault is None


def test_sensors_are_released(start):
    """Stopping closes both sensors, and may be done twice."""
    device, ruler = Scripted([36.5]), Ruler(100)
    lane = start(device, ruler)
    lane.screen()
    lane.worker.stop()
    lane.worker.stop()
    assert (device.closed, ruler.closed) == (1, 1)


def test_the_lane_waits_for_both_series():
    """The time the lane gives a screening holds two series of the slowest sensor."""
    config = ThermometerConfig(bus="i2c:1", samples=10, interval_s=0.1)
    assert longest_screening_us(config) >= 2 * 10 * (0.1 + 0.25) * 1e6
