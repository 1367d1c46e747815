"""From the raw samples of an infrared thermometer to a temperature band.

A screening is a short series, not one reading. It tells skin temperature; what skin temperature can and cannot tell
about fever is in docs/explanation/temperature.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from station.core.model import Band, TemperatureReading

FEWEST_SAMPLES = 3
ENOUGH_TO_TRIM = 5
"""From so many samples on, both extremes are dropped; with fewer nothing would be left to judge steadiness by."""
FACE_FLOOR_C = 28.0
"""Below this nothing as warm as a face is in view: skin at rest stays above 28 C down to freezing weather."""
STEADY_C = 1.5
"""A series that wanders farther than this (after dropping both extremes) was taken of somebody moving."""

Sample = tuple[float, float]
"""(object, ambient), degrees Celsius."""


@dataclass(frozen=True, slots=True)
class FeverLimits:
    """`raised_c`: from here on the guard is called; `cold_c`: below here the face came in from the cold."""

    raised_c: float = 37.3
    cold_c: float = 34.0


def estimate(samples: Sequence[Sample], limits: FeverLimits) -> TemperatureReading:
    """Judge one series of samples."""
    if len(samples) < FEWEST_SAMPLES or not all(math.isfinite(value) for sample in samples for value in sample):
        return TemperatureReading(Band.NO_READING, samples=len(samples))
    objects = sorted(sample[0] for sample in samples)
    trimmed = objects[1:-1] if len(objects) >= ENOUGH_TO_TRIM else objects
    skin, ambient = median(objects), median(sample[1] for sample in samples)
    band = _band(skin, trimmed[-1] - trimmed[0], limits)
    return TemperatureReading(band, round(skin, 2), round(ambient, 2), len(samples))


def _band(skin: float, spread: float, limits: FeverLimits) -> Band:
    if skin < FACE_FLOOR_C or spread > STEADY_C:
        return Band.NO_READING
    if skin < limits.cold_c:
        return Band.COLD
    return Band.RAISED if skin >= limits.raised_c else Band.NORMAL
