"""Where finder patterns say that a symbol may be, and of which version.

Three patterns, or two where a thumb or a glare covers the third, span a symbol. The timing patterns between them tell
its version and its perspective: between the centres of two finder patterns there are size - 7 modules, and the ratio
of their depths decides how the modules crowd towards the farther one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.decoder.eye.finder import Pattern
from drivers.decoder.eye.sampling import look_up
from drivers.decoder.eye.soft import LARGEST_VERSION
from drivers.decoder.eye.symbol import FINDER_SIZE, size_of, structure
from drivers.decoder.zxing import Located
from station.ports import Gray

Vector = NDArray[np.float64]

_DEPTHS = np.exp(np.linspace(-0.42, 0.42, 9))
"""Ratios of depth of two finder patterns: up to 1 : 1.5, a pass tilted 50 degrees close to the camera."""

_ASIDE = np.array([-0.5, 0.5])
"""Modules by which a timing pattern may lie beside its line."""

_LARGEST_SCALE_RATIO, _LARGEST_LEG_RATIO, _LARGEST_COSINE = 1.75, 2.0, 0.7
_AXIS_TOLERANCE = np.radians(27)
_PATTERNS_FOR_TRIPLES, _PATTERNS_FOR_PAIRS = 7, 5
_VERSION_MARGIN = 0.3
"""Ring scales come in steps and tilt shrinks them: the size estimated from them may be so far off."""

_LEAST_TIMING = 0.2
_VERIFIED = 48
"""Hypotheses that are compared with the symbol's function patterns, the cheap test between timing and receiver."""

_LEAST_VERIFIED = 0.25


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A place and version a symbol may have; `score`: how well finder and timing patterns bear it out, 0 to 1."""

    located: Located
    score: float
    inverted: bool
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


def hypotheses(gray: Gray, patterns: Sequence[Pattern], limit: int = 6) -> list[Hypothesis]:
    """Return the best hypotheses, those of three patterns and those of two, best first."""
    found: list[Hypothesis] = []
    for inverted in (False, True):
        same = [one for one in patterns if one.inverted == inverted]
        for corner in _triples(same[:_PATTERNS_FOR_TRIPLES]):
            found.extend(_versions(gray, corner))
        for corner, unseen in _pairs(same[:_PATTERNS_FOR_PAIRS]):
            found.extend(_versions(gray, corner, unseen))
    found.sort(key=lambda one: -one.score)
    verified = [_verify(gray, one) for one in found[:_VERIFIED]]
    verified.sort(key=lambda one: -one.score)
    return _distinct([one for one in verified if one.score > _LEAST_VERIFIED], limit)


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
        if _is_right_angled(corner) and all(_off_axis(one, corner[1] - corner[0]) < _AXIS_TOLERANCE for one in three):
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
    for one, other in permutations(patterns, 2):
        if max(one.module_px, other.module_px) > _LARGEST_SCALE_RATIO * min(one.module_px, other.module_px):
            continue
        a, b = np.array(one.centre), np.array(other.centre)
        leg = b - a
        across = np.array([-leg[1], leg[0]])  # turned clockwise, y downwards
        module, score = (one.module_px + other.module_px) / 2, (one.score + other.score) / 2
        off = max(_off_axis(one, leg), _off_axis(other, leg))
        if off < _AXIS_TOLERANCE:
            yield _Corner(a, b, a + across, module, score, one.inverted), "right"
            yield _Corner(a, a - across, b, module, score, one.inverted), "down"
        if min(_off_axis(one, leg), _off_axis(other, leg)) > np.pi / 4 - _AXIS_TOLERANCE:
            middle, half = (a + b) / 2, across / 2  # the two lie on the symbol's diagonal
            yield _Corner(middle + half, a, b, module, score, one.inverted), "diagonal"


def _off_axis(pattern: Pattern, leg: Vector) -> float:
    """Angle between a leg and the nearest edge direction of a pattern, 0 to pi / 4."""
    turn = (float(np.arctan2(leg[1], leg[0])) - pattern.angle) % (np.pi / 2)
    return min(turn, np.pi / 2 - turn)


def _versions(gray: Gray, corner: _Corner, seen: str = "") -> Iterator[Hypothesis]:
    """The two versions that the timing patterns bear out best."""
    right, down = corner.top_right - corner.top_left, corner.bottom_left - corner.top_left
    estimate = (float(np.linalg.norm(right)) + float(np.linalg.norm(down))) / 2 / corner.module_px + FINDER_SIZE
    sizes = estimate * (1 - _VERSION_MARGIN), estimate * (1 + _VERSION_MARGIN)
    versions = [version for version in range(1, LARGEST_VERSION + 1) if sizes[0] <= size_of(version) <= sizes[1]]
    if not versions:
        return
    lines = []
    if seen != "down":
        lines.append(_timings(gray, corner.top_left, right, down, versions, inverted=corner.inverted))
    if seen != "right":
        lines.append(_timings(gray, corner.top_left, down, right, versions, inverted=corner.inverted))
    scored = []
    for version, *found in zip(versions, *lines, strict=True):
        timing = float(np.mean([line.score for line in found]))
        if timing > _LEAST_TIMING:
            depths = 1.0 if seen == "down" else found[0].depth, 1.0 if seen == "right" else found[-1].depth
            scored.append((timing, version, depths))
    scored.sort(reverse=True)
    for timing, version, depths in scored[:2]:
        located = Located(_quad(corner, version, depths), version)
        rank = timing * (len(lines) * size_of(version)) ** 0.5 / 8 + corner.score
        yield Hypothesis(located, rank, corner.inverted, 2 if seen else 3)


def _verify(gray: Gray, one: Hypothesis) -> Hypothesis:
    """Compare every finder and timing pattern with the picture where the hypothesis puts it."""
    version = one.located.version
    places, dark, parts = _function_modules(version)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * size_of(version)
    matrix = cv2.getPerspectiveTransform(corners, one.located.quad.astype(np.float32))
    points = np.asarray(cv2.perspectiveTransform(places[None], matrix))
    values = look_up(gray, points, outside=cv2.BORDER_CONSTANT)[0].astype(np.float64)
    signs = np.where(dark, -1.0, 1.0) * (-1.0 if one.inverted else 1.0)
    scores = sorted(_agreement(values[part], signs[part]) for part in parts)
    used = scores[2:] if one.patterns == 2 else scores[1:]  # noqa: PLR2004 - what is covered cannot agree
    return Hypothesis(one.located, float(np.mean(used)) - 0.05 * (3 - one.patterns), one.inverted, one.patterns)


def _agreement(values: Vector, signs: Vector) -> float:
    """Correlation coefficient; flat parts agree with nothing."""
    values, signs = values - values.mean(), signs - signs.mean()
    return float(values @ signs / (np.sqrt((values @ values) * (signs @ signs)) + len(values)))


@lru_cache(LARGEST_VERSION)
def _function_modules(version: int) -> tuple[Vector, NDArray[np.bool_], list[slice]]:
    """Centres (x, y) of the modules of three finders and two timing patterns, which are dark, and the five parts."""
    known, size = structure(version).known, size_of(version)
    eight = np.indices((8, 8)).reshape(2, -1).T
    far = np.array([size - 8, 0])
    line = np.arange(8, size - 8)
    timing = np.stack([np.full_like(line, 6), line], axis=1)
    groups = [eight, eight + far[::-1], eight + far, timing, timing[:, ::-1]]
    modules = np.concatenate(groups)
    ends = np.cumsum([len(group) for group in groups])
    parts = [slice(end - len(group), end) for end, group in zip(ends, groups, strict=True)]
    return modules[:, ::-1] + 0.5, known[modules[:, 0], modules[:, 1]] == 1, parts


def _timings(
    gray: Gray, start: Vector, leg: Vector, inward: Vector, versions: Sequence[int], *, inverted: bool
) -> list[_Timing]:
    """Compare the line beside a leg with the timing patterns of versions, at all depths and offsets at once."""
    along, aside_pitch, signs, starts = _timing_lines(tuple(versions))
    crowded = _DEPTHS[:, None] * along / (1 - along + _DEPTHS[:, None] * along)
    aside = (3 + _ASIDE)[:, None] * aside_pitch
    points = start + crowded[:, None, :, None] * leg + aside[None, :, :, None] * inward
    values = look_up(gray, points.reshape(len(_DEPTHS) * len(_ASIDE), -1, 2), outside=cv2.BORDER_CONSTANT)
    bends = np.zeros_like(values)
    bends[:, 1:-1] = values[:, 1:-1] - (values[:, :-2] + values[:, 2:]) / 2
    agreeing = np.add.reduceat(bends * signs, starts, axis=1) * (-1 if inverted else 1)
    total = np.add.reduceat(np.abs(bends * signs), starts, axis=1)
    counts = np.diff([*starts, len(along)])
    scores = agreeing / (total + counts)
    best = scores.argmax(axis=0)
    chance = 1 / np.sqrt(counts)  # short lines fit by chance
    return [
        _Timing(float(scores[at, number] - chance[number]), float(_DEPTHS[at // len(_ASIDE)]))
        for number, at in enumerate(best)
    ]


@lru_cache(256)
def _timing_lines(
    versions: tuple[int, ...],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], list[int]]:
    """The timing patterns of versions one after the other.

    Position of each module between the finder centres (0 to 1), one module in that measure, its sign (dark -1, light
    1, 0 at both ends of a line), and where each line begins.
    """
    along: list[Vector] = []
    pitches: list[Vector] = []
    signs: list[Vector] = []
    starts: list[int] = []
    for version in versions:
        size = size_of(version)
        numbers = np.arange(8, size - 8)  # even ones are dark (6.3.5)
        starts.append(sum(len(line) for line in along))
        along.append((numbers - 3) / (size - FINDER_SIZE))
        pitches.append(np.full(len(numbers), 1 / (size - FINDER_SIZE)))
        sign = np.where(numbers % 2 == 0, -1.0, 1.0)
        sign[[0, -1]] = 0
        signs.append(sign)
    first, second, third = (np.concatenate(part).astype(np.float32) for part in (along, pitches, signs))
    return first, second, third, starts


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
