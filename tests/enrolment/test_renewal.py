"""Renewal: in time, too late, by nobody else, and whatever is cut off in between."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from sync import enrolment_wire as wire
from sync import mqtt
from sync.central import authority as authorities
from sync.central.keyfiles import write_private
from sync.cli import main as sync_main
from sync.config import SyncConfig, TlsConfig, load
from sync.enrolment_client import Endpoint, EndpointError, RefusedError
from sync.identity import IdentityError, IdentityFolder, signing_request
from sync.known_time import clock_is_lost
from sync.renewal import Renewal, days_left, due, renew
from tests.demo.processes import ROOT, Process, until
from tests.enrolment.lab import DAY, ZONE, Central, Client, Papers, TlsBroker, now
from tests.sync.lab import Journal, sync_toml

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def folder(endpoint: Central, tmp_path: Path) -> IdentityFolder:
    """A station whose certificate has lived three quarters of its life."""
    found = IdentityFolder(tmp_path / "state")
    endpoint.give(found, now() - 75 * DAY, 100 * DAY)
    return found


def test_a_certificate_is_renewed_with_a_new_key(endpoint: Central, broker: TlsBroker, folder: IdentityFolder) -> None:
    """Same station, new key, ninety days; the broker takes it; nothing of the old key is left."""
    before = folder.load()
    after, _ = renew(folder)
    assert before is not None
    assert after.station == before.station == "gate-east-1"
    assert after.key.public_key() != before.key.public_key()
    assert days_left(Papers.of(folder).tls, time.time()) == 89
    assert sorted(path.name.partition("-")[0] for path in folder.path.iterdir()) == ["current", "set"]
    client = Client(broker.port, "gate-east-1", Papers.of(folder).tls)
    assert client.up
    client.close()


def test_a_certificate_that_has_ended_is_renewed(endpoint: Central, broker: TlsBroker, tmp_path: Path) -> None:
    """A station that comes out of a drawer: the broker refuses it, the old key still proves who it is."""
    folder = IdentityFolder(tmp_path / "state")
    endpoint.give(folder, now() - 900 * DAY, 90 * DAY)
    assert not Client(broker.port, "gate-east-1", Papers.of(folder).tls).up
    renew(folder)
    client = Client(broker.port, "gate-east-1", Papers.of(folder).tls)
    assert client.up
    client.close()


def test_a_revoked_station_renews_nothing(endpoint: Central, folder: IdentityFolder) -> None:
    """Neither before the end of its certificate nor after; its old set stays as it was."""
    before = folder.load()
    endpoint.command("revoke", "gate-east-1")
    with pytest.raises(RefusedError, match="station gate-east-1 was revoked"):
        renew(folder)
    after = folder.load()
    assert before is not None
    assert after is not None
    assert after.certificate == before.certificate


def test_a_copy_of_the_card_is_found(endpoint: Central, folder: IdentityFolder, tmp_path: Path) -> None:
    """Of two cards with one key only the first renews; the other is told that there are two."""
    shutil.copytree(folder.path.parent, tmp_path / "copy", symlinks=True)
    renew(folder)
    with pytest.raises(RefusedError, match="there is a second card"):
        renew(IdentityFolder(tmp_path / "copy"))
    renew(folder)


def question(endpoint: Central, folder: IdentityFolder, key: ec.EllipticCurvePrivateKey | None = None) -> wire.Renew:
    """Return a request for renewal as a station makes it, `key`: signed with another key than the certificate's."""
    identity = folder.load()
    assert identity is not None
    asked = Endpoint.parse(endpoint.url).ask(identity.authority, wire.CHALLENGE, None, wire.Challenge).challenge
    request = signing_request(ec.generate_private_key(ec.SECP256R1()))
    signed = wire.to_sign(bytes.fromhex(asked), request.public_bytes(Encoding.DER))
    return wire.Renew(
        certificate=identity.certificate.public_bytes(Encoding.PEM).decode(),
        csr=request.public_bytes(Encoding.PEM).decode(),
        challenge=asked,
        signature=(key or identity.key).sign(signed, ec.ECDSA(hashes.SHA256())).hex(),
    )


def other_request(asked: wire.Renew) -> wire.Renew:
    """Somebody else's key under this station's signature."""
    key = ec.generate_private_key(ec.SECP256R1())
    return replace_message(asked, csr=signing_request(key).public_bytes(Encoding.PEM).decode())


def own_challenge(asked: wire.Renew) -> wire.Renew:
    """A challenge that central did not make."""
    return replace_message(asked, challenge="00" * 56)


def stranger(asked: wire.Renew) -> wire.Renew:
    """A certificate of another authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate-east-1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now()).not_valid_after(now() + DAY)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return replace_message(asked, certificate=pem)


def replace_message(asked: wire.Renew, **changes: str) -> wire.Renew:
    """Return a changed request."""
    fields = {name: getattr(asked, name) for name in ("certificate", "csr", "challenge", "signature")}
    return wire.Renew(**{**fields, **changes})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_request, "no-proof"),
        (own_challenge, "stale-challenge"),
        (stranger, "unknown-certificate"),
        (lambda asked: replace_message(asked, signature="00"), "no-proof"),
        (lambda asked: replace_message(asked, certificate="x"), "bad-request"),
        (lambda asked: replace_message(asked, csr="x"), "bad-request"),
    ],
)
def test_who_does_not_hold_the_key_gets_nothing(
    endpoint: Central, folder: IdentityFolder, change: Callable[[wire.Renew], wire.Renew], reason: str
) -> None:
    """Each forgery is refused with its reason, and the station itself renews afterwards."""
    forged, authority = change(question(endpoint, folder)), endpoint.authority.certificate
    with pytest.raises(RefusedError) as refused:
        Endpoint.parse(endpoint.url).ask(authority, wire.RENEW, forged, wire.Granted)
    assert refused.value.reason == reason
    renew(folder)


def test_a_signature_by_another_key_is_no_proof(endpoint: Central, folder: IdentityFolder) -> None:
    """The certificate is public; without its key it renews nothing. An old challenge neither."""
    ask, authority = Endpoint.parse(endpoint.url).ask, endpoint.authority.certificate
    with pytest.raises(RefusedError) as refused:
        ask(authority, wire.RENEW, question(endpoint, folder, ec.generate_private_key(ec.SECP256R1())), wire.Granted)
    assert refused.value.reason == "no-proof"


def test_a_caught_request_brings_nothing(endpoint: Central, folder: IdentityFolder) -> None:
    """Sent again by somebody else, a good request gives the same certificate, for a key that they do not have."""
    ask, authority, asked = Endpoint.parse(endpoint.url).ask, endpoint.authority.certificate, question(endpoint, folder)
    first, again = (ask(authority, wire.RENEW, asked, wire.Granted) for _ in range(2))
    assert first.certificate == again.certificate


def test_a_collectors_certificate_cannot_become_a_stations(endpoint: Central, tmp_path: Path) -> None:
    """The endpoint renews stations only."""
    endpoint.command("authority", "collector", "central-1", "--to", str(tmp_path / "tls"))
    folder = IdentityFolder(tmp_path / "state")
    endpoint.give(folder, now(), DAY)
    for name, file in (("central-1.pem", "station.pem"), ("central-1.key", "station.key")):
        (folder.current / file).write_bytes((tmp_path / "tls" / name).read_bytes())
    with pytest.raises(RefusedError, match="gave out no such certificate"):
        renew(folder)


# --- cut off ---------------------------------------------------------------------------------------------------------


Dying = Callable[..., bool]


@pytest.fixture
def dying() -> Iterator[Dying]:
    """Enrol or renew in a process that dies before a step; say whether it got through."""
    line = [sys.executable, "-m", "tests.enrolment.dies"]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(step: int, *arguments: str) -> bool:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{step} {' '.join(arguments)}\n")
            process.stdin.flush()
            status = int(process.stdout.readline())
            assert status in (0, -signal.SIGKILL)
            return status == 0

        yield run


@pytest.mark.timeout(300)
def test_kill_9_between_any_two_steps_leaves_a_working_set(tmp_path: Path, dying: Dying) -> None:
    """Before every single step on files and sockets: what is there fits together, and the next try completes it."""
    central = Central(tmp_path / "central", tries=10_000)
    central.serve()
    folder = IdentityFolder(tmp_path / "state")
    central.give(folder, now() - 75 * DAY, 100 * DAY)
    outcomes, step = set(), 0
    try:
        while True:
            step += 1
            before = folder.load()
            if dying(step, str(tmp_path / "state")):
                break
            found = folder.load()
            assert before is not None
            assert found is not None
            assert not found.fault()
            mqtt.tls_context(Papers.of(folder).tls)
            outcomes.add(found.certificate == before.certificate)
            renew(folder)
    finally:
        central.stop()
    assert step > 20
    assert outcomes == {True, False}


@pytest.mark.timeout(300)
def test_kill_9_while_enrolling_leaves_nothing_or_all(
    tmp_path: Path, dying: Dying, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before every step: no identity or a whole one, and the same code completes it."""
    central = Central(tmp_path / "central", tries=10_000)
    central.serve()
    outcomes, step = set(), 0
    try:
        while True:
            step += 1
            capsys.readouterr()
            central.command("enrol", "open", "gate-east-1", "--zone", ZONE)
            code = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("EN1-"))
            state = tmp_path / f"state-{step}"
            if dying(step, str(state), code, central.url):
                break
            found = IdentityFolder(state).load()
            outcomes.add(found is None)
            if found is None:
                assert dying(0, str(state), code, central.url)
                found = IdentityFolder(state).load()
            assert found is not None
            assert not found.fault()
    finally:
        central.stop()
    assert step > 15
    assert outcomes == {True, False}


def test_two_at_once_wait_for_each_other(folder: IdentityFolder) -> None:
    """While one process changes the folder another is told to come back."""
    with folder.locked(), pytest.raises(IdentityError, match="renewing just now"):
        renew(folder)


# --- gate-sync -------------------------------------------------------------------------------------------------------


def tls_toml(directory: Path, port: int) -> Path:
    """Write a configuration of gate-sync that uses the enrolled identity."""
    path, at = sync_toml(directory, port, "gate-east-1"), directory / "sync" / "tls" / "current"
    tls = f'[broker.tls]\nca = "{at}/ca.pem"\ncert = "{at}/station.pem"\nkey = "{at}/station.key"\n'
    path.write_text(path.read_text().replace("[paths]", f"{tls}[paths]"))
    return path


def test_gate_sync_renews_by_itself_and_reconnects(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The running service fetches the next certificate, connects with it, and its health says how long it is good."""
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now() - 75 * DAY, 100 * DAY)
    before, journal = folder.load(), Journal(tmp_path / "station" / "journal.db")
    journal.trust()
    config = tls_toml(tmp_path, broker.port)
    (tmp_path / "papers").mkdir()
    collector = Client(broker.port, "central-1", Papers.made(endpoint.authority, tmp_path / "papers", "central-1").tls)
    collector.subscribe("gs/1/+/up/tele")
    service = Process([sys.executable, "-m", "sync.cli", "run", "--config", str(config)], tmp_path / "sync.log")
    try:
        until(lambda: service.said("the certificate was renewed"), 30, "the renewal")
        after = folder.load()
        assert before is not None
        assert after is not None
        assert after.certificate != before.certificate
        log = endpoint.folder / "mosquitto.log"
        until(lambda: log.read_text().count("as gate-east-1 (") == 2, 20, "the second connection")
        until(lambda: any(b'"certificate_days":89' in m.payload for m in messages(collector)), 20, "health")
        capsys.readouterr()
        assert sync_main(["status", "--config", str(config)]) == 0
        assert "certificate: good for 89 more days, renewed by itself" in capsys.readouterr().out
    finally:
        service.stop()
        collector.close()
        journal.close()


def messages(client: Client) -> list[mqtt.Received]:
    """Return what a client was sent."""
    return [event for event in list(client.events) if isinstance(event, mqtt.Received)]


def looking(config: SyncConfig, clock: Callable[[], float]) -> tuple[Renewal, threading.Event]:
    """Return a renewal and what it sets when something has happened."""
    woken = threading.Event()
    return Renewal(config, woken.set, clock), woken


def test_it_is_not_renewed_early_nor_by_a_lost_clock_in_haste(
    endpoint: Central, broker: TlsBroker, tmp_path: Path
) -> None:
    """Before two thirds nothing happens; with a clock of 1970 only after ten minutes offline."""
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now(), 100 * DAY)
    config, before = load(tls_toml(tmp_path, broker.port)), Papers.of(folder).certificate
    early, woken = looking(config, time.time)
    assert not any(early.look(minute * 60.0, online=False) for minute in range(100))
    lost, woken = looking(config, lambda: 1000.0)
    assert not any(lost.look(minute * 60.0, online=True) for minute in range(100))
    assert not any(lost.look(6000.0 + minute * 60.0, online=False) for minute in range(9))
    assert Papers.of(folder).certificate == before
    assert not lost.look(6000.0 + 600.0, online=False)
    assert woken.wait(20)
    assert lost.look(6000.0 + 601.0, online=False)
    assert not lost.look(6000.0 + 602.0, online=False)


def test_a_clock_that_is_ahead_renews_once(endpoint: Central, broker: TlsBroker, tmp_path: Path) -> None:
    """A certificate of today has lived two thirds by a clock of next year: one renewal, then central's time counts."""
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now(), 100 * DAY)
    renewal, woken = looking(load(tls_toml(tmp_path, broker.port)), lambda: time.time() + 400 * 86_400)
    assert not renewal.look(60.0, online=True)
    assert woken.wait(20)
    assert renewal.look(90.0, online=True)
    thread = renewal._thread
    woken.clear()
    assert not any(renewal.look(120.0 + minute * 60.0, online=True) for minute in range(2000))
    assert renewal._thread is thread, "nothing was even tried"
    assert not renewal.look(61 * 86_400.0, online=True)
    assert woken.wait(20), "by central's time it is due after two thirds"


def test_after_a_renewal_there_is_a_rest(endpoint: Central, broker: TlsBroker, tmp_path: Path) -> None:
    """Whatever the clocks say: at most one new certificate in six hours."""
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now() - 75 * DAY, 100 * DAY)
    renewal, woken = looking(load(tls_toml(tmp_path, broker.port)), time.time)
    assert not renewal.look(0.0, online=True)
    assert woken.wait(20)
    assert renewal.look(1.0, online=True)
    renewal._told = (0.0, 4_000_000_000)
    thread = renewal._thread
    assert thread is not None
    thread.join(20)  # it wakes us before it ends
    assert not any(renewal.look(1.0 + second, online=True) for second in range(0, 6 * 3600, 30))
    assert renewal._thread is thread
    renewal.look(6 * 3600.0 + 2, online=True)
    assert renewal._thread is not thread


def test_a_clock_that_is_behind_within_the_certificates_life(
    endpoint: Central, broker: TlsBroker, tmp_path: Path
) -> None:
    """By this clock the certificate is good, by the broker's it has ended: after ten minutes it is renewed.

    The next one begins later than the clock, so that the broker's dates do not count any more.
    """
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now() - 100 * DAY, 90 * DAY)
    refused = Client(broker.port, "gate-east-1", Papers.of(folder).tls).events[-1]
    assert isinstance(refused, mqtt.Down)
    assert refused.out_of_date
    assert "certificate expired" in refused.reason
    behind = lambda: time.time() - 90 * 86_400  # noqa: E731 - a clock
    assert not clock_is_lost(folder.current / "station.pem", behind())
    renewal, woken = looking(load(tls_toml(tmp_path, broker.port)), behind)
    assert not any(renewal.look(second * 1.0, online=False, out_of_date=True) for second in range(0, 600, 30))
    assert renewal._thread is None
    assert not any(renewal.look(6000.0 + minute * 60.0, online=False) for minute in range(60)), "the network is away"
    assert renewal._thread is None
    assert not renewal.look(10_000.0, online=False, out_of_date=True)
    assert woken.wait(20)
    assert renewal.look(10_001.0, online=False, out_of_date=True)
    assert clock_is_lost(folder.current / "station.pem", behind())
    client = Client(broker.port, "gate-east-1", Papers.of(folder).tls)
    assert client.up
    client.close()


def test_an_ended_certificate_does_not_wait_where_the_clock_tells(
    endpoint: Central, broker: TlsBroker, tmp_path: Path
) -> None:
    """A station out of a drawer, its clock right: the broker refuses it, and it renews at once."""
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now() - 900 * DAY, 90 * DAY)
    renewal, woken = looking(load(tls_toml(tmp_path, broker.port)), time.time)
    renewal.look(0.0, online=False, out_of_date=True)
    assert woken.wait(20)


def test_failures_are_said_once_and_tried_again(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint that is away is named once, not every minute; when it is back, the next try succeeds."""
    folder = IdentityFolder(tmp_path / "sync")
    endpoint.give(folder, now() - 75 * DAY, 100 * DAY)
    config = load(tls_toml(tmp_path, broker.port))
    endpoint.stop()
    renewal, _ = looking(config, time.time)
    for hour in range(1, 6):
        renewal.look(hour * 3600.0, online=True)
        thread = renewal._thread
        assert thread is not None
        thread.join(20)
    said = [record.message for record in caplog.records if "cannot be renewed" in record.message]
    assert len(said) == 1
    assert "check cable, address and port" in said[0]


def test_papers_of_ones_own_are_left_alone(tmp_path: Path, broker: TlsBroker, central: Central) -> None:
    """Who brings certificates from elsewhere renews them elsewhere; nothing is looked for."""
    path = tls_toml(tmp_path, broker.port)
    path.write_text(path.read_text().replace("/sync/tls/current", "/elsewhere"))
    renewal, _ = looking(load(path), time.time)
    assert not any(renewal.look(minute * 60.0, online=False) for minute in range(100))
    assert renewal._thread is None


def test_two_thirds() -> None:
    """The moment is exact."""
    folder_less = x509.load_pem_x509_certificate(_any_certificate(30 * DAY).encode())
    begins = folder_less.not_valid_before_utc.timestamp()
    life = folder_less.not_valid_after_utc.timestamp() - begins
    assert not due(folder_less, begins + life * 2 / 3 - 1)
    assert due(folder_less, begins + life * 2 / 3)


def _any_certificate(life: dt.timedelta) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "any")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now()).not_valid_after(now() + life)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


# --- a clock that is lost --------------------------------------------------------------------------------------------


def shake_hands(server: TlsConfig, client: TlsConfig) -> str:
    """Let a server with one certificate meet the broker link's context; return why it failed, empty if it did not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with (
            socket.create_connection(listener.getsockname(), 5) as plain,
            mqtt.tls_context(client).wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        thread.join(5)
        listener.close()


def test_a_lost_clock_keeps_nobody_from_the_broker(tmp_path: Path) -> None:
    """Where the clock is behind the station's own certificate, dates do not count; all else does, and else they do."""
    authority = authorities.make(tmp_path / "authority", now())
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(tmp_path / "later.key", key)
    later = authority.server(["127.0.0.1"], key.public_key(), now() + 30 * DAY, DAY)
    (tmp_path / "later.pem").write_text(later)
    server = TlsConfig(ca=tmp_path, cert=tmp_path / "later.pem", key=tmp_path / "later.key")
    for name, begins, fault in (("good", now(), "certificate is not yet valid"), ("lost", now() + 29 * DAY, "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.pem").write_text(authority.pem)
        write_private(tmp_path / name / "key", key)
        (tmp_path / name / "pem").write_text(authority.client("gate-east-1", key.public_key(), begins, DAY))
        client = TlsConfig(ca=tmp_path / name / "ca.pem", cert=tmp_path / name / "pem", key=tmp_path / name / "key")
        assert clock_is_lost(client.cert) is (name == "lost")
        assert shake_hands(server, client) == fault
    stranger = authorities.make(tmp_path / "stranger", now())
    (tmp_path / "later.pem").write_text(stranger.server(["127.0.0.1"], key.public_key(), now(), DAY))
    assert "unable to get local issuer" in shake_hands(server, client)


@pytest.mark.parametrize(
    ("begins", "life", "own", "out_of_date"),
    [(30, 40, True, True), (-40, 30, True, False), (-1, 30, False, False)],
    ids=["not yet valid", "ended", "a stranger's"],
)
def test_only_a_broker_whose_certificate_has_not_begun_shows_a_clock_behind(
    tmp_path: Path, begins: int, life: int, own: bool, out_of_date: bool
) -> None:
    """One that has ended, and one of another authority, say nothing about this clock."""
    authority, stranger = (authorities.make(tmp_path / name, now()) for name in ("authority", "stranger"))
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(tmp_path / "key", key)
    maker = authority if own else stranger
    (tmp_path / "broker.pem").write_text(
        maker.server(["127.0.0.1"], key.public_key(), now() + begins * DAY, life * DAY)
    )
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "station.pem").write_text(authority.client("gate-east-1", key.public_key(), now(), DAY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker.pem", tmp_path / "key")

    def answer() -> None:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        tls = TlsConfig(ca=tmp_path / "ca.pem", cert=tmp_path / "station.pem", key=tmp_path / "key")
        down = Client(listener.getsockname()[1], "gate-east-1", tls).events[-1]
        thread.join(10)
    assert isinstance(down, mqtt.Down)
    assert down.out_of_date is out_of_date


def test_a_strange_answer_changes_nothing(endpoint: Central, folder: IdentityFolder) -> None:
    """A set whose certificate is for another key, or from another authority, is not taken into use."""
    identity = folder.load()
    assert identity is not None
    other = replace(identity, key=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(IdentityError, match="for another key"):
        folder.adopt(other)
    elsewhere = authorities.make(folder.path.parent / "elsewhere", now()).certificate
    with pytest.raises(IdentityError, match="not from this authority"):
        folder.adopt(replace(identity, authority=elsewhere))
    with pytest.raises(EndpointError, match="nothing more"):
        Endpoint.parse("https://central.example/path")
    assert Papers.of(folder).certificate == identity.certificate
