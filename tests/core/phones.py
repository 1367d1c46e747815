"""Phones of the tests: P-256 keys fixed by their names, and the live codes (EL1) that they make.

What a phone signs and what it shows are asked for separately, so that each check behind the signature can be reached.
"""

from __future__ import annotations

import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.core import base45, live
from station.core.live import Live
from sync.central.keys import SigningKey
from tests.core.issuing import PASSES, pass_text

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Phone:
    """One phone. Its key depends on its name alone; its signatures are random, as ECDSA's are."""

    def __init__(self, name: str) -> None:
        number = int.from_bytes(hashlib.sha256(f"phone {name}".encode()).digest(), "big")
        self._key = ec.derive_private_key(number % (ORDER - 1) + 1, ec.SECP256R1())
        self.public = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def sign(self, covered: bytes) -> bytes:
        """Sign any bytes with the accepted one of the two values of s; 64 bytes."""
        r, s = decode_dss_signature(self._key.sign(covered, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")

    def pass_text(self, key: SigningKey = PASSES, **changes: object) -> str:
        """Return the text of the typical pass, changed, bound to this phone."""
        return pass_text(key, phone_key=self.public, **changes)

    def show(self, text: str, t: int, nonce: bytes | None = None) -> str:
        """Return the live code of a pass at the phone's time `t` (Unix seconds)."""
        raw, shown = pass_bytes(text), Live(t, nonce)
        return live_text(raw, shown, self.sign(live.covered(raw, shown)))


@cache
def phone(name: str) -> Phone:
    """Return the phone of that name."""
    return Phone(name)


def pass_bytes(text: str) -> bytes:
    """Return the bytes of a pass's text."""
    return base45.decode(text[4:])


def live_text(raw_pass: bytes, shown: Live, signature: bytes) -> str:
    """Return the text of a live code from its parts, as they are."""
    return coded(live.compose(raw_pass, shown, signature))


def coded(raw: bytes) -> str:
    """Return the live text that carries these bytes."""
    return live.PREFIX + base45.encode(raw)


def high_s(signature: bytes) -> bytes:
    """Return the other signature that verifies: the same r, and the high s."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + max(s, ORDER - s).to_bytes(32, "big")
