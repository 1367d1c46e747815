"""What is read without being sorted is what sorting would give: the quick way to tell deterministic CBOR."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cbor
from tests.passes.strategies import values

EDGES = [0, 1, 22, 23, 24, 25, 255, 256, 65_535, 65_536, 2**24, 2**32 - 1, 2**32, 2**48, 2**56, 2**63, 2**64 - 1]
KEYS = [*EDGES, *(-1 - edge for edge in EDGES)]
numbers = st.sampled_from(KEYS) | st.integers(-(2**64), 2**64 - 1)


@settings(max_examples=500, deadline=None)
@given(st.lists(numbers, unique=True, max_size=6))
def test_maps_of_numbers_are_simple_where_they_are_sorted(keys):
    """A map with numbers as keys counts as simple exactly where sorting it changes nothing."""
    table = dict.fromkeys(keys, 0)
    assert cbor._simple(table) == (cbor2.dumps(table) == cbor2.dumps(table, canonical=True))


def test_ranks_are_in_the_order_of_the_encodings():
    """Every edge of every length of encoding has its place: the shorter first, then by the bytes."""
    by_bytes = sorted(KEYS, key=lambda key: (len(cbor2.dumps(key)), cbor2.dumps(key)))
    assert sorted(KEYS, key=cbor._rank) == by_bytes
    assert len({cbor._rank(key) for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("key", [2**64, -(2**64) - 1, 2**70])
def test_big_numbers_have_no_rank(key):
    """Numbers that CBOR writes as tagged bytes are left to sorting."""
    assert cbor._rank(key) == -1
    assert not cbor._simple({key: 0})


@settings(max_examples=500, deadline=None)
@given(values)
def test_simple_values_are_plain_and_sorted(value):
    """What counts as simple is written the same with and without sorting, and holds nothing that is not plain."""
    if cbor._simple(value):
        assert cbor2.dumps(value) == cbor2.dumps(value, canonical=True)
        cbor._plain(value)


@pytest.mark.parametrize(
    "value", [1.0, {1: 0.5}, [float("inf")], {"a": 1}, {True: 1}, {2: 0, 1: 0}, {1: {2: 0, 1: 0}}, cbor2.undefined]
)
def test_what_is_not_simple_is_looked_through(value):
    """Floats, words and truth values as keys, and keys out of order are never simple, at any depth."""
    assert not cbor._simple(value)


@settings(max_examples=500, deadline=None)
@given(values, st.booleans(), st.binary(max_size=2))
def test_only_the_canonical_bytes_are_read(value, canonical, tail):
    """Bytes are read exactly where they are what the canonical encoder writes, whichever way they are looked at."""
    try:
        raw = cbor2.dumps(value, canonical=canonical) + tail
    except (cbor2.CBOREncodeError, ValueError, OverflowError, TypeError):
        return
    try:
        read = cbor.decode_strict(raw)
    except cbor.CoseError:
        return
    assert cbor2.dumps(read, canonical=True) == raw
    cbor._plain(read)
