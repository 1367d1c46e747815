"""zxing-cpp behind the protocol of the decoders, and its finds that could not be decoded.

zxing-cpp tells of a symbol it located but could not correct where it lies and what its format information said: that
is where the soft receiver (drivers/decoder/eye/soft.py) begins. Measured: restricted to QR codes it takes a ninth of
the time; without trying inverted pictures every pass in dark mode is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import zxingcpp
from numpy.typing import NDArray

from station.ports import DecodedCode, Gray

Quad = NDArray[np.float64]
"""Corners (x, y) of a symbol, shape (4, 2), pixels: its own top left, top right, bottom right, bottom left."""

SMALLEST_SIDE_PX = 11
"""Micro QR M1 has 11 modules (ISO/IEC 18004, 5.1): below that there is nothing to read."""

_LARGEST_VERSION = 40


class Binarizer(Enum):
    """How gray becomes black and white: a threshold per neighbourhood, or one from the picture's histogram."""

    LOCAL = zxingcpp.Binarizer.LocalAverage
    GLOBAL = zxingcpp.Binarizer.GlobalHistogram


class Kind(Enum):
    """Which symbols are looked for. Asking for Model 2 alone is faster and finds no Micro QR in textures."""

    ANY_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    MODEL_2 = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)


@dataclass(frozen=True, slots=True)
class Located:
    """A symbol that was seen where it is not (yet) readable. `version` 0: not known; then `level`, `mask` are void."""

    quad: Quad
    version: int = 0
    level: str = ""
    mask: int = -1

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the four corners, pixels."""
        x, y = self.quad.mean(axis=0)
        return float(x), float(y)

    @property
    def side(self) -> float:
        """Mean length of the four edges, pixels."""
        return float(np.linalg.norm(self.quad - np.roll(self.quad, 1, axis=0), axis=1).mean())


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look at a picture gave."""

    codes: list[DecodedCode]
    located: list[Located]


def scan(
    gray: Gray,
    scale: float = 1.0,
    *,
    stage: str = "zxing",
    binarizer: Binarizer = Binarizer.LOCAL,
    kind: Kind = Kind.ANY_QR,
    inverted: bool = True,
    downscale: bool = False,
) -> Scan:
    """Read `gray`, a view `scale` times as large as the picture; quads are given in the picture's pixels.

    `inverted`: light codes on dark ground too; `downscale`: let zxing-cpp look at smaller copies as well.
    """
    found = zxingcpp.read_barcodes(
        gray,
        formats=kind.value,
        try_rotate=False,  # QR codes have no direction of reading; rotating serves bar codes only
        try_downscale=downscale,
        try_invert=inverted,
        binarizer=binarizer.value,
        text_mode=zxingcpp.TextMode.Plain,
        return_errors=True,
    )
    codes = [_code(one, scale, stage) for one in found if one.valid]
    return Scan(codes, [_located(one, scale) for one in found if not one.valid])


class ZxingDecoder:
    """zxing-cpp as a decoder of its own, with its defaults; for one thread."""

    def read(self, gray: Gray) -> list[DecodedCode]:
        """Return every code in the picture; an unusable picture holds none."""
        if gray.ndim != 2 or min(gray.shape) < SMALLEST_SIDE_PX:  # noqa: PLR2004 - rows and columns
            return []
        return scan(np.ascontiguousarray(gray, np.uint8), downscale=True).codes

    def close(self) -> None:
        """Nothing to release."""


def _quad(found: Any, scale: float) -> Quad:
    place = found.position
    corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return np.array([[corner.x, corner.y] for corner in corners], np.float64) / scale


def _code(found: Any, scale: float, stage: str) -> DecodedCode:
    quad = tuple((float(x), float(y)) for x, y in _quad(found, scale))
    return DecodedCode(found.text, bytes(found.bytes), quad, stage)


def _located(found: Any, scale: float) -> Located:
    """Micro QR and rMQR tell versions like "M2": no version for us."""
    told = found.extra or {}
    version = str(told.get("Version", ""))
    number = int(version) if version.isdigit() else 0
    if not 1 <= number <= _LARGEST_VERSION or found.ec_level not in {"L", "M", "Q", "H"} or "DataMask" not in told:
        return Located(_quad(found, scale))
    return Located(_quad(found, scale), number, found.ec_level, int(told["DataMask"]))
