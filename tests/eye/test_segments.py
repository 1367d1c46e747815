"""Bit streams of QR codes: every mode, and what no encoder writes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.decoder.eye.segments import ALPHANUMERIC, SegmentError, SegmentProblem, StructuredAppend, parse


def stream(*fields, length=40, pads=(0xEC, 0x11)):
    """Pack (value, bits) fields and a terminator into `length` bytes with the standard's padding."""
    bits = "".join(f"{value:0{count}b}" for value, count in fields)
    bits = bits[: 8 * length] if len(bits) >= 8 * length else bits + "0000"
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")[:length]
    return data + bytes(pads[number % 2] for number in range(length - len(data)))


def text_fields(text):
    """Byte mode for a version below 10."""
    raw = text if isinstance(text, bytes) else text.encode()
    return [(4, 4), (len(raw), 8), *((value, 8) for value in raw)]


@given(st.integers(0, 10**30))
def test_digits(number):
    """Numeric segments keep leading zeros and every remainder of three."""
    digits = f"00{number}"
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    fields = [(1, 4), (len(digits), 10), *((int(group), 3 * len(group) + 1) for group in groups)]
    assert parse(stream(*fields), 5).text == digits


@given(st.text(ALPHANUMERIC, min_size=1, max_size=40))
def test_letters(text):
    """Alphanumeric segments, odd and even."""
    pairs = [text[at : at + 2] for at in range(0, len(text), 2)]
    fields = [(2, 4), (len(text), 9)]
    for pair in pairs:
        value = 0
        for letter in pair:
            value = 45 * value + ALPHANUMERIC.index(letter)
        fields.append((value, 5 * len(pair) + 1))
    assert parse(stream(*fields), 9).text == text


@pytest.mark.parametrize(("version", "bits"), [(9, 8), (10, 16), (26, 16), (27, 16)])
def test_character_counts_grow_with_the_version(version, bits):
    """The same bytes are read at both sides of every limit of table 3."""
    assert parse(stream((4, 4), (2, bits), (ord("h"), 8), (ord("i"), 8)), version).raw == b"hi"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (text_fields("é"), "é"),
        (text_fields("点".encode("shift_jis")), "点"),
        (text_fields(b"\xff\x00"), "ÿ\x00"),
        ([(7, 4), (26, 8), *text_fields("水")], "水"),
        ([(7, 4), (5, 8), *text_fields(b"\xa3")], "£"),
        ([(7, 4), (0b10, 2), (899, 14), *text_fields("x")], "x"),
        ([(7, 4), (0b110, 3), (70000, 21), *text_fields("y")], "y"),
        ([(8, 4), (2, 8), (0xD9F, 13), (0x1AAA, 13)], "点茗"),
        ([(5, 4), (2, 4), (3, 9), (10 * 45 + 38, 11), (11, 6)], "A\x1dB"),
    ],
)
def test_texts_and_their_character_sets(fields, text):
    """UTF-8, Shift JIS, Latin-1 with NUL, ECI of one to three bytes, kanji (example of 7.4.6) and FNC1."""
    assert parse(stream(*fields), 5).text == text


def test_structured_append_is_told():
    """Index, total and parity come with the text."""
    content = parse(stream((3, 4), (1, 4), (3, 4), (0x5A, 8), *text_fields("part")), 5)
    assert content.append == StructuredAppend(1, 4, 0x5A)
    assert content.text == "part"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (stream((4, 4), (200, 8)), SegmentProblem.TRUNCATED),
        (stream((6, 4)), SegmentProblem.UNKNOWN_MODE),
        (stream((1, 4), (3, 10), (1000, 10)), SegmentProblem.BAD_VALUE),
        (stream((2, 4), (2, 9), (2025, 11)), SegmentProblem.BAD_VALUE),
        (stream((8, 4), (1, 8), (0x1FFF, 13)), SegmentProblem.BAD_VALUE),
        (stream((7, 4), (0xFF, 8)), SegmentProblem.BAD_ECI),
        (stream(*text_fields("a"), pads=(0x11, 0xEC)), SegmentProblem.BAD_PADDING),
        (stream(*text_fields("a"))[:-1] + b"\x00", SegmentProblem.BAD_PADDING),
    ],
)
def test_what_no_encoder_writes_is_refused(data, problem):
    """Each broken rule is named."""
    with pytest.raises(SegmentError) as caught:
        parse(data, 5)
    assert caught.value.problem is problem


def test_segno_s_extra_byte_of_zeros_is_allowed():
    """Our writer segno pads a stream that ends with a byte by one more byte: our own passes are written so."""
    assert parse(bytes([0x40, 0x26, 0x8E, 0x90, 0x00, 0xEC, 0x11]), 1).raw == b"h\xe9"


@given(st.binary(min_size=1, max_size=200), st.integers(1, 40))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(data, version):
    """Nothing but SegmentError leaves the parser."""
    with contextlib.suppress(SegmentError):
        assert isinstance(parse(data, version).text, str)
