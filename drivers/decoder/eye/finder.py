"""Our own search for finder patterns, where zxing-cpp sees none: blurred, moved, curled, at low contrast.

They are looked for by normalised correlation with their rings, averaged over all rotations, on a pyramid of scales;
dark and light patterns alike (ISO/IEC 18004, 6.3.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.decoder.eye.symbol import FINDER_SIZE, finder_pattern
from station.ports import Gray

Point = tuple[float, float]

_WORK_MODULE_PX = 1.6
"""Modules have this size on every level of the pyramid: small enough to be quick, large enough to show rings."""

_STEP = 1.3
"""Ratio of neighbouring levels; the rings still correlate half a step off."""

_SMALLEST_MODULE_PX, _LARGEST_MODULE_PX = 1.6, 24.0
_WINDOW_MODULES = 8.5
_LEAST_RING_SCORE = 0.45
_LEAST_SPREAD = 2.0
"""Gray levels: flatter places show nothing but noise."""

_MOST_PATTERNS = 10
"""Per polarity; more in one picture are texture. Triples grow with the third power."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What may be a finder pattern: centre (x, y) and module size in pixels, ring correlation, light on dark."""

    centre: Point
    module_px: float
    score: float
    inverted: bool


def find_patterns(gray: Gray, least_module_px: float = _SMALLEST_MODULE_PX) -> list[Pattern]:
    """Search the whole picture for finder patterns, best first, at most _MOST_PATTERNS of each polarity."""
    found: list[Pattern] = []
    module = least_module_px
    longest = min(_LARGEST_MODULE_PX, min(gray.shape) / 21)
    level = gray
    while module <= longest * _STEP:
        scale = _WORK_MODULE_PX / module
        size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
        if min(size) <= len(_rings()) + 2:
            break
        level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        found.extend(_peaks(level, module))
        module *= _STEP
    return [*_strongest(found, inverted=False), *_strongest(found, inverted=True)]


@lru_cache(1)
def _rings() -> NDArray[np.float32]:
    """A finder pattern averaged over all rotations, dark = 0, light = 1, at _WORK_MODULE_PX."""
    fine = 16
    window = round(_WINDOW_MODULES * fine)
    border = (window - FINDER_SIZE * fine) // 2 + fine
    drawn = np.pad(np.kron(1.0 - finder_pattern(), np.ones((fine, fine))), border, constant_values=1.0)
    middle = (len(drawn) - 1) / 2
    total = np.zeros_like(drawn)
    for angle in range(0, 90, 6):
        turn = cv2.getRotationMatrix2D((middle, middle), angle, 1.0)
        total += cv2.warpAffine(drawn, turn, drawn.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    inner = slice(fine, len(drawn) - fine)
    side = round(_WINDOW_MODULES * _WORK_MODULE_PX) | 1
    return np.asarray(cv2.resize(total[inner, inner] / 15, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _peaks(level: Gray, module: float) -> Iterator[Pattern]:
    """Local maxima and minima of the ring correlation on one level."""
    scores = _correlation(level, _rings())
    pixel = module / _WORK_MODULE_PX
    neighbourhood = np.ones((5, 5), np.uint8)
    for inverted, signed in ((False, scores), (True, -scores)):
        tops = (signed >= cv2.dilate(signed, neighbourhood)) & (signed > _LEAST_RING_SCORE)
        rows, columns = np.nonzero(tops)
        best = np.argsort(-signed[rows, columns])[:_MOST_PATTERNS]
        for row, column in zip(rows[best], columns[best], strict=True):
            centre = ((float(column) + 0.5) * pixel - 0.5, (float(row) + 0.5) * pixel - 0.5)
            yield Pattern(centre, module, float(signed[row, column]), inverted)


def _correlation(level: Gray, template: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised correlation at every pixel; a third of the time of cv2.matchTemplate for so small a template."""
    side = template.shape
    zero_mean = template - template.mean()
    product = cv2.filter2D(level, cv2.CV_32F, zero_mean, borderType=cv2.BORDER_REPLICATE)
    mean = cv2.boxFilter(level, cv2.CV_32F, side, borderType=cv2.BORDER_REPLICATE)
    power = cv2.sqrBoxFilter(level, cv2.CV_32F, side, borderType=cv2.BORDER_REPLICATE)
    spread = np.sqrt(np.maximum(power - mean * mean, _LEAST_SPREAD**2))
    scale = float(np.sqrt((zero_mean**2).sum() * template.size))
    return np.asarray(product / (spread * scale), np.float32)


def _strongest(patterns: list[Pattern], *, inverted: bool) -> list[Pattern]:
    """The best of one polarity; of those at one place only the best."""
    kept: list[Pattern] = []
    for one in sorted((one for one in patterns if one.inverted == inverted), key=lambda one: -one.score):
        if all(_apart(one, other) for other in kept):
            kept.append(one)
        if len(kept) == _MOST_PATTERNS:
            break
    return kept


def _apart(one: Pattern, other: Pattern) -> bool:
    far = 4 * max(one.module_px, other.module_px)
    return abs(one.centre[0] - other.centre[0]) > far or abs(one.centre[1] - other.centre[1]) > far
