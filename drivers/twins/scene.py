"""What the twin camera sees: a gate, and people's passes before it, as real pixels at 1280 x 720.

Everything costly happens once per scene (`_set_up`); a frame only moves the held objects a little, as hands do, and
adds noise. Pictures depend on the scene and the frame number alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import cv2
import msgspec
import numpy as np
from msgspec import Meta

from drivers.twins import artwork, optics
from drivers.twins.artwork import Artwork, Plane
from drivers.twins.optics import HEIGHT, WIDTH, Matrix
from station.ports import Gray

MAX_TEXT_BYTES = 1600
"""What the largest symbol (version 40) holds at level Q: 1663 bytes."""

SWAY_FRAMES = 24
"""A hand's movement repeats after so many frames, so that from then on a frame costs a copy and its noise."""
SUPERSAMPLING = 2
SWAY_MARGIN_PX = 16
"""A hand never moves an object further than this."""


class SceneError(ValueError):
    """A scene description cannot be shown. The message names the path of what is wrong."""


Angle = Annotated[float, Meta(ge=-360, le=360)]
Tilt = Annotated[float, Meta(ge=-60, le=60)]
Place = Annotated[float, Meta(ge=-1, le=1)]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Code(_Struct, frozen=True):
    """One pass in the scene. `x`, `y`: 0 is the middle, 1 puts the code's edge on the right or lower picture edge."""

    text: Annotated[str, Meta(min_length=1)]
    medium: Literal["phone", "paper"] = "phone"
    dark: bool = False
    """The phone shows the page in dark mode."""
    creased: bool = False
    """The paper was folded."""
    roll_deg: Angle = 0.0
    yaw_deg: Tilt = 0.0
    pitch_deg: Tilt = 0.0
    x: Place = 0.0
    y: Place = 0.0
    size: Annotated[float, Meta(ge=0.1, le=0.8)] = 0.55
    """Share of the picture's height that the code's side takes when it faces the camera."""

    def __post_init__(self) -> None:
        """Refuse a text that no QR code of the needed strength holds; msgspec adds the path."""
        try:
            size = len(self.text.encode())
        except UnicodeEncodeError as error:
            raise ValueError("the text holds half a character (a lone surrogate); write whole characters") from error
        if size > MAX_TEXT_BYTES:
            raise ValueError(f"the text has {size} bytes; a code holds {MAX_TEXT_BYTES}, shorten it")


class Scene(_Struct, frozen=True):
    """What stands before one camera. An empty scene is the gate with nobody there."""

    id: str = ""
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 0
    codes: Annotated[tuple[Code, ...], Meta(max_length=6)] = ()
    blur_px: Annotated[float, Meta(ge=0, le=20)] = 1.0
    """Diameter of the blur circle, and length of the streak that a moving hand leaves, pixels."""
    exposure: Annotated[float, Meta(ge=0.01, le=8)] = 1.0
    """Factor on the light; 1 is right."""
    noise: Annotated[float, Meta(ge=0, le=60)] = 2.0
    """Standard deviation of the sensor noise, gray levels."""

    @staticmethod
    def parse(description: object) -> Scene:
        """Read a scene from its JSON value; None is the empty scene. Raises SceneError naming the path."""
        try:
            return EMPTY if description is None else msgspec.convert(description, Scene)
        except msgspec.ValidationError as error:
            raise SceneError(f"the scene cannot be shown: {error}") from error


EMPTY = Scene()


@dataclass(frozen=True, slots=True)
class _Held:
    """An object in somebody's hand, projected and developed: `ink` (gray times cover) and `clear` (255 * (1 - cover)).

    `origin`: picture position of the patch's top left pixel; `pivot`: picture position of the code's centre.
    """

    ink: Gray
    clear: Gray
    origin: tuple[int, int]
    pivot: tuple[float, float]
    phase: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Stage:
    """One scene set up. `composed`: its noiseless pictures so far, by position in the sway."""

    backdrop: Gray
    held: tuple[_Held, ...]
    composed: dict[int, Gray]


def render(scene: Scene, frame_number: int) -> Gray:
    """Return one frame, uint8 of shape (720, 1280), the caller's own."""
    stage = _set_up(scene)
    picture = _compose(stage, frame_number % SWAY_FRAMES).copy()
    optics.add_noise(picture, scene.noise, scene.seed * 7919 + frame_number)
    return picture


def _compose(stage: _Stage, position: int) -> Gray:
    """Return the noiseless picture at one position of the sway. Two threads may compute it twice, to the same end."""
    if not stage.held:
        return stage.backdrop
    picture = stage.composed.get(position)
    if picture is None:
        picture = stage.backdrop.copy()
        for held in stage.held:
            _put(picture, held, 2 * math.pi * position / SWAY_FRAMES)
        stage.composed[position] = picture
    return picture


def _put(picture: Gray, held: _Held, cycle: float) -> None:
    """Lay the object over the picture, displaced by the sway of the hand; `cycle`: 0..2 pi of its period."""
    left, top = max(0, held.origin[0]), max(0, held.origin[1])
    right = min(WIDTH, held.origin[0] + held.ink.shape[1])
    bottom = min(HEIGHT, held.origin[1] + held.ink.shape[0])
    if right <= left or bottom <= top:
        return
    region = picture[top:bottom, left:right]
    motion = (optics.shift(-left, -top) @ _sway(held, cycle) @ optics.shift(*held.origin))[:2]
    size = (right - left, bottom - top)
    ink = cv2.warpAffine(held.ink, motion, size, flags=cv2.INTER_LINEAR)
    clear = cv2.warpAffine(held.clear, motion, size, flags=cv2.INTER_LINEAR, borderValue=(255,))
    cv2.multiply(region, clear, dst=region, scale=1 / 255)
    cv2.add(region, ink, dst=region)


def _sway(held: _Held, cycle: float) -> Matrix:
    """Movement of a held object about its code's centre: a slow drift and a faster tremor, in x, y, turn and reach."""
    x, y, turn, reach = (math.sin(cycle + phase) + 0.3 * math.sin(3 * cycle + 2 * phase) for phase in held.phase)
    angle, scale = math.radians(0.3 * turn), 1 + 0.003 * reach
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    about = np.array([[cos, -sin, 2.0 * x], [sin, cos, 2.0 * y], [0, 0, 1.0]])
    return np.asarray(optics.shift(*held.pivot) @ about @ optics.shift(-held.pivot[0], -held.pivot[1]))


@lru_cache(maxsize=4)
def _set_up(scene: Scene) -> _Stage:
    light = _gate(scene.seed) * optics.vignette() * np.float32(scene.exposure)
    backdrop = optics.develop(optics.blur(light, scene.blur_px, scene.seed))
    return _Stage(backdrop, tuple(_hold(scene, number) for number in range(len(scene.codes))), {})


def _hold(scene: Scene, number: int) -> _Held:
    """Project one object of the scene with everything that stays the same from frame to frame."""
    code = scene.codes[number]
    seed = scene.seed + 101 * number
    drawing = _draw(code, seed)
    pose, pivot = _pose(code, drawing)
    left, top, right, bottom = _bounds(pose, drawing)
    fine = np.diag([SUPERSAMPLING, SUPERSAMPLING, 1.0]) @ optics.shift(-left, -top) @ pose
    size = (right - left, bottom - top)
    falloff = optics.vignette()[min(HEIGHT - 1, max(0, int(pivot[1]))), min(WIDTH - 1, max(0, int(pivot[0])))]
    light = _project(drawing.light * drawing.cover, fine, size)
    cover = np.clip(optics.blur(_project(drawing.cover, fine, size), scene.blur_px, scene.seed), 0, 1)
    light = optics.blur(light, scene.blur_px, scene.seed) / np.maximum(cover, 1e-3)
    ink = np.asarray(optics.develop(light * scene.exposure * falloff) * cover, np.uint8)
    phase = tuple(float(v) for v in np.random.default_rng([seed, 11]).uniform(0, 2 * math.pi, 4))
    return _Held(ink, np.asarray((1 - cover) * 255 + 0.5, np.uint8), (left, top), pivot, phase)


def _draw(code: Code, seed: int) -> Artwork:
    if code.medium == "phone":
        return artwork.phone(code.text, dark=code.dark)
    return artwork.paper(code.text, creased=code.creased, seed=seed)


def _pose(code: Code, drawing: Artwork) -> tuple[Matrix, tuple[float, float]]:
    """Homography from the drawing to the picture, and where the code's centre comes to lie, pixels."""
    turn = optics.rotation(code.yaw_deg, code.pitch_deg, code.roll_deg)
    centred = optics.projection(turn, code.size, drawing.side, drawing.centre)
    (x, y), half = drawing.centre, drawing.side / 2
    corners = np.array([[[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]]])
    reach = np.abs(cv2.perspectiveTransform(corners, centred)[0]).max(axis=0)
    pivot = (
        WIDTH / 2 + code.x * max(0.0, WIDTH / 2 - float(reach[0])),
        HEIGHT / 2 + code.y * max(0.0, HEIGHT / 2 - float(reach[1])),
    )
    return optics.shift(*pivot) @ centred, pivot


def _bounds(pose: Matrix, drawing: Artwork) -> tuple[int, int, int, int]:
    """Part of the picture the object can touch: left, top, right, bottom; reaches a little beyond the edges."""
    height, width = drawing.light.shape
    outline = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    seen = cv2.perspectiveTransform(outline, pose)[0]
    margin = SWAY_MARGIN_PX
    left, top = (max(-margin, math.floor(v) - margin) for v in seen.min(axis=0))
    right = min(WIDTH + margin, math.ceil(seen[:, 0].max()) + margin)
    bottom = min(HEIGHT + margin, math.ceil(seen[:, 1].max()) + margin)
    return left, top, right, bottom


def _project(plane: Plane, homography: Matrix, size: tuple[int, int]) -> Plane:
    fine = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    large = cv2.warpPerspective(plane, homography, fine, flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=4)
def _gate(seed: int) -> Plane:
    """Draw the gate behind the people, out of focus: sky, wall, fence, door, ground. Linear light, (720, 1280)."""
    rng = np.random.default_rng([seed, 1])
    scale = 4
    height, width = HEIGHT // scale, WIDTH // scale
    light = np.repeat(np.linspace(0.42, 0.20, height, dtype=np.float32)[:, None], width, axis=1)
    horizon = int(height * rng.uniform(0.55, 0.7))
    light[horizon:] = np.linspace(0.16, 0.10, height - horizon, dtype=np.float32)[:, None]
    door = int(rng.integers(width // 8, width * 5 // 8))
    cv2.rectangle(light, (door, height // 5), (door + width // 5, horizon), (float(rng.uniform(0.05, 0.12)),), -1)
    for x in range(int(rng.integers(0, 12)), width, int(rng.integers(14, 22))):
        cv2.line(light, (x, height // 3), (x, horizon), (0.09,), 2)
    for _ in range(5):
        centre = (int(rng.integers(0, width)), int(rng.integers(height // 3, height)))
        axes = (int(rng.integers(8, 30)), int(rng.integers(10, 40)))
        cv2.ellipse(light, centre, axes, 0, 0, 360, (float(rng.uniform(0.04, 0.35)),), -1)
    light *= rng.normal(1.0, 0.04, light.shape).astype(np.float32)
    soft = cv2.GaussianBlur(light, (0, 0), 1.8)
    return np.asarray(cv2.resize(soft, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)
