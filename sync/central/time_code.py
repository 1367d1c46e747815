"""Time codes for guards: the time, signed for the number that a station with a lost clock shows (`ET1:`)."""

from __future__ import annotations

import re
from pathlib import Path

import segno

from station.core import base45, cose, timecode
from station.core.documents import TrustBundle
from station.core.model import Rejected
from sync.central.cards import SCREEN_LEVEL
from sync.central.issuer import DocumentError
from sync.central.keyfiles import SigningKey

_DIGITS = re.compile(r"[0-9a-f]{16}")
_LINK = "#n="


def read_number(text: str) -> bytes:
    """Return the number (8 bytes) from its 16 hexadecimal digits, in groups or not, or from the link in its QR code.

    Raises DocumentError.
    """
    digits = "".join(text.rpartition(_LINK)[2].split()).lower()
    if not _DIGITS.fullmatch(digits):
        raise DocumentError(f"--number {text}: the number on the gate's screen has 16 digits, 0 to 9 and a to f")
    return bytes.fromhex(digits)


def write(key: SigningKey, number: bytes, now_s: int) -> str:
    """Return the text of a time code. `now_s`: Unix seconds."""
    return timecode.PREFIX + base45.encode(cose.sign1(timecode.payload(now_s, number), key.kid, key.private))


def check(text: str, trust: TrustBundle, zone: str) -> None:
    """Refuse to hand out a code that stations of `zone` (or a prefix of it) would refuse. Raises DocumentError."""
    if isinstance(verdict := timecode.read_text(text, trust, zone), Rejected):
        raise DocumentError(f"stations would refuse this code: {verdict.detail}; sign the trust bundle: keys trust")


def picture(text: str, path: Path) -> None:
    """Write the code as a PNG to be held before the camera."""
    path.parent.mkdir(parents=True, exist_ok=True)
    segno.make_qr(text, error=SCREEN_LEVEL, boost_error=False).save(str(path), kind="png", scale=8, border=4)
