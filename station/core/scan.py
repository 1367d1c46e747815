"""What a QR text held before the camera can be: a pass, a time code, or a reasoned refusal."""

from __future__ import annotations

from station.core import credential, live, timecode
from station.core.documents import TrustBundle
from station.core.model import ClockState, Credential, Instant, Rejected
from station.core.timecode import TimeCode

OUR_PREFIXES = (credential.PREFIX, live.PREFIX, timecode.PREFIX)


def read(text: str, trust: TrustBundle | None, zone: str) -> Credential | TimeCode | Rejected:
    """Read and verify a QR text. `zone`: the station's."""
    if text.startswith(timecode.PREFIX):
        return timecode.read_text(text, trust, zone)
    return credential.parse(text, trust)


def is_signed(text: str, trust: TrustBundle | None, zone: str) -> bool:
    """Say whether somebody's key stands behind a text; what the readers validate soft-decoded text with."""
    return not isinstance(read(text, trust, zone), Rejected)


def identity(text: str, verdict: Credential | TimeCode | Rejected, now: Instant, *, used_up: bool) -> str:
    """Return what stays the same while one thing is held up, though the phone draws its code anew every 10 s.

    A live code that is too old or used up counts for itself: when the page is refreshed, that is a new presentation.
    Without the time nobody can say that one is too old.
    """
    if not isinstance(verdict, Credential) or verdict.live is None:
        return text
    if verdict.live.nonce is not None:
        return f"live {verdict.cti.hex()} {verdict.live.nonce.hex()}"
    old = now.state is not ClockState.LOST and live.not_fresh(verdict.live, frozenset(), now) is not None
    return text if used_up or old else f"live {verdict.cti.hex()}"
