"""The memory of an MLX90640: 16-bit words at 16-bit addresses, high byte first (data sheet 10.2 and 10.6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.i2c import Link

ROWS, COLUMNS = 24, 32
PIXELS = ROWS * COLUMNS

RAM, RAM_WORDS = 0x0400, 832
"""Pixels row by row, then 64 words of the device's own sensors."""
EEPROM, EEPROM_WORDS = 0x2400, 832
ID, ID_WORDS = 0x2407, 3
STATUS, CONTROL = 0x8000, 0x800D

SUBPAGE = 0x0007
"""Of the status: which half was measured last."""
NEW_DATA = 0x0008
"""Of the status: a half is ready; the host clears it."""
OVERWRITE = 0x0010
"""Of the status: the device may write its RAM although the flag was not cleared."""

SUBPAGES = 0x0001
REFRESH_SHIFT, REFRESH_BITS = 7, {4: 0b011, 8: 0b100}
"""Halves a second."""
RESOLUTION_SHIFT, RESOLUTION_MASK = 10, 0b11
RESOLUTION_18_BIT = 0b10
CHESS = 0x1000
"""Of the control register: halves are the squares of a chess board; else alternate rows."""

VBE, CP, GAIN, PTAT, VDD = 0x700 - RAM, (0x708 - RAM, 0x728 - RAM), 0x70A - RAM, 0x720 - RAM, 0x72A - RAM
"""Places in the RAM's words: the chip's temperature (two), the compensation pixels, gain and supply voltage."""

BURST = 208
"""Words of one transaction: a quarter of RAM or EEPROM, so that others on the bus wait 10 ms at most at 400 kHz."""

Words = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Half:
    """One half of a picture as the device holds it. `number`: 0 or 1; `control`: the control register; `ram`: 832."""

    number: int
    control: int
    ram: Words


def control(refresh_hz: int) -> int:
    """Return the control register: chess pattern, 18 bits, two halves in turn at `refresh_hz` (4 or 8) a second."""
    return CHESS | RESOLUTION_18_BIT << RESOLUTION_SHIFT | REFRESH_BITS[refresh_hz] << REFRESH_SHIFT | SUBPAGES


class Registers:
    """Reads and writes words over a link."""

    def __init__(self, link: Link) -> None:
        """`link`: the device on its bus."""
        self._link = link

    def words(self, start: int, count: int) -> Words:
        """Return `count` words from `start`, uint16. Raises DeviceFault."""
        parts = [
            self._link.read(place.to_bytes(2, "big"), 2 * min(BURST, start + count - place), f"reading 0x{place:04x}")
            for place in range(start, start + count, BURST)
        ]
        return np.frombuffer(b"".join(parts), ">u2").astype(np.uint16)

    def word(self, register: int) -> int:
        """Return one word. Raises DeviceFault."""
        return int(self.words(register, 1)[0])

    def write(self, register: int, value: int) -> None:
        """Write one word. Raises DeviceFault."""
        self._link.write(register.to_bytes(2, "big") + value.to_bytes(2, "big"), f"writing 0x{register:04x}")
