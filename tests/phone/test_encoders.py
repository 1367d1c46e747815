"""The phone's Base45 and CBOR, in a real Chromium, against the station's."""

from __future__ import annotations

import random

import cbor2
import pytest

from station.core import base45
from tests.browser import needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium]


def test_base45_agrees_with_the_station(phone):
    """Random bytes of every length give the station's text and come back; what the station refuses is refused."""
    random_bytes = random.Random(45).randbytes
    samples = [random_bytes(length) for length in range(64)] + [b"\0\0\0", b"\xff\xff\xff"]
    wrong = ["A", "GGX", "::", "ab", "AAAA", "ÄA", ":::"]
    texts, back, accepted = phone.page.evaluate(
        """async ([samples, wrong]) => {
          const { encode, decode } = await import("./base45.js");
          const texts = samples.map((bytes) => encode(Uint8Array.from(bytes)));
          const accepts = (text) => { try { decode(text); return true; } catch { return false; } };
          return [texts, texts.map((text) => Array.from(decode(text))), wrong.filter(accepts)];
        }""",
        [[list(sample) for sample in samples], wrong],
    )
    assert texts == [base45.encode(sample) for sample in samples]
    assert [bytes(row) for row in back] == samples
    for text in wrong:
        with pytest.raises(base45.Base45Error):
            base45.decode(text)
    assert accepted == []


def test_cbor_agrees_with_the_station(phone):
    """Numbers of every length are encoded as the station encodes them; loose encodings are refused."""
    numbers = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1, -1, -24, -25, -65537]
    loose = [
        "1800",
        "190017",
        "1a0000ffff",
        "1b00000000ffffffff",
        "9fff",
        "5f40ff",
        "0000",
        "8201",
        "a201010101",
        "f4f5",
        "f97e00",
        "61ff",
    ]
    encoded, back, accepted = phone.page.evaluate(
        """async ([numbers, loose]) => {
          const { encode, decode } = await import("./cbor.js");
          const { hex, unhex } = await import("./live.js");
          const accepts = (text) => { try { decode(unhex(text)); return true; } catch { return false; } };
          const encoded = numbers.map((number) => hex(encode(["通行", Uint8Array.of(1, 2), number])));
          return [encoded, encoded.map((text) => decode(unhex(text))[2]), loose.filter(accepts)];
        }""",
        [numbers, loose],
    )
    assert encoded == [cbor2.dumps(["通行", b"\1\2", number], canonical=True).hex() for number in numbers]
    assert back == numbers
    assert accepted == []
