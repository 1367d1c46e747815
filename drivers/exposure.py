"""Exposure by the code: what a located code's light modules measure, and which exposure follows. Pure, no devices.

A phone at night is a bright patch in a dark picture: the camera's own automatic looks at the whole picture and burns
the screen out. Here only the code counts. Without a code for FALLBACK_S the camera's automatic takes over again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from station.ports import Gray

TARGET_GRAY = 165.0
"""Where the light modules should lie: far from clipping, with room for glare and for noise in the dark modules."""

LOWEST_GRAY, HIGHEST_GRAY = 140.0, 200.0
"""Nothing is changed while the light modules lie between: reading does not gain, and pictures stay comparable."""

SATURATED_GRAY = 250
"""From here on a pixel counts as clipped: 255 less what noise and the camera's gamma table take off."""

CLIPPED_SHARE = 0.25
"""With more of the light modules clipped, their gray no longer tells how bright they are."""

DAMPING = 0.9
"""Exponent of one correction. Gray rises at most in proportion to exposure (linear cameras), usually slower (gamma):
an exponent below 1 therefore approaches the target from one side and cannot oscillate."""

MOST_DOWN, MOST_UP = 0.6, 1.6
"""Factors that one step may take. 0.6 brings a barely clipped linear camera (255) into the band (153), not below it."""

SETTLE_S = 0.2
"""After a change so long nothing is concluded: cameras apply a new exposure up to five frames later."""

FALLBACK_S = 5.0
"""Without a code for so long, the camera's automatic exposure takes over."""

SEARCH_S = 3.0
"""How long a burnt-out patch without a readable code is darkened before the attempt is given up."""

FIRST_REST_S, LONGEST_REST_S = 3.0, 24.0
"""Pause after an attempt that found no code; it doubles each time, so that a street lamp is not hunted all night."""

_NIGHT_GRAY = 70
_PATCH_SHARE = (0.03, 0.4)
"""Share of the picture that a phone screen at reading distance takes; lamps are smaller, a white sky is larger."""

_COARSE = 8
_SMALLEST_PX = 12
_SAMPLED_PX = 128
_FARTHEST_PX = 30_000
"""OpenCV's drawing takes coordinates of 16 bits with room for fractions."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Exposure time in microseconds and amplification, 1 being none."""

    time_us: float
    gain: float = 1.0

    @property
    def total(self) -> float:
        """Microseconds without amplification that would give the same brightness."""
        return self.time_us * self.gain


@dataclass(frozen=True, slots=True)
class Limits:
    """What the camera can do and the station wants.

    `max_us` defaults to 10 ms: a hand moves little in it, and under 50 Hz light it is a whole period of the lamp.
    """

    min_us: float = 300.0
    max_us: float = 10_000.0
    max_gain: float = 1.0

    def split(self, total: float) -> Exposure:
        """Return the exposure nearest to `total` (microseconds at gain 1): time first, amplification in the dark."""
        if not math.isfinite(total):
            total = self.min_us
        time_us = min(max(total, self.min_us), self.max_us)
        return Exposure(time_us, min(max(total / time_us, 1.0), self.max_gain))


@dataclass(frozen=True, slots=True)
class Metering:
    """A code's light modules: their gray (0 to 255) and the share of them that is clipped (0 to 1)."""

    light: float
    saturated: float


CLIPPED = Metering(255.0, 1.0)


def meter(gray: Gray, quad: ArrayLike) -> Metering | None:
    """Measure a code in uint8 (height, width) by its corners (x, y); None where they hold no usable area.

    About half of a symbol's modules are light (masking sees to that, ISO/IEC 18004, 7.8.3): the upper quartile of the
    pixels is the middle of the light ones, also for codes in dark mode.
    """
    corners = np.asarray(quad, np.float64)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        return None
    height, width = gray.shape
    left, top = np.clip(corners.min(axis=0), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int)
    if min(right - left, bottom - top) < _SMALLEST_PX:
        return None
    step = max(1, min(right - left, bottom - top) // _SAMPLED_PX)
    box = gray[top:bottom:step, left:right:step]
    inside = np.zeros(box.shape, np.uint8)
    outline = np.clip((corners - (left, top)) / step, -_FARTHEST_PX, _FARTHEST_PX)
    cv2.fillConvexPoly(inside, np.rint(outline).astype(np.int32), (1,))
    pixels = box[inside > 0]
    if pixels.size < _SMALLEST_PX**2 // 2:
        return None
    light, middle = (float(level) for level in np.percentile(pixels, (75, 50)))
    upper = pixels[pixels >= middle]
    return Metering(light, float((upper >= SATURATED_GRAY).mean()))


def is_burnt_screen(gray: Gray) -> bool:
    """Tell whether a clipped patch of a phone's size stands in a dark picture: a code in it cannot be read."""
    coarse = gray[::_COARSE, ::_COARSE]
    clipped = coarse >= SATURATED_GRAY
    share = float(clipped.mean()) if coarse.size else 0.0
    least, most = _PATCH_SHARE
    return least <= share <= most and float(np.median(coarse[~clipped])) <= _NIGHT_GRAY


def next_exposure(now: Exposure, seen: Metering, limits: Limits) -> Exposure:
    """Return the exposure that follows from `now` and what was measured under it; `now` itself where that is right."""
    if seen.saturated > CLIPPED_SHARE:
        factor = MOST_DOWN
    elif LOWEST_GRAY <= seen.light <= HIGHEST_GRAY:
        return now
    else:
        factor = min(max((TARGET_GRAY / max(seen.light, 1.0)) ** DAMPING, MOST_DOWN), MOST_UP)
    return limits.split(now.total * factor)


class Governor:
    """Decides over time which exposure is wanted. All moments are seconds of one monotonic clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.wanted: Exposure | None = None
        """None: the camera's own automatic."""
        self._changed_s = self._measured_s = self._judged_s = -math.inf
        self._search_since_s: float | None = None
        self._search_after_s = -math.inf
        self._rest_s = FIRST_REST_S

    def code(self, seen: Metering, in_force: Exposure | None, now_s: float) -> None:
        """Take what a code measured under the exposure `in_force` (None: not known; nothing can follow then)."""
        self._search_since_s, self._search_after_s, self._rest_s = None, -math.inf, FIRST_REST_S
        self._steer(seen, in_force, now_s)

    def burnt_screen(self, in_force: Exposure | None, now_s: float) -> None:
        """Darken towards a code that may be in a clipped patch, for a while, and ever more rarely without success."""
        if now_s < self._search_after_s:
            return
        if self._search_since_s is None:
            self._search_since_s = now_s
        if now_s - self._search_since_s > SEARCH_S:
            self._automatic(now_s)
        else:
            self._steer(CLIPPED, in_force, now_s, steps=2)  # barely clipped, its code would have been read

    def nothing(self, now_s: float) -> None:
        """Take note that there is neither a code nor a burnt-out screen."""
        if self.wanted is not None and now_s - self._measured_s >= FALLBACK_S:
            self._automatic(now_s)

    def is_due(self, now_s: float) -> bool:
        """Tell whether a change has had its time and nobody has looked yet what came of it."""
        return self.wanted is not None and self._judged_s <= self._changed_s <= now_s - SETTLE_S

    def _steer(self, seen: Metering, in_force: Exposure | None, now_s: float, steps: int = 1) -> None:
        self._measured_s = now_s
        base = self.wanted or in_force  # cameras tell what is in force too late to steer by
        if base is None or now_s - self._changed_s < SETTLE_S:
            return
        self._judged_s = now_s
        after = base
        for _ in range(steps):
            after = next_exposure(after, seen, self._limits)
        if after != base:
            self.wanted, self._changed_s = after, now_s

    def _automatic(self, now_s: float) -> None:
        if self._search_since_s is not None:
            self._search_since_s, self._search_after_s = None, now_s + self._rest_s
            self._rest_s = min(2 * self._rest_s, LONGEST_REST_S)
        self.wanted, self._changed_s = None, now_s
