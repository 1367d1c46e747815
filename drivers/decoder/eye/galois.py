"""Reed-Solomon codes over GF(256) as QR codes use them (ISO/IEC 18004, 7.5.2), with errors and erasures.

The field is made by x^8 + x^4 + x^3 + x^2 + 1. An error costs two check symbols, an erasure (a codeword known to be
doubtful) only one. Polynomials are lists of coefficients, lowest order first. The decoder is Berlekamp and Massey's,
begun with the erasure locator, and Forney's (R. E. Blahut, Theory and Practice of Error Control Codes, 9.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import zip_longest
from operator import xor

import numpy as np
from numpy.typing import NDArray

Poly = list[int]

_PRIMITIVE = 0x11D
_ORDER = 255
"""Elements of the multiplicative group."""


def _tables() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Powers of alpha (two rounds, so that sums of two logarithms need no modulus) and logarithms (0 for 0)."""
    powers, logs, value = np.zeros(2 * _ORDER, np.int64), np.zeros(_ORDER + 1, np.int64), 1
    for exponent in range(_ORDER):
        powers[exponent] = powers[exponent + _ORDER] = value
        logs[value] = exponent
        value <<= 1
        value ^= _PRIMITIVE if value > _ORDER else 0
    return powers, logs


POWERS, LOGS = _tables()
_POWER: list[int] = POWERS.tolist()
_LOG: list[int] = LOGS.tolist()
_TIMES = [bytes([_POWER[_LOG[a] + _LOG[b]] if a and b else 0 for b in range(256)]) for a in range(256)]
"""_TIMES[a][b] is a times b; a row also serves bytes.translate, which multiplies a whole polynomial at once."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A corrected codeword sequence: `errors` were found beyond the `erasures` named, `spare` check symbols unused."""

    codewords: NDArray[np.int64]
    errors: int
    erasures: int
    spare: int


def correct(codewords: NDArray[np.int64], checks: int, erasures: Sequence[int] = ()) -> Correction | None:
    """Correct one block; None where it holds more than its `checks` last symbols can settle.

    `codewords`: shape (n,), n <= 255, values 0 to 255; `erasures`: distinct positions of doubtful codewords.
    """
    return Block(codewords, checks).correct(erasures)


class Block:
    """One received block, to be corrected under several assumptions about its erasures."""

    def __init__(self, codewords: NDArray[np.int64], checks: int) -> None:
        self._codewords, self._checks = codewords, checks
        self._syndromes = syndromes(codewords, checks)

    def correct(self, erasures: Sequence[int] = ()) -> Correction | None:
        """Correct with these erasures; None where that cannot be done."""
        if not any(self._syndromes):
            return Correction(self._codewords, 0, 0, self._checks)
        if len(erasures) > self._checks:
            return None
        last = len(self._codewords) - 1
        locator = _error_locator(self._syndromes, _erasure_locator([last - place for place in erasures]))
        if locator is None:
            return None
        places = _roots(locator, last)
        if len(places) != len(locator) - 1:
            return None
        corrected = self._codewords.copy()
        for place, value in zip(places, _magnitudes(self._syndromes, locator, places), strict=True):
            corrected[last - place] ^= value
        if any(syndromes(corrected, self._checks)):
            return None
        errors = len(places) - len(erasures)
        return Correction(corrected, errors, len(erasures), self._checks - 2 * errors - len(erasures))


def syndromes(codewords: NDArray[np.int64], checks: int) -> list[int]:
    """Values of the received polynomial at alpha^0 ... alpha^(checks - 1); all zero for a correct block."""
    present = np.nonzero(codewords)[0]
    exponents = _exponents(len(codewords), checks)[:, present] + LOGS[codewords[present]]
    return [int(value) for value in np.bitwise_xor.reduce(POWERS[exponents], axis=1)]


@lru_cache(64)
def _exponents(length: int, checks: int) -> NDArray[np.int64]:
    """Logarithm of what each place counts in each syndrome, shape (checks, length)."""
    return np.outer(np.arange(checks), np.arange(length - 1, -1, -1)) % _ORDER


def _erasure_locator(places: Sequence[int]) -> Poly:
    """Product of (1 - X alpha^place): its roots are the inverses of the places' locators."""
    locator = [1]
    for place in places:
        locator = _add(locator, [0, *_scale(locator, _POWER[place])])
    return locator


def _error_locator(known: Sequence[int], erasure_locator: Poly) -> Poly | None:
    """Berlekamp and Massey's shortest register through the syndromes, beginning with the erasures."""
    erased = length = len(erasure_locator) - 1
    locator = previous = erasure_locator
    for step in range(erased, len(known)):
        previous = [0, *previous]
        window = known[max(0, step + 1 - len(locator)) : step + 1][::-1]
        gap = reduce(xor, (_TIMES[a][b] for a, b in zip(locator, window, strict=False)), 0)
        if not gap:
            continue
        updated = _add(locator, _scale(previous, gap))
        if 2 * length <= step + erased:
            length = step + 1 + erased - length
            previous = _scale(locator, _POWER[_ORDER - _LOG[gap]])
        locator = updated
    while locator[-1] == 0:
        locator.pop()
    beyond_capacity = 2 * length - erased > len(known)
    return None if beyond_capacity or len(locator) - 1 != length else locator


def _roots(locator: Poly, last: int) -> list[int]:
    """Places 0 ... last whose inverse locator is a root: Chien's search, all places at once."""
    values = np.zeros(last + 1, np.int64)
    inverses = -np.arange(last + 1)
    for order, coefficient in enumerate(locator):
        if coefficient:
            values ^= POWERS[(_LOG[coefficient] + order * inverses) % _ORDER]
    return [int(place) for place in np.nonzero(values == 0)[0]]


def _magnitudes(known: Sequence[int], locator: Poly, places: Sequence[int]) -> list[int]:
    """Forney's formula (first root alpha^0): X times the evaluator over the locator's derivative, at X inverse."""
    evaluator = _multiply(known, locator)[: len(known)]
    derivative = [coefficient if order % 2 == 0 else 0 for order, coefficient in enumerate(locator[1:])]
    found = []
    for place in places:
        inverse = _POWER[(_ORDER - place) % _ORDER]
        slope = _value(derivative, inverse)
        quotient = _TIMES[_value(evaluator, inverse)][_POWER[_ORDER - _LOG[slope]]] if slope else 0
        found.append(_TIMES[_POWER[place % _ORDER]][quotient])
    return found


def _add(one: Poly, other: Poly) -> Poly:
    return [a ^ b for a, b in zip_longest(one, other, fillvalue=0)]


def _scale(poly: Sequence[int], factor: int) -> Poly:
    return list(bytes(poly).translate(_TIMES[factor]))


def _multiply(one: Sequence[int], other: Sequence[int]) -> Poly:
    product: Poly = []
    for order, factor in enumerate(other):
        product = _add(product, [0] * order + _scale(one, factor))
    return product


def _value(poly: Poly, at: int) -> int:
    """Horner's scheme."""
    total = 0
    for coefficient in reversed(poly):
        total = _TIMES[total][at] ^ coefficient
    return total
