"""The configuration of devices: camera, thermometer, range sensor, and everything that hangs on a door.

Part of the one file that station/config.py reads.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from station.core.baseline import Relative
from station.core.calibration import Calibration, Correction
from station.core.optics import Optics as Optic
from station.core.optics import array, single

Pin = Annotated[int, Meta(ge=0, le=27, description="BCM number of a header pin")]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


SMALLEST_REGION = 0.1
"""Of the picture's width and height."""


class CameraConfig(Section, frozen=True):
    """`source`: v4l2:/dev/video0, csi:0, file:PATH, dir:PATH or scene:NAME (a twin)."""

    source: Annotated[str, Meta(pattern=r"^(v4l2|csi|file|dir|scene):.+$")]
    width: Annotated[int, Meta(ge=160, le=4096)] = 1280
    height: Annotated[int, Meta(ge=120, le=4096)] = 720
    fps: Annotated[int, Meta(ge=1, le=120)] = 30
    decoder: Literal["eye", "zxing", "pyzbar"] = "eye"
    max_age_ms: Annotated[int, Meta(ge=50, le=5000)] = 500
    """A frame older than this is thrown away: it may show the person before."""
    exposure: Literal["auto", "metered"] = "metered"
    """metered: by the code in view, and the camera's automatic while there is none."""
    focus_cm: Annotated[float, Meta(ge=3, le=1000)] | None = None
    """Distance at which passes are held, for lenses with a motor; absent: the camera focuses by itself."""
    region: Annotated[tuple[Fraction, ...], Meta(min_length=4, max_length=4)] | None = None
    """[x, y, width, height]: the part of the picture in which passes are shown."""
    light: Pin | None = None
    """An aiming light; high is on."""

    def __post_init__(self) -> None:
        """Refuse a region that reaches out of the picture or is too small to hold a pass; msgspec adds the path."""
        x, y, width, height = self.region or (0, 0, 1, 1)
        if max(x + width, y + height) > 1 + 1e-9:
            raise ValueError("the region reaches out of the picture; x + width and y + height must not exceed 1")
        if min(width, height) < SMALLEST_REGION:
            raise ValueError(f"the region is too small; width and height must be at least {SMALLEST_REGION}")


Model = Literal["mlx90614", "mlx90640"]
Optics = Literal["xAA", "xAC", "xBA", "xCC", "xCF", "xCH", "xCI", "xDCI", "array55", "array110"]
Address = Annotated[int, Meta(ge=0x08, le=0x77)]
I2cBus = Annotated[str, Meta(pattern=r"^(i2c:[0-9]+|twin:.+)$")]

FIELD_OF_VIEW: dict[Optics, tuple[float, float]] = {
    "xAA": (90, 90),
    "xAC": (35, 35),
    "xBA": (70, 70),  # of the first of its two zones, which looks 25 degrees to the side
    "xCC": (35, 35),
    "xCF": (10, 10),
    "xCH": (12, 12),
    "xCI": (5, 5),
    "xDCI": (5, 5),
    "array55": (55, 35),
    "array110": (110, 75),
}
"""Degrees, horizontally and vertically, where a pixel's sensitivity has fallen to half.

Source: Melexis data sheets 3901090614 (ordering information, "Field of view") and 3901090640 (ordering information):
x.. is the end of the option code of an MLX90614, arrays are MLX90640-BAB (55 x 35) and -BAA (110 x 75).
"""
FACTORY_ADDRESS: dict[Model, int] = {"mlx90614": 0x5A, "mlx90640": 0x33}
WIDEST: dict[Model, Optics] = {"mlx90614": "xAA", "mlx90640": "array110"}


Celsius = Annotated[float, Meta(ge=-40, le=125)]
Pair = Annotated[tuple[Celsius, ...], Meta(min_length=2, max_length=2)]
"""Two temperatures, degrees Celsius."""


class CalibrationConfig(Section, frozen=True):
    """What the sensor showed before a reference, and the reference's true temperature: one point, or two."""

    date: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    points: Annotated[tuple[Pair, ...], Meta(min_length=1, max_length=2)]
    """[[shown, true], ...]"""
    uncertainty_c: Annotated[float, Meta(ge=0.01, le=1)] = 0.2
    """Of the reference, one sigma."""

    def __post_init__(self) -> None:
        """Refuse points that no sound sensor gives; msgspec adds the path."""
        self.record()

    def record(self) -> Calibration:
        """Return it as the estimator takes it. Raises ValueError."""
        points = tuple((shown, true) for shown, true in self.points)
        return Calibration(dt.date.fromisoformat(self.date), points, self.uncertainty_c)


class CorrectionConfig(Section, frozen=True):
    """What is added to skin for the room it is in, and skin's emissivity, where the place measured its own."""

    table: Annotated[tuple[Pair, ...], Meta(min_length=1, max_length=20)] = Correction().table
    """[[room, added], ...] by rising room."""
    skin_emissivity: Annotated[float, Meta(ge=0.9, le=1.0)] = 0.98

    def __post_init__(self) -> None:
        """Refuse a table that does not rise; msgspec adds the path."""
        self.record(self.skin_emissivity)

    def record(self, sensor_emissivity: float) -> Correction:
        """Return it as the estimator takes it. Raises ValueError."""
        table = tuple((room, added) for room, added in self.table)
        return Correction(table, skin_emissivity=self.skin_emissivity, sensor_emissivity=sensor_emissivity)


class BaselineConfig(Section, frozen=True):
    """Raised is what stands out from the people before, instead of `raised_c` alone."""

    offset_c: Annotated[float, Meta(ge=0.2, le=3)] = 1.4
    floor_c: Annotated[float, Meta(ge=30, le=40)] = 35.0
    """Never below, whatever is usual here."""
    last: Annotated[int, Meta(ge=20, le=500)] = 100
    enough: Annotated[int, Meta(ge=10, le=500)] = 30
    """With fewer values `raised_c` applies."""

    def __post_init__(self) -> None:
        """Refuse to wait for more values than are kept; msgspec adds the path."""
        if self.enough > self.last:
            raise ValueError("`enough` must not be more than `last`, or it is never reached")

    def rule(self) -> Relative:
        """Return it as the core takes it."""
        return Relative(self.offset_c, self.floor_c, self.last, self.enough)


class ThermometerConfig(Section, frozen=True):
    """An infrared thermometer. `bus`: i2c:1 for /dev/i2c-1, or twin:NAME."""

    bus: I2cBus
    model: Model = "mlx90614"
    address: Address | None = None
    """Absent: the address the model leaves the factory with."""
    optics: Optics | None = None
    """Absent: the widest of the model, so that nobody is believed to fill a view that may be wider."""
    emissivity: Annotated[float, Meta(ge=0.1, le=1.0)] = 0.98
    raised_c: Annotated[float, Meta(ge=30, le=45)] = 37.3
    cold_c: Annotated[float, Meta(ge=20, le=40)] = 34.0
    samples: Annotated[int, Meta(ge=3, le=50)] = 6
    interval_s: Annotated[float, Meta(ge=0.02, le=1)] = 0.1
    calibration: CalibrationConfig | None = None
    correction: CorrectionConfig = CorrectionConfig()
    baseline: BaselineConfig | None = None

    def __post_init__(self) -> None:
        """Refuse optics that the model is not made with; msgspec adds the path."""
        if self.optics and self.optics.startswith("array") != (self.model == "mlx90640"):
            made = [optics for optics in FIELD_OF_VIEW if optics.startswith("array") == (self.model == "mlx90640")]
            raise ValueError(f"optics {self.optics} are not those of an {self.model}; choose from {', '.join(made)}")

    @property
    def bus_address(self) -> int:
        """The 7-bit address on the bus."""
        return FACTORY_ADDRESS[self.model] if self.address is None else self.address

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Degrees, horizontally and vertically (FIELD_OF_VIEW)."""
        return FIELD_OF_VIEW[self.optics or WIDEST[self.model]]

    @property
    def seen(self) -> Optic:
        """What the lens sees, as the estimator takes it."""
        if self.model == "mlx90640":
            return array(*self.field_of_view)
        return single(max(self.field_of_view), medical=self.optics == "xDCI")


class RangeConfig(Section, frozen=True):
    """A VL53L0X that tells how far away the person stands. `bus`: i2c:1 for /dev/i2c-1, or twin:NAME."""

    bus: I2cBus
    address: Address = 0x29


class RelayConfig(Section, frozen=True):
    """The door relay. `mode`: fail-secure (energised = unlocked) or fail-safe (energised = locked)."""

    pin: Pin
    active: Literal["high", "low"] = "high"
    mode: Literal["fail-secure", "fail-safe"] = "fail-secure"
    drive: Literal["hold", "pulse"] = "hold"
    """pulse: a turnstile's or barrier's own control takes a short contact and does the rest."""
    pulse_s: Seconds = 0.5


class ButtonConfig(Section, frozen=True):
    """A contact or button. `active`: the level that means open, pressed or alarm.

    `circuit`: open, it makes contact when active (an exit button), and a cut wire means nothing; or closed, it makes
    contact at rest (a door contact, a fire relay), and a cut wire reads as active. The pull follows from both.
    """

    pin: Pin
    active: Literal["high", "low"] = "low"
    circuit: Literal["open", "closed"] = "open"

    @property
    def pull_up(self) -> bool:
        """Whether the pin is pulled up: towards rest in an open circuit, towards active in a closed one."""
        return (self.active == "low") == (self.circuit == "open")


class LedConfig(Section, frozen=True):
    """A common-cathode RGB status LED."""

    red: Pin
    green: Pin
    blue: Pin


class DoorConfig(Section, frozen=True):
    """Outputs, inputs and times of one door. `kind`: a turnstile tells passages by pulses, a barrier by its arm."""

    relay: RelayConfig
    kind: Literal["door", "turnstile", "barrier"] = "door"
    contact: ButtonConfig | None = None
    """Active while the door is open, or the barrier's arm is up."""
    bolt: ButtonConfig | None = None
    """Feedback of the lock, active while its bolt is thrown."""
    passage: ButtonConfig | None = None
    """One pulse for each person: a turnstile's, or a light beam's behind the door."""
    rex: ButtonConfig | None = None
    fire: ButtonConfig | None = None
    break_glass: ButtonConfig | None = None
    tamper: ButtonConfig | None = None
    block: ButtonConfig | None = None
    """A key switch that takes the lane out of service."""
    duress: ButtonConfig | None = None
    """A hidden button: central is told, and nothing is seen or heard here."""
    led: LedConfig | None = None
    buzzer: Pin | None = None
    unlock_s: Seconds = 5.0
    propped_s: Seconds = 10.0
    """Open for so long: a warning."""
    held_s: Seconds = 20.0
    """Open for so long: an alarm."""
    bolt_s: Seconds = 1.5
    """How long the bolt may take to move."""
    ajar_s: Seconds = 10.0
    """Shut without the bolt coming out for so long: an alarm after the warning."""
    rex_stuck_s: Seconds = 60.0
    """An exit button pressed for so long is stuck."""
    egress: Literal["free", "controlled"] = "free"
