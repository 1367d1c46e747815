"""What a thermometer's lens sees at a distance: size of the spot, how much of it a forehead fills, how near to stand.

A field of view is the angle at which the sensitivity has fallen to half (Melexis data sheets 3901090614 and
3901090640). The sensitivity in between is taken as a bell, so that a forehead just as large as the spot gives only half
of the signal: the other half comes from hair, brows, temples, or the wall.
"""

from __future__ import annotations

import math

from station.core.record import dataclass

FOREHEAD_MM = 60.0
"""Diameter of the bare skin between brows and hair."""
FACE_MM2 = math.pi / 4 * 150.0 * 200.0
"""A face as a thermal array sees it: an ellipse, 150 mm by 200 mm."""
LEAST_SHARE = 0.6
"""With less of the signal from the forehead the rest decides, and nothing is known about the rest."""
ROWS, COLUMNS = 24, 32
PIXELS_NEEDED = 3
"""An array's forehead is told from single noisy pixels by the median of three by three."""


@dataclass(frozen=True, slots=True)
class Optics:
    """What one lens sees.

    `view_deg`: angle of one pixel's view, or of as many as a forehead needs; `picture_deg`: of an array's picture.
    `accuracy_c`: largest error the data sheet allows; `works_c`: the sensor's own temperatures for which it says so;
    `self_heating_c`: how much warmer the sensor is than the room.
    """

    view_deg: float
    accuracy_c: float = 0.5
    works_c: tuple[float, float] = (0.0, 50.0)
    self_heating_c: float = 0.0
    picture_deg: tuple[float, float] | None = None

    def spot_mm(self, distance_mm: float) -> float:
        """Return the diameter of what is seen with at least half of the sensitivity, at a distance, millimetres."""
        return 2 * distance_mm * math.tan(math.radians(self.view_deg) / 2)

    def share(self, distance_mm: float) -> float:
        """Return the share 0..1 of the signal that comes from a forehead at a distance, millimetres."""
        if math.isinf(distance_mm):
            return 0.0
        spot = max(self.spot_mm(distance_mm), 1e-6)
        return 1 - math.pow(0.5, min((FOREHEAD_MM / spot) ** 2, 64.0))

    @property
    def greatest_mm(self) -> float:
        """The greatest distance at which a forehead still gives enough of the signal (LEAST_SHARE), millimetres."""
        spot = FOREHEAD_MM / math.sqrt(math.log2(1 / (1 - LEAST_SHARE)))
        return spot / (2 * math.tan(math.radians(self.view_deg) / 2))

    def distance_mm(self, fill: float | None) -> float | None:
        """Return how far away a face is that fills this share 0..1 of an array's picture; None where unknown."""
        if self.picture_deg is None or not fill:
            return None
        across, down = (2 * math.tan(math.radians(angle) / 2) for angle in self.picture_deg)
        return math.sqrt(FACE_MM2 / (fill * across * down))


def single(view_deg: float, *, medical: bool = False) -> Optics:
    """Return the optics of an MLX90614. `medical`: versions D, 0.2 K near body temperature instead of 0.5 K."""
    return Optics(view_deg, accuracy_c=0.2 if medical else 0.5)


def array(across_deg: float, down_deg: float) -> Optics:
    """Return the optics of an MLX90640, whose chip is about 8 K warmer than the room and which promises 1 K."""
    pixel = max(across_deg / COLUMNS, down_deg / ROWS)
    return Optics(PIXELS_NEEDED * pixel, 1.0, (0.0, 50.0), 8.0, (across_deg, down_deg))
