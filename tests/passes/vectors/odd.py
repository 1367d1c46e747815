"""Passes that break one rule of form each; all but the first kind are signed as they are, by the right key."""

from __future__ import annotations

from collections.abc import Iterator

import cbor2

from station.core import cose
from station.core import credential as passes
from station.core.credential import claims_map
from tests.passes.office import NOW, PAPER, PASSES, PHONE, ZONE, pass_raw, sign1

CLAIMS: dict[object, object] = dict(claims_map(PAPER))
FIELDS: dict[object, object] = dict(claims_map(PAPER)[passes.PASS])  # type: ignore[call-overload]
RAW = pass_raw()
HEADER = cose.encode({cose.ALG: cose.EDDSA, cose.KID: PASSES.kid})
BODY = cose.encode(CLAIMS)
VALUE = RAW[-64:]
X = PHONE.phone_key[1:] if PHONE.phone_key else b""
COSE_KEY = {1: 2, -1: 1, -2: X, -3: True}


def tagged(*parts: object, tag: int = cose.SIGN1_TAG) -> bytes:
    """Return a tagged list."""
    return cose.encode(cbor2.CBORTag(tag, list(parts)))


def claim(key: object, value: object) -> dict[object, object]:
    """Return the typical claims with one replaced."""
    return {**CLAIMS, key: value}


def field(key: object, value: object) -> dict[object, object]:
    """Return the typical claims with one entry of the pass map replaced."""
    return claim(passes.PASS, {**FIELDS, key: value})


def without(key: object) -> dict[object, object]:
    """Return the typical claims without one."""
    return {k: v for k, v in CLAIMS.items() if k != key}


def pair(key: object, value: object) -> bytes:
    """Return one encoded map entry."""
    return cose.encode(key) + cose.encode(value)


ODD_FORMS: dict[str, bytes] = {
    "nothing follows the pass": RAW + b"\x00",
    "tag 18 is there": RAW[1:],
    "tag 18 and no other": sign1(CLAIMS, tag=17),
    "no tag around it": b"\xd8\x3d" + RAW,
    "tag 18 in its shortest form": b"\xd8\x12" + RAW[1:],
    "four parts, not three": tagged(HEADER, {}, BODY),
    "four parts, not five": tagged(HEADER, {}, BODY, VALUE, 0),
    "a list, not a map": cose.encode(cbor2.CBORTag(18, {0: HEADER})),
    "the list has a definite length": b"\xd2\x9f" + RAW[2:] + b"\xff",
    "the unprotected header is empty": sign1(CLAIMS, unprotected={cose.KID: PASSES.kid}),
    "the unprotected header is a map": sign1(CLAIMS, unprotected=[]),
    "the protected header is bytes": tagged({1: -8, 4: PASSES.kid}, {}, BODY, VALUE),
    "the protected header names an algorithm": sign1(CLAIMS, protected={4: PASSES.kid}),
    "the protected header names a key": sign1(CLAIMS, protected={1: -8}),
    "the protected header names EdDSA": sign1(CLAIMS, protected={1: -7, 4: PASSES.kid}),
    "the protected header has no third entry": sign1(CLAIMS, protected={1: -8, 4: PASSES.kid, 5: b""}),
    "the protected header is deterministic": sign1(CLAIMS, protected=b"\xa2\x04" + HEADER[4:] + b"\x01\x27"),
    "the protected header's numbers are short": sign1(CLAIMS, protected=b"\xa2\x01\x38\x07" + HEADER[3:]),
    "nothing follows the protected header": sign1(CLAIMS, protected=HEADER + b"\x00"),
    "a key id has 4 bytes, not 3": sign1(CLAIMS, protected={1: -8, 4: PASSES.kid[:3]}),
    "a key id has 4 bytes, not 5": sign1(CLAIMS, protected={1: -8, 4: PASSES.kid + b"\x00"}),
    "a key id is bytes": sign1(CLAIMS, protected={1: -8, 4: "abcd"}),
    "the claims are bytes": tagged(HEADER, {}, "claims", VALUE),
    "the claims are in the pass": tagged(HEADER, {}, None, VALUE),
    "a signature has 64 bytes, not 63": tagged(HEADER, {}, BODY, VALUE[:63]),
    "a signature has 64 bytes, not 65": tagged(HEADER, {}, BODY, VALUE + b"\x00"),
    "a signature is bytes": tagged(HEADER, {}, BODY, "0" * 64),
}
"""What is wrong before the claims."""


def _required() -> Iterator[tuple[str, object]]:
    for name, key in (("exp", passes.EXP), ("nbf", passes.NBF), ("cti", passes.CTI), ("pass", passes.PASS)):
        yield f"claim {name} is required", without(key)
    for name, key in (("class", passes.CLASS), ("zone", passes.ZONE), ("directions", passes.DIRECTIONS)):
        fields = {k: v for k, v in FIELDS.items() if k != key}
        yield f"pass map: {name} is required", claim(passes.PASS, fields)


def _encodings() -> Iterator[tuple[str, object]]:
    yield "nothing follows the claims", BODY + b"\x00"
    yield "a number in its shortest form", BODY.replace(b"\x04\x1a", b"\x04\x1b\x00\x00\x00\x00", 1)
    yield "a map of definite length", b"\xbf" + BODY[1:] + b"\xff"
    yield "no key twice", b"\xa5" + pair(passes.EXP, NOW) + BODY[1:]
    yield "keys in ascending order", b"\xa4" + BODY[7:13] + BODY[1:7] + BODY[13:]
    yield "no other claim", claim(6, NOW)
    yield "claims have numbers", claim("exp", NOW)
    yield "no number in the place of a map", 7
    yield "no list in the place of a map", []
    yield "no floating-point number", claim(passes.EXP, NOW + 0.5)
    yield "no floating-point key", {**without(passes.EXP), 4.0: NOW}
    yield "no date in the place of a number", claim(passes.EXP, cbor2.CBORTag(1, NOW))
    yield "no big number", claim(passes.EXP, 2**64)


def _values() -> Iterator[tuple[str, object]]:
    yield "exp is at least 0", claim(passes.EXP, -1)
    yield "exp is at most 2^63 - 1", claim(passes.EXP, 2**63)
    yield "exp is no truth value", claim(passes.EXP, True)
    yield "nbf is a number", claim(passes.NBF, str(NOW))
    yield "cti has 8 bytes, not 7", claim(passes.CTI, bytes(7))
    yield "cti has 8 bytes, not 9", claim(passes.CTI, bytes(9))
    yield "cti is bytes", claim(passes.CTI, "12345678")
    yield "pass map: no other entry", field(11, 1)
    yield "class is at least 1", field(passes.CLASS, 0)
    yield "class is at most 6", field(passes.CLASS, 7)
    yield "class is no truth value", field(passes.CLASS, True)
    yield "a zone has 12 digits, not 11", field(passes.ZONE, ZONE[:11])
    yield "a zone has 12 digits, not 13", field(passes.ZONE, ZONE + "0")
    yield "a zone has digits alone", field(passes.ZONE, ZONE[:11] + "x")
    yield "a zone has ASCII digits", field(passes.ZONE, ZONE[:11] + "１")
    yield "a zone is text", field(passes.ZONE, int(ZONE))
    yield "directions are at least 1", field(passes.DIRECTIONS, 0)
    yield "directions are at most 3", field(passes.DIRECTIONS, 4)
    yield "gates are a list", field(passes.GATES, "east")
    yield "at most 50 gates", field(passes.GATES, ["g"] * 51)
    yield "a gate is text", field(passes.GATES, [1])
    yield "a gate has at most 40 characters", field(passes.GATES, ["g" * 41])
    yield "a health code is a list", field(passes.HEALTH, 0)
    yield "a health code has two parts, not one", field(passes.HEALTH, [0])
    yield "a health code has two parts, not three", field(passes.HEALTH, [0, 1, 2])
    yield "a health code's colour is at most 2", field(passes.HEALTH, [3, 20_000])
    yield "a health code's day is at most 100,000", field(passes.HEALTH, [0, 100_001])
    yield "a name has at most 40 characters", field(passes.NAME, "王" * 41)
    yield "a name has no line feed", field(passes.NAME, "a\nb")
    yield "a name has no character that turns the line", field(passes.NAME, "\u202egnp")
    yield "a household has 6 bytes", field(passes.HOUSEHOLD, bytes(5))
    yield "a plate has at most 12 characters", field(passes.PLATE, "0" * 13)
    yield "a status index is at least 0", field(passes.STATUS_INDEX, -1)
    yield "a status index is at most 2^32", field(passes.STATUS_INDEX, 2**32 + 1)
    yield "a status index is left out, not null", field(passes.STATUS_INDEX, None)
    yield "extra zones have 12 digits", field(passes.EXTRA_ZONES, [ZONE, "1"])
    yield "at most 50 extra zones", field(passes.EXTRA_ZONES, [ZONE] * 51)


def _phone_keys() -> Iterator[tuple[str, object]]:
    yield "cnf is a map", claim(passes.CNF, X)
    yield "cnf holds a COSE key", claim(passes.CNF, {})
    yield "cnf holds nothing else", claim(passes.CNF, {1: COSE_KEY, 3: b"id"})
    yield "the phone's key has no other entry", claim(passes.CNF, {1: {**COSE_KEY, 3: -7}})
    yield "the phone's key is of type EC2", claim(passes.CNF, {1: {**COSE_KEY, 1: 1}})
    yield "the phone's key is on P-256", claim(passes.CNF, {1: {**COSE_KEY, -1: 2}})
    yield "the phone's key is compressed", claim(passes.CNF, {1: {**COSE_KEY, -3: X}})
    yield "the sign of y is a truth value", claim(passes.CNF, {1: {**COSE_KEY, -3: 1}})
    yield "x has 32 bytes", claim(passes.CNF, {1: {**COSE_KEY, -2: X[:31]}})


ODD_CLAIMS: dict[str, object] = dict((*_required(), *_encodings(), *_values(), *_phone_keys()))
"""What is wrong with the claims: content to be signed, bytes as they are."""
