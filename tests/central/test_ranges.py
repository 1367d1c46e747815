"""Ranges of held sequence numbers."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.events import GENESIS
from sync.central import ranges
from sync.central.ranges import CrowdedError, ForkError, Range

TOP = 40


def head(seq: int, line: str = "") -> bytes:
    """The chain hash after an event of a made-up stream."""
    return GENESIS if seq == 0 else hashlib.sha256(f"{line}{seq}".encode()).digest()


def piece(first: int, last: int) -> Range:
    """A piece of that stream."""
    return Range(first, last, head(first - 1), head(last))


spans = st.tuples(st.integers(1, TOP), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1]))


@given(st.lists(spans, max_size=25))
def test_merging_pieces_in_any_order_is_set_union(pieces: list[tuple[int, int]]) -> None:
    """Whatever the order and overlap, the ranges hold exactly the union, disjoint, ascending and maximal."""
    held = list[Range]()
    for first, last in pieces:
        held = ranges.merge(held, piece(first, last))
    covered = {seq for r in held for seq in range(r.first, r.last + 1)}
    assert covered == {seq for first, last in pieces for seq in range(first, last + 1)}
    assert all(one.last + 1 < two.first for one, two in pairwise(held))
    assert all(r == piece(r.first, r.last) for r in held), "the hashes at the ends belong to the ends"


def test_a_stream_is_held_in_so_many_pieces_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece that would stand alone beyond the most is refused; one that extends or joins others is always taken."""
    monkeypatch.setattr(ranges, "MOST_RANGES", 2)
    held = ranges.merge(ranges.merge([], piece(1, 2)), piece(5, 6))
    with pytest.raises(CrowdedError):
        ranges.merge(held, piece(9, 10))
    assert ranges.spans(ranges.merge(held, piece(7, 8))) == [(1, 2), (5, 8)]
    assert ranges.spans(ranges.merge(held, piece(3, 4))) == [(1, 6)]
    monkeypatch.setattr(ranges, "MOST_RANGES", 1)
    assert ranges.spans(ranges.merge(held, piece(3, 3))) == [(1, 3), (5, 6)], "held from before there was a most"


@given(st.lists(spans, max_size=10), spans)
def test_missing_is_set_difference(held: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    """What is missing is exactly what no span covers, in maximal gaps."""
    gaps = ranges.missing(held, *wanted)
    found = {seq for first, last in gaps for seq in range(first, last + 1)}
    covered = {seq for first, last in held for seq in range(first, last + 1)}
    assert found == set(range(wanted[0], wanted[1] + 1)) - covered
    assert all(one[1] + 1 < two[0] for one, two in pairwise(gaps))


@pytest.mark.parametrize(
    "stranger",
    [
        Range(11, 12, head(10, "other"), head(12)),
        Range(3, 4, head(2), head(4, "other")),
        Range(5, 7, head(4, "other"), head(7)),
        Range(8, 10, head(7), head(10, "other")),
    ],
    ids=["after", "before", "same-begin", "same-end"],
)
def test_a_seam_with_other_hashes_is_a_fork(stranger: Range) -> None:
    """A range whose hash at a seam differs is refused."""
    with pytest.raises(ForkError):
        ranges.merge([piece(5, 10)], stranger)


def test_the_prefix_begins_at_one_and_at_zero_bytes() -> None:
    """Only the range that starts at 1 on 32 zero bytes is a prefix."""
    assert ranges.prefix([]) == (0, GENESIS)
    assert ranges.prefix([piece(2, 9)]) == (0, GENESIS)
    assert ranges.prefix([Range(1, 9, head(5), head(9))]) == (0, GENESIS)
    assert ranges.prefix([piece(1, 4), piece(6, 9)]) == (4, head(4))
