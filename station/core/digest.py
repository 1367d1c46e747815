"""SHA-256 by the library that also checks the signatures: `hashlib` would load a second OpenSSL for it."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, Hash


def sha256(raw: bytes) -> bytes:
    """Return the SHA-256 of some bytes, 32 bytes (FIPS 180-4)."""
    hasher = Hash(SHA256())
    hasher.update(raw)
    return hasher.finalize()
