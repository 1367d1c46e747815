"""Changes of the status list: exact, small, and never trusted beyond the hash of what comes out."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose
from station.core.model import Status
from station.core.status import (
    CHUNK_BYTES,
    ENTRIES_PER_CHUNK,
    PREFIX_BYTES,
    ChunkDelta,
    difference,
    read_deltas,
    write_deltas,
    write_entry,
)

entries = st.dictionaries(st.integers(0, ENTRIES_PER_CHUNK - 1), st.sampled_from(Status), max_size=30)
EMPTY = bytes(CHUNK_BYTES)


def chunk(statuses: dict[int, Status], before: bytes = EMPTY) -> bytes:
    """Return a chunk with these statuses, all others as before."""
    made = bytearray(before)
    for index, status in statuses.items():
        write_entry(made, index, status)
    return bytes(made)


def prefix(content: bytes) -> bytes:
    """Return the beginning of a chunk's hash, by which deltas name it."""
    return hashlib.sha256(content).digest()[:PREFIX_BYTES]


@settings(deadline=None, max_examples=60)
@given(entries, entries)
def test_the_difference_leads_from_one_to_the_other_and_back(first, second):
    """Applied to the base the delta gives exactly the target; the reverse delta gives the base."""
    before, after = chunk(first), chunk(second)
    there, back = difference(before, after), difference(after, before)
    assert there.apply(before) == after
    assert back.apply(after) == before
    assert (there.base, there.target) == (prefix(before), prefix(after)) == (back.target, back.base)


@settings(deadline=None, max_examples=60)
@given(entries, entries)
def test_only_what_changed_is_told(first, second):
    """A delta names each entry that differs once, in order, with what it is now; an entry that is the same never."""
    before, after = chunk(first), chunk(second)
    told = difference(before, after).changes
    now, then = {**dict.fromkeys(first, Status.OK), **second}, {**dict.fromkeys(second, Status.OK), **first}
    assert told == tuple((index, now[index]) for index in sorted(now) if now[index] is not then[index])


def test_the_first_and_the_last_entry_can_change():
    """Indexes are sixteen bits wide, which is just as many as a chunk has entries."""
    after = chunk({0: Status.REFER, ENTRIES_PER_CHUNK - 1: Status.REVOKED})
    (read,) = read_deltas(write_deltas([difference(EMPTY, after)]))
    assert read.apply(EMPTY) == after


deltas = st.lists(
    st.builds(
        ChunkDelta,
        st.binary(min_size=PREFIX_BYTES, max_size=PREFIX_BYTES),
        st.binary(min_size=PREFIX_BYTES, max_size=PREFIX_BYTES),
        st.lists(st.tuples(st.integers(0, ENTRIES_PER_CHUNK - 1), st.sampled_from(Status)), max_size=9).map(tuple),
    ),
    max_size=5,
)


@given(deltas)
def test_what_is_written_is_read(made):
    """Whatever deltas are written, the same are read, in order."""
    assert read_deltas(write_deltas(made)) == tuple(made)


def test_a_thousand_changes_are_small():
    """1,000 changes in one chunk ship in 2.3 kB, an eighth of the chunk itself."""
    draw = random.Random(7)
    after = chunk({index: draw.choice(list(Status)[1:]) for index in draw.sample(range(ENTRIES_PER_CHUNK), 1000)})
    assert len(write_deltas([difference(EMPTY, after)])) <= 2300


def test_applied_to_another_base_it_is_not_the_target():
    """Applied to the wrong chunk the result has another hash than the one named: the reader can tell."""
    other = chunk({9: Status.REFER})
    delta = difference(EMPTY, chunk({5: Status.REVOKED}))
    assert prefix(delta.apply(other)) != delta.target
    assert prefix(delta.apply(EMPTY)) == delta.target


BASE, TARGET = bytes(8), bytes([1]) * 8


@pytest.mark.parametrize(
    "value",
    [
        {},
        "deltas",
        [7],
        [[BASE, TARGET, b""]],
        [[BASE, TARGET, b"", b"", b""]],
        [[BASE[:7], TARGET, b"", b""]],
        [[BASE, TARGET + b"\x00", b"", b""]],
        [[BASE.hex(), TARGET, b"", b""]],
        [[BASE, TARGET, b"\x00", b"\x00"]],
        [[BASE, TARGET, b"\x00\x01", b""]],
        [[BASE, TARGET, b"\x00\x01", b"\x01\x01"]],
        [[BASE, TARGET, b"", b"\x00"]],
        [[BASE, TARGET, [1], b"\x01"]],
    ],
)
def test_each_wrong_shape_raises_a_value_error(value):
    """What is not exactly base, target, indexes and as many statuses is no delta."""
    with pytest.raises(ValueError, match=r"delta|list|bytes"):
        read_deltas(cose.encode(value))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 10_000))
def test_damage_raises_nothing_but_a_value_error(rubbish, at):
    """Random bytes, and a message with one byte changed, are read or refused; what is read applies to a chunk."""
    good = bytearray(write_deltas([difference(EMPTY, chunk({5: Status.REVOKED, 77: Status.REFER}))]))
    good[at % len(good)] ^= 1 + at % 255
    for raw in (rubbish, bytes(good)):
        try:
            found = read_deltas(raw)
        except ValueError:
            continue
        assert all(len(delta.apply(EMPTY)) == CHUNK_BYTES for delta in found)
