"""ES256 (RFC 9053, section 2.1) with compressed keys: whether a phone signed something.

A module of its own, so that P-256 and what OpenSSL needs for it are loaded with the first live code and not before.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

_CURVE, _SHA256 = ec.SECP256R1(), ec.ECDSA(SHA256())


def good(public_key: bytes, signature: bytes, covered: bytes) -> bool:
    """Say whether the key (SEC 1, 33 bytes) made the signature (r and s, 32 bytes each) over `covered`."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public_key)
        key.verify(encode_dss_signature(r, s), covered, _SHA256)
    except (InvalidSignature, ValueError):  # ValueError: no point of the curve has this x
        return False
    return True
