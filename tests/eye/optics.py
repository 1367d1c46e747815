"""Lens, shutter and sensor of the rendered gate camera: light of a scene in, gray picture out.

Extends drivers/twins/optics.py (projection, vignette, gamma) by what spoils pictures at a gate. The order is nature's:
drops on the lens, blur, reflections, exposure, shutter, sensor noise, then the camera's own sharpening and JPEG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from drivers.twins.artwork import Plane
from drivers.twins.optics import GAMMA, HEIGHT, WIDTH, vignette
from station.ports import Gray

Rng = np.random.Generator
Point = tuple[float, float]


@dataclass(slots=True)
class Camera:
    """State of the camera for one picture; lengths in pixels, light 1.0 = full well before `exposure`."""

    psf: float = 0.65
    defocus: float = 0.0
    """Radius of the circle of confusion."""
    motion: float = 0.0
    """Length of the streak; `motion_angle` in radians, `bend`: how far it curves (share of its length)."""
    motion_angle: float = 0.0
    bend: float = 0.0
    exposure: float = 1.0
    gain: float = 1.0
    full_well: float = 5000.0
    """Electrons at light 1.0: fewer mean more shot noise."""
    read_noise: float = 6.0
    bloom: float = 0.0
    flare: float = 0.0
    """Share of all light that the lens scatters over the picture."""
    veil: float = 0.0
    veil_level: float = 0.5
    bands: float = 0.0
    """Depth of flicker bands; `band_rows`: rows of one period, `band_phase`: radians, `band_duty`: bright share."""
    band_rows: float = 90.0
    band_phase: float = 0.0
    band_duty: float = 0.5
    skew: float = 0.0
    """Rolling shutter: sideways shift per row; `wobble`: amplitude of the shake on top."""
    wobble: float = 0.0
    drops: int = 0
    drop_seed: int = 0
    moire: float = 0.0
    glare: float = 0.0
    """Light of a reflection; `glare_size`: its size, `glare_at`: where from the code's middle, in sides of the code."""
    glare_size: float = 0.15
    glare_at: Point = (0.0, 0.0)
    glare_seed: int = 0
    denoise: bool = False
    sharpen: float = 0.4
    jpeg: int = 88


def row_bands(camera: Camera) -> Plane:
    """Brightness of each row of a flickering screen, shape (720, 1): bright and dark phases with soft edges."""
    phase = (np.arange(HEIGHT, dtype=np.float32) / camera.band_rows + camera.band_phase / (2 * math.pi)) % 1.0
    bright = np.clip((camera.band_duty / 2 - np.abs(phase - 0.5)) * camera.band_rows / 8 + 0.5, 0, 1)
    return (1 - camera.bands * (1 - bright))[:, None].astype(np.float32)


def take(light: Plane, camera: Camera, rng: Rng) -> Gray:
    """Take the picture of `light`, shape (720, 1280)."""
    if camera.drops:
        light = _through_drops(light, camera)
    light = _shutter(_blurred(light, camera), camera)
    if camera.veil:
        light = light * (1 - camera.veil) + camera.veil * camera.veil_level
    light = light * vignette() * np.float32(camera.exposure)
    if camera.flare:
        light = light + camera.flare * _scattered(light, 40.0)
    if camera.bloom:
        light = light + 0.55 * cv2.GaussianBlur(np.clip(light - 0.5, 0, None), (0, 0), camera.bloom)
    return _process(_sensor(light, camera, rng), camera)


def _blurred(light: Plane, camera: Camera) -> Plane:
    light = cv2.GaussianBlur(light, (0, 0), camera.psf)
    if camera.defocus >= 0.5:
        light = cv2.filter2D(light, -1, disk(camera.defocus))
    if camera.motion >= 1:
        light = cv2.filter2D(light, -1, streak(camera.motion, camera.motion_angle, camera.bend))
    return np.asarray(light, np.float32)


def disk(radius: float) -> Plane:
    """Circle of confusion of `radius` pixels, sum 1."""
    reach = math.ceil(radius)
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = np.clip(radius + 0.5 - np.hypot(xs, ys), 0, 1).astype(np.float32)
    return np.asarray(inside / inside.sum(), np.float32)


def streak(length: float, angle: float, bend: float) -> Plane:
    """Path of a point while the shutter is open, sum 1: four times too fine, then averaged."""
    fine, count = 4, (math.ceil(length / 2) + 3) * 2 + 1
    canvas = np.zeros((count * fine, count * fine), np.float32)
    at = np.linspace(-0.5, 0.5, 40)
    along, across = at * length, bend * length * (at * at - 1 / 12)
    xs = along * math.cos(angle) - across * math.sin(angle)
    ys = along * math.sin(angle) + across * math.cos(angle)
    path = np.rint((np.column_stack([xs, ys]) + count / 2) * fine).astype(np.int32)
    cv2.polylines(canvas, [path.reshape(-1, 1, 2)], isClosed=False, color=(1.0,), thickness=2)
    kernel = cv2.resize(canvas, (count, count), interpolation=cv2.INTER_AREA)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _shutter(light: Plane, camera: Camera) -> Plane:
    """Shift each row as a rolling shutter does when camera or hand move while it runs down the picture."""
    if not camera.skew and not camera.wobble:
        return light
    rows = np.arange(HEIGHT, dtype=np.float32)
    shift = camera.skew * (rows - HEIGHT / 2)
    shift += camera.wobble * np.sin(rows / 55 + camera.motion_angle * 3) + camera.wobble * 0.4 * np.sin(rows / 19)
    map_x = np.arange(WIDTH, dtype=np.float32)[None, :] + shift[:, None]
    map_y = rows + camera.wobble * 0.5 * np.sin(rows / 70)
    maps = np.asarray(map_x, np.float32), np.repeat(map_y[:, None], WIDTH, 1).astype(np.float32)
    return np.asarray(cv2.remap(light, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def _through_drops(light: Plane, camera: Camera) -> Plane:
    """Rain on the front glass: each drop shows a small upside-down, blurred view of the scene; wet glass scatters."""
    rng = np.random.default_rng([camera.drop_seed, 31])
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    wet, map_x, map_y = np.zeros_like(light), xs.copy(), ys.copy()
    for _ in range(camera.drops):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        radius = float(rng.gamma(3.0, 4.0)) + 4
        reach = math.ceil(radius * 1.6)
        window = np.s_[max(0, int(y) - reach) : int(y) + reach, max(0, int(x) - reach) : int(x) + reach]
        away = np.hypot(xs[window] - x, (ys[window] - y) * float(rng.uniform(0.75, 1.0)))
        inside = np.clip((radius - away) / (radius * 0.35), 0, 1)
        map_x[window] += inside * (x - xs[window]) * 3.2
        map_y[window] += inside * (y - ys[window]) * 3.2
        wet[window] = np.maximum(wet[window], inside)
    seen = cv2.remap(light, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    seen = cv2.GaussianBlur(seen, (0, 0), 3) * (0.8 + 0.35 * ys / HEIGHT)
    haze = 0.12 * _scattered(light, 25.0)
    return np.asarray(light * (0.88 - 0.88 * wet) + haze + seen * wet, np.float32)


def _scattered(light: Plane, sigma: float) -> Plane:
    small = cv2.resize(light, (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 8), (WIDTH, HEIGHT)), np.float32)


def reflection(camera: Camera, at: Point, side: float) -> Plane:
    """Light mirrored by glass or laminate near `at`, shape (720, 1280): lamps (ellipses), tubes and windows (bars).

    `side`: the code's side in pixels, which scales the reflections.
    """
    rng = np.random.default_rng([camera.glare_seed, 32])
    layer = np.zeros((HEIGHT, WIDTH), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        x, y = np.array(at) + rng.normal(0, 0.2, 2) * side
        size = max(3.0, side * camera.glare_size)
        turn = float(rng.uniform(0, 180))
        long, wide = size * float(rng.uniform(0.6, 1.1)), size * float(rng.uniform(0.25, 0.7))
        if rng.random() < 0.4:
            tube = ((float(x), float(y)), (side * 1.6, wide), turn)
            cv2.fillPoly(layer, [cv2.boxPoints(tube).astype(np.int32)], (0.8,))
        else:
            cv2.ellipse(layer, ((float(x), float(y)), (2 * long, 2 * wide), turn), (1.0,), -1)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), max(2.0, side * 0.045)) * camera.glare, np.float32)


def gratings(depth: float, shape: tuple[int, ...], rng: Rng) -> Plane:
    """Beat of a screen's pixel grid with the sensor's, a factor around 1: two bent gratings."""
    ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    total = np.zeros((shape[0], shape[1]), np.float32)
    for _ in range(2):
        turn, period = rng.uniform(0, math.pi), rng.uniform(3.2, 16)
        bend = np.float32(rng.uniform(-1.5e-5, 1.5e-5))
        phase = (xs * np.float32(math.cos(turn)) + ys * np.float32(math.sin(turn))) / np.float32(period)
        total += np.sin(np.float32(2 * math.pi) * (phase + bend * (xs - shape[1] / 2) * (ys - shape[0] / 2)))
    return np.clip(1 + depth * total / 2, 0, 2)


def _sensor(light: Plane, camera: Camera, rng: Rng) -> Plane:
    """Shot noise (normal approximation of Poisson) and read noise in electrons, gain, clipping at full well."""
    scale = np.float32(camera.gain)
    level = np.clip(light, 0, 4)
    spread = cv2.sqrt(
        level * np.float32(1 / camera.full_well) + np.float32((camera.read_noise / camera.full_well) ** 2)
    )
    level += spread * _grains()[tuple(slice(at, at + size) for at, size in zip(_start(rng), level.shape, strict=True))]
    return np.clip(level * scale, 0, 1)


_SLACK = 160


@lru_cache(maxsize=1)
def _grains() -> Plane:
    """Normal noise, drawn once and a little larger than a picture: each picture takes another window of it."""
    return np.random.default_rng(20).standard_normal((HEIGHT + _SLACK, WIDTH + _SLACK), np.float32)


def _start(rng: Rng) -> tuple[int, int]:
    return int(rng.integers(0, _SLACK)), int(rng.integers(0, _SLACK))


@lru_cache(maxsize=1)
def _gamma_table() -> Plane:
    """The camera's gamma for its 12-bit converter."""
    return (np.arange(4096, dtype=np.float32) / 4095) ** np.float32(1 / GAMMA)


def _process(level: Plane, camera: Camera) -> Gray:
    """Gamma, denoising, sharpening and JPEG, as the camera's own processor does them."""
    picture = _gamma_table()[(level * np.float32(4095) + np.float32(0.5)).astype(np.uint16)]
    if camera.denoise:
        picture = cv2.bilateralFilter(picture, 5, 0.12, 2)
    if camera.sharpen:
        picture = picture + camera.sharpen * (picture - cv2.GaussianBlur(picture, (0, 0), 1.2))
    gray = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
