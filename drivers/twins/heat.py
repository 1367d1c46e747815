"""What stands before the thermometer's twins, as a picture of temperatures: a face (or nobody) before a room.

Keys of a scene, all but "object_c" and "ambient_c" optional: "object_c" (the forehead), "ambient_c" (the sensor's own
temperature), "room_c" (what is behind the face and reflected by it; 8 K below "ambient_c", since the sensor warms
itself), "fill" (share of the picture that the face covers), "x" and "y" (its middle, 0..1 of width and height),
"mask_c" (its lower half, where somebody wears a mask), "lamp_c" (a lamp in the upper left corner).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 24, 32
SELF_HEATING_K = 8.0
USUAL_FILL = 0.25
TALLER = 1.35
"""Height of a face by its width."""
FINER = 8
"""Each pixel is looked at in so many rows and columns: the rim of a face covers pixels in part."""
LAMP = 3
"""Rows and columns of the lamp."""
KELVIN = 273.15

Picture = NDArray[np.float64]


def room_c(scene: Mapping[str, Any]) -> float:
    """Return the temperature of what is behind the face, degrees Celsius."""
    return float(scene.get("room_c", float(scene.get("ambient_c", 22.0)) - SELF_HEATING_K))


def picture(scene: Mapping[str, Any]) -> Picture:
    """Return the temperatures of a scene, degrees Celsius, shape (24, 32); mixed pixels mix what they radiate."""
    face = float(scene.get("object_c", 22.0))
    lower = float(scene.get("mask_c") or face)
    down, across = _grid(ROWS), _grid(COLUMNS)
    half_width = np.sqrt(float(scene.get("fill", USUAL_FILL)) * ROWS * COLUMNS / np.pi / TALLER)
    right = (across - float(scene.get("x", 0.5)) * COLUMNS) / half_width
    below = (down - float(scene.get("y", 0.5)) * ROWS) / (half_width * TALLER)
    inside = below[:, None] ** 2 + right[None, :] ** 2 <= 1
    shown = np.where(below > 0, lower, face)[:, None]
    fine = np.where(inside, shown, room_c(scene))
    if "lamp_c" in scene:
        fine[: LAMP * FINER, : LAMP * FINER] = float(scene["lamp_c"])
    radiated = ((fine + KELVIN) ** 4).reshape(ROWS, FINER, COLUMNS, FINER).mean(axis=(1, 3))
    return np.asarray(radiated**0.25 - KELVIN, np.float64)


def _grid(pixels: int) -> Picture:
    return np.asarray((np.arange(pixels * FINER) + 0.5) / FINER, np.float64)
