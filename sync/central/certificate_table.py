"""Certificates that were given out, and the one-time codes for the first one: two tables of the central database."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sync.central import tables
from sync.central.database import Database

STATION, COLLECTOR = "station", "collector"
_US = 1_000_000

c, k = tables.certificate.c, tables.enrolment_code.c


class RefusedError(Exception):
    """No certificate is given. `reason`: a word for machines; the message is for people."""

    def __init__(self, reason: str, say: str) -> None:
        super().__init__(say)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Opened:
    """A code as it was opened: for which station."""

    station: str
    zone: str


@dataclass(frozen=True, slots=True)
class Known:
    """A certificate as the database knows it. Times: Unix seconds."""

    serial: str
    name: str
    role: str
    zone: str
    issued_s: int
    ends_s: int
    revoked_s: int | None


def serial_of(certificate: x509.Certificate) -> str:
    """Return the serial number as the table has it."""
    return f"{certificate.serial_number:040x}"


def key_digest(public: ec.EllipticCurvePublicKey) -> bytes:
    """Return the SHA-256 of a public key (SubjectPublicKeyInfo)."""
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def secret_digest(secret: bytes) -> bytes:
    """Return what is stored of a secret. It has 128 random bits, so a plain hash is enough."""
    return hashlib.sha256(b"gate-station enrolment" + secret).digest()


class CertificateTable(Database):
    """Who was given what. Each method is one transaction, so any number of endpoints may run side by side."""

    def open_code(self, secret: bytes, whom: Opened, now_s: int, valid_s: int) -> None:
        """Store a new code; an earlier one for this station that was not used is good no more."""
        values = {"opened_us": now_s * _US, "ends_us": (now_s + valid_s) * _US}
        with self._engine.begin() as db:
            unused = (k.station == whom.station, k.used_us.is_(None))
            db.execute(sa.delete(tables.enrolment_code).where(*unused))
            row = {"secret": secret_digest(secret), "station": whom.station, "zone": whom.zone}
            db.execute(sa.insert(tables.enrolment_code).values(**row, **values))

    def enrol(
        self, secret: bytes, public: ec.EllipticCurvePublicKey, now_s: int, sign: Callable[[Opened], str]
    ) -> tuple[str, Opened]:
        """Use a code: return (certificate, for whom). Raises RefusedError, or what `sign` raises: it stays unused then.

        The device that used it may ask again with the same key and gets the same certificate: an answer may be lost.
        """
        digest = secret_digest(secret)
        with self._engine.begin() as db:
            fresh = (k.secret == digest, k.used_us.is_(None), k.ends_us > now_s * _US)
            used = db.execute(sa.update(tables.enrolment_code).where(*fresh).values(used_us=now_s * _US)).rowcount
            row = db.execute(sa.select(tables.enrolment_code).where(k.secret == digest)).one_or_none()
            if row is None:
                raise RefusedError("unknown-code", "central does not know this code; ask the office for a new one")
            whom = Opened(row.station, row.zone)
            if not used:
                return self._given_before(db, row.serial, public), whom
            pem = sign(whom)
            db.execute(  # the device of before, if there was one, is a stranger from now on
                sa.update(tables.certificate)
                .where(c.name == whom.station, c.revoked_us.is_(None))
                .values(revoked_us=now_s * _US)
            )
            serial = self._insert(db, pem, STATION, whom.zone, None)
            db.execute(sa.update(tables.enrolment_code).where(k.secret == digest).values(serial=serial))
        return pem, whom

    @staticmethod
    def _given_before(db: sa.Connection, serial: str | None, public: ec.EllipticCurvePublicKey) -> str:
        if serial is None:
            raise RefusedError("code-expired", "the code is older than 24 hours; ask the office for a new one")
        row = db.execute(sa.select(tables.certificate).where(c.serial == serial)).one()
        if bytes(row.public_key) != key_digest(public):
            raise RefusedError(
                "code-used", "the code was used by another device already; if that was not you, tell the office at once"
            )
        if row.revoked_us is not None:
            raise RefusedError("revoked", "this station was revoked; ask the office for a new code")
        return str(row.pem)

    def renew(
        self, before: x509.Certificate, public: ec.EllipticCurvePublicKey, sign: Callable[[Opened], str]
    ) -> tuple[str, Opened]:
        """Return (the certificate that follows on `before`, for whom). Raises RefusedError.

        Each certificate is renewed once; whoever asks again with the same new key gets the same answer again.
        """
        with self._engine.begin() as db:
            # Locked, so that two renewals of one certificate come one after the other.
            mine = sa.select(tables.certificate).where(c.serial == serial_of(before)).with_for_update()
            row = db.execute(mine).one_or_none()
            if row is None or row.role != STATION:
                raise RefusedError("unknown-certificate", "central gave out no such certificate; enrol the station")
            whom = Opened(row.name, row.zone)
            if row.revoked_us is not None:
                raise RefusedError("revoked", f"station {whom.station} was revoked; the office can enrol it again")
            following = db.execute(sa.select(tables.certificate).where(c.renews == row.serial)).one_or_none()
            if following is None:
                pem = sign(whom)
                self._insert(db, pem, STATION, whom.zone, row.serial)
                return pem, whom
            if bytes(following.public_key) == key_digest(public):
                return str(following.pem), whom
        raise RefusedError(
            "renewed-elsewhere",
            f"the certificate of station {whom.station} was renewed already, with another key: there is a second card "
            "with it, or this one was restored from a copy; revoke the station and enrol it again",
        )

    def add_collector(self, pem: str) -> None:
        """Remember a collector's certificate, so that it can be revoked."""
        with self._engine.begin() as db:
            self._insert(db, pem, COLLECTOR, "", None)

    def revoke(self, name: str, now_s: int) -> int:
        """Revoke every certificate of a station or collector and its unused codes; return how many were good."""
        with self._engine.begin() as db:
            db.execute(sa.delete(tables.enrolment_code).where(k.station == name, k.used_us.is_(None)))
            good = (c.name == name, c.revoked_us.is_(None))
            return db.execute(sa.update(tables.certificate).where(*good).values(revoked_us=now_s * _US)).rowcount

    def note_revoked(self, serials: Mapping[int, dt.datetime]) -> None:
        """Revoke certificates by serial number; those that are unknown, or revoked already, stay as they are."""
        rows = [{"number": f"{serial:040x}", "since": int(at.timestamp()) * _US} for serial, at in serials.items()]
        if rows:
            good = (c.serial == sa.bindparam("number"), c.revoked_us.is_(None))
            with self._engine.begin() as db:
                db.execute(sa.update(tables.certificate).where(*good).values(revoked_us=sa.bindparam("since")), rows)

    def revoked(self, now_s: int) -> list[tuple[int, dt.datetime]]:
        """Return (serial number, since when) of what is revoked and would otherwise still be good."""
        query = sa.select(c.serial, c.revoked_us).where(c.revoked_us.is_not(None), c.ends_us > now_s * _US)
        with self._engine.begin() as db:
            return [
                (int(row.serial, 16), dt.datetime.fromtimestamp(row.revoked_us // _US, dt.UTC))
                for row in db.execute(query.order_by(c.serial))
            ]

    def newest(self) -> list[Known]:
        """Return the newest certificate of each name, by name."""
        found = dict[str, Known]()
        with self._engine.begin() as db:
            for row in db.execute(sa.select(tables.certificate).order_by(c.name, c.issued_us)):
                revoked = None if row.revoked_us is None else row.revoked_us // _US
                ends = row.ends_us // _US
                found[row.name] = Known(row.serial, row.name, row.role, row.zone, row.issued_us // _US, ends, revoked)
        return list(found.values())

    def zone(self, station: str) -> str:
        """Return the zone of a station as the office gave it with its newest certificate, empty where it gave none."""
        given = sa.select(c.zone).where(c.name == station, c.role == STATION).order_by(c.issued_us.desc()).limit(1)
        with self._engine.begin() as db:
            return db.execute(given).scalar_one_or_none() or ""

    @staticmethod
    def _insert(db: sa.Connection, pem: str, role: str, zone: str, renews: str | None) -> str:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        public = certificate.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):  # pragma: no cover - the authority signs no others
            raise TypeError("not an EC key")
        name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        db.execute(
            sa.insert(tables.certificate).values(
                serial=serial_of(certificate),
                name=name,
                role=role,
                zone=zone,
                public_key=key_digest(public),
                pem=pem,
                issued_us=round(certificate.not_valid_before_utc.timestamp()) * _US,
                ends_us=round(certificate.not_valid_after_utc.timestamp()) * _US,
                renews=renews,
            )
        )
        return serial_of(certificate)
