"""What keeps gate-sync from working, and what to do about it. Looks only; changes nothing."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
from cryptography import x509

from sync import mqtt
from sync.config import SyncConfig, TlsConfig
from sync.outbox import JournalError, Outbox
from sync.store import FILE

REACH_S = 5.0
WARN_DAYS = 30


class Check(msgspec.Struct, frozen=True):
    """One finding. `found`: what is so; `todo`: what to do next, empty where nothing is wrong."""

    name: str
    ok: bool
    found: str
    todo: str = ""


def examine(config: SyncConfig, now: dt.datetime) -> list[Check]:
    """Run all checks. `now` has a time zone. Never raises for what it finds."""
    checks = [_journal(config.paths.journal), _sync_db(config.paths.state / FILE)]
    if config.broker.tls:
        checks += _tls_files(config.broker.tls, now)
    checks.append(_broker(config))
    return checks


def _journal(path: Path) -> Check:
    outbox = Outbox(path)
    try:
        found = outbox.look()
    except JournalError as error:
        return Check(
            "journal", ok=False, found=str(error), todo=f"check owner and group of {path} (0640, setgid directory)"
        )
    finally:
        outbox.close()
    if found is None:
        return Check(
            "journal", ok=False, found=f"{path} does not exist", todo="start gate-station: it creates its journal"
        )
    return Check("journal", ok=True, found=f"epoch {found.epoch:016x}, rows {found.first} to {found.last}")


def _sync_db(path: Path) -> Check:
    if not path.exists():
        return Check("sync.db", ok=False, found=f"{path} does not exist", todo="start gate-sync: it creates the file")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            result = connection.pragma("quick_check")
        finally:
            connection.close()
    except apsw.Error as error:
        return Check(
            "sync.db", ok=False, found=f"{path}: {error}", todo="run as root or as a member of the station's group"
        )
    if result != "ok":
        return Check(
            "sync.db", ok=False, found=f"{path}: {result}", todo="restart gate-sync: it sets a damaged file aside"
        )
    return Check("sync.db", ok=True, found=f"{path} is sound")


def _tls_files(tls: TlsConfig, now: dt.datetime) -> Iterator[Check]:
    try:
        mqtt.tls_context(tls)
        yield Check("tls files", ok=True, found="authority, certificate and key can be used")
    except (OSError, ssl.SSLError) as error:
        found = f"{tls.ca}, {tls.cert} or {tls.key} cannot be used: {error}"
        yield Check("tls files", ok=False, found=found, todo="enrol the station again, or correct [broker.tls]")
    for name, path in (("authority", tls.ca), ("certificate", tls.cert)):
        yield _expiry(name, path, now)


def _expiry(name: str, path: Path, now: dt.datetime) -> Check:
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return Check(name, ok=False, found=f"{path} cannot be read: {error}", todo="enrol the station again")
    days = (ends - now).days
    if days < WARN_DAYS:
        todo = "is the enrolment endpoint reachable? gate-sync renews there by itself; else enrol the station again"
        return Check(name, ok=False, found=f"{path} ends {ends:%Y-%m-%d}", todo=todo)
    return Check(name, ok=True, found=f"{path} is good for {days} days")


def _broker(config: SyncConfig) -> Check:
    broker = config.broker
    where = f"{broker.host}:{broker.port}"
    try:
        # No MQTT connection: under this station's identity it would end the running one.
        with socket.create_connection((broker.host, broker.port), REACH_S) as sock:
            if broker.tls:
                with mqtt.tls_context(broker.tls).wrap_socket(sock, server_hostname=broker.host):
                    pass
    except (OSError, UnicodeError) as error:
        todo = "check cable, name and port; until then the gate works on and keeps everything"
        return Check("broker", ok=False, found=f"{where} cannot be reached: {error}", todo=todo)
    return Check("broker", ok=True, found=f"{where} answers")
