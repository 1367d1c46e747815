"""The server end's configuration: one TOML file into frozen structs. Unknown keys are errors that name their path."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from sync.config import BrokerConfig, Identifier, Seconds, Section, convert, read

DatabaseUrl = Annotated[str, Meta(pattern=r"^(sqlite:///|postgresql\+psycopg://).+\Z")]
KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}\Z", description="key id, hexadecimal")]


class DatabaseConfig(Section, frozen=True):
    """`url`: sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME."""

    url: DatabaseUrl


class AckConfig(Section, frozen=True):
    """The key that signs acknowledgements: a PEM file (PKCS 8, Ed25519) and the id the trust bundle gives it."""

    key: Path
    kid: KeyId


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
    reconnect_max_s: Seconds = 60.0
    database_retry_max_s: Seconds = 30.0


class PathsConfig(Section, frozen=True):
    """`state`: where central keeps what is not in the database."""

    state: Path = Path("/var/lib/gate-central")


class CentralConfig(Section, frozen=True):
    """The whole file."""

    broker: BrokerConfig
    database: DatabaseConfig
    ack: AckConfig
    collector: CollectorConfig = CollectorConfig()
    timers: TimersConfig = TimersConfig()
    paths: PathsConfig = PathsConfig()


def parse(text: str, where: str = "configuration") -> CentralConfig:
    """Read the configuration from TOML text. Raises ConfigError naming the path of whatever is wrong."""
    return convert(text, CentralConfig, where)


def load(path: Path) -> CentralConfig:
    """Read the configuration file. Raises ConfigError, also where the file cannot be read."""
    return parse(read(path), str(path))
