"""The exposure controller: bounded, damped, never swinging; the automatic returns when nothing is to be metered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.exposure import (
    FALLBACK_S,
    FIRST_REST_S,
    HIGHEST_GRAY,
    LONGEST_REST_S,
    LOWEST_GRAY,
    MOST_DOWN,
    MOST_UP,
    SEARCH_S,
    SETTLE_S,
    Exposure,
    Governor,
    Limits,
    Metering,
    is_burnt_screen,
    meter,
    next_exposure,
)
from drivers.twins.scene import Scene, render
from station.ports import Gray

LIMITS = Limits(max_gain=8.0)
RIGHT = Metering(165.0, 0.0)
BURNT = Metering(255.0, 1.0)
STEP_S = SETTLE_S + 0.01


def sensor(exposure: Exposure, light: float, gamma: float) -> Metering:
    """Return what a camera with this gamma measures; it clips at exposure times `light` = 1."""
    level = (exposure.total * light) ** (1 / gamma)
    return Metering(min(255.0, 255.0 * level), float(level >= 250 / 255))


exposures = st.builds(Exposure, st.floats(1, 100_000), st.floats(1, 16))
meterings = st.builds(Metering, st.floats(0, 255), st.floats(0, 1))


@given(now=exposures, seen=meterings)
def test_a_step_is_bounded(now: Exposure, seen: Metering) -> None:
    """Whatever is measured, the next exposure lies within the limits or is the present one, and steps are limited."""
    after = next_exposure(now, seen, LIMITS)
    if after is now:
        return
    assert LIMITS.min_us <= after.time_us <= LIMITS.max_us
    assert 1 <= after.gain <= LIMITS.max_gain
    within = min(max(now.total, LIMITS.min_us), LIMITS.max_us * LIMITS.max_gain)
    assert MOST_DOWN - 1e-6 <= after.total / within <= MOST_UP + 1e-6


@given(
    start=st.floats(LIMITS.min_us, LIMITS.max_us * LIMITS.max_gain),
    light=st.floats(math.log(1e-5), math.log(1e-2)).map(math.exp),
    gamma=st.floats(1.0, 2.6),
)
def test_it_settles_without_swinging(start: float, light: float, gamma: float) -> None:
    """For every camera between linear and strong gamma and every light, the exposure goes one way and then rests."""
    rows = [LIMITS.split(start)]
    for _ in range(30):
        rows.append(next_exposure(rows[-1], sensor(rows[-1], light, gamma), LIMITS))
    signs = np.sign(np.round(np.diff([math.log(row.total) for row in rows]), 9))
    moves = [sign for sign in signs if sign]
    assert len(set(moves)) <= 1, "it turned round"
    assert signs[-1] == 0, "it never rests"
    seen = sensor(rows[-1], light, gamma)
    at_limit = rows[-1].total <= LIMITS.min_us * 1.001 or rows[-1].total >= LIMITS.max_us * LIMITS.max_gain * 0.999
    assert at_limit or LOWEST_GRAY - 0.01 <= seen.light <= HIGHEST_GRAY + 0.01


def test_amplification_comes_after_time() -> None:
    """A dark code gets the longest steady exposure first, and gain only beyond; light takes gain away first."""
    assert LIMITS.split(5_000) == Exposure(5_000, 1)
    assert LIMITS.split(20_000) == Exposure(10_000, 2)
    assert LIMITS.split(1e9) == Exposure(10_000, 8)
    assert LIMITS.split(0) == LIMITS.split(math.nan) == Exposure(300, 1)


def code_picture(**scene: object) -> tuple[Gray, list[tuple[float, float]]]:
    """Return a rendered pass and the corners of its code."""
    gray = render(Scene.parse({"codes": [{"text": "EP1:" + "X" * 60, "size": 0.5, **scene}], "noise": 0}), 0)
    return gray, [(460, 180), (820, 180), (820, 540), (460, 540)]


@pytest.mark.parametrize("dark", [False, True])
def test_light_modules_are_metered_in_both_modes(dark: bool) -> None:
    """The light modules' gray comes out, not a mean with the dark ones, in dark mode as well."""
    gray, quad = code_picture(dark=dark)
    seen = meter(gray, quad)
    assert seen is not None
    assert abs(seen.light - float(np.percentile(gray[200:520, 480:800], 90))) < 12
    assert seen.saturated == 0
    white = meter(np.where(gray > 128, 255, 20).astype(np.uint8), quad)
    assert white == Metering(255.0, 1.0)


@given(
    quad=st.lists(st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 2), min_size=0, max_size=5),
)
def test_any_corners_are_taken(quad: list[tuple[float, float]]) -> None:
    """Corners outside the picture, crossed, not finite or too few give a metering or none, never an error."""
    seen = meter(np.full((90, 160), 77, np.uint8), quad)
    assert seen is None or seen == Metering(77.0, 0.0)


def test_only_a_screen_at_night_is_a_burnt_screen() -> None:
    """A clipped patch of a phone's size in the dark is one; a lamp, a white sky and a lit gate are none."""
    night = np.full((720, 1280), 12, np.uint8)
    phone, lamp, sky = night.copy(), night.copy(), night.copy()
    phone[200:560, 500:800] = 255
    lamp[100:180, 100:180] = 255
    sky[:400] = 255
    dusk = np.where(phone == 255, 255, 110).astype(np.uint8)
    assert [is_burnt_screen(one) for one in (phone, lamp, sky, dusk, night)] == [True, False, False, False, False]


def test_a_right_exposure_stays_the_cameras_own() -> None:
    """While the automatic exposes the code well, it is left alone."""
    governor = Governor(LIMITS)
    for n in range(20):
        governor.code(RIGHT, Exposure(8_000), n * STEP_S)
    assert governor.wanted is None


def test_an_unknown_exposure_is_left_alone() -> None:
    """From an exposure that the camera does not tell, no other can follow."""
    governor = Governor(LIMITS)
    governor.code(BURNT, None, 0.0)
    assert governor.wanted is None


def test_a_change_is_given_time() -> None:
    """Pictures that still show the exposure before do not count twice."""
    governor = Governor(LIMITS)
    governor.code(BURNT, Exposure(10_000), 0.0)
    first = governor.wanted
    governor.code(BURNT, Exposure(10_000), SETTLE_S / 2)
    assert governor.wanted == first == Exposure(6_000)
    governor.code(BURNT, Exposure(10_000), STEP_S)
    assert governor.wanted == Exposure(3_600)


def test_without_a_code_the_automatic_returns() -> None:
    """The metered exposure outlives a short gap and ends with a long one."""
    governor = Governor(LIMITS)
    governor.code(BURNT, Exposure(10_000), 0.0)
    governor.nothing(FALLBACK_S - 0.1)
    assert governor.wanted is not None
    governor.nothing(FALLBACK_S)
    assert governor.wanted is None


def attempts(governor: Governor, seconds: float) -> list[float]:
    """Show a burnt patch for so long, ten pictures a second; return when each attempt began."""
    began, active = [], False
    for n in range(int(seconds * 10)):
        governor.burnt_screen(Exposure(10_000), n / 10)
        if governor.wanted is not None and not active:
            began.append(n / 10)
        active = governor.wanted is not None
    return began


def test_a_lamp_is_hunted_ever_more_rarely() -> None:
    """A patch in which no code appears is darkened for SEARCH_S, then after pauses that double up to a limit."""
    began = attempts(Governor(LIMITS), 150)
    pauses = np.diff(began) - SEARCH_S
    assert began[0] == 0
    wanted = [min(FIRST_REST_S * 2**n, LONGEST_REST_S) for n in range(len(pauses))]
    assert len(pauses) >= 5
    assert pauses == pytest.approx(wanted, abs=0.5)


def test_a_patch_that_dims_without_a_code_counts_as_a_failure() -> None:
    """Where darkening ends the clipping and still nothing is read, the next attempt waits too."""
    governor = Governor(LIMITS)
    governor.burnt_screen(Exposure(10_000), 0.0)
    governor.nothing(FALLBACK_S)
    assert governor.wanted is None
    governor.burnt_screen(Exposure(10_000), FALLBACK_S + FIRST_REST_S - 0.1)
    assert governor.wanted is None
    governor.burnt_screen(Exposure(10_000), FALLBACK_S + FIRST_REST_S + 0.1)
    assert governor.wanted is not None


def test_a_code_ends_the_search_and_its_pauses() -> None:
    """After a code was read the next burnt screen is darkened at once again."""
    governor = Governor(LIMITS)
    attempts(governor, 60)
    governor.code(RIGHT, Exposure(10_000), 60.0)
    governor.nothing(60.0 + FALLBACK_S)
    governor.burnt_screen(Exposure(10_000), 66.0)
    assert governor.wanted is not None


def test_a_changed_exposure_is_due_for_a_look() -> None:
    """Once a change has had its time the next picture is worth a look, once, even if nothing in it moves."""
    governor = Governor(LIMITS)
    assert not governor.is_due(0.0)
    governor.code(BURNT, Exposure(10_000), 0.0)
    assert not governor.is_due(SETTLE_S / 2)
    governor.code(BURNT, Exposure(10_000), SETTLE_S / 2)
    assert governor.is_due(STEP_S)
    governor.code(RIGHT, Exposure(6_000), STEP_S)
    assert not governor.is_due(2 * STEP_S)
