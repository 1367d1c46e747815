"""Keys that come after others: the next set of roots, and the one key a station may hold for its own visitors.

Roots. The station's configuration names the first set, number 1. A document of type "roots" with seq N + 1 carries
three public keys and the signatures of two of set N and of two of set N + 1, so that neither can be replaced without
the other's consent. Sets follow one another without a gap.

Delegation. A document of type "delegation", signed by a pass issuer for class visitor, gives a station's own key the
right to sign visitors' passes for that station alone, for at most a day. Central withdraws it by its key id.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station.core import cose, shape
from station.core.documents import (
    FIELDS,
    ROOTS_NEEDED,
    DocumentType,
    Envelope,
    KeyEntry,
    Role,
    TrustBundle,
    envelope_of,
    good_signers,
    kid_of,
)
from station.core.model import PassClass, Rejected
from station.core.reasons import Reason
from station.core.record import dataclass

ROOTS = 3
FIRST_SET = 1
LARGEST_ROOTS = 4096
"""Bytes. Roots must be read before their signatures can be judged: three keys and six signatures take 800."""
LONGEST_DELEGATION_S = 86_400


@dataclass(frozen=True, slots=True)
class RootSet:
    """Three root keys (Ed25519, 32 bytes each) and their number in the succession."""

    number: int
    keys: tuple[bytes, ...]
    envelope: Envelope | None = None
    """The document that made them the roots; None for the set of the configuration."""


def open_roots(raw: bytes, current: RootSet) -> RootSet | Rejected:
    """Verify the document that names the successors of `current`."""
    if len(raw) > LARGEST_ROOTS:
        return Rejected(Reason.DOCUMENT_MALFORMED, f"{len(raw)} bytes of roots, {LARGEST_ROOTS} are allowed")
    try:
        signed = cose.open_sign(raw)
        outgoing = good_signers(signed, current.keys)
        envelope = envelope_of(signed, tuple(sorted(outgoing)), raw)
        incoming = _keys(envelope)
    except ValueError as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))
    if envelope.seq <= current.number:
        return Rejected(Reason.DOCUMENT_ROLLBACK, f"roots {envelope.seq} while {current.number} are in force")
    if envelope.seq > current.number + 1:
        return Rejected(Reason.DOCUMENT_FAST_FORWARD, f"roots {envelope.seq} without roots {current.number + 1}")
    agreed = (len(outgoing), len(good_signers(signed, incoming)))
    if min(agreed) < ROOTS_NEEDED:
        detail = f"{agreed[0]} of the old and {agreed[1]} of the new roots signed, each needs {ROOTS_NEEDED}"
        return Rejected(Reason.DOCUMENT_UNSIGNED, detail)
    return RootSet(envelope.seq, incoming, envelope)


def open_held_roots(raw: bytes) -> RootSet:
    """Take apart a document that the station verified when it took effect. Raises ValueError where it is damaged."""
    signed = cose.open_sign(raw)
    envelope = envelope_of(signed, (), raw)
    return RootSet(envelope.seq, _keys(envelope), envelope)


def _keys(envelope: Envelope) -> tuple[bytes, ...]:
    if envelope.type is not DocumentType.ROOTS:
        raise shape.ShapeError(f"a {envelope.type} document in place of roots")
    shape.keys_within(envelope.fields, FIELDS | {"roots"}, "roots")
    keys = tuple(shape.octets(key, "root", 32) for key in shape.sequence(envelope.fields.get("roots"), "roots", ROOTS))
    if len(set(keys)) != ROOTS:
        raise shape.ShapeError(f"roots are {ROOTS} different keys")
    return keys


def read_delegation(envelope: Envelope, trust: TrustBundle, station: str, zone: str) -> KeyEntry | Rejected:
    """Read a verified delegation: the key entry that lets this station's own key sign visitors' passes."""
    issuer: KeyEntry | None = trust.key(envelope.signers[0], Role.PASS)
    if issuer is None or PassClass.VISITOR not in issuer.classes:
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"key {envelope.signers[0].hex()} may not admit visitors")
    try:
        shape.keys_within(envelope.fields, FIELDS | {"station", "pub"}, "delegation")
        public = shape.octets(envelope.fields.get("pub"), "pub", 32)
        named = shape.text(envelope.fields.get("station"), "station", 40)
    except ValueError as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))
    if named != station:
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"a delegation for station {named}")
    if envelope.expires - envelope.issued > LONGEST_DELEGATION_S:
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, "a delegation for more than a day")
    return KeyEntry(
        kid=kid_of(public),
        public_key=Ed25519PublicKey.from_public_bytes(public),
        roles=frozenset({Role.PASS}),
        zones=(zone,),
        classes=frozenset({PassClass.VISITOR}),
        not_before=envelope.issued,
        expires=envelope.expires,
    )


def with_own_key(trust: TrustBundle, own: KeyEntry | None, revoked: frozenset[bytes]) -> TrustBundle:
    """Return the bundle as the station uses it: with its own delegated key, without what was withdrawn since."""
    keys = dict(trust.keys)
    if own is not None:
        keys.setdefault(own.kid, own)  # a listed key keeps what the roots say of it
    return TrustBundle(trust.envelope, keys, revoked, trust.personal)
