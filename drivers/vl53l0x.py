"""VL53L0X laser range sensor on the I2C bus: how far away the person stands, 30 mm to 2 m.

ST publishes no register map. Registers, the order of the start and the tuning values are those of ST's API
(STSW-IMG005: VL53L0X_DataInit, StaticInit, PerformRefCalibration, PerformSingleRangingMeasurement and
vl53l0x_tuning.h, BSD licence), in the form that Pololu found to be enough (github.com/pololu/vl53l0x-arduino, which
explains each step); the times and ranges are those of data sheet DS11555. Steps taken here, as there: the supply of the
bus set to 2.8 V, the reference SPADs (the pixels that see the laser from inside) chosen as ST measured them, tuning,
33 ms for a measurement, and the two calibrations of the laser's voltage and phase. Left out: the offset and crosstalk
calibrations, which a cover glass would need, and the estimate of the range's standard deviation.

Runs at 100 or 400 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from drivers.i2c import Bus, Link, open_bus
from drivers.twins.vl53l0x import TwinBus
from drivers.twins.wires import WorldState
from station.device_config import RangeConfig
from station.ports import DeviceFault

MODEL_ID = 0xEE
FARTHEST_MM = 2000
"""The data sheet promises no more; what is reported beyond is noise."""
BUDGET_US = 33_000
"""Time of one measurement (data sheet, default mode: 1.2 m on a white target, 5 % error)."""
PATIENCE_S = 0.2
"""A measurement or calibration that has not ended by then does not end."""
LOOK_S = 0.002
SHOTS = 3
"""Measurements taken before one that the sensor itself calls unsteady is given up."""

SYSRANGE_START, SEQUENCE, INTERRUPT_CONFIG, INTERRUPT_CLEAR = 0x00, 0x01, 0x0A, 0x0B
INTERRUPT_STATUS, RANGE_STATUS, MIN_SIGNAL, MSRC_TIMEOUT = 0x13, 0x14, 0x44, 0x46
PRE_PERIOD, PRE_TIMEOUT, MSRC_CONTROL, FINAL_PERIOD, FINAL_TIMEOUT = 0x50, 0x51, 0x60, 0x70, 0x71
POWER, GPIO_MUX, PAD_VOLTAGE, STOP = 0x80, 0x84, 0x89, 0x91
REFERENCE_SPADS, REFERENCE_START, IDENTIFICATION, PAGE = 0xB0, 0xB6, 0xC0, 0xFF

READY, RANGE_ERROR = 0x07, 0x18
"""Of the interrupt status."""
SPAD_MAP_BYTES, FIRST_APERTURE_SPAD = 6, 12

COMPLETE, TOO_NEAR = 11, 10
NO_TARGET = frozenset({4, 6, 9})
"""Device errors MSRCNOTARGET, RANGEPHASECHECK, PHASECONSISTENCY: nothing reflects, or from too far away."""
HARDWARE = frozenset({1, 2, 3})
"""The laser's continuity and watchdog tests, and no valid voltage found."""

_TUNING: Final = bytes.fromhex(
    "FF01 0000 FF00 0900 1000 1100 2401 25FF 7500 FF01 4E2C 4800 3020 FF00 3009 5400 3104 3203 4083 4625"
    "6000 2700 5006 5100 5296 5608 5730 6100 6200 6400 6500 66A0 FF01 2232 4714 49FF 4A00 FF00 7A0A 7B00"
    "7821 FF01 2334 4200 44FF 4526 4605 4040 0E06 201A 4340 FF00 3403 3544 FF01 3104 4B09 4C05 4D04 FF00"
    "4400 4520 4708 4828 6700 7004 7101 72FE 7600 7700 FF01 0D01 FF00 8001 01F8 FF01 8E01 0001 FF00 8000"
)
"""Register and value in turn (DefaultTuningSettings of vl53l0x_tuning.h)."""
_DSS, _PRE_RANGE_AND_FINAL = 0x08, 0xE0
_STEPS = _DSS | _PRE_RANGE_AND_FINAL
"""The steps of a measurement: choice of SPADs, rough and fine range; without the checks of signal and target centre."""

_REMEDY_POWER = "Take its power away for a second; if this stays, replace the sensor."
_REMEDY_WIRES = "Check the wires, and that its 2.8 V or 3.3 V supply is steady."


class Vl53l0x:
    """One sensor at a 7-bit `address` of `bus`. Implements station.ports.RangeSensor. For one thread.

    `name` appears in faults; `sleep` and `clock` are the time module's unless a test keeps the time itself. Call
    `start` before anything else.
    """

    def __init__(
        self,
        bus: Bus,
        address: int,
        name: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = Link(bus, address, name, sleep, clock)
        self._stop = 0

    def start(self) -> None:
        """Identify and set up the sensor, about 0.1 s. Raises DeviceFault."""
        if (found := self._get(IDENTIFICATION)) != MODEL_ID:
            remedy = "Check that a VL53L0X answers at this address; its successor VL53L1X needs another driver."
            raise self._link.fault(f"the model id is 0x{found:02x} instead of 0x{MODEL_ID:02x}", remedy)
        self._initialise()
        self._choose_spads(*self._spads_measured_by_st())
        self._write(zip(_TUNING[::2], _TUNING[1::2], strict=True))
        self._put(INTERRUPT_CONFIG, 0x04)  # a new measurement is what raises it
        self._put(GPIO_MUX, self._get(GPIO_MUX) & ~0x10)
        self._put(INTERRUPT_CLEAR, 0x01)
        self._put(SEQUENCE, _STEPS)
        self._set_budget(BUDGET_US)
        for step, start, what in ((0x01, 0x41, "voltage"), (0x02, 0x01, "phase")):
            self._put(SEQUENCE, step)
            self._put(SYSRANGE_START, start)
            self._await(INTERRUPT_STATUS, READY, f"the calibration of the laser's {what}")
            self._put(INTERRUPT_CLEAR, 0x01)
            self._put(SYSRANGE_START, 0x00)
        self._put(SEQUENCE, _STEPS)

    def range_mm(self) -> int | None:
        """Return the distance in millimetres, None where nothing is within 2 m; 0 where it is too near to be measured.

        About 35 ms, three times as long where the sensor calls its measurements unsteady. Raises DeviceFault.
        """
        for _ in range(SHOTS):
            status, millimetres = self._shoot()
            if status in HARDWARE:
                problem = f"its laser failed its own test (device error {status})"
                raise self._link.fault(problem, "Clean the window; " + _REMEDY_POWER)
            if status == COMPLETE:
                return millimetres if millimetres <= FARTHEST_MM else None
            if status == TOO_NEAR:
                return 0
            if status in NO_TARGET:
                return None
        return None

    def sensor_id(self) -> str:
        """Return model and revision as 6 hexadecimal digits. Raises DeviceFault."""
        return self._read(IDENTIFICATION, 3).hex()

    def close(self) -> None:
        """Release the bus. May be called twice."""
        self._link.close()

    def _initialise(self) -> None:
        self._put(PAD_VOLTAGE, self._get(PAD_VOLTAGE) | 0x01)
        self._put(0x88, 0x00)
        self._write([(POWER, 0x01), (PAGE, 0x01), (0x00, 0x00)])
        self._stop = self._get(STOP)
        self._write([(0x00, 0x01), (PAGE, 0x00), (POWER, 0x00)])
        self._put(MSRC_CONTROL, self._get(MSRC_CONTROL) | 0x12)
        self._put_word(MIN_SIGNAL, round(0.25 * 128))  # million counts a second, 7 binary places
        self._put(SEQUENCE, 0xFF)

    def _spads_measured_by_st(self) -> tuple[int, bool]:
        """Return how many reference SPADs to use, and whether those behind the aperture."""
        self._write([(POWER, 0x01), (PAGE, 0x01), (0x00, 0x00), (PAGE, 0x06)])
        self._put(0x83, self._get(0x83) | 0x04)
        self._write([(PAGE, 0x07), (0x81, 0x01), (POWER, 0x01), (0x94, 0x6B), (0x83, 0x00)])
        self._await(0x83, 0xFF, "reading its own memory")
        self._put(0x83, 0x01)
        info = self._get(0x92)
        self._write([(0x81, 0x00), (PAGE, 0x06)])
        self._put(0x83, self._get(0x83) & ~0x04)
        self._write([(PAGE, 0x01), (0x00, 0x01), (PAGE, 0x00), (POWER, 0x00)])
        return info & 0x7F, bool(info & 0x80)

    def _choose_spads(self, count: int, behind_aperture: bool) -> None:
        """Of the SPADs that ST found good, use the first `count` of the asked kind."""
        good = int.from_bytes(self._read(REFERENCE_SPADS, SPAD_MAP_BYTES), "little")
        chosen, taken = 0, 0
        for place in range(FIRST_APERTURE_SPAD if behind_aperture else 0, 8 * SPAD_MAP_BYTES):
            if taken < count and good >> place & 1:
                chosen, taken = chosen | 1 << place, taken + 1
        if not count or taken < count:
            problem = f"only {taken} of {count} reference SPADs are good" if count else "its memory names no SPADs"
            raise self._link.fault(problem, _REMEDY_POWER)
        self._write([(PAGE, 0x01), (0x4F, 0x00), (0x4E, 0x2C), (PAGE, 0x00), (REFERENCE_START, 0xB4)])
        self._link.write(bytes([REFERENCE_SPADS]) + chosen.to_bytes(SPAD_MAP_BYTES, "little"), "writing 0xb0")

    def _set_budget(self, budget_us: int) -> None:
        """Give what is left of the time to the fine range (VL53L0X_set_measurement_timing_budget_micro_seconds)."""
        pre_period, final_period = (2 * (self._get(register) + 1) for register in (PRE_PERIOD, FINAL_PERIOD))
        choice_us = _microseconds(self._get(MSRC_TIMEOUT) + 1, pre_period)
        pre = decode_timeout(int.from_bytes(self._read(PRE_TIMEOUT, 2), "big"))
        used = 1320 + 960 + 2 * (choice_us + 690) + _microseconds(pre, pre_period) + 660 + 550
        final = round((budget_us - used) * 1000 / _macro_period_ns(final_period)) + pre
        self._put_word(FINAL_TIMEOUT, encode_timeout(final))

    def _shoot(self) -> tuple[int, int]:
        """Take one measurement; returns the device error (VL53L0X_DEVICEERROR_..., 11: complete) and millimetres."""
        self._write([(POWER, 0x01), (PAGE, 0x01), (0x00, 0x00), (STOP, self._stop)])
        self._write([(0x00, 0x01), (PAGE, 0x00), (POWER, 0x00), (SYSRANGE_START, 0x01)])
        self._await(SYSRANGE_START, 0x01, "the start of a measurement", rises=False)
        if self._await(INTERRUPT_STATUS, READY | RANGE_ERROR, "a measurement") & RANGE_ERROR:
            raise self._link.fault("it reports an error instead of a range", _REMEDY_POWER)
        result = self._read(RANGE_STATUS, 12)
        self._put(INTERRUPT_CLEAR, 0x01)
        return result[0] >> 3 & 0xF, int.from_bytes(result[10:12], "big")

    def _await(self, register: int, bits: int, what: str, *, rises: bool = True) -> int:
        """Wait until one of the bits is set (or none is); returns the register."""
        deadline = self._link.clock() + PATIENCE_S
        while bool((value := self._get(register)) & bits) != rises:
            if self._link.clock() >= deadline:
                raise self._link.fault(f"{what} does not end within {PATIENCE_S} s", _REMEDY_POWER)
            self._link.sleep(LOOK_S)
        return value

    def _read(self, register: int, count: int) -> bytes:
        return self._link.read(bytes([register]), count, f"reading 0x{register:02x}")

    def _get(self, register: int) -> int:
        return self._read(register, 1)[0]

    def _put(self, register: int, value: int) -> None:
        self._link.write(bytes([register, value & 0xFF]), f"writing 0x{register:02x}")

    def _put_word(self, register: int, value: int) -> None:
        self._link.write(bytes([register]) + value.to_bytes(2, "big"), f"writing 0x{register:02x}")

    def _write(self, pairs: Iterable[tuple[int, int]]) -> None:
        for register, value in pairs:
            self._put(register, value)


def decode_timeout(register: int) -> int:
    """Return the macro periods of a 16-bit timeout register: mantissa times a power of two, plus one."""
    return ((register & 0xFF) << (register >> 8)) + 1


def encode_timeout(periods: int) -> int:
    """Return the timeout register for 1..65,536 macro periods, rounded down to what it can hold."""
    mantissa, exponent = max(periods, 1) - 1, 0
    while mantissa > 0xFF:  # noqa: PLR2004 - eight bits
        mantissa, exponent = mantissa >> 1, exponent + 1
    return exponent << 8 | mantissa


def _macro_period_ns(pulse_period: int) -> int:
    """Length of a macro period: 2,304 pulses of so many clocks of 1,655 ps."""
    return (2304 * pulse_period * 1655 + 500) // 1000


def _microseconds(periods: int, pulse_period: int) -> int:
    return (periods * _macro_period_ns(pulse_period) + 500) // 1000


def open_range_sensor(config: RangeConfig, world: WorldState | None) -> Vl53l0x:
    """Open and start the configured sensor: /dev/i2c-N for "i2c:N", the twin of `world` for "twin:NAME".

    Raises DeviceFault.
    """
    name, address = f"range sensor {config.bus}", config.address
    bus = open_bus(config.bus, name, world, lambda world, place: TwinBus(world, place, address))
    device = Vl53l0x(bus, address, name)
    try:
        device.start()
    except DeviceFault:
        device.close()
        raise
    return device
