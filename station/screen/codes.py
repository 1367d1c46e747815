"""QR codes the screen shows: the number that phones and guards sign, and visitors' passes. Drawn here, as SVG."""

from __future__ import annotations

import io
from functools import lru_cache

import segno

LEVEL = "M"
"""Error correction of whatever is read from a screen: 15 percent."""
QUIET_ZONE = 4
"""Modules of white around the code (ISO/IEC 18004, 6.3.8)."""
NUMBERS_KEPT = 4


def drawing(text: str) -> str:
    """Return the QR code of a text as SVG without a size of its own; one unit is one module."""
    out = io.BytesIO()
    code = segno.make_qr(text, error=LEVEL, boost_error=False)
    code.save(
        out,
        kind="svg",
        border=QUIET_ZONE,
        xmldecl=False,
        omitsize=True,
        nl=False,
        dark="#000",
        light="#fff",
        svgclass=None,
        lineclass=None,
    )
    return out.getvalue().decode()


def number_text(number: str, live_page: str) -> str:
    """Return what the code of a number says: the phones' pass page with the number, or the bare number without one."""
    return f"{live_page}#n={number}" if live_page else number


@lru_cache(maxsize=NUMBERS_KEPT)
def number_drawing(number: str, live_page: str) -> str:
    """Return the code of a number; every lane of every screen asks for the same one. Passes are never kept so."""
    return drawing(number_text(number, live_page))
