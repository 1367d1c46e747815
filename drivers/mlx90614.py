"""MLX90614 infrared thermometer on the I2C bus, read with SMBus packet error codes that we compute ourselves.

Why not `SMBus.pec`: the kernel's PEC needs an adapter that reports I2C_FUNC_SMBUS_PEC (smbus2 raises where it does
not), and it answers a wrong code with a bare EBADMSG that does not say what was received. One combined I2C transaction
(write the command, repeated start, read three bytes) brings the code to us on every adapter.

Source of addresses, formulas and times: Melexis data sheet 3901090614 (sections 8.3.3 EEPROM, 8.3.4 RAM, 8.4 SMBus) and
application note 390119061402 "SMBus communication with MLX90614".
"""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.i2c import Bus, GarbledError, Link, open_bus
from drivers.twins.mlx90614 import TwinBus
from drivers.twins.wires import WorldState
from station.device_config import ThermometerConfig
from station.ports import ThermalSample

RAM_AMBIENT = 0x06
RAM_OBJECT = 0x07
EEPROM_EMISSIVITY = 0x24
EEPROM_CONFIG = 0x25
EEPROM_ID = (0x3C, 0x3D, 0x3E, 0x3F)

ERROR_FLAG = 0x8000
"""Bit 15 of a linearised temperature (8.4.6)."""
KELVIN_PER_STEP = 0.02
ZERO_CELSIUS_K = 273.15
OBJECT_RANGE_C = (-70.01, 382.19)
"""0x27AD to 0x7FFF, everything the sensor can say about an object (8.4.6)."""
AMBIENT_RANGE_C = (-40.0, 125.0)
"""Operating temperature of the sensor itself (ordering information, temperature code K)."""
EMISSIVITY_SCALE = 65535
EMISSIVITY_RANGE = (0.1, 1.0)

EEPROM_WRITE_S = 0.010
"""Time to erase or to write one EEPROM cell. The application note asks for 5 ms; twice that covers cold sensors."""


def pec(data: bytes) -> int:
    """Return the SMBus packet error code, CRC-8 with x^8+x^2+x+1 from 0, over address and data bytes (8.4.3)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1) ^ 0x107 if crc & 0x80 else crc << 1
    return crc


def celsius(raw: int) -> float:
    """Convert a temperature word (0x27AD..0x7FFF) to degrees Celsius."""
    return raw * KELVIN_PER_STEP - ZERO_CELSIUS_K


class Mlx90614:
    """One sensor at a 7-bit `address` of `bus`. Implements station.ports.Thermometer. For one thread.

    `name` appears in faults; `sleep` and `clock` are the time module's unless a test keeps the time itself.
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

    def sample(self) -> ThermalSample:
        """Return object and ambient, degrees Celsius; one pixel cannot tell what fills its view. Raises DeviceFault."""
        thing = self._temperature(RAM_OBJECT, "object", OBJECT_RANGE_C)
        return ThermalSample(thing, self._temperature(RAM_AMBIENT, "ambient", AMBIENT_RANGE_C))

    def emissivity(self) -> float:
        """Return the emissivity in the EEPROM, 0..1, which the sensor takes up at power-on. Raises DeviceFault."""
        return self.read_word(EEPROM_EMISSIVITY) / EMISSIVITY_SCALE

    def write_emissivity(self, emissivity: float) -> bool:
        """Store an emissivity of 0.1..1.0 in the EEPROM; returns whether the cell had to be written.

        The sensor reads the cell when it starts: take its power away for a second afterwards. (Sleep and wake would do
        too, but waking needs 33 ms of SDA low with SCL high, which an I2C adapter cannot drive, and 5 V versions have
        no sleep.) Cell 0x0F, which Melexis' "Changing emissivity" note rescales on gradient compensated (xCx) sensors,
        is left alone: it holds factory calibration behind an unlock command (0x60), and a power cut between its erasure
        and its writing would ruin the sensor for good; at skin's 0.98 it would change the scale by 2 %.
        Raises ValueError outside the range, DeviceFault where the cell did not take it.
        """
        low, high = EMISSIVITY_RANGE
        if not low <= emissivity <= high:
            raise ValueError(f"emissivity {emissivity} is outside {low}..{high}; human skin has 0.98")
        word = round(emissivity * EMISSIVITY_SCALE)
        if self.read_word(EEPROM_EMISSIVITY) == word:
            return False
        # A cell can only be programmed from its erased state, and a write of zero is what erases it (8.4.6).
        for value in (0x0000, word):
            self._write_word(EEPROM_EMISSIVITY, value)
            self._link.sleep(EEPROM_WRITE_S)
        if (found := self.read_word(EEPROM_EMISSIVITY)) != word:
            problem = f"emissivity cell 0x24 holds 0x{found:04x} after writing 0x{word:04x}"
            raise self._link.fault(
                problem, "Write it again; where that fails too, the EEPROM is worn out: replace the sensor."
            )
        return True

    def sensor_id(self) -> str:
        """Return the factory's 64-bit id as 16 hexadecimal digits. Raises DeviceFault."""
        return "".join(f"{self.read_word(cell):04x}" for cell in EEPROM_ID)

    def config(self) -> int:
        """Return ConfigRegister1, 16 bits: IIR in bits 0-2, FIR in bits 8-10 (8.3.3.1). Raises DeviceFault."""
        return self.read_word(EEPROM_CONFIG)

    def read_word(self, command: int) -> int:
        """Return the 16-bit word of a RAM (0x00-0x1F) or EEPROM (0x20-0x3F) command. Raises DeviceFault."""

        def check(answer: bytes) -> None:
            write_address = self._link.address << 1
            expected = pec(bytes([write_address, command, write_address | 1]) + answer[:2])
            if answer[2] != expected:
                raise GarbledError(f"packet error code 0x{answer[2]:02x} instead of 0x{expected:02x}")

        answer = self._link.read(bytes([command]), 3, f"reading 0x{command:02x}", check)
        return int.from_bytes(answer[:2], "little")

    def close(self) -> None:
        """Release the bus. May be called twice."""
        self._link.close()

    def _temperature(self, command: int, what: str, plausible: tuple[float, float]) -> float:
        raw = self.read_word(command)
        if raw & ERROR_FLAG:
            remedy = "Wait a second; if it stays, check the supply voltage and its capacitor, then replace the sensor."
            problem = f"the sensor marks its {what} temperature as wrong (error flag, 0x{raw:04x})"
            raise self._link.fault(problem, remedy)
        low, high = plausible
        # Half a step of tolerance: -70.01 is 0x27AD rounded to the data sheet's two digits.
        if not low - KELVIN_PER_STEP / 2 <= (value := celsius(raw)) <= high + KELVIN_PER_STEP / 2:
            remedy = "Check that an MLX90614 answers at this address (gate-station doctor shows its id)."
            raise self._link.fault(f"{what} temperature {value:.2f} C is outside {low}..{high} C", remedy)
        return value

    def _write_word(self, command: int, value: int) -> None:
        data = bytes([command, value & 0xFF, value >> 8])
        packet = data + bytes([pec(bytes([self._link.address << 1]) + data)])
        self._link.write(packet, f"writing 0x{command:02x}")


def open_thermometer(config: ThermometerConfig, world: WorldState | None) -> Mlx90614:
    """Open the configured sensor: /dev/i2c-N for "i2c:N", the twin of `world` for "twin:NAME". Raises DeviceFault."""
    name, address = f"thermometer {config.bus}", config.bus_address
    bus = open_bus(config.bus, name, world, lambda world, place: TwinBus(world, place, address))
    return Mlx90614(bus, address, name)
