"""The station's configuration: one TOML file into frozen structs. Unknown keys are errors that name their path."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from station.core.baseline import Relative
from station.core.calibration import Calibration, Correction
from station.core.model import Direction
from station.core.optics import Optics as Optic
from station.core.optics import array, single
from station.core.volume import Quiet, minute_of_day

Pin = Annotated[int, Meta(ge=0, le=27, description="BCM number of a header pin")]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
Zone = Annotated[str, Meta(pattern=r"^[0-9]{12}$", description="12-digit area code")]
RootKey = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="Ed25519 public key, hexadecimal")]


class ConfigError(ValueError):
    """The configuration cannot be used. The message names the file, the key's path and what is expected there."""


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class StationConfig(_Struct, frozen=True):
    """Who this station is and which zone it guards."""

    id: Identifier
    gate: Identifier
    zone: Zone
    site: Identifier | None = None
    """Name of the site, where it has other gates: passages there count here. Absent: this is its only gate."""
    live_page: Annotated[str, Meta(max_length=120)] = ""
    """Address of the phones' pass page, for the number to be signed as a QR code; empty: the number alone."""


class PathsConfig(_Struct, frozen=True):
    """Where the station keeps its files."""

    state: Path = Path("/var/lib/gate-station")
    run: Path = Path("/run/gate-station")
    sync_state: Path = Path("/var/lib/gate-sync")
    documents: Path = Path("/etc/gate-station/documents")
    guards: Path = Path("/etc/gate-station/guards.toml")


class TrustConfig(_Struct, frozen=True):
    """The offline root keys, two of which sign every trust bundle."""

    roots: Annotated[tuple[RootKey, ...], Meta(min_length=3, max_length=3)]
    number: Annotated[int, Meta(ge=1, le=1000)] = 1
    """Which set these are; a station set up after a rotation names the set of its day."""


class HardwareConfig(_Struct, frozen=True):
    """Which pin factory and, for development, which world the twins stand in."""

    pins: Literal["lgpio", "twin"] = "lgpio"
    world: Path | None = None
    """Socket of the twins' world (drivers/twins/world.py); only with pins = "twin" or twin sources."""


SMALLEST_REGION = 0.1
"""Of the picture's width and height."""


class CameraConfig(_Struct, frozen=True):
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


class CalibrationConfig(_Struct, frozen=True):
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


class CorrectionConfig(_Struct, frozen=True):
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


class BaselineConfig(_Struct, frozen=True):
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


class ThermometerConfig(_Struct, frozen=True):
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


class RangeConfig(_Struct, frozen=True):
    """A VL53L0X that tells how far away the person stands. `bus`: i2c:1 for /dev/i2c-1, or twin:NAME."""

    bus: I2cBus
    address: Address = 0x29


class RelayConfig(_Struct, frozen=True):
    """The door relay. `mode`: fail-secure (energised = unlocked) or fail-safe (energised = locked)."""

    pin: Pin
    active: Literal["high", "low"] = "high"
    mode: Literal["fail-secure", "fail-safe"] = "fail-secure"
    drive: Literal["hold", "pulse"] = "hold"
    """pulse: a turnstile's or barrier's own control takes a short contact and does the rest."""
    pulse_s: Seconds = 0.5


class ButtonConfig(_Struct, frozen=True):
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


class LedConfig(_Struct, frozen=True):
    """A common-cathode RGB status LED."""

    red: Pin
    green: Pin
    blue: Pin


class DoorConfig(_Struct, frozen=True):
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


class LaneConfig(_Struct, frozen=True):
    """One access point: a reader, a door, one direction."""

    id: Identifier
    direction: Direction
    camera: CameraConfig
    door: DoorConfig | None = None
    door_of: Identifier | None = None
    """The lane whose door this one leads through too: a second reader, on the door's other side."""
    thermometer: ThermometerConfig | None = None
    range: RangeConfig | None = None
    refusal_s: Seconds = 4.0
    guard_s: Seconds = 120.0
    hand_raised_c: Annotated[float, Meta(ge=35, le=42)] = 37.3
    """From here on what the guard's hand thermometer shows is raised, degrees Celsius."""
    escort_s: Seconds = 20.0
    """How long a pass waits for a second one, where the rules ask for two."""
    rearm_s: Seconds = 2.0
    """A pass out of sight for so long and shown again is a new presentation."""


class ScreenConfig(_Struct, frozen=True):
    """The guard screen's address; loopback unless configured otherwise."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    passages: Annotated[int, Meta(ge=1, le=500)] = 50


Volume = Annotated[int, Meta(ge=0, le=100, description="per cent of full scale")]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class QuietConfig(_Struct, frozen=True):
    """A time of day at which the voice is quieter; it may reach past midnight."""

    begins: TimeOfDay = msgspec.field(name="from")
    ends: TimeOfDay = msgspec.field(name="to")
    volume: Volume


class VoiceConfig(_Struct, frozen=True):
    """The loudspeaker: prompts for whoever stands there, announcements from central."""

    enabled: bool = False
    device: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_:=,.-]{1,80}$")] = "default"
    """ALSA's name of the card, as `aplay -L` lists it."""
    languages: Annotated[tuple[Literal["zh", "en"], ...], Meta(min_length=1, max_length=2)] = ("zh", "en")
    """In the order in which they are spoken."""
    speed: Annotated[int, Meta(ge=80, le=300)] = 160
    """Words a minute, as espeak-ng counts them."""
    volume: Volume = 80
    quiet: tuple[QuietConfig, ...] = ()

    def __post_init__(self) -> None:
        """Refuse to say everything twice in one language; msgspec adds the path."""
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("`languages` names a language twice")

    def table(self) -> tuple[Quiet, ...]:
        """Return the quiet times as the core takes them."""
        return tuple(Quiet(minute_of_day(row.begins), minute_of_day(row.ends), row.volume) for row in self.quiet)


class RecordsConfig(_Struct, frozen=True):
    """How the journal is looked after."""

    probe_s: Seconds = 60.0
    """After so long without an event a write without one shows whether the disk still works."""


Share = Annotated[float, Meta(ge=0.1, le=0.99, description="used share of the disk")]


class RetentionConfig(_Struct, frozen=True):
    """How long the journal keeps what central has acknowledged, and what happens when the disk fills up."""

    keep_days: Annotated[float, Meta(ge=1, le=3650)] = 30
    evict_at: Share = 0.80
    """From here on acknowledged rows go at any age, oldest first."""
    alarm_at: Share = 0.95
    """From here on nobody is let in by the rules; leaving is not touched."""
    when_full: Literal["guard", "deny"] = "guard"
    """Whether the guard decides then, or everybody is refused."""

    def __post_init__(self) -> None:
        """Refuse an alarm that comes before anything is evicted; msgspec adds the path."""
        if self.alarm_at <= self.evict_at:
            raise ValueError("`alarm_at` must be more than `evict_at`, or room is never made before the alarm")


class TimeConfig(_Struct, frozen=True):
    """Where the wall clock comes from: the kernel's (kept by NTP or a real-time clock)."""

    require_sync: bool = True
    """False: believe the clock although the kernel says it is not synchronised (machines without NTP)."""


class Config(_Struct, frozen=True):
    """The whole file."""

    station: StationConfig
    trust: TrustConfig
    lane: Annotated[tuple[LaneConfig, ...], Meta(min_length=1, max_length=4)]
    paths: PathsConfig = PathsConfig()
    hardware: HardwareConfig = HardwareConfig()
    screen: ScreenConfig = ScreenConfig()
    time: TimeConfig = TimeConfig()
    retention: RetentionConfig = RetentionConfig()
    records: RecordsConfig = RecordsConfig()
    voice: VoiceConfig = VoiceConfig()
    interlock: tuple[tuple[Identifier, ...], ...] = ()
    """Groups of lanes of which only one may have its door open: a sluice is [["outer", "inner"]]."""

    def doors(self) -> list[tuple[str, DoorConfig]]:
        """Return every door with the id of the lane it stands in."""
        return [(lane.id, lane.door) for lane in self.lane if lane.door is not None]


INPUTS = ("contact", "bolt", "passage", "rex", "fire", "break_glass", "tamper", "block", "duress")
"""The inputs a door may have, by their names in the configuration."""


def _door_pins(door: DoorConfig) -> list[tuple[str, int]]:
    pins = [("relay", door.relay.pin)]
    pins += [(name, part.pin) for name in INPUTS if (part := getattr(door, name))]
    if door.led:
        pins += [("led.red", door.led.red), ("led.green", door.led.green), ("led.blue", door.led.blue)]
    if door.buzzer is not None:
        pins.append(("buzzer", door.buzzer))
    return pins


def _lane_pins(lane: LaneConfig) -> list[tuple[str, int]]:
    pins = [(f"door.{name}", pin) for name, pin in _door_pins(lane.door)] if lane.door else []
    return pins if lane.camera.light is None else [*pins, ("camera.light", lane.camera.light)]


def _door_mistakes(door: DoorConfig) -> list[str]:
    problems = []
    if door.kind == "turnstile" and door.passage is None:
        problems.append("a turnstile tells passages by pulses; name the pin of `passage`")
    if door.egress == "controlled" and door.rex:
        problems.append("a controlled lane has no exit button; remove `rex`")
    if door.propped_s >= door.held_s:
        problems.append("the warning must come before the alarm; `propped_s` must be less than `held_s`")
    if door.relay.drive == "pulse" and door.relay.mode == "fail-safe":
        problems.append('a pulsed relay cannot hold a fail-safe lock; use drive = "hold"')
    return problems


def _shared_mistakes(lane: LaneConfig, config: Config) -> list[str]:
    if lane.door_of is None:
        return ["a lane needs a door of its own, or `door_of` with the lane whose door it shares"]
    if lane.door_of not in dict(config.doors()):
        return [f"`door_of` names {lane.door_of!r}, which is no lane with a door"]
    return []


def _interlock_mistakes(config: Config) -> list[str]:
    known = dict(config.doors())
    groups = [group for group in config.interlock if len(set(group)) < 2 or not set(group) <= set(known)]  # noqa: PLR2004
    return [f"an interlock names two or more lanes with doors; {list(g)} does not - at `$.interlock`" for g in groups]


def _cross_check(config: Config) -> list[str]:
    """Mistakes that no single value shows: pins used twice, lanes of one name, twins without a world."""
    problems, taken = [], dict[int, str]()
    for number, lane in enumerate(config.lane):
        for name, pin in _lane_pins(lane):
            where = f"$.lane[{number}].{name}"
            if pin in taken:
                problems.append(f"pin {pin} is used twice - at `{taken[pin]}` and `{where}`; give each its own pin")
            taken[pin] = where
        mistakes = _door_mistakes(lane.door) if lane.door else _shared_mistakes(lane, config)
        problems += [f"{problem} - at `$.lane[{number}].door`" for problem in mistakes]
    problems += _interlock_mistakes(config)
    if len({lane.id for lane in config.lane}) < len(config.lane):
        problems.append("two lanes have the same id - at `$.lane`; give each its own")
    twins = config.hardware.pins == "twin" or any(lane.camera.source.startswith("scene:") for lane in config.lane)
    if twins and config.hardware.world is None:
        problems.append("twins need a world - at `$.hardware.world`; name the socket of the twins' world")
    return problems


def parse(text: str, where: str = "configuration") -> Config:
    """Read a configuration from TOML text. Raises ConfigError naming the path of whatever is wrong."""
    try:
        config = msgspec.convert(tomllib.loads(text), Config, dec_hook=_decode, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error
    if problems := _cross_check(config):
        raise ConfigError("\n".join(f"{where}: {problem}" for problem in problems))
    return config


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = f"expected {kind.__name__}, got {type(value).__name__}"
    raise ValueError(msg)


def load(path: Path) -> Config:
    """Read the configuration file. Raises ConfigError, also where the file cannot be read."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read ({error}); create it from docs/reference/config.md or name another with --config"
        raise ConfigError(msg) from error
