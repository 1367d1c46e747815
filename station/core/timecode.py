"""Time that somebody signs for a station whose own clock is lost: central's beacon, or a guard's code.

A COSE_Sign1 over the deterministic CBOR map {"type": "time", "t": Unix seconds, "nonce": the 8 bytes the station
shows}, by a key with the role `time` (central's beacon) or `guard` (a code shown to the camera as `ET1:` + Base45).
The nonce makes it fresh: it was signed between the moment the station drew the nonce and the moment the code arrived.
"""

from __future__ import annotations

from station.core import base45, cose, shape
from station.core.documents import Role, TrustBundle
from station.core.live import NONCE_LENGTH
from station.core.model import Rejected
from station.core.reasons import Reason
from station.core.record import dataclass

PREFIX = "ET1:"
TYPE = "time"


@dataclass(frozen=True, slots=True)
class TimeCode:
    """A verified statement of the time. `role`: TIME (central) or GUARD."""

    t: int
    nonce: bytes
    role: Role
    kid: bytes


def read_text(text: str, trust: TrustBundle | None, zone: str) -> TimeCode | Rejected:
    """Read a time code shown to the camera."""
    try:
        return open_time_code(base45.decode(text[len(PREFIX) :]), trust, zone)
    except base45.Base45Error as error:
        return Rejected(Reason.TIME_CODE_REFUSED, str(error))


def open_time_code(raw: bytes, trust: TrustBundle | None, zone: str) -> TimeCode | Rejected:
    """Verify a time code: signed by a key with the role for it, whose scope covers `zone`."""
    if trust is None:
        return Rejected(Reason.NO_TRUST, "no trust bundle is in force")
    try:
        signed = cose.open_sign1(raw)
        signature = signed.signatures[0]
        fields = shape.mapping(cose.decode_strict(signed.payload), "time code")
        shape.keys_within(fields, {"type", "t", "nonce"}, "time code")
        if fields.get("type") != TYPE:
            raise shape.ShapeError("not a time code")
        t, nonce = (
            shape.integer(fields.get("t"), "t", 1, 2**40),
            shape.octets(fields.get("nonce"), "nonce", NONCE_LENGTH),
        )
    except ValueError as error:
        return Rejected(Reason.TIME_CODE_REFUSED, str(error))
    for role in (Role.TIME, Role.GUARD):
        entry = trust.key(signature.kid, role)
        if entry is not None and entry.covers(zone) and entry.not_before <= t <= entry.expires:
            good = signature.good(entry.public_key)
            return TimeCode(t, nonce, role, signature.kid) if good else _refused(signature.kid, "did not sign it")
    return _refused(signature.kid, "may not tell the time here")


def _refused(kid: bytes, why: str) -> Rejected:
    return Rejected(Reason.TIME_CODE_REFUSED, f"key {kid.hex()} {why}")


def payload(t: int, nonce: bytes) -> bytes:
    """Return the bytes that are signed."""
    return cose.encode({"type": TYPE, "t": t, "nonce": nonce})
