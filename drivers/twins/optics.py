"""The twin camera's optics and sensor: pinhole projection, blur, vignette, gamma and noise.

Pinhole with the field of view of a Raspberry Pi camera module (62 degrees across 1280 pixels: f = 1065 pixels).
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.twins.artwork import Plane
from station.ports import Gray

# Two station threads on few cores: OpenCV's own thread pool would only compete with the gate.
cv2.setNumThreads(1)

WIDTH, HEIGHT = 1280, 720
FOCAL_PX = 1065.0
GAMMA = 2.2
NOISE_TILES = 3
NOISE_MARGIN = 64

Matrix = NDArray[np.float64]


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Matrix:
    """Return the turn of a flat object: first in its own plane (roll, clockwise), then pitch, then yaw."""
    yaw, pitch, roll = (math.radians(angle) for angle in (yaw_deg, pitch_deg, roll_deg))
    about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    about_z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def projection(turn: Matrix, size: float, side: float, centre: tuple[float, float]) -> Matrix:
    """Homography from drawing pixels to picture pixels relative to the code's centre.

    `size`: share of the picture's height that the code's side takes when it faces the camera, which fixes its distance;
    `side`, `centre`: the code in the drawing, pixels.
    """
    distance = FOCAL_PX / (size * HEIGHT)
    to_plane = np.array([[1 / side, 0, -centre[0] / side], [0, 1 / side, -centre[1] / side], [0, 0, 1]])
    to_space = np.column_stack([turn[:, 0], turn[:, 1], np.array([0, 0, distance])])
    return np.asarray(np.diag([FOCAL_PX, FOCAL_PX, 1.0]) @ to_space @ to_plane)


def shift(x: float, y: float) -> Matrix:
    """Homography that moves by (x, y)."""
    return np.array([[1.0, 0, x], [0, 1.0, y], [0, 0, 1.0]])


def blur(plane: Plane, blur_px: float, seed: int) -> Plane:
    """Blur as a lens slightly out of focus (disk of diameter `blur_px`) before a hand that moves as far."""
    plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), 0.6), np.float32)
    return np.asarray(cv2.filter2D(plane, -1, _kernel(blur_px, seed)), np.float32) if blur_px else plane


@lru_cache(maxsize=16)
def _kernel(blur_px: float, seed: int) -> Plane:
    """Disk and streak of `blur_px` drawn eight times too large and averaged down, so that fractions count."""
    fine, reach = 8, math.ceil(blur_px) + 1
    count = (2 * reach + 1) * fine
    disk = np.zeros((count, count), np.float32)
    cv2.circle(disk, (count // 2, count // 2), max(1, round(blur_px * fine / 2)), (1.0,), -1)
    streak = np.zeros_like(disk)
    angle = float(np.random.default_rng([seed, 3]).uniform(0, math.pi))
    along = np.array([math.cos(angle), math.sin(angle)]) * blur_px * fine / 2
    ends = [tuple(int(v) for v in count // 2 + sign * along) for sign in (-1, 1)]
    cv2.line(streak, (ends[0][0], ends[0][1]), (ends[1][0], ends[1][1]), (1.0,), 1)
    both = [cv2.resize(part, (2 * reach + 1,) * 2, interpolation=cv2.INTER_AREA) for part in (disk, streak)]
    kernel = cv2.filter2D(both[0], -1, both[1], borderType=cv2.BORDER_CONSTANT)
    return np.asarray(kernel / kernel.sum(), np.float32)


@lru_cache(maxsize=1)
def vignette() -> Plane:
    """Return the lens's fall-off towards the corners (25 % there), shape (720, 1280)."""
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    half_w, half_h = WIDTH / 2, HEIGHT / 2
    radius = ((xs - half_w) ** 2 + (ys - half_h) ** 2) / (half_w**2 + half_h**2)
    return np.asarray(1 - 0.25 * radius, np.float32)


def develop(light: Plane) -> Gray:
    """Linear light to gray levels: clip at full well and apply the camera's gamma."""
    return np.asarray(np.clip(light, 0, 1) ** np.float32(1 / GAMMA) * 255 + 0.5, np.uint8)


@lru_cache(maxsize=4)
def _noise_tiles(sigma: float) -> tuple[tuple[Gray, Gray], ...]:
    """Noise split into what is added and what is taken away, so that a frame costs two saturating byte operations.

    One spread for all levels: after the gamma (close to a square root) shot noise is equally wide at every brightness
    (Anscombe 1948); read noise adds its share in quadrature.
    """
    rng = np.random.default_rng(20)
    shape = (HEIGHT + NOISE_MARGIN, WIDTH + NOISE_MARGIN)
    tiles = []
    for _ in range(NOISE_TILES):
        shot = rng.standard_normal(shape, np.float32)
        read = rng.standard_normal(shape, np.float32)
        grains = np.rint((shot * 0.9 + read * 0.44) * sigma)
        tiles.append((np.clip(grains, 0, 255).astype(np.uint8), np.clip(-grains, 0, 255).astype(np.uint8)))
    return tuple(tiles)


def add_noise(picture: Gray, sigma: float, seed: int) -> None:
    """Add sensor noise of `sigma` gray levels in place; `seed` chooses the piece of the stored noise."""
    if sigma <= 0:
        return
    tiles = _noise_tiles(sigma)
    mixed = (seed * 2654435761 + 40503) & 0xFFFFFFFF  # Knuth's multiplicative hash: neighbours get distant pieces
    plus, minus = tiles[mixed % len(tiles)]
    top, left = (mixed >> 8) % NOISE_MARGIN, (mixed >> 16) % NOISE_MARGIN
    piece = np.s_[top : top + HEIGHT, left : left + WIDTH]
    cv2.add(picture, plus[piece], dst=picture)
    cv2.subtract(picture, minus[piece], dst=picture)
