"""Exposure and focus, by scripted devices below OpenCV and picamera2; and a camera pulled out and plugged in."""

from __future__ import annotations

import sys
import time
import types
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from drivers import reader
from drivers.camera import open_camera, v4l2_controls
from drivers.camera.controls import Adjustable
from drivers.camera.metering import Meter
from drivers.decoder.zxing import ZxingDecoder
from drivers.exposure import HIGHEST_GRAY, LOWEST_GRAY, Exposure, Limits, meter
from station.device_config import CameraConfig
from station.ports import DecodedCode
from tests.contract.camera_standins import FakePicamera2, UvcCapture, Watched, config, phone_at_night

SQUARE = ((100.0, 100.0), (300.0, 100.0), (300.0, 300.0), (100.0, 300.0))


@pytest.fixture
def uvc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[UvcCapture]:
    """Return OpenCV's capture class over a UVC camera that is plugged in at tmp_path/video0."""
    (tmp_path / "video0").touch()
    monkeypatch.setattr(cv2, "VideoCapture", UvcCapture)
    monkeypatch.setattr(v4l2_controls, "control_range", lambda _path, control: UvcCapture.ranges.get(control))
    for name in ("ranges", "refused", "light"):
        monkeypatch.setattr(UvcCapture, name, getattr(UvcCapture, name))
    monkeypatch.setattr(UvcCapture, "written", [])
    return UvcCapture


def test_v4l2_exposes_for_the_screen_at_night(uvc: type[UvcCapture], tmp_path: Path) -> None:
    """The automatic burns the screen out; metering makes it readable within 3 s, steadies, and lets go afterwards."""
    uvc.light = phone_at_night()
    camera = open_camera(config(f"v4l2:{tmp_path}/video0"), None)
    camera.open()
    metering, decoder, read_at = Meter(camera, CameraConfig(source="v4l2:x")), ZxingDecoder(), []
    metering.opened()
    exposures = []
    for tick in range(100):  # ten looks a second, at every third picture
        for _ in range(3):
            gray = camera.read().gray
            metering.serve(tick / 10)
        codes = decoder.read(gray)
        read_at += [tick / 10] * bool(codes)
        metering.look(gray, codes, tick / 10)
        exposures.append(uvc.written[-1])
        if tick == 0:
            assert not codes, "the automatic burns it out"
    assert read_at
    assert read_at[0] <= 3.0
    assert read_at[-20:] == pytest.approx([tick / 10 for tick in range(80, 100)])
    light = meter(gray, codes[0].quad)
    assert light is not None
    assert LOWEST_GRAY <= light.light <= HIGHEST_GRAY
    assert len(set(exposures[40:])) == 1, "it has settled"
    uvc.light = np.full((720, 1280), 0.0004, np.float32)
    for tick in range(100, 160):
        metering.look(camera.read().gray, [], tick / 10)
        metering.serve(tick / 10)
    assert uvc.written[-1] == (cv2.CAP_PROP_AUTO_EXPOSURE, 3)


def test_auto_leaves_the_exposure_to_the_camera(uvc: type[UvcCapture], tmp_path: Path) -> None:
    """With exposure = "auto" nothing is set but the automatic itself, and what it chose is still reported."""
    settings = config(f"v4l2:{tmp_path}/video0", exposure="auto")
    camera = open_camera(settings, None)
    camera.open()
    metering = Meter(camera, settings)
    metering.opened()
    metering.look(np.full((720, 1280), 255, np.uint8), [DecodedCode("", b"", SQUARE, "")], 0.0)
    camera.read()
    metering.serve(0.0)
    assert metering.exposure == Exposure(2000.0)
    assert not any(key == cv2.CAP_PROP_EXPOSURE for key, _ in uvc.written)
    assert (cv2.CAP_PROP_AUTO_EXPOSURE, 3) in uvc.written


def test_v4l2_gain_and_focus(uvc: type[UvcCapture], tmp_path: Path) -> None:
    """Gain maps to the driver's range and back; focus_cm is set by hand in dioptres, and left alone without it."""
    camera = open_camera(config(f"v4l2:{tmp_path}/video0", focus_cm=20), None)
    camera.open()
    assert isinstance(camera, Adjustable)
    assert camera.limits == Limits(300, 10_000, 16)
    camera.expose(Exposure(10_000, 8.5))
    assert uvc.written[-3:] == [
        (cv2.CAP_PROP_AUTO_EXPOSURE, 1),
        (cv2.CAP_PROP_EXPOSURE, 100),
        (cv2.CAP_PROP_GAIN, 75),
    ]
    assert camera.exposure() == Exposure(10_000, 8.5)
    assert [value for key, value in uvc.written if key == cv2.CAP_PROP_AUTOFOCUS] == [0]
    assert [value for key, value in uvc.written if key == cv2.CAP_PROP_FOCUS] == [125]
    camera.close()
    uvc.written.clear()
    open_camera(config(f"v4l2:{tmp_path}/video0"), None).open()
    assert [value for key, value in uvc.written if key == cv2.CAP_PROP_AUTOFOCUS] == [1]
    assert not any(key == cv2.CAP_PROP_FOCUS for key, _ in uvc.written)


@pytest.mark.parametrize("lacking", ["ranges", "refused"])
def test_v4l2_notes_missing_controls_once(
    uvc: type[UvcCapture], lacking: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A camera without controls, or that refuses them, works; each is told once, however often it is opened."""
    caplog.set_level("INFO")
    if lacking == "ranges":
        uvc.ranges = {}
    else:
        uvc.refused = {cv2.CAP_PROP_AUTO_EXPOSURE, cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_GAIN, cv2.CAP_PROP_FOCUS}
    camera = open_camera(config(f"v4l2:{tmp_path}/video0", focus_cm=20), None)
    assert isinstance(camera, Adjustable)
    for _ in range(3):
        camera.open()
        camera.expose(Exposure(1000))
        camera.expose(None)
        assert camera.limits is None
        assert camera.read().gray.size
    controls = [str(record.args[1]) for record in caplog.records if record.args]
    assert sorted(set(controls)) == sorted(controls)
    assert {"exposure time", "focus"} <= set(controls)
    assert all(record.levelname == "INFO" for record in caplog.records)


def test_a_file_has_no_controls(tmp_path: Path) -> None:
    """Asking the kernel for a control of something that is no camera, or is gone, gives none."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none", Path("/dev/null")):
        assert v4l2_controls.control_range(str(path), v4l2_controls.EXPOSURE_CID) is None


@pytest.mark.parametrize(
    ("answer", "expected"), [((3, 2047, 0), (3, 2047)), ((3, 2047, 1), None), ((0, 0, 0), None), (OSError(22), None)]
)
def test_control_range_is_the_drivers(
    answer: Any, expected: tuple[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VIDIOC_QUERYCTRL's answer is taken apart as videodev2.h lays it out; disabled and missing controls are none."""

    def ioctl(_device: int, request: int, content: bytes) -> bytes:
        assert request == 0xC0000000 | len(content) << 16 | ord("V") << 8 | 36, "_IOWR('V', 36, 68 bytes)"
        assert int.from_bytes(content[:4], "little") == v4l2_controls.GAIN_CID
        if isinstance(answer, OSError):
            raise answer
        least, greatest, flags = answer
        numbers = (least, greatest, 1, 7, flags, 0, 0)
        return content[:8] + b"Gain".ljust(32, b"\0") + b"".join(n.to_bytes(4, "little") for n in numbers)

    (tmp_path / "video0").touch()
    monkeypatch.setattr(v4l2_controls.fcntl, "ioctl", ioctl)
    assert v4l2_controls.control_range(f"{tmp_path}/video0", v4l2_controls.GAIN_CID) == expected


def test_unplugged_and_plugged_in_again(uvc: type[UvcCapture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera pulled out is one fault, one when plugged in again it reads on, metered from its automatic anew."""
    monkeypatch.setattr(reader, "RETRY_S", 0.01)
    uvc.light = phone_at_night()
    watched = Watched(CameraConfig(source=f"v4l2:{tmp_path}/video0", decoder="zxing", max_age_ms=5000))
    watched.reader.start()
    try:
        watched.wait(lambda: any(sighting.codes for sighting in watched.sightings), "the pass is read")
        assert watched.reader.gauges.acquire_ms > 0
        assert watched.reader.gauges.decode_ms > 0
        watched.wait(lambda: watched.reader.gauges.fps > 1, "a pace")
        (tmp_path / "video0").rename(tmp_path / "pulled-out")
        watched.wait(lambda: len(watched.faults) == 1, "the fault")
        watched.wait(lambda: "does not exist" in str(watched.reader._problem), "some attempts in vain")
        told = len(watched.sightings)
        uvc.written.clear()
        (tmp_path / "pulled-out").rename(tmp_path / "video0")
        watched.wait(lambda: any(sighting.codes for sighting in watched.sightings[told:]), "the pass is read again")
        assert len(watched.faults) == 2
        assert f"{tmp_path}/video0" in str(watched.faults[0])
        assert watched.faults[1] is None
        modes = [value for key, value in list(uvc.written) if key == cv2.CAP_PROP_AUTO_EXPOSURE]
        assert modes[:2] == [3, 1]
    finally:
        watched.reader.stop()


def test_csi_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time, gain and focus go to libcamera's controls within what it offers; the automatic is given back."""
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=FakePicamera2))
    camera = open_camera(config("csi:0", focus_cm=25), None)
    camera.open()
    assert isinstance(camera, Adjustable)
    device = camera._camera  # type: ignore[attr-defined]
    assert device.set == [{"AfMode": 0, "LensPosition": 4.0}, {"AeEnable": True}]
    assert camera.limits == Limits(300, 10_000, 8.0)
    camera.expose(Exposure(1234.4, 2.0))
    assert device.set[-1] == {"AeEnable": False, "ExposureTime": 1234, "AnalogueGain": 2.0}
    assert camera.exposure() is None
    camera.read()
    assert camera.exposure() == Exposure(1234.0, 2.0)
    camera.expose(None)
    assert device.set[-1] == {"AeEnable": True}
    camera.close()
    camera.expose(Exposure(1000))
    assert camera.limits is camera.exposure() is None


def test_csi_without_controls(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A camera with a fixed lens and no exposure control works, and what it lacks is told once."""
    caplog.set_level("INFO")
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=FakePicamera2))
    monkeypatch.setattr(FakePicamera2, "camera_controls", {})
    camera = open_camera(config("csi:0", focus_cm=25), None)
    for _ in range(2):
        camera.open()
        camera.expose(Exposure(1000))  # type: ignore[attr-defined]
        assert camera.read().gray.size
        assert camera._camera.set == []  # type: ignore[attr-defined]
    assert len(caplog.records) == 2


class Blind:
    """A decoder that locates the same code in each picture and reads none."""

    located: ClassVar = [DecodedCode("", b"", ((150, 150), (250, 150), (250, 250), (150, 250)), "")]

    def read(self, _gray: np.ndarray) -> list[DecodedCode]:
        return []

    def close(self) -> None:
        pass


def test_a_code_that_is_located_but_not_read_is_metered(uvc: type[UvcCapture], tmp_path: Path) -> None:
    """What a decoder located sets the exposure before anything can be read, within 3 s of a picture that is still."""
    light = np.zeros((720, 1280), np.float32)
    light[140:260, 140:260] = 0.05  # clipped from 20 units on; right at 8; too small for a burnt-out screen
    uvc.light = light
    watched = Watched(CameraConfig(source=f"v4l2:{tmp_path}/video0", max_age_ms=5000), Blind())

    def settled() -> bool:
        units = [value for key, value in list(uvc.written) if key == cv2.CAP_PROP_EXPOSURE][-1]
        return 6 <= units <= 11

    watched.reader.start()
    try:
        watched.wait(lambda: any(key == cv2.CAP_PROP_EXPOSURE for key, _ in list(uvc.written)), "the first step")
        begun = time.monotonic()
        watched.wait(lambda: uvc.written[-1][0] == cv2.CAP_PROP_GAIN and settled(), "a readable exposure")
        assert time.monotonic() - begun < 3
    finally:
        watched.reader.stop()
