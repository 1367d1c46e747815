"""The soft receiver: reads symbols that were located but could not be corrected.

It samples the symbol on a grid fitted to its patterns (grid.py), equalises it (equaliser.py), finds the format
information that fits best, and corrects errors and erasures: the least trusted codewords are erased step by step
(generalised minimum distance decoding, G. D. Forney 1966). Several looks at the same symbol add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drivers.decoder.eye.equaliser import Soft, equalise
from drivers.decoder.eye.galois import Block, Correction
from drivers.decoder.eye.grid import Grid, align, grid_of
from drivers.decoder.eye.segments import Content, SegmentError, parse
from drivers.decoder.eye.symbol import blocks, format_words, mask_pattern, structure
from drivers.decoder.zxing import Located, Quad
from station.ports import Gray

LARGEST_VERSION = 25
"""Larger symbols have modules too small for a phone's screen at a gate, and would cost too much time."""

LEAST_CORRELATION = 0.3
"""Function patterns that correlate less are no symbol, or hopeless."""

_LEAST_SPARE = 2
"""With erasures, so many check symbols of a block must stay unused: they tell a correction from a coincidence."""

_ERASURE_STEPS = 7
"""Numbers of erasures tried per block, from none to as many as its check symbols allow."""

_LARGEST_SOFT = 1.5
"""Limit on what one module of one look may contribute to a sum."""


@dataclass(frozen=True, slots=True)
class SoftSymbol:
    """One look at a symbol, or several added up. `soft`: see equaliser.Soft; `correlation`: see Equalised."""

    version: int
    soft: Soft
    correlation: float
    grid: Grid
    inverted: bool
    looks: int = 1

    @property
    def quad(self) -> Quad:
        """Corners of the symbol in the newest picture, pixels."""
        return self.grid.quad


def receive(gray: Gray, located: Located) -> SoftSymbol | None:
    """Take soft values of a located symbol of known version; None where no symbol can be seen there."""
    if not 1 <= located.version <= LARGEST_VERSION:
        return None
    return receive_grid(gray, grid_of(located.quad, located.version))


def receive_grid(gray: Gray, grid: Grid) -> SoftSymbol | None:
    """Take soft values on a first, rough grid; None where no symbol can be seen there."""
    if not _is_plausible(grid, gray):
        return None
    inverted = _is_inverted(gray, grid)
    picture = np.asarray(255 - gray, np.uint8) if inverted else gray
    fitted, _ = align(picture, grid)
    seen = equalise(fitted.sample(picture), fitted.version)
    if seen.correlation < LEAST_CORRELATION:
        return None
    return SoftSymbol(grid.version, seen.soft, seen.correlation, fitted, inverted)


def combine(symbols: Sequence[SoftSymbol]) -> SoftSymbol:
    """Add up looks at the same symbol, oldest first, each by its quality; what is a sum already counts as it is."""
    newest = symbols[-1]
    soft = np.asarray(sum(_contribution(one) for one in symbols), np.float32)
    looks = sum(one.looks for one in symbols)
    return SoftSymbol(newest.version, soft, newest.correlation, newest.grid, newest.inverted, looks)


def _contribution(symbol: SoftSymbol) -> Soft:
    if symbol.looks > 1:
        return symbol.soft
    return np.asarray(np.clip(symbol.soft, -_LARGEST_SOFT, _LARGEST_SOFT) * symbol.correlation**2, np.float32)


def decode(symbol: SoftSymbol, formats: int = 2) -> Content | None:
    """Read a soft symbol under its most likely format informations; None where it cannot be corrected."""
    for level, mask in likely_formats(symbol)[:formats]:
        data = _correct(symbol, level, mask)
        if data is None:
            continue
        try:
            return parse(data, symbol.version)
        except SegmentError:
            continue
    return None


def likely_formats(symbol: SoftSymbol) -> list[tuple[str, int]]:
    """All 32 (level, mask), most likely first: correlation of their words with both copies of the information."""
    copies = structure(symbol.version).formats
    seen = sum(np.clip([symbol.soft[place] for place in copy], -1, 1) for copy in copies)
    words, signs = _format_signs()
    order = np.argsort(-(signs @ seen), kind="stable")
    return [words[number] for number in order]


@lru_cache(1)
def _format_signs() -> tuple[list[tuple[str, int]], NDArray[np.float64]]:
    words = format_words()
    bits = np.array([[word >> (14 - place) & 1 for place in range(15)] for _, _, word in words])
    return [(level, mask) for level, mask, _ in words], bits * 2.0 - 1.0


def _is_plausible(grid: Grid, gray: Gray) -> bool:
    """Tell whether the symbol lies mostly in the picture and is neither folded nor minute."""
    quad = grid.quad
    height, width = gray.shape
    if not np.isfinite(quad).all():
        return False
    after, before = np.roll(quad, -1, axis=0) - quad, quad - np.roll(quad, 1, axis=0)
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    convex = bool((turns > 0).all() or (turns < 0).all())
    x, y = quad.mean(axis=0)
    return convex and 0 <= x < width and 0 <= y < height and grid.module_px > 1.0


def _is_inverted(gray: Gray, grid: Grid) -> bool:
    """Tell whether the function patterns are light on dark."""
    model = structure(grid.version)
    where = model.is_function
    seen = grid.at(np.argwhere(where)[:, ::-1] + 0.5)
    columns, rows = (np.clip(np.rint(seen[:, axis]), 0, gray.shape[1 - axis] - 1).astype(int) for axis in (0, 1))
    values = gray[rows, columns].astype(np.float32)
    dark = model.known[where] == 1
    return bool(values[dark].mean() > values[~dark].mean())


def _correct(symbol: SoftSymbol, level: str, mask: int) -> bytes | None:
    """Data codewords of the symbol, or None where one of its blocks cannot be corrected."""
    codewords, doubt = _codewords(symbol, mask)
    plans = blocks(symbol.version, level)
    corrected: dict[int, bytes] = {}
    # The most doubtful block first: where it fails, the others need not be tried.
    for number in sorted(range(len(plans)), key=lambda number: -float(doubt[plans[number].places].mean())):
        plan = plans[number]
        found = _correct_block(codewords[plan.places], doubt[plan.places], plan.checks)
        if found is None:
            return None
        corrected[number] = bytes(found.codewords[: -plan.checks].tolist())
    return b"".join(corrected[number] for number in range(len(plans)))


def _codewords(symbol: SoftSymbol, mask: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Codewords in the symbol's sequence, and how doubtful each is: the sum of its bits' odds of being wrong."""
    model = structure(symbol.version)
    values = symbol.soft[model.rows, model.columns]
    values = np.where(mask_pattern(symbol.version, mask)[model.rows, model.columns], -values, values)
    count = len(values) // 8
    octets = values[: count * 8].reshape(count, 8)
    codewords = np.packbits(octets > 0, axis=1)[:, 0].astype(np.int64)
    scale = max(float(np.mean(np.abs(octets))), 1e-6)
    return codewords, np.exp(-4 * np.abs(octets) / scale).sum(axis=1).astype(np.float64)


def _correct_block(codewords: NDArray[np.int64], doubt: NDArray[np.float64], checks: int) -> Correction | None:
    block = Block(codewords, checks)
    order = [int(place) for place in np.argsort(-doubt)]
    for erased in _erasure_counts(checks):
        found = block.correct(order[:erased])
        if found is not None and found.spare >= (_LEAST_SPARE if erased else 0):
            return found
    return None


def _erasure_counts(checks: int) -> list[int]:
    most = max(0, checks - _LEAST_SPARE)
    return sorted({round(most * step / (_ERASURE_STEPS - 1)) for step in range(_ERASURE_STEPS)})
