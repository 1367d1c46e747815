"""Brings the exposure controller and a camera's controls together across the reader's two threads.

The decode thread tells what it saw (`look`); the capture thread, which alone touches the camera, carries it out
(`opened`, `serve`). Between them pass single values, each replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike

from drivers.camera.controls import Adjustable
from drivers.exposure import Exposure, Governor, is_burnt_screen, meter
from station.device_config import CameraConfig
from station.ports import Camera, Gray

_ASKED_EVERY_S = 0.5
"""How often the camera is asked which exposure its automatic has chosen."""


class Symbol(Protocol):
    """Anything with corners."""

    @property
    def quad(self) -> ArrayLike:
        """Corners (x, y), pixels."""


@runtime_checkable
class Locating(Protocol):
    """A decoder that also tells what it located in the newest picture but could not read."""

    located: Sequence[Symbol]


class Meter:
    """Meters one lane's exposure on the codes in view; without controls or with exposure = "auto" it only reports."""

    def __init__(self, camera: Camera, config: CameraConfig) -> None:
        self._camera = camera if isinstance(camera, Adjustable) else None
        self._wanted_by_config = config.exposure == "metered"
        self._governor: Governor | None = None
        self._applied: Exposure | None = None
        self._asked_s = 0.0
        self.exposure: Exposure | None = None
        """The exposure in force; None where the camera does not tell."""

    def opened(self) -> None:
        """Begin anew: the camera was opened, with its own automatic. Capture thread."""
        limits = self._camera.limits if self._camera else None
        self._applied = self.exposure = None
        self._asked_s = float("-inf")
        self._governor = Governor(limits) if limits and self._wanted_by_config else None

    def serve(self, now_s: float) -> None:
        """Set what is wanted and learn what is in force. Capture thread, after each picture."""
        if self._camera is None:
            return
        wanted = self._governor.wanted if self._governor else None
        changed = wanted != self._applied
        if changed:
            self._camera.expose(wanted)
            self._applied = wanted
            if self._camera.limits is None:  # the camera refused: its automatic has taken over
                self._governor = self._applied = None
        if changed or now_s - self._asked_s >= _ASKED_EVERY_S:
            self.exposure = self._camera.exposure()
            self._asked_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Tell whether a picture is worth decoding because the exposure was changed before it. Decode thread."""
        return self._governor is not None and self._governor.is_due(now_s)

    def look(self, gray: Gray, symbols: Sequence[Symbol], now_s: float) -> None:
        """Take a picture and the codes read or located in it (corners in its pixels). Decode thread."""
        governor = self._governor
        if governor is None:
            return
        meterings = [one for symbol in symbols if (one := meter(gray, symbol.quad))]
        if meterings:
            brightest = max(meterings, key=lambda one: (one.saturated, one.light))
            governor.code(brightest, self.exposure, now_s)
        elif is_burnt_screen(gray):
            governor.burnt_screen(self.exposure, now_s)
        else:
            governor.nothing(now_s)
