"""The MLX90640 as a thermometer: starts the sensor, reads its halves in time, and refuses what cannot be right.

The bus has no check codes, so everything read is checked against something: the EEPROM against a second reading, halves
against the values that a disturbed or unfinished conversion leaves, supply and chip temperature against the limits of
the data sheet, and the control register against what was written (a sensor that lost its supply has forgotten it).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from drivers.i2c import Bus, Link, open_bus
from drivers.mlx90640 import compensation, forehead
from drivers.mlx90640.calibration import MOST_DEVIATING, Calibration, CalibrationError, Values, restore
from drivers.mlx90640.registers import (
    COLUMNS,
    CONTROL,
    CP,
    EEPROM,
    EEPROM_WORDS,
    GAIN,
    ID,
    ID_WORDS,
    NEW_DATA,
    OVERWRITE,
    PIXELS,
    PTAT,
    RAM,
    RAM_WORDS,
    REFRESH_BITS,
    ROWS,
    STATUS,
    SUBPAGE,
    VBE,
    VDD,
    Half,
    Registers,
    control,
)
from drivers.twins.mlx90640 import TwinBus
from drivers.twins.wires import WorldState
from station.device_config import ThermometerConfig
from station.ports import DeviceFault, ThermalSample

BUSY_SHARE = 0.7
"""Of a half's time the bus may need for reading it; then the next half is not yet written."""
LOOKS = 16
"""How often within a half's time the status is looked at."""
PATIENCE_S = 1.2
"""A half that has not come by then does not come any more: the slowest is the one begun at the factory's 2 Hz."""
STALE_HALVES = 3
"""A picture whose older part is older than this is not completed but begun anew."""
TRIES = 3
"""Halves in a row that may be disturbed."""
CP_AVERAGE = 16
"""Readings of a compensation pixel that are averaged (data sheet, note to 11.2.2.6.1): its noise is in every pixel."""
UNFINISHED = 0x7FFF
"""What an unfinished or overflowed conversion leaves (Melexis' library, ValidateFrameData and ValidateAuxData)."""
SUPPLY_V = (2.9, 3.7)
"""3.0 to 3.6 V by the data sheet, and the error of the measurement."""
CHIP_C = (-40.0, 85.0)

_OWN_SENSORS = [VBE, *CP, GAIN, PTAT, VDD]
_SLOW = "Set dtparam=i2c_arm_baudrate=400000 in config.txt and restart the machine; shorten long wires."
_SUPPLY = "Check its 3.3 V supply and the capacitor beside it; then take its power away for a second."
_REPLACE = "Take its power away for a second; if this stays, replace the sensor."


class _DisturbedError(Exception):
    """A half that cannot be used; the next one may be sound."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem, self.remedy = problem, remedy


class Mlx90640:
    """One sensor at a 7-bit `address` of `bus`. Implements station.ports.Thermometer. For one thread.

    `emissivity` (0.1..1) is that of what is looked at; the sensor itself knows none. `name` appears in faults; `sleep`
    and `clock` are the time module's unless a test keeps the time itself. Call `start` before anything else.
    """

    def __init__(
        self,
        bus: Bus,
        address: int,
        name: str,
        emissivity: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = Link(bus, address, name, sleep, clock)
        self._registers = Registers(self._link)
        self._emissivity = emissivity
        self._known: Calibration | None = None
        self._period, self._control = 0.0, 0
        self._picture = np.full(PIXELS, np.nan)
        self._taken = [-np.inf, -np.inf]
        self._compensation = [deque[float](maxlen=CP_AVERAGE), deque[float](maxlen=CP_AVERAGE)]

    def start(self) -> None:
        """Read the calibration (twice, and compare) and set the sensor going. Raises DeviceFault."""
        begun = self._link.clock()
        image, again = (self._registers.words(EEPROM, EEPROM_WORDS) for _ in range(2))
        needed = (self._link.clock() - begun) / 2
        if not np.array_equal(image, again):
            differing = int(np.count_nonzero(image != again))
            problem = f"two readings of the EEPROM differ in {differing} of {EEPROM_WORDS} words"
            raise self._link.fault(problem, "Shorten the wires and keep them off the relay.")
        try:
            self._known = restore(image)
        except CalibrationError as error:
            remedy = "Check that an MLX90640 answers at this address; if it is one, replace it."
            raise self._link.fault(f"the calibration in the EEPROM cannot be used: {error}", remedy) from error
        self._set_going(needed)

    def _set_going(self, needed: float) -> None:
        """Choose the fastest refresh at which a half that takes `needed` seconds to read is read in time."""
        rates = [rate for rate in REFRESH_BITS if needed <= BUSY_SHARE / rate]
        if not rates:
            problem = f"the bus is too slow: reading {EEPROM_WORDS} words took {needed * 1e3:.0f} ms"
            raise self._link.fault(problem, _SLOW)
        self._period, self._control = 1 / max(rates), control(max(rates))
        self._registers.write(CONTROL, self._control)
        if (found := self._registers.word(CONTROL)) != self._control:
            problem = f"the control register holds 0x{found:04x} after writing 0x{self._control:04x}"
            raise self._link.fault(problem, _REPLACE)

    def sample(self) -> ThermalSample:
        """Return forehead, chip temperature and fill of the next picture. Raises DeviceFault.

        A picture is complete after one more half (1/8 or 1/4 s) where the last sample was just taken, else after two
        whole ones, so that nothing of whoever stood there before is in it.
        """
        picture, chip_c = self.picture()
        seen = forehead.find(picture)
        return ThermalSample(seen.celsius, chip_c, seen.fill)

    def picture(self) -> tuple[Values, float]:
        """Return the next picture, degrees Celsius, shape (24, 32), and the chip's temperature. Raises DeviceFault."""
        if self._known is None:
            raise self._link.fault("the sensor was not started", "This is a mistake in the program: report it.")
        if self._link.clock() - min(self._taken) > STALE_HALVES * self._period:
            self._taken = [-np.inf, -np.inf]
            self._registers.write(STATUS, OVERWRITE)
            # The half that is being measured began before: it may still show whoever left.
            self._await_half()
        for _ in range(TRIES):
            chip_c = self._take(self._sound_half(self._known), self._known)
            if self._link.clock() - min(self._taken) <= STALE_HALVES * self._period:
                return self._mended(self._known.deviating), chip_c
        raise self._link.fault("the sensor delivers only one half of the picture", _REPLACE)

    def emissivity(self) -> float:
        """Return the emissivity the temperatures are computed with, 0.1..1."""
        return self._emissivity

    def sensor_id(self) -> str:
        """Return the factory's 48-bit id as 12 hexadecimal digits. Raises DeviceFault."""
        return "".join(f"{int(word):04x}" for word in self._registers.words(ID, ID_WORDS))

    def close(self) -> None:
        """Release the bus; the sensor goes on measuring. May be called twice."""
        self._link.close()

    def _take(self, half: Half, known: Calibration) -> float:
        """Compute a half into the picture; returns the chip's temperature."""
        now = compensation.conditions(half, known)
        signals = self._compensation[half.number]
        signals.append(compensation.compensation_pixel(half, known, now))
        average = sum(signals) / len(signals)
        values = compensation.temperatures(half, known, now, self._emissivity, average)
        self._picture[compensation.pixels_of(half)] = values
        self._taken[half.number] = self._link.clock()
        return now.chip_c

    def _mended(self, deviating: tuple[int, ...]) -> Values:
        """Return the picture, shape (24, 32), with unusable pixels replaced by the median of their neighbours."""
        picture = self._picture.copy()
        picture[list(deviating)] = np.nan
        lost = np.flatnonzero(np.isnan(picture))
        if len(lost) > MOST_DEVIATING + len(deviating):
            raise self._link.fault(f"{len(lost)} pixels measure what nothing can radiate", _REPLACE)
        picture = picture.reshape(ROWS, COLUMNS)
        padded, everywhere = np.pad(picture, 1, constant_values=np.nan), float(np.nanmedian(picture))
        for row, column in zip(*np.divmod(lost, COLUMNS), strict=True):
            around = padded[row : row + 3, column : column + 3]
            usable = around[~np.isnan(around)]
            picture[row, column] = np.median(usable) if len(usable) else everywhere
        return picture

    def _sound_half(self, known: Calibration) -> Half:
        """Return the next half that passes every check. Raises DeviceFault, with what was wrong with the last one."""
        for _ in range(TRIES):
            try:
                return self._read_half(known)
            except _DisturbedError as error:
                last = error
        raise self._link.fault(f"{TRIES} halves in a row cannot be used: {last.problem}", last.remedy)

    def _read_half(self, known: Calibration) -> Half:
        """Wait for a half and read it. Raises _DisturbedError where it cannot be used, DeviceFault."""
        number = self._await_half()
        if self._registers.word(STATUS) & NEW_DATA:
            raise _DisturbedError("the flag for new data cannot be cleared", _REPLACE)
        half = Half(number, self._registers.word(CONTROL), self._registers.words(RAM, RAM_WORDS))
        if self._registers.word(STATUS) & NEW_DATA:
            raise _DisturbedError("the bus is too slow, the next half was ready before this one was read", _SLOW)
        if half.control != self._control:
            problem = f"the sensor has forgotten its settings (0x{half.control:04x}): its supply was interrupted"
            raise self._link.fault(problem, _SUPPLY)
        if problem := _implausible(half, known):
            raise _DisturbedError(problem, _SUPPLY)
        return half

    def _await_half(self) -> int:
        """Wait until a half is ready, clear its flag and return its number. Raises DeviceFault where none comes."""
        deadline = self._link.clock() + PATIENCE_S
        while not (status := self._registers.word(STATUS)) & NEW_DATA:
            if self._link.clock() >= deadline:
                problem = f"no new picture within {PATIENCE_S} s: the sensor does not measure"
                raise self._link.fault(problem, _REPLACE)
            self._link.sleep(self._period / LOOKS)
        self._registers.write(STATUS, OVERWRITE)
        if (number := status & SUBPAGE) > 1:
            raise self._link.fault(f"the status 0x{status:04x} names no half of the picture", _REPLACE)
        return number


def _implausible(half: Half, known: Calibration) -> str:
    """Say what is wrong with a half; empty where nothing is."""
    # By rows: a single pixel that overflows looks into the sun, and is left to whoever looks for faces.
    rows = half.ram[compensation.pixels_of(half)].reshape(ROWS, -1) == UNFINISHED
    if rows.all(axis=1).any() or (half.ram[_OWN_SENSORS] == UNFINISHED).any():
        return "it holds unfinished conversions"
    now = compensation.conditions(half, known)
    if not SUPPLY_V[0] <= now.supply_v <= SUPPLY_V[1]:
        return f"the supply measures {now.supply_v:.2f} V"
    if not CHIP_C[0] <= now.chip_c <= CHIP_C[1]:
        return f"the chip measures {now.chip_c:.1f} C of itself"
    return "" if np.isfinite(now.gain) else "its gain measures nothing"


def open_thermometer(config: ThermometerConfig, world: WorldState | None) -> Mlx90640:
    """Open and start the configured sensor: /dev/i2c-N for "i2c:N", the twin of `world` for "twin:NAME".

    Raises DeviceFault.
    """
    name, address = f"thermometer {config.bus}", config.bus_address
    bus = open_bus(config.bus, name, world, lambda world, place: TwinBus(world, place, address))
    device = Mlx90640(bus, address, name, config.emissivity)
    try:
        device.start()
    except DeviceFault:
        device.close()
        raise
    return device
