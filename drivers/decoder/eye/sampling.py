"""Looks up gray values (or any other field) between the pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_NO_SECOND_MAP = np.zeros((0, 0), np.int16)


def look_up(field: NDArray[Any], places: NDArray[Any], *, outside: int = cv2.BORDER_REPLICATE) -> NDArray[np.float32]:
    """Values of `field`, shape (height, width) or (height, width, 2), at `places` (x, y), shape (rows, columns, 2).

    Bilinear; beyond the edge the nearest value counts, or 0 with `outside` = cv2.BORDER_CONSTANT.
    """
    found = cv2.remap(
        field, places.astype(np.float32, copy=False), _NO_SECOND_MAP, cv2.INTER_LINEAR, borderMode=outside
    )
    return np.asarray(found, np.float32)
