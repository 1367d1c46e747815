"""Renders what a gate camera sees, 1280 x 720 gray, with real QR codes: stills, bursts of video, frames without codes.

Every picture depends on (seed, condition, index) alone. The geometry is the twin camera's (drivers/twins/optics.py);
objects, surfaces, lens, shutter and sensor are in artwork.py, conditions.py and optics.py beside this file.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from drivers.twins import optics as pinhole
from drivers.twins import scene
from drivers.twins.artwork import Artwork, Plane
from drivers.twins.optics import HEIGHT, WIDTH
from station.ports import Gray
from tests.eye import artwork, optics
from tests.eye.conditions import BURST_CONDITIONS, plan_of
from tests.eye.presentation import Held, Plan, Pose, hasty, moved, ordinary

BURST_FRAMES = 10
SEVERITIES = 4

Rng = np.random.Generator
Quad = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One rendered frame. `texts`, `quads`: codes in it and their corners in pixels; none on an empty frame."""

    gray: Gray
    category: str
    severity: int
    texts: tuple[str, ...]
    quads: tuple[Quad, ...]


def severity_of(index: int) -> int:
    """Severity 1..4 of the picture with this index: they take turns."""
    return index % SEVERITIES + 1


def still(seed: int, condition: str, index: int) -> Picture:
    """Render a single picture. Raises KeyError for an unknown condition."""
    plan, rng = _planned_still(seed, condition, index)
    drawn = [held.draw(rng) for held in plan.held]
    gray, quads = _taken(plan, drawn, rng)
    return Picture(gray, condition, severity_of(index), _texts(plan), quads)


def texts_of_still(seed: int, condition: str, index: int) -> tuple[str, ...]:
    """Return the texts in that picture without rendering it."""
    return _texts(_planned_still(seed, condition, index)[0])


def _planned_still(seed: int, condition: str, index: int) -> tuple[Plan, Rng]:
    rng = np.random.default_rng([seed, zlib.crc32(condition.encode()), index])
    return plan_of(condition, severity_of(index), rng), rng


def _texts(plan: Plan) -> tuple[str, ...]:
    return tuple(held.text for held in plan.held)


def burst(seed: int, index: int) -> Iterator[Picture]:
    """Render ten frames of one pass in a moving hand; conditions and severities take turns with `index`.

    Severities 1 and 2 are left out: a burst is meant to need more than one frame.
    """
    plan, rng = _planned_burst(seed, index)
    drawn = [held.draw(rng) for held in plan.held]
    drift = rng.normal(0, 1, 6) * np.array([0.010, 1.0, 1.0, 0.8, 0.012, 0.018])
    condition, severity = _condition_of_burst(index), _severity_of_burst(index)
    for frame in range(BURST_FRAMES):
        gray, quads = _taken(moved(plan, drift, frame - BURST_FRAMES // 2, rng), drawn, rng)
        yield Picture(gray, f"burst/{condition}", severity, _texts(plan), quads)


def texts_of_burst(seed: int, index: int) -> tuple[str, ...]:
    """Return the texts in that burst without rendering it."""
    return _texts(_planned_burst(seed, index)[0])


def _planned_burst(seed: int, index: int) -> tuple[Plan, Rng]:
    rng = np.random.default_rng([seed, 77, index])
    plan = plan_of(_condition_of_burst(index), _severity_of_burst(index), rng)
    hasty(plan, rng)
    return plan, rng


def _condition_of_burst(index: int) -> str:
    return BURST_CONDITIONS[index % len(BURST_CONDITIONS)]


def _severity_of_burst(index: int) -> int:
    return 3 + index // len(BURST_CONDITIONS) % 2


def empty(seed: int, index: int) -> Picture:
    """Render a frame without a code: gates and textures, a phone that shows none, sheets of text, night, rain."""
    rng = np.random.default_rng([seed, 99, index])
    plan = ordinary(rng)
    held, plan.held, drawn = plan.held[0], [], []
    kind = index % 6
    if kind in {1, 2}:
        drawn = [artwork.bare_phone(dark=bool(rng.random() < 0.3)) if kind == 1 else artwork.sheet(rng)]
        plan.held = [held]
        held.pose.module_px = float(rng.uniform(4, 8))
    elif kind == 3:
        plan.camera.exposure = float(rng.uniform(0.02, 0.2))
        plan.camera.gain = 0.6 / plan.camera.exposure
    elif kind == 4:
        plan.camera.drops, plan.camera.drop_seed = int(rng.integers(20, 150)), index
    gray, _ = _taken(plan, drawn, rng)
    return Picture(gray, "empty", 0, (), ())


def _taken(plan: Plan, drawn: list[Artwork], rng: Rng) -> tuple[Gray, tuple[Quad, ...]]:
    """Compose the scene's light and take the picture."""
    light = backdrop(plan.backdrop_seed) * np.float32(plan.ambient)
    poses = [_placed(held.pose, art) for held, art in zip(plan.held, drawn, strict=True)]
    quads = tuple(_corners(art, pose) for art, pose in zip(drawn, poses, strict=True))
    middle, side = _extent(quads)
    if plan.sun:
        light = light + _sun(plan, middle, side)
    x, y = middle + side * np.array(plan.camera.glare_at)
    mirrored = optics.reflection(plan.camera, (float(x), float(y)), side) if plan.camera.glare else None
    for held, art, pose in zip(plan.held, drawn, poses, strict=True):
        _lay(light, _Layer(held, art, pose, mirrored), plan, rng)
    return optics.take(light, plan.camera, rng), quads


def _extent(quads: tuple[Quad, ...]) -> tuple[np.ndarray, float]:
    """Middle and side of the first code, pixels."""
    if not quads:
        return np.array([WIDTH / 2, HEIGHT / 2]), 300.0
    corners = np.array(quads[0], np.float32)
    return corners.mean(axis=0), math.sqrt(max(1.0, abs(cv2.contourArea(corners))))


def _placed(pose: Pose, art: Artwork) -> np.ndarray:
    """Homography from the drawing to the picture; the code stays inside the picture where it fits."""
    turn = pinhole.rotation(pose.yaw, pose.pitch, pose.roll)
    size = pose.module_px * art.side / artwork.MODULE_PX / HEIGHT
    centred = pinhole.projection(turn, size, art.side, art.centre)
    reach = np.abs(np.array(_corners(art, centred))).max(axis=0) + 8
    free = np.maximum(0, np.array([WIDTH / 2, HEIGHT / 2]) - reach)
    at = np.array([WIDTH / 2, HEIGHT / 2]) + np.clip([pose.x, pose.y], -1, 1) * free
    return pinhole.shift(float(at[0]), float(at[1])) @ centred


def _corners(art: Artwork, pose: np.ndarray) -> Quad:
    (x, y), half = art.centre, art.side / 2
    square = np.array([[[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]]])
    return tuple((float(u), float(v)) for u, v in cv2.perspectiveTransform(square, pose)[0])


@dataclass(frozen=True, slots=True)
class _Layer:
    """An object on its way into the picture. `mirrored`: what its glass reflects, over the whole picture."""

    held: Held
    art: Artwork
    pose: np.ndarray
    mirrored: Plane | None


def _lay(light: Plane, layer: _Layer, plan: Plan, rng: Rng) -> None:
    """Put the object before the scene, in place, with what happens on its surface only: flicker, moire, reflections."""
    left, top, right, bottom = scene._bounds(layer.pose, layer.art)
    left, top, right, bottom = max(0, left), max(0, top), min(WIDTH, right), min(HEIGHT, bottom)
    if right - left < 2 or bottom - top < 2:
        return
    size, camera = (right - left, bottom - top), plan.camera
    near = pinhole.shift(-left, -top) @ layer.pose
    fine = np.diag([scene.SUPERSAMPLING, scene.SUPERSAMPLING, 1.0]) @ near
    cover = cv2.warpPerspective(layer.art.cover, near, size, flags=cv2.INTER_LINEAR)
    shown = scene._project(layer.art.light * layer.art.cover, fine, size) * np.float32(plan.emit)
    if layer.held.medium == "phone":
        if camera.bands:
            shown *= optics.row_bands(camera)[top:bottom]
        if camera.moire:
            shown *= optics.gratings(camera.moire, shown.shape, rng)
    if layer.mirrored is not None:
        shown += layer.mirrored[top:bottom, left:right] * cover
    region = light[top:bottom, left:right]
    region *= 1 - cover
    region += shown


def _sun(plan: Plan, middle: np.ndarray, side: float) -> Plane:
    """The sun and the bright sky round it, just beside the code or behind the phone."""
    rng = np.random.default_rng([plan.backdrop_seed, 5])
    turn = rng.uniform(0, 2 * math.pi)
    x, y = middle + np.array([math.cos(turn), math.sin(turn)]) * side * rng.uniform(0.6, 1.3)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    away = np.hypot(xs - np.float32(x), ys - np.float32(y))
    return np.asarray(plan.sun * np.exp(-((away / 45) ** 2)) + 0.12 * plan.sun * np.exp(-away / 180), np.float32)


@lru_cache(maxsize=2)
def backdrop(seed: int) -> Plane:
    """Light of the surroundings, shape (720, 1280), about 0.05..0.5: a gate, a fence, foliage, tiles or a lit night."""
    rng = np.random.default_rng([seed, 8])
    kind = int(rng.integers(0, 5))
    if kind <= 1:
        return scene._gate(seed)
    return [_foliage, _tiles, _night][kind - 2](rng)


def _foliage(rng: Rng) -> Plane:
    """Leaves and gravel: detail of all sizes."""
    light = np.full((HEIGHT, WIDTH), 0.2, np.float32)
    for cells in (4, 12, 40, 120):
        coarse = rng.normal(0, 0.05, (cells, cells * 16 // 9)).astype(np.float32)
        light += cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.clip(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.8, 3))), 0.01, 1)


def _tiles(rng: Rng) -> Plane:
    """A tiled wall or railings: straight edges, repeated."""
    light = np.full((HEIGHT, WIDTH), float(rng.uniform(0.15, 0.45)), np.float32)
    pitch, seam = int(rng.integers(24, 110)), float(rng.uniform(0.03, 0.15))
    for x in range(0, WIDTH, pitch):
        cv2.line(light, (x, 0), (x + int(rng.integers(-9, 9)), HEIGHT), (seam,), int(rng.integers(2, 7)), cv2.LINE_AA)
    for y in range(0, HEIGHT, pitch // 2 if rng.random() < 0.6 else HEIGHT):
        cv2.line(light, (0, y), (WIDTH, y), (seam,), 3, cv2.LINE_AA)
    light *= 1 + cv2.resize(rng.normal(0, 0.2, (5, 9)).astype(np.float32), (WIDTH, HEIGHT))
    return np.clip(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(1, 4))), 0.01, 1)


def _night(rng: Rng) -> Plane:
    """Dark, with lamps out of focus and lit windows."""
    light = np.full((HEIGHT, WIDTH), 0.03, np.float32)
    for _ in range(int(rng.integers(4, 14))):
        spot = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        cv2.circle(light, spot, int(rng.integers(4, 40)), (float(rng.uniform(0.1, 0.9)),), -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 9))):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        far = (x + int(rng.integers(20, 90)), y + int(rng.integers(20, 90)))
        cv2.rectangle(light, (x, y), far, (float(rng.uniform(0.05, 0.5)),), -1)
    return np.asarray(cv2.GaussianBlur(light, (0, 0), 3), np.float32)
