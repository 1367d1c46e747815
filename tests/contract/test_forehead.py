"""Whom the thermal picture shows: the share of a face, and its forehead in spite of masks, lamps, noise and lenses."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from drivers.mlx90640 import forehead
from drivers.twins import heat


def seen(**scene: Any) -> forehead.Seen:
    """Look at a scene without a sensor between."""
    return forehead.find(heat.picture({"object_c": 35.2, "ambient_c": 24.0} | scene))


@pytest.mark.parametrize("fill", [0.05, 0.1, 0.25, 0.5, 0.7])
def test_fill_is_the_share_of_the_face(fill: float) -> None:
    """The reported share is that of the face, a little less since hair-thin rims do not count."""
    found = seen(fill=fill)
    # A large face reaches out of the picture: its share is what it radiates more than the room.
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0, "fill": fill})
    share = float(((picture + 273.15) ** 4 - 289.15**4).mean() / (308.35**4 - 289.15**4))
    assert found.fill == pytest.approx(share, abs=0.03)
    assert found.celsius == pytest.approx(35.2, abs=0.05)


@pytest.mark.parametrize(
    "scene",
    [
        {"mask_c": 32.0},  # colder below
        {"mask_c": 36.6},  # breath behind the mask
        {"lamp_c": 80.0},
        {"ambient_c": 5.0},
        {"room_c": 32.0},
        {"x": 0.15, "y": 0.4},
        {"fill": 0.02},
    ],
)
def test_forehead_is_found(scene: dict[str, Any]) -> None:
    """Masks, lamps, cold and hot rooms, and faces at the rim or far away do not change what the forehead measures."""
    assert seen(**scene).celsius == pytest.approx(35.2, abs=0.25)


@pytest.mark.parametrize("fill", [0.1, 0.25])
def test_rim_of_soft_optics_does_not_count(fill: float) -> None:
    """A lens that smears a face over the next pixels does not make its forehead colder."""
    sharp = heat.picture({"object_c": 35.2, "ambient_c": 24.0, "fill": fill})
    assert forehead.find(cv2.GaussianBlur(sharp, (0, 0), 1.0)).celsius == pytest.approx(35.2, abs=0.15)


def test_clothes_are_no_face() -> None:
    """What is colder than skin by more than a forehead varies does not count to the share."""
    bare, dressed = seen().fill, seen(mask_c=29.0).fill
    assert bare is not None
    assert dressed == pytest.approx(bare / 2, rel=0.15)


def test_somebody_farther_away_does_not_count() -> None:
    """Of two faces the warmer one is measured, and its share is its own."""
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0, "fill": 0.1, "x": 0.3})
    alone = forehead.find(picture)
    picture[3:9, 24:29] = 34.0
    assert forehead.find(picture) == alone


def test_speck_is_no_face() -> None:
    """A single wrong pixel is not taken for the hottest thing in view, and does not move the forehead."""
    picture = heat.picture({"object_c": 35.2, "ambient_c": 24.0})
    for row, column in ((2, 2), (9, 16)):
        picture[row, column] = 44.0
    assert forehead.find(picture).celsius == pytest.approx(35.2, abs=0.05)


def test_empty_view_has_no_fill() -> None:
    """Where nothing stands out the share is unknown and the value is the wall's; a lamp alone changes nothing."""
    for scene in ({}, {"lamp_c": 70.0}):
        found = forehead.find(heat.picture({"object_c": 16.0, "ambient_c": 24.0} | scene))
        assert found.fill is None
        assert found.celsius == pytest.approx(16.0, abs=0.1)
    glowing = forehead.find(np.full((24, 32), 90.0))
    assert glowing == forehead.Seen(90.0, None)
