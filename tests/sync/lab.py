"""What the tests of both ends share: a real broker, a journal writer, keys, processes that are killed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import apsw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from station.core import cose, events
from station.core.model import Instant
from station.schema import JOURNAL_DDL
from sync import wire
from sync.mqtt import BrokerConfig, Link, Received, Settings
from tests.demo.processes import ROOT, Broker, free_port
from tests.demo.processes import until as wait_until

__all__ = ["Broker", "Journal", "Listener", "Process", "free_port", "until"]

STATION = "gate-east-1"
ZONE = "320611001001"
KID = b"\x01\x02\x03\x04"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PAYLOAD = {"lane": "in", "outcome": "grant", "reason": "granted", "rule": "check:open", "cti": "00ff00ff00ff00ff"}


def until(condition: Callable[[], object], timeout_s: float = 15.0, what: str = "it") -> None:
    """Wait until `condition` is true; fail after `timeout_s`."""
    wait_until(condition, timeout_s, what)


class Process:
    """A child that is killed by its own process id, never by name."""

    def __init__(self, command: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self._log = log.open("ab")
        self.child = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, cwd=ROOT, env={**os.environ, **(env or {})}
        )

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10) -> int:
        """Send a signal and wait for the end."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 10) -> int:
        """Wait for the end and return the exit code."""
        code = self.child.wait(timeout_s)
        self._log.close()
        return code


class Journal:
    """Writes journal.db as the station does."""

    def __init__(self, path: Path, epoch: int | None = None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = apsw.Connection(str(path))
        self._db.set_busy_timeout(5000)
        self._db.pragma("journal_mode", "wal")
        self._db.pragma("synchronous", "full")
        persist = ctypes.c_int(1)
        self._db.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(persist))
        self._db.execute(JOURNAL_DDL)
        minted = epoch if epoch is not None else int.from_bytes(os.urandom(8)) >> 1
        self._db.execute("INSERT OR IGNORE INTO stream VALUES (1, ?, ?)", (minted, time.time_ns() // 1000))
        self.epoch = next(iter(self._db.execute("SELECT epoch FROM stream")))[0]

    def write(
        self, count: int = 1, payload: dict[str, object] | None = None, kind: events.Kind = events.Kind.DECISION
    ) -> int:
        """Write events in one transaction and return the last sequence number."""
        with self._db:
            rows = list(self._db.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"))
            seq, head = rows[0] if rows else (0, events.GENESIS)
            for _ in range(count):
                seq += 1
                now = Instant(time.time_ns() // 1000, time.monotonic_ns() // 1000)
                raw = events.encode(seq, now, "b1", kind, {**PAYLOAD, "n": seq, **(payload or {})})
                head = events.chain(head, raw)
                self._db.execute("INSERT INTO event VALUES (?, ?, ?)", (seq, raw, head))
        return seq

    def rows(self) -> list[tuple[int, bytes, bytes]]:
        """Return all (seq, raw, hash)."""
        return list(self._db.execute("SELECT seq, raw, hash FROM event ORDER BY seq"))

    def evict(self, up_to: int) -> None:
        """Delete rows, as retention does."""
        self._db.execute("DELETE FROM event WHERE seq <= ?", (up_to,))

    def trust(self, raw: bytes | None = None) -> None:
        """Put a trust bundle in force."""
        raw = raw or trust_bundle()
        self._db.execute("INSERT OR REPLACE INTO document VALUES ('trust', 1, ?, ?, 1)", (wire.sha256(raw), raw))

    def close(self) -> None:
        """Close cleanly."""
        self._db.close()


def trust_bundle(roles: tuple[str, ...] = ("ack",), key: Ed25519PrivateKey = KEY) -> bytes:
    """Return a trust bundle that gives `key` the roles."""
    entry = {
        "kid": KID,
        "pub": key.public_key().public_bytes_raw(),
        "roles": list(roles),
        "zones": [],
        "classes": [],
        "nbf": 0,
        "exp": 4_000_000_000,
    }
    body = {"type": "trust", "seq": 1, "iat": 0, "exp": 4_000_000_000, "prev": None, "keys": [entry]}
    return cose.sign(cose.encode(body), [(b"root", KEY)])


def key_file(directory: Path) -> Path:
    """Write the acknowledgement key as PEM."""
    path = directory / "ack.pem"
    path.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def sync_toml(directory: Path, port: int, station: str = STATION) -> Path:
    """Write a configuration of gate-sync with short waits."""
    path = directory / "sync.toml"
    path.write_text(f"""
[station]
id = "{station}"
zone = "{ZONE}"
[broker]
host = "127.0.0.1"
port = {port}
keepalive = 5
[paths]
journal = "{directory}/station/journal.db"
state = "{directory}/sync"
run = "{directory}/run"
[timers]
retransmit_min_s = 0.4
retransmit_max_s = 1.0
reconnect_max_s = 0.3
no_subscriber_max_s = 0.5
poll_s = 0.2
[batch]
backfill_events = 50
""")
    return path


def central_toml(
    directory: Path,
    port: int,
    url: str | None = None,
    name: str = "central",
    ack: tuple[Path, bytes] | None = None,
    more: str = "",
) -> Path:
    """Write a configuration of central with short waits. `ack`: key file and id; `more`: tables to append."""
    key, kid = ack or (key_file(directory), KID)
    path = directory / f"{name}.toml"
    path.write_text(f"""
[broker]
host = "127.0.0.1"
port = {port}
keepalive = 5
[database]
url = "{url or f"sqlite:///{directory}/central.db"}"
[ack]
key = "{key}"
kid = "{kid.hex()}"
[collector]
id = "{name}"
spread_s = 0.1
[timers]
publish_poll_s = 0.2
reconnect_max_s = 0.3
database_retry_max_s = 0.3
database_leave_s = 3.0
sites_s = 0.3
[paths]
state = "{directory}/central"
{more}
""")
    return path


def start_sync(directory: Path, port: int, station: str = STATION) -> Process:
    """Start gate-sync as it is started at a station."""
    config = sync_toml(directory, port, station)
    return Process([sys.executable, "-m", "sync.cli", "run", "--config", str(config)], directory / "sync.log")


def start_collector(directory: Path, config: Path, die_after_commits: int = 0) -> Process:
    """Start a collector; with `die_after_commits` it kills itself between that COMMIT and the acknowledgement."""
    script = ROOT / "tests" / "central" / "collector_process.py"
    command = [sys.executable, str(script), str(config), str(die_after_commits)]
    return Process(command, directory / "collector.log", {"PYTHONPATH": str(ROOT)})


class Listener:
    """A plain subscriber that remembers what passes through the broker."""

    def __init__(self, port: int, *filters: str, name: str = "listener") -> None:
        self.seen: list[Received] = []
        self.events: list[object] = []
        self.link = Link(Settings(name, BrokerConfig(host="127.0.0.1", port=port), True, 0, 100, 1 << 20), self._take)
        self.link.start()
        until(lambda: any(type(e).__name__ == "Up" for e in self.events), what="the listener's connection")
        if filters:
            self.link.subscribe(filters)
            until(lambda: any(type(e).__name__ == "Subscribed" for e in self.events), what="the subscription")

    def _take(self, happening: object) -> None:
        if isinstance(happening, Received):
            self.seen.append(happening)
        else:
            self.events.append(happening)

    def topics(self) -> list[str]:
        """Return the topics of what was seen."""
        return [message.topic for message in self.seen]
