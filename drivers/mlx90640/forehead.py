"""Whom a picture of 24 x 32 temperatures shows, and how warm the forehead is.

The warm thing is the connected spot around the hottest place. Its edge is where the temperature has fallen halfway to
the background, but by no more than a few kelvin: half a pixel of face counts as half, hair and clothes do not count,
and in a cold place the room cannot slip in. What is hotter than any skin (a lamp, an engine, a cup) is cut out with
its rim, which would else look like fever.

The value is the median of the spot's upper half without its rim. The upper half, because a forehead is bare where
mouth and nose are behind a mask, and because breath and blood flow change the lower face's temperature; without the
rim, because pixels there see face and background mixed; and the median, because it does not climb with the noise of
the pixels (0.2 K), as a maximum would, and because no single broken pixel can move it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.mlx90640.calibration import Values

HOTTER_THAN_SKIN_C = 45.0
FALL_K = 4.0
"""A forehead is even within 2 K; hair, glasses and clothes are 4 K and more colder."""
LEAST_CONTRAST_K = 2.0
"""What stands out less than this from the background is not told from noise and from the unevenness of walls."""
BACKGROUND_SHARE = 5.0
"""Percent of the pixels that are taken to be background: a face that leaves less of it free hides it."""

_AROUND = np.ones((3, 3), np.uint8)
Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Seen:
    """`celsius`: the forehead's temperature, or that of the picture's hottest twentieth where nothing stands out.

    `fill`: share 0..1 of the picture that the warm thing covers; None where nothing stands out.
    """

    celsius: float
    fill: float | None


def find(picture: Values) -> Seen:
    """Find the warm thing in a picture, degrees Celsius, shape (24, 32), upright, without NaN."""
    warm = picture.astype(np.float32)
    glaring = cv2.dilate((warm > HOTTER_THAN_SKIN_C).astype(np.uint8), _AROUND) > 0
    if glaring.all():
        return Seen(float(np.median(picture)), None)
    cold = float(np.percentile(warm[~glaring], BACKGROUND_SHARE))
    # One pixel alone is no face: the median of three by three leaves spots and removes specks.
    smooth = cv2.medianBlur(np.where(glaring, np.float32(cold), warm), 3)
    hottest = float(smooth.max())
    if hottest - cold < LEAST_CONTRAST_K:
        return Seen(float(np.percentile(smooth, 100 - BACKGROUND_SHARE)), None)
    edge = hottest - min(FALL_K, (hottest - cold) / 2)
    _, labels = cv2.connectedComponents(np.asarray(smooth > edge, np.uint8), connectivity=4)
    spot = (labels == labels.flat[int(smooth.argmax())]).astype(np.uint8)
    return Seen(float(np.median(picture[_forehead(spot) > 0])), float(spot.mean()))


def _forehead(spot: Mask) -> Mask:
    """Return the upper half of a spot, without its rim where it is large enough to have more than a rim."""
    rows = np.flatnonzero(spot.any(axis=1))
    inside = np.asarray(cv2.erode(spot, _AROUND, borderType=cv2.BORDER_REPLICATE), np.uint8)
    inside[(rows[0] + rows[-1]) // 2 + 1 :] = 0
    upper = spot.copy()
    upper[(rows[0] + rows[-1]) // 2 + 1 :] = 0
    return inside if inside.any() else upper
