"""The office of vectors and bench: keys that everybody knows, and makers of good and of strange texts.

Every key depends on its name alone, every signature is deterministic (RFC 8032, RFC 6979), so whatever is made here
comes out the same each time. Nothing made with these keys may ever be believed by a real station.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.core import base45, cose, credential, live, timecode
from station.core.documents import Role, TrustBundle, kid_of, open_trust
from station.core.model import Credential, Direction, Health, HealthCode, Live, PassClass

NOW = 1_768_003_200
"""2026-01-10 00:00 UTC: when everything here happens."""
DAY_S = 86_400
ZONE, NEIGHBOUR, FAR_ZONE = "320611001001", "320611002002", "110101001001"
GATE = "east"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256."""


def secret(name: str) -> bytes:
    """Return the 32 bytes that the key of this name is made of."""
    return hashlib.sha256(f"gate-station vectors: {name}".encode()).digest()


@dataclass(frozen=True)
class Key:
    """An Ed25519 key."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def kid(self) -> bytes:
        return kid_of(self.public)


@cache
def key(name: str) -> Key:
    """Return the key of that name: always the same one."""
    return Key(name, Ed25519PrivateKey.from_private_bytes(secret(name)))


ROOTS = tuple(key(f"root-{number}") for number in (1, 2, 3))
NEXT_ROOTS = tuple(key(f"root-{number} of set 2") for number in (1, 2, 3))
PASSES, VISITORS, WITHDRAWN, CENTRAL, GUARD, FAR_GUARD, STATION, STRANGER = (
    key(name) for name in ("passes", "visitors", "withdrawn", "central", "guard", "far guard", "station", "stranger")
)


# --- phones ----------------------------------------------------------------------------------------------------------


@cache
def phone(name: str = "phone") -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key of the phone of that name."""
    return ec.derive_private_key(int.from_bytes(secret(name), "big") % (ORDER - 1) + 1, ec.SECP256R1())


def phone_public(name: str = "phone") -> bytes:
    """Return a phone's public key, compressed (SEC 1, 33 bytes)."""
    return phone(name).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def can_repeat_es256() -> bool:
    """Say whether the installed OpenSSL makes deterministic ECDSA signatures (3.2 and later)."""
    try:
        ec.ECDSA(SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return False
    return True


def es256(message: bytes, name: str = "phone") -> bytes:
    """Sign with a phone's key: r and s, 32 bytes each, the low s; deterministic where OpenSSL can."""
    algorithm = ec.ECDSA(SHA256(), deterministic_signing=can_repeat_es256())
    r, s = decode_dss_signature(phone(name).sign(message, algorithm))
    return live.low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def high_s(signature: bytes) -> bytes:
    """Return the other value of s that verifies."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + max(s, ORDER - s).to_bytes(32, "big")


# --- trust -----------------------------------------------------------------------------------------------------------


def key_row(
    holder: Key,
    roles: Sequence[Role],
    zones: Sequence[str] = ("3206",),
    classes: Sequence[PassClass] = (),
    times: tuple[int, int] = (NOW - 400 * DAY_S, NOW + 400 * DAY_S),
) -> dict[str, object]:
    """Return what a trust bundle says of a key."""
    return {
        "kid": holder.kid,
        "pub": holder.public,
        "roles": [role.value for role in roles],
        "zones": list(zones),
        "classes": [int(one) for one in classes],
        "nbf": times[0],
        "exp": times[1],
    }


def key_rows() -> list[dict[str, object]]:
    """Return the keys of the office."""
    most = [one for one in PassClass if one is not PassClass.MEDIC]
    return [
        key_row(PASSES, [Role.PASS], ["3206"], most),
        key_row(VISITORS, [Role.PASS], [ZONE], [PassClass.VISITOR], (NOW - DAY_S, NOW + DAY_S)),
        key_row(WITHDRAWN, [Role.PASS], ["3206"], most),
        key_row(CENTRAL, [Role.POLICY, Role.STATUS, Role.TIME, Role.ACK], ["3206"]),
        key_row(GUARD, [Role.GUARD], [ZONE], (), (NOW - DAY_S, NOW + DAY_S)),
        key_row(FAR_GUARD, [Role.GUARD], [FAR_ZONE]),
    ]


def payload(kind: str, fields: Mapping[str, object], **head: object) -> dict[str, object]:
    """Return a document's map; `head` replaces what every document has."""
    common = {"type": kind, "seq": 1, "iat": NOW - 60, "exp": NOW + 30 * DAY_S, "prev": None}
    return {**fields, **common, **head}


def sign_many(content: object, signers: Sequence[Key]) -> bytes:
    """Return a COSE_Sign over a document's map, or over bytes as they are."""
    raw = content if isinstance(content, bytes) else cose.encode(content)
    return cose.sign(raw, [(signer.kid, signer.private) for signer in signers])


def trust_raw(rows: Sequence[Mapping[str, object]] | None = None, signers: Sequence[Key] = ROOTS[:2], **head: object):
    """Return a signed trust bundle."""
    return sign_many(payload("trust", {"keys": list(rows or key_rows())}, **head), signers)


@cache
def trust() -> TrustBundle:
    """Return the office's trust bundle, verified."""
    bundle = open_trust(trust_raw(), [root.public for root in ROOTS])
    assert isinstance(bundle, TrustBundle), bundle
    return bundle


# --- passes and codes ------------------------------------------------------------------------------------------------

PAPER = Credential(
    kid=PASSES.kid,
    cti=bytes.fromhex("a1b2c3d4e5f60718"),
    not_before=NOW - DAY_S,
    expires=NOW + 30 * DAY_S,
    pass_class=PassClass.RESIDENT,
    home_zone=ZONE,
    directions=frozenset(Direction),
    health=Health(HealthCode.GREEN, NOW // DAY_S),
    name="王*",
    household=bytes.fromhex("010203040506"),
    status_index=12_345,
)
"""A typical pass on paper."""
PHONE = replace(PAPER, phone_key=phone_public())
"""A typical pass bound to a phone."""


def sign1(
    content: object,
    signer: Key = PASSES,
    protected: object = None,
    unprotected: object = None,
    tag: int = cose.SIGN1_TAG,
) -> bytes:
    """Return a correctly signed COSE_Sign1 over any content (bytes: as they are) and any headers."""
    body = content if isinstance(content, bytes) else cose.encode(content)
    header = {cose.ALG: cose.EDDSA, cose.KID: signer.kid} if protected is None else protected
    coded = header if isinstance(header, bytes) else cose.encode(header)
    value = signer.private.sign(cose.encode(["Signature1", coded, b"", body]))
    return cose.encode(cbor2.CBORTag(tag, [coded, {} if unprotected is None else unprotected, body, value]))


def written(raw: bytes, prefix: str = credential.PREFIX) -> str:
    """Return the text that carries these bytes."""
    return prefix + base45.encode(raw)


def pass_raw(content: Credential = PAPER, signer: Key = PASSES) -> bytes:
    """Return the bytes of a pass."""
    return sign1(credential.claims_map(replace(content, kid=signer.kid)), signer)


SHOWN = Live(NOW)


def live_raw(raw_pass: bytes, shown: Live = SHOWN, name: str = "phone") -> bytes:
    """Return the bytes of a live code over a pass."""
    return live.compose(raw_pass, shown, es256(live.covered(raw_pass, shown), name))


def time_raw(t: int = NOW, nonce: bytes = bytes(8), signer: Key = CENTRAL) -> bytes:
    """Return the bytes of a time code."""
    return sign1(timecode.payload(t, nonce), signer)
