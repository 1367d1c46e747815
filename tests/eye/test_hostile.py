"""Hostile codes and pictures: bounded time, no crash, no invented text."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
import segno
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers.decoder.eye import StillReader, StreamReader
from drivers.decoder.eye.symbol import finder_pattern
from tests.eye.pictures import modules, noisy, scene

STILL_S, FRAME_S = 6.0, 2.0
"""Limits for a loaded machine: the reader's own budgets are 2 s and 25 ms before heavy attempts."""


def picture_of(code, scale=4):
    """Draw any symbol segno makes."""
    matrix = np.pad(np.array([list(row) for row in code.matrix], np.uint8), 4)
    return np.kron(np.where(matrix == 1, 20, 235).astype(np.uint8), np.ones((scale, scale), np.uint8))


def timed(read, *given_):
    """Return (codes, seconds of processor time)."""
    begun = time.process_time()
    codes = read(*given_)
    return codes, time.process_time() - begun


HOSTILE = {
    "version 40": lambda: picture_of(segno.make("9" * 7000, version=40, error="l"), 4),
    "4000 characters": lambda: picture_of(segno.make("A/" * 2000, error="l"), 4),
    "micro": lambda: picture_of(segno.make_micro("12345"), 8),
    "structured append": lambda: picture_of(segno.make_sequence("GP1:" * 40, symbol_count=4, error="m")[0], 6),
    "eci": lambda: picture_of(segno.make("水", eci=True, encoding="utf-8", micro=False), 8),
    "kanji": lambda: picture_of(segno.make("点茗", mode="kanji", micro=False), 8),
    "binary with nul": lambda: picture_of(segno.make(b"GP1:\x00\xff\x00", mode="byte", micro=False), 8),
    "finder patterns": lambda: np.tile(
        np.kron(np.pad(255 * (1 - finder_pattern()), 1, constant_values=255), np.ones((3, 3))), (27, 47)
    ).astype(np.uint8)[:720, :1280],
    "checkerboard": lambda: np.tile(np.kron(np.array([[0, 255], [255, 0]]), np.ones((4, 4))), (90, 160)).astype(
        np.uint8
    ),
    "noise": lambda: noisy(scene(), 1, 120),
    "large": lambda: cv2.resize(noisy(scene(), 1, 60), (6000, 4000)),
    "strip": lambda: noisy(np.full((21, 9000), 128, np.uint8), 1, 60),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_stills_take_bounded_time(name):
    """Every hostile picture is read, or not, within the budget."""
    _, seconds = timed(StillReader().read, HOSTILE[name]())
    assert seconds < STILL_S


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "large"])
def test_frames_take_bounded_time(name):
    """Every frame of a hostile video is bounded, heavy attempts included."""
    reader, picture = StreamReader(), HOSTILE[name]()
    worst = max(timed(reader.read, picture, lambda _: False)[1] for _ in range(4))
    assert worst < FRAME_S


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("version 40", "9" * 7000),
        ("4000 characters", "A/" * 2000),
        ("micro", "12345"),
        ("structured append", None),
        ("eci", "水"),
        ("kanji", "点茗"),
        ("binary with nul", "GP1:\x00ÿ\x00"),
    ],
)
def test_odd_but_lawful_codes_are_read(name, text):
    """They are codes like others: read, typed, not validated."""
    codes = StillReader().read(HOSTILE[name]())
    assert len(codes) == 1
    assert not codes[0].validated
    if text is not None:
        assert codes[0].text == text


@pytest.mark.parametrize("name", ["finder patterns", "checkerboard", "noise", "large", "strip"])
def test_textures_hold_no_text(name):
    """Nothing is read where nothing is."""
    assert StillReader().read(HOSTILE[name]()) == []


@given(arrays(np.uint8, st.tuples(st.integers(0, 80), st.integers(0, 80))))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_small_picture_is_survived(picture):
    """No picture raises."""
    assert StillReader().read(picture) == []
    assert StreamReader().read(picture, lambda _: True) == []


def test_a_damaged_symbol_of_nonsense_gives_no_text():
    """A symbol whose data modules are random fits no code word."""
    matrix, version = modules("1", version=5)
    rng = np.random.default_rng(1)
    size = len(matrix)
    matrix[9 : size - 9, 9 : size - 9] = rng.integers(0, 2, (size - 18, size - 18))
    matrix[9 : size - 9, 0:6] = rng.integers(0, 2, (size - 18, 6))
    assert version == 5
    picture = np.kron(np.where(np.pad(matrix, 4) == 1, 20, 235).astype(np.uint8), np.ones((5, 5), np.uint8))
    assert StillReader().read(scene((picture, 300, 200))) == []
