"""A central with its authority, endpoint and a Mosquitto that takes mutual TLS only; stations that enrol with it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import authority as authorities
from sync.central.authority import Authority
from sync.central.authority_commands import open_table
from sync.central.certificate_table import Opened
from sync.central.cli import main as central_main
from sync.central.config import load
from sync.central.keyfiles import write_private
from sync.config import BrokerConfig, StationConfig, TlsConfig
from sync.enrolment_code import Code, new_secret
from sync.enrolment_code import read as read_code
from sync.identity import AUTHORITY, CERTIFICATE, KEY, Identity, IdentityFolder, Where
from sync.mqtt import Link, Published, Received, Settings, Subscribed, Up
from tests.demo.processes import Process, command, free_port, listening, until
from tests.sync.lab import KID, key_file

ZONE = "320611001001"
ROOTS = tuple(bytes([number]) * 32 for number in (1, 2, 3))
DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    """Return the time."""
    return dt.datetime.now(dt.UTC)


def station(name: str = "gate-east-1", zone: str = ZONE) -> StationConfig:
    """Return who a station says it is."""
    return StationConfig(id=name, zone=zone)


class Central:
    """Central's commands in a folder of its own."""

    def __init__(self, folder: Path, url: str | None = None, tries: int = 20) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "roots.pub").write_text("".join(f"{key.hex()}\n" for key in ROOTS))
        self.config, self.broker_port = folder / "central.toml", free_port()
        self.config.write_text(f"""
[broker]
host = "127.0.0.1"
port = {self.broker_port}
[broker.tls]
ca = "{folder}/tls/ca.pem"
cert = "{folder}/tls/central-1.pem"
key = "{folder}/tls/central-1.key"
[database]
url = "{url or f"sqlite:///{folder}/central.db"}"
[ack]
key = "{key_file(folder)}"
kid = "{KID.hex()}"
[collector]
id = "central-1"
spread_s = 0.1
[timers]
publish_poll_s = 0.2
reconnect_max_s = 0.3
[paths]
state = "{folder}/state"
[enrolment]
authority = "{folder}/authority"
roots = "{folder}/roots.pub"
host = "127.0.0.1"
port = 0
cert = "{folder}/endpoint/127.0.0.1.pem"
key = "{folder}/endpoint/127.0.0.1.key"
tries_per_minute = {tries}
""")
        self.do("authority", "make", str(folder / "authority"))
        self.endpoint: Process | None = None
        self.url = ""

    def do(self, *arguments: str) -> None:
        """Run a command that must work."""
        assert central_main(list(arguments)) == 0, arguments

    def command(self, *arguments: str) -> None:
        """Run a command with this central's configuration."""
        self.do(*arguments, "--config", str(self.config))

    @property
    def authority(self) -> Authority:
        """The authority, with its key."""
        return authorities.load(self.folder / "authority")

    def serve(self) -> None:
        """Start the endpoint in a process of its own."""
        if not (self.folder / "endpoint").exists():
            self.command("authority", "server", "127.0.0.1", "--to", str(self.folder / "endpoint"))
        line = command("gate-central", "enrolment", "serve", "--config", str(self.config))
        self.endpoint = process = Process(line, self.folder / "endpoint.log")
        until(lambda: process.said("ready at"), 20, "the endpoint is ready")
        self.url = process.said("ready at").split()[-1]

    def stop(self) -> None:
        """End the endpoint."""
        if self.endpoint is not None:
            self.endpoint.stop()

    def give(self, folder: IdentityFolder, begins: dt.datetime, life: dt.timedelta, name: str = "gate-east-1") -> None:
        """Put an identity into a station's folder that central knows, with a certificate of a chosen time."""
        secret, key, authority = new_secret(), ec.generate_private_key(ec.SECP256R1()), self.authority
        table = open_table(load(self.config))
        table.open_code(secret, Opened(name, ZONE), int(now().timestamp()), 3600)
        pem, _ = table.enrol(
            secret,
            key.public_key(),
            int(now().timestamp()),
            lambda whom: authority.client(whom.station, key.public_key(), begins, life),
        )
        table.close()
        certificate = x509.load_pem_x509_certificate(pem.encode())
        with folder.locked():
            folder.adopt(Identity(key, certificate, authority.certificate, ROOTS, Where(self.url, ZONE)))

    def code(self, capsys: object, name: str = "gate-east-1") -> Code:
        """Open a code and read it from what was printed."""
        capsys.readouterr()  # type: ignore[attr-defined]
        self.command("enrol", "open", name, "--zone", ZONE)
        printed = capsys.readouterr().out  # type: ignore[attr-defined]
        return read_code(next(line for line in printed.splitlines() if line.startswith("EN1-")))


class TlsBroker:
    """Mosquitto as `gate-central broker` configures it."""

    def __init__(self, central: Central) -> None:
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if found is None:
            raise FileNotFoundError("mosquitto is not installed; run: apt-get install mosquitto")
        self._binary, self._central, self.port = found, central, central.broker_port
        self.folder = central.folder / "broker"
        self._process: Process | None = None

    def write(self) -> None:
        """Write its folder anew."""
        port = str(self.port)
        self._central.command("broker", str(self.folder), "--host", "127.0.0.1", "--port", port, "--bind", "127.0.0.1")

    def start(self) -> None:
        """Start it with the written configuration, which is taken as it is."""
        config = self._central.folder / "mosquitto.conf"
        user = f"user {'root' if os.geteuid() == 0 else os.environ.get('USER', '')}\n"
        config.write_text((self.folder / "mosquitto.conf").read_text() + (user if os.geteuid() == 0 else ""))
        self._process = Process([self._binary, "-c", str(config)], self._central.folder / "mosquitto.log")
        until(lambda: listening(self.port), 10, "Mosquitto listens")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()


@dataclass(frozen=True, slots=True)
class Papers:
    """Files of mutual TLS."""

    tls: TlsConfig

    @classmethod
    def of(cls, folder: IdentityFolder) -> Papers:
        """Those of an enrolled station."""
        at = folder.current
        return cls(TlsConfig(ca=at / AUTHORITY, cert=at / CERTIFICATE, key=at / KEY))

    @classmethod
    def made(cls, authority: Authority, folder: Path, name: str, life: dt.timedelta = DAY) -> Papers:
        """A client's, signed directly."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = authority.client(name, key.public_key(), now(), life)
        write_private(folder / f"{name}.key", key)
        (folder / f"{name}.pem").write_text(pem)
        (folder / "ca.pem").write_text(authority.pem)
        return cls(TlsConfig(ca=folder / "ca.pem", cert=folder / f"{name}.pem", key=folder / f"{name}.key"))

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_pem_x509_certificate(self.tls.cert.read_bytes())


class Client:
    """A connection that remembers what happened on it."""

    def __init__(self, port: int, name: str, tls: TlsConfig | None) -> None:
        self.events: list[object] = []
        broker = BrokerConfig(host="127.0.0.1", port=port, tls=tls)
        self.link = Link(Settings(name, broker, True, 0, 100, 1 << 20), self.events.append)
        self.link.start()
        until(lambda: self.up or self.down, 15, "an answer of the broker")

    @property
    def up(self) -> bool:
        """Whether the broker has let it in."""
        return any(isinstance(event, Up) for event in self.events)

    @property
    def down(self) -> str:
        """Why the connection ended, empty while it stands."""
        return next((event.reason for event in self.events if type(event).__name__ == "Down"), "")

    def subscribe(self, *filters: str) -> None:
        """Subscribe and wait for the answer, whatever it is."""
        before = self._count(Subscribed)
        self.link.subscribe(filters)
        until(lambda: self._count(Subscribed) > before, 10, "the answer to a subscription")

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        """Publish with QoS 1 and return the broker's reason code."""
        before = self._count(Published)
        self.link.publish(topic, payload, retain=retain)
        until(lambda: self._count(Published) > before, 10, "the PUBACK")
        return [event.reason for event in self.events if isinstance(event, Published)][-1]

    def topics(self) -> list[str]:
        """Return the topics of what was delivered."""
        return [event.topic for event in self.events if isinstance(event, Received)]

    def close(self) -> None:
        """Say goodbye."""
        self.link.close()

    def _count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in list(self.events))
