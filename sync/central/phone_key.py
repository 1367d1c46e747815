"""What passes between office and phone: the phone's key to the office, the pass back as a link."""

from __future__ import annotations

import re
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec

from station.core import base45

KEY_PREFIX = "EK1:"
_DIGITS = re.compile(r"[0-9a-f]{66}")


class PhoneKeyError(ValueError):
    """The text is no phone's key. The message says what is wrong and what to do."""


def read_phone_key(text: str) -> bytes:
    """Return a phone's public key (compressed P-256, 33 bytes) from what the phone page shows. Raises PhoneKeyError.

    `text`: 66 hexadecimal digits, spaces and line breaks do not matter; or the QR code's text, EK1: and Base45.
    """
    if text.startswith(KEY_PREFIX):
        try:
            key = base45.decode(text[len(KEY_PREFIX) :].rstrip())
        except base45.Base45Error as error:
            raise PhoneKeyError(f"the phone's key is damaged ({error}); scan its code again") from error
    else:
        digits = "".join(text.split()).lower()
        if not _DIGITS.fullmatch(digits):
            raise PhoneKeyError(
                "a phone's key is 66 hexadecimal digits or a text that begins with EK1:; "
                "copy it from the phone page, under Your phone's key"
            )
        key = bytes.fromhex(digits)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError as error:
        raise PhoneKeyError("this is no P-256 key; a digit may be wrong, copy it again from the phone page") from error
    if len(key) != 33:  # noqa: PLR2004 - SEC 1, 2.3.3: 02 or 03, then x
        raise PhoneKeyError("the key is not compressed; copy it from the phone page")
    return key


def pass_link(address: str, text: str) -> str:
    """Return the link that brings a pass to the phone. `address`: of the phone page; `text`: of the pass (EP1:...)."""
    return f"{address.partition('#')[0]}#p={quote(text, safe='')}"
