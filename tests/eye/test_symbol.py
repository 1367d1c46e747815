"""Structure of symbols, compared with what segno draws."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.decoder.eye.segments import parse
from drivers.decoder.eye.symbol import blocks, format_words, mask_pattern, structure, with_version
from tests.eye.pictures import modules


@pytest.mark.parametrize("version", range(1, 41))
def test_function_patterns_are_where_segno_draws_them(version):
    """Every known module of every version, version information included."""
    drawn, _ = modules("1", version=version)
    known = with_version(version)
    certain = (known == 0) | (known == 1)
    assert (drawn[certain] == known[certain]).all()


@pytest.mark.parametrize("level", "LMQH")
@pytest.mark.parametrize("version", [1, 2, 6, 7, 10, 14, 21, 27, 40])
def test_a_drawn_symbol_is_read_back(version, level):
    """Format information, masks, order of data and interleaving together give the text back."""
    drawn, _ = modules("0123456789", level, version)
    model = structure(version)
    words = {int("".join(str(drawn[place]) for place in copy), 2) for copy in model.formats}
    assert len(words) == 1
    found = {(name, mask) for name, mask, word in format_words() if word in words}
    ((name, mask),) = found
    assert name == level
    bits = drawn[model.rows, model.columns] ^ mask_pattern(version, mask)[model.rows, model.columns]
    codewords = np.packbits(bits[: len(bits) // 8 * 8])
    data = b"".join(codewords[plan.places[: -plan.checks]].tobytes() for plan in blocks(version, level))
    assert parse(data, version).text == "0123456789"


def test_blocks_use_each_codeword_once():
    """Interleaving is a permutation of the symbol's codewords."""
    for version in range(1, 41):
        for level in "LMQH":
            places = np.concatenate([plan.places for plan in blocks(version, level)])
            assert sorted(places) == list(range(len(places)))


def test_shared_arrays_cannot_be_changed():
    """A slip in one place must not change the structure for all."""
    with pytest.raises(ValueError, match="read-only"):
        structure(3).known[0, 0] = 0
