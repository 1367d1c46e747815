"""How much of what a lens sees is forehead."""

from __future__ import annotations

import math

import pytest

from station.core.optics import FOREHEAD_MM, LEAST_SHARE, array, single


@pytest.mark.parametrize(("view", "greatest"), [(5, 597), (10, 298), (12, 248), (35, 83), (70, 37), (90, 26)])
def test_greatest_distances(view, greatest):
    """The narrower the lens, the farther one may stand; at that distance the share is the least allowed."""
    optics = single(view)
    assert optics.greatest_mm == pytest.approx(greatest, abs=1)
    assert optics.share(optics.greatest_mm) == pytest.approx(LEAST_SHARE)


def test_share_falls_with_the_distance():
    """All of the signal up close, half where the spot is as large as the forehead, nothing out of reach."""
    optics = single(10)
    even = FOREHEAD_MM / (2 * math.tan(math.radians(5)))
    assert optics.spot_mm(even) == pytest.approx(FOREHEAD_MM)
    assert [optics.share(0), optics.share(even), optics.share(math.inf)] == pytest.approx([1.0, 0.5, 0.0])
    assert optics.share(100) > optics.share(200) > optics.share(400) > 0


def test_an_arrays_face_tells_its_distance():
    """A face fills four times less of the picture at twice the distance; one pixel cannot tell."""
    optics = array(55, 35)
    near, far = optics.distance_mm(0.4), optics.distance_mm(0.1)
    assert near is not None
    assert far == pytest.approx(2 * near)
    assert 290 < near < 400
    assert optics.distance_mm(None) is optics.distance_mm(0.0) is single(10).distance_mm(0.4) is None


def test_the_narrow_array_reaches_farther():
    """Three pixels of the 55 degree array see less than three of the 110 degree one."""
    assert array(55, 35).greatest_mm > 1.9 * array(110, 75).greatest_mm
