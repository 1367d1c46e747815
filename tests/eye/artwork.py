"""What residents hold up, with everything that happens to it: cracked glass, films, folds, stains, a thumb.

Extends drivers/twins/artwork.py, whose drawings (linear light 0..1, eight pixels a module) every function here takes
and returns. Severities run from 1 to 4.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from drivers.twins import artwork as flat
from drivers.twins.artwork import MODULE_PX, Artwork, Plane

Rng = np.random.Generator

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""Base45 (RFC 9285): the alphanumeric characters of a QR code."""


def payload(rng: Rng) -> str:
    """Return a text as passes carry it: mostly EP1 with 150 to 320 characters, sometimes a short one."""
    short = rng.random() < 0.3
    length = int(rng.integers(20, 60)) if short else int(rng.integers(150, 321))
    body = "".join(ALPHABET[i] for i in rng.integers(0, len(ALPHABET), length))
    return ("GATE-" if short else "EP1:") + body


def negative_print(art: Artwork) -> Artwork:
    """Paper printed light on dark."""
    return replace(art, light=np.asarray(flat.PAPER_WHITE + flat.PAPER_INK - art.light, np.float32))


def _box(art: Artwork) -> tuple[float, float, float]:
    """Left and top edge and side of the code, pixels of the drawing."""
    return art.centre[0] - art.side / 2, art.centre[1] - art.side / 2, art.side


def _inside(art: Artwork, rng: Rng, low: float = 0.0, high: float = 1.0) -> tuple[int, int]:
    """A random point of the code; `low`, `high`: part of its side."""
    left, top, side = _box(art)
    return int(left + side * rng.uniform(low, high)), int(top + side * rng.uniform(low, high))


def _smooth(rng: Rng, shape: tuple[int, ...], cells: int) -> Plane:
    """Unevenness with about `cells` swells across, mean 0, spread 1."""
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def damage(art: Artwork, severity: int, rng: Rng) -> Artwork:
    """Paper that lived in a pocket: scratches, stains, faded toner, torn fibres along a fold."""
    light, side = art.light.copy(), art.side
    for _ in range(1 + 2 * severity):
        level = float(rng.choice([0.45, 0.45, 0.06]))
        width = int(rng.integers(2, 3 + 2 * severity))
        cv2.line(light, _inside(art, rng), _inside(art, rng), (level,), width, cv2.LINE_AA)
    for _ in range(severity):
        stain = np.zeros_like(light)
        axes = tuple(int(side * v) for v in rng.uniform(0.025, 0.04 + 0.014 * severity, 2))
        cv2.ellipse(stain, _inside(art, rng, 0.25), axes, float(rng.uniform(0, 180)), 0, 360, (1.0,), -1)
        stain = cv2.GaussianBlur(stain, (0, 0), 4) * float(rng.uniform(0.4, 0.85))
        light = light * (1 - stain) + 0.12 * stain
    fade = np.clip(0.08 * severity * (_smooth(rng, light.shape, 9) + 0.3), 0, 0.8)
    return replace(art, light=np.asarray(light * (1 - fade) + flat.PAPER_WHITE * fade, np.float32))


def curl(art: Artwork, half_angle: float) -> Artwork:
    """Roll the sheet round an upright cylinder; `half_angle`: radians from its middle to its edge."""
    height, width = art.light.shape
    radius = width / (2 * half_angle)
    seen = np.linspace(-radius * math.sin(half_angle), radius * math.sin(half_angle), width)
    along = (np.arcsin(np.clip(seen / radius, -1, 1)) * radius + width / 2).astype(np.float32)
    turn = np.linspace(-1, 1, width, dtype=np.float32) * half_angle
    bow = 0.10 * half_angle * height * (1 - np.cos(turn * 1.2))
    map_y = np.arange(height, dtype=np.float32)[:, None] - bow[None, :]
    return _remapped(art, np.tile(along, (height, 1)), map_y.astype(np.float32), 0.6 + 0.4 * np.cos(turn)[None, :])


def fold(art: Artwork, severity: int, rng: Rng) -> Artwork:
    """Fold the sheet: worn creases, and its far half leans away from the viewer and from the light."""
    light, cover = flat._crease(art.light, art.cover, rng, int(art.side))
    creased = replace(art, light=light, cover=cover)
    height, width = light.shape
    left, _, side = _box(art)
    ridge = left + side * float(rng.uniform(0.3, 0.7))
    lean = math.cos(math.radians([12, 20, 28, 36][severity - 1]))
    xs = np.arange(width, dtype=np.float32)
    far = xs > ridge if rng.random() < 0.5 else xs < ridge
    map_x = np.where(far, ridge + (xs - ridge) / lean, xs).astype(np.float32)
    drop = np.where(far, np.abs(xs - ridge) * 0.12 * math.sqrt(1 - lean * lean), 0)
    map_y = np.arange(height, dtype=np.float32)[:, None] - drop[None, :]
    shade = np.where(far, 1 - [0.2, 0.35, 0.5, 0.6][severity - 1], 1.0)[None, :]
    shade = shade * (1 - 0.3 * np.exp(-(((xs - ridge) / (MODULE_PX * 0.5)) ** 2)))[None, :]
    return _remapped(creased, np.tile(map_x, (height, 1)), map_y.astype(np.float32), shade)


def _remapped(art: Artwork, map_x: Plane, map_y: Plane, shade: np.ndarray) -> Artwork:
    light = cv2.remap(art.light, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) * shade
    cover = cv2.remap(art.cover, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return replace(art, light=np.asarray(light, np.float32), cover=np.asarray(cover, np.float32))


def crack(art: Artwork, severity: int, rng: Rng) -> Artwork:
    """Break the glass: splinters densest round the blow, each displaced and tinted a little, with bright edges."""
    height, width = art.light.shape
    blow = np.array(_inside(art, rng, 0.1, 0.9))
    reach = np.abs(rng.normal(0, 0.35 + 0.1 * severity, 10 + 9 * severity)) * art.side
    angle = rng.uniform(0, 2 * math.pi, reach.size)
    seeds = blow + np.column_stack([np.cos(angle), np.sin(angle)]) * reach[:, None]
    ys, xs = np.mgrid[0:height:4, 0:width:4]
    away = (xs[..., None] - seeds[:, 0]) ** 2 + (ys[..., None] - seeds[:, 1]) ** 2
    splinter = cv2.resize(np.argmin(away, 2).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    splinter = cv2.medianBlur(splinter, 5)
    moved = rng.normal(0, [0.5, 0.8, 1.1, 1.5][severity - 1], (reach.size, 2)).astype(np.float32)
    tint = rng.uniform(1 - 0.06 * severity, 1, reach.size).astype(np.float32)
    grid_y, grid_x = np.mgrid[0:height, 0:width].astype(np.float32)
    map_x, map_y = grid_x + moved[splinter, 0], grid_y + moved[splinter, 1]
    light = cv2.remap(art.light, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    edge = cv2.morphologyEx(splinter, cv2.MORPH_GRADIENT, np.ones((2 + severity // 2,) * 2, np.uint8)) > 0
    glint = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), 0.7) * (0.55 + 0.45 * _smooth(rng, light.shape, 12))
    glint = np.clip(glint, 0, 1)
    return replace(art, light=np.asarray(light * tint[splinter] * (1 - glint) + 0.6 * glint, np.float32))


def privacy_film(art: Artwork, severity: int, rng: Rng) -> Artwork:
    """Louvres over the screen: it darkens to one side, mirrors the surroundings, and shows fine upright lines."""
    _, width = art.light.shape
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :] * float(rng.choice([-1, 1]))
    view = 0.2 * severity + across * 0.4
    passing = np.clip(1 - 0.62 * np.clip(view, 0, None), 0.06, 1) ** 2
    pitch = float(rng.uniform(2.2, 3.6))
    louvres = 1 - 0.35 * (0.5 + 0.5 * np.sin(np.arange(width) * 2 * math.pi / pitch))[None, :]
    mirrored = (0.015 + 0.012 * severity) * (1 + 0.5 * np.clip(_smooth(rng, art.light.shape, 5), -1, 2))
    return replace(art, light=np.asarray(art.light * passing * louvres + mirrored, np.float32))


def protector(art: Artwork, severity: int, rng: Rng) -> Artwork:
    """A badly stuck screen protector: air bubbles with bright rims, dust, interference fringes."""
    light = art.light.copy()
    for _ in range(4 + 7 * severity):
        spot, size = _inside(art, rng, -0.1, 1.1), art.side * float(rng.uniform(0.008, 0.012 + 0.012 * severity))
        bubble = np.zeros_like(light)
        axes = (max(2, int(size)), max(2, int(size * rng.uniform(0.5, 1))))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(bubble, spot, axes, turn, 0, 360, (0.3,), -1, cv2.LINE_AA)
        cv2.ellipse(bubble, spot, axes, turn, 0, 360, (0.75,), max(1, int(size * 0.2)), cv2.LINE_AA)
        light = light * (1 - bubble) + 0.4 * bubble
    for _ in range(20 * severity):
        cv2.circle(light, _inside(art, rng), int(rng.integers(1, 3)), (float(rng.uniform(0.2, 0.6)),), -1)
    fringes = np.sin(_smooth(rng, light.shape, 5) * (4 + 2 * severity))
    light = light * (1 + 0.05 * severity * fringes) + 0.012 * severity * (1 + fringes)
    return replace(art, light=np.asarray(light, np.float32))


def thumb(art: Artwork, severity: int, rng: Rng) -> Artwork:
    """A thumb or clip reaches over one edge of the code; at the higher severities sometimes over a finder pattern."""
    left, top, side = _box(art)
    edge, at = int(rng.integers(0, 4)), float(rng.uniform(0.3, 0.7))
    if severity >= 3 and rng.random() < 0.4:
        at = float(rng.choice([0.04, 0.96]))
    along = [(at, 0.0, 0.0, 1.0), (1.0, at, -1.0, 0.0), (at, 1.0, 0.0, -1.0), (0.0, at, 1.0, 0.0)][edge]
    share = [0.03, 0.055, 0.09, 0.12][severity - 1]
    width = side * math.sqrt(share) * 0.62
    depth = side * math.sqrt(share) * 0.85
    start = np.array([left + along[0] * side, top + along[1] * side])
    inward = np.array(along[2:])
    tip, root = start + inward * (depth - width / 2), start - inward * side * 0.6
    level = float(rng.choice([0.12, 0.2, 0.3, 0.05]))
    shape = np.zeros_like(art.light)
    ends = [(int(p[0]), int(p[1])) for p in (root, tip)]
    cv2.line(shape, ends[0], ends[1], (1.0,), max(2, int(width)), cv2.LINE_AA)
    shape = cv2.GaussianBlur(shape, (0, 0), 2)
    light = art.light * (1 - shape) + level * shape * (0.9 + 0.1 * _smooth(rng, art.light.shape, 20))
    return replace(art, light=np.asarray(light, np.float32))


def bare_phone(*, dark: bool) -> Artwork:
    """A phone whose page shows no code."""
    art = flat.phone("-", dark=dark)
    left, top, side = _box(art)
    pad = MODULE_PX * flat.QUIET_MODULES
    light = art.light.copy()
    region = np.s_[int(top) - pad : int(top + side) + pad, int(left) - pad : int(left + side) + pad]
    light[region] = flat.BLACK_SCREEN if dark else flat.WHITE_SCREEN
    return replace(art, light=light)


def sheet(rng: Rng) -> Artwork:
    """A printed sheet of text, squares and targets: bait for everything that looks for finder patterns."""
    light = np.full((900, 760), flat.PAPER_WHITE, np.float32)
    for y in range(50, 880, 30):
        words = "".join(ALPHABET[i] for i in rng.integers(0, len(ALPHABET), 34))
        cv2.putText(light, words, (24, y), cv2.FONT_HERSHEY_SIMPLEX, 0.85, (flat.PAPER_INK,), 2, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 9))):
        x, y, unit = int(rng.integers(20, 660)), int(rng.integers(20, 800)), int(rng.integers(3, 11))
        for rings, level in ((7, flat.PAPER_INK), (5, flat.PAPER_WHITE), (3, flat.PAPER_INK)):
            inset = (7 - rings) * unit // 2
            far = (x + inset + rings * unit, y + inset + rings * unit)
            cv2.rectangle(light, (x + inset, y + inset), far, (level,), -1)
    return Artwork(light, np.ones_like(light), (380.0, 450.0), 600.0)
