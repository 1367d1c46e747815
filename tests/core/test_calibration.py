"""Calibration by one or two points with its day, and the correction for the room."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from station.core.calibration import FACTORY, LONGEST_DAYS, Calibration, Correction

DAY = date(2026, 3, 1)


def test_without_points_nothing_changes():
    """A sensor as it left the factory is believed, and its calibration is never due."""
    assert FACTORY.apply(36.5) == 36.5
    assert FACTORY.age_days(DAY) is None
    assert not FACTORY.due(DAY)


def test_one_point_shifts_two_make_a_line():
    """An offset is the same everywhere; two points are both met exactly, and what lies between lies on the line."""
    assert Calibration(DAY, ((35.0, 35.4),)).apply(38.0) == pytest.approx(38.4)
    line = Calibration(DAY, ((34.0, 34.2), (39.0, 39.7)))
    assert [line.apply(shown) for shown in (34.0, 36.5, 39.0)] == pytest.approx([34.2, 36.95, 39.7])


@pytest.mark.parametrize(
    ("day", "points", "says"),
    [
        (None, ((35.0, 35.0),), "date"),
        (DAY, (), "date"),
        (DAY, ((30.0, 30.0), (35.0, 35.0), (40.0, 40.0)), "one or two"),
        (DAY, ((35.0, 40.1),), "broken"),
        (DAY, ((35.0, float("nan")),), "broken"),
        (DAY, ((35.0, 35.0), (37.9, 38.0)), "apart"),
        (DAY, ((35.0, 35.0), (38.0, 39.0)), "slope"),
    ],
)
def test_points_no_sound_sensor_gives_are_refused(day, points, says):
    """A mistyped point must not become a fever for everybody, or for nobody."""
    with pytest.raises(ValueError, match=says):
        Calibration(day, points)


def test_age():
    """A year is good; a day more is due, and so is a calibration dated after today."""
    record = Calibration(DAY, ((35.0, 35.0),))
    assert record.age_days(DAY + timedelta(LONGEST_DAYS)) == LONGEST_DAYS
    assert not record.due(DAY + timedelta(LONGEST_DAYS))
    assert record.due(DAY + timedelta(LONGEST_DAYS + 1))
    assert record.due(DAY - timedelta(1))


def test_the_table_is_read_in_straight_lines():
    """Between the rows in proportion, beyond them no farther than the last row."""
    table = Correction(((10.0, 2.0), (20.0, 0.0), (30.0, -1.0)))
    assert [table.added(room) for room in (-5, 10, 15, 20, 25, 30, 50)] == [2.0, 2.0, 1.0, 0.0, -0.5, -1.0, -1.0]


@pytest.mark.parametrize("table", [(), ((20.0, 1.0), (20.0, 0.0)), ((20.0, 0.0), (10.0, 1.0))])
def test_a_table_must_rise(table):
    """Rooms out of order are a mistake in the file, not a correction."""
    with pytest.raises(ValueError, match="rise"):
        Correction(table)


def test_emissivity_only_matters_where_the_room_differs():
    """Equal emissivities change nothing; else skin is corrected away from the sensor's own temperature."""
    assert Correction().radiated(35.0, 20.0) == 35.0
    grey = Correction(sensor_emissivity=1.0)
    assert grey.radiated(35.0, 35.0) == pytest.approx(35.0)
    assert 0.2 < grey.radiated(35.0, 20.0) - 35.0 < 0.4
    assert grey.radiated(35.0, 45.0) < 35.0
