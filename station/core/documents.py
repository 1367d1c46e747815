"""Signed documents: trust bundle, policy, status manifest; who may sign what, and what is never taken back.

Every document is deterministic CBOR in COSE: a map with "type", "seq", "iat", "exp" (unsigned seconds), "prev" (SHA-256
of the document before, or null) and the fields of its type. The trust bundle carries the signatures of two of three
offline roots; every other document the one of a key to which the bundle gives the role. How roots succeed one another
and how a station gets a key of its own: station.core.succession.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station.core import cose, shape
from station.core.digest import sha256
from station.core.model import ClockState, Instant, PassClass, Rejected
from station.core.reasons import Reason
from station.core.record import dataclass

ROOTS_NEEDED = 2
FIELDS = {"type", "seq", "iat", "exp", "prev"}
FUTURE_TOLERANCE_S = 300
"""A document may be this much younger than the station's clock (plus its uncertainty) says is possible."""
LONGEST_LEAP = 100_000
"""A seq so far beyond the highest seen is an attempt to shut out every honest successor (eleven years of manifests)."""


class DocumentType(StrEnum):
    """The kinds of signed document."""

    TRUST = "trust"
    POLICY = "policy"
    STATUS = "status"
    ROOTS = "roots"
    DELEGATION = "delegation"
    ANNOUNCEMENT = "announcement"


class Role(StrEnum):
    """What a key may sign. A pass issuer cannot sign a command."""

    PASS = "pass"  # noqa: S105 - a role, not a password
    STATUS = "status"
    POLICY = "policy"
    COMMAND = "command"
    TIME = "time"
    GUARD = "guard"
    ACK = "ack"
    ANNOUNCE = "announce"


ROLE_OF = {
    DocumentType.POLICY: Role.POLICY,
    DocumentType.STATUS: Role.STATUS,
    DocumentType.DELEGATION: Role.PASS,
    DocumentType.ANNOUNCEMENT: Role.ANNOUNCE,
}
"""The role that signs a document of a type; trust bundles and roots are signed by roots."""
ENDING = frozenset({DocumentType.DELEGATION, DocumentType.ANNOUNCEMENT})
"""What means nothing after its end. The others are in force until another comes: better out of date than none."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key of the trust bundle with its roles and its scope."""

    kid: bytes
    public_key: Ed25519PublicKey
    roles: frozenset[str]
    zones: tuple[str, ...]
    """Prefixes of area codes the key may speak for; "" is everywhere."""
    classes: frozenset[PassClass]
    not_before: int
    expires: int

    def covers(self, zone: str) -> bool:
        """Say whether the key may speak for `zone`."""
        return zone.startswith(self.zones)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all documents share, with the signature already checked."""

    type: DocumentType
    seq: int
    issued: int
    expires: int
    previous: bytes | None
    hash: bytes
    signers: tuple[bytes, ...]
    fields: Mapping[object, object]
    raw: bytes


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """The keys this station believes, by key id."""

    envelope: Envelope
    keys: Mapping[bytes, KeyEntry]
    revoked: frozenset[bytes] = frozenset()
    """Keys that the status manifest in force withdraws, faster than a new bundle would."""
    personal: bytes | None = None
    """Central's public key (X25519, 32 bytes) for personal fields; without one none are kept."""

    def key(self, kid: bytes, role: Role) -> KeyEntry | None:
        """Return the key with this id if it has the role and was not withdrawn."""
        entry = self.keys.get(kid)
        return entry if entry and role in entry.roles and kid not in self.revoked else None


def kid_of(public_key: bytes) -> bytes:
    """Return the key id of an Ed25519 public key (32 bytes): the first 4 bytes of its SHA-256."""
    return sha256(public_key)[: cose.KID_LENGTH]


def envelope_of(signed: cose.Signed, signers: tuple[bytes, ...], raw: bytes) -> Envelope:
    """Read what all documents share. Raises ValueError."""
    fields = shape.mapping(cose.decode_strict(signed.payload), "document")
    previous = fields.get("prev")
    return Envelope(
        type=DocumentType(shape.text(fields.get("type"), "type", 20)),
        seq=shape.integer(fields.get("seq"), "seq", 1),
        issued=shape.integer(fields.get("iat"), "iat"),
        expires=shape.integer(fields.get("exp"), "exp"),
        previous=None if previous is None else shape.octets(previous, "prev", 32),
        hash=sha256(raw),
        signers=signers,
        fields=fields,
        raw=raw,
    )


def _key_entry(value: object) -> KeyEntry:
    row = shape.mapping(value, "key")
    shape.keys_within(row, {"kid", "pub", "roles", "zones", "classes", "nbf", "exp"}, "key")
    public = shape.octets(row.get("pub"), "pub", 32)
    kid = shape.octets(row.get("kid"), "kid", cose.KID_LENGTH)
    if kid != kid_of(public):
        raise shape.ShapeError(f"key id {kid.hex()} is not that of its key")
    return KeyEntry(
        kid=kid,
        public_key=Ed25519PublicKey.from_public_bytes(public),
        roles=frozenset(Role(shape.text(role, "role")) for role in shape.sequence(row.get("roles"), "roles")),
        zones=tuple(shape.text(zone, "zone", 12) for zone in shape.sequence(row.get("zones"), "zones")),
        classes=frozenset(PassClass(shape.integer(c, "class")) for c in shape.sequence(row.get("classes"), "classes")),
        not_before=shape.integer(row.get("nbf"), "nbf"),
        expires=shape.integer(row.get("exp"), "exp"),
    )


def good_signers(signed: cose.Signed, keys: Sequence[bytes]) -> set[bytes]:
    """Return the ids of those `keys` (Ed25519, 32 bytes each) whose signatures on `signed` are good."""
    known = {kid_of(key): Ed25519PublicKey.from_public_bytes(key) for key in keys}
    return {s.kid for s in signed.signatures if s.kid in known and s.good(known[s.kid])}


def open_trust(raw: bytes, roots: Sequence[bytes]) -> TrustBundle | Rejected:
    """Verify a trust bundle against the three root keys (32 bytes each); two different ones must have signed."""
    try:
        signed = cose.open_sign(raw)
        good = good_signers(signed, roots)
        if len(good) < ROOTS_NEEDED:
            return Rejected(Reason.DOCUMENT_UNSIGNED, f"{len(good)} of {ROOTS_NEEDED} root signatures are good")
        return _bundle(envelope_of(signed, tuple(sorted(good)), raw))
    except ValueError as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))


def _bundle(envelope: Envelope) -> TrustBundle | Rejected:
    if envelope.type is not DocumentType.TRUST:
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"a {envelope.type} document in place of a trust bundle")
    shape.keys_within(envelope.fields, FIELDS | {"keys", "personal"}, "trust bundle")
    personal = envelope.fields.get("personal")
    entries = [_key_entry(row) for row in shape.sequence(envelope.fields.get("keys"), "keys", 1000)]
    keys = {entry.kid: entry for entry in entries}
    if len(keys) < len(entries):
        return Rejected(Reason.DOCUMENT_MALFORMED, "two keys share a key id")
    return TrustBundle(envelope, keys, personal=None if personal is None else shape.octets(personal, "personal", 32))


def open_document(raw: bytes, expected: DocumentType, trust: TrustBundle, zone: str) -> Envelope | Rejected:
    """Verify a policy or status manifest: signed by a key with the role for it, whose scope covers `zone`."""
    role = ROLE_OF[expected]
    try:
        signed = cose.open_sign1(raw)
        signature = signed.signatures[0]
        entry = trust.key(signature.kid, role)
        if entry is None:
            return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"key {signature.kid.hex()} has no {role} role")
        if not signature.good(entry.public_key):
            return Rejected(Reason.DOCUMENT_UNSIGNED, f"the signature of key {signature.kid.hex()} is wrong")
        envelope = envelope_of(signed, (signature.kid,), raw)
    except ValueError as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))
    if envelope.type is not expected:
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"a {envelope.type} document in place of {expected}")
    if not entry.covers(zone):
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"key {entry.kid.hex()} does not speak for zone {zone}")
    if not entry.not_before <= envelope.issued <= entry.expires:
        return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"key {entry.kid.hex()} was not valid when it signed")
    return envelope


def open_held(raw: bytes) -> Envelope:
    """Take apart a document that the station verified when it took effect. Raises ValueError where it is damaged.

    For documents whose key has been withdrawn since: the last good one stays in force until another comes.
    """
    signed = cose.open_sign1(raw)
    return envelope_of(signed, (signed.signatures[0].kid,), raw)


def open_held_trust(raw: bytes) -> TrustBundle:
    """As `open_held`, for a trust bundle whose roots have been succeeded since. Raises ValueError."""
    signed = cose.open_sign(raw)
    bundle = _bundle(envelope_of(signed, tuple(sorted(s.kid for s in signed.signatures)), raw))
    if isinstance(bundle, Rejected):
        raise shape.ShapeError(bundle.detail)
    return bundle


@dataclass(frozen=True, slots=True)
class HighWater:
    """The newest document of one type seen from one key."""

    seq: int
    hash: bytes


def _numbered_wrong(new: Envelope, kid: bytes, mark: HighWater | None, in_force: Envelope | None) -> Rejected | None:
    if mark and new.seq < mark.seq:
        return Rejected(Reason.DOCUMENT_ROLLBACK, f"{new.type} {new.seq} after {mark.seq} of key {kid.hex()}")
    if mark and new.seq == mark.seq and new.hash != mark.hash:
        return Rejected(Reason.DOCUMENT_CONFLICT, f"two different {new.type} documents with seq {new.seq}")
    before = mark.seq if mark else in_force.seq if in_force else 0
    if new.seq > before + LONGEST_LEAP:
        return Rejected(Reason.DOCUMENT_FAST_FORWARD, f"{new.type} leaps from {before} to {new.seq}")
    return None


def admit(new: Envelope, in_force: Envelope | None, seen: Mapping[bytes, HighWater], now: Instant) -> Rejected | None:
    """Refuse rollback, conflict, broken link, fast-forward and wrong dates; None means the document may take effect.

    `seen`: per signing key of this type, kept outside the documents, in the station's own database.
    """
    for kid in new.signers:
        if refused := _numbered_wrong(new, kid, seen.get(kid), in_force):
            return refused
    if in_force and new.issued < in_force.issued:
        return Rejected(Reason.DOCUMENT_ROLLBACK, f"{new.type} {new.seq} was issued before the one in force")
    if in_force and new.seq == in_force.seq + 1 and new.previous not in (None, in_force.hash):
        return Rejected(Reason.DOCUMENT_BROKEN_LINK, f"{new.type} {new.seq} does not follow the one in force")
    return dated_wrong(new, in_force, now)


def dated_wrong(new: Envelope, in_force: Envelope | None, now: Instant) -> Rejected | None:
    """Refuse what is of the future by the station's clock, and what has expired while a better one is in force.

    Where there is none, or the one in force has expired, too, the newest is taken and shown as out of date. Clocks are
    set right: what is refused here may be good a moment later.
    """
    if now.state is ClockState.LOST:
        return None  # who does not know the time cannot judge a date; the signed date will raise the clock's floor
    slack, least = now.uncertainty_s + FUTURE_TOLERANCE_S, now.seconds - now.uncertainty_s
    if new.issued > now.seconds + slack:
        return Rejected(Reason.DOCUMENT_FROM_FUTURE, f"{new.type} {new.seq} was issued after the station's now")
    better = new.type in ENDING or (in_force is not None and in_force.expires >= least)
    if new.expires < least and better:
        return Rejected(Reason.DOCUMENT_EXPIRED, f"{new.type} {new.seq} expired before it arrived")
    return None
