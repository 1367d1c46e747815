"""The certificate authority of the broker connections. Its folder: ca.key (0600), ca.pem, crl.pem.

Certificates are for one purpose each: a broker's or endpoint's names servers only, a station's or collector's clients
only, so that a stolen station cannot play the broker. Keys are EC P-256.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.central.keyfiles import OPEN_TO_OTHERS, KeyringError, replace_file, write_private

KEY, CERTIFICATE, REVOKED = "ca.key", "ca.pem", "crl.pem"
PUBLIC = 0o644
"""Mode of the list: the office writes it as root, and the endpoint reads it as a user of its own."""
AUTHORITY_DAYS, SERVER_DAYS, COLLECTOR_DAYS = 7300, 398, 398
SKEW = dt.timedelta(minutes=5)
"""Certificates begin this much earlier, for machines whose clocks are a little behind."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority, with its private key."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """Its certificate, as fingerprints are made of it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def client(self, name: str, public: ec.EllipticCurvePublicKey, now: dt.datetime, life: dt.timedelta) -> str:
        """Return a certificate (PEM) for a station or collector; it ends no later than the authority itself."""
        end = min(now + life, self.certificate.not_valid_after_utc)
        return self._sign(_builder(name, public, now, end, ExtendedKeyUsageOID.CLIENT_AUTH))

    def server(
        self, names: Sequence[str], public: ec.EllipticCurvePublicKey, now: dt.datetime, life: dt.timedelta
    ) -> str:
        """Return a certificate (PEM) for a broker or the enrolment endpoint, good for host names and addresses."""
        end = min(now + life, self.certificate.not_valid_after_utc)
        builder = _builder(names[0], public, now, end, ExtendedKeyUsageOID.SERVER_AUTH)
        return self._sign(builder.add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False))

    def revoked(self) -> dict[int, dt.datetime]:
        """Return what the folder's list names: serial number, since when. Raises KeyringError."""
        path = self.folder / REVOKED
        try:
            found = x509.load_pem_x509_crl(path.read_bytes())
        except FileNotFoundError:
            return {}
        except PermissionError as error:
            raise KeyringError(
                f"{path}: this user may not read it, though it is public; run: chmod 644 {path} - and let the folder "
                "belong to the user of the enrolment endpoint"
            ) from error
        except (OSError, ValueError) as error:
            raise KeyringError(
                f"{path}: cannot be read ({error}); restore it from a copy, or from the broker's folder: without it "
                "revoked certificates could be good again"
            ) from error
        ours = found.is_signature_valid(self.key.public_key())  # or of an authority that was here before
        return {one.serial_number: one.revocation_date_utc for one in found} if ours else {}

    def write_revoked(self, serials: Iterable[tuple[int, dt.datetime]], now: dt.datetime) -> bytes:
        """Add to the list of revoked certificates, sign it, put it into the folder and return it (PEM).

        What it names already stays: a database from a backup does not know of it. Raises KeyringError. The list does
        not expire before the authority: a broker with an expired list refuses everybody.
        """
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now).next_update(self.certificate.not_valid_after_utc)
        for serial, since in sorted((dict(serials) | self.revoked()).items()):
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
            builder = builder.add_revoked_certificate(one)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        builder = builder.add_extension(x509.CRLNumber(round(now.timestamp() * 1000)), critical=False)
        signed = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        replace_file(self.folder / REVOKED, signed, PUBLIC)
        return signed

    def issued(self, certificate: x509.Certificate) -> bool:
        """Say whether this authority has signed a certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except Exception:  # noqa: BLE001 - whatever somebody else's certificate provokes, it is not ours
            return False
        return True

    def _sign(self, builder: x509.CertificateBuilder) -> str:
        builder = builder.issuer_name(self.certificate.subject)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        signed = builder.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


def make(folder: Path, now: dt.datetime) -> Authority:
    """Make an authority. Raises KeyringError rather than overwrite one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"gate-station authority {now:%Y-%m-%d}")])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + dt.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(folder / KEY, key)
    replace_file(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
    authority = Authority(folder, certificate, key)
    authority.write_revoked((), now)
    return authority


def load(folder: Path) -> Authority:
    """Read an authority. Raises KeyringError, also where others could read its key."""
    path = folder / KEY
    try:
        if path.stat().st_mode & OPEN_TO_OTHERS:
            raise KeyringError(f"{path} can be read by others; run: chmod 600 {path}, and consider the key known")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise KeyringError(f"{folder}: no authority ({error}); make one with: gate-central authority make") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise KeyringError(f"{folder}: {KEY} and {CERTIFICATE} do not belong together; restore both from one copy")
    return Authority(folder, certificate, key)


def _builder(
    name: str, public: ec.EllipticCurvePublicKey, now: dt.datetime, end: dt.datetime, purpose: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
