"""Stand-ins for cameras at the lowest level there is: OpenCV's capture and picamera2."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from drivers.camera import open_camera, v4l2_controls
from drivers.decoder.zxing import ZxingDecoder
from drivers.reader import ReaderWorker
from drivers.twins.scene import Scene, render
from station.device_config import CameraConfig
from station.ports import DeviceFault, Sighting


def config(source: str, **more: Any) -> CameraConfig:
    """Return a configuration for `source`, fast enough for tests."""
    return CameraConfig(source=source, **({"fps": 60} | more))


class FakeCapture:
    """OpenCV's V4L2 capture over a camera that offers some formats at some pace."""

    offers: ClassVar[dict[str, float]] = {}
    pictures: ClassVar[dict[str, np.ndarray]] = {
        "GREY": np.full((720, 1280), 90, np.uint8),
        "YUYV": np.full((720, 1280, 2), (90, 7), np.uint8),
        "MJPG": np.full((720, 1280, 3), 90, np.uint8),
    }
    broken = False

    def __init__(self, path: str, backend: int) -> None:
        assert (path[-6:], backend) == ("video0", cv2.CAP_V4L2)
        self.device = path
        self.values: dict[int, float] = {}

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return bool(self.offers)

    def set(self, key: int, value: float) -> bool:
        self.values[key] = value
        return True

    def fourcc(self) -> str:
        wanted = int(self.values[cv2.CAP_PROP_FOURCC]).to_bytes(4, "little").decode()
        return wanted if wanted in self.offers else next(iter(self.offers))

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_FOURCC:
            return cv2.VideoWriter.fourcc(*self.fourcc())
        return self.offers[self.fourcc()] if key == cv2.CAP_PROP_FPS else self.values[key]

    def read(self) -> tuple[bool, np.ndarray | None]:
        assert self.values[cv2.CAP_PROP_BUFFERSIZE] == 1
        assert self.values[cv2.CAP_PROP_CONVERT_RGB] == (self.fourcc() == "MJPG")
        return (False, None) if self.broken else (True, self.pictures[self.fourcc()])

    def release(self) -> None:
        self.offers = {}


class UvcCapture(FakeCapture):
    """A UVC camera behind OpenCV: a sensor that obeys its controls two frames late, and keeps them from open to open.

    Its own automatic exposes for the mean of the whole picture, as real ones do.
    """

    offers: ClassVar[dict[str, float]] = {"GREY": 30}
    ranges: ClassVar[dict[int, tuple[int, int]]] = {
        v4l2_controls.EXPOSURE_CID: (1, 5000),
        v4l2_controls.GAIN_CID: (0, 150),
        v4l2_controls.FOCUS_CID: (0, 250),
    }
    refused: ClassVar[set[int]] = set()
    light: ClassVar[np.ndarray] = np.full((720, 1280), 0.01, np.float32)
    """Share of full well that one unit of exposure (100 us) collects."""
    written: ClassVar[list[tuple[int, float]]] = []

    def __init__(self, path: str, backend: int) -> None:
        super().__init__(path, backend)
        self.values |= {cv2.CAP_PROP_AUTO_EXPOSURE: 1, cv2.CAP_PROP_EXPOSURE: 100, cv2.CAP_PROP_GAIN: 0}
        self.pipeline = [100.0, 100.0]
        self.shown: tuple[object, float, np.ndarray] | None = None

    def set(self, key: int, value: float) -> bool:
        self.written.append((key, value))
        return key not in self.refused and super().set(key, value)

    def read(self) -> tuple[bool, np.ndarray | None]:
        if not Path(self.device).exists():
            return False, None
        if self.values[cv2.CAP_PROP_AUTO_EXPOSURE] != 1:
            self.values[cv2.CAP_PROP_EXPOSURE] = self.automatic()
        amplified = 1 + 15 * self.values[cv2.CAP_PROP_GAIN] / 150
        self.pipeline.append(self.values[cv2.CAP_PROP_EXPOSURE] * amplified)
        units = self.pipeline.pop(0)
        if self.shown is None or self.shown[0] is not self.light or self.shown[1] != units:
            self.shown = self.light, units, self.developed(self.light, units)
        return True, self.shown[2]

    def developed(self, light: np.ndarray, units: float) -> np.ndarray:
        return (np.clip(light * units, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)

    def automatic(self) -> int:
        coarse, choices = self.light[::8, ::8], (3, 5, 10, 20, 40, 80, 160, 333)
        return next((units for units in choices if self.developed(coarse, units).mean() >= 110), choices[-1])


def phone_at_night() -> np.ndarray:
    """Return the light of a bright phone's pass in the dark, for UvcCapture; the lens spreads some of it about."""
    scene = Scene.parse({"codes": [{"text": "EP1:" + "NIGHT" * 20, "size": 0.4}], "noise": 0})
    gray = render(scene, 0).astype(np.float32) / 255
    light = np.asarray(cv2.GaussianBlur(gray, (0, 0), 0.8) ** 2.2 * 0.0004, np.float32)
    light[100:620, 420:860] *= 400
    return np.asarray(0.85 * light + 0.15 * cv2.GaussianBlur(light, (0, 0), 15), np.float32)


class FakeJob:
    """picamera2's Job: what a capture is asked for by, finished by the camera's own thread (its manual, 6.5)."""

    def __init__(self, signal_function: Callable[[FakeJob], None] | None) -> None:
        self._signal_function = signal_function
        self._future: Future[Any] = Future()

    def finish(self, result: Any) -> None:
        """Give it its result, or the exception that the capture raised, and signal it."""
        if isinstance(result, Exception):
            self._future.set_exception(result)
        else:
            self._future.set_result(result)
        if self._signal_function:
            self._signal_function(self)

    def cancel(self) -> None:
        """What cancel_all_and_flush does to each: whoever waits is told, nobody is signalled."""
        self._future.set_exception(CancelledError())

    def get_result(self) -> Any:
        """Wait, for ever if need be: older versions know no other way."""
        return self._future.result()


class FakePicamera2:
    """picamera2's calls as its manual (6.2, Appendix A) gives them: rows padded to a stride, chroma below luma."""

    camera_controls: ClassVar[dict[str, tuple[float, float, float]]] = {
        "AeEnable": (False, True, True),
        "ExposureTime": (29, 0, 20000),
        "AnalogueGain": (1.0, 8.0, 1.0),
        "AfMode": (0, 2, 0),
        "LensPosition": (0.0, 15.0, 1.0),
    }

    def __init__(self, number: int) -> None:
        self.set: list[dict[str, Any]] = []
        self.open = number == 0
        if not self.open:
            raise IndexError("list index out of range")

    def create_video_configuration(self, **settings: Any) -> dict[str, Any]:
        return settings

    def configure(self, settings: dict[str, Any]) -> None:
        self.width, self.height = settings["main"]["size"]
        assert settings["main"]["format"] == "YUV420"

    def start(self) -> None:
        self.started = True

    def set_controls(self, controls: dict[str, Any]) -> None:
        unknown = controls.keys() - self.camera_controls.keys()
        if unknown:
            raise RuntimeError(f"Control {unknown} is not advertised by libcamera")
        self.set.append(controls)

    def capture_arrays(self, streams: list[str], wait: bool | None = None, signal_function: Any = None) -> Any:
        assert streams == ["main"]
        job = FakeJob(signal_function)
        self.asked(job)
        return job.get_result() if wait or (wait is None and signal_function is None) else job

    def asked(self, job: FakeJob) -> None:
        """Take a wish for a picture: here the next one is there at once."""
        job.finish(self.picture())

    def picture(self) -> tuple[list[np.ndarray], dict[str, Any]]:
        planes = np.full((self.height * 3 // 2, self.width + 64), 128, np.uint8)
        planes[: self.height, : self.width] = 33
        newest = next((one for one in reversed(self.set) if "ExposureTime" in one), {})
        return [planes], {name: newest[name] for name in ("ExposureTime", "AnalogueGain") if name in newest}

    def close(self) -> None:
        self.open = False


class StallingPicamera2(FakePicamera2):
    """A camera at a ribbon cable that comes loose: no picture comes and nothing raises (picamera2 issues 336, 794).

    `Cable` is what a test pulls. The camera belongs to one Picamera2 at a time, until its `close` has returned; what
    still waits for a picture holds that up, and so does a driver that hangs (issue 1275).
    """

    cable: ClassVar[Cable]

    def __init__(self, number: int) -> None:
        super().__init__(number)
        if self.cable.owner is not None:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.cable.owner = self
        self.cable.opened += 1
        self.jobs: list[FakeJob] = []

    def asked(self, job: FakeJob) -> None:
        self.jobs.append(job)
        if self.cable.plugged:
            self.deliver()

    def deliver(self) -> None:
        """Finish what waits for a picture."""
        while self.jobs:
            self.jobs.pop(0).finish(self.cable.error or self.picture())

    def cancel_all_and_flush(self) -> None:
        while self.jobs:
            self.jobs.pop(0).cancel()

    def close(self) -> None:
        self.cable.closings += 1
        while self.jobs or not self.cable.driver.wait(0.005):
            threading.Event().wait(0.005)
        super().close()
        self.cable.owner = None


class Cable:
    """The ribbon cable of StallingPicamera2, and the driver below it."""

    def __init__(self) -> None:
        self.plugged = True
        self.error: Exception | None = None
        self.owner: StallingPicamera2 | None = None
        self.opened = self.closings = 0
        self.driver = threading.Event()
        """Set while the driver answers."""
        self.driver.set()


class Watched:
    """A reader over a camera, with what it reported."""

    def __init__(self, settings: CameraConfig, decoder: Any = None, light: Any = None) -> None:
        self.sightings: list[Sighting] = []
        self.faults: list[DeviceFault | None] = []
        camera = open_camera(settings, None)
        decoder = decoder or ZxingDecoder()
        self.reader = ReaderWorker("in", camera, decoder, settings, self.sightings.append, self.faults.append, light)

    def wait(self, met: Callable[[], bool], what: str) -> None:
        """Wait until `met`, at most ten seconds."""
        pause, deadline = threading.Event(), time.monotonic() + 10
        while not met():
            assert time.monotonic() < deadline, f"never happened: {what}"
            pause.wait(0.005)
