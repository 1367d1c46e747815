"""Vectors of the pass, EP1: one accepted for each thing a pass can say, one refused for each rule of the reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cbor2

from station.core import base45, cose
from station.core import credential as passes
from station.core.model import Credential, Direction, Health, HealthCode, PassClass
from station.core.reasons import Reason
from tests.passes import office
from tests.passes.office import DAY_S, FAR_ZONE, NEIGHBOUR, NOW, PAPER, PASSES, PHONE, VISITORS, ZONE, written
from tests.passes.vectors.cases import Case, accepted, credential_fields, head, keys_of, refused
from tests.passes.vectors.odd import ODD_CLAIMS, ODD_FORMS

GOOD: dict[str, Credential] = {
    "a resident's pass on paper": PAPER,
    "a resident's pass bound to a phone": PHONE,
    "the least a pass can say": Credential(
        PASSES.kid,
        bytes(8),
        NOW - DAY_S,
        NOW + DAY_S,
        PassClass.WORKER,
        ZONE,
        frozenset({Direction.IN}),
        status_index=0,
    ),
    "everything a pass can say": replace(
        PHONE,
        pass_class=PassClass.VEHICLE,
        gates=frozenset({"east", "west gate"}),
        health=Health(HealthCode.RED, 0),
        plate="苏F·A12345",
        extra_zones=frozenset({NEIGHBOUR, "320699999999"}),
        status_index=2**32,
    ),
    "the longest texts": replace(PAPER, name="王" * 40, plate="A" * 12, gates=frozenset({"g" * 40})),
    "outwards alone": replace(PAPER, directions=frozenset({Direction.OUT})),
    "the issuer's whole time": replace(PAPER, not_before=NOW - 400 * DAY_S, expires=NOW + 400 * DAY_S),
    "a phone's key with even y": replace(PHONE, phone_key=office.phone_public("even phone")),
}


def document() -> dict[str, object]:
    """Return the file's content."""
    return {
        **head("The electronic pass EP1: texts of QR codes, and what a reader makes of them."),
        "keys": keys_of(
            *office.ROOTS, PASSES, VISITORS, office.WITHDRAWN, office.CENTRAL, office.STRANGER, phones=("phone",)
        ),
        "revoked": [office.WITHDRAWN.kid.hex()],
        "cases": [_with_bytes(case) for case in (*_good(), *_texts(), *_forms(), *_issuers(), *_claims(), *_scopes())],
    }


def _with_bytes(case: Case) -> Case:
    """Add the bytes that a text carries, where it carries any."""
    try:
        raw = base45.decode(str(case["text"])[4:])
    except base45.Base45Error:
        return case
    return {"rule": case["rule"], "text": case["text"], "bytes": raw.hex(), **case}


def _good() -> Iterator[Case]:
    for rule, content in GOOD.items():
        yield accepted(rule, {"text": written(office.pass_raw(content))}, credential_fields(content))
    visitor = replace(
        PAPER, kid=VISITORS.kid, pass_class=PassClass.VISITOR, expires=NOW, not_before=NOW - DAY_S, status_index=None
    )
    yield accepted(
        "a visitor's pass without a status index",
        {"text": written(office.pass_raw(visitor, VISITORS))},
        credential_fields(visitor),
    )


def _texts() -> Iterator[Case]:
    text = written(office.pass_raw())
    for rule, odd, reason in (
        ("any other text", "hello", Reason.FOREIGN_TEXT),
        ("the prefix is in capital letters", "ep1:" + text[4:], Reason.FOREIGN_TEXT),
        ("nothing stands before the prefix", " " + text, Reason.FOREIGN_TEXT),
        ("a link", "https://example.org/", Reason.FOREIGN_LINK),
        ("a payment code", "wxp://f2f0abc", Reason.PAYMENT_CODE),
        ("no more than a QR code can carry", "EP1:" + "0" * 4293, Reason.PASS_UNREADABLE),
        ("Base45: one character is left over", text + "0", Reason.PASS_UNREADABLE),
        ("Base45: capital letters", text[:-1] + text[-1].lower() + "a0", Reason.PASS_UNREADABLE),
        ("Base45: nothing follows, not even a line feed", text[:-1] + "\n", Reason.PASS_UNREADABLE),
        ("Base45: three characters are at most two bytes", "EP1:GGW", Reason.PASS_UNREADABLE),
        ("Base45: the last two characters are at most one byte", "EP1:V5", Reason.PASS_UNREADABLE),
        ("an empty pass", "EP1:", Reason.PASS_MALFORMED),
    ):
        yield refused(rule, {"text": odd}, reason)


def _forms() -> Iterator[Case]:
    for rule, raw in ODD_FORMS.items():
        yield refused(rule, {"text": written(raw)}, Reason.PASS_MALFORMED)


def _issuers() -> Iterator[Case]:
    claims = passes.claims_map(PAPER)
    named = {cose.ALG: cose.EDDSA, cose.KID: PASSES.kid}
    raw = office.pass_raw()
    flipped = raw[:-1] + bytes((raw[-1] ^ 1,))
    for rule, odd, reason in (
        (
            "a key that the trust bundle does not name",
            office.sign1(claims, office.STRANGER),
            Reason.PASS_UNKNOWN_ISSUER,
        ),
        ("a key without the role pass", office.sign1(claims, office.CENTRAL), Reason.PASS_UNKNOWN_ISSUER),
        ("a key that was withdrawn", office.pass_raw(PAPER, office.WITHDRAWN), Reason.PASS_KEY_REVOKED),
        ("another key's signature", office.sign1(claims, office.STRANGER, protected=named), Reason.PASS_FORGED),
        ("one bit of the signature", flipped, Reason.PASS_FORGED),
        ("one letter of the name", raw.replace("王".encode(), "李".encode()), Reason.PASS_FORGED),
        ("S is below the order of the base point (RFC 8032, 5.1.7)", _shifted(raw), Reason.PASS_FORGED),
        ("the signature covers the context Signature1", _other_context(claims), Reason.PASS_FORGED),
    ):
        yield refused(rule, {"text": written(odd)}, reason)


def _shifted(raw: bytes) -> bytes:
    """Return a pass whose signature has S plus the order of Ed25519's base point: the classic second signature."""
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(raw[-32:], "little") + order
    return raw[:-32] + s.to_bytes(32, "little")


def _other_context(claims: object) -> bytes:
    body, header = cose.encode(claims), cose.encode({cose.ALG: cose.EDDSA, cose.KID: PASSES.kid})
    value = PASSES.private.sign(cose.encode(["Signature", header, b"", body]))
    return cose.encode(cbor2.CBORTag(cose.SIGN1_TAG, [header, {}, body, value]))


def _claims() -> Iterator[Case]:
    for rule, content in ODD_CLAIMS.items():
        yield refused(rule, {"text": written(office.sign1(content))}, Reason.PASS_MALFORMED)


def _scopes() -> Iterator[Case]:
    visitor = replace(PAPER, pass_class=PassClass.VISITOR, expires=NOW, not_before=NOW - DAY_S)
    for rule, content, signer in (
        ("the issuer's classes", replace(PAPER, pass_class=PassClass.MEDIC), PASSES),
        ("the issuer's zones", replace(PAPER, home_zone=FAR_ZONE), PASSES),
        ("the issuer's zones hold for extra zones", replace(PAPER, extra_zones=frozenset({FAR_ZONE})), PASSES),
        ("the issuer's time, its end", replace(PAPER, expires=NOW + 400 * DAY_S + 1), PASSES),
        ("the issuer's time, its begin", replace(PAPER, not_before=NOW - 400 * DAY_S - 1), PASSES),
        ("a delegated key for visitors: another class", replace(visitor, pass_class=PassClass.RESIDENT), VISITORS),
        ("a delegated key for visitors: another zone", replace(visitor, home_zone=NEIGHBOUR), VISITORS),
    ):
        yield refused(rule, {"text": written(office.pass_raw(content, signer))}, Reason.PASS_OUT_OF_SCOPE)
