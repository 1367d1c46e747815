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

from drivers.decoder.eye.sampling import look_up
from drivers.decoder.eye.symbol import FINDER_SIZE, finder_pattern
from station.ports import Gray

Point = tuple[float, float]

_WORK_MODULE_PX = 1.45
"""Modules have this size on every level of the pyramid: small enough to be quick, large enough to show rings."""

_STEP = 1.3
"""Ratio of neighbouring levels; the rings still correlate half a step off."""

_SMALLEST_MODULE_PX, _LARGEST_MODULE_PX = 1.6, 24.0
_WINDOW_MODULES = 8.5
_LEAST_RING_SCORE = 0.45
_LEAST_SPREAD = 1.0
"""Gray levels: flatter places show nothing but noise."""

_MOST_RINGS, _MOST_PATTERNS = 24, 8
"""Per polarity; more in one picture are texture. Triples grow with the third power."""

_ANGLES = np.radians(np.arange(0, 90, 15))
_SCALES = np.array([0.82, 0.94, 1.08, 1.24])
_PATCH, _PATCH_MODULES = 14, 8.4
"""Samples and modules per side in which a pattern is compared with its square form."""

_LEAST_SQUARE_SCORE = 0.4


@dataclass(frozen=True, slots=True)
class Pattern:
    """What may be a finder pattern: centre (x, y) and module size in pixels, correlation, light on dark.

    `angle`: direction of its edges, radians, from 0 to pi / 2 clockwise from the picture's rows.
    """

    centre: Point
    module_px: float
    score: float
    inverted: bool
    angle: float = 0.0


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
    kept: list[Pattern] = []
    for inverted in (False, True):
        rings = _strongest(found, _MOST_RINGS, inverted=inverted)
        kept.extend(_strongest(_turned(gray, rings), _MOST_PATTERNS, inverted=inverted))
    return kept


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
    for inverted in (False, True):
        signed = -scores if inverted else scores
        strong = signed > _LEAST_RING_SCORE
        if not strong.any():
            continue
        strong &= signed >= cv2.dilate(signed, neighbourhood)
        rows, columns = np.divmod(np.flatnonzero(strong), signed.shape[1])
        best = np.argsort(-signed[rows, columns])[:_MOST_RINGS]
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
    variance = cv2.subtract(power, cv2.multiply(mean, mean))
    spread = np.sqrt(np.maximum(variance, _LEAST_SPREAD**2))
    scale = 1 / float(np.sqrt((zero_mean**2).sum() * template.size))
    return np.asarray(cv2.divide(product, spread, scale=scale), np.float32)


def _strongest(patterns: list[Pattern], limit: int, *, inverted: bool) -> list[Pattern]:
    """The best of one polarity; of those at one place only the best."""
    kept: list[Pattern] = []
    for one in sorted((one for one in patterns if one.inverted == inverted), key=lambda one: -one.score):
        if all(_apart(one, other) for other in kept):
            kept.append(one)
        if len(kept) == limit:
            break
    return kept


def _apart(one: Pattern, other: Pattern) -> bool:
    far = 4 * max(one.module_px, other.module_px)
    return abs(one.centre[0] - other.centre[0]) > far or abs(one.centre[1] - other.centre[1]) > far


def _turned(gray: Gray, patterns: list[Pattern]) -> list[Pattern]:
    """Compare each with a true finder pattern at every angle and a few scales; keep what resembles one."""
    if not patterns:
        return []
    offsets, template = _square()
    centres = np.array([one.centre for one in patterns], np.float32)
    modules = np.array([one.module_px for one in patterns], np.float32)
    scales = (modules[:, None] * _SCALES.astype(np.float32))[:, :, None, None, None]
    points = centres[:, None, None, None, :] + scales * offsets[None, None]
    flat = points.reshape(-1, len(template), 2)
    values = look_up(gray, flat)
    values -= values.mean(axis=1, keepdims=True)
    spread = np.sqrt((values * values).mean(axis=1)) + _LEAST_SPREAD
    scores = (values @ template / (spread * len(template))).reshape(len(patterns), -1)
    found = []
    for number, one in enumerate(patterns):
        signed = -scores[number] if one.inverted else scores[number]
        best = int(np.argmax(signed))
        scale, angle = divmod(best, len(_ANGLES))
        if signed[best] >= _LEAST_SQUARE_SCORE:
            size = one.module_px * float(_SCALES[scale])
            found.append(Pattern(one.centre, size, float(signed[best]), one.inverted, float(_ANGLES[angle])))
    return found


@lru_cache(1)
def _square() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places of samples in modules, shape (angles, samples, 2), and their values, mean 0 and standard deviation 1."""
    line = ((np.arange(_PATCH) + 0.5) / _PATCH - 0.5) * _PATCH_MODULES
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    fine = 8
    drawn = np.pad(np.kron(1.0 - finder_pattern(), np.ones((fine, fine))), 2 * fine, constant_values=1.0)
    drawn = cv2.GaussianBlur(drawn, (0, 0), 0.35 * fine)
    rows, columns = (np.rint((axis + len(drawn) / fine / 2) * fine - 0.5).astype(int) for axis in (y, x))
    values = drawn[rows, columns]
    turns = [np.stack([x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)], axis=1) for a in _ANGLES]
    return np.array(turns, np.float32), ((values - values.mean()) / values.std()).astype(np.float32)
