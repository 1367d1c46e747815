"""The office reads a phone's key however it arrives, and refuses everything else with words that help."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.core import base45
from sync.central.phone_key import PhoneKeyError, pass_link, read_phone_key

PUBLIC = ec.derive_private_key(7, ec.SECP256R1()).public_key()
KEY = PUBLIC.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
LONG = PUBLIC.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.mark.parametrize(
    "text",
    [KEY.hex(), KEY.hex().upper(), f" {KEY.hex()[:30]}\n{KEY.hex()[30:]} ", "EK1:" + base45.encode(KEY) + "\n"],
    ids=["digits", "capitals", "broken", "code"],
)
def test_a_key_is_read_as_the_page_shows_it(text):
    """As digits, also broken by a messenger, and as the text of the code."""
    assert read_phone_key(text) == KEY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "66 hexadecimal digits"),
        (KEY.hex()[:-1], "66 hexadecimal digits"),
        ("EP1:ABC", "66 hexadecimal digits"),
        ("EK1:" + base45.encode(KEY)[:-1] + "a", "scan its code again"),
        ("EK1:" + base45.encode(b"\x02" + b"\xff" * 32), "no P-256 key"),
        ("05" + KEY.hex()[2:], "no P-256 key"),
        ("EK1:" + base45.encode(LONG), "not compressed"),
        ("EK1:", "no P-256 key"),
    ],
    ids=["nothing", "short", "pass", "wrong-letter", "no-point", "wrong-sign", "long", "empty"],
)
def test_what_is_no_key_is_refused(text, said):
    """Each kind of wrong text is named, with what to do."""
    with pytest.raises(PhoneKeyError, match=said):
        read_phone_key(text)


def test_a_link_carries_the_pass_whole():
    """Every character that Base45 has and a link has not is encoded; an old fragment is dropped."""
    made = pass_link("https://pass.example.org/#old", "EP1:A %+/:$*-.")
    assert made == "https://pass.example.org/#p=EP1%3AA%20%25%2B%2F%3A%24%2A-."
