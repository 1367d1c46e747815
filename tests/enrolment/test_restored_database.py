"""A database from a backup has forgotten who was revoked and who was given what; the authority's folder has not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography import x509

from sync.central import authority as authorities
from sync.central import tables
from sync.central.certificate_table import CertificateTable, serial_of
from sync.central.cli import main as central_main
from sync.central.config import load
from sync.central.database_commands import RESTORED, opened
from sync.central.enrolment_desk import publish_revoked
from sync.central.keyfiles import KeyringError
from sync.enrolment_client import RefusedError
from sync.identity import IdentityFolder
from sync.renewal import renew
from tests.central.conftest import postgres, url  # noqa: F401 - fixtures
from tests.enrolment.lab import DAY, Central, Client, Papers, TlsBroker, now
from tests.enrolment.test_certificate_table import authority, enrolled, table  # noqa: F401 - fixtures

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def unrevoke(url: str) -> None:  # noqa: F811 - the fixture
    """Bring a database back to when nothing had been revoked yet."""
    found = CertificateTable(url)
    with found.reading() as db:
        db.execute(sa.update(tables.certificate).values(revoked_us=None))
    found.close()


def forget(central: Central) -> None:
    """Bring central's database back to when nobody had a certificate yet."""
    found = CertificateTable(load(central.config).database.url)
    with found.reading() as db:
        db.execute(sa.delete(tables.enrolment_code))
        db.execute(sa.delete(tables.certificate))
    found.close()


def forget_renewals(central: Central) -> None:
    """Bring central's database back to when nobody had renewed yet."""
    found = CertificateTable(load(central.config).database.url)
    with found.reading() as db:
        db.execute(sa.delete(tables.certificate).where(tables.certificate.c.renews.is_not(None)))
    found.close()


def of_station(central: Central, folder: Path, name: str = "gate-east-1") -> IdentityFolder:
    """Return a station that renews soon."""
    found = IdentityFolder(folder / name)
    central.give(found, now() - 75 * DAY, 100 * DAY, name)
    return found


def listed(pem: bytes) -> dict[int, object]:
    """Return what a list of revoked certificates says: serial number, since when."""
    return {one.serial_number: one.revocation_date_utc for one in x509.load_pem_x509_crl(pem)}


def test_the_list_forgets_nothing_that_the_database_has_forgotten(
    table: CertificateTable,  # noqa: F811 - the fixture
    authority: authorities.Authority,  # noqa: F811 - the fixture
    url: str,  # noqa: F811 - the fixture
) -> None:
    """What was revoked once is on every later list, with its date, and the newly revoked beside it."""
    first, second = enrolled(table, authority), enrolled(table, authority)
    before = listed(publish_revoked(authority, table, now() - DAY))
    assert first.serial_number in before
    unrevoke(url)
    assert listed(publish_revoked(authority, table, now())).items() >= before.items()
    table.revoke("gate-east-1", int(now().timestamp()))
    after = listed(publish_revoked(authority, table, now()))
    assert after.items() >= before.items()
    assert second.serial_number in after


def test_another_authoritys_list_is_not_carried_on(tmp_path: Path) -> None:
    """Where a new authority is made in the folder of an old one, its numbers mean nothing to it."""
    old = authorities.make(tmp_path, now())
    old.write_revoked([(77, now())], now())
    (tmp_path / authorities.KEY).unlink()
    new = authorities.make(tmp_path, now())
    assert listed(new.write_revoked([(78, now())], now())).keys() == {78}


def test_a_list_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    """What it named would be good again."""
    made = authorities.make(tmp_path, now())
    path = tmp_path / authorities.REVOKED
    path.write_bytes(b"half a li")
    with pytest.raises(KeyringError, match="restore it from a copy"):
        made.write_revoked([(77, now())], now())
    assert path.read_bytes() == b"half a li"


def test_the_list_is_for_everybody_whoever_writes_it(tmp_path: Path) -> None:
    """Written by root with a narrow umask, the endpoint's own user could not read it, and would refuse everybody."""
    before = os.umask(0o077)
    try:
        made = authorities.make(tmp_path, now())
        made.write_revoked([(77, now())], now())
    finally:
        os.umask(before)
    assert (tmp_path / authorities.REVOKED).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / authorities.KEY).stat().st_mode & 0o777 == 0o600


def test_a_list_that_may_not_be_read_is_a_matter_of_its_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy from elsewhere would mend nothing."""
    made = authorities.make(tmp_path, now())

    def refused(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(KeyringError, match=r"run: chmod 644 .*crl\.pem") as told:
        made.revoked()
    assert "restore" not in str(told.value)


def test_a_revoked_station_renews_nothing_either(endpoint: Central, tmp_path: Path) -> None:
    """The endpoint goes by the list too: the next certificate would be on none."""
    folder = of_station(endpoint, tmp_path)
    endpoint.command("revoke", "gate-east-1")
    unrevoke(load(endpoint.config).database.url)
    with pytest.raises(RefusedError, match="station gate-east-1 was revoked"):
        renew(folder)


def test_without_a_readable_list_nobody_renews(endpoint: Central, tmp_path: Path) -> None:
    """The station is told to try again, and the log says what to do."""
    folder = of_station(endpoint, tmp_path)
    (endpoint.folder / "authority" / authorities.REVOKED).write_bytes(b"half a li")
    with pytest.raises(RefusedError, match="try again"):
        renew(folder)
    assert endpoint.endpoint is not None
    assert "restore it from a copy" in endpoint.endpoint.said("restore it")


def test_the_database_learns_from_the_list(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `broker` the list of stations says again who was revoked."""
    of_station(endpoint, tmp_path)
    endpoint.command("revoke", "gate-east-1")
    unrevoke(load(endpoint.config).database.url)
    endpoint.command("broker", str(tmp_path / "broker"), "--host", "127.0.0.1")
    capsys.readouterr()
    endpoint.command("enrol", "list")
    assert "gate-east-1" in (said := capsys.readouterr().out)
    assert "revoked" in said


def test_a_certificate_that_was_forgotten_is_revoked_by_its_number(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name there is nothing to revoke any more; the endpoint's log tells the number, and the broker goes by it."""
    folders = {name: of_station(endpoint, tmp_path, name) for name in ("gate-east-1", "gate-west-1")}
    for folder in folders.values():
        renew(folder)
    assert endpoint.endpoint is not None
    line = endpoint.endpoint.said("to station gate-east-1")
    serial = serial_of(Papers.of(folders["gate-east-1"]).certificate)
    assert serial in line
    forget(endpoint)
    config = ["--config", str(endpoint.config)]
    assert central_main(["revoke", "gate-east-1", *config]) == 1
    assert "--serial" in capsys.readouterr().err
    spaced = ":".join(serial[n : n + 2] for n in range(0, len(serial), 2)).upper()
    endpoint.command("revoke", "--serial", spaced)
    broker.stop()
    broker.write()
    broker.start()
    assert not Client(broker.port, "gate-east-1", Papers.of(folders["gate-east-1"]).tls).up
    client = Client(broker.port, "gate-west-1", Papers.of(folders["gate-west-1"]).tls)
    assert client.up
    client.close()


def test_by_name_it_is_said_what_a_restored_database_does_not_know(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The certificate in use was given after the backup: revoked by name alone, the station would stay let in."""
    folder = of_station(endpoint, tmp_path)
    renew(folder)
    forget_renewals(endpoint)
    endpoint.command("database", "restored")
    capsys.readouterr()
    endpoint.command("revoke", "gate-east-1")
    said = capsys.readouterr().out
    assert "1 certificate(s) revoked" in said
    assert "gate-central revoke --serial" in said
    assert f"{now():%Y-%m-%d}" in said
    endpoint.command("revoke", "--serial", serial_of(Papers.of(folder).certificate))
    assert "restored" not in capsys.readouterr().out
    assert Papers.of(folder).certificate.serial_number in endpoint.authority.revoked()


@pytest.mark.parametrize(("days", "warned"), [(89, True), (91, False)])
def test_it_is_said_for_as_long_as_such_a_certificate_is_good(
    central: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, warned: bool
) -> None:
    """Afterwards there is none left, and where nothing was restored nothing is said."""
    of_station(central, tmp_path)
    central.command("revoke", "gate-east-1")
    assert "--serial" not in capsys.readouterr().out
    with opened(load(central.config).database.url) as store:
        store.set_note(RESTORED, str(int((now() - days * DAY).timestamp())))
    central.command("revoke", "gate-east-1")
    assert ("--serial" in capsys.readouterr().out) is warned


def test_a_number_revokes_one_certificate_that_is_known(
    endpoint: Central, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The station's row says so, and it renews nothing."""
    folder = of_station(endpoint, tmp_path)
    endpoint.command("revoke", "--serial", serial_of(Papers.of(folder).certificate))
    capsys.readouterr()
    endpoint.command("enrol", "list")
    assert "revoked" in capsys.readouterr().out
    with pytest.raises(RefusedError, match="was revoked"):
        renew(folder)


@pytest.mark.parametrize(
    "words", [[], ["gate-east-1", "--serial", "1"], ["--serial", "xyz"], ["--serial", "-1"], ["--serial", "0"]]
)
def test_what_is_revoked_must_be_clear(central: Central, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Either a name or a serial number, and a number that can be one."""
    with pytest.raises(SystemExit):
        central_main(["revoke", *words, "--config", str(central.config)])
    assert "serial" in capsys.readouterr().err
