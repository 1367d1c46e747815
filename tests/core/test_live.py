"""Live codes (EL1): the phone's own signature over this pass at this moment, and nothing that only looks like it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose, live
from station.core.credential import LONGEST_TEXT, parse
from station.core.live import Live, low_s, not_fresh
from station.core.model import Credential, Instant, PassClass, Rejected
from station.core.reasons import Reason
from tests.core.issuing import NOW, STRANGER, TRUST, credential, pass_text, strange_pass, written
from tests.core.phones import ORDER, coded, high_s, live_text, pass_bytes, phone

NONCE = bytes.fromhex("3f2a91c077de0b14")
MINE, OTHER = phone("mine"), phone("other")
PASS = MINE.pass_text()
RAW = pass_bytes(PASS)
SHOWN = Live(NOW)
SIGNED = MINE.sign(live.covered(RAW, SHOWN))
BOUND = credential(phone_key=MINE.public)


def refused(text: str) -> Reason:
    """Read a text that must be refused; return why."""
    verdict = parse(text, TRUST)
    assert isinstance(verdict, Rejected), verdict
    return verdict.reason


# --- what is accepted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonce", [None, NONCE])
def test_a_phones_own_code_is_the_pass_and_its_moment(nonce):
    """The credential is that of the pass, with the time and the number that the phone signed."""
    assert parse(MINE.show(PASS, NOW, nonce), TRUST) == replace(BOUND, live=Live(NOW, nonce))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**40), st.none() | st.binary(min_size=8, max_size=8))
def test_any_time_and_number_come_through(t, nonce):
    """Whatever time and number a phone signs are read as they are; whether they are of now is asked later."""
    verdict = parse(MINE.show(PASS, t, nonce), TRUST)
    assert isinstance(verdict, Credential)
    assert verdict.live == Live(t, nonce)


def test_what_is_signed_is_what_the_format_says():
    """The signature covers ["EPL1", SHA-256 of the pass, t] or ["EPL1", SHA-256 of the pass, t, nonce]: fixed bytes."""
    head = bytes.fromhex("6445504c315820") + bytes.fromhex(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of "abc"
    )
    assert live.covered(b"abc", Live(1)) == b"\x83" + head + b"\x01"
    assert live.covered(b"abc", Live(1, NONCE)) == b"\x84" + head + b"\x01\x48" + NONCE


def test_a_pass_bound_to_a_phone_is_still_read_when_shown_static():
    """A picture of the pass itself is a pass without a moment; the rules say what that is worth."""
    assert parse(PASS, TRUST) == BOUND


# --- form ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {},
        "text",
        [],
        [RAW, NOW],
        [RAW, NOW, NONCE, SIGNED, 0],
        [RAW.hex(), NOW, SIGNED],
        [None, NOW, SIGNED],
        [RAW, -1, SIGNED],
        [RAW, 2**40 + 1, SIGNED],
        [RAW, str(NOW), SIGNED],
        [RAW, True, SIGNED],
        [RAW, None, SIGNED],
        [RAW, NOW, SIGNED[:-1]],
        [RAW, NOW, SIGNED + b"\x00"],
        [RAW, NOW, ""],
        [RAW, NOW, NONCE[:-1], SIGNED],
        [RAW, NOW, NONCE + b"\x00", SIGNED],
        [RAW, NOW, None, SIGNED],
        [RAW, SIGNED, NOW],
    ],
)
def test_each_wrong_shape_is_malformed(value):
    """Three or four parts of exact types and lengths; anything else is a live code in the wrong form."""
    assert refused(coded(cose.encode(value))) is Reason.LIVE_MALFORMED


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        cose.encode([RAW, NOW, SIGNED]) + b"\x00",
        b"\x9f" + cose.encode([RAW, NOW, SIGNED])[1:] + b"\xff",
        cose.encode([RAW, NOW, SIGNED]).replace(NOW.to_bytes(4, "big"), b"", 1),
        cose.encode([RAW, NOW, SIGNED]).replace(b"\x1a" + NOW.to_bytes(4, "big"), b"\x1b" + NOW.to_bytes(8, "big"), 1),
    ],
    ids=["empty", "break", "a byte follows", "indefinite length", "cut short", "longer than needed"],
)
def test_other_encodings_are_malformed(raw):
    """There is one encoding; whatever else could mean the same is refused."""
    assert refused(coded(raw)) is Reason.LIVE_MALFORMED


def test_text_that_is_no_base45_or_too_long_is_unreadable():
    """What no phone page can have made is unreadable, as for any pass."""
    assert refused("EL1:lower case") is Reason.PASS_UNREADABLE
    assert refused("EL1:" + "0" * LONGEST_TEXT) is Reason.PASS_UNREADABLE


def test_without_a_trust_bundle_nothing_is_said_of_it():
    """A station that believes nobody blames nobody."""
    verdict = parse(MINE.show(PASS, NOW), None)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.NO_TRUST


# --- the pass inside -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (MINE.pass_text(STRANGER), Reason.PASS_UNKNOWN_ISSUER),
        (MINE.pass_text(pass_class=PassClass.MEDIC), Reason.PASS_OUT_OF_SCOPE),
        (strange_pass({4: 1}), Reason.PASS_MALFORMED),
        (strange_pass({}, tag=99), Reason.PASS_MALFORMED),
        (written(RAW[:-1]), Reason.PASS_MALFORMED),
    ],
)
def test_the_pass_inside_is_judged_as_any_pass(inner, reason):
    """A phone's signature does not make a bad pass better: the pass's own reason is given."""
    assert refused(MINE.show(inner, NOW)) is reason


def test_a_changed_pass_inside_is_forged():
    """A phone that signs a pass with one bit of the issuer's signature changed shows a forged pass."""
    changed = RAW[:-1] + bytes([RAW[-1] ^ 1])
    assert refused(live_text(changed, SHOWN, MINE.sign(live.covered(changed, SHOWN)))) is Reason.PASS_FORGED


def test_a_paper_pass_cannot_be_live():
    """A pass without a phone's key is refused as a live one, and the guard learns whose it is."""
    verdict = parse(MINE.show(pass_text(), NOW), TRUST)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.LIVE_NO_KEY
    assert verdict.credential == credential()


# --- the phone's signature -------------------------------------------------------------------------------------------


def _label(label: str) -> bytes:
    return MINE.sign(cose.encode([label, cose.decode_strict(live.covered(RAW, SHOWN))[1], NOW]))  # type: ignore[index]


@pytest.mark.parametrize(
    ("shown", "signature"),
    [
        (SHOWN, OTHER.sign(live.covered(RAW, SHOWN))),
        (Live(NOW + 1), SIGNED),
        (Live(NOW, NONCE), SIGNED),
        (SHOWN, MINE.sign(live.covered(RAW, Live(NOW, NONCE)))),
        (Live(NOW, NONCE), MINE.sign(live.covered(RAW, Live(NOW, NONCE[::-1])))),
        (SHOWN, MINE.sign(RAW)),
        (SHOWN, MINE.sign(live.covered(pass_bytes(MINE.pass_text(name="李*")), SHOWN))),
        (SHOWN, _label("EPL2")),
        (SHOWN, bytes(64)),
        (SHOWN, SIGNED[:32] + bytes(32)),
        (SHOWN, bytes(32) + SIGNED[32:]),
        (SHOWN, b"\xff" * 32 + SIGNED[32:]),
        (SHOWN, SIGNED[32:] + SIGNED[:32]),
    ],
    ids=[
        "another phone",
        "another time",
        "a number that was not signed",
        "the number left out",
        "another number",
        "the pass alone",
        "another pass of this phone",
        "another label",
        "zeros",
        "s is zero",
        "r is zero",
        "r is beyond the order",
        "r and s exchanged",
    ],
)
def test_a_signature_over_anything_else_is_forged(shown, signature):
    """Pass, time, number and label are all under the phone's signature, and only this phone's counts."""
    assert refused(live_text(RAW, shown, signature)) is Reason.LIVE_FORGED


def test_the_label_of_the_format_is_accepted():
    """The same signature as the one refused above with its label changed: what was refused was the label."""
    assert isinstance(parse(live_text(RAW, SHOWN, _label("EPL1")), TRUST), Credential)


def test_the_high_s_is_refused_although_it_verifies():
    """Each presentation has one text: the other signature that ECDSA takes for the same statement is refused."""
    other = high_s(SIGNED)
    r, s = int.from_bytes(other[:32], "big"), int.from_bytes(other[32:], "big")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), MINE.public)
    key.verify(encode_dss_signature(r, s), live.covered(RAW, SHOWN), ec.ECDSA(SHA256()))  # raises where it is wrong
    assert refused(live_text(RAW, SHOWN, other)) is Reason.LIVE_FORGED
    assert isinstance(parse(live_text(RAW, SHOWN, low_s(other)), TRUST), Credential)


@given(st.integers(1, ORDER - 1), st.binary(min_size=32, max_size=32))
def test_low_s_chooses_one_of_each_two(s, r):
    """Of s and its counterpart the low one comes out, whichever goes in, and r stays."""
    low = low_s(r + s.to_bytes(32, "big"))
    assert low == low_s(r + (ORDER - s).to_bytes(32, "big"))
    assert low[:32] == r
    assert int.from_bytes(low[32:], "big") in {s, ORDER - s}
    assert int.from_bytes(low[32:], "big") <= ORDER // 2


def test_a_phone_key_that_is_no_point_is_forged_not_a_crash():
    """An issuer can sign any 32 bytes as a phone's key; where no point of the curve has this x, nothing verifies."""
    no_point = b"\x02" + b"\xff" * 32
    inner = pass_text(phone_key=no_point)
    assert refused(live_text(pass_bytes(inner), SHOWN, SIGNED)) is Reason.LIVE_FORGED


# --- of this moment --------------------------------------------------------------------------------------------------


def at(seconds: float, uncertainty_s: float = 0.0) -> Instant:
    """Return a moment of a station whose clock may be off by so much."""
    return Instant(round(seconds * 1e6), 7, uncertainty_s=uncertainty_s)


@pytest.mark.parametrize(
    ("late", "uncertainty_s", "reason"),
    [
        (0, 0, None),
        (30, 0, None),
        (-30, 0, None),
        (31, 0, Reason.LIVE_STALE),
        (-31, 0, Reason.LIVE_AHEAD),
        (40, 10, None),
        (-40, 10, None),
        (41, 10, Reason.LIVE_STALE),
        (-41, 10, Reason.LIVE_AHEAD),
        (90, 60, None),
        (90, 3600, None),
        (91, 60, Reason.LIVE_STALE),
        (91, 61, Reason.CLOCK_UNSURE),
        (-91, 61, Reason.CLOCK_UNSURE),
        (3630, 3600, Reason.CLOCK_UNSURE),
        (3631, 3600, Reason.LIVE_STALE),
        (-3631, 3600, Reason.LIVE_AHEAD),
    ],
)
def test_the_window_is_30_s_and_the_clocks_uncertainty_up_to_60_s(late, uncertainty_s, reason):
    """Beyond the window a code is stale or ahead; what only an unsure clock may explain is the clock's matter."""
    assert not_fresh(Live(NOW), frozenset(), at(NOW + late, uncertainty_s)) is reason


@given(st.floats(0, 1e6), st.integers(-200_000, 200_000))
def test_nothing_beyond_90_s_is_ever_fresh(uncertainty_s, late):
    """However unsure the clock, no code that is more than 90 s away from it is accepted."""
    verdict = not_fresh(Live(NOW), frozenset(), at(NOW + late, uncertainty_s))
    assert (verdict is None) == (abs(late) <= 30 + min(uncertainty_s, 60))
    assert verdict is not None or abs(late) <= 90


@pytest.mark.parametrize("t", [0, NOW - 86_400, NOW, NOW + 86_400])
def test_the_stations_number_proves_the_moment_by_itself(t):
    """A phone that signs a number the station shows is of this moment, whatever its own clock says."""
    assert not_fresh(Live(t, NONCE), frozenset({NONCE}), at(NOW)) is None
    assert not_fresh(Live(t, NONCE), frozenset({NONCE[::-1]}), at(NOW)) is Reason.LIVE_WRONG_NONCE
    assert not_fresh(Live(t, NONCE), frozenset(), at(NOW)) is Reason.LIVE_WRONG_NONCE
