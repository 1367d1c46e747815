"""The twin of the header's pins: gpiozero's mock pins, tied to the world and to the rules that real lines obey.

Every change of function, pull or level is in the world's log before the call that made it returns. Input pins follow
the world's keys "pin.0" to "pin.27"; where nothing drives them, their pull decides. As with the kernel's line handles,
setting the function "output" without a level drives 0: only `output_with_state` starts at the level asked for.
"""

from __future__ import annotations

import threading
from typing import Any

from gpiozero.exc import PinFixedPull, PinInvalidPull
from gpiozero.pins.mock import MockFactory, MockPin

from drivers.twins.world import World

RELEASE_KEY = "kernel.release"
"""The world's key that says what happens to a dead station's outputs: "pull" (default) or "keep"."""
_BOARD = "a02082"
"""Revision code of the board the twin pretends to be: a Raspberry Pi 3B, whose header carries BCM 0 to 27."""
_PULLS = ("floating", "up", "down")


class TwinPin(MockPin):  # type: ignore[misc]  # gpiozero has no types
    """One pin, BCM 0 to 27, in the world of the factory that made it."""

    def __init__(self, factory: TwinFactory, info: Any) -> None:
        self._told: tuple[Any, ...] | None = None
        super().__init__(factory, info)

    def output_with_state(self, state: bool) -> None:
        """Drive `state` from the first moment on, as a line handle claimed with its level does."""
        with self.factory.changing:
            self._state = bool(state)
            self._function = "output"
            self._tell()

    def follow(self) -> None:
        """Take on the level that world and pull give an input."""
        with self.factory.changing:
            if self._function != "input":
                return
            driven = self.factory.world.get(f"pin.{self._number}")
            level = self._pull == "up" if driven is None else bool(driven)
            if level:
                self.drive_high()
            else:
                self.drive_low()

    def _set_function(self, value: str) -> None:
        with self.factory.changing:
            if value == "output" and self._function != "output":
                self._state = False
            super()._set_function(value)
            self._tell()

    def _set_pull(self, value: str) -> None:
        if self._function != "input":
            raise PinFixedPull(f"cannot set pull on non-input pin {self!r}")
        if self.info.pull and value != self.info.pull:
            raise PinFixedPull(f"{self!r} has a fixed pull resistor")
        if value not in _PULLS:
            raise PinInvalidPull("pull must be floating, up, or down")
        with self.factory.changing:
            self._pull = value
            self.follow()
            self._tell()

    def _change_state(self, value: bool) -> bool:
        with self.factory.changing:
            changed = bool(super()._change_state(value))
            self._tell()
        return changed

    def _tell(self) -> None:
        now = (self._function, self._pull, int(self._state))
        if now != self._told:
            self._told = now
            function, pull, level = now
            self.factory.world.log(what="pin", pin=self._number, function=function, pull=pull, level=level)


class TwinFactory(MockFactory):  # type: ignore[misc]  # gpiozero has no types
    """A pin factory whose header stands in `world`; it tells the world that this process is a station."""

    def __init__(self, world: World) -> None:
        self.changing = threading.RLock()
        self.world = world
        super().__init__(revision=_BOARD, pin_class=TwinPin)
        world.hello("keep" if world.get(RELEASE_KEY) == "keep" else "pull")
        self._forget = world.on_change(self._follow)

    def close(self) -> None:
        """Turn every pin into an input and leave the world. May be called twice."""
        self._forget()
        super().close()
        self.world.close()

    def _follow(self, key: str, _value: Any) -> None:
        if not key.startswith("pin."):
            return
        with self.changing:
            pins = [pin for pin in self.pins.values() if key == f"pin.{pin._number}"]  # noqa: SLF001 - our own pins
        for pin in pins:
            pin.follow()
