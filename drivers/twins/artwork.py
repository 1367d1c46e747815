"""What people hold before the camera, drawn flat: a phone that shows a pass, or a printed paper pass.

Values are linear light, 0..1: the camera's gamma, blur and noise come later (drivers/twins/optics.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import segno
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""Linear light or coverage, float32 in 0..1, shape (height, width)."""

MODULE_PX = 8
QUIET_MODULES = 4
"""ISO/IEC 18004 section 6.3.8: four light modules around the symbol."""

BLACK_SCREEN, WHITE_SCREEN = 0.02, 0.80
PAPER_WHITE, PAPER_INK = 0.50, 0.045


@dataclass(frozen=True, slots=True)
class Artwork:
    """A flat object with one code. `light` is what it shows, `cover` is 1 on the object and 0 beside it.

    `centre` (x, y) and `side` place the code (without quiet zone) in the drawing, in pixels.
    """

    light: Plane
    cover: Plane
    centre: tuple[float, float]
    side: float


@lru_cache(maxsize=16)
def modules(text: str, error: str) -> Plane:
    """Return the QR symbol of `text` with its quiet zone: 1 = dark module, shape (n, n). `error`: L, M, Q or H."""
    encoding = None if text.isascii() else "utf-8"
    symbol = segno.make(text, error=error, boost_error=False, micro=False, encoding=encoding)
    return np.pad(np.array([list(row) for row in symbol.matrix], np.float32), QUIET_MODULES)


def phone(text: str, *, dark: bool) -> Artwork:
    """Draw a phone that shows `text`. `dark`: the page is in dark mode, so that the code is light on black."""
    paper, ink = (BLACK_SCREEN, WHITE_SCREEN) if dark else (WHITE_SCREEN, BLACK_SCREEN)
    code = _code(modules(text, "M"), paper, ink)
    side = code.shape[0]
    width, height = int(side * 1.2), int(side * 2.45)
    light = np.full((height, width), 0.012, np.float32)
    bezel = side // 24
    screen = light[bezel * 2 : height - bezel * 2, bezel : width - bezel]
    screen[:] = paper
    header = int(side * 0.30)
    screen[:header] = 0.16 if dark else 0.22
    _caption(screen, "PASS", (bezel * 2, int(header * 0.72)), side / 400, 0.75)
    top = bezel * 2 + header + side // 7
    left = (width - side) // 2
    light[top : top + side, left : left + side] = code
    _text_lines(light, top + side + side // 10, left + side // 12, side, ink)
    cover = _rounded(height, width, side // 7)
    return Artwork(light, cover, (left + side / 2, top + side / 2), _inner(side, text, "M"))


def paper(text: str, *, creased: bool, seed: int) -> Artwork:
    """Draw a printed sheet with `text`; `creased`: it was folded and carried in a pocket."""
    code = _code(modules(text, "Q"), PAPER_WHITE, PAPER_INK)
    side = code.shape[0]
    width, height = int(side * 1.35), int(side * 1.75)
    light = np.full((height, width), PAPER_WHITE, np.float32)
    _caption(light, "PASS", (side // 6, side // 5), side / 420, PAPER_INK)
    top, left = int(side * 0.26), (width - side) // 2
    light[top : top + side, left : left + side] = code
    _text_lines(light, top + side + side // 14, left + side // 12, side, PAPER_INK)
    cover = np.ones((height, width), np.float32)
    rng = np.random.default_rng([seed, 7])
    light *= _grain(rng, height, width)
    if creased:
        light, cover = _crease(light, cover, rng, side)
    return Artwork(light, cover, (left + side / 2, top + side / 2), _inner(side, text, "Q"))


def _inner(side: int, text: str, error: str) -> float:
    """Side of the symbol without its quiet zone, pixels."""
    count = modules(text, error).shape[0]
    return side * (count - 2 * QUIET_MODULES) / count


def _code(symbol: Plane, light: float, dark: float) -> Plane:
    side = symbol.shape[0] * MODULE_PX
    enlarged = cv2.resize(symbol, (side, side), interpolation=cv2.INTER_NEAREST)
    return np.asarray(light + (dark - light) * enlarged, np.float32)


def _caption(canvas: Plane, words: str, origin: tuple[int, int], scale: float, level: float) -> None:
    thickness = max(1, round(scale * 2.2))
    cv2.putText(canvas, words, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (level,), thickness, cv2.LINE_AA)


def _text_lines(canvas: Plane, top: int, left: int, side: int, level: float) -> None:
    """Draw gray bars where the page has its small print."""
    for row, share in enumerate((0.70, 0.45, 0.58)):
        y = top + row * side // 9
        cv2.rectangle(canvas, (left, y), (left + int(side * share), y + side // 24), (level * 0.6 + 0.08,), -1)


def _rounded(height: int, width: int, radius: int) -> Plane:
    mask = np.zeros((height, width), np.float32)
    cv2.rectangle(mask, (radius, 0), (width - radius, height), (1.0,), -1)
    cv2.rectangle(mask, (0, radius), (width, height - radius), (1.0,), -1)
    for x in (radius, width - 1 - radius):
        for y in (radius, height - 1 - radius):
            cv2.circle(mask, (x, y), radius, (1.0,), -1, cv2.LINE_AA)
    return mask


def _grain(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Return the unevenness of paper and toner: a factor around 1, coarse enough to survive the optics."""
    coarse = rng.normal(1.0, 0.035, (height // 6 + 1, width // 6 + 1)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _crease(light: Plane, cover: Plane, rng: np.random.Generator, side: int) -> tuple[Plane, Plane]:
    """Fold the sheet along three lines: each half is lit differently, the ridge is worn, points near it shift."""
    height, width = light.shape
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    map_x, map_y = xs.copy(), ys.copy()
    shade = np.ones_like(light)
    for angle in (0.0, 90.0, float(rng.uniform(25, 65))):
        turn = np.deg2rad(angle + rng.uniform(-5, 5))
        normal_x, normal_y = float(np.cos(turn)), float(np.sin(turn))
        through_x, through_y = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.60)
        away = (xs - through_x) * normal_x + (ys - through_y) * normal_y
        lift = np.clip(1 - np.abs(away) / (side * 0.35), 0, 1) * (side * float(rng.uniform(0.006, 0.011)))
        map_x += lift * normal_x
        map_y += lift * normal_y
        shade *= 1 + float(rng.uniform(0.06, 0.14)) * np.tanh(away / (side * 0.02))
        shade *= 1 - 0.22 * np.exp(-((away / (side * 0.006)) ** 2))
    warped = cv2.remap(light * shade, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.remap(cover, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.clip(np.asarray(warped, np.float32), 0, 1), np.asarray(covered, np.float32)
