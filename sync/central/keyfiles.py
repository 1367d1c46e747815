"""Files of the office: private keys that their owner alone can read, and files that are replaced as a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from station.core.documents import kid_of

OPEN_TO_OTHERS = 0o077


class KeyringError(Exception):
    """The keyring cannot be used. The message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its id."""

    kid: bytes
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return public_bytes(self.private)


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the raw public key, 32 bytes."""
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def new_key() -> SigningKey:
    """Make a key; it is not written anywhere yet."""
    private = Ed25519PrivateKey.generate()
    return SigningKey(kid_of(public_bytes(private)), private)


def write_private(path: Path, key: Ed25519PrivateKey | X25519PrivateKey | EllipticCurvePrivateKey) -> None:
    """Write a new key file that its owner alone can read. Raises KeyringError rather than overwrite one."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyringError(f"{path} exists already; a key is never overwritten: choose another place") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def load_private(path: Path) -> PrivateKeyTypes:
    """Read a key file of any kind. Raises KeyringError, also where others could read it."""
    try:
        if path.stat().st_mode & OPEN_TO_OTHERS:
            raise KeyringError(f"{path} can be read by others; run: chmod 600 {path}, and consider the key known")
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise KeyringError(f"{path}: no key can be read ({error}); make one with: gate-central keys") from error


def read_private(path: Path) -> SigningKey:
    """Read a signing key's file. Raises KeyringError, also where others could read it."""
    key = load_private(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyringError(f"{path}: not an Ed25519 key")
    return SigningKey(kid_of(public_bytes(key)), key)


def replace_file(path: Path, content: bytes, mode: int | None = None) -> None:
    """Replace a file as a whole: written beside it, made durable, renamed. `mode`: whatever the umask says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
