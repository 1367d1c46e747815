"""The configuration of gate-sync: one TOML file into frozen structs. Unknown keys are errors that name their path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}\Z")]
Zone = Annotated[str, Meta(pattern=r"^[0-9]{12}\Z", description="12-digit area code")]
Host = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:-]{1,253}\Z")]


class ConfigError(ValueError):
    """The configuration cannot be used. The message names the file, the key's path and what is expected there."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class StationConfig(Section, frozen=True):
    """Who this station is and which zone's documents it takes."""

    id: Identifier
    zone: Zone


class TlsConfig(Section, frozen=True):
    """Mutual TLS: PEM files of the certificate authority, this end's certificate and its key."""

    ca: Path
    cert: Path
    key: Path


class BrokerConfig(Section, frozen=True):
    """Where the MQTT 5 broker is."""

    host: Host
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    keepalive: Annotated[int, Meta(ge=2, le=600)] = 30
    tls: TlsConfig | None = None


class PathsConfig(Section, frozen=True):
    """`journal`: the station's journal.db; `state`: directory of sync.db; `run`: directory of the two sockets."""

    journal: Path = Path("/var/lib/gate-station/journal.db")
    state: Path = Path("/var/lib/gate-sync")
    run: Path = Path("/run/gate-station")


class TimersConfig(Section, frozen=True):
    """Every waiting time, seconds."""

    retransmit_min_s: Seconds = 5.0
    retransmit_max_s: Seconds = 300.0
    reconnect_max_s: Seconds = 300.0
    no_subscriber_max_s: Seconds = 60.0
    poll_s: Seconds = 1.0
    tele_s: Seconds = 10.0


class BatchConfig(Section, frozen=True):
    """How much goes into one message and how many messages may be unacknowledged."""

    live_events: Annotated[int, Meta(ge=1, le=200)] = 200
    live_bytes: Annotated[int, Meta(ge=1024, le=65536)] = 65536
    backfill_events: Annotated[int, Meta(ge=1, le=1000)] = 1000
    in_flight: Annotated[int, Meta(ge=1, le=100)] = 32


class MetricsConfig(Section, frozen=True):
    """Where this end's figures can be fetched as Prometheus text: http://HOST:PORT/metrics, without a password."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    host: Host = "127.0.0.1"


Topic = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\Z", max_length=80)]


class HomeAssistantConfig(Section, frozen=True):
    """The station as a device of Home Assistant. `prefix`: its discovery prefix; `status`: where it says `online`."""

    enabled: bool = False
    prefix: Topic = "homeassistant"
    status: Topic = "homeassistant/status"


class SyncConfig(Section, frozen=True):
    """The whole file."""

    station: StationConfig
    broker: BrokerConfig
    paths: PathsConfig = PathsConfig()
    timers: TimersConfig = TimersConfig()
    batch: BatchConfig = BatchConfig()
    metrics: MetricsConfig | None = None
    """Absent: nothing listens."""
    home_assistant: HomeAssistantConfig = HomeAssistantConfig()


C = TypeVar("C", bound=Section)


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = f"expected {kind.__name__}, got {type(value).__name__}"
    raise ValueError(msg)


def convert(text: str, kind: type[C], where: str) -> C:
    """Read a configuration of any kind from TOML text. Raises ConfigError naming the path of whatever is wrong."""
    try:
        return msgspec.convert(tomllib.loads(text), kind, dec_hook=_decode, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error


def read(path: Path) -> str:
    """Return the file's text. Raises ConfigError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read ({error}); create it from docs/reference/config.md or name another with --config"
        raise ConfigError(msg) from error


def parse(text: str, where: str = "configuration") -> SyncConfig:
    """Read the configuration of gate-sync from TOML text. Raises ConfigError."""
    config = convert(text, SyncConfig, where)
    if config.timers.retransmit_min_s > config.timers.retransmit_max_s:
        msg = f"{where}: retransmit_min_s is above retransmit_max_s - at `$.timers`; make it the smaller one"
        raise ConfigError(msg)
    return config


def load(path: Path) -> SyncConfig:
    """Read the configuration file. Raises ConfigError, also where the file cannot be read."""
    return parse(read(path), str(path))
