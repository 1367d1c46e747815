"""What can be wrong with a picture at a gate, as a table: each condition changes the plan of an ordinary presentation.

Severity 1 is an everyday nuisance, 4 is what even the best reader often fails at.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from drivers.twins import artwork as flat
from tests.eye import artwork
from tests.eye.presentation import Plan, Surface, dim, ordinary, presented

Rng = np.random.Generator
Condition = Callable[[Plan, int, Rng], None]


def _step(severity: int, *values: float) -> float:
    return values[severity - 1]


def _surface(plan: Plan, medium: str, surface: Surface) -> None:
    plan.held[0].medium = medium
    plan.held[0].surfaces.append(surface)


def _clean(_plan: Plan, _severity: int, _rng: Rng) -> None:
    pass


def _far(plan: Plan, severity: int, rng: Rng) -> None:
    plan.held[0].pose.module_px = _step(severity, 3.2, 2.6, 2.15, 1.85) * float(rng.uniform(0.95, 1.05))
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


def _low_light(plan: Plan, severity: int, rng: Rng) -> None:
    dim(plan.camera, _step(severity, 0.08, 0.035, 0.018, 0.010))
    plan.camera.denoise = bool(rng.random() < 0.5)


def _overexposed(plan: Plan, severity: int, _rng: Rng) -> None:
    plan.held[0].medium, plan.ambient = "phone", plan.ambient * 0.4
    plan.camera.exposure = _step(severity, 1.7, 2.5, 3.5, 4.8)
    plan.camera.bloom = _step(severity, 2, 3, 4, 5.5)


def _jpeg(plan: Plan, severity: int, _rng: Rng) -> None:
    plan.camera.jpeg = int(_step(severity, 40, 22, 12, 6))


def _glare(plan: Plan, severity: int, rng: Rng) -> None:
    camera = plan.camera
    camera.glare, camera.glare_size = _step(severity, 0.35, 0.8, 1.4, 2.2), _step(severity, 0.12, 0.17, 0.23, 0.30)
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
    _surface(plan, "paper", lambda art, _: artwork.curl(art, _step(severity, 0.5, 0.7, 0.9, 1.1)))
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
        held = presented(rng, artwork.payload(rng), medium)
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
    dim(camera, _step(severity, 0.4, 0.2, 0.1, 0.06))
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

_STEADY = {"clean", "multi", "rotation", "jpeg", "overexposed", "inverted"}

BURST_CONDITIONS = tuple(name for name in CONDITIONS if name not in _STEADY)
"""Bad conditions of which bursts of video are rendered: those in which one frame may succeed where another fails."""


def plan_of(condition: str, severity: int, rng: Rng) -> Plan:
    """Plan one picture. Raises KeyError for an unknown condition; `severity`: 1..4."""
    plan = ordinary(rng)
    CONDITIONS[condition](plan, severity, rng)
    return plan
