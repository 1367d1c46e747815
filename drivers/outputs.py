"""Door relay, status LED and buzzer of one lane over gpiozero: implements station.ports.Outputs.

The relay's safe level is de-energised, for both modes: a fail-secure door is then locked, a fail-safe door (energised
= locked) is then unlocked, as it also is without power. It is the level the pin is claimed with, the level `close`
and `drive_safe` leave, and the level the pin's pull (`needed_pull`) gives once the kernel has released the line. A
fail-secure door therefore needs a handle that opens it mechanically from inside.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Any, Literal

from gpiozero import OutputDevice

from drivers.patterns import PatternPlayer
from station.config import Config
from station.core.signals import Signal
from station.device_config import DoorConfig, RelayConfig
from station.ports import DeviceFault, Release

log = logging.getLogger(__name__)

_RETRY_S = 0.5
"""How long the relay is left alone after it failed to take a level."""


def needed_pull(relay: RelayConfig) -> Literal["up", "down"]:
    """Return the pull that keeps the relay de-energised while nothing drives its pin."""
    return "up" if relay.active == "low" else "down"


def safe_levels(door: DoorConfig) -> list[tuple[int, int]]:
    """Return (BCM pin, level) of every output of the door at rest: relay de-energised, light and sound off."""
    levels = [(door.relay.pin, int(door.relay.active == "low"))]
    if door.led:
        levels += [(door.led.red, 0), (door.led.green, 0), (door.led.blue, 0)]
    if door.buzzer is not None:
        levels.append((door.buzzer, 0))
    return levels


def drive_safe(config: Config, factory: Any) -> list[DeviceFault]:
    """Drive every output of every lane to its safe level and leave it driven; return what could not be driven.

    For ExecStopPost, after the station is gone. The pins stay driven until this process ends: on kernels that keep
    the level of a released line, the safe level is then the one they keep.
    """
    faults = []
    for lane, door in config.doors():
        for pin, level in safe_levels(door):
            try:
                line = factory.pin(pin)
                line.input_with_pull("up" if level else "down")
                line.output_with_state(bool(level))
            except Exception as error:  # noqa: BLE001 - one bad pin must not keep the others from their safe level
                faults.append(_pin_fault(f"{lane}: output", pin, error))
    return faults


def _pin_fault(what: str, pin: int, error: Exception) -> DeviceFault:
    remedy = "Check the pin number in the configuration, the wiring, and that no other program uses the pin"
    return DeviceFault(what, f"pin {pin} does not obey ({type(error).__name__}: {error})", remedy)


class _Relay:
    """The door relay: claimed de-energised, with the pull that keeps it so."""

    def __init__(self, relay: RelayConfig, factory: Any, name: str) -> None:
        self._config, self._name = relay, f"{name}: relay"
        self._energised = False
        try:
            factory.pin(relay.pin).input_with_pull(needed_pull(relay))
            self._device = OutputDevice(
                relay.pin,
                active_high=relay.active == "high",
                initial_value=False,
                pin_factory=factory,
            )
        except Exception as error:
            raise _pin_fault(self._name, relay.pin, error) from error

    def set(self, *, unlocked: bool) -> None:
        """Energise or not, as the mode wants it. Raises DeviceFault."""
        self._energise(unlocked == (self._config.mode == "fail-secure"))

    def renew(self) -> None:
        """Write the level it has once more. Raises DeviceFault."""
        self._energise(self._energised)

    def close(self) -> None:
        """De-energise and give the pin back, with its pull. Raises DeviceFault."""
        try:
            self._energise(False)
        finally:
            self._device.close()

    def _energise(self, on: bool) -> None:
        try:
            self._device.value = on
        except Exception as error:
            raise _pin_fault(self._name, self._config.pin, error) from error
        self._energised = on


class LaneOutputs:
    """Everything one lane drives; implements station.ports.Outputs.

    `factory`: the gpiozero pin factory of drivers.pins; `name`: the lane, for log lines. The relay starts at its safe
    level; the first `lock` or `unlock` is the gate's. Raises DeviceFault where the relay's pin cannot be claimed; LED
    and buzzer faults are only logged.

    A `lock` during a release is remembered and done by the keeper thread when the release is over; only `unlock`
    makes it forgotten. A level that the relay did not take is tried again by the keeper until it does.
    """

    def __init__(self, door: DoorConfig, factory: Any, name: str = "door") -> None:
        self._name = name
        self._relay = _Relay(door.relay, factory, name)
        self._player = PatternPlayer(door, factory, name)
        self._changed = threading.Condition()
        self._held_until: dict[Release, float] = {}
        self._pulse_s = door.relay.pulse_s if door.relay.drive == "pulse" else None
        self._pulse_until = -math.inf
        self._lock_due = False
        self._unlocked_by_gate = False
        self._untaken: bool | None = None
        """The state (unlocked?) the relay failed to take; None where it took the last one."""
        self._closed = False
        self._keeper = threading.Thread(target=self._keep, name=f"{name}-relay", daemon=True)
        self._keeper.start()

    def unlock(self) -> None:
        """Let the door be opened until `lock`. Raises DeviceFault, as the other relay calls do.

        A pulsed relay is energised for its time, whatever `lock` says meanwhile, and rests afterwards.
        """
        with self._changed:
            self._lock_due = self._pulse_s is not None
            self._unlocked_by_gate = not self._lock_due  # a pulse ends by itself, so does an exit after it
            if self._pulse_s is not None:
                self._pulse_until = time.monotonic() + self._pulse_s
                self._changed.notify()
            self._drive(unlocked=True)

    def lock(self) -> None:
        """Secure the door: at once, or as soon as no release holds it."""
        with self._changed:
            self._unlocked_by_gate = False
            if self._held_for() > 0:
                self._lock_due = True
                self._changed.notify()
            else:
                self._lock_due = False
                self._drive(unlocked=False)

    def release(self, cause: Release, seconds: float) -> None:
        """Egress: unlock now and hold it so against `lock` for `seconds` (inf: until `end_release`).

        An exit through a pulsed relay is a pulse: the control of the turnstile or barrier does the rest.
        """
        if cause is Release.REX and self._pulse_s is not None:
            seconds = self._pulse_s
        with self._changed:
            until = time.monotonic() + seconds
            self._held_until[cause] = max(until, self._held_until.get(cause, -math.inf))
            if cause is Release.REX and not self._unlocked_by_gate:
                self._lock_due = True  # relocks by itself should the gate thread be held up by the disk
                self._changed.notify()
            self._drive(unlocked=True)

    def end_release(self, cause: Release) -> None:
        """Egress ended: the next `lock` works again, and one that came meanwhile is done now."""
        with self._changed:
            self._held_until.pop(cause, None)
            self._changed.notify()

    def obeys(self) -> bool:
        """Say whether the relay takes a level: it is given the one it has once more, so nothing moves."""
        with self._changed:
            if self._closed:
                return False
            if self._untaken is None:
                try:
                    self._relay.renew()
                except DeviceFault:
                    return False
            return self._untaken is None

    def signal(self, signal: Signal) -> None:
        """Show LED and buzzer patterns of `station.core.signals.PATTERNS`; interrupts the pattern before."""
        self._player.play(signal)

    def alive(self) -> bool:
        """Whether the relay is looked after and took the last level it was given. For the supervisor."""
        return self._keeper.is_alive() and not self._closed and self._untaken is None

    def close(self) -> None:
        """De-energise the relay, switch light and sound off, stop the threads, release the pins. Twice is fine."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
            try:
                self._relay.close()
            except DeviceFault:
                log.exception("the relay could not be driven to its safe level")
        self._keeper.join()
        self._player.close()

    def _drive(self, *, unlocked: bool) -> None:
        """Under the condition: give the relay its level. After `close` the safe level stays."""
        if self._closed:
            return
        try:
            self._relay.set(unlocked=unlocked)
        except DeviceFault:
            self._untaken = unlocked
            self._changed.notify()
            raise
        self._untaken = None

    def _held_for(self) -> float:
        return max([self._pulse_until, *self._held_until.values()]) - time.monotonic()

    def _keep(self) -> None:
        failing = False
        with self._changed:
            while not self._closed:
                try:
                    if self._untaken is not None:
                        self._drive(unlocked=self._untaken)
                    if self._lock_due and self._held_for() <= 0:
                        self._lock_due = False
                        self._drive(unlocked=False)
                except DeviceFault as fault:
                    if not failing:
                        log.error("%s", fault)  # noqa: TRY400 - the message says it all
                    failing = True
                    self._changed.wait(_RETRY_S)
                    continue
                if failing:
                    log.info("%s: the relay obeys again", self._name)
                    failing = False
                wait = self._held_for() if self._lock_due else math.inf
                self._changed.wait(None if wait == math.inf else wait)
