"""EL1, the live presentation: the pass together with what the holder's phone signed a moment ago.

`EL1:` + Base45 of the deterministic CBOR array [pass bytes, t, signature] or [pass bytes, t, nonce, signature]. The
signature is ES256 (RFC 9053 2.1: r and s, 32 bytes each) by the pass's cnf key over the deterministic CBOR of
["EPL1", SHA-256(pass bytes), t] or ["EPL1", SHA-256(pass bytes), t, nonce]. Of the two values of s that verify only
the low one is taken, so that each presentation has one text. A screenshot dies within 30 s and the clock's uncertainty.
"""

from __future__ import annotations

from station.core import cose, shape
from station.core.digest import sha256
from station.core.model import Instant, Live
from station.core.reasons import Reason
from station.core.record import dataclass

PREFIX = "EL1:"
LABEL = "EPL1"
WINDOW_S = 30
"""How long a live code is good for, to either side of the station's now."""
UNCERTAINTY_CAP_S = 60.0
"""The window never grows by more than this, however unsure the station's clock is."""
NONCE_LENGTH = 8
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256 (SEC 2, 2.4.2)."""
_WITHOUT_NONCE, _WITH_NONCE = 3, 4


@dataclass(frozen=True, slots=True)
class Presentation:
    """A live text taken apart; nothing is verified yet."""

    raw_pass: bytes
    live: Live
    signature: bytes

    def good(self, phone_key: bytes) -> bool:
        """Say whether the phone with this key (compressed P-256, 33 bytes) signed the presentation."""
        from station.core import es256  # noqa: PLC0415 - loaded with the first live code

        low = int.from_bytes(self.signature[32:], "big") <= _ORDER // 2
        return low and es256.good(phone_key, self.signature, covered(self.raw_pass, self.live))


def covered(raw_pass: bytes, live: Live) -> bytes:
    """Return the bytes that the phone signs."""
    digest = sha256(raw_pass)
    return cose.encode([LABEL, digest, live.t] if live.nonce is None else [LABEL, digest, live.t, live.nonce])


def take_apart(raw: bytes) -> Presentation:
    """Take the bytes of a live text apart. Raises ShapeError or CoseError."""
    row = shape.sequence(cose.decode_strict(raw), "live presentation", _WITH_NONCE)
    if len(row) not in (_WITHOUT_NONCE, _WITH_NONCE):
        raise shape.ShapeError(f"a live presentation has 3 or 4 parts, this one {len(row)}")
    nonce = shape.octets(row[2], "nonce", NONCE_LENGTH) if len(row) == _WITH_NONCE else None
    live = Live(shape.integer(row[1], "t", 0, 2**40), nonce)
    return Presentation(shape.octets(row[0], "pass"), live, shape.octets(row[-1], "live signature", 64))


def compose(raw_pass: bytes, live: Live, signature: bytes) -> bytes:
    """Return the bytes of a live text; `signature`: r and s, as `low_s` leaves them."""
    nonce = [] if live.nonce is None else [live.nonce]
    return cose.encode([raw_pass, live.t, *nonce, signature])


def low_s(signature: bytes) -> bytes:
    """Return the one of the two equivalent signatures that is accepted (64 bytes in, 64 bytes out)."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, _ORDER - s).to_bytes(32, "big")


def not_fresh(live: Live, nonces: frozenset[bytes], now: Instant) -> Reason | None:
    """Return why a live presentation is not of this moment, None where it is.

    A nonce that the station shows proves the moment by itself, whatever either clock says.
    """
    if live.nonce is not None:
        return None if live.nonce in nonces else Reason.LIVE_WRONG_NONCE
    late = now.seconds - live.t
    if abs(late) <= WINDOW_S + min(now.uncertainty_s, UNCERTAINTY_CAP_S):
        return None
    if abs(late) <= WINDOW_S + now.uncertainty_s:
        return Reason.CLOCK_UNSURE
    return Reason.LIVE_STALE if late > 0 else Reason.LIVE_AHEAD
