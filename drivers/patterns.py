"""Plays a lane's light and sound patterns (station.core.signals) on a status LED and a buzzer.

One thread per lane sleeps until the next edge of light or sound, or until a new signal. What the LED or the buzzer
does wrong stays here: it is logged once when it begins and once when it ends, and never reaches the relay.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from gpiozero import DigitalOutputDevice, PWMOutputDevice
from gpiozero.exc import PinPWMUnsupported

from station.core.signals import PATTERNS, Signal, SignalPattern
from station.device_config import DoorConfig

log = logging.getLogger(__name__)

ON_FROM = 0.25
"""Where pins cannot dim, a colour part from here on is fully on: every signal's colour stays distinct from off."""
_LEAST_WAIT_S = 0.001
_DARK = (0.0, 0.0, 0.0)


def phase(durations: tuple[float, ...], repeats: bool, at_rest: bool, elapsed: float) -> tuple[bool, float]:
    """Return whether (on, off, on, ...) `durations` in seconds are on after `elapsed` seconds, and for how long yet.

    No durations, or all of them over without `repeats`: (`at_rest`, inf).
    """
    total = sum(durations)
    if not durations or (not repeats and elapsed >= total):
        return at_rest, math.inf
    left = elapsed % total
    for number, duration in enumerate(durations):
        if left < duration:
            return number % 2 == 0, duration - left
        left -= duration
    return (len(durations) - 1) % 2 == 0, 0.0  # rounding put the sum of the parts just short of the whole


class _Part:
    """LED or buzzer: a way to write to it, and whether it works."""

    def __init__(self, name: str, make: Callable[[], list[Any]]) -> None:
        self._name, self._failed = name, False
        self._shown: tuple[float, ...] | None = None
        self._devices: list[Any] = []
        self._attempt(lambda: self._devices.extend(make()))

    def show(self, values: tuple[float, ...]) -> None:
        """Write one value 0..1 per device, if they are not written already."""
        if self._devices and values != self._shown:
            self._shown = values if self._attempt(lambda: self._write(values)) else None

    def close(self) -> None:
        """Switch off and give the pins back."""
        self.show(_DARK[: len(self._devices)])
        for device in self._devices:
            self._attempt(device.close)
        self._devices = []

    def _write(self, values: tuple[float, ...]) -> None:
        for device, value in zip(self._devices, values, strict=True):
            device.value = value if isinstance(device, PWMOutputDevice) else value >= ON_FROM

    def _attempt(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - nothing that light or sound do may reach the relay
            if not self._failed:
                log.error("%s does not work (%s); check its wiring and pin numbers", self._name, error)  # noqa: TRY400
            self._failed = True
            return False
        if self._failed:
            log.info("%s works again", self._name)
        self._failed = False
        return True


def _make_led(door: DoorConfig, factory: Any) -> list[Any]:
    if door.led is None:
        return []
    made: list[Any] = []
    kind = PWMOutputDevice
    try:
        for pin in (door.led.red, door.led.green, door.led.blue):
            try:
                made.append(kind(pin, pin_factory=factory))
            except PinPWMUnsupported:
                kind = DigitalOutputDevice
                made.append(kind(pin, pin_factory=factory))
    except BaseException:
        for device in made:
            device.close()
        raise
    return made


def _make_buzzer(door: DoorConfig, factory: Any) -> list[Any]:
    return [] if door.buzzer is None else [DigitalOutputDevice(door.buzzer, pin_factory=factory)]


class PatternPlayer:
    """Status LED and buzzer of one lane. `factory`: gpiozero pin factory; `name` appears in log lines. Thread safe."""

    def __init__(self, door: DoorConfig, factory: Any, name: str) -> None:
        self._led = _Part(f"{name}: status LED", lambda: _make_led(door, factory))
        self._buzzer = _Part(f"{name}: buzzer", lambda: _make_buzzer(door, factory))
        self._news = threading.Condition()
        self._next: SignalPattern | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-patterns", daemon=True)
        self._thread.start()

    def play(self, signal: Signal) -> None:
        """Interrupt whatever plays and start this signal's pattern; the same signal again starts it again."""
        with self._news:
            self._next = PATTERNS[signal]
            self._news.notify()

    def close(self) -> None:
        """Stop the thread, switch everything off and give the pins back. May be called twice."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()
        self._led.close()
        self._buzzer.close()

    def _run(self) -> None:
        playing: SignalPattern | None = None
        started, wait = 0.0, math.inf
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closing or self._next, None if wait == math.inf else wait)
                if self._closing:
                    return
                if self._next is not None:
                    playing, self._next = self._next, None
                    started = time.monotonic()
            if playing is not None:
                wait = self._show(playing, time.monotonic() - started)

    def _show(self, pattern: SignalPattern, elapsed: float) -> float:
        """Write what the pattern shows now; return the seconds until it changes."""
        lit, lit_for = phase(pattern.blink, pattern.blink_repeats, True, elapsed)
        loud, loud_for = phase(pattern.beep, pattern.beep_repeats, False, elapsed)
        self._led.show(pattern.colour if lit else _DARK)
        self._buzzer.show((float(loud),))
        return max(min(lit_for, loud_for), _LEAST_WAIT_S)
