"""Base45: the RFC's own examples, and the one-text-for-each-bytes promise."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core import base45

RFC_9285 = {b"AB": "BB8", b"Hello!!": "%69 VD92EX0", b"base-45": "UJCLQE7W581", b"ietf!": "QED8WEX0"}


@pytest.mark.parametrize(("data", "text"), RFC_9285.items())
def test_the_examples_of_the_rfc(data, text):
    """RFC 9285 sections 4.3 and 4.4 are met in both directions."""
    assert base45.encode(data) == text
    assert base45.decode(text) == data


@given(st.binary(max_size=300))
def test_bytes_come_back(data):
    """Whatever is encoded is decoded to the same bytes."""
    assert base45.decode(base45.encode(data)) == data


@given(st.text(st.sampled_from(base45.ALPHABET), max_size=60))
def test_what_is_accepted_is_the_only_text_for_its_bytes(text):
    """A text is either refused or exactly what the encoder writes: no two texts mean the same bytes."""
    try:
        data = base45.decode(text)
    except base45.Base45Error:
        return
    assert base45.encode(data) == text


@given(st.text(max_size=40))
def test_any_text_is_decoded_or_refused(text):
    """Nothing but Base45Error ever comes out of a text."""
    with contextlib.suppress(base45.Base45Error):
        assert isinstance(base45.decode(text), bytes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A", "one is left over"),
        ("BB8A", "one is left over"),
        ("bb8", "'b' is not a Base45 character"),
        ("BB8 \n", "is not a Base45 character"),
        ("GGW", "the group at 0 exceeds two bytes"),
        ("BB8:::", "the group at 3 exceeds two bytes"),
        ("::", "the last group exceeds one byte"),
        ("U5", None),
        ("V5", "the last group exceeds one byte"),
        ("FGW", None),
    ],
)
def test_each_way_of_being_wrong_is_named(text, says):
    """Length, alphabet and overflow are refused with words; the largest group and the largest last group pass."""
    if says is None:
        assert base45.decode(text)
        return
    with pytest.raises(base45.Base45Error, match=says):
        base45.decode(text)
