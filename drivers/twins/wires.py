"""The wires of an I2C bus on which one twin sits: what the kernel sees of them, whatever the device says.

A device's scene may name a fault of the wires under "fault": "nack" (nobody answers), "stuck" (SDA held low, the
kernel gives up with ETIMEDOUT), "slow" (the clock runs at a tenth of its rate); and the clock's rate under "hertz".
"""

from __future__ import annotations

import errno
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from smbus2 import i2c_msg

I2C_M_RD = 0x0001
BITS_PER_BYTE = 9
"""Eight and the acknowledge."""
FAST_HZ = 400_000
"""The clock's usual rate: fast mode."""
SLOWER = 0.1


class WorldState(Protocol):
    """The part of the twins' world that a sensor senses."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key."""


def nack() -> OSError:
    """Return what the kernel raises where nobody acknowledges."""
    return OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))


class Wires(ABC):
    """A bus with one device at `address`, whose scene is `key` of `world`. Raises OSError as the kernel would.

    Each transaction takes its time by `sleep`; `clock` is the device's own sense of time, seconds. Both are the time
    module's unless a test keeps the time itself.
    """

    def __init__(
        self,
        world: WorldState,
        key: str,
        address: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._world, self._key, self._address = world, key, address
        self._clock, self._sleep = clock, sleep
        self.closed = False

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Carry out one transaction: a write, or a write, repeated start and read."""
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        fault = self.scene().get("fault")
        if fault == "stuck":
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if fault == "nack" or any(message.addr != self._address for message in i2c_msgs):
            raise nack()
        clocked = sum(message.len + 1 for message in i2c_msgs) * BITS_PER_BYTE
        hertz = float(self.scene().get("hertz", FAST_HZ))
        self._sleep(clocked / (hertz * SLOWER if fault == "slow" else hertz))
        match i2c_msgs:
            case (written,) if not written.flags & I2C_M_RD:
                self._written(bytes(written))
            case (asked, reply) if not asked.flags & I2C_M_RD and reply.flags & I2C_M_RD:
                for place, byte in enumerate(self._asked(bytes(asked), reply.len)):
                    reply.buf[place] = bytes([byte])
            case _:
                raise nack()

    def close(self) -> None:
        """Release the bus. May be called twice."""
        self.closed = True

    def scene(self) -> Mapping[str, Any]:
        """Return what the world says of this device; empty where it says nothing."""
        scene = self._world.get(self._key)
        return scene if isinstance(scene, Mapping) else {}

    @abstractmethod
    def _written(self, data: bytes) -> None:
        """Take in a written message. Raises OSError where the device does not acknowledge."""

    @abstractmethod
    def _asked(self, ask: bytes, count: int) -> bytes:
        """Return the `count` bytes that follow `ask`. Raises OSError where the device does not acknowledge."""
