"""USB cameras and frame grabbers through Video4Linux2 and OpenCV."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from drivers.camera.controls import MissingControls
from drivers.camera.v4l2_controls import V4l2Controls
from drivers.exposure import Exposure, Limits
from station.device_config import CameraConfig
from station.ports import DeviceFault, Frame, Gray

_MIN_FPS = 15.0
"""Raw 720p saturates USB 2 on many cameras (5 to 10 frames/s): below this, compressed pictures are the better deal."""

_RAW_FORMATS: Final = ("GREY", "YUYV")
"""Formats whose luma needs no conversion (V4L2_PIX_FMT_GREY, V4L2_PIX_FMT_YUYV)."""


class V4l2Camera:
    """A camera at a device file. Prefers raw luma; otherwise motion JPEG, converted."""

    def __init__(self, path: str, config: CameraConfig) -> None:
        """`path`: the device file, such as /dev/video0 or a name below /dev/v4l/by-id, which survives replugging."""
        self._path, self._config = path, config
        self._device = f"camera {config.source}"
        self._capture: cv2.VideoCapture | None = None
        self._raw = False
        self._missing = MissingControls(self._device)
        self._controls: V4l2Controls | None = None

    def open(self) -> None:
        """Open the device and settle the format. Raises DeviceFault with what to look at."""
        self.close()
        self._check_file()
        capture = cv2.VideoCapture(self._path, cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            remedy = "Look whether another program holds it (fuser -v) and whether it is a video capture device"
            raise DeviceFault(self._device, f"{self._path} does not open as a camera", remedy)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._raw = any(self._settle(capture, fourcc) for fourcc in _RAW_FORMATS)
        if not self._raw:
            self._settle(capture, "MJPG")
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0 if self._raw else 1)
        self._controls = V4l2Controls(capture, self._path, self._missing)
        self._controls.focus(self._config.focus_cm)
        self._capture = capture

    @property
    def limits(self) -> Limits | None:
        """Exposures the open camera takes; None where its exposure cannot be set."""
        return self._controls.limits if self._controls else None

    def expose(self, wanted: Exposure | None) -> None:
        """Set the exposure, or give it back to the camera's automatic (None)."""
        if self._controls:
            self._controls.expose(wanted)

    def exposure(self) -> Exposure | None:
        """Return the exposure in force; None where the camera does not tell."""
        return self._controls.exposure() if self._controls else None

    def _check_file(self) -> None:
        if not Path(self._path).exists():
            raise DeviceFault(
                self._device, f"{self._path} does not exist", "Plug the camera in; v4l2-ctl --list-devices"
            )
        if not os.access(self._path, os.R_OK | os.W_OK):
            remedy = "Add the station's user to the group video and start it again"
            raise DeviceFault(self._device, f"no permission for {self._path}", remedy)

    def _settle(self, capture: cv2.VideoCapture, fourcc: str) -> bool:
        """Ask for one format; true where the camera agreed, at a useful pace."""
        wanted = cv2.VideoWriter.fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3])
        capture.set(cv2.CAP_PROP_FOURCC, wanted)
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._config.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._config.height)
        capture.set(cv2.CAP_PROP_FPS, self._config.fps)
        agreed = int(capture.get(cv2.CAP_PROP_FOURCC)) == wanted
        wide = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)) == self._config.width
        return agreed and wide and capture.get(cv2.CAP_PROP_FPS) >= min(_MIN_FPS, self._config.fps)

    def read(self) -> Frame:
        """Wait for the next picture; OpenCV gives up after 10 s. Raises DeviceFault."""
        if self._capture is None:
            raise DeviceFault(self._device, "it is not open", "Open the camera first")
        try:
            good, picture = self._capture.read()
        except cv2.error as error:
            raise self._silent(f"reading failed ({error.err})") from error
        taken = time.monotonic_ns()
        if not good or picture is None:
            raise self._silent("no picture came")
        return Frame(luma(np.asarray(picture, np.uint8), (self._config.height, self._config.width)), taken)

    def _silent(self, problem: str) -> DeviceFault:
        return DeviceFault(self._device, f"{self._path}: {problem}", "Check cable and power, then plug it in again")

    def close(self) -> None:
        """Release the device. May be called twice."""
        self._controls = None
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def luma(picture: Gray, size: tuple[int, int]) -> Gray:
    """Return the gray picture within what OpenCV delivers: gray already, YUYV pairs, BGR, or one flat row of bytes.

    `size`: (height, width) as configured, for flat rows, whose shape OpenCV leaves to the caller.
    """
    height, width = size
    if picture.ndim == 2 and picture.shape[0] == 1 and picture.size == height * width * 2:  # noqa: PLR2004 - planes
        picture = picture.reshape(height, width, 2)
    elif picture.ndim == 2 and picture.shape[0] == 1 and picture.size == height * width:  # noqa: PLR2004
        picture = picture.reshape(height, width)
    if picture.ndim == 2:  # noqa: PLR2004
        return picture
    if picture.shape[2] == 3:  # noqa: PLR2004 - blue, green, red
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.ascontiguousarray(picture[:, :, 0])
