"""The worked example of the documentation: one pass on paper, and one shown live, made with keys everybody knows."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import replace

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.core import base45, cose, live
from station.core.credential import claims_map
from station.core.documents import DocumentType, Envelope, KeyEntry, Role, TrustBundle, kid_of
from station.core.model import Credential, Direction, Health, HealthCode, Live, PassClass
from sync.central.issuer import issue_pass
from sync.central.keys import SigningKey, public_bytes
from tests.docs.blocks import Row, code

SEED = hashlib.sha256(b"gate-station documentation example").digest()
NOT_BEFORE, EXPIRES = 1_767_225_600, 1_769_817_600
"""2026-01-01 and 2026-01-31, both 00:00 UTC."""
PHONE_SEED = hashlib.sha256(b"gate-station documentation example phone").digest()
SHOWN = Live(1_768_478_400)
"""2026-01-15 12:00 UTC: the phone's time."""
LIVE_SIGNATURE = bytes.fromhex(
    "618370b70fb83c860209cedd0db209c670b1aeb00874350317e9a06f94cf2ca5"
    "6ea1d25af6ab2b4c498a6c08808f1a30a490e9ced0d240548eb0b8d80797336b"
)
"""ES256, deterministic (RFC 6979) and with the low s; kept, since not every OpenSSL can make it again."""
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


def example_phone() -> ec.EllipticCurvePrivateKey:
    """Return the example's phone key: the private number is the seed itself, which is below the curve's order."""
    return ec.derive_private_key(int.from_bytes(PHONE_SEED, "big"), ec.SECP256R1())


def phone_public() -> bytes:
    """Return the phone's public key, compressed (SEC 1, 33 bytes)."""
    return example_phone().public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def bound_credential() -> Credential:
    """Return the example's pass bound to the phone."""
    return replace(example_credential(), phone_key=phone_public())


def bound_bytes() -> bytes:
    """Return the bytes of the pass bound to the phone."""
    return base45.decode(issue_pass(bound_credential(), example_key())[4:])


def live_text() -> str:
    """Return the text that the phone shows."""
    return live.PREFIX + base45.encode(live.compose(bound_bytes(), SHOWN, LIVE_SIGNATURE))


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
        *_live_rows(),
    ]


def _live_rows() -> list[Row]:
    """Return (part, value) of the live presentation."""
    raw, text = bound_bytes(), live_text()
    return [
        ("phone: private key (P-256, a number)", _hex(PHONE_SEED)),
        ("phone: public key, compressed (SEC 1)", _hex(phone_public())),
        ("phone: claims of the pass bound to it", _hex(cose.open_sign1(raw).payload)),
        ("phone: bytes of that pass, COSE_Sign1 with tag 18", _hex(raw)),
        ("phone: t, Unix seconds", code(SHOWN.t)),
        ("phone: SHA-256 of the bytes of the pass", _hex(hashlib.sha256(raw).digest())),
        ('phone: signed bytes, CBOR of ["EPL1", SHA-256, t]', _hex(live.covered(raw, SHOWN))),
        ("phone: signature (ES256), r and the low s", _hex(LIVE_SIGNATURE)),
        ("phone: CBOR of [pass, t, signature]", _hex(base45.decode(text[4:]))),
        (f"live QR text, {len(text)} characters", code(text)),
    ]


def _hex(raw: bytes) -> str:
    return " ".join(code(part) for part in textwrap.wrap(raw.hex(), WIDTH))
