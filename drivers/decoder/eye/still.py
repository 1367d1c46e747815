"""Reads stills with all effort, within a hard time budget."""

from __future__ import annotations

import cv2
import numpy as np

from drivers.decoder.eye.views import BASE, RESCUE
from station.ports import DecodedCode, Gray


class StillReader:
    """Reads single pictures; for one thread."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)

    def read(self, gray: Gray) -> list[DecodedCode]:
        """Return every code in the picture."""
        if gray.ndim != 2 or min(gray.shape) < 11:
            return []
        gray = np.ascontiguousarray(gray, np.uint8)
        for view in BASE + RESCUE:
            if codes := view.scan(gray).codes:
                return codes
        return []
