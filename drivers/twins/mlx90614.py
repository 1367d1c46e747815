"""The MLX90614's twin: smbus2's interface, register by register, standing in the twins' world.

It knows nothing of the driver: packet error codes, cells and faults are computed here a second time from the data sheet
(Melexis 3901090614), so that a mistake in one of the two shows.

World key "thermometer.NAME": {"object_c": 36.5, "ambient_c": 22.0, "fault": null}. Faults: "nack" (nobody answers),
"pec" (a disturbed bit in the code), "stuck" (SDA held low, the kernel gives up with ETIMEDOUT), "error-flag" (bit 15).
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Mapping
from typing import Any

from smbus2 import i2c_msg

from drivers.twins.wires import I2C_M_RD, WorldState, nack

FIRST_RAM, FIRST_EEPROM, END_EEPROM = 0x00, 0x20, 0x40
CELL_BUSY_S = 0.005
"""How long a cell needs to be erased or written (application note 390119061402)."""
WRITABLE = frozenset({0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x2E, 0x2F, 0x39})
"""The nine cells that application mode may write (8.4.1); others do not change."""
LOCKED = frozenset({0x2F})
"""Factory calibration, writable only after an unlock command that the twin does not know."""
OBJECT_NOISE_C, AMBIENT_NOISE_C = 0.05, 0.02
"""RMS noise: of the order of the noise charts at the factory's filter setting; ambient moves by about one step."""

FACTORY_CELLS = {
    0x20: 0x9993,
    0x21: 0x62E3,
    0x22: 0x0201,
    0x23: 0xF71C,
    0x24: 0xFFFF,
    0x25: 0x9FB4,
    0x2E: 0xBE5A,
    0x2F: 0x0000,
    0x3C: 0x5457,
    0x3D: 0x494E,
    0x3E: 0x0000,
    0x3F: 0x0001,
}


def _crc8(data: bytes) -> int:
    """CRC-8 by polynomial division of the whole message, unlike the driver's byte-by-byte register."""
    value = int.from_bytes(data, "big") << 8
    for bit in range(value.bit_length() - 1, 7, -1):
        if value >> bit & 1:
            value ^= 0x107 << (bit - 8)
    return value


class TwinBus:
    """An I2C bus with one MLX90614 at `address`. Raises OSError as the kernel would.

    Cells survive as long as the object. While a cell is busy it still shows its old content and a further write is
    lost: a driver that does not wait is found out.
    """

    def __init__(self, world: WorldState, name: str, address: int = 0x5A, seed: int = 1) -> None:
        self._world, self._key, self._address = world, f"thermometer.{name}", address
        self._random = random.Random(seed)  # noqa: S311 - noise of a simulation, repeatable on purpose
        self.cells = dict(FACTORY_CELLS)
        self._pending: tuple[float, int, int] | None = None
        self.closed = False

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        """Carry out one transaction: write word (4 bytes), or a command, repeated start and a read of 3 bytes."""
        if self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        fault = self._scene().get("fault")
        if fault == "stuck":
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if fault == "nack" or any(message.addr != self._address for message in i2c_msgs):
            raise nack()
        match i2c_msgs:
            case (written,) if not written.flags & I2C_M_RD:
                self._write(bytes(written))
            case (asked, reply) if not asked.flags & I2C_M_RD and reply.flags & I2C_M_RD and asked.len == 1:
                self._read(bytes(asked)[0], reply, disturbed=fault == "pec")
            case _:
                raise nack()

    def close(self) -> None:
        """Release the bus. May be called twice."""
        self.closed = True

    def _scene(self) -> Mapping[str, Any]:
        scene = self._world.get(self._key)
        return scene if isinstance(scene, Mapping) else {}

    def _read(self, command: int, reply: i2c_msg, *, disturbed: bool) -> None:
        word = self._word(command)
        data = bytes([word & 0xFF, word >> 8])
        code = _crc8(bytes([self._address << 1, command, self._address << 1 | 1]) + data)
        answer = data + bytes([code ^ 0x10 if disturbed else code])
        for place in range(reply.len):
            # Beyond the code nobody drives SDA any more: the pull-up reads as ones.
            reply.buf[place] = answer[place : place + 1] or b"\xff"

    def _word(self, command: int) -> int:
        self._settle()
        if FIRST_EEPROM <= command < END_EEPROM:
            return self.cells.get(command, 0)
        scene = self._scene()
        match command:
            case 0x06:
                celsius = self._random.gauss(float(scene.get("ambient_c", 22.0)), AMBIENT_NOISE_C)
            case 0x07:
                celsius = self._random.gauss(float(scene.get("object_c", 22.0)), OBJECT_NOISE_C)
            case _ if FIRST_RAM <= command < FIRST_EEPROM:
                return 0
            case _:
                raise nack()
        flag = 0x8000 if scene.get("fault") == "error-flag" else 0
        return flag | max(0x0000, min(0x7FFF, round((celsius + 273.15) / 0.02)))

    def _write(self, packet: bytes) -> None:
        if len(packet) != 4 or _crc8(bytes([self._address << 1]) + packet[:3]) != packet[3]:  # noqa: PLR2004 - write word
            raise nack()
        command, value = packet[0], packet[1] | packet[2] << 8
        if not FIRST_EEPROM <= command < END_EEPROM:
            raise nack()
        self._settle()
        if command in WRITABLE - LOCKED and self._pending is None:
            # Erasing makes all bits 0 and programming only sets bits: written over old content, both remain.
            content = 0 if value == 0 else self.cells.get(command, 0) | value
            self._pending = (time.monotonic() + CELL_BUSY_S, command, content)

    def _settle(self) -> None:
        if self._pending and time.monotonic() >= self._pending[0]:
            _, command, content = self._pending
            self.cells[command] = content
            self._pending = None
