"""The quick way through a COSE_Sign1 and the one by decoding it agree on everything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose
from tests.passes import office
from tests.passes.mutants import flipped_bits
from tests.passes.strategies import strange_bytes

SIGNED = {"a pass": office.pass_raw(), "a live pass": office.pass_raw(office.PHONE), "a time code": office.time_raw()}
SIZES = (0, 1, 22, 23, 24, 25, 255, 256, 257, 65_534, 65_535)


def decoded(raw: bytes) -> cose.Signed | None:
    """Return what decoding gives; None where the bytes are refused."""
    try:
        return cose._decoded_sign1(raw)
    except cose.CoseError:
        return None


@pytest.mark.parametrize("name", SIGNED)
def test_changed_bits_are_judged_alike(name):
    """For every flipped bit both ways say the same: what is in it, or that it is no COSE_Sign1."""
    quick = [cose._taken_apart(raw) for raw in flipped_bits(SIGNED[name])]
    assert quick == [decoded(raw) for raw in flipped_bits(SIGNED[name])]
    assert None in quick
    assert any(quick)


@pytest.mark.parametrize("name", SIGNED)
def test_shortened_bytes_are_judged_alike(name):
    """No beginning and no end of good bytes is taken by either way."""
    raw = SIGNED[name]
    for place in range(1, len(raw)):
        for part in (raw[:place], raw[place:]):
            assert cose._taken_apart(part) is None
            assert decoded(part) is None


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(SIGNED)), st.integers(0, 300), st.integers(0, 4), st.binary(max_size=4))
def test_exchanged_bytes_are_judged_alike(name, place, removed, put):
    """Whatever bytes are taken out and put in, both ways say the same."""
    raw = SIGNED[name]
    changed = raw[:place] + put + raw[place + removed :]
    assert cose._taken_apart(changed) == decoded(changed)


@settings(max_examples=200, deadline=None)
@given(strange_bytes, st.binary(max_size=8))
def test_strange_content_is_judged_alike(content, kid):
    """Any content under any key id is taken apart alike: what is inside is judged afterwards."""
    raw = office.sign1(content, protected={cose.ALG: cose.EDDSA, cose.KID: kid})
    assert cose._taken_apart(raw) == decoded(raw)


@pytest.mark.parametrize("size", SIZES)
def test_every_length_of_content_is_taken(size):
    """At each edge of CBOR's length encodings the quick way finds the content, and what was signed over it."""
    raw = office.sign1(bytes(size))
    signed = cose._taken_apart(raw)
    assert signed == decoded(raw)
    assert signed is not None
    assert signed.payload == bytes(size)
    assert signed.signatures[0].good(office.PASSES.private.public_key())


def test_long_content_is_left_to_the_decoder():
    """From 64 KiB on the quick way gives up, and the content is read all the same."""
    raw = office.sign1(bytes(65_536))
    assert cose._taken_apart(raw) is None
    assert cose.open_sign1(raw).payload == bytes(65_536)


@pytest.mark.parametrize("head", [b"\x58\x17", b"\x59\x00\x17", b"\x5a\x00\x00\x00\x17", b"\x5f\x57", b"\x77"])
def test_second_encodings_of_a_length_are_not_taken(head):
    """A content whose length is written in more bytes than needed, without end, or as text, is refused by both."""
    raw = office.sign1(bytes(23))
    odd = raw.replace(b"\x57" + bytes(23), head + bytes(23) + (b"\xff" if head[0] == 0x5F else b""))
    assert odd != raw
    assert cose._taken_apart(odd) is None
    assert decoded(odd) is None
