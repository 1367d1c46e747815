"""From samples to a band: somebody there, near, steady; skin corrected; judged by the limits, with its uncertainty."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.calibration import FACTORY, Calibration, Correction
from station.core.fever import COLDEST_FACE_C, FACE_FLOOR_C, FEWEST_SAMPLES, HOTTEST_C, STEADY_C, FeverLimits, Sample

from station.core.fever import confirmed, estimate as judged  # isort: skip
from station.core.model import Band, TemperatureReading
from station.core.optics import array, single

LIMITS = FeverLimits(raised_c=37.3, cold_c=34.0)
NARROW = single(10)
NEUTRAL = 23.0
"""A room in which nothing is added."""


def series(*objects: float, ambient: float = NEUTRAL, away: float | None = None, fill: float | None = None):
    """Return samples a tenth of a second apart."""
    return [Sample(number / 10, value, ambient, away, fill) for number, value in enumerate(objects)]


def estimate(samples, optics=NARROW, correction=Correction(), calibration=FACTORY, background=None):  # noqa: B008
    """Judge with what is usual unless the test says otherwise."""
    return judged(samples, LIMITS, optics, correction, calibration, background)


@pytest.mark.parametrize(
    ("skin", "band"),
    [
        (-10.0, Band.NO_READING),
        (24.99, Band.NO_READING),
        (25.0, Band.TOO_FAR),
        (27.99, Band.TOO_FAR),
        (FACE_FLOOR_C, Band.COLD),
        (33.99, Band.COLD),
        (34.0, Band.NORMAL),
        (37.29, Band.NORMAL),
        (37.3, Band.RAISED),
        (HOTTEST_C, Band.RAISED),
        (45.01, Band.NO_READING),
        (120.0, Band.NO_READING),
    ],
)
def test_the_bands_meet_at_their_limits(skin, band):
    """Each limit belongs to the band above it; who hardly stands out is nobody, and what is hotter is no skin."""
    reading = estimate(series(*[skin] * 5))
    assert (reading.band, reading.ambient_c, reading.samples) == (band, NEUTRAL, 5)


@pytest.mark.parametrize("count", range(FEWEST_SAMPLES))
def test_too_few_samples_are_no_reading(count):
    """Fewer than three samples tell nothing, and no temperature is claimed."""
    reading = estimate(series(*[36.5] * count))
    assert (reading.band, reading.skin_c, reading.samples) == (Band.NO_READING, None, count)


def test_outliers_are_dropped():
    """A glance aside and a spark do not spoil the series, nor do they move the median."""
    reading = estimate(series(36.4, 36.5, 30.0, 36.6, 36.5, 44.0, 36.4, 36.6))
    assert (reading.band, reading.skin_c) == (Band.NORMAL, 36.5)


def test_a_wandering_series_is_no_reading():
    """Somebody who never holds still long enough is not measured."""
    assert estimate(series(35.0, 35.3, 35.6, 35.0 + STEADY_C)).band is Band.NORMAL
    assert estimate(series(30.0, 32.0, 34.0, 36.0, 34.0, 32.0)).band is Band.NO_READING


def test_the_plateau_counts_not_the_way_to_it():
    """Somebody who walks up is measured once there: neither the approach nor the wall before it is in the figure."""
    reading = estimate(series(22.0, 22.1, 27.0, 31.0, 34.5, 36.5, 36.6, 36.5, 36.4))
    assert (reading.band, reading.skin_c) == (Band.NORMAL, 36.5)
    assert estimate(series(36.5, 36.5, 36.5, 36.6, 34.0, 34.0, 34.1)).skin_c == 36.5


def test_a_single_hot_sample_is_no_fever():
    """One sample over the limit among normal ones is not called raised."""
    assert estimate(series(36.4, 36.5, 36.5, 36.6, 38.5)).band is Band.NORMAL


def test_a_warm_wall_is_nobody():
    """In a heat wave the wall is as warm as skin; only who is near by the range sensor is then believed to be there."""
    assert estimate(series(*[36.0] * 5), background=36.2).band is Band.NO_READING
    assert estimate(series(*[36.0] * 5, away=900), background=36.2).band is Band.NO_READING
    assert estimate(series(*[36.0] * 5, away=100), background=36.2).band is Band.NORMAL
    assert estimate(series(*[36.0] * 5), background=30.0).band is Band.NORMAL


def test_distance_decides_before_the_figure():
    """Too far is too far however warm it looks; near, what is missing of the forehead is added, with less certainty."""
    near, edge, far, gone = (estimate(series(*[36.0] * 5, away=mm)) for mm in (60, 280, 330, math.inf))
    assert (near.band, edge.band, far.band, gone.band) == (Band.NORMAL, Band.NORMAL, Band.TOO_FAR, Band.TOO_FAR)
    assert near.skin_c == pytest.approx(36.0, abs=0.02)
    assert edge.skin_c == pytest.approx(36.0 + 3.0 * (1 - NARROW.share(280)), abs=0.01)
    assert edge.uncertainty_c > near.uncertainty_c + 0.3
    face, bag = (estimate(series(*[value] * 5, away=60), background=10.0).band for value in (20.0, 19.9))
    assert (face, bag) == (Band.COLD, Band.NO_READING)


def test_an_arrays_fill_tells_the_distance():
    """A face that fills a fifth of an array's picture is near, one that fills a hundredth is too far."""
    wide = array(110, 75)
    assert estimate(series(*[36.0] * 5, ambient=31.0, fill=0.2), wide).band is Band.NORMAL
    assert estimate(series(*[36.0] * 5, ambient=31.0, fill=0.01), wide).band is Band.TOO_FAR


@pytest.mark.parametrize(("ambient", "band"), [(-0.1, Band.OUT_OF_RANGE), (0, Band.NORMAL), (50.1, Band.OUT_OF_RANGE)])
def test_a_sensor_outside_its_range_says_so(ambient, band):
    """Where the data sheet promises nothing, no temperature is claimed, and it is nobody's fault."""
    reading = estimate(series(*[34.3] * 5, ambient=ambient), background=10.0)
    assert reading.band is band
    assert (reading.skin_c is None) == (band is Band.OUT_OF_RANGE)


def test_the_room_is_taken_into_account():
    """The same skin is more in a cold room and less in a warm one; the sensor's own heat is not the room's."""
    cold, warm = (estimate(series(*[36.0] * 5, ambient=room)) for room in (10.0, 32.0))
    assert (cold.estimate_c, warm.estimate_c) == (37.6, 34.9)
    assert cold.skin_c == warm.skin_c == 36.0
    assert cold.uncertainty_c > estimate(series(*[36.0] * 5)).uncertainty_c
    assert estimate(series(*[36.0] * 5, ambient=31.0), array(55, 35)).estimate_c == 36.0


def test_emissivity_is_corrected():
    """A sensor set to 1.0 reads skin low by a few tenths where the room is colder; the correction takes that back."""
    grey = estimate(series(*[34.0] * 5), correction=Correction(sensor_emissivity=1.0))
    assert 34.15 < grey.skin_c < 34.4
    assert (
        estimate(series(*[34.0] * 5, ambient=34.0), correction=Correction(sensor_emissivity=1.0), background=20).skin_c
        == 34
    )


def test_calibration_is_applied_before_judging():
    """A sensor known to read one kelvin low raises the alarm at its own 36.3, more surely than an uncalibrated one."""
    from datetime import date  # noqa: PLC0415

    known = Calibration(date(2026, 3, 1), ((35.0, 36.0),), 0.1)
    reading = estimate(series(*[36.3] * 5), calibration=known)
    assert (reading.band, reading.skin_c) == (Band.RAISED, 37.3)
    assert reading.uncertainty_c < estimate(series(*[36.3] * 5)).uncertainty_c


def test_uncertainty_is_the_parts_in_quadrature():
    """A steady face before an uncalibrated sensor: two sigma of the data sheet's half kelvin, and nothing else."""
    assert estimate(series(*[36.0] * 5)).uncertainty_c == round(2 * 0.5 / math.sqrt(3), 2)
    noisy = estimate(series(35.7, 36.0, 36.3, 35.8, 36.2))
    deviation = 1.4826 * 0.2 / math.sqrt(5)
    assert noisy.uncertainty_c == round(2 * math.hypot(0.5 / math.sqrt(3), deviation), 2)


def test_raised_must_be_confirmed():
    """Two raised series are raised, with the lower figure; else the second counts, even where it says nothing."""
    high, higher = (TemperatureReading(Band.RAISED, value, 20.0, 6, value) for value in (37.5, 38.0))
    well, nobody = TemperatureReading(Band.NORMAL, 36.9, 20.0, 6, 36.9), TemperatureReading(Band.NO_READING)
    assert confirmed(high, higher) is confirmed(higher, high) is high
    assert confirmed(higher, well) is well
    assert confirmed(higher, nobody) is nobody


wild = st.builds(
    Sample,
    st.floats(0, 10),
    st.floats(-70, 382),
    st.floats(-40, 125),
    st.none() | st.floats(0, 2000) | st.just(math.inf),
    st.none() | st.floats(0.001, 1),
)


@given(
    st.lists(wild, max_size=12), st.sampled_from([NARROW, single(90), array(55, 35)]), st.none() | st.floats(-40, 60)
)
def test_any_series_gives_an_honest_reading(taken, optics, background):
    """Whatever comes in: no error, a band that a series can have, and a figure wherever the figure was judged."""
    reading = estimate(taken, optics, background=background)
    assert reading.band not in {Band.NOT_MEASURED, Band.FAULT}
    assert (reading.estimate_c is not None) == (reading.band in {Band.NORMAL, Band.RAISED, Band.COLD})
    if reading.estimate_c is not None:
        assert COLDEST_FACE_C - 0.01 <= reading.skin_c <= HOTTEST_C + 3
        assert reading.uncertainty_c >= 0.5


@pytest.mark.parametrize("objects", [[math.nan] * 5, [36.5, 36.5, math.inf, 36.5, 36.5], [10, 36.5, 60]])
def test_wild_samples_are_no_reading(objects):
    """What is no number, or wanders over half the scale, is never called a temperature."""
    assert estimate(series(*objects)).band is Band.NO_READING
