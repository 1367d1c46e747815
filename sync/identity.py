"""Who this station is to the broker: key, certificate, authority, first roots, as one set that changes as a whole.

STATE/tls/next.key          the next key, made here; there from before it is asked for until its set is in use
STATE/tls/set-SERIAL/       station.key, station.pem, ca.pem, roots.pub, enrolment.json
STATE/tls/current           a link to the set in use; replacing it is the only step that changes anything

Whatever is cut off between two steps leaves the set of before in use, or the new one; the next attempt asks again with
the same next.key, and central gives the same answer again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY, CERTIFICATE, AUTHORITY, ROOTS, WHERE = "station.key", "station.pem", "ca.pem", "roots.pub", "enrolment.json"
FOLDER, CURRENT, NEXT_KEY = "tls", "current", "next.key"


class IdentityError(Exception):
    """The station's identity cannot be read or kept. The message says which file and what to do."""


class Where(msgspec.Struct, frozen=True):
    """Where it was enrolled: the address of the endpoint, and which zone central gave it."""

    url: str
    zone: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A set. `authority`: the certificate authority; `roots`: public keys of the first root set, 32 bytes each."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    authority: x509.Certificate
    roots: tuple[bytes, ...]
    where: Where

    @property
    def station(self) -> str:
        """The id that central gave it."""
        return common_name(self.certificate)

    def fault(self) -> str:
        """Return why this set must not be used, empty where it fits together."""
        if self.certificate.public_key() != self.key.public_key():
            return "the certificate is for another key"
        try:
            self.certificate.verify_directly_issued_by(self.authority)
        except Exception:  # noqa: BLE001 - whatever a stranger's certificate provokes
            return "the certificate is not from this authority"
        return ""


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name, empty where there is none."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def signing_request(key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    """Return a request for a certificate. It names nobody: central says who the station is."""
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())


class IdentityFolder:
    """The folder. Whoever changes it does so within `locked`: gate-sync, or `gate-sync enrol`."""

    def __init__(self, state: Path) -> None:
        """`state`: gate-sync's own directory."""
        self.path = state / FOLDER
        self.current = self.path / CURRENT

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the folder meanwhile. Raises IdentityError where one is at it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            lock = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be written ({error}); may this user write there?") from error
        try:
            self._lock(lock)
            yield
        finally:
            os.close(lock)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise IdentityError(f"{self.path}: gate-sync is renewing just now; try again in a minute") from error

    def load(self) -> Identity | None:
        """Return the set in use, None before the first enrolment. Raises IdentityError."""
        if not self.current.exists():
            return None
        try:
            key = _read_key(self.current / KEY)
            certificate = x509.load_pem_x509_certificate((self.current / CERTIFICATE).read_bytes())
            authority = x509.load_pem_x509_certificate((self.current / AUTHORITY).read_bytes())
            roots = tuple(bytes.fromhex(line) for line in (self.current / ROOTS).read_text("ascii").split())
            where = msgspec.json.decode((self.current / WHERE).read_bytes(), type=Where)
        except (OSError, ValueError, TypeError) as error:
            raise IdentityError(f"{self.current}: cannot be read ({error}); enrol the station again") from error
        return Identity(key, certificate, authority, roots, where)

    def next_key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key for the next certificate, made and durable before anybody is told. Raises IdentityError."""
        path = self.path / NEXT_KEY
        try:
            if path.exists():
                with contextlib.suppress(ValueError, TypeError):  # cut off while it was written: nobody knows it yet
                    key = _read_key(path)
                    if not self._in_use(key):
                        return key
            key = ec.generate_private_key(ec.SECP256R1())
            beside = self.path / f"{NEXT_KEY}.new"
            _write(beside, _key_pem(key))
            beside.rename(path)
            _sync(self.path)
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be written ({error}); may this user write there?") from error
        return key

    def adopt(self, identity: Identity) -> None:
        """Put a set into use as a whole and forget the ones before. Raises IdentityError, having changed nothing."""
        if fault := identity.fault():
            raise IdentityError(f"the new certificate is refused: {fault}")
        name = f"set-{identity.certificate.serial_number:040x}"
        try:
            if not (self.path / name).exists():
                self._write_set(name, identity)
            self._point_to(name)
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be written ({error}); is the disk full?") from error
        with contextlib.suppress(OSError):
            self._tidy(name)

    def _write_set(self, name: str, identity: Identity) -> None:
        beside = self.path / f"{name}.new"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        for file, content in _content(identity).items():
            _write(beside / file, content)
        _sync(beside)
        beside.rename(self.path / name)
        _sync(self.path)

    def _point_to(self, name: str) -> None:
        beside = self.path / f"{CURRENT}.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(name)
        beside.rename(self.current)
        _sync(self.path)

    def _tidy(self, name: str) -> None:
        (self.path / NEXT_KEY).unlink(missing_ok=True)
        for path in self.path.glob("set-*"):
            if path.name != name:
                shutil.rmtree(path)

    def _in_use(self, key: ec.EllipticCurvePrivateKey) -> bool:
        """Say whether it is the key of the set in use: cut off after the switch, before it was forgotten as next."""
        path = self.current / KEY
        return path.exists() and _read_key(path).public_key() == key.public_key()


def _content(identity: Identity) -> Mapping[str, bytes]:
    pem = serialization.Encoding.PEM
    return {
        KEY: _key_pem(identity.key),
        CERTIFICATE: identity.certificate.public_bytes(pem),
        AUTHORITY: identity.authority.public_bytes(pem),
        ROOTS: "".join(f"{key.hex()}\n" for key in identity.roots).encode(),
        WHERE: msgspec.json.encode(identity.where),
    }


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path.name} is not an EC key")  # noqa: TRY004 - a file's content, not an argument
    return key


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
