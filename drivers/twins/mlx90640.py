"""The MLX90640's twin: EEPROM, RAM and registers of a sensor that looks at a scene of the twins' world.

Its words are computed backwards from the scene: from temperatures to what the pixels radiate, and from there to what
the converter would deliver. It knows nothing of the driver (see drivers/twins/mlx90640_factory.py).

World key "thermometer.NAME": a scene (drivers/twins/heat.py) with "fault": null or one of "nack", "stuck", "slow" (the
wires), "no-data" (the flag for new data never rises), "ready-stuck" (it never falls), "eeprom" (the calibration reads
as ones), "pixels" (five pixels are broken), "restart" (the supply was interrupted: settings are the factory's).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.twins import heat
from drivers.twins import mlx90640_factory as factory
from drivers.twins.wires import Wires, WorldState, nack

RAM, RAM_END = 0x0400, 0x0740
EEPROM, EEPROM_END, CALIBRATION, PIXEL_WORDS = 0x2400, 0x2740, 0x2410, 0x2440
STATUS, CONTROL, I2C_CONFIG, ADDRESS = 0x8000, 0x800D, 0x800F, 0x8010
NEW_DATA = 0x0008
FACTORY_CONTROL = 0x1901
"""2 Hz, 18 bits, chess pattern, two halves in turn."""
SUPPLY_V = 3.32
GAIN_NOW = 6273
"""The gain word: not the calibration's, so that a driver that forgets the gain is found out."""
VBE_NOW = 19442
CAN_STEPS = 12.0
"""What the inside of the can adds to every pixel through the compensation pixel."""
SKIN = 0.98
NOISE_STEPS = 2.0
"""RMS, about 0.15 K: the data sheet's 0.1 K at 1 Hz, and more at the refresh in use."""
BROKEN = (5, 77, 300, 411, 600)
KELVIN = heat.KELVIN
MOST_RAW, LEAST_RAW = 32767, -32768


class TwinBus(Wires):
    """An I2C bus with one MLX90640 at `address`.

    `noise`: RMS of a pixel's noise in steps; `made`: the device, else one that the factory draws from `seed`.
    """

    def __init__(
        self,
        world: WorldState,
        name: str,
        address: int = 0x33,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        seed: int = 1,
        noise: float = NOISE_STEPS,
        made: factory.Made | None = None,
    ) -> None:
        super().__init__(world, f"thermometer.{name}", address, clock, sleep)
        self.made = made or factory.make(seed)
        self._noise, self._draw = noise, np.random.default_rng([seed, 1])
        self._ram = [0] * (RAM_END - RAM)
        self._registers = {STATUS: 0, CONTROL: FACTORY_CONTROL, I2C_CONFIG: 0, ADDRESS: 0xBE00 | address}
        self._half, self._due = 1, self._clock() + self._period()
        self._looked_at = dict(self.scene())

    def _written(self, data: bytes) -> None:
        self._measure()
        if len(data) != 4:  # noqa: PLR2004 - an address and a word
            raise nack()
        register, value = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
        if register == STATUS:
            kept = NEW_DATA if self.scene().get("fault") == "ready-stuck" else NEW_DATA & value
            self._registers[STATUS] = self._registers[STATUS] & 0x7 | value & 0x10 | kept & self._registers[STATUS]
        elif register in self._registers:
            self._registers[register] = value

    def _asked(self, ask: bytes, count: int) -> bytes:
        self._measure()
        if len(ask) != 2:  # noqa: PLR2004 - an address
            raise nack()
        start = int.from_bytes(ask, "big")
        return b"".join(self._word(start + n).to_bytes(2, "big") for n in range((count + 1) // 2))[:count]

    def _word(self, address: int) -> int:
        if RAM <= address < RAM_END:
            return self._ram[address - RAM]
        if EEPROM <= address < EEPROM_END:
            return self._cell(address)
        return self._registers.get(address, 0)

    def _cell(self, address: int) -> int:
        fault = self.scene().get("fault")
        if fault == "eeprom" and address >= CALIBRATION:
            return 0xFFFF
        if fault == "pixels" and address - PIXEL_WORDS in BROKEN:
            return 0
        return self.made.image[address - EEPROM]

    def _period(self) -> float:
        return 2.0 / (1 << (self._registers[CONTROL] >> 7 & 0x7))

    def _measure(self) -> None:
        """Finish the halves that are due; each shows what was there when it began.

        After a pause only the last two count, which fill the whole RAM.
        """
        fault = self.scene().get("fault")
        if fault == "restart":
            self._registers[CONTROL] = FACTORY_CONTROL
        if fault == "no-data":
            self._due = self._clock() + self._period()
            return
        self._due = max(self._due, self._clock() - 2 * self._period())
        while self._clock() >= self._due:
            self._half ^= 1
            self._convert(self._looked_at)
            self._looked_at = dict(self.scene())
            self._registers[STATUS] = self._registers[STATUS] & 0x10 | NEW_DATA | self._half
            self._due += self._period()

    # --- the inverse of the compensation ---------------------------------------------------------------------------

    def _convert(self, scene: Mapping[str, Any]) -> None:
        """Write one half of the RAM as the converter would."""
        chip_c = float(scene.get("ambient_c", 22.0))
        chess = bool(self._registers[CONTROL] & 0x1000)
        row, column = np.divmod(np.arange(factory.PIXELS), factory.COLUMNS)
        measured = np.flatnonzero(((row + column) % 2 if chess else row % 2) == self._half)
        seen = heat.picture(scene).ravel()[measured]
        skin = float(scene.get("emissivity", SKIN))
        radiated = _fourth(seen) * skin + _fourth(heat.room_c(scene)) * (1 - skin) - _fourth(chip_c)
        steps = radiated * self._sensitivity(measured, chip_c) * _slope(seen) + factory.TGC / 32 * CAN_STEPS
        steps += self.made.offset[measured] * _drift(self.made.kta[measured], self.made.kv[measured], chip_c)
        if chess != self.made.chess:
            steps -= _pattern(row[measured], column[measured])
        raw = steps * GAIN_NOW / factory.GAIN + self._draw.normal(0, 1, len(measured)) * self._noise
        raw[[not self._cell(PIXEL_WORDS + place) for place in measured]] = MOST_RAW
        for place, value in zip(measured, np.clip(np.rint(raw), LEAST_RAW, MOST_RAW), strict=True):
            self._ram[place] = int(value) & 0xFFFF
        self._own_sensors(chip_c, other_pattern=chess != self.made.chess)

    def _sensitivity(self, places: NDArray[np.intp], chip_c: float) -> factory.Values:
        first, second = factory.CP_ALPHA
        can = first / 2.0 ** (7 + 27) * (1 + second / 128 if self._half else 1)
        change = 1 + factory.KS_TA / 8192 * (chip_c - 25)
        return np.asarray((self.made.alpha[places] - factory.TGC / 32 * can) * change, np.float64)

    def _own_sensors(self, chip_c: float, *, other_pattern: bool) -> None:
        supply = (factory.VDD_25 - 256) * 32 - 8192 + (SUPPLY_V - 3.3) * 32 * factory.K_VDD
        art = (chip_c - 25) * factory.KT_PTAT / 8 + factory.PTAT_25
        art *= 1 + factory.KV_PTAT / 4096 * (SUPPLY_V - 3.3)
        alpha = factory.ALPHA_PTAT / 4 + 8
        ptat = round(art * VBE_NOW / (2**18 - art * alpha))
        # One step of PTAT is 0.1 K: the rest goes into the other voltage, whose step is 0.01 K.
        vbe = ptat * (2**18 / art - alpha)
        first, second = factory.CP_OFFSET
        offset = first + (second + (factory.PATTERN[0] / 16 if other_pattern else 0) if self._half else 0)
        drift = _drift(factory.CP_KTA / 2**14, factory.CP_KV / 2**3, chip_c)
        can = (CAN_STEPS + offset * float(drift)) * GAIN_NOW / factory.GAIN
        words = {0x700: vbe, 0x720: ptat, 0x70A: GAIN_NOW, 0x72A: supply, 0x728 if self._half else 0x708: can}
        for address, value in words.items():
            self._ram[address - RAM] = round(value) & 0xFFFF


def _fourth(celsius: factory.Values | float) -> factory.Values | float:
    return (celsius + KELVIN) ** 4


def _drift(kta: factory.Values | float, kv: factory.Values | float, chip_c: float) -> factory.Values | float:
    return (1 + kta * (chip_c - 25)) * (1 + kv * (SUPPLY_V - 3.3))


def _slope(celsius: factory.Values) -> factory.Values:
    """Return by how much the sensitivity changes with the object's temperature: piecewise linear, steady."""
    third = factory.CORNERS[0] * factory.CORNER_STEP * 10
    cold, usual, hot, _ = (value / 2.0 ** (factory.KS_TO_SCALE + 8) for value in factory.KS_TO)
    below = (1 + cold * (celsius + 40)) / (1 + cold * 40)
    above = (1 + usual * third) * (1 + hot * (celsius - third))
    return np.asarray(np.where(celsius < 0, below, np.where(celsius < third, 1 + usual * celsius, above)), np.float64)


def _pattern(row: NDArray[np.intp], column: NDArray[np.intp]) -> factory.Values:
    """Return what a device calibrated in the other pattern reads too little (data sheet, "Interleaved or chess")."""
    sign = np.where(row % 2 == 0, 1, -1)
    pairs = np.select([column % 4 == 1, column % 4 == 3], [-1, 1], 0) * sign  # noqa: PLR2004
    return np.asarray(-sign * factory.PATTERN[2] / 8 - pairs * factory.PATTERN[1] / 2, np.float64)
