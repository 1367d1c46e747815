"""Simple pictures for the tests of the eye; the scenes of the bench are in renderer.py."""

from __future__ import annotations

import cv2
import numpy as np
import segno

from drivers.decoder.eye.symbol import size_of
from drivers.decoder.zxing import Located

MODULE_PX, BORDER = 4, 4
SIZE = (720, 1280)

TEXT = "GP1:" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:" * 3


def modules(text=TEXT, level="m", version=None):
    """Return (modules, version): a symbol, shape (size, size), 1 = dark."""
    code = segno.make(text, error=level, version=version, boost_error=False, micro=False)
    return np.array([list(row) for row in code.matrix], np.uint8), int(code.version)


def drawn(text=TEXT, level="m", version=None, scale=MODULE_PX, dark=40, light=215):
    """Return (picture, version): a symbol with its quiet zone."""
    matrix, number = modules(text, level, version)
    padded = np.pad(matrix, BORDER)
    picture = np.where(padded == 1, dark, light).astype(np.uint8)
    return np.kron(picture, np.ones((scale, scale), np.uint8)), number


def scene(*symbols, background=150):
    """Put (picture, x, y) into an otherwise plain frame of the camera's size."""
    frame = np.full(SIZE, background, np.uint8)
    for picture, x, y in symbols:
        frame[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    return frame


def place_of(version, x=0, y=0, scale=MODULE_PX):
    """Where a symbol drawn at (x, y) lies."""
    size, edge = size_of(version) * scale, BORDER * scale
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)
    return Located(corners + np.array([x + edge, y + edge]), version)


def noisy(picture, seed, sigma):
    """Add noise of `sigma` gray levels."""
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def smeared(picture, length):
    """Move the picture `length` pixels along its rows during the exposure."""
    return cv2.blur(picture, (length, 1))
