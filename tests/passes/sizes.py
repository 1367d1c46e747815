"""Part of the bench: how large the QR codes are."""

from __future__ import annotations

import segno

from station.core import live, timecode
from station.core.model import Live
from tests.passes import office, plain_dcc
from tests.passes.figures import Bar, Part
from tests.passes.office import written

NONCE = bytes.fromhex("3f2a91c077de0b14")


def version(text: str) -> int:
    """Return the version of the QR code of a text at level M."""
    return int(segno.make(text, error="m", boost_error=False, micro=False).version)


def measure() -> Part:
    """Size of a typical pass, on paper and bound to a phone, and of its live codes."""
    paper, phone = office.pass_raw(), office.pass_raw(office.PHONE)
    shown = office.live_raw(phone)
    answered = office.live_raw(phone, Live(office.NOW, NONCE))
    codes = (
        ("pass on paper", written(paper), 10),
        ("pass bound to a phone", written(phone), 10),
        ("live code", written(shown, live.PREFIX), 12),
        ("live code with a nonce", written(answered, live.PREFIX), 13),
        ("time code", written(office.time_raw(nonce=NONCE), timecode.PREFIX), None),
        ("peer: pass on paper, COSE + zlib + Base45", plain_dcc.text_of(paper), None),
        ("peer: pass bound to a phone, COSE + zlib + Base45", plain_dcc.text_of(phone), None),
    )
    part = Part("Size")
    part.bars = [Bar(f"{name}: version at level M", version(text), most) for name, text, most in codes if most]
    rows = [(name, str(len(text)), f"{version(text)}-M") for name, text, _ in codes]
    part.tables.append((("what", "characters", "QR code"), rows))
    return part
