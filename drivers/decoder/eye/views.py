"""Views of a picture: each is one way of seeing that rescues codes which the picture itself does not give away.

A table of data, in the order in which they are worth their time (measured on real and rendered pictures).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from drivers.decoder.zxing import Binarizer, Kind, Scan, scan
from station.ports import Gray

_SMALLEST_VIEW_PX = 21
"""A version 1 symbol has 21 modules."""

_LARGEST_VIEW_PX = 4_000_000
"""A view is never enlarged beyond this many pixels: time and memory stay bounded."""


@dataclass(frozen=True, slots=True)
class View:
    """One way of seeing: how the view is made, how large it is against the picture, how it is made black and white."""

    name: str
    make: Callable[[Gray], Gray]
    scale: float = 1.0
    binarizer: Binarizer = Binarizer.LOCAL

    def fits(self, gray: Gray) -> bool:
        """Tell whether the view of this picture is neither empty nor too large."""
        height, width = (side * self.scale for side in gray.shape)
        return min(height, width) >= _SMALLEST_VIEW_PX and height * width <= max(_LARGEST_VIEW_PX, gray.size)

    def scan(self, gray: Gray, kind: Kind = Kind.ANY_QR) -> Scan:
        """Look at `gray` this way; empty where the view does not fit."""
        if not self.fits(gray):
            return Scan([], [])
        return scan(self.make(gray), self.scale, stage=self.name, binarizer=self.binarizer, kind=kind)


def scaled(gray: Gray, scale: float) -> Gray:
    """Resize: area means when smaller, cubic when larger."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=method), np.uint8)


def sharpened(gray: Gray, sigma: float, amount: float) -> Gray:
    """Unsharp mask: add `amount` times what a blur of `sigma` pixels removes."""
    soft = cv2.GaussianBlur(gray, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(gray, 1 + amount, soft, -amount, 0), np.uint8)


def _itself(gray: Gray) -> Gray:
    return gray


def _otsu(gray: Gray) -> Gray:
    return np.asarray(cv2.threshold(gray, 0, 255, cv2.THRESH_OTSU)[1], np.uint8)


def _median(gray: Gray) -> Gray:
    return np.asarray(cv2.medianBlur(gray, 5), np.uint8)


def _eroded(gray: Gray) -> Gray:
    return np.asarray(cv2.erode(gray, np.ones((3, 3), np.uint8)), np.uint8)


def _opened(gray: Gray) -> Gray:
    return np.asarray(cv2.morphologyEx(gray, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)


def _equalised(gray: Gray) -> Gray:
    """Contrast-limited adaptive histogram equalisation."""
    return np.asarray(cv2.createCLAHE(3.0, (8, 8)).apply(gray), np.uint8)


BASE = (
    View("global", _itself, binarizer=Binarizer.GLOBAL),
    View("half-global", partial(scaled, scale=0.5), 0.5, Binarizer.GLOBAL),
    View("local", _itself),
)
"""What nearly every readable picture is read from; the cheapest first."""

RESCUE = (
    View("half-local", partial(scaled, scale=0.5), 0.5),
    View("otsu", _otsu),
    View("eroded", _eroded, binarizer=Binarizer.GLOBAL),
    View("median", _median),
    View("unsharp-3", partial(sharpened, sigma=3, amount=2.0)),
    View("equalised", _equalised),
    View("opened", _opened, binarizer=Binarizer.GLOBAL),
    View("double", partial(scaled, scale=2.0), 2.0),
    View("unsharp-5", partial(sharpened, sigma=5, amount=3.0)),
    View("third", partial(scaled, scale=1 / 3), 1 / 3),
)
"""For stills that the base views leave unread."""

FRAME_RESCUE = tuple(view for view in RESCUE if view.name not in {"double", "unsharp-5"})
"""In turn for frames in which something was located: those that leave time for the rest of the frame."""

QUICK_RESCUE = tuple(view for view in RESCUE if view.name in {"half-local", "eroded", "opened", "third"})
"""Those that cost no more than a base view: in turn for frames that seem empty."""
