"""The worked example of the documentation: one pass, made by the issuer's code with a key everybody knows."""

from __future__ import annotations

import hashlib
import textwrap

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.core import base45, cose
from station.core.credential import claims_map
from station.core.documents import DocumentType, Envelope, KeyEntry, Role, TrustBundle, kid_of
from station.core.model import Credential, Direction, Health, HealthCode, PassClass
from sync.central.issuer import issue_pass
from sync.central.keys import SigningKey, public_bytes
from tests.docs.blocks import Row, code

SEED = hashlib.sha256(b"gate-station documentation example").digest()
NOT_BEFORE, EXPIRES = 1_767_225_600, 1_769_817_600
"""2026-01-01 and 2026-01-31, both 00:00 UTC."""
WIDTH = 64


def example_key() -> SigningKey:
    """Return the example's issuing key."""
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    return SigningKey(kid_of(public_bytes(private)), private)


def example_credential() -> Credential:
    """Return what the example says."""
    return Credential(
        kid=example_key().kid,
        cti=bytes.fromhex("0123456789abcdef"),
        not_before=NOT_BEFORE,
        expires=EXPIRES,
        pass_class=PassClass.RESIDENT,
        home_zone="320611001001",
        directions=frozenset(Direction),
        gates=frozenset({"east"}),
        health=Health(HealthCode.GREEN, 20_454),
        name="王*",
        household=bytes.fromhex("a1b2c3d4e5f6"),
        status_index=40_961,
    )


def example_text() -> str:
    """Return the example's QR text, made by the issuer."""
    return issue_pass(example_credential(), example_key())


def example_trust() -> TrustBundle:
    """Return a trust bundle that believes the example's key for residents of the zone."""
    key = example_key()
    entry = KeyEntry(
        kid=key.kid,
        public_key=key.private.public_key(),
        roles=frozenset({Role.PASS}),
        zones=("3206",),
        classes=frozenset({PassClass.RESIDENT}),
        not_before=NOT_BEFORE - 86_400,
        expires=EXPIRES + 86_400,
    )
    envelope = Envelope(DocumentType.TRUST, 1, NOT_BEFORE, EXPIRES, None, bytes(32), (), {}, b"")
    return TrustBundle(envelope, {key.kid: entry})


def example_rows() -> list[Row]:
    """Return (part, value) of the example from the key to the text."""
    key, text = example_key(), example_text()
    signed = cose.open_sign1(base45.decode(text[4:]))
    signature = signed.signatures[0]
    tag = cbor2.loads(base45.decode(text[4:]))
    protected = tag.value[0]
    claims = cose.encode(claims_map(example_credential()))
    assert claims == signed.payload
    return [
        ("private key (Ed25519 seed)", _hex(SEED)),
        ("public key", _hex(key.public)),
        ("key id: first 4 bytes of SHA-256 of the public key", _hex(key.kid)),
        ("claims, deterministic CBOR", _hex(claims)),
        ("protected header, deterministic CBOR", _hex(protected)),
        ('signed bytes: CBOR of ["Signature1", protected, empty bytes, claims]', _hex(signature.covered)),
        ("signature", _hex(signature.value)),
        ("COSE_Sign1 with tag 18", _hex(base45.decode(text[4:]))),
        (f"QR text, {len(text)} characters", code(text)),
    ]


def _hex(raw: bytes) -> str:
    return " ".join(code(part) for part in textwrap.wrap(raw.hex(), WIDTH))
