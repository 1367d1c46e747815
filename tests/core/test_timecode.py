"""Signed times (ET1, and central's beacon): by whom, for where, in answer to which number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from station.core import base45, cose
from station.core.documents import Role, TrustBundle
from station.core.model import PassClass, Rejected
from station.core.reasons import Reason
from station.core.timecode import PREFIX, TimeCode, open_time_code, payload, read_text
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    FAR_ZONE,
    NOW,
    PASSES,
    STRANGER,
    ZONE,
    key_row,
    key_rows,
    signing_key,
    trust_bundle,
)

NONCE = bytes.fromhex("3f2a91c077de0b14")
BEACON, GUARD, BOTH, VISITING = (signing_key(name) for name in ("beacon", "guard", "both", "visiting guard"))
TRUST = trust_bundle(
    [
        *key_rows(),
        key_row(BEACON, [Role.TIME, Role.ACK]),
        key_row(GUARD, [Role.GUARD], [ZONE]),
        key_row(BOTH, [Role.GUARD, Role.TIME]),
        key_row(VISITING, [Role.GUARD], [FAR_ZONE]),
    ]
)


def signed(key=GUARD, content: object = None) -> bytes:
    """Return what a key signs: the time and the number, unless told otherwise."""
    body = payload(NOW, NONCE) if content is None else cose.encode(content)
    return cose.sign1(body, key.kid, key.private)


def shown(raw: bytes) -> str:
    """Return the text that a guard's phone shows."""
    return PREFIX + base45.encode(raw)


def refused(raw: bytes, trust: TrustBundle | None = TRUST, zone: str = ZONE) -> Rejected:
    """Open a time code that must be refused, by both ways in."""
    verdict = open_time_code(raw, trust, zone)
    assert isinstance(verdict, Rejected), verdict
    assert read_text(shown(raw), trust, zone) == verdict
    return verdict


@pytest.mark.parametrize(("key", "role"), [(BEACON, Role.TIME), (GUARD, Role.GUARD), (BOTH, Role.TIME)])
def test_the_time_by_central_and_by_a_guard(key, role):
    """Both roles may tell the time, and it is known which one did; who has both speaks as central."""
    code = TimeCode(NOW, NONCE, role, key.kid)
    assert open_time_code(signed(key), TRUST, ZONE) == code
    assert read_text(shown(signed(key)), TRUST, ZONE) == code


def test_no_other_role_tells_the_time():
    """Keys for passes, policies and acknowledgements, and keys nobody knows, are refused by their key id."""
    for key in (PASSES, CENTRAL, STRANGER):
        verdict = refused(signed(key))
        assert verdict.reason is Reason.TIME_CODE_REFUSED
        assert verdict.detail == f"key {key.kid.hex()} may not tell the time here"


def test_a_guard_of_elsewhere_does_not_tell_the_time_here():
    """A guard's key is good for its own zones alone."""
    assert refused(signed(VISITING)).detail == f"key {VISITING.kid.hex()} may not tell the time here"
    assert isinstance(open_time_code(signed(VISITING), TRUST, FAR_ZONE), TimeCode)


@pytest.mark.parametrize(("t", "good"), [(NOW - 10, False), (NOW, True), (NOW + DAY_S, True), (NOW + DAY_S + 1, False)])
def test_a_key_tells_only_times_it_is_valid_at(t, good):
    """The only clock this can be held against is the time it tells: a key cannot name one outside its own validity."""
    trust = trust_bundle([key_row(GUARD, [Role.GUARD], times=(NOW, NOW + DAY_S))])
    verdict = open_time_code(cose.sign1(payload(t, NONCE), GUARD.kid, GUARD.private), trust, ZONE)
    assert isinstance(verdict, TimeCode) is good


def test_a_withdrawn_guard_is_not_heard():
    """A key that the status manifest withdraws no longer tells the time."""
    assert refused(signed(), replace(TRUST, revoked=frozenset({GUARD.kid}))).reason is Reason.TIME_CODE_REFUSED


def test_somebody_elses_signature_under_a_guards_name_is_refused():
    """The key id alone is worth nothing."""
    forged = cose.sign1(payload(NOW, NONCE), GUARD.kid, STRANGER.private)
    assert refused(forged).detail == f"key {GUARD.kid.hex()} did not sign it"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"type": "time", "t": NOW, "nonce": NONCE, "zone": ZONE}, "unknown keys: 'zone'"),
        ({"type": "tame", "t": NOW, "nonce": NONCE}, "not a time code"),
        ({"t": NOW, "nonce": NONCE}, "not a time code"),
        ({"type": "time", "nonce": NONCE}, "t is not a whole number"),
        ({"type": "time", "t": 0, "nonce": NONCE}, "t is not a whole number"),
        ({"type": "time", "t": 2**40 + 1, "nonce": NONCE}, "t is not a whole number"),
        ({"type": "time", "t": True, "nonce": NONCE}, "t is not a whole number"),
        ({"type": "time", "t": NOW}, "nonce is not 8 bytes"),
        ({"type": "time", "t": NOW, "nonce": NONCE[:7]}, "nonce is not 8 bytes"),
        ({"type": "time", "t": NOW, "nonce": NONCE.hex()}, "nonce is not 8 bytes"),
        (["time", NOW, NONCE], "time code is not a map"),
    ],
)
def test_each_wrong_shape_is_refused_by_name(content, says):
    """A time code is exactly type, t and nonce; without the number it would be good for ever."""
    verdict = refused(signed(GUARD, content))
    assert verdict.reason is Reason.TIME_CODE_REFUSED
    assert says in verdict.detail


@pytest.mark.parametrize("raw", [b"", b"x", signed()[:-1], signed() + b"\x00", b"\xd8\x62" + signed()[1:]])
def test_what_is_no_signed_message_is_refused(raw):
    """Damaged, cut, or followed by something: refused as a time code, nothing raised."""
    assert refused(raw).reason is Reason.TIME_CODE_REFUSED


def test_text_that_is_no_base45_is_refused():
    """What cannot be decoded is refused as a time code, not as a pass."""
    verdict = read_text("ET1:lower case", TRUST, ZONE)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.TIME_CODE_REFUSED


def test_without_a_trust_bundle_nobody_tells_the_time():
    """Before the first trust bundle the fault is the station's, not the guard's."""
    assert refused(signed(), None).reason is Reason.NO_TRUST


def test_a_document_or_a_pass_is_no_time_code():
    """A key with both roles that signs something else does not thereby tell the time."""
    trust = trust_bundle([key_row(BOTH, [Role.GUARD, Role.PASS], classes=[PassClass.VISITOR])])
    other = cose.encode({"type": "policy", "seq": 1, "iat": NOW, "exp": NOW + 9, "prev": None})
    assert refused(cose.sign1(other, BOTH.kid, BOTH.private), trust).reason is Reason.TIME_CODE_REFUSED
