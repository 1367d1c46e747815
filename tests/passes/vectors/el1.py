"""Vectors of the live presentation, EL1: its form, its two signatures, and at which moments it is good."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from station.core import cose, live
from station.core.model import Live
from station.core.reasons import Reason
from tests.passes import office
from tests.passes.office import NOW, PAPER, PASSES, PHONE, es256, high_s, live_raw, pass_raw
from tests.passes.vectors.cases import Case, accepted, credential_fields, head, keys_of, refused

NONCE = bytes.fromhex("3f2a91c077de0b14")
OTHER = bytes.fromhex("ffffffffffffffff")
RAW = pass_raw(PHONE)
EVEN = pass_raw(replace(PHONE, phone_key=office.phone_public("even phone")))
PLAIN, ANSWER = Live(NOW), Live(NOW, NONCE)


def document() -> dict[str, object]:
    """Return the file's content."""
    return {
        **head("The live presentation EL1: texts, and the moments at which they are good."),
        "window_s": live.WINDOW_S,
        "uncertainty_cap_s": live.UNCERTAINTY_CAP_S,
        "keys": keys_of(PASSES, office.WITHDRAWN, office.STRANGER, phones=("phone", "even phone", "other phone")),
        "revoked": [office.WITHDRAWN.kid.hex()],
        "cases": [_with_bytes(rule, *rest) for rule, *rest in (*_good(), *_forms(), *_signatures())],
        "moments": list(_moments()),
    }


def _with_bytes(rule: str, raw: bytes, verdict: Reason | dict[str, object]) -> Case:
    given = {"text": office.written(raw, live.PREFIX), "bytes": raw.hex()}
    return refused(rule, given, verdict) if isinstance(verdict, Reason) else accepted(rule, given, verdict)


Row = tuple[str, bytes, Reason | dict[str, object]]


def _good() -> Iterator[Row]:
    for rule, shown in (("without a nonce", PLAIN), ("with a nonce", ANSWER), ("long ago", Live(0))):
        yield rule, live_raw(RAW, shown), credential_fields(replace(PHONE, live=shown))
    even = replace(PHONE, phone_key=office.phone_public("even phone"))
    yield "a phone's key with even y", live_raw(EVEN, PLAIN, "even phone"), credential_fields(replace(even, live=PLAIN))


def _forms() -> Iterator[Row]:
    signature, good = es256(live.covered(RAW, PLAIN)), live_raw(RAW)
    for rule, raw in {
        "nothing follows": good + b"\x00",
        "a list of definite length": b"\x9f" + good[1:] + b"\xff",
        "a list, not a map": cose.encode({0: RAW, 1: NOW, 2: signature}),
        "three or four parts, not two": cose.encode([RAW, NOW]),
        "three or four parts, not five": cose.encode([RAW, NOW, NONCE, signature, 0]),
        "the pass is bytes": cose.encode([RAW.hex(), NOW, signature]),
        "t is a number": cose.encode([RAW, str(NOW), signature]),
        "t is no floating-point number": cose.encode([RAW, float(NOW) + 0.5, signature]),
        "t is at least 0": cose.encode([RAW, -1, es256(live.covered(RAW, Live(-1)))]),
        "t is at most 2^40": cose.encode([RAW, 2**40 + 1, es256(live.covered(RAW, Live(2**40 + 1)))]),
        "a nonce has 8 bytes, not 7": live_raw(RAW, Live(NOW, NONCE[:7])),
        "a nonce has 8 bytes, not 9": live_raw(RAW, Live(NOW, NONCE + b"\x00")),
        "a nonce is bytes": cose.encode([RAW, NOW, NONCE.hex()[:8], signature]),
        "no nonce is no null": cose.encode([RAW, NOW, None, signature]),
        "the phone's signature has 64 bytes": cose.encode([RAW, NOW, signature[:63]]),
        "the phone's signature is not DER": cose.encode([RAW, NOW, b"\x30\x44" + signature]),
    }.items():
        yield rule, raw, Reason.LIVE_MALFORMED
    yield "the pass within is read as strictly", live_raw(RAW + b"\x00"), Reason.PASS_MALFORMED
    yield "the pass within is bytes of COSE, not a text", live_raw(office.written(RAW).encode()), Reason.PASS_MALFORMED


def _signatures() -> Iterator[Row]:
    signature = es256(live.covered(RAW, PLAIN))
    withdrawn, strange = pass_raw(PHONE, office.WITHDRAWN), pass_raw(PHONE, office.STRANGER)
    yield "a withdrawn issuer", live_raw(withdrawn), Reason.PASS_KEY_REVOKED
    yield "an unknown issuer", live_raw(strange), Reason.PASS_UNKNOWN_ISSUER
    yield "a forged pass", live_raw(RAW[:-1] + bytes((RAW[-1] ^ 1,))), Reason.PASS_FORGED
    yield "a pass without cnf", live_raw(pass_raw(PAPER)), Reason.LIVE_NO_KEY
    flipped = signature[:-1] + bytes((signature[-1] ^ 1,))
    nowhere = pass_raw(replace(PHONE, phone_key=b"\x02" + bytes(31) + b"\x04"))
    for rule, raw in {
        "one bit of the phone's signature": live.compose(RAW, PLAIN, flipped),
        "the high one of two values of s": live.compose(RAW, PLAIN, high_s(signature)),
        "s is not 0": live.compose(RAW, PLAIN, signature[:32] + bytes(32)),
        "r is below the order": live.compose(RAW, PLAIN, b"\xff" * 32 + signature[32:]),
        "another phone's signature": live_raw(RAW, PLAIN, "other phone"),
        "another t than was signed": live.compose(RAW, Live(NOW + 1), signature),
        "another nonce than was signed": live.compose(RAW, Live(NOW, OTHER), es256(live.covered(RAW, ANSWER))),
        "a nonce taken away": live.compose(RAW, PLAIN, es256(live.covered(RAW, ANSWER))),
        "a nonce put in": live.compose(RAW, ANSWER, signature),
        "another pass than was signed": live.compose(RAW, PLAIN, es256(live.covered(EVEN, PLAIN))),
        "another label than EPL1": live.compose(RAW, PLAIN, es256(_labelled("EPL2"))),
        "a key that is no point of P-256": live_raw(nowhere),
    }.items():
        yield rule, raw, Reason.LIVE_FORGED


def _labelled(label: str) -> bytes:
    return cose.encode([label, hashlib.sha256(RAW).digest(), NOW])


def _moments() -> Iterator[dict[str, object]]:
    """Yield when a presentation is good: `late_s` is the station's time less `t`."""
    for late, uncertainty, verdict in (
        (0, 0.0, None),
        (30, 0.0, None),
        (-30, 0.0, None),
        (31, 0.0, Reason.LIVE_STALE),
        (-31, 0.0, Reason.LIVE_AHEAD),
        (40, 10.0, None),
        (41, 10.0, Reason.LIVE_STALE),
        (90, 60.0, None),
        (90, 3600.0, None),
        (91, 3600.0, Reason.CLOCK_UNSURE),
        (-91, 3600.0, Reason.CLOCK_UNSURE),
        (3631, 3600.0, Reason.LIVE_STALE),
        (-3631, 3600.0, Reason.LIVE_AHEAD),
    ):
        yield _moment(late, uncertainty, None, [], verdict)
    yield _moment(0, 0.0, NONCE, [NONCE], None)
    yield _moment(86_400, 0.0, NONCE, [OTHER, NONCE], None)
    yield _moment(0, 0.0, NONCE, [OTHER], Reason.LIVE_WRONG_NONCE)
    yield _moment(0, 0.0, NONCE, [], Reason.LIVE_WRONG_NONCE)


def _moment(late: int, uncertainty: float, nonce: bytes | None, shown: list[bytes], why: Reason | None) -> Case:
    return {
        "late_s": late,
        "uncertainty_s": uncertainty,
        "nonce": nonce.hex() if nonce else None,
        "nonces_shown": [one.hex() for one in shown],
        "refused": why.value if why else None,
    }
