"""What the tests of the core are made of: keys, trust bundles, documents and passes, all fixed by their names.

Everything happens at NOW. A maker of strange passes (`strange_pass`) signs whatever it is given, so that each check
behind the signature can be reached.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.core import base45, cose
from station.core.calendar import Calendar
from station.core.credential import PREFIX
from station.core.documents import (
    FIELDS,
    DocumentType,
    Envelope,
    Role,
    TrustBundle,
    kid_of,
    open_document,
    open_trust,
)
from station.core.facts import Facts, Presented, Setting, Site, observe
from station.core.model import Credential, Direction, Health, HealthCode, Instant, PassClass, Rejected, Status
from station.core.passback import Passage
from station.core.policy import Policy
from station.core.policy_reader import read_table
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, StatusList, gather, read_manifest, write_entry
from sync.central.issuer import issue_pass
from sync.central.keys import SigningKey

NOW = 1_750_000_000
DAY_S = 86_400
NOW_INSTANT = Instant(NOW * 1_000_000, 5_000_000)
ZONE, NEIGHBOUR, FAR_ZONE = "320611001001", "320611002002", "110101001001"
GATE = "east"
POLICY_SOURCE = Path(__file__).parents[2] / "docs" / "how-to" / "policies" / "compound.toml"
INDEX = 12_345


@cache
def signing_key(name: str) -> SigningKey:
    """Return the key of that name: always the same one."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return SigningKey(kid_of(private.public_key().public_bytes_raw()), private)


ROOTS = [signing_key(f"root-{number}") for number in (1, 2, 3)]
ROOT_BYTES = [root.public for root in ROOTS]
PASSES, VISITORS, CENTRAL, STRANGER = (signing_key(n) for n in ("passes", "visitors", "central", "stranger"))


# --- documents -------------------------------------------------------------------------------------------------------


def key_row(
    key: SigningKey,
    roles: Sequence[str],
    zones: Sequence[str] = ("3206",),
    classes: Sequence[PassClass] = (),
    times: tuple[int, int] = (NOW - 400 * DAY_S, NOW + 400 * DAY_S),
) -> dict[str, object]:
    """Return what a trust bundle says of a key."""
    return {
        "kid": key.kid,
        "pub": key.public,
        "roles": [str(role) for role in roles],
        "zones": list(zones),
        "classes": [int(pass_class) for pass_class in classes],
        "nbf": times[0],
        "exp": times[1],
    }


def key_rows() -> list[dict[str, object]]:
    """Return the keys of the tests' office: passes for all but medics, visitors for one gate's zone, central."""
    everybody = [pass_class for pass_class in PassClass if pass_class is not PassClass.MEDIC]
    return [
        key_row(PASSES, [Role.PASS], ["3206"], everybody),
        key_row(VISITORS, [Role.PASS], [ZONE], [PassClass.VISITOR], (NOW - DAY_S, NOW + DAY_S)),
        key_row(CENTRAL, [Role.POLICY, Role.STATUS, Role.ACK], ["3206"]),
    ]


def payload(kind: str, fields: Mapping[str, object], **head: object) -> bytes:
    """Return a document's payload; `head` replaces fields that every document has."""
    common = {"type": kind, "seq": 1, "iat": NOW - 60, "exp": NOW + 30 * DAY_S, "prev": None}
    return cose.encode({**fields, **common, **head})


def trust_raw(
    rows: Sequence[Mapping[str, object]] | None = None,
    signers: Sequence[SigningKey] = tuple(ROOTS[:2]),
    **head: object,
) -> bytes:
    """Return a signed trust bundle."""
    fields = {"keys": key_rows() if rows is None else list(rows)}
    content = payload("trust", fields, **head)
    return cose.sign(content, [(signer.kid, signer.private) for signer in signers])


def trust_bundle(rows: Sequence[Mapping[str, object]] | None = None) -> TrustBundle:
    """Return a verified trust bundle."""
    bundle = open_trust(trust_raw(rows), ROOT_BYTES)
    assert isinstance(bundle, TrustBundle), bundle
    return bundle


TRUST = trust_bundle()


def document_raw(kind: str, fields: Mapping[str, object], key: SigningKey = CENTRAL, **head: object) -> bytes:
    """Return a signed policy or status manifest."""
    return cose.sign1(payload(kind, fields, **head), key.kid, key.private)


def envelope(kind: DocumentType, fields: Mapping[str, object], **head: object) -> Envelope:
    """Return a verified policy or status manifest."""
    opened = open_document(document_raw(kind, fields, **head), kind, TRUST, ZONE)
    assert isinstance(opened, Envelope), opened
    return opened


def policy_source() -> dict[str, object]:
    """Return the compound's policy as its source says it."""
    return tomllib.loads(POLICY_SOURCE.read_text(encoding="utf-8"))


def policy(level: str = "precaution") -> Policy:
    """Return the compound's policy with a level for the zone."""
    return read_table(1, {**dict.fromkeys(FIELDS), **policy_source(), "zones": {ZONE: level}})


def rule(**changes: object) -> dict[str, object]:
    """Return one row of a policy: grants everybody, unless changed."""
    words = {"zh": "规定", "en": "a rule"}
    return {"id": "a", "version": 1, "when": {}, "outcome": "grant", "describe": words} | changes


def table(*rules: Mapping[str, object], **changes: object) -> dict[str, object]:
    """Return the fields of a policy document."""
    return {**dict.fromkeys(FIELDS), "rules": list(rules), "utc_offset_minutes": 480} | changes


def statuses(entries: Mapping[int, Status], kid: bytes = PASSES.kid) -> StatusList:
    """Return a status list of one chunk for one issuer."""
    chunk = bytearray(CHUNK_BYTES)
    for index, status in entries.items():
        write_entry(chunk, index, status)
    rows = [[kid, ENTRIES_PER_CHUNK, [hashlib.sha256(chunk).digest()]]]
    manifest = read_manifest(envelope(DocumentType.STATUS, {"issuers": rows}))
    assert not isinstance(manifest, Rejected), manifest
    return gather(manifest, [bytes(chunk)])


# --- passes ----------------------------------------------------------------------------------------------------------

TYPICAL = Credential(
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
    status_index=INDEX,
)


def credential(**changes: object) -> Credential:
    """Return the typical pass's content, changed."""
    return replace(TYPICAL, **changes)  # type: ignore[arg-type]


def pass_text(key: SigningKey = PASSES, **changes: object) -> str:
    """Return the text of a pass as the office issues it."""
    return issue_pass(credential(kid=key.kid, **changes), key)


def written(raw: bytes) -> str:
    """Return the text that carries these bytes."""
    return PREFIX + base45.encode(raw)


def strange_pass(
    content: object,
    protected: object = None,
    unprotected: object = None,
    tag: int = cose.SIGN1_TAG,
    key: SigningKey = PASSES,
) -> str:
    """Return a correctly signed pass over any content (bytes: as they are) and any headers."""
    body = content if isinstance(content, bytes) else cose.encode(content)
    header = {cose.ALG: cose.EDDSA, cose.KID: key.kid} if protected is None else protected
    coded = header if isinstance(header, bytes) else cose.encode(header)
    signature = key.private.sign(cose.encode(["Signature1", coded, b"", body]))
    return written(cose.encode(cbor2.CBORTag(tag, [coded, unprotected or {}, body, signature])))


# --- where decisions are made ----------------------------------------------------------------------------------------


def site(direction: Direction = Direction.IN, *, can_measure: bool = True, zone: str = ZONE, gate: str = GATE) -> Site:
    """Return a lane's place."""
    return Site(gate, zone, direction, can_measure)


def setting(**changes: object) -> Setting:
    """Return what the documents say of the place: an open zone in Beijing's time, unless changed."""
    usual = Setting(level="open", risk="unknown", calendar=Calendar(480))
    return replace(usual, **changes)  # type: ignore[arg-type]


def observed(
    holder: Credential = TYPICAL,
    status: Status = Status.OK,
    place: Setting | None = None,
    now: Instant = NOW_INSTANT,
    *,
    way: Direction = Direction.IN,
    **shown: object,
) -> Facts:
    """Return the facts of one presentation; `shown`: what is known of it besides the pass."""
    return observe(holder, status, Presented(**shown), site(way), place or setting(), now)  # type: ignore[arg-type]


def passage(way: Direction, seconds: float, holder: Credential = TYPICAL) -> Passage:
    """Return somebody's passage at a time (Unix seconds)."""
    return Passage(holder.cti, holder.household, way, round(seconds * 1e6))
