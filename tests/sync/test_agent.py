"""gate-sync as a whole against a real broker: connection, birth and death, doorbell, doctor, commands, TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from station.schema import RING_SOCKET
from sync import cli, config, doctor, mqtt, wire
from sync.agent import Agent
from sync.config import BrokerConfig, ConfigError, TlsConfig
from sync.notify import notify
from sync.uplink import Uplink
from tests.sync.lab import STATION, Broker, Journal, Listener, free_port, sync_toml, until


class Running:
    """An agent in a thread of this process."""

    def __init__(self, path: Path) -> None:
        self.agent, self.stop = Agent(config.load(path)), threading.Event()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.agent.run, args=(self.stop, self.ready.set), daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop it as SIGTERM does."""
        self.stop.set()
        self.agent.wake()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def running(tmp_path: Path, broker: Broker, journal: Journal) -> Iterator[Running]:
    """An agent with journal and broker."""
    found = Running(sync_toml(tmp_path, broker.port))
    yield found
    if found.thread.is_alive():
        found.end()


def states(listener: Listener) -> list[wire.State]:
    """The births and deaths seen."""
    return [wire.decode(m.payload, wire.State) for m in listener.seen if m.topic.endswith("/up/state")]


def test_birth_hello_health_and_death(broker: Broker, journal: Journal, tmp_path: Path) -> None:
    """On connect: birth and hello; then health; on SIGTERM an explicit death, retained."""
    journal.write(4)
    listener = Listener(broker.port, f"gs/1/{STATION}/up/#")
    running = Running(sync_toml(tmp_path, broker.port))
    until(lambda: any(t.endswith("/tele") for t in listener.topics()), what="health")
    until(lambda: any(t.endswith("/log") for t in listener.topics()), what="the log")
    running.end()
    until(lambda: wire.State(state="offline", clean=True) in states(listener), what="the death")
    assert listener.topics()[0].endswith("/up/state")
    assert states(listener)[0] == wire.State(state="online")
    hello = next(wire.decode(m.payload, wire.Hello) for m in listener.seen if m.topic.endswith("/up/hello"))
    assert (hello.epoch, hello.next_seq) == (journal.epoch, 5)
    tele = next(wire.decode(m.payload, wire.Tele) for m in listener.seen if m.topic.endswith("/up/tele"))
    assert tele.queue == 4
    assert {m.content_type for m in listener.seen if m.topic.endswith("/up/log")} == {wire.BATCH_TYPE}
    listener.link.close()


def test_a_ring_is_faster_than_the_poll(
    tmp_path: Path, broker: Broker, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the poll at an hour, an event still goes at once when the station rings."""
    path = sync_toml(tmp_path, broker.port)
    text = path.read_text().replace("poll_s = 0.2", "poll_s = 3600\ntele_s = 3600")
    path.write_text(text.replace("min_s = 0.4", "min_s = 3600").replace("max_s = 1.0", "max_s = 3600"))
    pubacks, take = list[int](), Uplink.published

    def counted(self: Uplink, mid: int, reason: int, now: float) -> None:
        take(self, mid, reason, now)
        pubacks.append(mid)

    monkeypatch.setattr(Uplink, "published", counted)
    listener = Listener(broker.port, f"gs/1/{STATION}/up/#")
    running = Running(path)
    until(lambda: len(pubacks) == 3, what="birth, hello and health, after which nothing but a ring wakes the agent")
    journal.write(1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.sendto(b"", str(tmp_path / "run" / RING_SOCKET))
    until(lambda: any(t.endswith("/log") for t in listener.topics()), 5, what="the event")
    running.end()
    listener.link.close()


def test_the_station_is_rung_when_the_link_or_the_inbox_changes(
    tmp_path: Path, broker: Broker, journal: Journal
) -> None:
    """The station's socket gets an empty datagram; the link row says what the guard screen shows."""
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(tmp_path / "run" / wire.INBOX_SOCKET))
        bell.settimeout(10)
        running = Running(sync_toml(tmp_path, broker.port))
        while not _link(tmp_path)[0]:
            assert bell.recv(10) == b""
        until(lambda: running.agent._link is not None and running.agent._tele_at > 0)
        listener = Listener(broker.port)
        listener.link.publish("gs/1/doc/all/policy/0", b"text", retain=True)
        assert bell.recv(10) == b""
        broker.kill()
        while _link(tmp_path)[0]:
            assert bell.recv(10) == b""
        assert _link(tmp_path)[2]
        running.end()
    listener.link.close()


def _link(directory: Path) -> tuple[bool, int, str]:
    path = directory / "sync" / "sync.db"
    if not path.exists():
        return False, 0, ""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows = list(db.execute("SELECT connected, since_us, last_error FROM link"))
    finally:
        db.close()
    return rows[0] if rows else (False, 0, "")


def test_a_command_published_as_retained_is_known_as_such(running: Running, broker: Broker, tmp_path: Path) -> None:
    """Also one that arrives while the station is connected: the broker would hide that somebody let it be kept."""
    sender = Listener(broker.port)
    until(lambda: running.agent._online, what="the connection")
    topic = wire.down(STATION, "cmd")
    for payload, retain in ((b"first", False), (b"second", True)):
        sender.link.publish(topic, payload, retain=retain)
    sender.link.publish(topic, b"x" * 5000)
    until(lambda: len(_commands(tmp_path)) == 2, what="both commands")
    assert _commands(tmp_path) == [(b"first", 0), (b"second", 1)]
    sender.link.close()


def _commands(directory: Path) -> list[tuple[bytes, int]]:
    db = apsw.Connection(str(directory / "sync" / "sync.db"))
    try:
        return list(db.execute("SELECT raw, retained FROM command ORDER BY id"))
    finally:
        db.close()


def test_without_a_broker_the_agent_waits_and_stops_when_told(tmp_path: Path) -> None:
    """No broker, no journal, no run directory of the station: ready all the same, and stopped at once."""
    running = Running(sync_toml(tmp_path, free_port()))
    assert running.ready.wait(5)
    until(lambda: _link(tmp_path)[2] not in ("", "not connected yet"), what="the reason")
    running.end()


def test_a_host_name_that_no_resolver_takes_ends_only_the_attempt() -> None:
    """Whatever the network stack raises becomes one Down, and the thread ends."""
    said: queue.Queue[object] = queue.Queue()
    broker = BrokerConfig(host="a" * 70 + ".example", port=1)
    link = mqtt.Link(mqtt.Settings("x", broker, True, 0, 10, 1000), said.put)
    link.start()
    down = said.get(timeout=15)
    assert isinstance(down, mqtt.Down)
    assert down.reason
    link.close()


def test_a_server_that_speaks_no_mqtt_ends_only_the_attempt() -> None:
    """Hostile bytes instead of CONNACK become one Down."""
    said: queue.Queue[object] = queue.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = BrokerConfig(host="127.0.0.1", port=server.getsockname()[1])
        link = mqtt.Link(mqtt.Settings("x", broker, True, 0, 10, 1000), said.put)
        link.start()
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"\x20\xff\xff\xff\x7f" + b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            peer.shutdown(socket.SHUT_WR)
            assert isinstance(said.get(timeout=15), mqtt.Down)
    link.close()


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("poll_s = 0.2", "poll_s = 0.2\npol_s = 1", "$.timers"),
        (STATION, "Gate East", "$.station.id"),
        ("backfill_events = 50", "backfill_events = 5000", "$.batch.backfill_events"),
        ("retransmit_min_s = 0.4", "retransmit_min_s = 4", "$.timers"),
        ("[batch]", "[broker.tls]\nca = 5\n[batch]", "$.broker.tls"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(tmp_path: Path, old: str, new: str, path: str) -> None:
    """Unknown keys and values out of range say file and path."""
    file = sync_toml(tmp_path, 1883)
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(file) in str(caught.value)
    assert path in str(caught.value)


def test_doctor_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: Broker, journal: Journal
) -> None:
    """Missing files and an unreachable broker are failures with a next step; with all in place there are none."""
    sick = sync_toml(tmp_path, free_port())
    text = sick.read_text().replace("/station/journal.db", "/nowhere/journal.db")
    sick.write_text(text)
    assert cli.main(["doctor", "--json", "--config", str(sick)]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert {name for name, check in checks.items() if not check["ok"]} == {"journal", "sync.db", "broker"}
    assert all(check["todo"] for check in checks.values() if not check["ok"])
    Running(sync_toml(tmp_path, broker.port)).end()
    assert cli.main(["doctor", "--config", str(sync_toml(tmp_path, broker.port))]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_status_shows_the_queue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: Broker, journal: Journal
) -> None:
    """The person at the station sees how much is waiting, before the first start and after it."""
    journal.write(7)
    path = str(sync_toml(tmp_path, broker.port))
    assert cli.main(["status", "--config", path]) == 1
    assert "waiting: 7" in capsys.readouterr().out
    Running(Path(path)).end()
    assert cli.main(["status", "--config", path]) == 1
    assert "not connected" in capsys.readouterr().out
    assert cli.main(["status", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state arrives as one datagram; without systemd, or with a dead one, nothing happens."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


# --- mutual TLS ------------------------------------------------------------------------------------------------------


def _certificate(
    directory: Path, name: str, issuer: tuple[x509.Certificate, EllipticCurvePrivateKey] | None, days: int
) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    # What Python 3.13 asks of certificates (VERIFY_X509_STRICT): who signed with which key, and what a key is for.
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    signer = (issuer[1] if issuer else key).public_key()
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    signs = issuer is None
    builder = builder.add_extension(
        x509.KeyUsage(
            digital_signature=not signs,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=not signs,
            key_cert_sign=signs,
            crl_sign=signs,
            encipher_only=False,
            decipher_only=False,
        ),
        critical=True,
    )
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (directory / f"{name}.crt").write_bytes(made.public_bytes(Encoding.PEM))
    (directory / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made, key


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[tuple[Broker, TlsConfig]]:
    """A broker that lets in only who has a certificate."""
    authority = _certificate(tmp_path, "ca", None, 365)
    _certificate(tmp_path, "server", authority, 365)
    _certificate(tmp_path, STATION, authority, 365)
    broker = Broker(tmp_path)
    lines = [
        f"cafile {tmp_path}/ca.crt",
        f"certfile {tmp_path}/server.crt",
        f"keyfile {tmp_path}/server.key",
        "require_certificate true",
        "use_identity_as_username true",
    ]
    broker._config.write_text(broker._config.read_text().replace("allow_anonymous true", "\n".join(lines)))
    broker.start()
    tls = TlsConfig(ca=tmp_path / "ca.crt", cert=tmp_path / f"{STATION}.crt", key=tmp_path / f"{STATION}.key")
    yield broker, tls
    broker.kill()


def test_mutual_tls(tls_broker: tuple[Broker, TlsConfig], tmp_path: Path) -> None:
    """With the certificate the broker lets the station in and doctor is content; without it there is no connection."""
    broker, tls = tls_broker
    said: queue.Queue[object] = queue.Queue()
    for config_tls, expected in ((tls, mqtt.Up), (None, mqtt.Down)):
        where = BrokerConfig(host="127.0.0.1", port=broker.port, tls=config_tls)
        link = mqtt.Link(mqtt.Settings(STATION, where, True, 0, 10, 100_000), said.put)
        link.start()
        assert isinstance(said.get(timeout=15), expected)
        link.close()
        while not said.empty():
            said.get()
    base = config.load(sync_toml(tmp_path, broker.port))
    full = config.SyncConfig(
        station=base.station, broker=BrokerConfig(host="127.0.0.1", port=broker.port, tls=tls), paths=base.paths
    )
    checks = {check.name: check for check in doctor.examine(full, dt.datetime.now(dt.UTC))}
    assert checks["broker"].ok
    assert checks["tls files"].ok
    assert checks["certificate"].ok
    late = dt.datetime.now(dt.UTC) + dt.timedelta(days=350)
    checks = {check.name: check for check in doctor.examine(full, late)}
    assert not checks["certificate"].ok
    assert "renew" in checks["certificate"].todo
