"""The one-time code: what is typed is what was written, and a mistake is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import enrolment_code
from sync.enrolment_code import Code, CodeError

CODES = st.builds(
    Code,
    secret=st.binary(min_size=16, max_size=16),
    authority=st.binary(min_size=16, max_size=16),
    roots=st.binary(min_size=16, max_size=16),
    made_s=st.integers(0, 2**32 - 1),
)
CODE = Code(bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)), 1_790_000_000)


@given(CODES)
def test_a_code_is_read_as_it_was_written(code: Code) -> None:
    """Every code survives, also in small letters, with spaces, and with O, I, L for 0 and 1."""
    text = enrolment_code.write(code)
    assert enrolment_code.read(text) == code
    typed = "  ".join(text.split("-")[1:]).lower().replace("0", "o").replace("1", "l")
    assert enrolment_code.read(f"en1 {typed}\n") == code


@given(CODES, st.integers(0, 87), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_a_wrong_character_is_seen(code: Code, place: int, letter: str) -> None:
    """No code with one character changed is taken for another code."""
    letters = list(enrolment_code.write(code).replace("-", ""))
    if letters[3 + place] != letter:
        letters[3 + place] = letter
        with pytest.raises(CodeError, match="a character of the code is wrong"):
            enrolment_code.read("".join(letters))


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("", "it begins with EN1"),
        ("https://example.org", "it begins with EN1"),
        ("EN1-0000", "4 characters follow"),
        (enrolment_code.write(CODE) + "0", "89 characters follow"),
        ("EN1-UUUU", "has no U"),
        ("EN1-" + "0" * 88, "a character of the code is wrong"),
    ],
)
def test_what_is_no_code_is_said_so(text: str, say: str) -> None:
    """The message tells what is wrong with it."""
    with pytest.raises(CodeError, match=say):
        enrolment_code.read(text)


def test_anything_can_be_typed() -> None:
    """Bad input of any alphabet is refused, never a crash."""

    @given(st.text(max_size=200))
    def check(text: str) -> None:
        with pytest.raises(CodeError):
            enrolment_code.read("EN1" + text)

    check()
