"""The part of the picture in which passes are shown; what lies outside is neither decoded nor watched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from station.ports import DecodedCode, Frame

Fractions = tuple[float, ...]
"""Left, top, width, height as fractions of the picture: four, as the configuration checks."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A frame reduced to the region, and where its top left pixel lies in the whole picture."""

    frame: Frame
    whole: tuple[int, int]
    """Height and width of the whole picture."""
    left: int = 0
    top: int = 0

    def restated(self, codes: Iterable[DecodedCode]) -> list[DecodedCode]:
        """Return the codes with their corners in pixels of the whole picture."""
        if not (self.left or self.top):
            return list(codes)
        return [replace(code, quad=tuple((x + self.left, y + self.top) for x, y in code.quad)) for code in codes]


def cut(frame: Frame, region: Fractions | None) -> Cut:
    """Reduce a frame to the region, at least one pixel; without a region it stays as it is. Age is kept."""
    height, width = frame.gray.shape
    if region is None:
        return Cut(frame, (height, width))
    left, top = min(int(region[0] * width), width - 1), min(int(region[1] * height), height - 1)
    right = min(width, max(left + 1, round((region[0] + region[2]) * width)))
    bottom = min(height, max(top + 1, round((region[1] + region[3]) * height)))
    inside = Frame(np.ascontiguousarray(frame.gray[top:bottom, left:right]), frame.captured_ns)
    return Cut(inside, (height, width), left, top)
