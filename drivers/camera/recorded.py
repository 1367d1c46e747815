"""Cameras that show recorded pictures: a video file, or a folder of stills. Both start over at the end."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from drivers.camera.v4l2 import luma
from drivers.twins.pacing import Pacer
from station.device_config import CameraConfig
from station.ports import DeviceFault, Frame, Gray

SHOWN_S = 1.0
"""How long each still of a folder stays before the camera."""


class VideoCamera:
    """Plays a video file in a loop at the configured pace."""

    def __init__(self, path: str, config: CameraConfig) -> None:
        """`path`: any video the installed OpenCV plays."""
        self._path, self._config = path, config
        self._capture: cv2.VideoCapture | None = None
        self._pacer = Pacer(config.fps)

    def open(self) -> None:
        """Open the file. Raises DeviceFault naming it."""
        self.close()
        if not Path(self._path).is_file():
            raise self._fault("there is no such file", "Correct the path in the configuration")
        capture = cv2.VideoCapture(self._path)
        if not capture.isOpened():
            capture.release()
            raise self._fault("it is no video that can be played", "Convert it, for instance to H.264 in MP4")
        self._capture, self._pacer = capture, Pacer(self._config.fps)

    def read(self) -> Frame:
        """Wait for the next frame; after the last comes the first. Raises DeviceFault."""
        if self._capture is None:
            raise self._fault("it is not open", "Open the camera first")
        self._pacer.wait()
        good, picture = self._capture.read()
        if not good:
            self._capture.release()
            self._capture = cv2.VideoCapture(self._path)
            good, picture = self._capture.read()
        if not good:
            raise self._fault("it holds no readable frame", "Record or convert it again")
        gray = luma(np.asarray(picture, np.uint8), (self._config.height, self._config.width))
        return Frame(gray, time.monotonic_ns())

    def close(self) -> None:
        """Release the file. May be called twice."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _fault(self, problem: str, remedy: str) -> DeviceFault:
        return DeviceFault(f"camera {self._config.source}", f"{self._path}: {problem}", remedy)


class FolderCamera:
    """Shows the pictures of a folder in the order of their names, each for about a second."""

    def __init__(self, folder: str, config: CameraConfig) -> None:
        """`folder`: every file in it must be a picture; names that begin with a dot are passed over."""
        self._folder, self._config = Path(folder), config
        self._paths: list[Path] = []
        self._frame_number = 0
        self._shown: tuple[Path, Gray] | None = None
        self._pacer = Pacer(config.fps)

    def open(self) -> None:
        """List the folder. Raises DeviceFault where there is none or it is empty."""
        self.close()
        try:
            self._paths = sorted(p for p in self._folder.iterdir() if p.is_file() and not p.name.startswith("."))
        except OSError as error:
            raise self._fault(f"the folder cannot be read ({error})", "Correct the path or its permissions") from error
        if not self._paths:
            raise self._fault(f"{self._folder} holds no pictures", "Put PNG or JPEG files into it")
        self._pacer = Pacer(self._config.fps)

    def read(self) -> Frame:
        """Wait for the next frame. Raises DeviceFault naming a file that is no picture."""
        if not self._paths:
            raise self._fault("it is not open", "Open the camera first")
        self._pacer.wait()
        turn = int(self._frame_number / (self._config.fps * SHOWN_S))
        self._frame_number += 1
        path = self._paths[turn % len(self._paths)]
        if self._shown is None or self._shown[0] != path:
            self._shown = path, load_gray(path, f"camera {self._config.source}")
        return Frame(self._shown[1], time.monotonic_ns())

    def close(self) -> None:
        """Forget the folder; the next `open` begins with the first picture. May be called twice."""
        self._paths, self._frame_number, self._shown = [], 0, None

    def _fault(self, problem: str, remedy: str) -> DeviceFault:
        return DeviceFault(f"camera {self._config.source}", problem, remedy)


def load_gray(path: Path, device: str) -> Gray:
    """Read a picture file as gray. Raises DeviceFault (on behalf of `device`) naming the file."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DeviceFault(device, f"{path} cannot be read ({error})", "Correct the path or its permissions") from error
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    except cv2.error as error:
        raise DeviceFault(device, f"{path} is no usable picture ({error.err})", "Use a smaller PNG or JPEG") from error
    if picture is None:
        raise DeviceFault(device, f"{path} is no picture", "Use a PNG or JPEG file, or remove this one")
    return np.asarray(picture, np.uint8)
