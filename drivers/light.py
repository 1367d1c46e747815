"""The aiming light of a lane: a lamp at a pin that shows where to hold the pass and lights paper passes in the dark.

The rule (`LightRule`): off by default. It shines while something moves before the camera and no code was read for
UNREAD_S, until one is read or nothing has moved for PRESENT_S. In the dark it always shines: from a picture darker
than DARK_GRAY on, for at least DARK_HOLD_S and until the picture, lamp included, is brighter than DAY_GRAY.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from gpiozero import OutputDevice

from station.config import Config
from station.device_config import CameraConfig
from station.ports import DeviceFault

log = logging.getLogger(__name__)

UNREAD_S = 1.5
"""So long a code may be missing before the lamp helps: most are read sooner."""

PRESENT_S = 3.0
"""Somebody who stands still still moves within so long."""

DARK_GRAY, DAY_GRAY = 30.0, 120.0
"""Mean gray of the picture. Far apart, because the lamp itself brightens the picture."""

DARK_HOLD_S = 60.0
"""A lamp that judges its own light must not blink."""

SETTLE_S = 0.8
"""After switching, the changed picture is the lamp's own doing: neither movement nor darkness is concluded from it."""


class LightRule:
    """When the lamp shines. All moments are seconds of one monotonic clock; `on` is the present decision."""

    def __init__(self) -> None:
        self.on = False
        self._came_s = self._moved_s = self._read_s = self._dark_s = self._switched_s = -math.inf
        self._dark = False

    def look(self, now_s: float, *, moved: bool, code: bool, mean_gray: float) -> bool:
        """Take what one picture showed; return whether the lamp shall shine."""
        if code:
            self._read_s = now_s
        if now_s - self._switched_s >= SETTLE_S:
            self._notice(now_s, moved=moved or code, mean_gray=mean_gray)
        wanted = self._dark or self._waits(now_s)
        if wanted != self.on:
            self.on, self._switched_s = wanted, now_s
        return wanted

    def _notice(self, now_s: float, *, moved: bool, mean_gray: float) -> None:
        if moved:
            if now_s - self._moved_s > PRESENT_S:
                self._came_s = now_s
            self._moved_s = now_s
        if not self._dark and mean_gray < DARK_GRAY:
            self._dark, self._dark_s = True, now_s
        elif self._dark and mean_gray > DAY_GRAY and now_s - self._dark_s >= DARK_HOLD_S:
            self._dark = False

    def _waits(self, now_s: float) -> bool:
        """Whether somebody is there and nothing was read from them lately."""
        present = now_s - self._moved_s <= PRESENT_S
        return present and now_s - max(self._came_s, self._read_s) >= UNREAD_S


class AimingLight:
    """The lamp at its pin, high being on. The pin is pulled down: once released, the lamp is off."""

    def __init__(self, pin: int, factory: Any, name: str) -> None:
        """`factory`: a pin factory of drivers.pins; `name`: the lane. Raises DeviceFault where the pin fails."""
        self._name, self._rule, self._failing = f"{name}: aiming light", LightRule(), False
        self._shining = False
        try:
            factory.pin(pin).input_with_pull("down")
            self._device = OutputDevice(pin, initial_value=False, pin_factory=factory)
        except Exception as error:
            raise _fault(self._name, pin, error) from error

    def look(self, now_s: float, *, moved: bool, code: bool, mean_gray: float) -> None:
        """Follow the rule. A lamp that fails is logged once, and once when it works again; it never raises."""
        self._set(self._rule.look(now_s, moved=moved, code=code, mean_gray=mean_gray))

    def close(self) -> None:
        """Switch off and give the pin back, with its pull. May be called twice."""
        self._shining = True  # whatever it was: off is driven now
        self._set(False)
        self._device.close()

    def _set(self, on: bool) -> None:
        if on == self._shining or self._device.closed:
            return
        try:
            self._device.value = on
        except Exception as error:  # noqa: BLE001 - whatever the pin library throws, the lane works without the lamp
            if not self._failing:
                log.warning("%s: the pin does not obey (%s); check its wiring", self._name, error)
            self._failing = True
            return
        if self._failing:
            log.info("%s: works again", self._name)
            self._failing = False
        self._shining = on


def open_light(camera: CameraConfig, factory: Any, lane: str) -> AimingLight | None:
    """Return the lane's lamp, None where none is configured or its pin fails, which is logged: reading goes on."""
    if camera.light is None:
        return None
    if isinstance(factory, DeviceFault):
        return None  # told already, for the whole header
    try:
        return AimingLight(camera.light, factory, lane)
    except DeviceFault as fault:
        log.warning("%s", fault)
        return None


def drive_dark(config: Config, factory: Any) -> list[DeviceFault]:
    """Drive every lamp's pin low and leave it driven, for ExecStopPost; return what could not be driven."""
    faults = []
    for lane in config.lane:
        if lane.camera.light is None:
            continue
        try:
            line = factory.pin(lane.camera.light)
            line.input_with_pull("down")
            line.output_with_state(False)
        except Exception as error:  # noqa: BLE001 - one bad pin must not keep the others lit
            faults.append(_fault(f"{lane.id}: aiming light", lane.camera.light, error))
    return faults


def _fault(what: str, pin: int, error: Exception) -> DeviceFault:
    remedy = "Check camera.light in the configuration, the wiring, and that no other program uses the pin"
    return DeviceFault(what, f"pin {pin} does not obey ({type(error).__name__}: {error})", remedy)
