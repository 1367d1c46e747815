"""The tables of codes and certificates, on SQLite and PostgreSQL: once is once, whoever comes at the same moment."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import authority as authorities
from sync.central.authority import Authority
from sync.central.certificate_table import CertificateTable, Opened, RefusedError, serial_of
from sync.central.enrolment_desk import publish_revoked
from sync.central.store import Store
from sync.enrolment_code import VALID_S, new_secret
from tests.central.conftest import postgres, url  # noqa: F401 - fixtures
from tests.enrolment.lab import DAY, ZONE, now

WHOM, MANY = Opened("gate-east-1", ZONE), 12


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority."""
    return authorities.make(tmp_path / "authority", now())


@pytest.fixture
def table(url: str) -> Iterator[CertificateTable]:  # noqa: F811 - the fixture
    """The tables on each kind of database."""
    store = Store(url)
    store.open()
    store.close()
    found = CertificateTable(url)
    yield found
    found.close()


def new_key() -> ec.EllipticCurvePublicKey:
    """Return the public key of a new device."""
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def signer(authority: Authority, key: ec.EllipticCurvePublicKey, life: dt.timedelta = DAY) -> Callable[[Opened], str]:
    """Return what signs a certificate for a key."""
    return lambda whom: authority.client(whom.station, key, now(), life)


def enrolled(table: CertificateTable, authority: Authority) -> x509.Certificate:
    """Return the certificate of a newly enrolled station."""
    secret, key = new_secret(), new_key()
    table.open_code(secret, WHOM, int(time.time()), VALID_S)
    pem, whom = table.enrol(secret, key, int(time.time()), signer(authority, key))
    assert whom == WHOM
    return x509.load_pem_x509_certificate(pem.encode())


def together(work: Callable[[], object]) -> tuple[list[object], list[str]]:
    """Do something in many threads at once; return (results, reasons of refusal)."""
    start, results, refused = threading.Barrier(MANY), list[object](), list[str]()

    def one() -> None:
        start.wait()
        try:
            results.append(work())
        except RefusedError as error:
            refused.append(error.reason)

    threads = [threading.Thread(target=one) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results, refused


def test_a_code_is_used_once(table: CertificateTable, authority: Authority) -> None:
    """Of many devices that show one code at one moment, one gets a certificate, and one row says so."""
    secret = new_secret()
    table.open_code(secret, WHOM, int(time.time()), VALID_S)

    def enrol() -> object:
        key = new_key()
        return table.enrol(secret, key, int(time.time()), signer(authority, key))

    results, refused = together(enrol)
    assert len(results) == 1
    assert refused == ["code-used"] * (MANY - 1)
    assert [one.name for one in table.newest()] == ["gate-east-1"]


def test_a_certificate_is_renewed_once(table: CertificateTable, authority: Authority) -> None:
    """Of many cards with one key that renew at one moment, one gets the next certificate."""
    before = enrolled(table, authority)

    def renew() -> object:
        key = new_key()
        return table.renew(before, key, signer(authority, key))

    results, refused = together(renew)
    assert len(results) == 1
    assert refused == ["renewed-elsewhere"] * (MANY - 1)


def test_what_signing_provokes_leaves_the_code_good(table: CertificateTable, authority: Authority) -> None:
    """A failure while the certificate is made rolls everything back."""
    secret, key = new_secret(), new_key()
    table.open_code(secret, WHOM, int(time.time()), VALID_S)

    def fail(_whom: Opened) -> str:
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        table.enrol(secret, key, int(time.time()), fail)
    assert table.newest() == []
    table.enrol(secret, key, int(time.time()), signer(authority, key))


def test_the_list_of_revoked_certificates(table: CertificateTable, authority: Authority, tmp_path: Path) -> None:
    """Holds what is revoked and would still be good, is signed by the authority, and outlives no authority."""
    stations = [enrolled(table, authority) for _ in range(2)]  # the second enrolment replaces the first device
    listed = x509.load_pem_x509_crl(publish_revoked(authority, table, now()))
    assert {one.serial_number for one in listed} == {stations[0].serial_number}
    assert table.revoke("gate-east-1", int(time.time())) == 1
    assert table.revoke("gate-east-1", int(time.time())) == 0
    listed = x509.load_pem_x509_crl(publish_revoked(authority, table, now()))
    assert {one.serial_number for one in listed} == {one.serial_number for one in stations}
    assert listed.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
    assert listed.next_update_utc == authority.certificate.not_valid_after_utc
    assert table.revoked(int((now() + 2 * DAY).timestamp())) == []
    assert serial_of(stations[0]) < "g"


def test_an_authority_is_never_overwritten_nor_read_where_others_can(authority: Authority, tmp_path: Path) -> None:
    """Its key has mode 0600, is not replaced, and is refused where others may read it."""
    key = authority.folder / authorities.KEY
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(authorities.KeyringError, match="never overwritten"):
        authorities.make(authority.folder, now())
    key.chmod(0o640)
    with pytest.raises(authorities.KeyringError, match="can be read by others"):
        authorities.load(authority.folder)
    key.chmod(0o600)
    with pytest.raises(authorities.KeyringError, match="gate-central authority make"):
        authorities.load(tmp_path)
