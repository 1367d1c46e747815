"""The still reader: one picture, all effort."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from drivers.decoder.eye import StillReader
from drivers.decoder.zxing import ZxingDecoder
from tests.eye.pictures import SIZE, TEXT, drawn, noisy, place_of, scene, smeared


@pytest.fixture(scope="module")
def reader():
    """One reader for all tests: it keeps nothing between pictures."""
    return StillReader()


def texts(codes):
    """Texts of codes, sorted."""
    return sorted(code.text for code in codes)


def test_a_clear_code_is_read_with_its_place(reader):
    """Text, bytes, corners within two pixels, and the cheapest stage."""
    picture, version = drawn()
    (code,) = reader.read(scene((picture, 300, 200)))
    assert (code.text, code.raw, code.stage, code.validated) == (TEXT, TEXT.encode(), "global", False)
    assert np.abs(np.array(code.quad) - place_of(version, 300, 200).quad).max() <= 2


def test_all_codes_are_returned(reader):
    """Three symbols, one of them light on dark."""
    symbols = [drawn(f"GP1:NUMBER {number}" * 3)[0] for number in range(3)]
    symbols[1] = 255 - symbols[1]
    frame = scene(*((picture, 60 + 380 * number, 200) for number, picture in enumerate(symbols)))
    assert texts(reader.read(frame)) == [f"GP1:NUMBER {number}" * 3 for number in range(3)]


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 200])
@pytest.mark.parametrize("inverted", [False, True])
def test_any_rotation_and_dark_mode(reader, angle, inverted):
    """Direction and polarity do not matter."""
    frame = scene((drawn()[0], 480, 210))
    turn = cv2.getRotationMatrix2D((640, 360), angle, 1.0)
    turned = cv2.warpAffine(frame, turn, SIZE[::-1], borderMode=cv2.BORDER_REPLICATE)
    assert texts(reader.read(255 - turned if inverted else turned)) == [TEXT]


@pytest.mark.parametrize("corner", ["top left", "top right", "bottom left"])
def test_a_covered_finder_pattern(reader, corner):
    """A thumb over one finder pattern: zxing-cpp needs all three, two and the timing between them are enough."""
    picture, version = drawn(level="q", scale=5)
    frame = scene((picture, 400, 100))
    quad = place_of(version, 400, 100, scale=5).quad
    x, y = quad[{"top left": 0, "top right": 1, "bottom left": 3}[corner]].astype(int)
    cv2.circle(frame, (x, y), 48, 90, -1)
    assert not ZxingDecoder().read(frame)
    (code,) = reader.read(frame)
    assert code.text == TEXT
    assert np.abs(np.array(code.quad) - quad).max() < 8


def test_a_smeared_code_that_nobody_locates(reader):
    """Movement and noise together: own search and equaliser."""
    frame = noisy(smeared(scene((drawn(scale=5)[0], 400, 100)), 9), 1, 3)
    assert not ZxingDecoder().read(frame)
    assert texts(reader.read(frame)) == [TEXT]


def test_the_budget_ends_the_effort():
    """After the budget no further stage begins."""
    moments = iter(range(1000))
    reader = StillReader(budget_s=3, clock=lambda: float(next(moments)))
    reader.read(noisy(scene(), 1, 10))
    assert next(moments) <= 6


def test_empty_scenes_hold_nothing(reader):
    """Plain, noisy and striped pictures."""
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 4), (720, 160))
    for frame in (scene(), noisy(scene(), 2, 40), stripes):
        assert reader.read(frame) == []
