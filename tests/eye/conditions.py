"""What can be wrong with a picture at a gate, as a table: each condition changes the plan of an ordinary presentation.

Severity 1 is an everyday nuisance, 4 is what even the best reader often fails at.
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


Condition = Callable[[Plan, int, Rng], None]


def ordinary(rng: Rng) -> Plan:
    """Somebody holds up a pass as one should: 4.3 to 7 pixels a module, slightly turned, decent light."""
    held = [_presented(rng, artwork.payload(rng), str(rng.choice(["phone", "phone", "paper"])))]
    camera = Camera(psf=float(rng.uniform(0.5, 0.8)), full_well=float(rng.uniform(3000, 8000)))
    camera.jpeg = int(rng.integers(78, 94))
    camera.defocus, camera.motion = float(rng.uniform(0, 0.9)), float(rng.uniform(0, 1.5))
    camera.motion_angle = float(rng.uniform(0, math.pi))
    emit = float(rng.uniform(0.75, 1.05))
    return Plan(held, camera, float(rng.uniform(0.4, 1.2)), emit, int(rng.integers(2**31)))


def _presented(rng: Rng, text: str, medium: str) -> Held:
    yaw, pitch, roll = (float(v) for v in rng.uniform(-12, 12, 3))
    module_px = float(rng.uniform(4.3, 7.0))
    if len(text) < 100:  # a short text has large modules at the same reading distance
        module_px *= 1.6
    return Held(text, medium, False, Pose(module_px, yaw, pitch, roll, *(float(v) for v in rng.uniform(-0.6, 0.6, 2))))


def _step(severity: int, *values: float) -> float:
    return values[severity - 1]


def _surface(plan: Plan, medium: str, surface: Surface) -> None:
    plan.held[0].medium = medium
    plan.held[0].surfaces.append(surface)


def _clean(_plan: Plan, _severity: int, _rng: Rng) -> None:
    pass


def _far(plan: Plan, severity: int, rng: Rng) -> None:
    plan.held[0].pose.module_px = _step(severity, 3.2, 2.6, 2.1, 1.75) * float(rng.uniform(0.95, 1.05))
    plan.camera.motion = float(rng.uniform(0, 0.8))


def _near(plan: Plan, severity: int, rng: Rng) -> None:
    pose = plan.held[0].pose
    modules = flat.modules(plan.held[0].text, "M").shape[0] - 2 * flat.QUIET_MODULES
    pose.module_px = 720 * _step(severity, 0.75, 0.85, 0.93, 0.97) / modules
    pose.x, pose.y = (float(v) for v in rng.uniform(-0.1, 0.1, 2))
    pose.yaw, pose.pitch, pose.roll = (float(v) for v in rng.uniform(-4, 4, 3))
    plan.camera.defocus = _step(severity, 1.2, 2.2, 3.4, 4.6)


def _rotation(plan: Plan, severity: int, rng: Rng) -> None:
    pose = plan.held[0].pose
    pose.roll = float(rng.uniform(-180, 180))
    pose.yaw, pose.pitch = pose.yaw * (1 + 0.5 * severity), pose.pitch * (1 + 0.5 * severity)


def _perspective(plan: Plan, severity: int, rng: Rng) -> None:
    tilt, turn = _step(severity, 28, 42, 53, 61), float(rng.uniform(0, 2 * math.pi))
    pose = plan.held[0].pose
    pose.yaw, pose.pitch = tilt * math.cos(turn), tilt * math.sin(turn)
    pose.module_px = max(pose.module_px, 5.0)


def _motion(plan: Plan, severity: int, rng: Rng) -> None:
    camera = plan.camera
    camera.motion = _step(severity, 4, 6.5, 9.5, 13) * float(rng.uniform(0.85, 1.15))
    camera.bend = float(rng.uniform(-0.5, 0.5))


def _defocus(plan: Plan, severity: int, rng: Rng) -> None:
    plan.camera.defocus = _step(severity, 1.8, 2.6, 3.5, 4.5) * float(rng.uniform(0.9, 1.1))


def _dim(camera: Camera, light: float, target: float = 0.6) -> None:
    """Expose by `light` and amplify: fewer electrons, the same brightness."""
    camera.exposure, camera.gain = light, target / light
    camera.full_well, camera.read_noise = 3000.0, 8.0


def _low_light(plan: Plan, severity: int, rng: Rng) -> None:
    _dim(plan.camera, _step(severity, 0.08, 0.035, 0.016, 0.008))
    plan.camera.denoise = bool(rng.random() < 0.5)


def _overexposed(plan: Plan, severity: int, _rng: Rng) -> None:
    plan.held[0].medium, plan.ambient = "phone", plan.ambient * 0.4
    plan.camera.exposure = _step(severity, 1.7, 2.5, 3.5, 4.8)
    plan.camera.bloom = _step(severity, 2, 3, 4, 5.5)


def _jpeg(plan: Plan, severity: int, _rng: Rng) -> None:
    plan.camera.jpeg = int(_step(severity, 40, 22, 12, 6))


def _glare(plan: Plan, severity: int, rng: Rng) -> None:
    camera = plan.camera
    camera.glare, camera.glare_size = _step(severity, 0.35, 0.8, 1.4, 2.2), _step(severity, 0.10, 0.15, 0.19, 0.24)
    camera.glare_seed = int(rng.integers(2**31))


def _moire(plan: Plan, severity: int, rng: Rng) -> None:
    plan.held[0].medium = "phone"
    plan.camera.moire = _step(severity, 0.25, 0.4, 0.6, 0.85)
    _flicker(plan, severity, rng)
    plan.camera.bands *= 0.5


def _flicker(plan: Plan, severity: int, rng: Rng) -> None:
    """PWM dimming of an OLED screen: with a short shutter whole rows fall into its dark phase."""
    plan.held[0].medium = "phone"
    camera = plan.camera
    camera.bands = _step(severity, 0.55, 0.8, 0.92, 0.97)
    camera.band_rows, camera.band_phase = float(rng.uniform(35, 130)), float(rng.uniform(0, 2 * math.pi))
    camera.band_duty = _step(severity, 0.7, 0.6, 0.5, 0.4)


def _low_contrast(plan: Plan, severity: int, rng: Rng) -> None:
    plan.camera.veil = _step(severity, 0.6, 0.8, 0.89, 0.94)
    plan.camera.veil_level = float(rng.uniform(0.3, 0.7))


def _inverted(plan: Plan, severity: int, rng: Rng) -> None:
    plan.held[0].dark = True
    plan.held[0].pose.module_px *= float(rng.uniform(_step(severity, 0.9, 0.75, 0.6, 0.45), 1.0))


def _occluded(plan: Plan, severity: int, _rng: Rng) -> None:
    plan.held[0].surfaces.append(lambda art, rng: artwork.thumb(art, severity, rng))


def _damaged(plan: Plan, severity: int, _rng: Rng) -> None:
    _surface(plan, "paper", lambda art, rng: artwork.damage(art, severity, rng))


def _curved(plan: Plan, severity: int, _rng: Rng) -> None:
    _surface(plan, "paper", lambda art, _: artwork.curl(art, _step(severity, 0.55, 0.8, 1.05, 1.25)))
    plan.held[0].pose.module_px = max(plan.held[0].pose.module_px, 5.5)


def _folded(plan: Plan, severity: int, _rng: Rng) -> None:
    _surface(plan, "paper", lambda art, rng: artwork.fold(art, severity, rng))


def _cracked(plan: Plan, severity: int, _rng: Rng) -> None:
    _surface(plan, "phone", lambda art, rng: artwork.crack(art, severity, rng))


def _privacy(plan: Plan, severity: int, _rng: Rng) -> None:
    _surface(plan, "phone", lambda art, rng: artwork.privacy_film(art, severity, rng))
    plan.camera.exposure = 1.5


def _protector(plan: Plan, severity: int, rng: Rng) -> None:
    _surface(plan, "phone", lambda art, rng: artwork.protector(art, severity, rng))
    plan.camera.moire = _step(severity, 0.15, 0.3, 0.45, 0.6) * float(rng.uniform(0.8, 1.1))


def _skewed(plan: Plan, severity: int, rng: Rng) -> None:
    camera = plan.camera
    camera.skew = _step(severity, 0.10, 0.2, 0.32, 0.45) * float(rng.choice([-1, 1]))
    camera.wobble = _step(severity, 0.8, 1.8, 3.0, 4.5)
    camera.motion, camera.motion_angle = _step(severity, 1.5, 2.5, 3.5, 4.5), float(rng.uniform(-0.3, 0.3))


def _rain(plan: Plan, severity: int, rng: Rng) -> None:
    plan.camera.drops, plan.camera.drop_seed = int(_step(severity, 14, 32, 64, 110)), int(rng.integers(2**31))
    plan.camera.defocus = _step(severity, 0.6, 1.0, 1.3, 1.6)


def _sun(plan: Plan, severity: int, rng: Rng) -> None:
    """The sun stands behind the phone: the camera exposes for the sky, and the lens scatters it over the screen."""
    plan.sun, plan.ambient = _step(severity, 8, 20, 45, 80), float(rng.uniform(1.5, 2.5))
    plan.camera.exposure, plan.camera.flare = (
        _step(severity, 0.45, 0.18, 0.07, 0.03),
        _step(severity, 0.05, 0.1, 0.2, 0.3),
    )
    plan.camera.full_well = 3500.0
    plan.camera.bloom = 6.0


def _multi(plan: Plan, severity: int, rng: Rng) -> None:
    count = int(_step(severity, 2, 2, 3, 3))
    plan.held = []
    for number in range(count):
        medium = str(rng.choice(["phone", "paper"]))
        held = _presented(rng, artwork.payload(rng), medium)
        pose = held.pose
        modules = flat.modules(held.text, "M" if medium == "phone" else "Q").shape[0]
        pose.module_px = _step(severity, 290, 250, 215, 190) / modules
        pose.x, pose.y = (2 * number + 1) / count - 1, float(rng.uniform(-0.3, 0.3))
        plan.held.append(held)


def _combo(plan: Plan, severity: int, rng: Rng) -> None:
    held, camera = plan.held[0], plan.camera
    spread = 15 + 8 * severity
    held.pose.roll, held.pose.yaw, held.pose.pitch = (float(rng.uniform(-v, v)) for v in (40, spread, spread))
    held.pose.module_px *= float(rng.uniform(1 - 0.12 * severity, 1))
    held.dark = bool(rng.random() < 0.25)
    camera.motion, camera.defocus = (
        float(rng.uniform(1, 1.5 + 1.2 * severity)),
        float(rng.uniform(0.4, 0.8 + 0.4 * severity)),
    )
    _dim(camera, _step(severity, 0.4, 0.2, 0.1, 0.06))
    camera.jpeg = int(rng.integers(45, 80))
    if held.medium == "phone":
        camera.moire = 0.1 * severity
    if rng.random() < 0.4:
        _glare(plan, max(1, severity - 1), rng)


CONDITIONS: dict[str, Condition] = {
    "clean": _clean,
    "far": _far,
    "near": _near,
    "rotation": _rotation,
    "perspective": _perspective,
    "motion": _motion,
    "defocus": _defocus,
    "low_light": _low_light,
    "overexposed": _overexposed,
    "jpeg": _jpeg,
    "glare": _glare,
    "moire": _moire,
    "low_contrast": _low_contrast,
    "inverted": _inverted,
    "occluded": _occluded,
    "damaged": _damaged,
    "curved": _curved,
    "multi": _multi,
    "combo": _combo,
    "oled_flicker": _flicker,
    "rolling_shutter": _skewed,
    "rain": _rain,
    "cracked_glass": _cracked,
    "folded_paper": _folded,
    "sun_behind": _sun,
    "privacy_film": _privacy,
    "screen_protector": _protector,
}
"""Every condition, by the name that tables and plots show."""

BURST_CONDITIONS = tuple(name for name in CONDITIONS if name not in {"clean", "multi", "rotation"})
"""Bad conditions of which bursts of video are rendered."""


def plan_of(condition: str, severity: int, rng: Rng) -> Plan:
    """Plan one picture. Raises KeyError for an unknown condition; `severity`: 1..4."""
    plan = ordinary(rng)
    CONDITIONS[condition](plan, severity, rng)
    return plan


_CLOSE_PX = 9.0
"""Modules of this size mean that the pass is held too near, not too far."""


def hasty(plan: Plan, rng: Rng) -> None:
    """Change a plan to how passes are mostly shown: in passing, at arm's length, in the light there happens to be."""
    camera = plan.camera
    for held in plan.held:
        if held.pose.module_px < _CLOSE_PX:
            held.pose.module_px *= float(rng.uniform(0.75, 0.95))
    camera.motion = max(camera.motion, float(rng.uniform(1.5, 4.0)))
    camera.defocus = max(camera.defocus, float(rng.uniform(0.5, 1.6)))
    if camera.gain == 1.0 and camera.exposure >= 1.0 and not plan.sun:
        _dim(camera, float(rng.uniform(0.06, 0.3)), 0.8 * camera.exposure)


def moved(plan: Plan, drift: np.ndarray, frame: int, rng: Rng) -> Plan:
    """The same presentation a thirtieth of a second later per frame: hands drift and tremble, blur and light change.

    `drift`: change per frame of distance (share), yaw, pitch, roll (degrees), x and y, shape (6,).
    """
    step = drift * frame + rng.normal(0, 0.35, 6) * np.abs(drift)
    held = [replace(one, pose=_shifted(one.pose, step)) for one in plan.held]
    camera = replace(plan.camera)
    camera.motion = camera.motion * float(rng.uniform(0.75, 1.2))
    camera.motion_angle += float(rng.normal(0, 0.5))
    camera.defocus *= float(rng.uniform(0.88, 1.12))
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
