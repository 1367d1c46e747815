"""Vectors of time codes, ET1: who may tell a station the time, and in which form."""

from __future__ import annotations

from collections.abc import Iterator

from station.core import cose
from station.core.documents import Role
from station.core.reasons import Reason
from station.core.timecode import PREFIX, TimeCode, payload
from tests.passes import office
from tests.passes.office import CENTRAL, DAY_S, FAR_GUARD, GUARD, NOW, PASSES, STRANGER, sign1, time_raw, written
from tests.passes.vectors.cases import Case, accepted, head, keys_of, refused, time_fields

NONCE = bytes.fromhex("3f2a91c077de0b14")
FIELDS = {"type": "time", "t": NOW, "nonce": NONCE}


def document() -> dict[str, object]:
    """Return the file's content."""
    return {
        **head("Time codes ET1: who may tell a station the time. Whether the nonce is the station's own comes after."),
        "keys": keys_of(CENTRAL, GUARD, FAR_GUARD, PASSES, STRANGER),
        "cases": [*_good(), *(refused(*row, Reason.TIME_CODE_REFUSED) for row in (*_texts(), *_signed()))],
    }


def _good() -> Iterator[Case]:
    for rule, t, signer, role in (
        ("central's beacon", NOW, CENTRAL, Role.TIME),
        ("a guard's code", NOW, GUARD, Role.GUARD),
        ("a guard's code, at the end of the key's time", NOW + DAY_S, GUARD, Role.GUARD),
    ):
        raw = time_raw(t, NONCE, signer)
        given = {"text": written(raw, PREFIX), "bytes": raw.hex()}
        yield accepted(rule, given, time_fields(TimeCode(t, NONCE, role, signer.kid)))


def _texts() -> Iterator[tuple[str, dict[str, object]]]:
    text = written(time_raw(NOW, NONCE), PREFIX)
    yield "Base45: no character is left over", {"text": text + "0" * ((5 - len(text)) % 3)}
    yield "Base45: capital letters", {"text": PREFIX + "bb8"}


def _signed() -> Iterator[tuple[str, dict[str, object]]]:
    good = time_raw(NOW, NONCE)
    named = {cose.ALG: cose.EDDSA, cose.KID: CENTRAL.kid}
    for rule, raw in {
        "nothing follows": good + b"\x00",
        "tag 18": sign1(payload(NOW, NONCE), CENTRAL, tag=98),
        "the map has no other entry": sign1({**FIELDS, "zone": office.ZONE}, CENTRAL),
        "the type is time": sign1({**FIELDS, "type": "ack"}, CENTRAL),
        "t is required": sign1({"type": "time", "nonce": NONCE}, CENTRAL),
        "t is at least 1": time_raw(0, NONCE),
        "t is at most 2^40": time_raw(2**40 + 1, NONCE),
        "t is no floating-point number": sign1({**FIELDS, "t": NOW + 0.5}, CENTRAL),
        "a nonce has 8 bytes": time_raw(NOW, NONCE[:7]),
        "a nonce is required": sign1({"type": "time", "t": NOW}, CENTRAL),
        "a list is no map": sign1([NOW, NONCE], CENTRAL),
        "a key without either role": time_raw(NOW, NONCE, PASSES),
        "a key for other zones": time_raw(NOW, NONCE, FAR_GUARD),
        "a key that the trust bundle does not name": time_raw(NOW, NONCE, STRANGER),
        "another key's signature": sign1(payload(NOW, NONCE), STRANGER, protected=named),
        "one bit of the signature": good[:-1] + bytes((good[-1] ^ 1,)),
        "a time after the end of the key's": time_raw(NOW + DAY_S + 1, NONCE, GUARD),
        "a time before the begin of the key's": time_raw(NOW - DAY_S - 1, NONCE, GUARD),
        "a pass": office.pass_raw(),
    }.items():
        yield rule, {"text": written(raw, PREFIX), "bytes": raw.hex()}
