"""What to do for better pictures, from what was measured in one. Pure; the words are for the technician at the gate."""

from __future__ import annotations

from dataclasses import dataclass

from station.core.model import Text

BRIGHTEST_GRAY, CLIPPED_SHARE = 245.0, 0.25
"""Light modules above, or more of them clipped: the screen is burnt out and bleeds over the dark modules."""

DARKEST_GRAY = 90.0
"""Light modules below: noise comes near the contrast."""

DARKEST_MEAN, BRIGHTEST_SHARE = 35.0, 0.3
"""The same for a picture without a code: its mean, and its clipped share."""

LARGEST_SHARE, ROOMY_SHARE, WANTED_SHARE = 0.75, 0.65, 0.5
"""Of the picture's height a code's side may take: beyond the first, a hand's movement carries it out of view; up to the
second, people may be sent nearer; the third is where they are sent from too near."""

SMALLEST_MODULE_PX, WANTED_MODULE_PX = 3.5, 5.0
"""Measured with the twin: below the first, readers begin to fail on blurred or noisy pictures."""

BLURRED_SHARE, BLURRED_PX = 0.25, 1.5
"""Blur (standard deviation) relative to a module, and in pixels. From a share of 0.3 on, readers begin to fail."""

FAINTEST_CONTRAST = 60.0
"""Between dark and light modules, gray levels. A fingerprint on the lens spreads light over the dark ones."""

CODE_CM = 5.0
"""A code's side on a phone or card, for turning pixels into distance."""

FOCAL_SHARE = 0.83
"""Focal length by picture width: 62 degrees across, as the Raspberry Pi's camera and most USB cameras have."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One picture: size in pixels, gray levels 0 to 255, shares 0 to 1; None where no code is in view to measure it."""

    width: int
    height: int
    mean: float
    saturated: float
    light: float | None = None
    contrast: float | None = None
    module_px: float | None = None
    side_px: float | None = None
    blur_px: float | None = None
    whole: bool = True
    """The code lies clear of the picture's border."""


HOLD_A_PASS: Text = {"zh": "请在镜头前出示通行码", "en": "hold a pass before the camera"}
LOWER_EXPOSURE: Text = {"zh": "请降低曝光", "en": "lower exposure"}
MORE_LIGHT: Text = {"zh": "请增加光线", "en": "more light"}
CENTRE: Text = {"zh": "请移到画面中央", "en": "move to the middle of the picture"}
BLURRED: Text = {"zh": "请保持不动，检查对焦，清洁镜头", "en": "hold still; check the focus; clean the lens"}
CLEAN_THE_LENS: Text = {"zh": "请清洁镜头", "en": "clean the lens"}
GOOD: Text = {"zh": "很好", "en": "good"}


def advise(seen: Measured) -> tuple[Text, ...]:
    """Return what to do, most urgent first; GOOD alone where nothing is to be done."""
    if seen.side_px is None:
        return _without_code(seen)
    light = seen.light if seen.light is not None else seen.mean
    advice: list[Text] = []
    if seen.saturated > CLIPPED_SHARE or light > BRIGHTEST_GRAY:
        advice.append(LOWER_EXPOSURE)
    elif light < DARKEST_GRAY:
        advice.append(MORE_LIGHT)
    advice += _distance(seen, seen.side_px)
    if _is_blurred(seen):
        advice.append(BLURRED)
    elif not advice and seen.contrast is not None and seen.contrast < FAINTEST_CONTRAST:
        advice.append(CLEAN_THE_LENS)
    return tuple(advice) or (GOOD,)


def _without_code(seen: Measured) -> tuple[Text, ...]:
    if seen.saturated > BRIGHTEST_SHARE:
        return LOWER_EXPOSURE, HOLD_A_PASS
    if seen.mean < DARKEST_MEAN:
        return MORE_LIGHT, HOLD_A_PASS
    return (HOLD_A_PASS,)


def _distance(seen: Measured, side_px: float) -> list[Text]:
    """Farther where the code fills the picture, nearer where its modules are too small, or just aside."""
    roomy = ROOMY_SHARE * seen.height
    fine = min(side_px * WANTED_MODULE_PX / seen.module_px, roomy) if seen.module_px else 0.0
    if side_px > LARGEST_SHARE * seen.height:
        away = _centimetres(seen, max(fine, WANTED_SHARE * seen.height)) - _centimetres(seen, side_px)
        return [_farther(max(1, round(away)))]
    if not seen.whole:
        return [CENTRE]
    if seen.module_px is not None and seen.module_px < SMALLEST_MODULE_PX and fine > side_px:
        away = _centimetres(seen, side_px) - _centimetres(seen, fine)
        return [_nearer(round(away))] if away >= 1 else []
    return []


def _centimetres(seen: Measured, side_px: float) -> float:
    """At which distance the code's side takes so many pixels."""
    return FOCAL_SHARE * seen.width * CODE_CM / side_px


def _farther(centimetres: int) -> Text:
    return {"zh": f"请再远 {centimetres} 厘米", "en": f"hold {centimetres} cm farther"}


def _nearer(centimetres: int) -> Text:
    return {"zh": f"请再近 {centimetres} 厘米", "en": f"hold {centimetres} cm nearer"}


def _is_blurred(seen: Measured) -> bool:
    if seen.blur_px is None or seen.module_px is None or seen.module_px <= 0:
        return False
    return seen.blur_px > BLURRED_PX and seen.blur_px / seen.module_px > BLURRED_SHARE
