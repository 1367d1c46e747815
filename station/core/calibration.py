"""What turns a thermometer's figure into a temperature one can compare: calibration, and the correction for the room.

Calibration is measured: what the sensor showed before a reference of known temperature, one point (an offset) or two (a
line), with the day it was done. The correction is a table with its reasons in docs/explanation/temperature.md.
"""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise

from station.core.record import dataclass

KELVIN = 273.15
LONGEST_DAYS = 365
"""A calibration older than this is due again."""
FARTHEST_OFF_C = 5.0
"""A sensor that is farther off is broken, not to be calibrated."""
NEAREST_POINTS_C = 3.0
"""Two points closer together would turn a tenth of a kelvin of error into several per cent of slope."""
SLOPES = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`points`: none, one or two of (shown, true), degrees Celsius; `uncertainty_c`: of the reference, one sigma.

    Raises ValueError for points that no sound sensor gives; `day` is None for a sensor as it left the factory.
    """

    day: date | None = None
    points: tuple[tuple[float, float], ...] = ()
    uncertainty_c: float = 0.2

    def __post_init__(self) -> None:
        if bool(self.points) != (self.day is not None) or len(self.points) > 2:  # noqa: PLR2004 - an offset or a line
            raise ValueError("a calibration has a date and one or two points")
        if any(not abs(true - shown) <= FARTHEST_OFF_C for shown, true in self.points):
            raise ValueError(f"a point is more than {FARTHEST_OFF_C} C off; the sensor is broken, or the point is")
        for (low, _), (high, _) in pairwise(sorted(self.points)):
            if high - low < NEAREST_POINTS_C:
                raise ValueError(f"the two points must be at least {NEAREST_POINTS_C} C apart; use one of them")
        if not SLOPES[0] <= self._slope <= SLOPES[1]:
            raise ValueError(f"the points give a slope of {self._slope:.2f}; measure them again")

    @property
    def _slope(self) -> float:
        if len(self.points) < 2:  # noqa: PLR2004 - a line needs two
            return 1.0
        (shown, true), (other_shown, other_true) = self.points
        return (other_true - true) / (other_shown - shown)

    @property
    def mark(self) -> str:
        """What tells this calibration from others, also from one of the same day; empty for the factory's."""
        return " ".join([self.day.isoformat(), *(f"{s!r}={t!r}" for s, t in self.points)]) if self.day else ""

    def apply(self, shown_c: float) -> float:
        """Return the true temperature for what the sensor shows, degrees Celsius."""
        if not self.points:
            return shown_c
        shown, true = self.points[0]
        return true + self._slope * (shown_c - shown)

    def age_days(self, today: date) -> int | None:
        """Return how many days ago it was measured; None where it never was."""
        return None if self.day is None else (today - self.day).days

    def due(self, today: date) -> bool:
        """Say whether it is to be measured again: too old, or dated after today."""
        age = self.age_days(today)
        return age is not None and not 0 <= age <= LONGEST_DAYS


FACTORY = Calibration()


@dataclass(frozen=True, slots=True)
class Correction:
    """What is added to skin for the room it is in, and which emissivity skin has.

    `table`: (room, what is added) by rising room, degrees Celsius; straight lines between, constant beyond the ends.
    `spread`: how much of what is added may be wrong for one person, one sigma.
    """

    table: tuple[tuple[float, float], ...] = ((0.0, 2.8), (10.0, 1.6), (23.0, 0.0), (32.0, -1.1), (37.0, -1.7))
    spread: float = 0.25
    skin_emissivity: float = 0.98
    sensor_emissivity: float = 0.98
    """What the sensor takes for granted."""

    def __post_init__(self) -> None:
        if not self.table or any(high[0] <= low[0] for low, high in pairwise(self.table)):
            raise ValueError("the table of the correction must rise in its first column")

    def added(self, room_c: float) -> float:
        """Return what is added to skin at a temperature of the room, kelvin."""
        if room_c <= self.table[0][0]:
            return self.table[0][1]
        for (low, at_low), (high, at_high) in pairwise(self.table):
            if room_c <= high:
                return at_low + (at_high - at_low) * (room_c - low) / (high - low)
        return self.table[-1][1]

    def radiated(self, shown_c: float, sensor_c: float) -> float:
        """Return the skin's temperature, degrees Celsius, for a figure computed with the sensor's emissivity."""
        if self.sensor_emissivity == self.skin_emissivity:
            return shown_c
        sensor, shown = (sensor_c + KELVIN) ** 4, (shown_c + KELVIN) ** 4
        skin = sensor + (shown - sensor) * self.sensor_emissivity / self.skin_emissivity
        return math.sqrt(math.sqrt(skin)) - KELVIN if skin > 0 else math.nan
