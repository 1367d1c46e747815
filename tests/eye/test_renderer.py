"""The rendered pictures: the same from the same seed, readable where they should be, moving where they should move."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from drivers.twins.optics import HEIGHT, WIDTH
from tests.eye import conditions, peers, renderer
from tests.eye.measure import found

SEED = 4


@pytest.fixture(scope="module")
def readers() -> dict[str, peers.Read]:
    """Peers of this machine, fastest first."""
    return peers.peers()[0]


def _fingerprints(seed: int) -> list[int]:
    shown = [renderer.still(seed, name, 3) for name in ("clean", "rain", "cracked_glass", "combo")]
    shown += [renderer.empty(seed, 2), *list(renderer.burst(seed, 5))[:3]]
    return [zlib.crc32(picture.gray.tobytes()) for picture in shown]


def test_pictures_depend_on_seed_condition_and_index_alone() -> None:
    """Rendering again, after other pictures, gives the same bytes; another seed gives others everywhere."""
    first = _fingerprints(SEED)
    renderer.still(SEED + 7, "glare", 1)
    assert _fingerprints(SEED) == first
    assert not set(first) & set(_fingerprints(SEED + 1))


@pytest.mark.parametrize("condition", conditions.CONDITIONS)
def test_mild_pictures_of_every_condition_can_be_read(condition: str, readers: dict[str, peers.Read]) -> None:
    """Severity 1 is an everyday nuisance: of three such pictures at least one peer reads one."""
    pictures = [renderer.still(SEED, condition, index) for index in (0, 4, 8)]
    assert {picture.severity for picture in pictures} == {1}
    assert any(found(read(shown.gray), shown.texts) for shown in pictures for read in readers.values())


@pytest.mark.parametrize("condition", conditions.CONDITIONS)
def test_severities_differ_and_keep_the_format(condition: str) -> None:
    """Every condition renders at every severity as 1280 x 720 gray, with the corners of each code in the picture."""
    for index in range(renderer.SEVERITIES):
        picture = renderer.still(SEED, condition, index)
        assert picture.gray.shape == (HEIGHT, WIDTH)
        assert picture.gray.dtype == np.uint8
        assert picture.severity == index + 1
        assert len(picture.quads) == len(picture.texts) >= 1
        corners = np.array(picture.quads)
        assert corners.min() > -80
        assert corners[..., 0].max() < WIDTH + 80
        assert corners[..., 1].max() < HEIGHT + 80


def test_conditions_grow_worse() -> None:
    """Severity 4 hides more than severity 1: the fastest peer reads clearly fewer of those pictures."""
    read = peers.zxing()
    counts = [0, 0]
    for name in conditions.CONDITIONS:
        for place, index in enumerate((0, 3)):
            picture = renderer.still(SEED, name, index)
            counts[place] += found(read(picture.gray), picture.texts[:1])
    assert counts[0] >= 0.8 * len(conditions.CONDITIONS)
    assert counts[1] <= 0.7 * counts[0]


def test_the_pass_moves_through_a_burst() -> None:
    """Ten frames show one text at ten places, a little further on each time, never a jump."""
    for index in range(0, 12, 4):
        frames = list(renderer.burst(SEED, index))
        assert len(frames) == renderer.BURST_FRAMES
        assert len({frame.texts for frame in frames}) == 1
        corners = np.array([frame.quads[0] for frame in frames])
        steps = np.abs(np.diff(corners, axis=0)).max(axis=(1, 2))
        assert (steps > 0.05).all()
        assert steps.max() < 90
        assert len({frame.gray.tobytes() for frame in frames}) == renderer.BURST_FRAMES


def test_texts_are_known_without_rendering() -> None:
    """The bench learns the texts of a set from its plan: they are those in the pictures."""
    assert renderer.texts_of_still(SEED, "multi", 2) == renderer.still(SEED, "multi", 2).texts
    assert renderer.texts_of_burst(SEED, 9) == next(renderer.burst(SEED, 9)).texts


def test_bursts_cover_every_bad_condition_at_every_severity() -> None:
    """As many bursts as the bench shows contain each condition at severities 3 and 4."""
    count = 2 * len(conditions.BURST_CONDITIONS)
    shown = {(renderer._condition_of_burst(index), renderer._severity_of_burst(index)) for index in range(count)}
    assert shown == {(name, severity) for name in conditions.BURST_CONDITIONS for severity in (3, 4)}


def test_empty_frames_hold_nothing_to_read(readers: dict[str, peers.Read]) -> None:
    """No peer reads anything on frames without codes, and each frame differs from the others."""
    frames = [renderer.empty(SEED, index) for index in range(12)]
    assert len({frame.gray.tobytes() for frame in frames}) == 12
    for frame in frames:
        assert not frame.texts
        assert not any(read(frame.gray) for name, read in readers.items() if name in {peers.ZXING, peers.ZBAR})


def test_payloads_look_like_passes() -> None:
    """Texts are EP1 with 150 to 320 characters of Base45 behind the prefix, or short ones; all differ."""
    texts = [renderer.texts_of_still(SEED, "clean", index)[0] for index in range(60)]
    assert len(set(texts)) == len(texts)
    long = [text for text in texts if text.startswith("EP1:")]
    assert 0.4 < len(long) / len(texts) < 1
    assert all(150 <= len(text) - 4 <= 320 for text in long)
