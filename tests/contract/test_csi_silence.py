"""A CSI camera that stops delivering: picamera2 waits for ever, the station does not, and comes back by itself."""

from __future__ import annotations

import io
import sys
import threading
import time
import types
from collections.abc import Iterator

import pytest

from drivers import reader
from drivers.camera import csi, open_camera
from station.config import Config, parse
from station.doctor import device_probes
from station.doctor.findings import find
from station.ports import Camera, DeviceFault
from station.tune import tune
from tests.contract.camera_standins import Cable, StallingPicamera2, Watched, config

STATION = f"""
station = {{id = "s", gate = "g", zone = "110101001001"}}
trust = {{roots = {["a" * 64, "b" * 64, "c" * 64]}}}
paths = {{documents = "/nowhere"}}
[[lane]]
id = "in"
direction = "in"
camera = {{source = "csi:0", decoder = "zxing"}}
door = {{relay = {{pin = 17}}}}
"""


@pytest.fixture
def cable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """The cable of the camera at port 0; silence and closing are given up soon. Afterwards nothing hangs any more."""
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=StallingPicamera2))
    monkeypatch.setattr(csi, "SILENT_S", 0.1)
    monkeypatch.setattr(csi, "CLOSING_S", 0.1)
    monkeypatch.setattr(reader, "RETRY_S", 0.01)
    made = Cable()
    monkeypatch.setattr(StallingPicamera2, "cable", made, raising=False)
    yield made
    made.driver.set()
    for thread in closing():
        thread.join(5)
    assert closing() == []


def closing() -> list[threading.Thread]:
    """The threads that close a CSI camera."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("closing-")]


def opened() -> Camera:
    """An open camera that has delivered."""
    camera = open_camera(config("csi:0"), None)
    camera.open()
    camera.read()
    return camera


def station() -> Config:
    """A station with this camera."""
    return parse(STATION.replace("'", '"'))


def test_silence_is_a_fault(cable: Cable) -> None:
    """A camera that delivers no picture is given up after a few seconds, with what to look at."""
    camera = opened()
    cable.plugged = False
    begun = time.monotonic()
    with pytest.raises(DeviceFault, match=r"camera csi:0: no picture came for .* ribbon cable"):
        camera.read()
    assert time.monotonic() - begun < 2
    camera.close()


def test_a_silent_camera_is_opened_anew(cable: Cable) -> None:
    """What still waits for a picture does not hold up the closing; opened again, the camera delivers."""
    camera = opened()
    cable.plugged = False
    with pytest.raises(DeviceFault):
        camera.read()
    cable.plugged = True
    camera.open()
    assert (camera.read().gray == 33).all()
    assert (cable.opened, cable.closings) == (2, 1)
    camera.close()
    assert cable.owner is None


def test_a_late_picture_is_not_the_next_one(cable: Cable) -> None:
    """A picture that comes after it was given up is nobody's: the next read waits for one of its own."""
    camera = opened()
    cable.plugged = False
    with pytest.raises(DeviceFault):
        camera.read()
    assert cable.owner is not None
    cable.owner.deliver()
    with pytest.raises(DeviceFault):
        camera.read()
    camera.close()


def test_what_a_capture_raises_is_a_fault(cable: Cable) -> None:
    """An error of the camera's own thread arrives as a fault."""
    camera = opened()
    cable.error = RuntimeError("Camera frontend has timed out!")
    with pytest.raises(DeviceFault, match=r"no picture came .*frontend has timed out"):
        camera.read()
    camera.close()


def test_the_reader_comes_back_by_itself(cable: Cable) -> None:
    """Silence is one fault at the lane, however often it is tried; with the cable back, pictures come and it ends."""
    watched = Watched(config("csi:0", decoder="zxing"))
    watched.reader.start()
    try:
        watched.wait(lambda: watched.reader.captured_ns > 0, "a picture")
        cable.plugged = False
        watched.wait(lambda: cable.opened >= 3, "some attempts in vain")
        watched.wait(lambda: len(watched.faults) == 1, "the fault")
        cable.plugged = True
        watched.wait(lambda: len(watched.faults) == 2, "the end of the fault")
        assert [fault is None for fault in watched.faults] == [False, True]
    finally:
        watched.reader.stop()
    assert cable.owner is None


def test_a_driver_that_hangs_in_closing_is_left_behind(cable: Cable) -> None:
    """Closing may hang in the kernel: it is waited for shortly, one thread is left in it however often it is tried.

    Until it returns the camera is not to be had, which is told; then it opens again.
    """
    camera = opened()
    cable.driver.clear()
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(DeviceFault, match=r"hangs .*restart the machine"):
            camera.open()
        camera.close()
    assert time.monotonic() - begun < 5
    assert (len(closing()), cable.opened) == (1, 1)
    cable.driver.set()
    closing()[0].join(5)
    camera.open()
    assert (camera.read().gray == 33).all()
    camera.close()


def test_an_older_library_without_cancelling(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be cancelled the closing waits for the picture, and the camera is back with it."""
    monkeypatch.delattr(StallingPicamera2, "cancel_all_and_flush")
    camera = opened()
    cable.plugged = False
    with pytest.raises(DeviceFault, match="no picture came"):
        camera.read()
    with pytest.raises(DeviceFault, match="hangs"):
        camera.open()
    assert cable.owner is not None
    cable.owner.deliver()
    closing()[0].join(5)
    cable.plugged = True
    camera.open()
    assert (camera.read().gray == 33).all()
    camera.close()


@pytest.mark.parametrize("answers", [True, False], ids=["silent", "hanging"])
def test_the_doctor_does_not_hang_in_it(cable: Cable, *, answers: bool) -> None:
    """The doctor says what the camera ails, also where closing it hangs, and goes on."""
    cable.plugged = False
    if not answers:
        cable.driver.clear()
    finding = find("camera in", lambda: device_probes.camera(station().lane[0], None))
    assert not finding.good
    assert "no picture came" in finding.found
    assert "ribbon cable" in finding.remedy


def test_tune_does_not_hang_in_it(cable: Cable) -> None:
    """`camera tune` ends with the camera's fault."""
    cable.plugged = False
    with pytest.raises(DeviceFault, match="no picture came"):
        tune(station(), "in", once=True, as_json=True, out=io.StringIO())
