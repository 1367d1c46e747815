"""The ZBar decoder, through pyzbar.

Measured on the twin's frames (1280 x 720): a picture of half the size takes a quarter of the time and reads the same
codes down to about 4.4 pixels per module, so it goes first. ZBar reads dark codes on light ground only; passes in dark
mode need the inverted picture. Passes held at an angle need straightening (drivers/decoder/flatten.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.decoder.flatten import Flattener
from station.ports import DecodedCode, DeviceFault, Gray

Corners = NDArray[np.float64]
"""Four points (x, y), shape (4, 2), pixels."""

EFFORTS = 4
"""Straightened and at full size, each upright and inverted."""

_HALVED_FROM_PX = 960
"""Pictures at least so wide are tried at half size first."""

_SMALLEST_SIDE_PX = 21
"""A version 1 symbol has 21 modules: below that there is nothing to read."""

_CORNERS = 4


def _load() -> Callable[[Gray], list[Any]]:
    """Import pyzbar, which loads libzbar. Raises DeviceFault where either is missing."""
    try:
        from pyzbar import pyzbar  # noqa: PLC0415 - the import itself fails without libzbar0
    except (ImportError, OSError) as error:
        remedy = "Install it with: apt install libzbar0"
        raise DeviceFault("decoder", f"the ZBar library cannot be loaded ({error})", remedy) from error
    # Asking for QR codes alone also keeps ZBar's bar code decoders from printing assertion warnings to stderr.
    only_qr = [pyzbar.ZBarSymbol.QRCODE]
    return lambda gray: list(pyzbar.decode(gray, symbols=only_qr))


class ZbarDecoder:
    """Reads QR codes, upright or inverted; for one thread.

    `stage` is "zbar" or "zbar-inverted", with "-flattened" where the code was straightened first.
    """

    def __init__(self) -> None:
        """Raises DeviceFault where libzbar0 is missing."""
        self._scan = _load()
        self._flattener = Flattener()
        self._efforts = (self._flatten, self._full_size)
        self._turn = 0

    def read(self, gray: Gray) -> list[DecodedCode]:
        """Return every code in the picture; an unusable picture holds none.

        First the reduced picture, upright and inverted. Where that fails, ONE costlier effort: the one that served
        last, or the next in turn (EFFORTS pictures go through them all), so that no single picture takes long.
        """
        if gray.ndim != 2 or min(gray.shape) < _SMALLEST_SIDE_PX:  # noqa: PLR2004 - rows and columns
            return []
        gray = np.ascontiguousarray(gray, np.uint8)
        scale, reduced = 1.0, gray
        if gray.shape[1] >= _HALVED_FROM_PX:
            scale = 2.0
            reduced = np.asarray(cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        for inverted in (False, True):
            if codes := self._read(reduced, scale, inverted=inverted):
                return codes
        effort = self._efforts[self._turn % len(self._efforts)]
        codes = effort(gray, reduced, scale, inverted=self._turn >= len(self._efforts))
        if not codes:
            self._turn = (self._turn + 1) % EFFORTS
        return codes

    def close(self) -> None:
        """Nothing to release."""

    def _read(self, gray: Gray, scale: float, *, inverted: bool) -> list[DecodedCode]:
        picture = _invert(gray) if inverted else gray
        return [
            DecodedCode(text_of(found.data), bytes(found.data), clockwise(_corners(found) * scale), _stage(inverted))
            for found in self._scan(picture)
        ]

    def _full_size(self, gray: Gray, _reduced: Gray, scale: float, *, inverted: bool) -> list[DecodedCode]:
        return self._read(gray, 1.0, inverted=inverted) if scale != 1.0 else []

    def _flatten(self, gray: Gray, reduced: Gray, scale: float, *, inverted: bool) -> list[DecodedCode]:
        if inverted:
            gray, reduced = _invert(gray), _invert(reduced)
        codes: dict[str, DecodedCode] = {}  # by text: finds may overlap
        for straight, back in self._flattener.views(gray, reduced, scale):
            for found in self._scan(straight):
                corners = cv2.perspectiveTransform(_corners(found)[None], back)[0]
                quad = clockwise(np.asarray(corners, np.float64))
                stage = f"{_stage(inverted)}-flattened"
                text = text_of(found.data)
                codes[text] = DecodedCode(text, bytes(found.data), quad, stage)
        return list(codes.values())


def _invert(gray: Gray) -> Gray:
    return np.asarray(cv2.bitwise_not(gray), np.uint8)


def _stage(inverted: bool) -> str:
    return "zbar-inverted" if inverted else "zbar"


def text_of(raw: bytes) -> str:
    """Text of a symbol. ZBar hands out UTF-8 where it recognised the encoding; otherwise each byte is a character."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _corners(found: Any) -> Corners:
    """Corners of a symbol as ZBar tells them, in no certain order; of the box around it where they are not four."""
    if len(found.polygon) == _CORNERS:
        return np.array([[point.x, point.y] for point in found.polygon], np.float64)
    left, top, width, height = found.rect
    return np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]], np.float64)


def clockwise(corners: Corners) -> tuple[tuple[float, float], ...]:
    """Put four corners in clockwise order as seen in the picture, beginning with the one nearest to its top left."""
    points = [(float(x), float(y)) for x, y in corners]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True))
    if area < 0:  # with y downwards a positive area is clockwise
        points.reverse()
    first = min(range(len(points)), key=lambda number: sum(points[number]))
    return tuple(points[first:] + points[:first])
