"""Vectors of signed documents: trust bundles, the succession of roots, delegations, and which document may follow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import cbor2

from station.core import cose
from station.core.documents import Role
from station.core.model import PassClass
from station.core.reasons import Reason
from tests.passes import office
from tests.passes.office import (
    CENTRAL,
    DAY_S,
    FAR_ZONE,
    NEXT_ROOTS,
    NOW,
    PASSES,
    ROOTS,
    STATION,
    STRANGER,
    VISITORS,
    ZONE,
    key_row,
    payload,
    sign1,
    sign_many,
    trust_raw,
)
from tests.passes.vectors.cases import Case, accepted, head, keys_of, refused, row_fields
from tests.passes.vectors.order import orders

STATION_ID = "station-07"


def document() -> dict[str, object]:
    """Return the file's content."""
    return {
        **head("Trust bundles, roots, delegations: what a station believes, and which document may follow which."),
        "keys": keys_of(*ROOTS, *NEXT_ROOTS, PASSES, VISITORS, CENTRAL, STATION, STRANGER),
        "bundles": [*_good_bundles(), *_odd_bundles()],
        "roots_in_force": {"number": 1, "keys": [root.public.hex() for root in ROOTS]},
        "successions": [*_good_successions(), *_odd_successions()],
        "station": STATION_ID,
        "delegations": [*_good_delegations(), *_odd_delegations()],
        "orders": list(orders()),
    }


# --- trust bundles ---------------------------------------------------------------------------------------------------


def _good_bundles() -> Iterator[Case]:
    first = hashlib.sha256(trust_raw()).digest()
    for rule, raw, seq, signers in (
        ("the first and the second root", trust_raw(), 1, ROOTS[:2]),
        ("the first and the third root", trust_raw(signers=(ROOTS[0], ROOTS[2])), 1, (ROOTS[0], ROOTS[2])),
        ("all three roots", trust_raw(signers=ROOTS), 1, ROOTS),
        ("two roots and a stranger, who does not count", trust_raw(signers=(*ROOTS[:2], STRANGER)), 1, ROOTS[:2]),
        ("the successor of another", trust_raw(seq=2, prev=first), 2, ROOTS[:2]),
    ):
        fields = {
            "seq": seq,
            "iat": NOW - 60,
            "exp": NOW + 30 * DAY_S,
            "prev": first.hex() if seq > 1 else None,
            "hash": hashlib.sha256(raw).hexdigest(),
            "signers": sorted(signer.kid.hex() for signer in signers),
            "keys": sorted((row_fields(row) for row in office.key_rows()), key=lambda row: str(row["kid"])),
        }
        yield accepted(rule, {"bytes": raw.hex()}, fields)


def _odd_bundles() -> Iterator[Case]:
    good, rows = trust_raw(), office.key_rows()
    unsigned, malformed = Reason.DOCUMENT_UNSIGNED, Reason.DOCUMENT_MALFORMED
    for rule, raw, reason in (
        ("two roots, not one", trust_raw(signers=ROOTS[:1]), unsigned),
        ("two roots, not one twice", trust_raw(signers=(ROOTS[0], ROOTS[0])), unsigned),
        ("two roots, not a root and an issuer", trust_raw(signers=(ROOTS[0], PASSES)), unsigned),
        ("no signature at all", trust_raw(signers=()), unsigned),
        ("two good signatures", good[:-1] + bytes((good[-1] ^ 1,)), unsigned),
        ("the signed content", good.replace(PASSES.public, STRANGER.public), unsigned),
        ("roots sign no policy in its place", sign_many(payload("policy", {}), ROOTS), Reason.DOCUMENT_OUT_OF_ROLE),
        ("nothing follows", good + b"\x00", malformed),
        ("a COSE_Sign, not a COSE_Sign1", sign1(payload("trust", {"keys": []}), ROOTS[0]), malformed),
        ("the body's header is empty", _with_header(good, b"\xa0"), malformed),
        ("no other field", sign_many(payload("trust", {"keys": [], "more": 1}), ROOTS), malformed),
        ("keys are there", sign_many(payload("trust", {}), ROOTS), malformed),
        ("a known type", sign_many(payload("bundle", {"keys": []}), ROOTS), malformed),
        ("seq is at least 1", trust_raw(seq=0), malformed),
        ("prev is 32 bytes or null", trust_raw(prev=bytes(31)), malformed),
        ("a key's id is that of its key", trust_raw([{**rows[0], "kid": bytes(4)}]), malformed),
        ("a key has 32 bytes", trust_raw([{**rows[0], "pub": bytes(31)}]), malformed),
        ("a key has no other field", trust_raw([{**rows[0], "name": "x"}]), malformed),
        ("a key's roles are known", trust_raw([{**rows[0], "roles": ["king"]}]), malformed),
        ("a key's classes are known", trust_raw([{**rows[0], "classes": [7]}]), malformed),
        ("a key's zones have at most 12 digits", trust_raw([{**rows[0], "zones": ["0" * 13]}]), malformed),
        ("no key twice", trust_raw([rows[0], rows[0]]), malformed),
    ):
        yield refused(rule, {"bytes": raw.hex()}, reason)


def _with_header(raw: bytes, header: bytes) -> bytes:
    parts = list(cbor2.loads(raw).value)
    return cose.encode(cbor2.CBORTag(cose.SIGN_TAG, [header, *parts[1:]]))


# --- roots -----------------------------------------------------------------------------------------------------------

BOTH = (*ROOTS[:2], *NEXT_ROOTS[:2])
NEXT = [root.public for root in NEXT_ROOTS]


def _roots(seq: int = 2, signers: tuple[office.Key, ...] = BOTH, **fields: object) -> bytes:
    return sign_many(payload("roots", {"roots": NEXT, **fields}, seq=seq), signers)


def _good_successions() -> Iterator[Case]:
    for rule, raw in {
        "two of the old roots and two of the new": _roots(),
        "all six": _roots(signers=(*ROOTS, *NEXT_ROOTS)),
    }.items():
        yield accepted(rule, {"bytes": raw.hex()}, {"number": 2, "keys": [one.hex() for one in NEXT]})


def _odd_successions() -> Iterator[Case]:
    unsigned, malformed = Reason.DOCUMENT_UNSIGNED, Reason.DOCUMENT_MALFORMED
    for rule, raw, reason in (
        ("two of the old roots, not one", _roots(signers=(ROOTS[0], *NEXT_ROOTS)), unsigned),
        ("two of the new roots, not one", _roots(signers=(*ROOTS, NEXT_ROOTS[0])), unsigned),
        ("the new roots cannot name themselves", _roots(signers=NEXT_ROOTS), unsigned),
        ("the old roots cannot name others without them", _roots(signers=ROOTS), unsigned),
        ("not the set in force again", _roots(seq=1), Reason.DOCUMENT_ROLLBACK),
        ("no set is left out", _roots(seq=3), Reason.DOCUMENT_FAST_FORWARD),
        ("three roots, not two", _roots(roots=NEXT[:2]), malformed),
        ("three roots, not four", _roots(roots=[*NEXT, STRANGER.public]), malformed),
        ("three different roots", _roots(roots=[NEXT[0], NEXT[1], NEXT[1]]), malformed),
        ("a root has 32 bytes", _roots(roots=[*NEXT[:2], bytes(31)]), malformed),
        ("no other field", _roots(keys=[]), malformed),
        ("a trust bundle is no set of roots", trust_raw(seq=2, signers=BOTH), malformed),
    ):
        yield refused(rule, {"bytes": raw.hex()}, reason)


# --- delegations -----------------------------------------------------------------------------------------------------

FIELDS = {"station": STATION_ID, "pub": STATION.public}
DAY: Mapping[str, object] = {"iat": NOW, "exp": NOW + DAY_S}


def _delegation(signer: office.Key = PASSES, fields: Mapping[str, object] = FIELDS, **head: object) -> bytes:
    return sign1(payload("delegation", fields, **{**DAY, **head}), signer)


def _good_delegations() -> Iterator[Case]:
    for rule, raw, times in (
        ("a day", _delegation(), (NOW, NOW + DAY_S)),
        ("an hour, by a key for visitors alone", _delegation(VISITORS, exp=NOW + 3600), (NOW, NOW + 3600)),
    ):
        entry = key_row(STATION, [Role.PASS], [ZONE], [PassClass.VISITOR], times)
        yield accepted(rule, {"bytes": raw.hex()}, row_fields(entry))


def _odd_delegations() -> Iterator[Case]:
    role, malformed = Reason.DOCUMENT_OUT_OF_ROLE, Reason.DOCUMENT_MALFORMED
    named = {cose.ALG: cose.EDDSA, cose.KID: PASSES.kid}
    forged = sign1(payload("delegation", FIELDS, **DAY), STRANGER, protected=named)
    for rule, raw, reason in (
        ("a key without the role pass", _delegation(CENTRAL), role),
        ("a key that the trust bundle does not name", _delegation(STRANGER), role),
        ("a station cannot delegate in its turn", _delegation(STATION), role),
        ("another key's signature", forged, Reason.DOCUMENT_UNSIGNED),
        ("for this station alone", _delegation(fields={**FIELDS, "station": "station-08"}), role),
        ("for a day at most", _delegation(exp=NOW + DAY_S + 1), role),
        ("the issuer's time", _delegation(VISITORS, iat=NOW + DAY_S + 1, exp=NOW + DAY_S + 2), role),
        ("a policy is no delegation", sign1(payload("policy", {}), PASSES), role),
        ("a key has 32 bytes", _delegation(fields={**FIELDS, "pub": bytes(31)}), malformed),
        ("the station is named", _delegation(fields={"pub": STATION.public}), malformed),
        ("no other field", _delegation(fields={**FIELDS, "zone": FAR_ZONE}), malformed),
        ("nothing follows", _delegation() + b"\x00", malformed),
    ):
        yield refused(rule, {"bytes": raw.hex()}, reason)
