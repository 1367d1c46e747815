"""The cameras' contract: gray frames, stamped and paced; every fault names the device and what to do."""

from __future__ import annotations

import json
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.camera import open_camera
from drivers.camera.change import ChangeDetector
from drivers.camera.v4l2 import luma
from drivers.decoder import make_decoder
from drivers.twins import world as worlds
from drivers.twins.scene import Scene, render
from drivers.twins.world import World
from station.ports import Camera, DeviceFault
from tests.contract.camera_standins import FakeCapture, FakePicamera2, config


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Return a video of 5 frames whose brightness rises."""
    path = tmp_path / "gate.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 120))
    for level in range(40, 240, 40):
        writer.write(np.full((120, 160, 3), level, np.uint8))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with four pictures, the brighter the later in the alphabet, written in another order."""
    place = tmp_path / "stills"
    place.mkdir()
    for name, level in (("b.png", 100), ("d.png", 200), ("a.png", 50), ("c.png", 150)):
        cv2.imwrite(str(place / name), np.full((120, 160), level, np.uint8))
    (place / ".hidden").write_text("passed over")
    return place


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[World, Path]]:
    """Return a client of a world of its own, and the world's log."""
    socket, record = tmp_path / "world.sock", tmp_path / "world.log"
    process = worlds.launch(socket, record)
    client = World.connect(socket)
    yield client, record
    client.close()
    process.terminate()
    process.communicate(timeout=10)


def levels(camera: Camera, count: int) -> list[int]:
    """Return the mean gray levels of some frames."""
    return [round(float(camera.read().gray.mean())) for _ in range(count)]


@pytest.fixture(params=["file", "dir", "scene"])
def camera(request: pytest.FixtureRequest) -> Iterator[Camera]:
    """Return each camera that works without hardware, open."""
    if request.param == "scene":
        client, _ = request.getfixturevalue("world")
        opened = open_camera(config("scene:inbound"), client)
    else:
        path = request.getfixturevalue("video" if request.param == "file" else "folder")
        opened = open_camera(config(f"{request.param}:{path}"), None)
    opened.open()
    yield opened
    opened.close()


def test_frames_are_gray_stamped_and_paced(camera: Camera) -> None:
    """Frames are 2-D uint8, stamped with the monotonic clock in rising order, and come at the configured pace."""
    before = time.monotonic_ns()
    camera.read()
    frames = [camera.read() for _ in range(12)]
    stamps = [frame.captured_ns for frame in frames]
    assert all(frame.gray.ndim == 2 and frame.gray.dtype == np.uint8 for frame in frames)
    assert before <= stamps[0]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= time.monotonic_ns()
    assert stamps[-1] - stamps[0] > 0.8 * 11 / 60 * 1e9


def test_camera_opens_again_after_close(camera: Camera) -> None:
    """After close (twice) the camera can be opened again, and opening an open camera is no mistake."""
    camera.close()
    camera.close()
    camera.open()
    camera.open()
    assert camera.read().gray.size > 0


def test_video_loops(video: Path) -> None:
    """After the last frame of a video comes the first."""
    camera = open_camera(config(f"file:{video}"), None)
    camera.open()
    assert levels(camera, 7) == pytest.approx([40, 80, 120, 160, 200, 40, 80], abs=3)
    camera.close()


def test_folder_shows_each_for_a_second_in_name_order(folder: Path) -> None:
    """At 2 frames per second each still is shown twice, in the order of the names, then they start over."""
    camera = open_camera(config(f"dir:{folder}", fps=2), None)
    camera.open()
    camera._pacer.wait = lambda: None  # type: ignore[attr-defined]
    assert levels(camera, 10) == [50, 50, 100, 100, 150, 150, 200, 200, 50, 50]


def test_unreadable_still_is_named(folder: Path) -> None:
    """A file in the folder that is no picture is a fault that names it."""
    (folder / "0-notes.txt").write_text("no picture")
    camera = open_camera(config(f"dir:{folder}"), None)
    camera.open()
    with pytest.raises(DeviceFault, match=r"0-notes\.txt"):
        camera.read()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("v4l2:/dev/no-such-camera", "does not exist"),
        ("v4l2:/dev/null", "does not open|no permission"),
        ("file:/no/such.mp4", "no such file"),
        ("dir:/no/such/folder", "cannot be read"),
    ],
)
def test_missing_device_says_so(source: str, words: str) -> None:
    """What is not there is a DeviceFault with the source's name, and closing afterwards is no mistake."""
    camera = open_camera(config(source), None)
    with pytest.raises(DeviceFault, match=words) as caught:
        camera.open()
    camera.close()
    assert source in caught.value.device
    assert caught.value.remedy


@pytest.mark.parametrize("source", ["scene:inbound", "csi:left"])
def test_impossible_source(source: str) -> None:
    """A twin without a world and a CSI camera without a number are told at once."""
    with pytest.raises(DeviceFault, match=source):
        open_camera(config(source), None)


def test_text_as_video(tmp_path: Path) -> None:
    """A file that is no video is a fault that names it."""
    path = tmp_path / "video.mp4"
    path.write_text("no video")
    with pytest.raises(DeviceFault, match=r"video\.mp4"):
        open_camera(config(f"file:{path}"), None).open()


def test_empty_folder(tmp_path: Path) -> None:
    """An empty folder is a fault."""
    with pytest.raises(DeviceFault, match="holds no pictures"):
        open_camera(config(f"dir:{tmp_path}"), None).open()


@pytest.mark.parametrize("shape", [(4, 6), (1, 24), (4, 6, 2), (1, 48), (4, 6, 3)])
def test_luma_of_every_shape(shape: tuple[int, ...]) -> None:
    """Whatever OpenCV delivers (gray, YUYV, BGR, flat rows of either), the luma plane comes out."""
    picture = np.full(shape, 90, np.uint8)
    if shape in ((4, 6, 2), (1, 48)):  # YUYV: every second byte is chroma
        picture = picture.reshape(-1)
        picture[1::2] = 7
        picture = picture.reshape(shape)
    gray = luma(picture, (4, 6))
    assert gray.shape == (4, 6)
    assert (gray == 90).all()


@pytest.mark.parametrize(
    ("offers", "settled"),
    [
        ({"MJPG": 30, "YUYV": 30}, "YUYV"),
        ({"MJPG": 30, "YUYV": 5}, "MJPG"),
        ({"MJPG": 30, "GREY": 60}, "GREY"),
        ({"MJPG": 30}, "MJPG"),
    ],
)
def test_v4l2_settles_on_the_cheapest_useful_format(
    offers: dict[str, float], settled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raw luma is taken where the camera offers it at a useful pace, motion JPEG otherwise; gray comes out of each."""
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "offers", offers)
    (tmp_path / "video0").touch()
    camera = open_camera(config(f"v4l2:{tmp_path}/video0"), None)
    camera.open()
    assert camera._capture.fourcc() == settled  # type: ignore[attr-defined]
    gray = camera.read().gray
    assert gray.shape == (720, 1280)
    assert (gray == 90).all()
    monkeypatch.setattr(FakeCapture, "broken", True)
    with pytest.raises(DeviceFault, match="no picture came"):
        camera.read()


def test_csi_without_picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without picamera2 the fault names the package of the distribution."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(DeviceFault, match="python3-picamera2"):
        open_camera(config("csi:0"), None).open()


def test_csi_takes_the_luma_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of YUV420 with padded rows exactly the luma plane is the picture; a camera that is not there is a fault."""
    monkeypatch.setitem(sys.modules, "picamera2", types.SimpleNamespace(Picamera2=FakePicamera2))
    camera = open_camera(config("csi:0"), None)
    camera.open()
    gray = camera.read().gray
    assert gray.shape == (720, 1280)
    assert (gray == 33).all()
    camera.close()
    with pytest.raises(DeviceFault, match="does not start"):
        open_camera(config("csi:1"), None).open()


def until(camera: Camera, met: Callable[[list[str]], bool]) -> None:
    """Read frames until their texts satisfy `met`, at most ten seconds."""
    decoder, deadline = make_decoder("pyzbar"), time.monotonic() + 10
    while not met([code.text for code in decoder.read(camera.read().gray)]):
        assert time.monotonic() < deadline, "the scene did not appear"


def test_scene_camera_follows_the_world(world: tuple[World, Path]) -> None:
    """The twin shows what the world places before it, logs the first frame of each placing, and then the empty gate."""
    client, record = world
    camera = open_camera(config("scene:inbound"), client)
    camera.open()
    for name in ("first", "second", "second"):
        client.set("camera.inbound", {"id": name, "codes": [{"text": f"EP1:{name}"}]})
        until(camera, lambda texts, name=name: texts == [f"EP1:{name}"])
        client.set("camera.inbound", None)
        until(camera, lambda texts: not texts)
    client.set("camera.other", {"id": "elsewhere"})
    assert client.wait_for(lambda state: "camera.other" in state, 5)
    camera.close()
    deadline = time.monotonic() + 5
    while len(shown := frames_logged(record)) < 3 and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert [line["scene"] for line in shown] == ["first", "second", "second"]
    assert all(line["camera"] == "inbound" and isinstance(line["t"], int) for line in shown)


def frames_logged(record: Path) -> list[dict[str, Any]]:
    """Return the frame lines of the world's log."""
    return [line for line in map(json.loads, record.read_text().splitlines()) if line.get("what") == "frame"]


def test_scene_camera_names_a_wrong_scene(world: tuple[World, Path]) -> None:
    """A scene that cannot be shown is a fault naming the key and the path within it."""
    client, _ = world
    client.set("camera.inbound", {"codes": [{"text": "x", "size": 9}]})
    assert client.wait_for(lambda state: "camera.inbound" in state, 5)
    camera = open_camera(config("scene:inbound"), client)
    camera.open()
    with pytest.raises(DeviceFault, match=r"codes\[0\]\.size.*camera\.inbound"):
        camera.read()


def test_scene_camera_obeys_the_configured_size(world: tuple[World, Path]) -> None:
    """Another configured size is delivered."""
    camera = open_camera(config("scene:inbound", width=640, height=480), world[0])
    camera.open()
    assert camera.read().gray.shape == (480, 640)


def test_change_detector_tolerates_noise_only() -> None:
    """Noise of 8 levels is no change; a phone that comes is a change and a swap, a hand's sway is no swap."""
    empty, held = Scene.parse({"noise": 8}), Scene.parse({"noise": 8, "codes": [{"text": "EP1:A", "size": 0.35}]})
    change = ChangeDetector()
    change.look(render(empty, 0))
    assert change.moved()
    change.mark()
    for number in range(1, 20):
        change.look(render(empty, number))
        assert not change.moved()
    change.look(render(held, 0))
    assert change.moved()
    assert change.swapped()
    change.mark()
    change.look(render(held, 2))
    assert not change.swapped()
