"""Personal fields (masked name, plate) sealed for central, so that a stolen card reveals none.

At each start the station makes a key that lives in its memory alone, and sends it to central, sealed with HPKE (RFC
9180: X25519, HKDF-SHA-256, ChaCha20-Poly1305) under the public key that the trust bundle names. With it AES-SIV (RFC
5297) seals what a decision knows of a person. The result has two parts: the synthetic IV, which is a digest of the
rest under the key, stands in the event, so the chain covers it; the ciphertext lies beside the event. Central can
erase the ciphertext and the chain stays whole. Eight random bytes go into each, or whoever holds the key could still
try every plate against the digest that remains.
"""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from station.core.record import dataclass

KEY_BYTES, MARK_BYTES, SALT_BYTES = 32, 16, 8
LONGEST = 250
"""Bytes of one ciphertext; a name of 40 and a plate of 12 characters stay below it."""
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


@dataclass(frozen=True, slots=True)
class Sealed:
    """`mark`: the synthetic IV (16 bytes), for the event; `text`: the ciphertext, to be kept beside it."""

    mark: bytes
    text: bytes


class Sealer:
    """Seals for one run of the station. `recipient`: central's public key, 32 bytes (X25519)."""

    def __init__(self, recipient: bytes) -> None:
        self.recipient = recipient
        key = secrets.token_bytes(KEY_BYTES)
        self.sealed_key = _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(recipient), info=_INFO)
        """The key for central, 80 bytes: it goes into the journal before anything is sealed with it."""
        self._cipher = AESSIV(key)

    def seal(self, personal: Personal) -> Sealed:
        """Seal what is known of a person."""
        said = f"{personal.name}{_BETWEEN}{personal.plate}" if personal.plate else personal.name
        both = self._cipher.encrypt(secrets.token_bytes(SALT_BYTES) + said.encode(), None)
        return Sealed(both[:MARK_BYTES], both[MARK_BYTES:])


def open_key(sealed_key: bytes, private: X25519PrivateKey) -> bytes:
    """Return the key of one run of a station. Raises SealError where it was sealed for somebody else."""
    try:
        return _SUITE.decrypt(sealed_key, private, info=_INFO)
    except (InvalidTag, ValueError) as error:
        raise SealError("the station's key was not sealed for this private key") from error


def unseal(key: bytes, sealed: Sealed) -> Personal:
    """Return what was sealed. Raises SealError."""
    try:
        said = AESSIV(key).decrypt(sealed.mark + sealed.text, None)[SALT_BYTES:].decode()
    except (InvalidTag, ValueError) as error:
        raise SealError("what was sealed does not open with this key") from error
    name, _, plate = said.partition(_BETWEEN)
    return Personal(name, plate)


def written(part: bytes) -> str:
    """Return a mark, ciphertext or sealed key as text for JSON: Base64 for URLs without padding (RFC 4648, 5)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def read(text: object, longest: int = LONGEST) -> bytes:
    """Read what `written` has written. Raises SealError where it is not that, or longer than `longest` bytes."""
    if not isinstance(text, str):
        raise SealError("not a text")
    try:
        part = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise SealError("not Base64 for URLs") from error
    if len(part) > longest or written(part) != text:
        raise SealError("not the one Base64 of its bytes, or too long")
    return part
