"""The station's configuration: one TOML file into frozen structs. Unknown keys are errors that name their path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from station.core.model import Direction
from station.core.volume import Quiet, minute_of_day
from station.device_config import (
    CameraConfig,
    DoorConfig,
    Identifier,
    RangeConfig,
    Seconds,
    Section,
    ThermometerConfig,
)

Zone = Annotated[str, Meta(pattern=r"^[0-9]{12}$", description="12-digit area code")]
RootKey = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="Ed25519 public key, hexadecimal")]


class ConfigError(ValueError):
    """The configuration cannot be used. The message names the file, the key's path and what is expected there."""


class StationConfig(Section, frozen=True):
    """Who this station is and which zone it guards."""

    id: Identifier
    gate: Identifier
    zone: Zone
    site: Identifier | None = None
    """Name of the site, where it has other gates: passages there count here. Absent: this is its only gate."""
    live_page: Annotated[str, Meta(max_length=120)] = ""
    """Address of the phones' pass page, for the number to be signed as a QR code; empty: the number alone."""


class PathsConfig(Section, frozen=True):
    """Where the station keeps its files."""

    state: Path = Path("/var/lib/gate-station")
    run: Path = Path("/run/gate-station")
    sync_state: Path = Path("/var/lib/gate-sync")
    documents: Path = Path("/etc/gate-station/documents")
    guards: Path = Path("/etc/gate-station/guards.toml")


class TrustConfig(Section, frozen=True):
    """The offline root keys, two of which sign every trust bundle."""

    roots: Annotated[tuple[RootKey, ...], Meta(min_length=3, max_length=3)]
    number: Annotated[int, Meta(ge=1, le=1000)] = 1
    """Which set these are; a station set up after a rotation names the set of its day."""


class HardwareConfig(Section, frozen=True):
    """Which pin factory and, for development, which world the twins stand in."""

    pins: Literal["lgpio", "twin"] = "lgpio"
    world: Path | None = None
    """Socket of the twins' world (drivers/twins/world.py); only with pins = "twin" or twin sources."""


class LaneConfig(Section, frozen=True):
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


class ScreenConfig(Section, frozen=True):
    """The guard screen's address; loopback unless configured otherwise."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    passages: Annotated[int, Meta(ge=1, le=500)] = 50


Volume = Annotated[int, Meta(ge=0, le=100, description="per cent of full scale")]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class QuietConfig(Section, frozen=True):
    """A time of day at which the voice is quieter; it may reach past midnight."""

    begins: TimeOfDay = msgspec.field(name="from")
    ends: TimeOfDay = msgspec.field(name="to")
    volume: Volume


class VoiceConfig(Section, frozen=True):
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


class RecordsConfig(Section, frozen=True):
    """How the journal is looked after."""

    probe_s: Seconds = 60.0
    """After so long without an event a write without one shows whether the disk still works."""


Share = Annotated[float, Meta(ge=0.1, le=0.99, description="used share of the disk")]


class RetentionConfig(Section, frozen=True):
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


class TimeConfig(Section, frozen=True):
    """Where the wall clock comes from: the kernel's (kept by NTP or a real-time clock)."""

    require_sync: bool = True
    """False: believe the clock although the kernel says it is not synchronised (machines without NTP)."""


class Config(Section, frozen=True):
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
