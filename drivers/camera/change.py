"""Tells whether anything moved between two pictures, cheaply and in spite of sensor noise."""

from __future__ import annotations

import cv2
import numpy as np

from station.ports import Gray

_COLUMNS, _ROWS = 80, 45
"""Blocks of 16 x 16 pixels at 720p: their mean has a sixteenth of a pixel's noise."""

_MOVED_LEVELS = 4
"""Gray levels by which a block's mean must differ. Noise of 8 levels gives 0.5, of which 4 is out of reach."""

_SWAPPED_LEVELS = 28
_SWAPPED_SHARE = 0.02
"""Another object shows in many blocks and strongly; a hand that sways does not."""


class ChangeDetector:
    """Compares pictures with the last one that was marked."""

    def __init__(self) -> None:
        self._marked: Gray | None = None
        self._latest: Gray | None = None

    def look(self, gray: Gray) -> None:
        """Take the picture that `moved`, `swapped` and `mark` are about."""
        self._latest = np.asarray(cv2.resize(gray, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA), np.uint8)

    def mark(self) -> None:
        """Compare with the picture looked at last from now on."""
        self._marked = self._latest

    def moved(self) -> bool:
        """Whether anything in the picture is not as it was."""
        difference = self._difference()
        return difference is None or bool((difference > _MOVED_LEVELS).any())

    def swapped(self) -> bool:
        """Whether something large is not what it was: somebody came, went, or shows something else."""
        difference = self._difference()
        return difference is None or float((difference > _SWAPPED_LEVELS).mean()) > _SWAPPED_SHARE

    def mean_gray(self) -> float:
        """Return the mean gray of the picture looked at last, 0 to 255; 255 before the first."""
        return 255.0 if self._latest is None else float(self._latest.mean())

    def _difference(self) -> Gray | None:
        if self._marked is None or self._latest is None:
            return None
        return np.asarray(cv2.absdiff(self._marked, self._latest), np.uint8)
