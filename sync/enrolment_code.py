"""The one-time code with which a new station is enrolled: `EN1-`, then 88 characters of Crockford's Base32.

52 bytes and 3 of a checksum: a secret of 128 bits, 128 bits of the SHA-256 of the certificate authority's certificate
and of the root set, and the time at which the code was made (Unix seconds, 4 bytes). The secret lets the station in;
the two fingerprints let the station tell central from anybody who stands in between; the time helps a station whose
clock is lost. Letters may be small, groups may be separated by anything, and O, I, L are read as 0, 1, 1.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "EN1"
SECRET_BYTES = FINGERPRINT_BYTES = 16
VALID_S = 24 * 3600
"""How long a code can be used after it was made."""
_TIME_BYTES, _CHECK_BYTES, _GROUP = 4, 3, 4
_LENGTH = SECRET_BYTES + 2 * FINGERPRINT_BYTES + _TIME_BYTES
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHARACTERS = (_LENGTH + _CHECK_BYTES) * 8 // 5
_ALIKE = str.maketrans("OIL", "011")


class CodeError(ValueError):
    """This is no enrolment code. The message says what is wrong with it and what to do."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a code says. `secret`, `authority`, `roots`: 16 bytes each; `made_s`: Unix seconds."""

    secret: bytes
    authority: bytes
    roots: bytes
    made_s: int


def new_secret() -> bytes:
    """Return 128 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def authority_fingerprint(certificate: bytes) -> bytes:
    """Return 128 bits of the SHA-256 of a certificate (DER)."""
    return hashlib.sha256(certificate).digest()[:FINGERPRINT_BYTES]


def roots_fingerprint(keys: Iterable[bytes]) -> bytes:
    """Return 128 bits of the SHA-256 of a root set: the public keys, 32 bytes each, in their order."""
    return hashlib.sha256(b"".join(keys)).digest()[:FINGERPRINT_BYTES]


def write(code: Code) -> str:
    """Return the text of a code."""
    body = code.secret + code.authority + code.roots + code.made_s.to_bytes(_TIME_BYTES)
    number = int.from_bytes(body + _check(body))
    letters = [_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_CHARACTERS))]
    groups = ["".join(letters[at : at + _GROUP]) for at in range(0, _CHARACTERS, _GROUP)]
    return "-".join([PREFIX, *groups])


def read(text: str) -> Code:
    """Read a code as somebody typed it. Raises CodeError."""
    letters = "".join(character for character in text.upper() if character.isascii() and character.isalnum())
    if not letters.startswith(PREFIX):
        raise CodeError(f"this is no enrolment code: it begins with {PREFIX}; take the one of: gate-central enrol open")
    letters = letters.removeprefix(PREFIX).translate(_ALIKE)
    if wrong := sorted(set(letters) - set(_ALPHABET)):
        raise CodeError(f"an enrolment code has no {', '.join(wrong)}; look at it again")
    if len(letters) != _CHARACTERS:
        raise CodeError(f"{len(letters)} characters follow {PREFIX}, there should be {_CHARACTERS}; look at it again")
    number = 0
    for letter in letters:
        number = number << 5 | _ALPHABET.index(letter)
    whole = number.to_bytes(_LENGTH + _CHECK_BYTES)
    body, check = whole[:_LENGTH], whole[_LENGTH:]
    if _check(body) != check:
        raise CodeError("a character of the code is wrong; compare it with the one on the screen")
    secret, authority, roots = (body[at : at + 16] for at in (0, 16, 32))
    return Code(secret, authority, roots, int.from_bytes(body[48:]))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"gate-station enrolment code" + body).digest()[:_CHECK_BYTES]
