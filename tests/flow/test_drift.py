"""What is told of a thermometer that may no longer be trusted: on the screen, in the journal, by the doctor."""

from __future__ import annotations

import datetime as dt
import logging

import pytest

from station.config import parse
from station.core.baseline import Baseline, Relative
from station.core.calibration import Calibration
from station.core.model import ClockState, Instant
from station.doctor import device_probes
from station.doctor.findings import find
from station.drift import DriftWatch
from station.guard_screen import Condition
from station.health import HealthBoard
from station.journal import Journal, set_state
from station.lane_record import baseline_key

DAY = dt.date(2026, 3, 1)
TOML = """
station = {{ id = "east-1", gate = "east", zone = "320611001001" }}
trust.roots = ["{a}", "{b}", "{c}"]
paths.state = "{state}"
[[lane]]
id = "in"
direction = "in"
camera.source = "v4l2:/dev/video0"
door.relay.pin = 17
[lane.thermometer]
bus = "i2c:1"
{calibration}
"""
CALIBRATED = f'calibration = {{ date = "{DAY}", points = [[35.0, 35.2]] }}'


def configured(folder, calibration: str = CALIBRATED):
    """A station with one thermometer."""
    roots = {name: str(number) * 64 for number, name in enumerate("abc")}
    return parse(TOML.format(state=folder, calibration=calibration, **roots))


def on(day: dt.date, state: ClockState = ClockState.TRUSTED) -> Instant:
    """Noon of a day."""
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    return Instant(round(noon.timestamp() * 1e6), 0, state)


def usual(*means: float, day: dt.date = DAY) -> Baseline:
    """What is usual after so many stretches of readings, under the calibration of that day."""
    state, calibration = Baseline(), Calibration(day, ((35.0, 35.2),))
    for mean in means:
        for _ in range(100):
            state = state.heard(mean, Relative(), calibration)
    return state


@pytest.fixture
def journal(tmp_path):
    """A journal that knows what was usual."""
    made = Journal(tmp_path, "boot")
    made.append_all([], on(DAY), [set_state(baseline_key("in"), usual(34.5).encode())])
    yield made
    made.close()


def test_drift_and_age_begin_and_end_once(tmp_path, journal, caplog):
    """Figures are always shown; a fault begins once, is told with its figures and its remedy, and ends once."""
    caplog.set_level(logging.WARNING, "station.health")
    told: list[tuple[str, bool]] = []
    board = HealthBoard(lambda part, ailment, _: told.append((part, ailment is not None)))
    watch = DriftWatch(configured(tmp_path), journal)

    def look(day: dt.date, state: ClockState = ClockState.TRUSTED) -> None:
        for part, figures in watch.figures(on(day, state)).items():
            board.describe(part, figures)
        for part, ailment in watch.ailments(on(day, state)).items():
            board.report(part, ailment, on(day, state))

    look(DAY + dt.timedelta(30))
    (view,) = board.views()
    assert (view.name, view.condition) == ("校准 calibration · in", Condition.OK)
    assert view.detail == {"zh": "30 天前校准，漂移 +0.0 °C", "en": "calibrated 30 days ago, drift +0.0 °C"}
    watch.heard("in", usual(34.5, 35.3))
    watch.heard("in", None)
    for number in range(3):
        look(DAY + dt.timedelta(31 + number))
    (view,) = board.views()
    assert view.condition is Condition.DEGRADED
    assert "33 days ago, drift +0.8" in view.detail["en"]
    assert view.remedy is not None
    assert "校准" in view.remedy["zh"]
    look(dt.date(1970, 1, 2), ClockState.LOST)
    watch.heard("in", usual(34.5, 34.6))
    look(DAY + dt.timedelta(40))
    look(DAY + dt.timedelta(366))
    look(DAY + dt.timedelta(367))
    assert told == [("calibration in", True), ("calibration in", False), ("calibration in", True)]
    assert [line.split(": ")[1] for line in caplog.messages] == ["fault begins", "fault ended", "fault begins"]
    assert "due" in board.views()[0].detail["en"]


def test_a_sensor_that_was_never_calibrated(tmp_path, journal):
    """It has no age and is not due; nothing is claimed about a drift that nobody can know."""
    watch = DriftWatch(configured(tmp_path, ""), journal)
    assert watch.ailments(on(DAY)) == {"calibration in": None}
    assert watch.figures(on(DAY))["calibration in"]["en"] == "as it left the factory, drift ? °C"


@pytest.mark.parametrize(("age", "good", "says"), [(10, True, "10 days ago"), (400, False, "calibration is due")])
def test_the_doctor_tells_age_and_drift(tmp_path, journal, age, good, says):
    """Both languages, with the drift of the running station's journal, and what to do where it is due."""
    day = dt.datetime.now(tz=dt.UTC).date() - dt.timedelta(age)
    journal.append_all([], on(DAY), [set_state(baseline_key("in"), usual(34.5, 34.7, day=day).encode())])
    config = configured(tmp_path, CALIBRATED.replace(str(DAY), str(day)))
    finding = find("calibration in", lambda: device_probes.calibration(config.lane[0], config))
    assert finding.good == good
    assert says in finding.found
    assert f"{age} 天前校准，漂移 +0.2" in finding.found
    assert bool(finding.remedy) != good


def test_the_doctor_needs_no_journal(tmp_path):
    """Before the first start there is no journal, and no drift to be told."""
    config = configured(tmp_path / "nowhere", "")
    assert "漂移 ?" in device_probes.calibration(config.lane[0], config)
