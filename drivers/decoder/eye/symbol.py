"""Structure of QR code symbols, versions 1 to 40 (ISO/IEC 18004): what stands where.

Tables of alignment centres and of blocks come from segno, which writes our passes with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from segno import consts

Modules = NDArray[np.int8]
"""Modules of a symbol, shape (size, size), row first: 1 dark, 0 light, or one of the two marks below."""

DATA, RESERVED = -1, 2
"""Modules that carry data, and those that carry format and version information."""

FINDER_SIZE, ALIGNMENT_SIZE = 7, 5

LEVELS = {"M": 0b00, "L": 0b01, "H": 0b10, "Q": 0b11}
"""Error correction levels by their indicator (table 12)."""

_SEGNO_LEVELS = {
    "L": consts.ERROR_LEVEL_L,
    "M": consts.ERROR_LEVEL_M,
    "Q": consts.ERROR_LEVEL_Q,
    "H": consts.ERROR_LEVEL_H,
}

_FORMAT_GENERATOR, _FORMAT_MASK = 0x537, 0x5412
_VERSION_GENERATOR = 0x1F25
_FIRST_WITH_VERSION = 7
_TIMING = 6
"""Row and column of the timing patterns."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A version's function patterns. Arrays are shared: never change them."""

    version: int
    size: int
    known: Modules
    """Function patterns; DATA and RESERVED where the symbol itself decides."""
    alignments: tuple[tuple[int, int], ...]
    """Centres (row, column) of the alignment patterns."""
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    """Data modules in the order of their bits (7.7.3)."""
    formats: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
    """Both copies of the format information: places (row, column), most significant bit first (7.9)."""

    @property
    def is_function(self) -> NDArray[np.bool_]:
        """Where the function patterns are, shape (size, size)."""
        return np.asarray((self.known == 0) | (self.known == 1), np.bool_)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One Reed-Solomon block: `places` of its codewords in the symbol's sequence, the last `checks` correct it."""

    places: NDArray[np.int64]
    checks: int


def size_of(version: int) -> int:
    """Modules per side."""
    return 17 + 4 * version


@lru_cache(40)
def structure(version: int) -> Structure:
    """Return the structure of a version from 1 to 40."""
    size = size_of(version)
    known = np.full((size, size), DATA, np.int8)
    _draw_finders(known)
    alignments = _alignments(version)
    for row, column in alignments:
        known[row - 2 : row + 3, column - 2 : column + 3] = alignment_pattern()
    alternating = 1 - np.arange(8, size - 8, dtype=np.int8) % 2
    known[_TIMING, 8 : size - 8] = known[8 : size - 8, _TIMING] = alternating
    formats = _format_places(size)
    for place in formats[0] + formats[1] + _version_places(version):
        known[place] = RESERVED
    known[size - 8, 8] = 1  # the module that is always dark (7.9.1)
    rows, columns = _data_order(known)
    for array in (known, rows, columns):
        array.setflags(write=False)
    return Structure(version, size, known, alignments, rows, columns, formats)


@lru_cache(40)
def with_version(version: int) -> Modules:
    """Known modules of a version, version information included."""
    known = structure(version).known.copy()
    word = _bch(version, 12, _VERSION_GENERATOR)
    for number, place in enumerate(_version_places(version)):
        known[place] = word >> (number // 2) & 1
    known.setflags(write=False)
    return known


def finder_pattern() -> Modules:
    """A finder pattern, 7 x 7."""
    pattern = np.ones((FINDER_SIZE, FINDER_SIZE), np.int8)
    pattern[1:6, 1:6] = 0
    pattern[2:5, 2:5] = 1
    return pattern


def alignment_pattern() -> Modules:
    """An alignment pattern, 5 x 5."""
    pattern = np.ones((ALIGNMENT_SIZE, ALIGNMENT_SIZE), np.int8)
    pattern[1:4, 1:4] = 0
    pattern[2, 2] = 1
    return pattern


@lru_cache(1)
def format_words() -> tuple[tuple[str, int, int], ...]:
    """All 32 (level, mask, word of 15 bits) of the format information (annex C)."""
    return tuple(
        (level, mask, _bch(indicator << 3 | mask, 10, _FORMAT_GENERATOR) ^ _FORMAT_MASK)
        for level, indicator in LEVELS.items()
        for mask in range(8)
    )


@lru_cache(320)
def mask_pattern(version: int, mask: int) -> NDArray[np.bool_]:
    """Where data mask 0 to 7 inverts (table 10), shape (size, size)."""
    i, j = np.indices((size_of(version), size_of(version)))
    inverts = (
        lambda: (i + j) % 2 == 0,
        lambda: i % 2 == 0,
        lambda: j % 3 == 0,
        lambda: (i + j) % 3 == 0,
        lambda: (i // 2 + j // 3) % 2 == 0,
        lambda: i * j % 2 + i * j % 3 == 0,
        lambda: (i * j % 2 + i * j % 3) % 2 == 0,
        lambda: ((i + j) % 2 + i * j % 3) % 2 == 0,
    )[mask]()
    return np.asarray(inverts, np.bool_)


@lru_cache(160)
def blocks(version: int, level: str) -> tuple[BlockPlan, ...]:
    """Blocks of a symbol, in the order of their data, with the interleaving of their codewords undone (7.6)."""
    plans: Any = consts.ECC
    sizes = [
        (group.num_total, group.num_data)
        for group in plans[version][_SEGNO_LEVELS[level]]
        for _ in range(group.num_blocks)
    ]
    places: list[list[int]] = [[] for _ in sizes]
    count = 0
    for number in range(max(data for _, data in sizes)):
        for place, (_, data) in zip(places, sizes, strict=True):
            if number < data:
                place.append(count)
                count += 1
    checks = sizes[0][0] - sizes[0][1]
    for _ in range(checks):
        for place in places:
            place.append(count)
            count += 1
    return tuple(BlockPlan(np.array(place, np.int64), checks) for place in places)


def _draw_finders(known: Modules) -> None:
    """Finder patterns with their separators."""
    size = len(known)
    for row, column in ((0, 0), (0, size - FINDER_SIZE), (size - FINDER_SIZE, 0)):
        known[max(0, row - 1) : row + 8, max(0, column - 1) : column + 8] = 0
        known[row : row + FINDER_SIZE, column : column + FINDER_SIZE] = finder_pattern()


def _alignments(version: int) -> tuple[tuple[int, int], ...]:
    """All crossings of the table's lines but those that finder patterns cover (annex E)."""
    if version == 1:
        return ()
    lines = consts.ALIGNMENT_POS[version - 2]
    first, last = lines[0], lines[-1]
    covered = {(first, first), (first, last), (last, first)}
    return tuple((row, column) for row in lines for column in lines if (row, column) not in covered)


def _format_places(size: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Places of figure 25, most significant bit first."""
    row_eight = [(8, column) for column in (0, 1, 2, 3, 4, 5, 7, 8)]
    column_eight = [(row, 8) for row in (7, 5, 4, 3, 2, 1, 0)]
    up = [(size - 1 - number, 8) for number in range(7)]
    right = [(8, size - 8 + number) for number in range(8)]
    return tuple(row_eight + column_eight), tuple(up + right)


def _version_places(version: int) -> tuple[tuple[int, int], ...]:
    """Places of figure 28, least significant bit first, both copies by turns; none below version 7."""
    if version < _FIRST_WITH_VERSION:
        return ()
    size = size_of(version)
    pairs = [(number // 3, size - 11 + number % 3) for number in range(18)]
    return tuple(place for row, column in pairs for place in ((row, column), (column, row)))


def _bch(value: int, checks: int, generator: int) -> int:
    """Append `checks` check bits to `value`: the remainder after division by the generator."""
    remainder = value << checks
    while remainder.bit_length() > checks:
        remainder ^= generator << (remainder.bit_length() - generator.bit_length())
    return value << checks | remainder


def _data_order(known: Modules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two columns at a time from the right, upwards and downwards by turns, the timing column left out (7.7.3)."""
    size = len(known)
    down = np.arange(size)
    rights = [*range(size - 1, _TIMING, -2), *range(_TIMING - 1, 0, -2)]
    rows = np.concatenate([np.repeat(down if number % 2 else down[::-1], 2) for number in range(len(rights))])
    columns = np.concatenate([np.tile([right, right - 1], size) for right in rights])
    data = known[rows, columns] == DATA
    return rows[data], columns[data]
