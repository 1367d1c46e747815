"""From samples to a band: steady, warm enough to be a face, and judged by the limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.fever import FACE_FLOOR_C, FEWEST_SAMPLES, STEADY_C, FeverLimits, estimate
from station.core.model import Band

LIMITS = FeverLimits(raised_c=37.3, cold_c=34.0)


def series(*objects: float, ambient: float = 20.0) -> list[tuple[float, float]]:
    """Return samples with one ambient temperature."""
    return [(value, ambient) for value in objects]


@pytest.mark.parametrize(
    ("skin", "band"),
    [
        (-10.0, Band.NO_READING),
        (27.99, Band.NO_READING),
        (FACE_FLOOR_C, Band.COLD),
        (33.99, Band.COLD),
        (34.0, Band.NORMAL),
        (37.29, Band.NORMAL),
        (37.3, Band.RAISED),
        (41.0, Band.RAISED),
        (120.0, Band.RAISED),
    ],
)
def test_the_bands_meet_at_their_limits(skin, band):
    """Each limit belongs to the band above it."""
    reading = estimate(series(*[skin] * 5), LIMITS)
    assert reading.band is band
    assert (reading.skin_c, reading.ambient_c, reading.samples) == (skin, 20.0, 5)


@pytest.mark.parametrize("count", range(FEWEST_SAMPLES))
def test_too_few_samples_are_no_reading(count):
    """Fewer than three samples tell nothing, and no temperature is claimed."""
    reading = estimate(series(*[36.5] * count), LIMITS)
    assert (reading.band, reading.skin_c, reading.samples) == (Band.NO_READING, None, count)


def test_one_outlier_at_each_end_is_forgiven():
    """The two extremes are dropped: a glance aside does not spoil the series, nor does it move the median."""
    reading = estimate(series(20.0, 36.4, 36.5, 36.6, 60.0), LIMITS)
    assert (reading.band, reading.skin_c) == (Band.NORMAL, 36.5)


def test_a_wandering_series_is_no_reading():
    """Just beyond the allowed spread, after dropping the extremes, somebody moved."""
    assert estimate(series(35.0, 35.0, 36.0, 35.0 + STEADY_C, 37.0), LIMITS).band is Band.NORMAL
    assert estimate(series(35.0, 35.0, 36.0, 35.1 + STEADY_C, 37.0), LIMITS).band is Band.NO_READING


def test_a_single_hot_sample_is_no_fever():
    """One sample over the limit among normal ones is not called raised."""
    assert estimate(series(36.4, 36.5, 36.5, 36.6, 38.5), LIMITS).band is Band.NORMAL


samples = st.lists(st.tuples(st.floats(-70, 382), st.floats(-40, 125)), max_size=20)


@given(samples, st.randoms())
def test_the_order_of_samples_does_not_matter(taken, chance):
    """A series means the same however it is ordered, and its median lies among its samples."""
    reading = estimate(taken, LIMITS)
    shuffled = list(taken)
    chance.shuffle(shuffled)
    assert estimate(shuffled, LIMITS) == reading
    if reading.skin_c is not None:
        objects = [sample[0] for sample in taken]
        assert min(objects) - 0.01 <= reading.skin_c <= max(objects) + 0.01
    assert reading.band in {Band.NO_READING, Band.COLD, Band.NORMAL, Band.RAISED}


@pytest.mark.parametrize("objects", [[float("nan")] * 5, [36.5, 36.5, float("inf"), 36.5, 36.5], [10, 36.5, 60]])
def test_wild_samples_are_no_reading(objects):
    """What is no number, or wanders over half the scale, is never called a temperature."""
    assert estimate(series(*objects), LIMITS).band is Band.NO_READING
