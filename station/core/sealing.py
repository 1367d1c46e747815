"""Personal fields (masked name, plate) sealed for central, so that a stolen card reveals none.

At each start the station makes a key that lives in its memory alone, and sends it to central, sealed with HPKE (RFC
9180: X25519, HKDF-SHA-256, ChaCha20-Poly1305) under the public key that the trust bundle names. With a subkey for
each stream it seals what an event knows of a person; the number of the event is the nonce. The event's hash covers
the digest of the sealed bytes, not what they say: central can erase them and the chain stays whole. Eight random bytes
go into each, or whoever holds the key could still try every plate against a digest that remained.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from station.core.record import dataclass

KEY_BYTES = 32
SALT_BYTES = 8
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_INFO = b"gate-station personal fields 1"
_BETWEEN = "\0"
"""Separates name and plate; no printable text holds it."""


class SealError(ValueError):
    """Sealed bytes do not open with this key."""


@dataclass(frozen=True, slots=True)
class Personal:
    """What an event may know of a person. `name`: masked, as on the pass; both may be empty."""

    name: str = ""
    plate: str = ""

    def __bool__(self) -> bool:
        """Say whether there is anything to seal."""
        return bool(self.name or self.plate)


class Sealer:
    """Seals for one run of the station. `recipient`: central's public key, 32 bytes (X25519)."""

    def __init__(self, recipient: bytes) -> None:
        self.recipient = recipient
        self._key = secrets.token_bytes(KEY_BYTES)
        self.sealed_key = _SUITE.encrypt(self._key, X25519PublicKey.from_public_bytes(recipient), info=_INFO)
        """The key for central, 80 bytes: it goes into the journal before anything is sealed with it."""
        self._epoch, self._cipher = -1, ChaCha20Poly1305(self._key)

    def seal(self, epoch: int, seq: int, personal: Personal) -> bytes:
        """Return the sealed bytes for event `seq` of stream `epoch`. No pair may be sealed for twice."""
        if epoch != self._epoch:
            self._epoch, self._cipher = epoch, _cipher(self._key, epoch)
        plain = f"{personal.name}{_BETWEEN}{personal.plate}" if personal.plate else personal.name
        return self._cipher.encrypt(_nonce(seq), secrets.token_bytes(SALT_BYTES) + plain.encode(), None)


def open_key(sealed_key: bytes, private: X25519PrivateKey) -> bytes:
    """Return the key of one run of a station. Raises SealError where it was sealed for somebody else."""
    try:
        return _SUITE.decrypt(sealed_key, private, info=_INFO)
    except (InvalidTag, ValueError) as error:
        raise SealError("the station's key was not sealed for this private key") from error


def unseal(key: bytes, epoch: int, seq: int, sealed: bytes) -> Personal:
    """Return what was sealed for event `seq` of stream `epoch`. Raises SealError."""
    try:
        plain = _cipher(key, epoch).decrypt(_nonce(seq), sealed, None)[SALT_BYTES:].decode()
    except (InvalidTag, ValueError) as error:
        raise SealError(f"what was sealed for event {seq} does not open with this key") from error
    name, _, plate = plain.partition(_BETWEEN)
    return Personal(name, plate)


def _cipher(key: bytes, epoch: int) -> ChaCha20Poly1305:
    stream = HKDFExpand(hashes.SHA256(), KEY_BYTES, _INFO + epoch.to_bytes(8, "big"))
    return ChaCha20Poly1305(stream.derive(key))


def _nonce(seq: int) -> bytes:
    return seq.to_bytes(12, "big")
