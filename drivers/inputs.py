"""Door contact, exit button, fire and tamper contacts of one lane over gpiozero: implements station.ports.Inputs.

Pin callbacks only wake the inputs worker, which reads the levels themselves: whatever edges were merged or lost, the
last level is always found. Exit button and fire are driven to the outputs first and reported afterwards.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpiozero import DigitalInputDevice

from drivers.debounce import Debouncer
from station.device_config import ButtonConfig, DoorConfig
from station.ports import DeviceFault, InputKind, Outputs, Release

log = logging.getLogger(__name__)

SETTLE_S = {
    "contact": 0.05,
    "bolt": 0.02,
    "passage": 0.01,
    "rex": 0.03,
    "fire": 0.03,
    "break_glass": 0.03,
    "tamper": 0.05,
    "block": 0.05,
    "duress": 0.03,
}
"""How long a level must hold before it counts, seconds. Contacts bounce for some 10 ms, a finger presses for 50 ms."""
_LOOK_S = 0.5
"""The worker looks at least this often: the bound for an edge the kernel lost, and its heartbeat."""
_STALE_S = 3.0

Report = Callable[[InputKind], None]
_REPORTS: dict[str, tuple[InputKind, InputKind | None]] = {
    "fire": (InputKind.FIRE, InputKind.FIRE_CLEARED),
    "break_glass": (InputKind.BREAK_GLASS, InputKind.BREAK_GLASS_CLEARED),
    "rex": (InputKind.REX, InputKind.REX_RELEASED),
    "bolt": (InputKind.BOLT_THROWN, InputKind.BOLT_WITHDRAWN),
    "contact": (InputKind.DOOR_OPENED, InputKind.DOOR_CLOSED),
    "passage": (InputKind.PASSAGE, None),
    "tamper": (InputKind.TAMPER, InputKind.TAMPER_CLEARED),
    "block": (InputKind.BLOCKED, InputKind.UNBLOCKED),
    "duress": (InputKind.DURESS, None),
}
"""What each input reports when it becomes active and inactive; the order in which they are read."""
_EGRESS = ("fire", "break_glass", "rex")
_LASTING = {"fire": Release.FIRE, "break_glass": Release.BREAK_GLASS}
"""Inputs that release the door for as long as they are active."""


@dataclass(slots=True)
class _Watched:
    name: str
    device: Any
    debouncer: Debouncer
    at_rest: bool
    """What gpiozero calls active where the circuit is closed at rest: the pull's other level."""
    unreadable: bool = field(default=False)


class LaneInputs:
    """Contacts and buttons of one lane; implements station.ports.Inputs.

    `outputs`: what egress releases; `factory`: the gpiozero pin factory of drivers.pins; `name`: the lane, for log
    lines. Raises DeviceFault where a pin cannot be claimed. A lane with controlled egress has no exit button
    (the configuration refuses one; here it would be ignored); fire releases every lane.
    """

    def __init__(self, door: DoorConfig, outputs: Outputs, factory: Any, name: str = "door") -> None:
        self._door, self._outputs, self._name = door, outputs, name
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._seen_at = time.monotonic()
        self._report: Report | None = None
        self._watched: list[_Watched] = []
        self._worker = threading.Thread(target=self._run, name=f"{name}-inputs", daemon=True)
        try:
            for part in _REPORTS:
                button: ButtonConfig | None = getattr(door, part)
                if button is not None and not (part == "rex" and door.egress == "controlled"):
                    self._watched.append(self._claim(part, button, factory))
        except DeviceFault:
            self.close()
            raise

    def watch(self, report: Report) -> None:
        """Report every contact's present state once it has settled, then each change, from the inputs worker.

        A passage sensor reports its pulses; all others report both states. Call it once.
        """
        self._report = report
        self._seen_at = time.monotonic()
        self._worker.start()

    def alive(self) -> bool:
        """Whether the worker has looked lately and could read what egress hangs on. For the supervisor."""
        fresh = time.monotonic() - self._seen_at < _STALE_S
        readable = not any(watched.unreadable for watched in self._watched if watched.name in _EGRESS)
        return self._worker.is_alive() and not self._closing and fresh and readable

    def close(self) -> None:
        """Stop the worker and release the pins. May be called twice."""
        self._closing = True
        self._wake.set()
        if self._worker.is_alive() and self._worker is not threading.current_thread():
            self._worker.join()
        watched, self._watched = self._watched, []
        for one in watched:
            one.device.close()

    def _claim(self, part: str, button: ButtonConfig, factory: Any) -> _Watched:
        try:
            device = DigitalInputDevice(button.pin, pull_up=button.pull_up, pin_factory=factory)
        except Exception as error:
            problem = f"pin {button.pin} cannot be an input active {button.active} ({type(error).__name__}: {error})"
            remedy = "Check the pin number in the configuration and that no other program uses the pin"
            raise DeviceFault(f"{self._name}: {part}", problem, remedy) from error
        watched = _Watched(part, device, Debouncer(SETTLE_S[part], time.monotonic()), button.circuit == "closed")

        def edge() -> None:
            with self._guard:
                watched.debouncer.edge(time.monotonic())
            self._wake.set()

        device.when_activated = edge
        device.when_deactivated = edge
        return watched

    def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            for watched in self._watched:
                self._look_at(watched)
            self._seen_at = time.monotonic()
            with self._guard:
                waits = [watched.debouncer.wait(self._seen_at) for watched in self._watched]
            self._wake.wait(min([_LOOK_S, *waits]))

    def _look_at(self, watched: _Watched) -> None:
        try:
            active = bool(watched.device.is_active) != watched.at_rest
        except Exception as error:  # noqa: BLE001 - the other inputs must still be read
            if not watched.unreadable:
                log.error("%s: %s cannot be read (%s); check its pin", self._name, watched.name, error)  # noqa: TRY400
            watched.unreadable = True
            return
        if watched.unreadable:
            log.info("%s: %s can be read again", self._name, watched.name)
            watched.unreadable = False
        with self._guard:
            settled = watched.debouncer.level(active, time.monotonic())
        if settled is not None:
            self._act(watched.name, settled)

    def _act(self, part: str, active: bool) -> None:
        if part == "rex" and active:
            self._attempt(lambda: self._outputs.release(Release.REX, self._door.unlock_s))
        elif part in _LASTING and active:
            self._attempt(lambda: self._outputs.release(_LASTING[part], math.inf))
        elif part in _LASTING:
            self._attempt(lambda: self._outputs.end_release(_LASTING[part]))
        kind = _REPORTS[part][0 if active else 1]
        report = self._report
        if kind is not None and report is not None:
            self._attempt(lambda: report(kind))

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do what an input asks for; whatever goes wrong there, the inputs are read on."""
        try:
            work()
        except Exception:
            log.exception("%s: an input's change could not be passed on; inputs are watched further", self._name)
