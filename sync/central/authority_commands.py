"""gate-central authority, broker and revoke: who may connect to the broker."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import authority as authorities
from sync.central import broker_config
from sync.central.arguments import Commands, action, group
from sync.central.authority import Authority
from sync.central.certificate_table import STATION, CertificateTable
from sync.central.config import CentralConfig, EnrolmentConfig, load
from sync.central.database_commands import RESTORED, opened
from sync.central.document_commands import with_config
from sync.central.enrolment_desk import publish_revoked
from sync.central.keyfiles import KeyringError, replace_file, write_private
from sync.central.store import Store
from sync.config import ConfigError

KEEP = dt.timedelta(days=30)
"""A broker's certificate that is good for longer is not made anew."""
_SERIALS = 1 << 160
"""RFC 5280, 4.1.2.2: 20 octets at most."""


def add(commands: Commands) -> None:
    """Declare the commands."""
    authority = group(commands, "authority", "the certificate authority of the broker connections")
    make = action(authority, "make", _make, "make an authority")
    make.add_argument("folder", type=Path, metavar="DIR", help="folder to make; its key never leaves it")
    server = action(authority, "server", _server, "make key and certificate of a broker or the enrolment endpoint")
    _issuing(server, "host names and addresses by which it is reached", "NAME")
    server.add_argument("--days", type=int, default=authorities.SERVER_DAYS, help="validity, default 398")
    collector = action(authority, "collector", _collector, "make key and certificate of a collector")
    _issuing(collector, "central, or central- and more: collector.id in central.toml", "ID")
    collector.add_argument("--days", type=int, default=authorities.COLLECTOR_DAYS, help="validity, default 398")
    broker = action(commands, "broker", _broker, "write Mosquitto's configuration, access list and certificate")
    with_config(broker)
    broker.add_argument("folder", type=Path, metavar="DIR", help="folder that Mosquitto will read")
    broker.add_argument(
        "--host", action="append", required=True, metavar="NAME", help="name or address of the broker; may be repeated"
    )
    broker.add_argument("--collector", action="append", metavar="ID", help="default: collector.id; may be repeated")
    broker.add_argument("--port", type=int, default=8883, help="default 8883")
    broker.add_argument("--bind", default="", metavar="ADDRESS", help="listen at this address only")
    revoke = action(commands, "revoke", _revoke, "take away the certificates of a station or collector")
    with_config(revoke)
    whom = revoke.add_mutually_exclusive_group(required=True)
    whom.add_argument("name", nargs="?", metavar="STATION", help="id of the station or collector")
    whom.add_argument("--serial", type=hexadecimal, metavar="HEX", help="one certificate, by its serial number")


def _issuing(parser: argparse.ArgumentParser, about: str, what: str) -> None:
    with_config(parser)
    parser.add_argument("name", nargs="+", metavar=what, help=about)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder for ca.pem, NAME.pem, NAME.key")


def enrolment_of(config: CentralConfig, path: Path) -> EnrolmentConfig:
    """Return the table [enrolment]. Raises ConfigError where there is none."""
    if config.enrolment is None:
        raise ConfigError(f"{path}: there is no table [enrolment]; docs/how-to/enrol.md shows one")
    return config.enrolment


def open_table(config: CentralConfig) -> CertificateTable:
    """Return the tables of certificates and codes, made where they are missing."""
    store = Store(config.database.url)
    try:
        store.open()
    finally:
        store.close()
    return CertificateTable(config.database.url)


def _loaded(options: argparse.Namespace) -> tuple[CentralConfig, Authority]:
    config = load(options.config)
    return config, authorities.load(enrolment_of(config, options.config).authority)


def _make(options: argparse.Namespace) -> Iterator[str]:
    made = authorities.make(options.folder, _now())
    yield f"{made.folder / authorities.CERTIFICATE}: good until {made.certificate.not_valid_after_utc:%Y-%m-%d}"
    yield f"Keep a copy of {made.folder / authorities.KEY} in a safe: without it every station has to be enrolled anew."


def _server(options: argparse.Namespace) -> Iterator[str]:
    _, authority = _loaded(options)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = authority.server(options.name, key.public_key(), _now(), dt.timedelta(days=options.days))
    yield from _write(options.to, options.name[0], authority, key, pem)


def _collector(options: argparse.Namespace) -> Iterator[str]:
    config, authority = _loaded(options)
    table = open_table(config)
    try:
        for name in options.name:
            broker_config.check_collector(name)
            key = ec.generate_private_key(ec.SECP256R1())
            pem = authority.client(name, key.public_key(), _now(), dt.timedelta(days=options.days))
            lines = list(_write(options.to, name, authority, key, pem))
            table.add_collector(pem)
            yield from lines
    finally:
        table.close()


def _write(folder: Path, name: str, authority: Authority, key: ec.EllipticCurvePrivateKey, pem: str) -> Iterator[str]:
    write_private(folder / f"{name}.key", key)
    replace_file(folder / f"{name}.pem", pem.encode())
    replace_file(folder / authorities.CERTIFICATE, authority.pem.encode())
    ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    yield f"{folder / name}.pem and .key: good until {ends:%Y-%m-%d}; make the next ones before, in another folder"


def _broker(options: argparse.Namespace) -> Iterator[str]:
    config, authority = _loaded(options)
    folder = options.folder.resolve()
    listed = broker_config.access(options.collector or [config.collector.id])
    table = open_table(config)
    try:
        revoked = publish_revoked(authority, table, _now())
    finally:
        table.close()
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    _broker_certificate(folder, authority, options.host)
    replace_file(folder / broker_config.AUTHORITY, authority.pem.encode())
    replace_file(folder / broker_config.REVOKED, revoked)
    replace_file(folder / broker_config.ACCESS, listed.encode())
    text = broker_config.mosquitto(folder, options.port, options.bind)
    replace_file(folder / broker_config.CONFIGURATION, text.encode())
    yield f"{folder / broker_config.CONFIGURATION}: written"
    yield f"Now: chown -R mosquitto: {folder}, then restart Mosquitto with this file (a reload is not enough)"


def _broker_certificate(folder: Path, authority: Authority, names: list[str]) -> None:
    path, key_path = folder / broker_config.CERTIFICATE, folder / broker_config.KEY
    if path.exists() and key_path.exists():
        found = x509.load_pem_x509_certificate(path.read_bytes())
        if authority.issued(found) and found.not_valid_after_utc > _now() + KEEP and _names(found) == set(names):
            return
        key_path.unlink()
    if key_path.exists():
        raise KeyringError(f"{key_path} is there without {path}; delete it and try again")
    key = ec.generate_private_key(ec.SECP256R1())
    pem = authority.server(names, key.public_key(), _now(), dt.timedelta(days=authorities.SERVER_DAYS))
    write_private(key_path, key)
    replace_file(path, pem.encode())


def _names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def hexadecimal(text: str) -> int:
    """Read a certificate's serial number as openssl and the endpoint's log print it. Raises ValueError."""
    number = int(text.replace(":", ""), 16)
    if not 0 < number < _SERIALS:
        raise ValueError("no serial number")
    return number


def _revoke(options: argparse.Namespace) -> Iterator[str]:
    config, authority = _loaded(options)
    table = open_table(config)
    try:
        if options.serial is not None:
            publish_revoked(authority, table, _now(), (options.serial,))
            yield f"certificate {options.serial:040x} revoked; it cannot be renewed"
        else:
            yield from _revoke_all(options.name, authority, table)
            yield from _unknown(config, options.name, table)
    finally:
        table.close()
    yield "Now write the broker's folder anew (gate-central broker) and restart the broker;"
    yield "until then its connection goes on and a new one is let in. The restart loses nothing."


def _revoke_all(name: str, authority: Authority, table: CertificateTable) -> Iterator[str]:
    if name not in {one.name for one in table.newest()}:
        raise KeyringError(
            f"{name!r} has no certificate that the database knows; gate-central enrol list shows who has. After a "
            "restore: gate-central revoke --serial, by the number in the log of the enrolment endpoint"
        )
    count = table.revoke(name, int(_now().timestamp()))
    publish_revoked(authority, table, _now())
    yield f"{name}: {count} certificate(s) revoked; it cannot renew, and an unused code is void"


def _unknown(config: CentralConfig, name: str, table: CertificateTable) -> Iterator[str]:
    """Say what a restored database does not know, for as long as such certificates are good."""
    with opened(config.database.url) as store:
        noted = store.note(RESTORED)
    if not noted or config.enrolment is None:
        return
    restored = dt.datetime.fromtimestamp(int(noted), dt.UTC)
    role = next(one.role for one in table.newest() if one.name == name)
    days = config.enrolment.life_days if role == STATION else authorities.COLLECTOR_DAYS
    if _now() < restored + dt.timedelta(days=days):
        yield f"NOT revoked: what it was given between the backup and the restore on {restored:%Y-%m-%d}. The log of"
        yield "the enrolment endpoint has the number (of a collector: its file): gate-central revoke --serial NUMBER"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
