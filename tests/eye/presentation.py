"""How a pass is presented to the camera: what is held, where, in which light, and how hands move it.

An ordinary presentation is the plan that the conditions (conditions.py) then spoil.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from drivers.twins import artwork as flat
from drivers.twins.artwork import Artwork
from tests.eye import artwork
from tests.eye.optics import Camera

Rng = np.random.Generator
Surface = Callable[[Artwork, Rng], Artwork]
"""What happens to the object before it is held up."""


@dataclass(slots=True)
class Pose:
    """Where an object is held. `module_px`: side of one module facing the camera; `x`, `y`: of the middle, -1..1."""

    module_px: float
    yaw: float
    pitch: float
    roll: float
    x: float
    y: float


@dataclass(slots=True)
class Held:
    """One object in the scene."""

    text: str
    medium: str
    dark: bool
    pose: Pose
    surfaces: list[Surface] = field(default_factory=list)

    def draw(self, rng: Rng) -> Artwork:
        """Draw the object flat, with all that happened to it."""
        if self.medium == "phone":
            art = flat.phone(self.text, dark=self.dark)
        else:
            art = flat.paper(self.text, creased=False, seed=int(rng.integers(2**31)))
            art = artwork.negative_print(art) if self.dark else art
        for surface in self.surfaces:
            art = surface(art, rng)
        return art


@dataclass(slots=True)
class Plan:
    """A picture before it is taken. `ambient`, `screen`: light of the surroundings and of the object; `sun`: behind."""

    held: list[Held]
    camera: Camera
    ambient: float
    emit: float
    backdrop_seed: int
    sun: float = 0.0


def ordinary(rng: Rng) -> Plan:
    """Somebody holds up a pass as one should: 4.3 to 7 pixels a module, slightly turned, decent light."""
    held = [presented(rng, artwork.payload(rng), str(rng.choice(["phone", "phone", "paper"])))]
    camera = Camera(psf=float(rng.uniform(0.5, 0.8)), full_well=float(rng.uniform(3000, 8000)))
    camera.jpeg = int(rng.integers(78, 94))
    camera.defocus, camera.motion = float(rng.uniform(0, 0.9)), float(rng.uniform(0, 1.5))
    camera.motion_angle = float(rng.uniform(0, math.pi))
    emit = float(rng.uniform(0.75, 1.05))
    return Plan(held, camera, float(rng.uniform(0.4, 1.2)), emit, int(rng.integers(2**31)))


def presented(rng: Rng, text: str, medium: str) -> Held:
    """Hold up a text on a medium (phone or paper), ordinarily."""
    yaw, pitch, roll = (float(v) for v in rng.uniform(-12, 12, 3))
    module_px = float(rng.uniform(4.3, 7.0))
    if len(text) < 100:  # a short text has large modules at the same reading distance
        module_px *= 1.6
    return Held(text, medium, False, Pose(module_px, yaw, pitch, roll, *(float(v) for v in rng.uniform(-0.6, 0.6, 2))))


def dim(camera: Camera, light: float, target: float = 0.6) -> None:
    """Expose by `light` and amplify: fewer electrons, the same brightness."""
    camera.exposure, camera.gain = light, target / light
    camera.full_well, camera.read_noise = 3000.0, 8.0


_FAR_PX, _CLOSE_PX = 3.6, 9.0
"""Smaller or larger modules mean that the pass is held too far or too near already."""


def hasty(plan: Plan, rng: Rng) -> None:
    """Change a plan to how passes are mostly shown: in passing, at arm's length, in the light there happens to be."""
    camera = plan.camera
    for held in plan.held:
        if _FAR_PX < held.pose.module_px < _CLOSE_PX:
            held.pose.module_px *= float(rng.uniform(0.72, 0.92))
    camera.motion = max(camera.motion, float(rng.uniform(2.0, 4.5)))
    camera.defocus = max(camera.defocus, float(rng.uniform(0.6, 1.7)))
    if camera.gain == 1.0 and camera.exposure >= 1.0 and not plan.sun and not camera.veil:
        dim(camera, float(rng.uniform(0.06, 0.3)), 0.8 * camera.exposure)


def moved(plan: Plan, drift: np.ndarray, frame: int, rng: Rng) -> Plan:
    """The same presentation a thirtieth of a second later per frame: hands drift and tremble, blur and light change.

    `drift`: change per frame of distance (share), yaw, pitch, roll (degrees), x and y, shape (6,).
    """
    step = drift * frame + rng.normal(0, 0.35, 6) * np.abs(drift)
    held = [replace(one, pose=_shifted(one.pose, step)) for one in plan.held]
    camera = replace(plan.camera)
    camera.motion *= float(rng.uniform(0.55, 1.3))
    camera.motion_angle += float(rng.normal(0, 0.5))
    camera.defocus *= float(rng.uniform(0.8, 1.15))
    camera.band_phase += 2.1 * frame
    camera.wobble *= float(rng.uniform(0.6, 1.2))
    if camera.glare:
        turn = plan.camera.glare_seed % 7 + 0.5 * frame
        camera.glare_at = (0.3 * math.cos(turn), 0.3 * math.sin(turn))
    return replace(plan, held=held, camera=camera)


def _shifted(pose: Pose, step: np.ndarray) -> Pose:
    scale, yaw, pitch, roll, x, y = (float(v) for v in step)
    return Pose(
        pose.module_px * (1 + scale), pose.yaw + yaw, pose.pitch + pitch, pose.roll + roll, pose.x + x, pose.y + y
    )
