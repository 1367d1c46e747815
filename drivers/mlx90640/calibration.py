"""What the factory measured of one MLX90640 and wrote into its EEPROM, restored (data sheet 11.1).

The EEPROM has no checksum. An image that cannot come from the factory (blank, cut off, of another device) is refused;
a single wrong bit in it cannot be found out, which is why the driver reads the EEPROM twice and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from drivers.mlx90640.registers import COLUMNS, EEPROM, EEPROM_WORDS, PIXELS, ROWS, Words

MOST_DEVIATING = 4
"""Broken pixels and outliers a device may leave the factory with (data sheet, "False pixel correction")."""

Values = NDArray[np.float64]
_Ints = NDArray[np.int64]

_ROW, _COLUMN = np.divmod(np.arange(PIXELS), COLUMNS)
_SPLIT = 2 * (_ROW % 2) + _COLUMN % 2
"""Which of the four kinds of pixels by even and odd rows and columns each one is."""


class CalibrationError(ValueError):
    """An EEPROM image that no factory wrote, or a device too damaged to use. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """One device's constants, in the data sheet's units. Arrays of pixels have 768 values, row by row."""

    k_vdd: float
    """Steps per volt of the supply."""
    vdd_25: float
    kv_ptat: float
    kt_ptat: float
    """Steps per kelvin of the chip's own temperature."""
    ptat_25: float
    alpha_ptat: float
    gain: float
    offset: Values
    alpha: Values
    """Sensitivity, steps per kelvin to the fourth."""
    kta: Values
    kv: Values
    cp_offset: tuple[float, float]
    """Of the compensation pixel (which sees nothing but the inside of the can) in each half."""
    cp_alpha: tuple[float, float]
    cp_kta: float
    cp_kv: float
    tgc: float
    """How much of the compensation pixel's signal is taken off every pixel; 0 in many devices."""
    ks_ta: float
    ks_to: tuple[float, float, float, float]
    """Change of sensitivity with the object's temperature, per kelvin, in each of the four ranges."""
    corners: tuple[float, float, float, float]
    """Where the ranges begin, degrees Celsius."""
    resolution: int
    """Of the converter during calibration: 0..3 for 16 to 19 bits."""
    chess: bool
    """Calibrated in the chess pattern; else in alternate rows."""
    pattern: tuple[float, float, float]
    """Corrections for reading in the other pattern than the calibration's: compensation pixel, pairs, rows."""
    deviating: tuple[int, ...]
    """Broken pixels and outliers: their places, 0..767."""


def _field(words: _Ints, address: int, low: int, bits: int) -> int:
    """Return an unsigned field of the word at `address`."""
    return int(words[address - EEPROM]) >> low & (1 << bits) - 1


def _signed(words: _Ints, address: int, low: int, bits: int) -> int:
    """Return a field of the word at `address` in two's complement."""
    half = 1 << bits - 1
    return (_field(words, address, low, bits) ^ half) - half


def _signed_array(values: _Ints, bits: int) -> _Ints:
    half = 1 << bits - 1
    return (values ^ half) - half


def _nibbles(words: _Ints, address: int, count: int) -> _Ints:
    """Return `count` signed nibbles from `address` on, lowest first."""
    part = words[address - EEPROM : address - EEPROM + count // 4]
    return _signed_array((part[:, None] >> np.arange(0, 16, 4) & 0xF).ravel(), 4)


def _spread(words: _Ints, base: float, scales: int, rows: int, columns: int, rest: _Ints) -> Values:
    """Put a pixel constant together: a mean, a share of its row, a share of its column and a rest of its own.

    `scales`: address of the three scales (nibbles 0 rest, 1 column, 2 row); `rows`, `columns`: addresses of the shares.
    """
    by_row = _nibbles(words, rows, ROWS) << _field(words, scales, 8, 4)
    by_column = _nibbles(words, columns, COLUMNS) << _field(words, scales, 4, 4)
    own = rest << _field(words, scales, 0, 4)
    return np.asarray(base + by_row[_ROW] + by_column[_COLUMN] + own, np.float64)


def _deviating(pixels: _Ints) -> tuple[int, ...]:
    """Return the pixels not to be used. Raises CalibrationError where there are too many, or two side by side."""
    found = tuple(int(place) for place in np.flatnonzero((pixels == 0) | (pixels & 1 == 1)))
    if len(found) > MOST_DEVIATING:
        raise CalibrationError(f"{len(found)} pixels are broken or outliers, {MOST_DEVIATING} are allowed")
    for one, other in combinations(found, 2):
        if max(abs(_ROW[one] - _ROW[other]), abs(_COLUMN[one] - _COLUMN[other])) <= 1:
            raise CalibrationError(f"the deviating pixels {one} and {other} lie side by side")
    return found


def restore(image: Words) -> Calibration:
    """Read the 832 words of an EEPROM, uint16. Raises CalibrationError."""
    words = image.astype(np.int64)
    if len(words) != EEPROM_WORDS:
        raise CalibrationError(f"it has {len(words)} words instead of {EEPROM_WORDS}")
    constants = words[0x2410 - EEPROM : 0x2440 - EEPROM]
    if len(set(constants.tolist())) <= 2:  # noqa: PLR2004 - blank, or cut off after a word
        raise CalibrationError(f"the constants from 0x2410 on are blank (0x{int(constants[-1]):04x})")
    pixels = words[0x2440 - EEPROM :]
    deviating = _deviating(pixels)
    kta_scale, kv_scale = _field(words, 0x2438, 4, 4) + 8, _field(words, 0x2438, 8, 4)
    restored = Calibration(
        k_vdd=32 * _signed(words, 0x2433, 8, 8),
        vdd_25=(_field(words, 0x2433, 0, 8) - 256) * 32 - 8192,
        kv_ptat=_signed(words, 0x2432, 10, 6) / 4096,
        kt_ptat=_signed(words, 0x2432, 0, 10) / 8,
        ptat_25=_field(words, 0x2431, 0, 16),
        alpha_ptat=_field(words, 0x2410, 12, 4) / 4 + 8,
        gain=_signed(words, 0x2430, 0, 16),
        offset=_spread(
            words, _signed(words, 0x2411, 0, 16), 0x2410, 0x2412, 0x2418, _signed_array(pixels >> 10 & 0x3F, 6)
        ),
        alpha=_alpha(words, pixels),
        kta=_kta(words, pixels) / 2.0**kta_scale,
        kv=_kv(words) / 2.0**kv_scale,
        cp_offset=_cp_offset(words),
        cp_alpha=_cp_alpha(words),
        cp_kta=_signed(words, 0x243B, 0, 8) / 2.0**kta_scale,
        cp_kv=_signed(words, 0x243B, 8, 8) / 2.0**kv_scale,
        tgc=_signed(words, 0x243C, 0, 8) / 32,
        ks_ta=_signed(words, 0x243C, 8, 8) / 8192,
        ks_to=_ks_to(words),
        corners=_corners(words),
        resolution=_field(words, 0x2438, 12, 2),
        chess=not _field(words, 0x240A, 11, 1),
        pattern=(
            _signed(words, 0x2435, 0, 6) / 16,
            _signed(words, 0x2435, 6, 5) / 2,
            _signed(words, 0x2435, 11, 5) / 8,
        ),
        deviating=deviating,
    )
    _refuse_implausible(restored)
    return restored


def _alpha(words: _Ints, pixels: _Ints) -> Values:
    scale = _field(words, 0x2420, 12, 4) + 30
    rest = _signed_array(pixels >> 4 & 0x3F, 6)
    steps = _spread(words, _field(words, 0x2421, 0, 16), 0x2420, 0x2422, 0x2428, rest)
    return np.asarray(steps / 2.0**scale, np.float64)


def _kta(words: _Ints, pixels: _Ints) -> Values:
    """Change of the offset with the chip's temperature, before scaling."""
    kinds = np.array([_signed(words, address, low, 8) for address, low in _KTA_KINDS])
    rest = _signed_array(pixels >> 1 & 0x7, 3) << _field(words, 0x2438, 0, 4)
    return np.asarray(kinds[_SPLIT] + rest, np.float64)


_KTA_KINDS = ((0x2436, 8), (0x2437, 8), (0x2436, 0), (0x2437, 0))
"""Address and lowest bit of the four kinds of pixels, in the order of _SPLIT."""


def _kv(words: _Ints) -> Values:
    """Change of the offset with the supply, before scaling."""
    kinds = np.array([_signed(words, 0x2434, low, 4) for low in (12, 4, 8, 0)])
    return np.asarray(kinds[_SPLIT], np.float64)


def _cp_offset(words: _Ints) -> tuple[float, float]:
    first = _signed(words, 0x243A, 0, 10)
    return first, first + _signed(words, 0x243A, 10, 6)


def _cp_alpha(words: _Ints) -> tuple[float, float]:
    first = _signed(words, 0x2439, 0, 10) / 2.0 ** (_field(words, 0x2420, 12, 4) + 27)
    return first, first * (1 + _signed(words, 0x2439, 10, 6) / 128)


def _ks_to(words: _Ints) -> tuple[float, float, float, float]:
    scale = 2.0 ** (_field(words, 0x243F, 0, 4) + 8)
    places = ((0x243D, 0), (0x243D, 8), (0x243E, 0), (0x243E, 8))
    first, second, third, fourth = (_signed(words, address, low, 8) / scale for address, low in places)
    return first, second, third, fourth


def _corners(words: _Ints) -> tuple[float, float, float, float]:
    step = _field(words, 0x243F, 12, 2) * 10
    third = _field(words, 0x243F, 4, 4) * step
    return -40.0, 0.0, third, third + _field(words, 0x243F, 8, 4) * step


_PLAUSIBLE = {
    "k_vdd": (-4096, -1024),
    "kt_ptat": (20, 63.9),
    "ptat_25": (8000, 20000),
    "gain": (3000, 12000),
    "ks_ta": (-0.016, 0.016),
}
"""Wide around every device known (the data sheet's example and Melexis' example data): what lies outside is damage."""
_LEAST_ALPHA, _MOST_ALPHA = 1e-9, 1e-6


def _refuse_implausible(restored: Calibration) -> None:
    for name, (low, high) in _PLAUSIBLE.items():
        if not low <= (value := getattr(restored, name)) <= high:
            raise CalibrationError(f"{name} is {value:g}, outside {low}..{high}")
    usable = np.delete(restored.alpha, restored.deviating)
    if not (usable.min() >= _LEAST_ALPHA and usable.max() <= _MOST_ALPHA):
        raise CalibrationError(f"sensitivities reach from {usable.min():.2g} to {usable.max():.2g}")
    if not 0 < restored.corners[2] < restored.corners[3]:
        raise CalibrationError(f"the temperature ranges begin at {restored.corners}")
