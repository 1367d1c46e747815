"""The VL53L0X's twin: registers in pages, a measurement that takes its time, and a start that must be done right.

It knows nothing of the driver. What ST's API and Pololu's library write at the start, it demands: without the right
reference SPADs there is no signal, without the laser's calibrations no range, without the stop variable no measurement.

World key "range.NAME": {"mm": 450, "fault": null}; "mm" null: nothing there. Faults: "nack", "stuck", "slow" (the
wires), "no-data" (a measurement never ends), "memory" (ST's values in its memory read as zero), "spads" (most reference
SPADs are broken), "laser" (its self-test fails), "unsteady" (measurements that the sensor itself does not trust).
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable

from drivers.twins.wires import Wires, WorldState, nack

PAGE = 0xFF
IDENTITY = {0xC0: 0xEE, 0xC1: 0xAA, 0xC2: 0x10}
STOP_VARIABLE = 0x3C
SPADS, BEHIND_APERTURE = 7, True
FIRST_APERTURE_SPAD = 12
GOOD_SPADS = (0xFF, 0xEF, 0x7B, 0xFF, 0xFE, 0xFF)
BROKEN_SPADS = (0xFF, 0x0F, 0x02, 0x00, 0x00, 0x00)
MEMORY_S, CALIBRATION_S = 0.001, 0.005
LEAST_MM, MOST_MM, NOTHING_MM = 30, 1200, 8190
NOISE_MM = 2.0
COMPLETE, NO_TARGET, SNR_CHECK, NO_VOLTAGE, LASER, TOO_NEAR = 11, 4, 5, 3, 2, 10


class TwinBus(Wires):
    """An I2C bus with one VL53L0X at `address`. `seed`: of its noise."""

    def __init__(
        self,
        world: WorldState,
        name: str,
        address: int = 0x29,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        seed: int = 1,
    ) -> None:
        super().__init__(world, f"range.{name}", address, clock, sleep)
        self._random = random.Random(seed)  # noqa: S311 - noise of a simulation, repeatable on purpose
        self._pages: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._page = 0
        good = BROKEN_SPADS if self.scene().get("fault") == "spads" else GOOD_SPADS
        self._pages[0] |= IDENTITY | {0x50: 0x06, 0x70: 0x04, 0x84: 0x10, 0x89: 0x00}
        self._pages[0] |= {0xB0 + n: byte for n, byte in enumerate(good)}
        self._pages[1][0x91] = STOP_VARIABLE
        self._good = int.from_bytes(bytes(good), "little")
        self._calibrated = set[str]()
        self._ready_at: float | None = None
        self._memory_at: float | None = None

    def _written(self, data: bytes) -> None:
        if len(data) < 2:  # noqa: PLR2004 - a register and a value
            raise nack()
        for place, value in enumerate(data[1:], start=data[0]):
            if place == PAGE:
                self._page = value
            else:
                self._pages[self._page][place] = value
                self._act(place, value)

    def _asked(self, ask: bytes, count: int) -> bytes:
        if len(ask) != 1:
            raise nack()
        self._progress()
        places = range(ask[0], ask[0] + count)
        return bytes(self._page if place == PAGE else self._pages[self._page][place] for place in places)

    def _act(self, register: int, value: int) -> None:
        """Do what writing a register sets off."""
        match self._page, register:
            case 0, 0x00 if value & 0x01:
                self._begin(value)
            case 0, 0x0B if value & 0x01:
                self._pages[0][0x13] &= ~0x07
            case 7, 0x83 if value == 0:
                unlocked = self._pages[6][0x83] & 0x04 and self._pages[7][0x81] == 1 and self._pages[7][0x94] == 0x6B  # noqa: PLR2004
                self._memory_at = self._clock() + MEMORY_S if unlocked else None

    def _begin(self, value: int) -> None:
        """Start a calibration or a measurement."""
        if self.scene().get("fault") == "no-data":
            self._ready_at = None
            return
        match self._pages[0][0x01], value & 0x40:
            case 0x01, 0x40:
                self._calibrated.add("voltage")
                self._ready_at = self._clock() + CALIBRATION_S
            case 0x02, 0x00:
                self._calibrated.add("phase")
                self._ready_at = self._clock() + CALIBRATION_S
            case _ if self._pages[1][0x91] == STOP_VARIABLE:
                self._ready_at = self._clock() + self._duration_s()
            case _:
                self._ready_at = None

    def _duration_s(self) -> float:
        """Return how long a measurement takes: the fine range's timeout, in periods of its laser, and the rest."""
        registers = self._pages[0]
        periods = (registers[0x72] << registers[0x71]) + 1
        return 0.005 + periods * 2304 * 2 * (registers[0x70] + 1) * 1.655e-9

    def _progress(self) -> None:
        """Let happen what is due by now."""
        now = self._clock()
        if self._memory_at is not None and now >= self._memory_at:
            self._memory_at = None
            blank = self.scene().get("fault") == "memory"
            self._pages[7] |= {0x83: 0x10, 0x92: 0 if blank else BEHIND_APERTURE << 7 | SPADS}
        if self._ready_at is not None:
            self._pages[0][0x00] &= ~0x01
        if self._ready_at is not None and now >= self._ready_at:
            self._ready_at = None
            self._pages[0][0x13] |= 0x04
            status, millimetres = self._measured()
            result = bytes([status << 3, 0, SPADS, 0, 0, 0, 0x02, 0x80, 0, 0x10]) + millimetres.to_bytes(2, "big")
            self._pages[0] |= {0x14 + n: byte for n, byte in enumerate(result)}

    def _measured(self) -> tuple[int, int]:
        """Return the device error and the range of a measurement."""
        scene = self.scene()
        distance = scene.get("mm")
        if scene.get("fault") == "laser":
            return LASER, 0
        if self._calibrated != {"voltage", "phase"}:
            return NO_VOLTAGE, 0
        if scene.get("fault") == "unsteady" or not self._spads_right():
            return SNR_CHECK, 0
        if distance is None or float(distance) > MOST_MM:
            return NO_TARGET, NOTHING_MM
        if float(distance) < LEAST_MM:
            return TOO_NEAR, LEAST_MM
        return COMPLETE, max(0, round(self._random.gauss(float(distance), NOISE_MM)))

    def _spads_right(self) -> bool:
        """Tell whether the reference SPADs in use are good ones, as many as ST measured, of the right kind."""
        used = int.from_bytes(bytes(self._pages[0][0xB0 + n] for n in range(6)), "little")
        lowest = (used & -used).bit_length() - 1
        return used & ~self._good == 0 and used.bit_count() == SPADS and lowest >= FIRST_APERTURE_SPAD
