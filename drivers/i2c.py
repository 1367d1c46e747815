"""I2C transactions with one device: tried again within a budget, and every lasting failure told as a DeviceFault.

smbus2 talks to the kernel's /dev/i2c-N; the twins of the devices offer the same two methods.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from smbus2 import SMBus, i2c_msg

from drivers.twins.wires import WorldState
from station.ports import DeviceFault

ATTEMPTS = 3
BUDGET_S = 0.25
"""No attempt begins later than this: a held bus makes the kernel wait up to 1 s, and one of those is enough."""
RETRY_PAUSE_S = 0.005
"""Lets a spike on the wires (a relay nearby) pass; the bus itself is free after 50 us."""

_TRANSIENT = {errno.EREMOTEIO, errno.ENXIO, errno.EIO, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY}

T = TypeVar("T")


class Bus(Protocol):
    """The part of smbus2.SMBus that the drivers use; the twins implement the same."""

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Carry out the messages as one transaction with repeated starts. Raises OSError."""

    def close(self) -> None:
        """Release the bus."""


class GarbledError(Exception):
    """An answer came that cannot be right. The text says what is wrong with it; another attempt is worth while."""


class Link:
    """One device at a 7-bit `address` of `bus`. `name` appears in faults. For one thread.

    `sleep` and `clock` (seconds, monotonic) are the time module's unless a test keeps the time itself.
    """

    def __init__(
        self,
        bus: Bus,
        address: int,
        name: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._name = bus, name
        self.address, self.sleep, self.clock = address, sleep, clock
        self._closed = False

    def read(self, ask: bytes, count: int, doing: str, check: Callable[[bytes], None] | None = None) -> bytes:
        """Write `ask`, start again and read `count` bytes. `doing` ("reading 0x07") appears in faults.

        `check` raises GarbledError for an answer that cannot be right. Raises DeviceFault.
        """

        def transfer() -> bytes:
            reply = i2c_msg.read(self.address, count)
            self._bus.i2c_rdwr(i2c_msg.write(self.address, ask), reply)
            answer = bytes(reply)
            if check:
                check(answer)
            return answer

        return self._within_budget(transfer, doing)

    def write(self, data: bytes, doing: str) -> None:
        """Write `data` as one message. Raises DeviceFault."""
        self._within_budget(lambda: self._bus.i2c_rdwr(i2c_msg.write(self.address, data)), doing)

    def fault(self, problem: str, remedy: str) -> DeviceFault:
        """Return a fault of this device: what happened, and what to do next."""
        return DeviceFault(self._name, problem, remedy)

    def close(self) -> None:
        """Release the bus. May be called twice."""
        if not self._closed:
            self._closed = True
            self._bus.close()

    def _within_budget(self, transfer: Callable[[], T], doing: str) -> T:
        deadline = self.clock() + BUDGET_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return transfer()
            except (OSError, GarbledError) as error:
                final = isinstance(error, OSError) and error.errno not in _TRANSIENT
                if final or attempt == ATTEMPTS or self.clock() >= deadline:
                    raise self._bus_fault(error, doing, attempt) from error
                self.sleep(RETRY_PAUSE_S)
        raise AssertionError(doing)  # the last attempt returned or raised

    def _bus_fault(self, error: OSError | GarbledError, doing: str, attempts: int) -> DeviceFault:
        if isinstance(error, GarbledError):
            cause = str(error)
            remedy = "Shorten the wires, keep them off the relay, and run the bus at 100 kHz or less."
        elif error.errno in {errno.EREMOTEIO, errno.ENXIO}:
            cause = f"nothing answers at address 0x{self.address:02x} ({error.strerror})"
            remedy = "Check the four wires of the sensor and its address (i2cdetect -y BUS)."
        elif error.errno == errno.ETIMEDOUT:
            cause = f"the bus is held ({error.strerror})"
            remedy = "Take the sensor's power away for a second; look for SDA or SCL shorted to ground."
        else:
            cause, remedy = f"bus error ({error.strerror or error})", "Check the wires and the I2C adapter (dmesg)."
        return self.fault(f"{doing} failed after {attempts} of {ATTEMPTS} attempts: {cause}", remedy)


def open_bus(where: str, name: str, world: WorldState | None, twin: Callable[[WorldState, str], Bus]) -> Bus:
    """Open a configured bus: /dev/i2c-N for "i2c:N", what `twin(world, NAME)` returns for "twin:NAME".

    `name` is the device's in faults. Raises DeviceFault.
    """
    kind, _, place = where.partition(":")
    if kind == "twin":
        if world is None:
            raise DeviceFault(name, "a twin needs a world", "Name the socket of the world under [hardware] world.")
        return twin(world, place)
    try:
        bus: Bus = SMBus(int(place))
    except FileNotFoundError as error:
        remedy = "Switch I2C on (raspi-config, or dtparam=i2c_arm=on in config.txt) and restart the machine."
        raise DeviceFault(name, f"there is no /dev/i2c-{place}", remedy) from error
    except PermissionError as error:
        remedy = "Add the service user to the group i2c (the shipped sysusers file does) and restart the service."
        raise DeviceFault(name, f"/dev/i2c-{place} may not be opened", remedy) from error
    except OSError as error:
        raise DeviceFault(name, f"/dev/i2c-{place} cannot be opened ({error})", "Look into dmesg for i2c.") from error
    return bus
