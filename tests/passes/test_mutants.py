"""Every smallest change of the published texts is refused: a sample here, all of them in the bench."""

from __future__ import annotations

import random

import pytest

from station.core import base45, cose, scan
from station.core.reasons import Reason
from tests.passes import office, plain_dcc, reading, strictness
from tests.passes.mutants import CHARACTERS, Tally, edited, flipped_bits, tally

FILES = {name: reading.load(name) for name in ("ep1", "el1", "et1")}
SHORTEST = {name: min(strictness.texts(name), key=len) for name in FILES}


def judged(name: str, texts) -> Tally:
    """Read texts with the keys of a file of vectors."""
    return tally(texts, reading.trust_of(FILES[name]), FILES[name]["zone"])


@pytest.mark.parametrize("name", FILES)
def test_no_flipped_bit_is_accepted(name):
    """All single-bit changes of the bytes are refused with a reason, and nothing else is ever raised."""
    text = SHORTEST[name]
    result = judged(name, (text[:4] + base45.encode(raw) for raw in flipped_bits(base45.decode(text[4:]))))
    assert not result.wrong
    assert result.tried == 8 * len(base45.decode(text[4:]))


@pytest.mark.parametrize("name", FILES)
def test_no_edited_character_is_accepted(name):
    """Substituted, deleted, inserted and transposed characters are refused: one in fifteen of all such edits."""
    changed = list(edited(SHORTEST[name]))
    result = judged(name, random.Random(3).sample(changed, len(changed) // 15))
    assert not result.wrong
    assert result.tried > 1000


@pytest.mark.parametrize("name", FILES)
def test_the_unchanged_text_is_accepted(name):
    """The texts that are changed are good ones: the reader accepts each as it is."""
    for text in strictness.texts(name):
        assert judged(name, [text]).accepted == 1


def test_every_edit_is_made():
    """All substitutions, deletions, insertions and transpositions of a short text are among the edits, and no more."""
    text, some = "AB", "ABx"
    found = set(edited(text, some))
    assert found == {
        *("BB", "xB", "AA", "Ax"),  # substituted
        *("A", "B"),  # deleted
        *("AAB", "BAB", "xAB", "ABB", "AxB", "ABA", "ABx"),  # inserted
        "BA",  # transposed
    }
    assert text not in edited(text, some)


def test_every_bit_is_flipped_once():
    """As many changed bytes as there are bits, all different, each one bit away."""
    changed = list(flipped_bits(b"\x00\xff"))
    assert len(set(changed)) == 16
    assert all((int.from_bytes(one, "big") ^ 0x00FF).bit_count() == 1 for one in changed)


def test_the_characters_are_all_of_base45_and_others():
    """Edits use the whole alphabet, and characters that only look like it."""
    assert set(CHARACTERS) > set(base45.ALPHABET)
    assert len(set(CHARACTERS)) == len(CHARACTERS)


def test_a_lenient_reader_would_be_seen():
    """A verifier in the manner of the EU DCC takes some changed texts; the tally counts them as wrong."""
    keys = {office.PASSES.kid: office.PASSES.private.public_key()}
    text = plain_dcc.text_of(office.pass_raw())
    assert plain_dcc.verify(text, keys)
    result = Tally()
    for raw in flipped_bits(base45.decode(text[4:])):
        result.note(
            plain_dcc.PREFIX + base45.encode(raw),
            lambda one: plain_dcc.verify(one, keys) or scan.read("", None, office.ZONE),
        )
    assert 0 < result.wrongs < 50
    assert result.wrong[0].startswith("accepted")


def test_a_reader_that_raises_would_be_seen(monkeypatch):
    """An error other than the typed refusal is counted as wrong, with the text that caused it."""
    trust = office.trust()
    monkeypatch.setattr(cose, "decode_strict", lambda _: {}["missing"])
    result = tally([SHORTEST["ep1"]], trust, office.ZONE)
    assert result.wrongs == 1
    assert result.wrong[0].startswith("KeyError")
    assert Reason.PASS_MALFORMED not in result.reasons
