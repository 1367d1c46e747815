"""The office's keyring: offline roots and issuing keys, each private key in a file its owner alone can read.

OFFICE/roots, OFFICE/roots-N    the sets of roots (sync/central/roots.py); keep them offline
OFFICE/keys/NAME.key            issuing keys
OFFICE/personal, OFFICE/personal.pub   opens personal fields (sync/central/personal_key.py); the key stays offline
OFFICE/keys.json                what the trust bundle says of each key (public)
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from station.core.documents import Role
from station.core.model import PassClass
from sync.central.keyfiles import (
    KeyringError,
    SigningKey,
    new_key,
    public_bytes,
    read_private,
    replace_file,
    write_private,
)
from sync.central.personal_key import PersonalKey
from sync.central.roots import RootSets

__all__ = ["KeyRecord", "Keyring", "KeyringError", "SigningKey", "public_bytes", "replace_file"]


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


class Keyring:
    """The keys of one office."""

    def __init__(self, office: Path) -> None:
        """`office`: the folder; nothing is read yet."""
        self.office = office
        self.root_sets = RootSets(office)
        self.personal = PersonalKey(office)
        self._list = office / "keys.json"

    def create_roots(self) -> list[bytes]:
        """Make the first three roots; return their public keys."""
        return self.root_sets.create_first()

    def public_roots(self) -> list[bytes]:
        """Return the public keys of the roots in use; their private keys may be in a safe."""
        return list(self.root_sets.current().keys)

    def records(self) -> list[KeyRecord]:
        """Return what is known of every issuing key."""
        if not self._list.exists():
            return []
        return msgspec.json.decode(self._list.read_bytes(), type=list[KeyRecord])

    def create(
        self, name: str, roles: list[Role], zones: list[str], classes: list[PassClass], valid: tuple[int, int]
    ) -> KeyRecord:
        """Make an issuing key and list it for the next trust bundle. `valid`: (nbf, exp)."""
        key = new_key()
        write_private(self.office / "keys" / f"{name}.key", key.private)
        record = KeyRecord(
            name=name,
            kid=key.kid.hex(),
            pub=key.public.hex(),
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
