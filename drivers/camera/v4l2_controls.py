"""Exposure and focus of V4L2 cameras through OpenCV's properties, and the ranges the driver names.

OpenCV hands the numbers through to the kernel (linux/v4l2-controls.h, Camera Class Controls): exposure in units of
100 microseconds, automatic exposure 1 for manual, 3 for aperture priority, 0 for fully automatic.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

import cv2

from drivers.camera.controls import MissingControls
from drivers.exposure import Exposure, Limits

EXPOSURE_CID, GAIN_CID, FOCUS_CID = 0x009A0902, 0x00980913, 0x009A090A
"""V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CID_GAIN, V4L2_CID_FOCUS_ABSOLUTE."""

_QUERYCTRL: Final = 0xC0445624
"""VIDIOC_QUERYCTRL, _IOWR('V', 36, struct v4l2_queryctrl)."""
_QUERY = struct.Struct("=II32siiiiIII")
"""struct v4l2_queryctrl: id, type, name, minimum, maximum, step, default, flags, reserved[2]."""
_DISABLED = 0x0001

_MANUAL, _AUTOMATIC = 1, (3, 0)
_UNIT_US = 100.0
_FEWEST_UNITS = 3
"""Below three units one unit more is a bigger step than the controller's band is wide."""

FULL_GAIN = 16.0
"""What the end of the gain control's range counts as. Drivers do not say; too large a number only makes steps small."""

NEAREST_CM = 10.0
"""Where the end of the focus control's range is taken to be focused. The unit is undefined (V4L2_CID_FOCUS_ABSOLUTE);
focus motors move about in proportion to dioptres. `gate-station camera tune` shows the sharpness to correct it by."""

Range = tuple[int, int]


def control_range(path: str, control: int) -> Range | None:
    """Ask the driver of a device file for a control's least and greatest value; None where it has no such control."""
    try:
        device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(device, _QUERYCTRL, _QUERY.pack(control, 0, b"", 0, 0, 0, 0, 0, 0, 0))
    except OSError:
        return None
    finally:
        os.close(device)
    _, _, _, least, greatest, _, _, flags, *_ = _QUERY.unpack(answer)
    return None if flags & _DISABLED or greatest <= least else (least, greatest)


class V4l2Controls:
    """The controls of one open capture; made anew with each opening, which restores the automatics."""

    def __init__(self, capture: cv2.VideoCapture, path: str, missing: MissingControls) -> None:
        """`missing` outlives the opening, so that nothing is noted twice."""
        self._capture, self._missing = capture, missing
        self._gain = control_range(path, GAIN_CID)
        self._focus = control_range(path, FOCUS_CID)
        self._time = control_range(path, EXPOSURE_CID)
        self.limits = self._limits()
        self.expose(None)  # UVC cameras keep what an earlier program set

    def _limits(self) -> Limits | None:
        if self._time is None:
            self._missing.note("exposure time", "its own automatic decides")
            return None
        usual = Limits()
        least = max(self._time[0], _FEWEST_UNITS) * _UNIT_US
        most = min(usual.max_us, self._time[1] * _UNIT_US)
        return Limits(least, max(least, most), FULL_GAIN if self._gain else 1.0)

    def expose(self, wanted: Exposure | None) -> None:
        """Set time and gain by hand, or give both back to the camera."""
        if self.limits is None:
            return
        if wanted is None:
            if not any(self._set(cv2.CAP_PROP_AUTO_EXPOSURE, mode) for mode in _AUTOMATIC):
                self._missing.note("automatic exposure", "the exposure set last stays where no code is in view")
            return
        self._set(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL)  # cameras without an automatic refuse it and need it not
        if not self._set(cv2.CAP_PROP_EXPOSURE, round(wanted.time_us / _UNIT_US)):
            self._missing.note("exposure time", "its own automatic decides")
            self.limits = None
            self.expose(None)
            return
        if self._gain:
            least, greatest = self._gain
            self._set(cv2.CAP_PROP_GAIN, round(least + (wanted.gain - 1) / (FULL_GAIN - 1) * (greatest - least)))

    def exposure(self) -> Exposure | None:
        """Return what the camera says is in force. Under the automatic some cameras repeat the last manual value."""
        units = self._capture.get(cv2.CAP_PROP_EXPOSURE)
        if units <= 0:
            return None
        if not self._gain:
            return Exposure(units * _UNIT_US)
        least, greatest = self._gain
        share = (self._capture.get(cv2.CAP_PROP_GAIN) - least) / (greatest - least)
        return Exposure(units * _UNIT_US, 1 + min(max(share, 0.0), 1.0) * (FULL_GAIN - 1))

    def focus(self, distance_cm: float | None) -> None:
        """Focus once and for all at a distance, or leave it to the camera (None)."""
        if distance_cm is None:
            self._set(cv2.CAP_PROP_AUTOFOCUS, 1)  # most cameras here have a fixed lens: nothing to note
            return
        self._set(cv2.CAP_PROP_AUTOFOCUS, 0)
        least, greatest = self._focus or (0, 0)
        share = min(NEAREST_CM / distance_cm, 1.0)
        if not self._focus or not self._set(cv2.CAP_PROP_FOCUS, round(least + share * (greatest - least))):
            self._missing.note("focus", "focus_cm has no effect; turn the lens by hand")

    def _set(self, prop: int, value: float) -> bool:
        try:
            return self._capture.set(prop, value)
        except cv2.error:
            return False
