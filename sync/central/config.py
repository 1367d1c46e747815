"""The server end's configuration: one TOML file into frozen structs. Unknown keys are errors that name their path."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from sync.config import BrokerConfig, Host, Identifier, MetricsConfig, Seconds, Section, convert, read

DatabaseUrl = Annotated[str, Meta(pattern=r"^(sqlite:///|postgresql\+psycopg://).+\Z")]
KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}\Z", description="key id, hexadecimal")]


class DatabaseConfig(Section, frozen=True):
    """`url`: sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME."""

    url: DatabaseUrl


class KeyConfig(Section, frozen=True):
    """A key that signs messages to stations: a PEM file (PKCS 8, Ed25519) and the id the trust bundle gives it."""

    key: Path
    kid: KeyId


class SiteConfig(Section, frozen=True):
    """Gates that hear of each other's passages. `name`: as in their station.toml; `stations`: their ids."""

    name: Identifier
    stations: Annotated[tuple[Identifier, ...], Meta(min_length=2, max_length=100)]


class CollectorConfig(Section, frozen=True):
    """`id`: MQTT client id, different for each collector; `credit`: messages one station may have in flight."""

    id: Identifier = "central"
    receive_maximum: Annotated[int, Meta(ge=1, le=200)] = 200
    credit: Annotated[int, Meta(ge=1, le=1000)] = 100
    spread_s: Annotated[float, Meta(ge=0, le=600)] = 1.0
    """Over how long stations spread their reconnects after a loss of the broker."""


class TimersConfig(Section, frozen=True):
    """Every waiting time, seconds."""

    publish_poll_s: Seconds = 1.0
    sites_s: Seconds = 60.0
    """How often the gates of a site are told that there were no other passages."""
    reconnect_max_s: Seconds = 60.0
    database_retry_max_s: Seconds = 30.0
    database_leave_s: Seconds = 10.0
    """After so long without the database a collector leaves the broker, until it has the database again."""


class PathsConfig(Section, frozen=True):
    """`state`: where central keeps what is not in the database."""

    state: Path = Path("/var/lib/gate-central")


class EnrolmentConfig(Section, frozen=True, kw_only=True):
    """The endpoint where stations get their certificates: `authority`: folder of the certificate authority."""

    authority: Path
    roots: Path
    """Public keys of the first root set: OFFICE/roots.pub."""
    host: Host
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8470
    cert: Path
    """PEM file, from `gate-central authority server`; its names are those by which stations know this endpoint."""
    key: Path
    life_days: Annotated[int, Meta(ge=1, le=825)] = 90
    """How long a station's certificate is good; stations renew at two thirds of it."""
    tries_per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 20
    """From one address; more where many stations share one."""


class CentralConfig(Section, frozen=True):
    """The whole file."""

    broker: BrokerConfig
    database: DatabaseConfig
    ack: KeyConfig
    """Signs acknowledgements, and what the gates of a site are told of each other."""
    time: KeyConfig | None = None
    """Signs the time for stations that have lost it; absent: the key of `ack`, which then needs the role `time` too."""
    site: tuple[SiteConfig, ...] = ()
    enrolment: EnrolmentConfig | None = None
    """Absent: stations get their certificates in another way."""
    metrics: MetricsConfig | None = None
    """Absent: nothing listens."""
    collector: CollectorConfig = CollectorConfig()
    timers: TimersConfig = TimersConfig()
    paths: PathsConfig = PathsConfig()

    def __post_init__(self) -> None:
        """Refuse a station in two sites and two sites of one name; msgspec adds the path."""
        names = Counter(site.name for site in self.site)
        stations = Counter(station for site in self.site for station in site.stations)
        for what, counted in (("site", names), ("station", stations)):
            if twice := sorted(name for name, times in counted.items() if times > 1):
                raise ValueError(f"{what} {', '.join(twice)} stands in [[site]] twice; each may stand there once")


def parse(text: str, where: str = "configuration") -> CentralConfig:
    """Read the configuration from TOML text. Raises ConfigError naming the path of whatever is wrong."""
    return convert(text, CentralConfig, where)


def load(path: Path) -> CentralConfig:
    """Read the configuration file. Raises ConfigError, also where the file cannot be read."""
    return parse(read(path), str(path))
