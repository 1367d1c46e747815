"""How good a picture is for reading: sharpness, brightness, and the size of a code's modules. For `camera tune`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from drivers.camera.metering import Symbol
from drivers.exposure import SATURATED_GRAY, meter
from station.ports import Gray

_VERSION_SIDE = 17
"""A symbol of version v has 17 + 4 v modules a side (ISO/IEC 18004, 5.3.1)."""

_MARGIN = 0.12
"""Share of a code's side that is added around it, so that its finder patterns are whole."""

_SMALLEST_PX = 21


@dataclass(frozen=True, slots=True)
class Quality:
    """One picture. `mean`, `light`, `contrast`: gray levels; `saturated`: clipped share of pixels (of light modules).

    `sharpness`: variance of the Laplacian, in the code where there is one, else in the middle of the picture; it falls
    with blur and rises with contrast and noise. The others need a code: `blur_px` is the standard deviation of what
    blurs its edges, `side_px` the length of its side; `whole` says whether it lies clear of the picture's border.
    """

    mean: float
    saturated: float
    sharpness: float
    light: float | None = None
    contrast: float | None = None
    module_px: float | None = None
    side_px: float | None = None
    blur_px: float | None = None
    whole: bool = True


def assess(gray: Gray, symbols: Sequence[Symbol]) -> Quality:
    """Judge a picture, uint8 (height, width), by its largest symbol (corners in its pixels) if it holds one."""
    views = [view for symbol in symbols if (view := _view(gray, symbol)) is not None]
    if not views:
        height, width = gray.shape
        middle = gray[height // 4 : height - height // 4, width // 4 : width - width // 4]
        return Quality(float(gray.mean()), _clipped(gray), _sharpness(middle))
    view = max(views, key=lambda one: one.box.size)
    box, metering = view.box, meter(gray, view.symbol.quad)
    dark, bright = (float(level) for level in np.percentile(box, (10, 90)))
    side, modules = _symbol(box)
    return Quality(
        mean=float(gray.mean()),
        saturated=metering.saturated if metering else _clipped(box),
        sharpness=_sharpness(box),
        light=metering.light if metering else bright,
        contrast=bright - dark,
        module_px=side / modules if modules else None,
        side_px=side or _mean_side(np.asarray(view.symbol.quad, np.float64)),
        blur_px=_blur(box, bright - dark),
        whole=view.whole,
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A symbol cut out with its margin. `whole`: the symbol itself stays clear of the picture's border."""

    box: Gray
    symbol: Symbol
    whole: bool


def _view(gray: Gray, symbol: Symbol) -> _View | None:
    corners = np.asarray(symbol.quad, np.float64)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        return None
    height, width = gray.shape
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = (high - low) * _MARGIN
    left, top = np.clip(low - margin, 0, (width, height)).astype(int)
    right, bottom = np.clip(high + margin, 0, (width, height)).astype(int)
    if min(right - left, bottom - top) < _SMALLEST_PX:
        return None
    whole = bool((low > 1).all() and (high < (width - 1, height - 1)).all())
    return _View(np.ascontiguousarray(gray[top:bottom, left:right]), symbol, whole)


def _symbol(box: Gray) -> tuple[float, int]:
    """Return the side of the symbol in the box, pixels, and how many modules it has; 0 where that cannot be told."""
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)
    for found in zxingcpp.read_barcodes(box, formats=formats, return_errors=True):
        told: Any = found.extra or {}
        version = str(told.get("Version", ""))
        if version.isdigit() and int(version):
            place = found.position
            corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
            side = _mean_side(np.array([[corner.x, corner.y] for corner in corners], np.float64))
            return side, _VERSION_SIDE + 4 * int(version)
    return 0.0, 0


def _mean_side(corners: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean())


def _sharpness(gray: Gray) -> float:
    return float(cv2.Laplacian(gray, cv2.CV_32F).var()) if gray.size else 0.0


def _blur(box: Gray, contrast: float) -> float:
    """Width of the steepest edges: a step of height C blurred by a Gaussian of sigma s rises by C / (s sqrt(2 pi)).

    A slope is taken over eight pixels (Sobel), which noise moves less than the Laplacian.
    """
    slope = float(np.percentile(cv2.magnitude(*(cv2.Sobel(box, cv2.CV_32F, *d) for d in ((1, 0), (0, 1)))), 98)) / 8
    return contrast / (max(slope, 0.1) * math.sqrt(2 * math.pi))


def _clipped(gray: Gray) -> float:
    return float((gray >= SATURATED_GRAY).mean()) if gray.size else 0.0
