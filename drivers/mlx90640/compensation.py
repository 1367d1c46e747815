"""From one half of raw words to temperatures (data sheet 11.2.2; the order of the steps is the data sheet's).

A pixel's voltage is what the object radiates less what the chip itself radiates, on top of an offset that changes with
the chip's temperature and the supply. So: bring the words to the gain of the calibration, take the offset off, take
off what the can's inside adds (the compensation pixel), and solve Stefan-Boltzmann's law for the object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.mlx90640.calibration import Calibration, Values
from drivers.mlx90640.registers import (
    CHESS,
    COLUMNS,
    CP,
    GAIN,
    PIXELS,
    PTAT,
    RESOLUTION_MASK,
    RESOLUTION_SHIFT,
    VBE,
    VDD,
    Half,
)

ZERO_CELSIUS_K = 273.15
NOMINAL_V, NOMINAL_C = 3.3, 25.0
SELF_HEATING_K = 8.0
"""How much warmer the chip is than its surroundings in still air: what an object reflects is the surroundings'
radiation, and nobody else measures that (Melexis' library: TA_SHIFT 8). Wrong by 5 K it shifts skin by 0.09 K."""

_ROW, _COLUMN = np.divmod(np.arange(PIXELS), COLUMNS)
_ODD_ROW = _ROW % 2
_CHESS = _ODD_ROW ^ _COLUMN % 2
_PLACES = {
    chess: tuple(np.flatnonzero(halves == number) for number in (0, 1))
    for chess, halves in ((False, _ODD_ROW), (True, _CHESS))
}
"""The pixels of half 0 and half 1, by rows and by the chess board."""
_PAIR = np.array([0, -1, 0, 1])[_COLUMN % 4]
"""Pairs of columns that the two patterns read differently (11.2.2.7, ConversionPattern), for even rows."""
_CONVERSION = _PAIR * (1 - 2 * _ODD_ROW)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the chip said of itself in one half: supply in volts, its temperature in degrees Celsius, gain factor."""

    supply_v: float
    chip_c: float
    gain: float


def _int16(word: np.uint16) -> int:
    return int(word.astype(np.int16))


def pixels_of(half: Half) -> NDArray[np.intp]:
    """Return the places (0..767) of the pixels that were measured for this half: 384."""
    return _PLACES[bool(half.control & CHESS)][half.number]


def conditions(half: Half, known: Calibration) -> Conditions:
    """Return supply, chip temperature and gain (11.2.2.2 to 11.2.2.4). Zero words give infinite values, no error."""
    converter = half.control >> RESOLUTION_SHIFT & RESOLUTION_MASK
    correction = 2.0 ** (known.resolution - converter)
    deviation_v = (correction * _int16(half.ram[VDD]) - known.vdd_25) / known.k_vdd
    ptat, vbe = float(_int16(half.ram[PTAT])), float(_int16(half.ram[VBE]))
    whole = ptat * known.alpha_ptat + vbe
    art = ptat / whole * 2**18 if whole else float("inf")
    chip_c = (art / (1 + known.kv_ptat * deviation_v) - known.ptat_25) / known.kt_ptat + NOMINAL_C
    measured = _int16(half.ram[GAIN])
    return Conditions(NOMINAL_V + deviation_v, chip_c, known.gain / measured if measured else float("inf"))


def compensation_pixel(half: Half, known: Calibration, now: Conditions) -> float:
    """Return the compensation pixel's signal, steps, its own offset taken off (11.2.2.6)."""
    offset = known.cp_offset[half.number]
    if half.number == 1 and bool(half.control & CHESS) != known.chess:
        offset += known.pattern[0]
    return _int16(half.ram[CP[half.number]]) * now.gain - offset * float(_drift(known.cp_kta, known.cp_kv, now))


def signals(half: Half, known: Calibration, now: Conditions) -> Values:
    """Return the 384 pixels' signals, steps: gain and offset compensated, before the compensation pixel (11.2.2.5)."""
    places = pixels_of(half)
    raw = half.ram[places].astype(np.int16) * now.gain
    signal = raw - known.offset[places] * _drift(known.kta[places], known.kv[places], now)
    if bool(half.control & CHESS) != known.chess:
        _, pairs, rows = known.pattern
        signal += rows * (2 * _ODD_ROW[places] - 1) - pairs * _CONVERSION[places]
    return np.asarray(signal, np.float64)


def temperatures(
    half: Half, known: Calibration, now: Conditions, emissivity: float, compensation: float | None = None
) -> Values:
    """Return the 384 pixels' object temperatures, degrees Celsius; NaN where a signal has no solution.

    `compensation`: the compensation pixel's signal, where it was averaged over more than this half.
    """
    if compensation is None:
        compensation = compensation_pixel(half, known, now)
    radiation = (signals(half, known, now) - known.tgc * compensation) / emissivity
    sensitivity = known.alpha[pixels_of(half)] - known.tgc * known.cp_alpha[half.number]
    sensitivity = sensitivity * (1 + known.ks_ta * (now.chip_c - NOMINAL_C))
    return solve(radiation, sensitivity, background(now.chip_c, emissivity), known)


def background(chip_c: float, emissivity: float) -> float:
    """Return what a pixel receives and emits apart from the object, as a temperature to the fourth, K^4 (11.2.2.9)."""
    chip = (chip_c + ZERO_CELSIUS_K) ** 4
    surroundings = (chip_c - SELF_HEATING_K + ZERO_CELSIUS_K) ** 4
    return surroundings - (surroundings - chip) / emissivity


def solve(radiation: Values, sensitivity: Values, received: float, known: Calibration) -> Values:
    """Return the objects' temperatures, degrees Celsius (11.2.2.9 and 11.2.2.9.1.3).

    The sensitivity changes with what is looked for. So it is solved three times: as at 0 C, as at the temperature
    found then, and in the range of temperatures found then.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        first = first_estimate(radiation, sensitivity, received, known)
        corners, slopes, steps = (np.array(values) for values in (known.corners, known.ks_to, _steps(known)))
        part = np.searchsorted(corners[1:], first, side="right")
        change = steps[part] * (1 + slopes[part] * (first - corners[part]))
        return _celsius(radiation / (sensitivity * change) + received)


def first_estimate(radiation: Values, sensitivity: Values, received: float, known: Calibration) -> Values:
    """Return the temperatures as the basic range alone gives them (11.2.2.9), degrees Celsius."""
    slope = known.ks_to[1]
    rough = sensitivity * slope * np.sqrt(np.sqrt(radiation / sensitivity + received))
    return _celsius(radiation / (sensitivity * (1 - slope * ZERO_CELSIUS_K) + rough) + received)


def _drift(kta: Values | float, kv: Values | float, now: Conditions) -> Values | float:
    return (1 + kta * (now.chip_c - NOMINAL_C)) * (1 + kv * (now.supply_v - NOMINAL_V))


def _steps(known: Calibration) -> tuple[float, float, float, float]:
    """Return by how much the sensitivity has changed where each range begins (11.2.2.9.1.2)."""
    slopes, corners = known.ks_to, known.corners
    third = 1 + slopes[1] * corners[2]
    fourth = third * (1 + slopes[2] * (corners[3] - corners[2]))
    return 1 / (1 + slopes[0] * (corners[1] - corners[0])), 1.0, third, fourth


def _celsius(fourth: Values) -> Values:
    return np.asarray(np.sqrt(np.sqrt(fourth)) - ZERO_CELSIUS_K, np.float64)
