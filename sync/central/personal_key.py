"""The office's key for personal fields: stations seal names and plates for it, and only its private half opens them.

OFFICE/personal/personal.key    the private key; keep it offline, like the roots
OFFICE/personal.pub             the public key, hexadecimal, for the trust bundle
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sync.central.keyfiles import KeyringError, load_private, replace_file, write_private


class PersonalKey:
    """The key pair of one office."""

    def __init__(self, office: Path) -> None:
        self.path = office / "personal" / "personal.key"
        self._public = office / "personal.pub"

    def create(self) -> bytes:
        """Make the key pair; return the public key, 32 bytes. Raises KeyringError rather than overwrite one."""
        key = X25519PrivateKey.generate()
        write_private(self.path, key)
        public = key.public_key().public_bytes_raw()
        replace_file(self._public, public.hex().encode() + b"\n")
        return public

    def public(self) -> bytes | None:
        """Return the public key, None where the office keeps no personal fields. Raises KeyringError."""
        try:
            return bytes.fromhex(self._public.read_text("ascii").strip())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise KeyringError(f"{self._public}: no key can be read ({error}); restore it from a copy") from error


def read_personal(path: Path) -> X25519PrivateKey:
    """Read the private key. Raises KeyringError, also where others could read it."""
    key = load_private(path)
    if not isinstance(key, X25519PrivateKey):
        raise KeyringError(f"{path}: not a key for personal fields; gate-central keys personal makes one")
    return key
