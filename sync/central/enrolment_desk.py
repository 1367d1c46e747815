"""Decides who gets a certificate: who shows a one-time code, or proves that they hold the key of the one before.

Challenges are not stored: each carries its time and is authenticated with a key derived from the authority's, so any
endpoint takes what another gave. A request that is caught and sent again brings its sender nothing: the certificate is
for the key in it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sync import enrolment_wire as wire
from sync.central.authority import Authority
from sync.central.broker_config import check_station
from sync.central.certificate_table import CertificateTable, Opened, RefusedError, serial_of

log = logging.getLogger("central.enrolment")

CHALLENGE_S = 300
"""How long a challenge is good."""
_STAMP = 24


class Desk:
    """Answers one request at a time; may be used by several threads."""

    def __init__(self, authority: Authority, roots: Sequence[bytes], table: CertificateTable, life_days: int) -> None:
        """`roots`: public keys of the first root set; `life_days`: of the certificates."""
        self._authority, self._table, self._life = authority, table, dt.timedelta(days=life_days)
        self._anchor = wire.Anchor(ca=authority.pem, roots=[key.hex() for key in roots])
        private = authority.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._mac_key = hashlib.sha256(b"gate-station challenge" + private).digest()

    def anchor(self) -> wire.Anchor:
        """Return what a station checks with its code before it says anything."""
        return self._anchor

    def enrol(self, asked: wire.Enrol, now: dt.datetime) -> wire.Granted:
        """Give a new station its first certificate. Raises RefusedError and KeyringError."""
        public = _public_key(_request(asked.csr))

        def sign(whom: Opened) -> str:
            check_station(whom.station)
            if (whom.station, whom.zone) != (asked.station, asked.zone):
                raise RefusedError(
                    "other-station",
                    f"the code is for station {whom.station} in zone {whom.zone}, this is {asked.station} in "
                    f"{asked.zone}; correct [station] in sync.toml and station.toml and enter the same code again",
                )
            return self._authority.client(whom.station, public, now, self._life)

        pem, whom = self._table.enrol(bytes.fromhex(asked.secret), public, int(now.timestamp()), sign)
        # A device that was replaced is on the list from now on.
        publish_revoked(self._authority, self._table, now)
        _tell(pem, whom)
        return wire.Granted(certificate=pem, station=whom.station, zone=whom.zone, time_s=int(now.timestamp()))

    def challenge(self, now: dt.datetime) -> wire.Challenge:
        """Return what is to be signed."""
        stamp = int(now.timestamp()).to_bytes(8) + secrets.token_bytes(16)
        return wire.Challenge(challenge=(stamp + self._mac(stamp)).hex())

    def renew(self, asked: wire.Renew, now: dt.datetime) -> wire.Granted:
        """Give a station its next certificate, before or after the old one has ended.

        Raises RefusedError and KeyringError.
        """
        before, request = _certificate(asked.certificate), _request(asked.csr)
        challenge = bytes.fromhex(asked.challenge)
        self._check_challenge(challenge, now)
        old = before.public_key()
        if not self._authority.issued(before) or not isinstance(old, ec.EllipticCurvePublicKey):
            raise RefusedError("unknown-certificate", "another authority gave out this certificate; enrol the station")
        signed = wire.to_sign(challenge, request.public_bytes(serialization.Encoding.DER))
        try:
            old.verify(bytes.fromhex(asked.signature), signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise RefusedError("no-proof", "the request is not signed with the certificate's key") from None
        public = _public_key(request)
        if public == old:
            raise RefusedError("same-key", "the next certificate must be for a new key")
        listed = self._authority.revoked()
        if (serial := before.serial_number) in listed:  # a database from a backup does not know
            self._table.note_revoked({serial: listed[serial]})
        pem, whom = self._table.renew(
            before, public, lambda whom: self._authority.client(whom.station, public, now, self._life)
        )
        _tell(pem, whom)
        return wire.Granted(certificate=pem, station=whom.station, zone=whom.zone, time_s=int(now.timestamp()))

    def _mac(self, stamp: bytes) -> bytes:
        return hmac.digest(self._mac_key, stamp, "sha256")

    def _check_challenge(self, challenge: bytes, now: dt.datetime) -> None:
        stamp, mac = challenge[:_STAMP], challenge[_STAMP:]
        good = len(stamp) == _STAMP and hmac.compare_digest(mac, self._mac(stamp))
        if not good or not 0 <= now.timestamp() - int.from_bytes(stamp[:8]) + 1 <= CHALLENGE_S:
            raise RefusedError("stale-challenge", "the challenge is not central's, or too old; ask for another")


def _tell(pem: str, whom: Opened) -> None:
    """Write down who was given what: by the number it can be revoked, even where the database has forgotten it."""
    number = serial_of(x509.load_pem_x509_certificate(pem.encode()))
    log.info("certificate %s given to station %s", number, whom.station)


def publish_revoked(authority: Authority, table: CertificateTable, now: dt.datetime, also: Sequence[int] = ()) -> bytes:
    """Write the list of revoked certificates into the authority's folder and return it. Raises KeyringError.

    `also`: serial numbers that are revoked now, whether the table knows them or not.
    """
    lock = os.open(authority.folder, os.O_RDONLY)
    try:
        # Another process that read the table before this one must not write its older list later.
        fcntl.flock(lock, fcntl.LOCK_EX)
        # A database from a backup has forgotten what the list says.
        table.note_revoked(dict.fromkeys(also, now) | authority.revoked())
        return authority.write_revoked([*table.revoked(int(now.timestamp())), *((one, now) for one in also)], now)
    finally:
        os.close(lock)


def _request(pem: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        good = request.is_signature_valid
    except Exception as error:
        raise RefusedError("bad-request", "the certificate signing request cannot be read") from error
    if not good:
        raise RefusedError("bad-request", "the certificate signing request is not signed with its own key")
    return request


def _public_key(request: x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    try:
        key = request.public_key()
    except Exception as error:
        raise RefusedError("bad-request", "the key in the request cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RefusedError("bad-request", "the key in the request is not of the kind EC P-256")
    return key


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except Exception as error:
        raise RefusedError("bad-request", "the certificate cannot be read") from error
