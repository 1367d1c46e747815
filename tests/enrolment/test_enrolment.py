"""Enrolment from the code to the certificate, over the real endpoint; and everybody who should not get one."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import stat
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from sync import enrolment_code
from sync import enrolment_wire as wire
from sync.central import authority as authorities
from sync.central.certificate_table import CertificateTable, Opened
from sync.central.keyfiles import write_private
from sync.central.rate import Rate
from sync.cli import main as sync_main
from sync.enrolment import enrol, put_roots, time_to_trust, with_roots
from sync.enrolment_client import Endpoint, EndpointError, RefusedError
from sync.enrolment_code import VALID_S
from sync.identity import IdentityFolder, signing_request
from tests.demo.processes import ROOT
from tests.enrolment.lab import ROOTS, ZONE, Central, Client, Papers, TlsBroker, now, station
from tests.sync.lab import sync_toml

TRIES = 20
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def csr(key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """Return a signing request."""
    return signing_request(key or ec.generate_private_key(ec.SECP256R1())).public_bytes(Encoding.PEM).decode()


def asked(code: enrolment_code.Code, request: str, **changes: str) -> wire.Enrol:
    """Return the request of a station."""
    fields = {"secret": code.secret.hex(), "csr": request, "station": "gate-east-1", "zone": ZONE, **changes}
    return wire.Enrol(**fields)


def test_a_station_is_enrolled_and_connects(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code gives it a certificate that the broker takes; the key is its owner's alone; the roots are the code's."""
    code, folder = endpoint.code(capsys), IdentityFolder(tmp_path / "state")
    done = enrol(station(), folder, code, endpoint.url, time.time())
    assert done.identity.station == "gate-east-1"
    assert done.identity.roots == ROOTS
    assert abs(done.clock_off_s) < 60
    assert stat.S_IMODE((folder.current / "station.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    client = Client(broker.port, "gate-east-1", Papers.of(folder).tls)
    assert client.up
    assert client.publish("gs/1/gate-east-1/up/hello") in (0, 0x10)
    client.close()


def test_the_code_is_stored_hashed(endpoint: Central, capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads the database cannot enrol: the secret is not in it, nor in the endpoint's log."""
    code = endpoint.code(capsys)
    with pytest.raises(RefusedError):
        Endpoint.parse(endpoint.url).ask(
            endpoint.authority.certificate, wire.ENROL, asked(code, csr(), station="other"), wire.Granted
        )
    for path in (*endpoint.folder.glob("central.db*"), endpoint.folder / "endpoint.log"):
        content = path.read_bytes()
        assert code.secret not in content
        assert code.secret.hex().encode() not in content


def test_a_code_works_once(endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second device with the same code gets nothing; the first, asking again with its key, the same certificate."""
    code = endpoint.code(capsys)
    first = enrol(station(), IdentityFolder(tmp_path / "first"), code, endpoint.url, time.time()).identity
    with pytest.raises(RefusedError, match="used by another device"):
        enrol(station(), IdentityFolder(tmp_path / "second"), code, endpoint.url, time.time())
    again = Endpoint.parse(endpoint.url).ask(
        first.authority, wire.ENROL, asked(code, csr(first.key)), wire.Granted, time.time()
    )
    assert again.certificate.encode() == first.certificate.public_bytes(Encoding.PEM)


def test_a_code_works_once_even_at_one_moment(endpoint: Central, capsys: pytest.CaptureFixture[str]) -> None:
    """Of twelve devices that show it together, over their own connections, exactly one gets a certificate."""
    code, authority = endpoint.code(capsys), endpoint.authority.certificate
    start, granted, refused = threading.Barrier(12), list[str](), list[str]()

    def device() -> None:
        request = csr()
        start.wait()
        try:
            answer = Endpoint.parse(endpoint.url).ask(authority, wire.ENROL, asked(code, request), wire.Granted)
        except RefusedError as error:
            refused.append(error.reason)
        else:
            granted.append(answer.certificate)

    devices = [threading.Thread(target=device) for _ in range(12)]
    for one in devices:
        one.start()
    for one in devices:
        one.join(30)
    assert len(granted) == 1
    assert refused == ["code-used"] * 11


def test_old_and_replaced_codes_are_void(endpoint: Central, capsys: pytest.CaptureFixture[str]) -> None:
    """A code ends after 24 hours, with the next one for the same station, and with the station's revocation."""
    authority, ask = endpoint.authority.certificate, Endpoint.parse(endpoint.url).ask
    table = CertificateTable(f"sqlite:///{endpoint.folder}/central.db")
    first, second = endpoint.code(capsys), endpoint.code(capsys)
    with pytest.raises(RefusedError, match="does not know this code"):
        ask(authority, wire.ENROL, asked(first, csr()), wire.Granted)
    old = enrolment_code.new_secret()
    table.open_code(old, Opened("gate-east-2", ZONE), int(time.time()) - VALID_S, VALID_S)
    table.close()
    with pytest.raises(RefusedError, match="older than 24 hours"):
        ask(authority, wire.ENROL, asked(replace(second, secret=old), csr(), station="gate-east-2"), wire.Granted)
    ask(authority, wire.ENROL, asked(second, csr()), wire.Granted)
    third = endpoint.code(capsys)
    endpoint.command("revoke", "gate-east-1")
    with pytest.raises(RefusedError, match="does not know this code"):
        ask(authority, wire.ENROL, asked(third, csr()), wire.Granted)


def test_the_server_says_who_a_station_is(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A station configured as another is told what to correct, and the code is still good afterwards."""
    code, folder = endpoint.code(capsys), IdentityFolder(tmp_path / "state")
    with pytest.raises(RefusedError, match="the code is for station gate-east-1 in zone 320611001001, this is gate-b"):
        enrol(station("gate-b"), folder, code, endpoint.url, time.time())
    assert folder.load() is None
    assert enrol(station(), folder, code, endpoint.url, time.time()).identity.station == "gate-east-1"


@pytest.mark.parametrize("what", ["authority", "roots"])
def test_nothing_is_trusted_that_does_not_match_the_code(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    """With another authority or another root set than the code says, nothing is sent and nothing is written."""
    code, folder = endpoint.code(capsys), IdentityFolder(tmp_path / "state")
    wrong = replace(code, **{what: bytes(16)})
    with pytest.raises(EndpointError, match="Nothing was sent and nothing is changed"):
        enrol(station(), folder, wrong, endpoint.url, time.time())
    assert not folder.path.exists()
    enrol(station(), folder, code, endpoint.url, time.time())  # the secret was not used up


def test_somebody_in_between_learns_no_secret(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An endpoint that repeats central's public answer, but has a certificate of its own, never hears the secret."""
    code = endpoint.code(capsys)
    thief = authorities.make(tmp_path / "thief", now())
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(tmp_path / "thief.key", key)
    (tmp_path / "thief.pem").write_text(thief.server(["127.0.0.1"], key.public_key(), now(), authorities.SKEW))
    text = endpoint.config.read_text()
    for name, file in (("cert", "pem"), ("key", "key")):
        text = text.replace(f"{endpoint.folder}/endpoint/127.0.0.1.{file}", f"{tmp_path}/thief.{file}")
        assert name in text
    endpoint.config.write_text(text)
    endpoint.stop()
    endpoint.serve()
    folder = IdentityFolder(tmp_path / "state")
    with pytest.raises(EndpointError, match="not central"):
        enrol(station(), folder, code, endpoint.url, time.time())
    assert folder.load() is None


def test_a_station_without_a_clock_is_enrolled(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a clock of 1970 it goes by the time in the code, is told how far it is off, and connects all the same."""
    code, folder = endpoint.code(capsys), IdentityFolder(tmp_path / "state")
    done = enrol(station(), folder, code, endpoint.url, 1000.0)
    assert done.clock_off_s > 50 * 365 * 86_400
    assert time_to_trust(code, 1000.0) == code.made_s
    assert time_to_trust(code, code.made_s + 60.0) == code.made_s + 60.0


def test_codes_of_an_ended_endpoint_certificate_are_not_sent(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An endpoint whose certificate has ended at the time of the code is refused: its key may be anybody's."""
    code = replace(endpoint.code(capsys), made_s=2**32 - 1)
    with pytest.raises(EndpointError, match="its certificate is good from"):
        enrol(station(), IdentityFolder(tmp_path / "state"), code, endpoint.url, time.time())


def test_the_rate_is_limited(endpoint: Central, capsys: pytest.CaptureFixture[str]) -> None:
    """After twenty tries in a minute an address hears nothing but `too-many-tries`."""
    code, authority = endpoint.code(capsys), endpoint.authority.certificate
    reasons = []
    for _ in range(TRIES + 5):
        wrong = asked(replace(code, secret=enrolment_code.new_secret()), "no request")
        with pytest.raises(RefusedError) as refused:
            Endpoint.parse(endpoint.url).ask(authority, wire.ENROL, wrong, wire.Granted)
        reasons.append(refused.value.reason)
    assert reasons[:TRIES] == ["bad-request"] * TRIES
    assert set(reasons[TRIES + 1 :]) == {"too-many-tries"}


def test_a_bucket_fills_again_and_memory_is_bounded() -> None:
    """One address waits, others do not; together they have a limit too; addresses are forgotten, not kept for ever."""
    clock = [0.0]
    rate = Rate(2, 100_000, lambda: clock[0])
    assert [rate.allows("a") for _ in range(3)] == [True, True, False]
    assert rate.allows("b")
    clock[0] += 30
    assert [rate.allows("a") for _ in range(2)] == [True, False]
    for number in range(20_000):
        rate.allows(str(number))
    assert len(rate._buckets) == 10_000
    together = Rate(10, 3, lambda: clock[0])
    assert [together.allows(str(number)) for number in range(4)] == [True, True, True, False]


def raw(central: Central, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """Send anything to the endpoint and return (status, answer)."""
    context = ssl.create_default_context(cafile=str(central.folder / "authority" / "ca.pem"))
    where = Endpoint.parse(central.url)
    connection = http.client.HTTPSConnection(where.host, where.port, timeout=10, context=context)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_bad_input_is_refused(endpoint: Central) -> None:
    """Malformed, oversized, of the wrong type, with a foreign key: an answer with a reason, and it goes on serving."""
    request = rsa.generate_private_key(65537, 2048)
    foreign = signing_request(request).public_bytes(Encoding.PEM).decode()  # type: ignore[arg-type]
    good = {"secret": "00" * 16, "csr": foreign, "station": "gate-east-1", "zone": ZONE}
    for body, status in (
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 400),
        (b"{" + b'"a":' * 5000, 413),
        (b"x" * 20_000, 413),
        (json.dumps({**good, "secret": "zz" * 16}).encode(), 400),
        (json.dumps({**good, "station": "../../etc"}).encode(), 400),
        (json.dumps({**good, "csr": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"}).encode(), 403),
        (json.dumps(good).encode(), 403),
    ):
        found, answer = raw(endpoint, "POST", wire.ENROL, body)
        assert found == status, (body[:60], answer)
        assert wire.decode(answer, wire.Refusal).say
    assert raw(endpoint, "GET", "/etc/passwd", b"")[0] == 404
    assert raw(endpoint, "GET", wire.ENROL, b"")[0] == 405
    assert raw(endpoint, "GET", wire.ANCHOR, b"")[0] == 200
    assert "Traceback" not in (endpoint.folder / "endpoint.log").read_text()


def test_the_endpoint_speaks_no_old_tls(endpoint: Central) -> None:
    """TLS 1.2 is refused: both ends are this project's."""
    context = ssl.create_default_context(cafile=str(endpoint.folder / "authority" / "ca.pem"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    where = Endpoint.parse(endpoint.url)
    connection = http.client.HTTPSConnection(where.host, where.port, timeout=10, context=context)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", wire.ANCHOR)
    connection.close()


def test_a_revoked_station_gets_no_connection(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `revoke`, `broker` and a restart Mosquitto lets it in no more, others it does."""
    east, west = IdentityFolder(tmp_path / "east"), IdentityFolder(tmp_path / "west")
    for folder, name in ((east, "gate-east-1"), (west, "gate-west-1")):
        enrol(station(name), folder, endpoint.code(capsys, name), endpoint.url, time.time())
        client = Client(broker.port, name, Papers.of(folder).tls)
        assert client.up
        client.close()
    endpoint.command("revoke", "gate-east-1")
    broker.stop()
    broker.write()
    broker.start()
    refused = Client(broker.port, "gate-east-1", Papers.of(east).tls)
    assert not refused.up
    client = Client(broker.port, "gate-west-1", Papers.of(west).tls)
    assert client.up
    client.close()


def test_a_replaced_device_is_a_stranger(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who enrols a station anew takes its rights away from the device of before."""
    old, new = IdentityFolder(tmp_path / "old"), IdentityFolder(tmp_path / "new")
    for folder in (old, new):
        enrol(station(), folder, endpoint.code(capsys), endpoint.url, time.time())
    broker.stop()
    broker.write()
    broker.start()
    assert not Client(broker.port, "gate-east-1", Papers.of(old).tls).up
    client = Client(broker.port, "gate-east-1", Papers.of(new).tls)
    assert client.up
    client.close()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_did(endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`gate-sync enrol` writes certificate and roots and says what to do next; a second time the code is used up."""
    code = enrolment_code.write(endpoint.code(capsys))
    config, toml = sync_toml(tmp_path, 1, "gate-east-1"), tmp_path / "station.toml"
    toml.write_text((ROOT / "systemd" / "station.toml").read_text())
    toml.chmod(0o640)
    line = ["enrol", code, "--url", endpoint.url, "--config", str(config), "--station-config", str(toml)]
    assert sync_main(line) == 0
    said = capsys.readouterr().out
    assert "This is station gate-east-1 in zone 320611001001." in said
    assert "[broker.tls] must be:" in said
    assert all(f'"{key.hex()}"' in toml.read_text() for key in ROOTS)
    assert stat.S_IMODE(toml.stat().st_mode) == 0o640
    assert sync_main(line) == 1
    assert "the code was used by another device" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
def test_as_root_it_works_as_the_service_user(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With sudo, key and certificate belong to the user of the state directory, and nobody else reads them."""
    text = enrolment_code.write(endpoint.code(capsys))
    config, state = sync_toml(tmp_path, 1, "gate-east-1"), tmp_path / "sync"
    state.mkdir()
    os.chown(state, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    missing = str(tmp_path / "none.toml")
    assert sync_main(["enrol", text, "--url", endpoint.url, "--config", str(config), "--station-config", missing]) == 0
    assert "the roots, they match the code" in capsys.readouterr().out
    files = [path for path in (state / "tls").rglob("*") if not path.is_symlink()]
    assert {path.stat().st_uid for path in files} == {65534}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    ("code", "url", "say"),
    [
        ("EN1-0000", "https://127.0.0.1:1", "4 characters follow"),
        (enrolment_code.write(enrolment_code.Code(bytes(16), bytes(16), bytes(16), 0)), "http://x", "write https://"),
        (
            enrolment_code.write(enrolment_code.Code(bytes(16), bytes(16), bytes(16), 0)),
            "https://127.0.0.1:1",
            "check cable, address and port",
        ),
    ],
)
def test_the_command_says_what_went_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: str, url: str, say: str
) -> None:
    """A wrong code, a wrong address, nobody there: one line that says what to do, and no traceback."""
    config = sync_toml(tmp_path, 1, "gate-east-1")
    assert sync_main(["enrol", code, "--url", url, "--config", str(config)]) == 1
    error = capsys.readouterr().err
    assert say in error
    assert len(error.splitlines()) == 1


def test_only_the_example_roots_are_replaced(tmp_path: Path) -> None:
    """Roots that somebody wrote stay as they are, with the lines to write printed; everything else in the file too."""
    text = (ROOT / "systemd" / "station.toml").read_text()
    changed = with_roots(text, ROOTS)
    assert changed is not None
    assert with_roots(changed, ROOTS) is None
    removed = [line for line in text.splitlines() if line not in changed.splitlines()]
    assert len(removed) == 3
    with pytest.raises(ValueError, match=r"write these three lines into \[trust\] roots"):
        with_roots(changed, tuple(reversed(ROOTS)))
    path = tmp_path / "station.toml"
    path.write_text(text)
    os.chmod(path, 0o640)  # noqa: PTH101 - as the installer does
    assert "match the code" in put_roots(path, ROOTS)
    assert "already" in put_roots(path, ROOTS)
