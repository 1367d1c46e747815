"""The same pass in the manner of the EU Digital COVID Certificate, and a plain verifier for it: the bench's peer.

Text: `HC1:` + Base45 of the zlib-compressed COSE_Sign1. The verifier does what such verifiers do: it decompresses,
decodes, looks up the key and checks the signature. Nothing asks whether the same pass could be written otherwise.
"""

from __future__ import annotations

import zlib
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station.core import base45

PREFIX = "HC1:"


def text_of(raw_pass: bytes) -> str:
    """Return the text of a pass."""
    return PREFIX + base45.encode(zlib.compress(raw_pass, 9))


def verify(text: str, keys: dict[bytes, Ed25519PublicKey]) -> dict[Any, Any] | None:
    """Return the claims of a pass, None where it is refused."""
    if not text.startswith(PREFIX):
        return None
    try:
        tag = cbor2.loads(zlib.decompress(base45.decode(text[len(PREFIX) :])))
        protected, _, payload, signature = tag.value
        key = keys[cbor2.loads(protected)[4]]
        key.verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
        claims: dict[Any, Any] = cbor2.loads(payload)
    except (InvalidSignature, KeyError, IndexError, TypeError, AttributeError, ValueError, zlib.error, cbor2.CBORError):
        return None
    return claims
