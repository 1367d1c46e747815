"""Reed-Solomon codes with errors and erasures."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.decoder.eye.galois import LOGS, POWERS, correct, syndromes


def encode(data, checks):
    """Append check symbols the slow way, by polynomial division: independent of the code under test."""

    def times(a, b):
        product = 0
        while b:
            product ^= a * (b & 1)
            a = a << 1 ^ (0x11D if a & 0x80 else 0)
            b >>= 1
        return product

    generator, root = [1], 1
    for _ in range(checks):
        generator = [a ^ times(b, root) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
        root = times(root, 2)
    remainder = [*data, *[0] * checks]
    for place in range(len(data)):
        factor = remainder[place]
        for offset, coefficient in enumerate(generator):
            remainder[place + offset] ^= times(coefficient, factor)
    return np.array([*data, *remainder[len(data) :]], np.int64)


@st.composite
def received(draw, extra=0):
    """A block, its corrupted form, its checks and the erased places: `extra` errors beyond capacity."""
    checks = draw(st.integers(2, 30))
    data = draw(st.lists(st.integers(0, 255), min_size=extra + checks + 1, max_size=120))
    sent = encode(data, checks)
    erasures = draw(st.integers(0, checks))
    errors = (checks - erasures) // 2 + extra
    places = draw(st.permutations(range(len(sent))))[: erasures + errors]
    corrupted = sent.copy()
    for place in places:
        corrupted[place] ^= draw(st.integers(1, 255))
    return sent, corrupted, checks, places[:erasures]


def test_tables_are_inverse_and_complete():
    """Powers of alpha run through all non-zero elements, and logarithms undo them."""
    assert sorted(POWERS[:255]) == list(range(1, 256))
    assert all(LOGS[POWERS[exponent]] == exponent for exponent in range(255))


@given(received())
@settings(max_examples=150, deadline=None)
def test_up_to_capacity_everything_is_corrected(block):
    """Any mixture of erasures e and errors t with e + 2 t up to the check symbols is corrected exactly."""
    sent, corrupted, checks, erasures = block
    found = correct(corrupted, checks, erasures)
    assert found is not None
    assert (found.codewords == sent).all()
    assert found.spare >= 0


@given(received(extra=2))
@settings(max_examples=100, deadline=None)
def test_beyond_capacity_nothing_half_corrected_is_returned(block):
    """What is returned is always a code word; beyond capacity mostly nothing is."""
    _, corrupted, checks, erasures = block
    found = correct(corrupted, checks, erasures)
    assert found is None or (found.spare >= 0 and not any(syndromes(found.codewords, checks)))


def test_a_clean_block_costs_no_check_symbols():
    """Without errors all check symbols are spare."""
    sent = encode(range(20), 10)
    found = correct(sent, 10)
    assert found is not None
    assert (found.errors, found.erasures, found.spare) == (0, 0, 10)


def test_more_erasures_than_checks_are_refused():
    """Nobody can restore eleven symbols from ten."""
    corrupted = encode(range(20), 10)
    corrupted[:11] ^= 1
    assert correct(corrupted, 10, list(range(11))) is None
