"""Grids: from rough corners to module centres."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drivers.decoder.eye.grid import MARGIN, SUB, align, grid_of
from drivers.decoder.zxing import Located
from tests.eye.pictures import MODULE_PX, drawn, place_of


def error_modules(grid, truth):
    """Largest distance of module centres from where they are, in modules."""
    return float(np.linalg.norm(grid.lattice - truth, axis=2)[MARGIN:-MARGIN, MARGIN:-MARGIN].max()) / MODULE_PX


def test_samples_are_the_modules():
    """On exact corners the straightened symbol is the symbol."""
    picture, version = drawn(version=7)
    samples = grid_of(place_of(version).quad - 0.5, version).sample(picture)
    edge = 4 - MARGIN
    expected = picture[edge * MODULE_PX : -edge * MODULE_PX, edge * MODULE_PX : -edge * MODULE_PX]
    centres = samples[1::SUB, 1::SUB]
    assert (np.abs(centres - expected[2::MODULE_PX, 2::MODULE_PX]) < 60).mean() > 0.99


@pytest.mark.parametrize("version", [2, 7, 10])
def test_rough_corners_are_corrected(version):
    """Corners that are off by one and a half modules in all directions end within a third of a module."""
    picture, version = drawn(version=version, text="GP1:ABC")
    true = place_of(version).quad - 0.5
    off = np.array([[1, -1], [-1, 1.5], [-1.5, -1], [1, 1]]) * MODULE_PX
    grid, score = align(picture, grid_of(true + off, version))
    assert score > 0.8
    assert error_modules(grid, grid_of(true, version).lattice) < 0.34


def test_bent_symbols_are_followed():
    """A bow of two modules over the symbol's width is followed within 0.6 modules, which no homography is."""
    picture, version = drawn(version=14)
    height, width = picture.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bow = 2 * MODULE_PX * np.sin(np.pi * x / width).astype(np.float32)
    bent = cv2.remap(picture, x, y - bow, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    flat = grid_of(place_of(version).quad - 0.5, version)
    truth = flat.lattice.copy()
    truth[..., 1] += 2 * MODULE_PX * np.sin(np.pi * truth[..., 0] / width)
    grid, _ = align(bent, flat)
    assert error_modules(grid, truth) < 0.6 < error_modules(flat, truth)


def test_nothing_there_is_said_so():
    """In a plain picture no pattern is found and the score is 0."""
    plain = np.full((300, 300), 128, np.uint8)
    corners = np.array([[50, 50], [250, 50], [250, 250], [50, 250]], np.float64)
    _, score = align(plain, grid_of(Located(corners, 5).quad, 5))
    assert score == 0.0
