"""Where finder patterns say that a symbol may be, and of which version.

Three patterns, or two where a thumb or a glare covers the third, span a symbol. The timing patterns between them tell
its version and its perspective: between the centres of two finder patterns there are size - 7 modules, and the ratio
of their depths decides how the modules crowd towards the farther one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.decoder.eye.finder import Pattern
from drivers.decoder.eye.soft import LARGEST_VERSION
from drivers.decoder.eye.symbol import FINDER_SIZE, size_of
from drivers.decoder.zxing import Located
from station.ports import Gray

Vector = NDArray[np.float64]

_DEPTHS = np.exp(np.linspace(-0.45, 0.45, 13))
"""Ratios of depth of two finder patterns: up to 1 : 1.6, a pass tilted 50 degrees close to the camera."""

_ASIDE = np.array([-0.6, 0.0, 0.6])
"""Modules by which a timing pattern may lie beside its line."""

_LARGEST_SCALE_RATIO, _LARGEST_LEG_RATIO, _LARGEST_COSINE = 1.75, 2.2, 0.75
_VERSION_MARGIN = 0.35
"""Ring scales come in steps and tilt shrinks them: the size estimated from them may be so far off."""

_LEAST_TIMING = 0.2
_ASPECTS = (1.0, 0.75, 1.33)
"""Lengths of the unseen leg against the seen one, for two patterns."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A place and version a symbol may have; `score`: how well finder and timing patterns bear it out, 0 to 1."""

    located: Located
    score: float
    patterns: int


@dataclass(frozen=True, slots=True)
class _Corner:
    """Centres of the finder patterns of a supposed symbol, and the module size they show."""

    top_left: Vector
    top_right: Vector
    bottom_left: Vector
    module_px: float
    score: float
    inverted: bool


@dataclass(frozen=True, slots=True)
class _Timing:
    """Best explanation of a line of modules per version: correlation -1 to 1, and the ratio of depths."""

    score: float
    depth: float


def hypotheses(gray: Gray, patterns: Sequence[Pattern], limit: int = 8) -> list[Hypothesis]:
    """Return the best hypotheses, those of three patterns and those of two, best first."""
    found: list[Hypothesis] = []
    for inverted in (False, True):
        same = [one for one in patterns if one.inverted == inverted]
        for corner in _triples(same):
            found.extend(_versions(gray, corner))
        for corner, unseen in _pairs(same):
            found.extend(_versions(gray, corner, unseen))
    found.sort(key=lambda one: -one.score)
    return _distinct(found, limit)


def _triples(patterns: Sequence[Pattern]) -> Iterator[_Corner]:
    """Every three that may be the corners of one symbol, as not mirrored."""
    for three in combinations(patterns, 3):
        sizes = [one.module_px for one in three]
        if max(sizes) > _LARGEST_SCALE_RATIO * min(sizes):
            continue
        module, score = float(np.mean(sizes)), float(np.mean([one.score for one in three]))
        centres = [np.array(one.centre) for one in three]
        # The corner lies opposite the longest side.
        lengths = [float(np.linalg.norm(centres[one - 2] - centres[one - 1])) for one in range(3)]
        at = int(np.argmax(lengths))
        corner = _oriented(centres[at], centres[at - 2], centres[at - 1])
        if _is_right_angled(corner):
            yield _Corner(*corner, module, score, three[0].inverted)


def _oriented(corner: Vector, one: Vector, other: Vector) -> tuple[Vector, Vector, Vector]:
    """Top left, top right, bottom left: clockwise from the second to the third, y downwards."""
    first, second = one - corner, other - corner
    clockwise = first[0] * second[1] - first[1] * second[0] > 0
    return (corner, one, other) if clockwise else (corner, other, one)


def _is_right_angled(corner: tuple[Vector, Vector, Vector]) -> bool:
    right, down = corner[1] - corner[0], corner[2] - corner[0]
    lengths = float(np.linalg.norm(right)), float(np.linalg.norm(down))
    if min(lengths) < 1 or max(lengths) > _LARGEST_LEG_RATIO * min(lengths):
        return False
    return abs(float(right @ down)) < _LARGEST_COSINE * lengths[0] * lengths[1]


def _pairs(patterns: Sequence[Pattern]) -> Iterator[tuple[_Corner, str]]:
    """Every two in every role, the third supposed at a right angle; also the edge ("right", "down") that is seen."""
    for one, other in permutations(patterns[:6], 2):
        if max(one.module_px, other.module_px) > _LARGEST_SCALE_RATIO * min(one.module_px, other.module_px):
            continue
        a, b = np.array(one.centre), np.array(other.centre)
        leg = b - a
        across = np.array([-leg[1], leg[0]])  # turned clockwise, y downwards
        module, score = (one.module_px + other.module_px) / 2, 0.8 * (one.score + other.score) / 2
        for aspect in _ASPECTS:
            yield _Corner(a, b, a + aspect * across, module, score, one.inverted), "right"
            yield _Corner(a, a - aspect * across, b, module, score, one.inverted), "down"


def _versions(gray: Gray, corner: _Corner, seen: str = "") -> Iterator[Hypothesis]:
    """The two versions that the timing patterns bear out best."""
    right, down = corner.top_right - corner.top_left, corner.bottom_left - corner.top_left
    estimate = (float(np.linalg.norm(right)) + float(np.linalg.norm(down))) / 2 / corner.module_px + FINDER_SIZE
    sizes = estimate * (1 - _VERSION_MARGIN), estimate * (1 + _VERSION_MARGIN)
    versions = [version for version in range(1, LARGEST_VERSION + 1) if sizes[0] <= size_of(version) <= sizes[1]]
    scored = []
    for version in versions:
        across = _timing(gray, corner.top_left, right, down, version, inverted=corner.inverted)
        along = _timing(gray, corner.top_left, down, right, version, inverted=corner.inverted)
        used = {"right": (across,), "down": (along,)}.get(seen, (across, along))
        timing = float(np.mean([line.score for line in used]))
        if timing > _LEAST_TIMING:
            depths = across.depth if across in used else 1.0, along.depth if along in used else 1.0
            scored.append((timing, version, depths))
    scored.sort(reverse=True)
    for timing, version, depths in scored[:2]:
        located = Located(_quad(corner, version, depths), version)
        yield Hypothesis(located, (corner.score + timing) / 2, 2 if seen else 3)


def _timing(gray: Gray, start: Vector, leg: Vector, inward: Vector, version: int, *, inverted: bool) -> _Timing:
    """Compare the line beside a leg with a timing pattern, at all depths and offsets at once."""
    pitch = size_of(version) - FINDER_SIZE
    numbers = np.arange(8, size_of(version) - 8)  # modules of the timing pattern; even ones are dark (6.3.5)
    along = (numbers - 3) / pitch
    crowded = _DEPTHS[:, None] * along / (1 - along + _DEPTHS[:, None] * along)
    aside = (3 + _ASIDE) / pitch
    points = start + crowded[:, None, :, None] * leg + aside[None, :, None, None] * inward
    values = cv2.remap(
        gray, points.reshape(len(_DEPTHS) * len(_ASIDE), -1, 2).astype(np.float32), None, cv2.INTER_LINEAR
    ).astype(np.float32)
    bends = values[:, 1:-1] - (values[:, :-2] + values[:, 2:]) / 2
    signs = np.where(numbers[1:-1] % 2 == 0, -1.0, 1.0) * (-1.0 if inverted else 1.0)
    scores = (bends * signs).mean(axis=1) / (np.abs(bends).mean(axis=1) + 1.0)
    best = int(np.argmax(scores))
    chance = 1 / np.sqrt(len(numbers))  # short lines fit by chance
    return _Timing(float(scores[best]) - chance, float(_DEPTHS[best // len(_ASIDE)]))


def _quad(corner: _Corner, version: int, depths: tuple[float, float]) -> Vector:
    """Corners of the symbol from three centres and their depths: a homography has just these eight parameters."""
    pitch = size_of(version) - FINDER_SIZE
    edge = FINDER_SIZE / 2 / pitch
    places = np.array([[-edge, -edge], [1 + edge, -edge], [1 + edge, 1 + edge], [-edge, 1 + edge]])
    shares = np.stack([1 - places.sum(axis=1), depths[0] * places[:, 0], depths[1] * places[:, 1]], axis=1)
    centres = np.stack([corner.top_left, corner.top_right, corner.bottom_left])
    total = shares.sum(axis=1, keepdims=True)
    return np.asarray(shares @ centres / np.where(np.abs(total) < 0.05, 0.05, total), np.float64)  # noqa: PLR2004


def _distinct(found: Sequence[Hypothesis], limit: int) -> list[Hypothesis]:
    """Of hypotheses with the same version and nearly the same corners only the best."""
    kept: list[Hypothesis] = []
    for one in found:
        near = one.located.side / 12
        if all(
            one.located.version != other.located.version
            or float(np.abs(one.located.quad - other.located.quad).max()) > near
            for other in kept
        ):
            kept.append(one)
        if len(kept) == limit:
            break
    return kept
