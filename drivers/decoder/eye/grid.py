"""Where each module of a symbol lies in the picture.

A grid begins as the homography of four corners. Its finder and alignment patterns are then looked for in the
straightened picture by normalised correlation; they correct the homography and, where there are enough of them, bend
it by a smooth field: paper curls, screens bulge, rolling shutters shear.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.decoder.eye.sampling import look_up
from drivers.decoder.eye.symbol import (
    ALIGNMENT_SIZE,
    FINDER_SIZE,
    alignment_pattern,
    finder_pattern,
    size_of,
    structure,
)
from drivers.decoder.zxing import Quad
from station.ports import Gray

Samples = NDArray[np.float32]
"""A straightened symbol: SUB x SUB samples a module, MARGIN modules of surroundings."""

Points = NDArray[np.float64]
"""Positions (x, y), shape (n, 2); in modules from the symbol's top left corner, or in pixels."""

Matrix = NDArray[np.float64]

SUB, MARGIN = 3, 2

_REACHES = (2.4, 1.1)
"""How far, in modules, a pattern may lie from where the grid expects it, in the first and in the second round."""

_WIDE_REACH = 4.5
"""Where the first round finds nothing near, it looks once so far."""

_CLEAR, _ACCEPTED = 0.5, 0.45
"""Correlations: below the first a wider look is worth it, below the second a pattern was not found."""

_BENDING_FROM = 6
"""Patterns needed for bending; fewer are explained by the homography alone."""

_STIFFNESS, _SPREAD = 0.02, 2.5
"""Regularisation of the bending field; its reach is the symbol's size divided by the second."""

_OUTLIER_MODULES = 2.5


@dataclass(frozen=True, slots=True)
class Grid:
    """Positions of module centres: `lattice` has shape (n, n, 2), pixels (x, y), n = size + 2 MARGIN."""

    version: int
    lattice: NDArray[np.float32]

    def sample(self, gray: Gray) -> Samples:
        """Straighten the symbol, shape (n SUB, n SUB)."""
        side = len(self.lattice) * SUB
        places = cv2.resize(self.lattice, (side, side), interpolation=cv2.INTER_LINEAR)
        return look_up(gray, np.asarray(places))

    def at(self, points: Points) -> Points:
        """Picture positions of points given in modules."""
        return np.asarray(look_up(self.lattice, (points + (MARGIN - 0.5))[None])[0], np.float64)

    @property
    def quad(self) -> Quad:
        """The symbol's corners, pixels."""
        return self.at(_corners(self.version))

    @property
    def module_px(self) -> float:
        """Mean length of a module's side, pixels."""
        quad = self.quad
        return float(np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1).mean()) / size_of(self.version)


@dataclass(frozen=True, slots=True)
class _Control:
    """A pattern that was found: where it belongs and where it is, in modules."""

    expected: Points
    found: Points
    scores: NDArray[np.float64]


def grid_of(quad: Quad, version: int) -> Grid:
    """Return the grid that four corners make."""
    matrix = cv2.getPerspectiveTransform(_corners(version).astype(np.float32), quad.astype(np.float32))
    places = _project(np.asarray(matrix, np.float64), _centres(version))
    return Grid(version, places.reshape(_lattice_shape(version)).astype(np.float32))


def align(gray: Gray, grid: Grid) -> tuple[Grid, float]:
    """Fit the grid to the patterns seen in a picture with dark modules; also their mean correlation (0: no fit)."""
    score = 0.0
    for reach in _REACHES:
        control = _find_patterns(grid.sample(gray), grid.version, reach)
        if len(control.scores) < 3:  # noqa: PLR2004 - an affine map has three points
            return grid, score
        grid, score = _fit(grid, control), float(control.scores.mean())
    return grid, score


@lru_cache(40)
def _corners(version: int) -> Points:
    size = size_of(version)
    return np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)


@lru_cache(40)
def _centres(version: int) -> Points:
    """Centres of all modules and of the margin's, in modules, row by row."""
    line = np.arange(-MARGIN, size_of(version) + MARGIN) + 0.5
    columns, rows = np.meshgrid(line, line)
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


def _lattice_shape(version: int) -> tuple[int, int, int]:
    side = size_of(version) + 2 * MARGIN
    return side, side, 2


def _project(matrix: Matrix, points: Points) -> Points:
    return np.asarray(cv2.perspectiveTransform(points[None], matrix)[0], np.float64)


@lru_cache(2)
def _template(size: int) -> Samples:
    """A finder pattern with its light separator or an alignment pattern, as gray values."""
    pattern = np.pad(finder_pattern(), 1) if size == FINDER_SIZE else alignment_pattern()
    return np.kron(1 - pattern, np.ones((SUB, SUB))).astype(np.float32)


def _patterns(version: int) -> list[tuple[float, float, int]]:
    """Centre (x, y) in modules and size of every finder and alignment pattern."""
    near, far = FINDER_SIZE / 2, size_of(version) - FINDER_SIZE / 2
    finders = [(near, near, FINDER_SIZE), (far, near, FINDER_SIZE), (near, far, FINDER_SIZE)]
    alignments = structure(version).alignments
    return finders + [(column + 0.5, row + 0.5, ALIGNMENT_SIZE) for row, column in alignments]


def _find_patterns(samples: Samples, version: int, reach: float) -> _Control:
    expected, found, scores = [], [], []
    for x, y, size in _patterns(version):
        at, score = _locate(samples, (x, y), size, reach)
        if score < _CLEAR and reach == _REACHES[0]:
            at, score = _locate(samples, (x, y), size, _WIDE_REACH)
        if score >= _ACCEPTED:
            expected.append((x, y))
            found.append(at)
            scores.append(score)
    return _Control(np.array(expected), np.array(found), np.array(scores))


def _locate(samples: Samples, at: tuple[float, float], size: int, reach: float) -> tuple[tuple[float, float], float]:
    """Best place of a pattern near `at`, in modules, and its correlation there."""
    template = _template(size)
    side, steps = len(template), round(reach * SUB)
    left, top = (max(0, round((value + MARGIN) * SUB - side / 2) - steps) for value in at)
    right, bottom = (round((value + MARGIN) * SUB - side / 2) + side + steps for value in at)
    window = samples[top:bottom, left:right]
    if min(window.shape) < side:
        return at, -1.0
    scores = np.asarray(cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED), np.float32)
    _, best, _, (column, row) = cv2.minMaxLoc(scores)
    x = left + column + _peak(scores[row, :], column) + side / 2
    y = top + row + _peak(scores[:, column], row) + side / 2
    return (x / SUB - MARGIN, y / SUB - MARGIN), float(best)


def _peak(line: NDArray[np.float32], at: int) -> float:
    """Where between its neighbours a maximum lies, by a parabola: -0.5 to 0.5."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, top, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * top + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if abs(bend) > 1e-6 else 0.0  # noqa: PLR2004


def _fit(grid: Grid, control: _Control) -> Grid:
    """The map from modules to pixels that brings the patterns to where they were found."""
    if len(control.scores) == 3:  # noqa: PLR2004 - three points: correct by an affine map, keep the perspective
        affine = cv2.getAffineTransform(control.expected.astype(np.float32), control.found.astype(np.float32))
        places = cv2.transform(_centres(grid.version)[None], affine)[0]
        return Grid(grid.version, grid.at(places).reshape(_lattice_shape(grid.version)).astype(np.float32))
    pixels = grid.at(control.found)
    tolerance = _OUTLIER_MODULES * grid.module_px
    method = cv2.RANSAC if len(control.scores) > 5 else 0  # noqa: PLR2004 - with five there is no majority
    estimated, _ = cv2.findHomography(control.expected, pixels, method, tolerance)
    if estimated is None:
        return grid
    matrix = np.asarray(estimated, np.float64)
    centres = _centres(grid.version)
    places = _project(matrix, centres)
    if len(control.scores) >= _BENDING_FROM:
        places += _bend(control.expected, pixels - _project(matrix, control.expected), centres, grid.version)
    return Grid(grid.version, places.reshape(_lattice_shape(grid.version)).astype(np.float32))


def _bend(at: Points, residuals: Points, places: Points, version: int) -> Points:
    """Smooth field through the residuals: Gaussian radial functions, regularised."""
    reach = size_of(version) / _SPREAD

    def kernel(one: Points, other: Points) -> Matrix:
        squares = ((one[:, None] - other[None]) ** 2).sum(axis=2)
        return np.asarray(np.exp(-squares / reach**2), np.float64)

    weights = np.linalg.solve(kernel(at, at) + _STIFFNESS * np.eye(len(at)), residuals)
    return np.asarray(kernel(places, at) @ weights, np.float64)
