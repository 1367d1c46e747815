"""The Raspberry Pi's ribbon-cable cameras through picamera2, which comes from the distribution, not from PyPI."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from station.config import CameraConfig
from station.ports import DeviceFault, Frame


class CsiCamera:
    """A camera at a CSI port. The luma plane of YUV420 is the gray picture; nothing is converted."""

    def __init__(self, number: str, config: CameraConfig) -> None:
        """`number`: the camera's index as `rpicam-hello --list-cameras` shows it. DeviceFault for other texts."""
        self._device, self._config = f"camera {config.source}", config
        if not number.isdecimal():
            raise DeviceFault(self._device, f"{number!r} is no camera number", "Use csi:0 or csi:1")
        self._number = int(number)
        self._camera: Any = None

    def open(self) -> None:
        """Start the camera. Raises DeviceFault where picamera2 or the camera is missing."""
        self.close()
        try:
            from picamera2 import Picamera2  # noqa: PLC0415 - exists on Raspberry Pi OS only
        except ImportError as error:
            remedy = "Install it with: apt install python3-picamera2"
            raise DeviceFault(self._device, f"picamera2 is not installed ({error})", remedy) from error
        size = (self._config.width, self._config.height)
        try:
            self._camera = Picamera2(self._number)
            settings = self._camera.create_video_configuration(
                main={"size": size, "format": "YUV420"},
                controls={"FrameRate": self._config.fps},
                buffer_count=3,
                queue=False,  # a queued picture would be a frame old
            )
            self._camera.configure(settings)
            self._camera.start()
        except (RuntimeError, IndexError, OSError, ValueError) as error:
            self.close()
            remedy = "Check the ribbon cable and run rpicam-hello --list-cameras"
            raise DeviceFault(self._device, f"the camera does not start ({error})", remedy) from error

    def read(self) -> Frame:
        """Wait for the next picture. Raises DeviceFault."""
        if self._camera is None:
            raise DeviceFault(self._device, "it is not open", "Open the camera first")
        try:
            planes = self._camera.capture_array("main")
        except (RuntimeError, OSError, ValueError) as error:
            remedy = "Check the ribbon cable; the station tries again by itself"
            raise DeviceFault(self._device, f"no picture came ({error})", remedy) from error
        # Rows may be padded to the hardware's stride; the chroma planes lie below the luma plane.
        gray = np.ascontiguousarray(planes[: self._config.height, : self._config.width], np.uint8)
        return Frame(gray, time.monotonic_ns())

    def close(self) -> None:
        """Release the camera. May be called twice."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
