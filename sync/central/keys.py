"""The office's keyring: offline roots and issuing keys, each private key in a file its owner alone can read.

OFFICE/roots/root-1.key ...     three Ed25519 roots, two of which sign every trust bundle; keep them offline
OFFICE/keys/NAME.key            issuing keys
OFFICE/keys.json                what the trust bundle says of each key (public)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.core.documents import Role, kid_of
from station.core.model import PassClass

ROOTS = 3
OPEN_TO_OTHERS = 0o077


class KeyringError(Exception):
    """The keyring cannot be used. The message says which file and what to do."""


class KeyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key as the trust bundle will name it. `kid`, `pub`: hexadecimal; times in unsigned seconds."""

    name: str
    kid: str
    pub: str
    roles: tuple[Role, ...]
    zones: tuple[str, ...]
    classes: tuple[PassClass, ...]
    nbf: int
    exp: int


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


def write_private(path: Path, key: Ed25519PrivateKey) -> None:
    """Write a new key file that its owner alone can read. Raises KeyringError rather than overwrite one."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyringError(f"{path} exists already; a key is never overwritten: choose another name") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> SigningKey:
    """Read a key file. Raises KeyringError, also where others could read it."""
    try:
        if path.stat().st_mode & OPEN_TO_OTHERS:
            raise KeyringError(f"{path} can be read by others; run: chmod 600 {path}, and consider the key known")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise KeyringError(f"{path}: no key can be read ({error}); make one with: gate-central keys") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyringError(f"{path}: not an Ed25519 key")
    return SigningKey(kid_of(public_bytes(key)), key)


class Keyring:
    """The keys of one office."""

    def __init__(self, office: Path) -> None:
        """`office`: the folder; nothing is read yet."""
        self.office = office
        self._list = office / "keys.json"

    def create_roots(self) -> list[bytes]:
        """Make the three roots; return their public keys."""
        keys = [Ed25519PrivateKey.generate() for _ in range(ROOTS)]
        for number, key in enumerate(keys, 1):
            write_private(self.office / "roots" / f"root-{number}.key", key)
        public = [public_bytes(key) for key in keys]
        replace_file(self.office / "roots.pub", "".join(f"{key.hex()}\n" for key in public).encode())
        return public

    def public_roots(self) -> list[bytes]:
        """Return the public keys of the roots; their private keys may be in a safe."""
        try:
            return [bytes.fromhex(line) for line in (self.office / "roots.pub").read_text(encoding="ascii").split()]
        except (OSError, ValueError) as error:
            raise KeyringError(
                f"{self.office / 'roots.pub'}: cannot be read ({error}); it is made with the roots"
            ) from error

    def roots(self) -> list[SigningKey]:
        """Read the roots that are at hand (at least two are needed to sign)."""
        return [read_private(path) for path in sorted((self.office / "roots").glob("root-*.key"))]

    def records(self) -> list[KeyRecord]:
        """Return what is known of every issuing key."""
        if not self._list.exists():
            return []
        return msgspec.json.decode(self._list.read_bytes(), type=list[KeyRecord])

    def create(
        self, name: str, roles: list[Role], zones: list[str], classes: list[PassClass], valid: tuple[int, int]
    ) -> KeyRecord:
        """Make an issuing key and list it for the next trust bundle. `valid`: (nbf, exp)."""
        private = Ed25519PrivateKey.generate()
        public = public_bytes(private)
        write_private(self.office / "keys" / f"{name}.key", private)
        record = KeyRecord(
            name=name,
            kid=kid_of(public).hex(),
            pub=public.hex(),
            roles=tuple(roles),
            zones=tuple(zones),
            classes=tuple(classes),
            nbf=valid[0],
            exp=valid[1],
        )
        replace_file(self._list, msgspec.json.format(msgspec.json.encode([*self.records(), record])))
        return record

    def key(self, name: str) -> SigningKey:
        """Read an issuing key by its name."""
        return read_private(self.office / "keys" / f"{name}.key")

    def record(self, name: str) -> KeyRecord:
        """Return what is known of a key. Raises KeyringError."""
        for record in self.records():
            if record.name == name:
                return record
        raise KeyringError(f"no key {name!r} in {self._list}; make one with: gate-central keys issuer {name}")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole: written beside it, made durable, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
