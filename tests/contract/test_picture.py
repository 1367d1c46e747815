"""The region of the picture that is read, and how a picture is judged for tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from drivers.camera.quality import Quality, assess
from drivers.camera.region import cut
from drivers.decoder.zxing import ZxingDecoder
from drivers.twins.scene import Scene, render
from station.device_config import CameraConfig
from station.ports import DecodedCode, Frame
from tests.contract.camera_standins import Watched, config


def test_region_is_cut_and_corners_are_of_the_whole_picture(tmp_path: Path) -> None:
    """Only the region is decoded; what is read there has the corners it has in the whole picture."""
    scene = {"codes": [{"text": "EP1:LEFT", "size": 0.3, "x": -0.9}, {"text": "EP1:RIGHT", "size": 0.3, "x": 0.9}]}
    gray = render(Scene.parse(scene), 0)
    cv2.imwrite(str(tmp_path / "gate.png"), gray)
    whole = {code.text: code.quad for code in ZxingDecoder().read(gray)}
    watched = Watched(config(f"dir:{tmp_path}", region=(0.5, 0.1, 0.5, 0.8), max_age_ms=5000))
    watched.reader.start()
    try:
        watched.wait(lambda: bool(watched.sightings), "a sighting")
    finally:
        watched.reader.stop()
    assert [code.text for code in watched.sightings[0].codes] == ["EP1:RIGHT"]
    assert np.allclose(watched.sightings[0].codes[0].quad, whole["EP1:RIGHT"], atol=1.5)
    newest = watched.reader.gauges.newest
    assert newest is not None
    assert newest.frame.gray.shape == (576, 640)
    assert newest.whole == (720, 1280)


@pytest.mark.parametrize("region", [[0, 0, 1, 1], [0.9, 0.9, 0.1, 0.1], [0.3, 0, 0.33, 1]])
def test_any_region_leaves_a_picture(region: list[float]) -> None:
    """Every region that the configuration takes leaves at least a pixel of the smallest picture, with its age."""
    settings = msgspec.convert({"source": "dir:x", "region": region}, CameraConfig)
    for shape in ((1, 1), (120, 160), (721, 1283)):
        inside = cut(Frame(np.zeros(shape, np.uint8), 17), settings.region)
        assert inside.frame.gray.size >= 1
        assert inside.frame.captured_ns == 17
        assert inside.whole == shape


@pytest.mark.parametrize("region", [[0.5, 0, 0.6, 1], [0, 0.5, 1, 0.6], [-0.1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1]])
def test_a_region_outside_the_picture_is_refused(region: list[float]) -> None:
    """A region that reaches out of the picture or is none is a mistake of the configuration."""
    with pytest.raises(msgspec.ValidationError, match=r"region|\$"):
        msgspec.convert({"source": "dir:x", "region": region}, CameraConfig)


def test_quality_follows_blur_exposure_and_distance() -> None:
    """Of the same pass: module size as rendered, blur and clipping rise, sharpness and contrast fall as they should."""

    def seen(**scene: Any) -> Quality:
        code = {"text": "EP1:" + "X" * 60, "size": scene.pop("size", 0.5)}
        gray = render(Scene.parse({"codes": [code], **scene}), 0)
        return assess(gray, ZxingDecoder().read(gray))

    sharp, blurred, bright, far = seen(), seen(blur_px=7), seen(exposure=2), seen(size=0.25)
    assert sharp.module_px is not None
    assert far.module_px == pytest.approx(sharp.module_px / 2, rel=0.03)
    assert sharp.side_px == pytest.approx(0.5 * 720, rel=0.03)
    assert blurred.sharpness < sharp.sharpness / 2
    assert blurred.blur_px > 1.7 * sharp.blur_px  # type: ignore[operator]
    assert bright.saturated > 0.9
    assert sharp.saturated < 0.1
    assert sharp.whole


def test_quality_without_a_code() -> None:
    """Without a code the middle is judged, nothing is guessed about modules, and any corners are survived."""
    odd = [DecodedCode("", b"", quad, "") for quad in ((), ((0.0, 0.0),) * 4, ((float("nan"),) * 2,) * 4)]
    for gray in (np.zeros((720, 1280), np.uint8), np.full((3, 3), 255, np.uint8)):
        seen = assess(gray, odd)
        assert (seen.module_px, seen.side_px, seen.blur_px) == (None, None, None)
        assert seen.sharpness == 0
