"""Codes and finds of several looks at one picture, put together: each code once, each find once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from drivers.decoder.eye.segments import Content
from drivers.decoder.eye.soft import LARGEST_VERSION, SoftSymbol
from drivers.decoder.zxing import Located
from station.ports import DecodedCode

_LEAST_SIDE_PX = 21
"""A symbol of less than one pixel a module cannot be read."""


def merged(*groups: Iterable[DecodedCode]) -> list[DecodedCode]:
    """Codes of all groups; of those with the same text at one place only the first."""
    kept: list[DecodedCode] = []
    for code in (one for group in groups for one in group):
        if not any(code.text == other.text and _overlap(code, other) for other in kept):
            kept.append(code)
    return kept


def worthwhile(located: Iterable[Located], codes: Iterable[DecodedCode] = (), limit: int = 4) -> list[Located]:
    """Finds of known version that are neither repeated nor read already, at most `limit`.

    Several looks often find the same symbol; the largest is kept, because what fails shrinks a find.
    """
    read = [_centre(code) for code in codes]
    kept: list[Located] = []
    for one in sorted(located, key=lambda one: -one.side):
        if not 1 <= one.version <= LARGEST_VERSION or one.side < _LEAST_SIDE_PX:
            continue
        near = one.side / 3
        if any(_distance(one.centre, place) < near for place in read):
            continue
        if any(one.version == other.version and _distance(one.centre, other.centre) < near / 4 for other in kept):
            continue
        kept.append(one)
    return kept[:limit]


def code_of(symbol: SoftSymbol, content: Content, stage: str, *, validated: bool = False) -> DecodedCode:
    """A code read by the soft receiver."""
    quad = tuple((float(x), float(y)) for x, y in symbol.quad)
    return DecodedCode(content.text, content.raw, quad, stage, validated)


def _overlap(one: DecodedCode, other: DecodedCode) -> bool:
    quad = np.array(one.quad)
    side = float(np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1).mean())
    return _distance(_centre(one), _centre(other)) < side / 2


def _centre(code: DecodedCode) -> tuple[float, float]:
    x, y = np.mean(code.quad, axis=0)
    return float(x), float(y)


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))
