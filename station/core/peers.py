"""What central tells a gate of the passages at the other gates of its site: for anti-passback and household quotas.

A COSE_Sign1 by a key with the role `ack` (who collects the passages vouches for them) over the deterministic CBOR map
{"type": "peer", "site": name, "iat": Unix seconds, "passages": [[cti, household or null, direction bit, time], ...]}.
A notice without passages says that there were none.
"""

from __future__ import annotations

from collections.abc import Sequence

from station.core import cose, shape
from station.core.credential import DIRECTION_BITS
from station.core.documents import Role, TrustBundle
from station.core.model import Direction, Rejected
from station.core.passback import Passage
from station.core.reasons import Reason
from station.core.record import dataclass

TYPE = "peer"
MOST_PASSAGES = 2000
_DIRECTIONS = {bit: direction for direction, bit in DIRECTION_BITS.items()}


@dataclass(frozen=True, slots=True)
class PeerNotice:
    """A verified notice."""

    issued: int
    passages: tuple[Passage, ...]


def open_notice(raw: bytes, trust: TrustBundle | None, site: str, zone: str) -> PeerNotice | Rejected:
    """Verify a notice for the site's gates."""
    if trust is None:
        return Rejected(Reason.NO_TRUST, "no trust bundle is in force")
    try:
        signed = cose.open_sign1(raw)
        signature = signed.signatures[0]
        entry = trust.key(signature.kid, Role.ACK)
        if entry is None or not entry.covers(zone):
            return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"key {signature.kid.hex()} may not tell of passages here")
        if not signature.good(entry.public_key):
            return Rejected(Reason.DOCUMENT_UNSIGNED, f"the signature of key {signature.kid.hex()} is wrong")
        fields = shape.mapping(cose.decode_strict(signed.payload), "notice")
        shape.keys_within(fields, {"type", "site", "iat", "passages"}, "notice")
        if fields.get("type") != TYPE or fields.get("site") != site:
            return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"no notice for the gates of {site}")
        rows = shape.sequence(fields.get("passages"), "passages", MOST_PASSAGES)
        return PeerNotice(shape.integer(fields.get("iat"), "iat"), tuple(_passage(row) for row in rows))
    except (ValueError, KeyError) as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))


def _passage(value: object) -> Passage:
    cti, household, bit, seconds = shape.sequence(value, "passage", 4)
    return Passage(
        cti=shape.octets(cti, "cti", 8),
        household=None if household is None else shape.octets(household, "household", 6),
        direction=_DIRECTIONS[shape.integer(bit, "direction", 1, 2)],
        wall_us=shape.integer(seconds, "time", 0, 2**40) * 1_000_000,
    )


def payload(site: str, issued: int, passages: Sequence[Passage]) -> bytes:
    """Return the bytes that central signs."""
    rows = [[p.cti, p.household, DIRECTION_BITS[Direction(p.direction)], p.wall_us // 1_000_000] for p in passages]
    return cose.encode({"type": TYPE, "site": site, "iat": issued, "passages": rows})
