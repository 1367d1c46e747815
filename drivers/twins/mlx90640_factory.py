"""The factory of the MLX90640's twins: invents a device's constants and packs them into an EEPROM image.

It goes the other way than the driver, which unpacks (Melexis data sheet 3901090640, table "Calibration parameters
memory"), and shares nothing with it, so that a mistake in one of the two shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS, PIXELS = 24, 32, 768
START, WORDS = 0x2400, 832

Values = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Made:
    """A device as it left the factory: what is true of it, and the 832 words that say so."""

    image: list[int]
    offset: Values
    alpha: Values
    kta: Values
    kv: Values
    chess: bool
    """Calibrated in the chess pattern."""


K_VDD, VDD_25 = -99, 104
KV_PTAT, KT_PTAT, PTAT_25, ALPHA_PTAT = 22, 338, 12273, 4
GAIN = 6383
TGC, KS_TA = 8, -16
CP_OFFSET, CP_ALPHA, CP_KTA, CP_KV = (-75, -2), (280, -7), 75, 4
KS_TO, KS_TO_SCALE = (-105, -104, -103, -100), 9
CORNER_STEP, CORNERS = 2, (8, 8)
RESOLUTION = 2
PATTERN = (20, 6, 1)
"""The constants as the EEPROM holds them; most are those of the data sheet's worked example."""

_ALPHA_SCALE, _ALPHA_MEAN, _ALPHA_SCALES = 7, 15000, (0, 5, 6)
_OFFSET_MEAN, _OFFSET_SCALES = -69, (0, 1, 2)
_KTA_SCALE, _KTA_REST_SCALE, _KTA_KINDS = 6, 3, (83, 86, 84, 82)
_KV_SCALE, _KV_KINDS = 3, (4, 4, 5, 3)
"""Kinds of pixels: even row even column, even odd, odd even, odd odd (counted from 0)."""


def make(seed: int, *, deviating: Sequence[int] = (), chess: bool = True) -> Made:
    """Invent a device. `deviating`: its broken pixels, 0..767; `chess`: calibrated in the chess pattern."""
    draw = np.random.default_rng([seed, 90640])
    rows, columns = (draw.integers(-8, 8, (2, count)) for count in (ROWS, COLUMNS))
    rests = [draw.integers(-limit, limit, PIXELS) for limit in (16, 16, 3)]
    row, column = np.divmod(np.arange(PIXELS), COLUMNS)
    offset = _sum(_OFFSET_MEAN, _OFFSET_SCALES, rests[0], columns[0][column], rows[0][row])
    alpha = _sum(_ALPHA_MEAN, _ALPHA_SCALES, rests[1], columns[1][column], rows[1][row])
    kind = row % 2 * 2 + column % 2
    kta = np.array(_KTA_KINDS)[kind] + (rests[2] << _KTA_REST_SCALE)
    image = [0] * WORDS
    _constants(image, chess=chess)
    _put(image, 0x2410, _pack((ALPHA_PTAT, 4), *((scale, 4) for scale in reversed(_OFFSET_SCALES))))
    _put(image, 0x2411, _OFFSET_MEAN, *_nibbles(rows[0]), *_nibbles(columns[0]))
    _put(image, 0x2420, _pack((_ALPHA_SCALE, 4), *((scale, 4) for scale in reversed(_ALPHA_SCALES))))
    _put(image, 0x2421, _ALPHA_MEAN, *_nibbles(rows[1]), *_nibbles(columns[1]))
    for place in range(PIXELS):
        word = _pack((rests[0][place], 6), (rests[1][place], 6), (rests[2][place], 3), (0, 1))
        # A word of zeros marks a broken pixel; a sound one that happens to be zero is given the least sensitivity.
        _put(image, 0x2440 + place, 0 if place in deviating else word or 0x10)
        if word == 0:
            alpha[place] += 1
    return Made(
        image,
        offset.astype(float),
        alpha / 2.0 ** (_ALPHA_SCALE + 30),
        kta / 2.0 ** (_KTA_SCALE + 8),
        np.array(_KV_KINDS)[kind] / 2.0**_KV_SCALE,
        chess,
    )


def _constants(image: list[int], *, chess: bool) -> None:
    _put(image, 0x2407, 0x5457, 0x494E, 0x0002)
    _put(image, 0x240A, 0x0499 if chess else 0x0C99)
    _put(image, 0x240C, 0x1901, 0x0000, 0x0000, 0xBE33)
    _put(image, 0x2430, GAIN, PTAT_25, _pack((KV_PTAT, 6), (KT_PTAT, 10)), _pack((K_VDD, 8), (VDD_25, 8)))
    even_even, even_odd, odd_even, odd_odd = _KV_KINDS
    _put(image, 0x2434, _pack((even_even, 4), (odd_even, 4), (even_odd, 4), (odd_odd, 4)))
    _put(image, 0x2435, _pack((PATTERN[2], 5), (PATTERN[1], 5), (PATTERN[0], 6)))
    even_even, even_odd, odd_even, odd_odd = _KTA_KINDS
    _put(image, 0x2436, _pack((even_even, 8), (odd_even, 8)), _pack((even_odd, 8), (odd_odd, 8)))
    _put(image, 0x2438, _pack((RESOLUTION, 4), (_KV_SCALE, 4), (_KTA_SCALE, 4), (_KTA_REST_SCALE, 4)))
    _put(image, 0x2439, _pack((CP_ALPHA[1], 6), (CP_ALPHA[0], 10)), _pack((CP_OFFSET[1], 6), (CP_OFFSET[0], 10)))
    _put(image, 0x243B, _pack((CP_KV, 8), (CP_KTA, 8)), _pack((KS_TA, 8), (TGC, 8)))
    _put(image, 0x243D, _pack((KS_TO[1], 8), (KS_TO[0], 8)), _pack((KS_TO[3], 8), (KS_TO[2], 8)))
    _put(image, 0x243F, _pack((CORNER_STEP, 4), (CORNERS[1], 4), (CORNERS[0], 4), (KS_TO_SCALE, 4)))


def _sum(mean: int, scales: tuple[int, int, int], rest: _Ints, column: _Ints, row: _Ints) -> _Ints:
    return np.asarray(mean + rest * 2 ** scales[0] + column * 2 ** scales[1] + row * 2 ** scales[2], np.int64)


def _put(image: list[int], address: int, *values: int) -> None:
    for place, value in enumerate(values, start=address - START):
        image[place] = int(value) & 0xFFFF


def _pack(*fields: tuple[int, int]) -> int:
    """Put (value, bits) side by side, the first one highest; negative values in two's complement."""
    word = 0
    for value, bits in fields:
        word = word << bits | int(value) & (1 << bits) - 1
    return word


def _nibbles(values: Iterable[int]) -> list[int]:
    """Pack four values a word, the first one lowest."""
    numbers = list(values)
    return [_pack(*((value, 4) for value in reversed(numbers[n : n + 4]))) for n in range(0, len(numbers), 4)]
