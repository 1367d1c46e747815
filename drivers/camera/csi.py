"""The Raspberry Pi's ribbon-cable cameras through picamera2, which comes from the distribution, not from PyPI."""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from drivers.camera.controls import MissingControls
from drivers.exposure import Exposure, Limits
from station.device_config import CameraConfig
from station.ports import DeviceFault, Frame

_MANUAL_FOCUS, _CONTINUOUS_FOCUS = 0, 2
"""libcamera's AfModeEnum: Manual and Continuous (picamera2 manual, Appendix C)."""

_CM_PER_DIOPTRE = 100.0

SILENT_S = 5.0
"""A camera without a picture for so long is given up; the slowest configured one delivers one a second."""

CLOSING_S = 3.0
"""What closing may take before it is left behind."""


class CsiCamera:
    """A camera at a CSI port. The luma plane of YUV420 is the gray picture; nothing is converted."""

    def __init__(self, number: str, config: CameraConfig) -> None:
        """`number`: the camera's index as `rpicam-hello --list-cameras` shows it. DeviceFault for other texts."""
        self._device, self._config = f"camera {config.source}", config
        if not number.isdecimal():
            raise DeviceFault(self._device, f"{number!r} is no camera number", "Use csi:0 or csi:1")
        self._number = int(number)
        self._camera: Any = None
        self._closing: threading.Thread | None = None
        self._missing = MissingControls(self._device)
        self._in_force: Exposure | None = None
        self.limits: Limits | None = None
        """Exposures the open camera takes; None where its exposure cannot be set."""

    def open(self) -> None:
        """Start the camera. Raises DeviceFault where picamera2 or the camera is missing."""
        self.close()
        if self._closing and self._closing.is_alive():
            remedy = "Check the ribbon cable; if this lasts, restart the machine"
            raise DeviceFault(self._device, "its driver hangs while it is closed", remedy)
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
            self._settle()
        except (RuntimeError, IndexError, OSError, ValueError) as error:
            self.close()
            remedy = "Check the ribbon cable and run rpicam-hello --list-cameras"
            raise DeviceFault(self._device, f"the camera does not start ({error})", remedy) from error

    def _settle(self) -> None:
        """Learn what the camera can do, give it its focus, and let its automatic expose."""
        offered = self._camera.camera_controls
        usual = Limits()
        if {"AeEnable", "ExposureTime", "AnalogueGain"} <= offered.keys():
            least, most = offered["ExposureTime"][:2]
            least = max(usual.min_us, least)
            most = max(least, min(usual.max_us, most or usual.max_us))
            self.limits = Limits(least, most, max(1.0, offered["AnalogueGain"][1]))
        else:
            self._missing.note("exposure time", "its own automatic decides")
        distance = self._config.focus_cm
        if "AfMode" not in offered or "LensPosition" not in offered:
            if distance is not None:
                self._missing.note("focus", "focus_cm has no effect; turn the lens by hand")
        elif distance is None:
            self._camera.set_controls({"AfMode": _CONTINUOUS_FOCUS})
        else:  # LensPosition is in dioptres
            dioptres = min(_CM_PER_DIOPTRE / distance, offered["LensPosition"][1])
            self._camera.set_controls({"AfMode": _MANUAL_FOCUS, "LensPosition": dioptres})
        self.expose(None)

    def expose(self, wanted: Exposure | None) -> None:
        """Set the exposure, or give it back to the camera's automatic (None)."""
        if self.limits is None or self._camera is None:
            return
        chosen: dict[str, Any] = {"AeEnable": wanted is None}
        if wanted:
            chosen |= {"ExposureTime": round(wanted.time_us), "AnalogueGain": wanted.gain}
        try:
            self._camera.set_controls(chosen)
        except RuntimeError:  # a control that is offered and then refused
            self._missing.note("exposure time", "its own automatic decides")
            self.limits = None

    def exposure(self) -> Exposure | None:
        """Return the exposure of the newest picture; None where the camera does not tell."""
        return self._in_force

    def read(self) -> Frame:
        """Wait for the next picture, at most SILENT_S. Raises DeviceFault."""
        if self._camera is None:
            raise DeviceFault(self._device, "it is not open", "Open the camera first")
        try:
            (planes,), told = self._captured()
        except Empty as error:
            raise self._silent(f"for {SILENT_S:g} s") from error
        except (RuntimeError, OSError, ValueError) as error:
            raise self._silent(f"({error})") from error
        if told.get("ExposureTime"):
            self._in_force = Exposure(float(told["ExposureTime"]), float(told.get("AnalogueGain", 1.0)))
        # Rows may be padded to the hardware's stride; the chroma planes lie below the luma plane.
        gray = np.ascontiguousarray(planes[: self._config.height, : self._config.width], np.uint8)
        return Frame(gray, time.monotonic_ns())

    def _captured(self) -> Any:
        """Return the next picture's planes and metadata. Raises Empty where none comes, and what the camera raises.

        The camera's own thread signals a capture when it is finished. That is waited for here, since picamera2's own
        waiting has no end, and in older versions cannot be given one.
        """
        finished = SimpleQueue[Any]()  # of this capture alone: one that was given up may still be finished later
        self._camera.capture_arrays(["main"], wait=False, signal_function=finished.put)
        return finished.get(timeout=SILENT_S).get_result()

    def _silent(self, how: str) -> DeviceFault:
        remedy = "Check the ribbon cable; the station tries again by itself"
        return DeviceFault(self._device, f"no picture came {how}", remedy)

    def close(self) -> None:
        """Release the camera. May be called twice. Waits for a driver that hangs in it CLOSING_S, and leaves it behind.

        A camera that has stopped delivering may take its driver into the kernel for good, where nothing can be
        interrupted (picamera2 issue 1275): so it is closed by a thread that may be abandoned, the one reader of the
        lane goes on, and as long as that thread lives `open` does not try.
        """
        camera, self._camera = self._camera, None
        self.limits = self._in_force = None
        if camera is not None:
            self._closing = threading.Thread(
                target=_let_go, args=(camera,), name=f"closing-{self._device}", daemon=True
            )
            self._closing.start()
        if self._closing:
            self._closing.join(CLOSING_S)


def _let_go(camera: Any) -> None:
    """Close a camera. A capture that still waits for its picture would hold that up: it is cancelled where that can be.

    What goes wrong is not told here: where the camera is not free afterwards, opening it says so.
    """
    with contextlib.suppress(Exception):
        camera.cancel_all_and_flush()  # older versions of picamera2 have it not
    with contextlib.suppress(Exception):
        camera.close()
