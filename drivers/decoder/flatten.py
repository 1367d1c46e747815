"""Straightens passes that are held at an angle.

ZBar loses large symbols (version 9 and up) from about 20 degrees of tilt close to the camera, where perspective is
strong. OpenCV's finder-pattern detector still sees where they are; seen straight on, ZBar reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from station.ports import Gray

Homography = NDArray[np.float64]

_SIDE_PX, _MARGIN_PX = 480, 40
"""The straightened code: 400 pixels give a version 17 symbol (85 modules) 4.7 pixels a module; around it quiet zone."""

_MOST_CODES = 4
"""More finds than so many in one picture are texture, not passes."""


class Flattener:
    """Finds codes by their finder patterns. For one thread."""

    def __init__(self) -> None:
        self._detector = cv2.QRCodeDetectorAruco()

    def views(self, gray: Gray, where: Gray, scale: float) -> Iterator[tuple[Gray, Homography]]:
        """Yield each find, cut from `gray` and straightened, with the homography from there back to `gray`.

        `where`: `gray` reduced by `scale`, which is enough for finding.
        """
        margin, far = _MARGIN_PX, _SIDE_PX - _MARGIN_PX
        square = np.array([[margin, margin], [far, margin], [far, far], [margin, far]], np.float32)
        for corners in self._find(where):
            back = np.asarray(cv2.getPerspectiveTransform(square, corners * np.float32(scale)), np.float64)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            size = (_SIDE_PX, _SIDE_PX)
            straight = cv2.warpPerspective(gray, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            yield np.asarray(straight, np.uint8), back

    def _find(self, gray: Gray) -> list[NDArray[np.float32]]:
        try:
            found, corners = self._detector.detectMulti(gray)
        except cv2.error:  # degenerate finds in textures: nothing that could be straightened
            return []
        quads = np.asarray(corners, np.float32).reshape(-1, 4, 2) if found else np.zeros((0, 4, 2), np.float32)
        usable = [quad for quad in quads if cv2.isContourConvex(quad)]
        return usable[:_MOST_CODES]
