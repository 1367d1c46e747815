"""From the samples of an infrared thermometer to a temperature band.

A screening is a short series, not one reading: somebody must stand out from the background, near enough, and hold
still; what is measured then is skin, calibrated and corrected for the room, with its uncertainty. What skin temperature
can and cannot tell about fever, and where the figures come from, is in docs/explanation/temperature.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from station.core.calibration import FACTORY, Calibration, Correction
from station.core.model import Band, TemperatureReading
from station.core.optics import LEAST_SHARE, Optics
from station.core.record import dataclass, replace

FEWEST_SAMPLES = 3
FACE_FLOOR_C = 28.0
"""Below this nothing as warm as a face is in view: skin at rest stays above 28 C down to freezing weather."""
COLDEST_FACE_C = 20.0
"""Who is near by the range sensor may be this cold, straight from the frost; below it is a bag, or a coat."""
HOTTEST_C = 45.0
"""Above this it is no skin: a lamp, an engine, a cup."""
STEP_C = 2.0
"""Who stands out less than this from the background is not told from the wall behind."""
STEADY_C = 0.8
"""A stretch of samples that wanders farther than this was taken of somebody moving."""
OUTLIERS = 3.5
"""Samples farther from the median than so many robust standard deviations (MAD * 1.4826) are dropped."""
LEAST_DEVIATION_C = 0.1
"""The noise of a good sensor: with fewer kelvin of deviation nothing is an outlier."""
MOST_DROPPED = 1 / 3
AROUND_BELOW_C = 3.0
"""How much colder hair, brows and temples are than the forehead they surround."""
AROUND_SPREAD_C = 1.5
HAND_C = (35.0, 42.0)
"""What a clinical thermometer can show of a living person: beyond it is a slip of the finger."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: monotonic moment in seconds, object and the sensor's own temperature in degrees Celsius.

    `range_mm`: distance, inf where the range sensor sees nothing, None without one.
    `fill`: see station.ports.ThermalSample.
    """

    at_s: float
    object_c: float
    ambient_c: float
    range_mm: float | None = None
    fill: float | None = None


@dataclass(frozen=True, slots=True)
class FeverLimits:
    """`raised_c`: from here on the guard is called; `cold_c`: below here the face came in from the cold."""

    raised_c: float = 37.3
    cold_c: float = 34.0


def estimate(
    samples: Sequence[Sample],
    limits: FeverLimits,
    optics: Optics,
    correction: Correction,
    calibration: Calibration = FACTORY,
    background_c: float | None = None,
) -> TemperatureReading:
    """Judge one series. `background_c`: what the sensor sees with nobody there; None takes the room for it."""
    if len(samples) < FEWEST_SAMPLES or not all(math.isfinite(s.object_c + s.ambient_c) for s in samples):
        return TemperatureReading(Band.NO_READING, samples=len(samples))
    sensor = median(sample.ambient_c for sample in samples)
    if not optics.works_c[0] <= sensor <= optics.works_c[1]:
        return TemperatureReading(Band.OUT_OF_RANGE, None, round(sensor, 2), len(samples))
    room = sensor - optics.self_heating_c
    steady = _plateau([s for s in samples if _stands_out(s, room if background_c is None else background_c, optics)])
    if not steady:
        return TemperatureReading(Band.NO_READING, None, round(sensor, 2), len(samples))
    shares = [share for s in steady if (share := _share(s, optics)) is not None]
    share = median(shares) if shares else None
    level = median(sample.object_c for sample in steady)
    skin = correction.radiated(calibration.apply(level), sensor)
    band = _unfit(skin, share)
    if band is not None:
        return TemperatureReading(band, round(skin, 2), round(sensor, 2), len(samples))
    skin += AROUND_BELOW_C * (1 - (share or 1.0))
    figure = skin + correction.added(room)
    parts = (
        calibration.uncertainty_c if calibration.points else optics.accuracy_c / math.sqrt(3),
        _deviation([sample.object_c for sample in steady]) / math.sqrt(len(steady)),
        correction.spread * correction.added(room),
        AROUND_SPREAD_C * (1 - (share or 1.0)),
    )
    return TemperatureReading(
        _band(figure, limits),
        round(skin, 2),
        round(sensor, 2),
        len(samples),
        round(figure, 2),
        round(2 * math.hypot(*parts), 2),
    )


def confirmed(first: TemperatureReading, second: TemperatureReading) -> TemperatureReading:
    """Return what counts after a second series was taken because the first was raised.

    Raised counts where both say so, with the lower figure; else the second counts, whatever it says.
    """
    if first.band is second.band is Band.RAISED:
        return min(first, second, key=lambda reading: reading.estimate_c or 0.0)
    return second


def hand_readable(celsius: float) -> bool:
    """Say whether a hand thermometer can have shown this: within HAND_C, with one decimal."""
    return HAND_C[0] <= celsius <= HAND_C[1] and round(celsius, 1) == celsius


def by_hand(before: TemperatureReading, celsius: float, raised_c: float) -> TemperatureReading:
    """Return what counts after the guard measured by hand; what the sensor saw stays beside it.

    A clinical thermometer knows no distance and no cold face: there is normal and there is raised.
    """
    return replace(before, band=Band.RAISED if celsius >= raised_c else Band.NORMAL, hand_c=celsius)


def _stands_out(sample: Sample, background: float, optics: Optics) -> bool:
    """Say whether somebody is there: warmer than what is behind or, where that is as warm, within reach."""
    if sample.object_c >= background + STEP_C:
        return True
    near = sample.range_mm is not None and sample.range_mm <= optics.greatest_mm
    return near and sample.object_c >= FACE_FLOOR_C


def _share(sample: Sample, optics: Optics) -> float | None:
    """Return the share of the signal that comes from the forehead; None where the distance is not known."""
    distance = sample.range_mm if sample.range_mm is not None else optics.distance_mm(sample.fill)
    return None if distance is None else optics.share(distance)


def _unfit(skin: float, share: float | None) -> Band | None:
    """Say why what stands out cannot be judged: too far away, or no skin; None where it can be."""
    if share is not None and share < LEAST_SHARE:
        return Band.TOO_FAR
    if not math.isfinite(skin) or skin > HOTTEST_C:
        return Band.NO_READING
    if share is None:  # warmer than the wall, colder than a face: a face that fills the view in part
        return Band.TOO_FAR if skin < FACE_FLOOR_C else None
    return Band.NO_READING if skin < COLDEST_FACE_C else None


def _plateau(present: Sequence[Sample]) -> list[Sample]:
    """Return the longest steady stretch without its outliers; of several the warmest, where somebody stood nearest."""
    best: list[Sample] = []
    for start in range(len(present)):
        for end in range(len(present), start + max(FEWEST_SAMPLES, len(best)) - 1, -1):
            kept = _without_outliers(present[start:end])
            if kept and (len(kept), _level(kept)) > (len(best), _level(best)):
                best = kept
    return best


def _level(samples: Sequence[Sample]) -> float:
    return median(sample.object_c for sample in samples) if samples else -math.inf


def _without_outliers(stretch: Sequence[Sample]) -> list[Sample]:
    """Return a stretch without outliers; empty where the rest is not steady, or too much would be dropped."""
    values = [sample.object_c for sample in stretch]
    middle, reach = median(values), OUTLIERS * max(_deviation(values), LEAST_DEVIATION_C)
    kept = [sample for sample in stretch if abs(sample.object_c - middle) <= reach]
    objects = [sample.object_c for sample in kept]
    enough = len(kept) >= max(FEWEST_SAMPLES, (1 - MOST_DROPPED) * len(stretch))
    return kept if enough and max(objects) - min(objects) <= STEADY_C else []


def _deviation(values: Sequence[float]) -> float:
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)


def _band(figure: float, limits: FeverLimits) -> Band:
    if figure < limits.cold_c:
        return Band.COLD
    return Band.RAISED if figure >= limits.raised_c else Band.NORMAL
