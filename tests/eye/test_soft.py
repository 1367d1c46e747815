"""The soft receiver reads what was located but could not be corrected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.decoder.eye.soft import combine, decode, likely_formats, receive
from drivers.decoder.zxing import Located, scan
from tests.eye.pictures import TEXT, drawn, noisy, place_of, scene, smeared


def text_of(symbol):
    """What a look says, None where it says nothing."""
    content = decode(symbol) if symbol else None
    return content.text if content else None


@pytest.mark.parametrize("level", ["l", "m", "q"])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_clear_symbol_is_read(level, inverted):
    """Every level, dark on light and light on dark."""
    picture, version = drawn(level=level)
    frame = scene((picture, 300, 200))
    symbol = receive(255 - frame if inverted else frame, place_of(version, 300, 200))
    assert text_of(symbol) == TEXT
    assert symbol.inverted == inverted
    assert likely_formats(symbol)[0][0] == level.upper()


def test_it_reads_a_smear_that_zxing_cannot():
    """A movement of nearly two modules is undone by the equaliser."""
    picture, version = drawn(scale=5)
    frame = noisy(smeared(scene((picture, 300, 200)), 9), 1, 3)
    assert not scan(frame).codes
    assert text_of(receive(frame, place_of(version, 300, 200, scale=5))) == TEXT


def test_looks_add_up():
    """Frames each too noisy to read are read together; a single one is not."""
    picture, version = drawn(dark=110, light=150)
    place = place_of(version, 300, 200)
    looks = [receive(noisy(scene((picture, 300, 200)), seed, 50), place) for seed in range(8)]
    looks = [look for look in looks if look]
    assert len(looks) >= 6
    assert text_of(looks[0]) is None
    assert text_of(combine(looks)) == TEXT


@pytest.mark.parametrize("version", [0, 26, 40])
def test_versions_out_of_range_are_left_alone(version):
    """Unknown versions and those too large for a gate cost nothing."""
    assert receive(scene(), Located(place_of(5, 300, 200).quad, version)) is None


@given(
    st.lists(st.tuples(st.floats(-2000, 3000), st.floats(-2000, 3000)), min_size=4, max_size=4),
    st.integers(1, 25),
)
@settings(max_examples=60, deadline=None)
def test_any_corners_are_survived(corners, version):
    """Folded, minute, gigantic or outside the picture: a look or none, never an error, never a text."""
    frame = noisy(scene(), 3, 30)
    assert text_of(receive(frame, Located(np.array(corners), version))) is None


def test_noise_never_becomes_a_text():
    """Correlation, spare check symbols and padding together refuse what is no symbol."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        frame = rng.integers(0, 256, (300, 300)).astype(np.uint8)
        assert text_of(receive(frame, place_of(int(rng.integers(1, 8)), 20, 20))) is None
