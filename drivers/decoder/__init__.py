"""Decoders: QR codes in gray pictures. `make_decoder` chooses by the configured name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.camera.recorded import load_gray
from drivers.decoder.zbar import EFFORTS, ZbarDecoder
from station.ports import DecodedCode, Decoder, DeviceFault, Gray

__all__ = ["decode_file", "make_decoder"]

Matrix = NDArray[np.float64]

_MAX_SIDE = 6000
"""A still enlarged beyond this would cost more memory than a small computer has."""


def make_decoder(name: str) -> Decoder:
    """Return a decoder for one lane (not to be shared by threads). Raises DeviceFault where it is not installed."""
    if name != "pyzbar":
        raise DeviceFault("decoder", f"{name!r} is no known decoder", 'Set decoder = "pyzbar"')
    return ZbarDecoder()


def decode_file(path: Path, decoder: Decoder) -> list[DecodedCode]:
    """Read the codes of a still with extra effort, for the command line. Raises DeviceFault naming an unusable file.

    Corners refer to the picture as stored; `stage` tells which view of it was read.
    """
    gray = load_gray(path, "decoder")
    for name, view, back in _views(gray):
        if codes := decoder.read(view):
            return [_restate(code, name, back) for code in codes]
    return []


def _views(gray: Gray) -> Iterator[tuple[str, Gray, Matrix]]:
    """Views of a still, cheapest first: name, picture, and the 2 x 3 matrix that leads back to the still."""
    here = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    for _ in range(EFFORTS):  # a decoder that takes turns from picture to picture gets through them all
        yield "", gray, here
    yield "contrast", np.asarray(cv2.createCLAHE(3.0, (8, 8)).apply(gray), np.uint8), here
    for factor, method in ((2.0, cv2.INTER_CUBIC), (0.5, cv2.INTER_AREA), (0.25, cv2.INTER_AREA)):
        if 32 <= max(gray.shape) * factor <= _MAX_SIDE:  # noqa: PLR2004 - the smallest code has 21 modules
            scaled = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=method)
            yield f"scaled-{factor:g}", np.asarray(scaled, np.uint8), here / factor
    yield _turned(gray)


def _turned(gray: Gray) -> tuple[str, Gray, Matrix]:
    height, width = gray.shape
    side = int(np.hypot(height, width)) + 1
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), 45, 1), np.float64)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    view = cv2.warpAffine(gray, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return "turned-45", np.asarray(view, np.uint8), np.asarray(cv2.invertAffineTransform(turn), np.float64)


def _restate(code: DecodedCode, view: str, back: Matrix) -> DecodedCode:
    corners = cv2.transform(np.array([code.quad]), back)[0]
    quad = tuple((float(x), float(y)) for x, y in corners)
    stage = f"{code.stage}+{view}" if view else code.stage
    return DecodedCode(code.text, code.raw, quad, stage, code.validated)
