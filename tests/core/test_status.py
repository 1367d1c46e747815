"""The status list: exact, reversible, and never "ok" where it does not know."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.documents import DocumentType
from station.core.model import Rejected, Status
from station.core.reasons import Reason
from station.core.status import (
    CHUNK_BYTES,
    ENTRIES_PER_CHUNK,
    StatusManifest,
    gather,
    read_entry,
    read_manifest,
    write_entry,
)
from tests.core.issuing import PASSES, STRANGER, VISITORS, envelope, statuses


def manifest(*rows: object, **fields: object) -> StatusManifest | Rejected:
    """Read a manifest with these issuers."""
    return read_manifest(envelope(DocumentType.STATUS, {"issuers": list(rows), **fields}))


def good(*rows: object) -> StatusManifest:
    """Read a manifest that must be good."""
    verdict = manifest(*rows)
    assert isinstance(verdict, StatusManifest)
    return verdict


def digest(chunk: bytes) -> bytes:
    """Return a chunk's name."""
    return hashlib.sha256(chunk).digest()


@given(st.dictionaries(st.integers(0, ENTRIES_PER_CHUNK - 1), st.sampled_from(Status), max_size=40))
def test_what_is_written_is_read_and_nothing_else_moves(entries):
    """Each entry reads back as written, its neighbours stay as they were, and setting back restores the bytes."""
    chunk = bytearray(CHUNK_BYTES)
    for index, status in entries.items():
        write_entry(chunk, index, status)
    for index in {i + step for i in entries for step in (-1, 0, 1)} & set(range(ENTRIES_PER_CHUNK)):
        assert read_entry(bytes(chunk), index) is entries.get(index, Status.OK)
    for index in entries:
        write_entry(chunk, index, Status.OK)
    assert bytes(chunk) == bytes(CHUNK_BYTES)


def test_entry_0_is_the_lowest_two_bits():
    """The order of bits is the documented one."""
    assert [read_entry(b"\xe4", index) for index in range(4)] == [
        Status.OK,
        Status.REVOKED,
        Status.HOME_QUARANTINE,
        Status.REFER,
    ]


def test_lookup_knows_or_says_that_it_does_not():
    """An entry is found by issuer and index; another issuer, and an index beyond the end, cannot be decided."""
    held = statuses({5: Status.REVOKED})
    assert held.lookup(PASSES.kid, 5) is Status.REVOKED
    assert held.lookup(PASSES.kid, 6) is Status.OK
    assert held.lookup(PASSES.kid, ENTRIES_PER_CHUNK - 1) is Status.OK
    assert held.lookup(PASSES.kid, ENTRIES_PER_CHUNK) is None
    assert held.lookup(PASSES.kid, -1) is None
    assert held.lookup(STRANGER.kid, 5) is None


def test_the_end_of_the_list_is_the_stated_one():
    """Entries of the last chunk beyond the stated number are not "ok" but unknown."""
    chunk = bytes(CHUNK_BYTES)
    held = gather(good([PASSES.kid, 100, [digest(chunk)]]), [chunk])
    assert held.lookup(PASSES.kid, 99) is Status.OK
    assert held.lookup(PASSES.kid, 100) is None


def test_a_missing_chunk_cannot_be_decided():
    """With one of two chunks at hand, its entries are known and the other's are unknown."""
    first, second = bytearray(CHUNK_BYTES), bytearray(CHUNK_BYTES)
    write_entry(second, 3, Status.HOME_QUARANTINE)
    both = good([PASSES.kid, 2 * ENTRIES_PER_CHUNK, [digest(first), digest(second)]])
    half = gather(both, [bytes(second)])
    assert half.lookup(PASSES.kid, 3) is None
    assert half.lookup(PASSES.kid, ENTRIES_PER_CHUNK + 3) is Status.HOME_QUARANTINE
    assert gather(both, []).lookup(PASSES.kid, 3) is None


def test_chunks_nobody_named_or_of_the_wrong_size_are_left_out():
    """A short chunk under its own true hash, and a chunk of somebody else, are not taken."""
    short, foreign = bytes(10), bytes([1]) * CHUNK_BYTES
    held = gather(good([PASSES.kid, 1, [digest(short)]]), [short, foreign])
    assert held.chunks == {}
    assert held.lookup(PASSES.kid, 0) is None


def test_issuers_have_lists_of_their_own():
    """The same index means different passes under different issuers."""
    clean, dirty = bytes(CHUNK_BYTES), bytearray(CHUNK_BYTES)
    write_entry(dirty, 7, Status.REVOKED)
    rows = [PASSES.kid, 8, [digest(clean)]], [VISITORS.kid, 8, [digest(dirty)]]
    listed = good(*rows)
    assert listed.needed == {digest(clean), digest(dirty)}
    held = gather(listed, [clean, bytes(dirty)])
    assert held.lookup(PASSES.kid, 7) is Status.OK
    assert held.lookup(VISITORS.kid, 7) is Status.REVOKED


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("no row", "issuer is not a list"),
        ([PASSES.kid, 1, [bytes(32)], 0], "issuer is not a list of at most 3"),
        ([PASSES.kid, 1], "not enough values"),
        ([PASSES.kid[:3], 1, [bytes(32)]], "kid is not 4 bytes"),
        ([PASSES.kid, True, [bytes(32)]], "entries is not a whole number"),
        ([PASSES.kid, 2**32 + 1, []], "entries is not a whole number"),
        ([PASSES.kid, 1, [bytes(31)]], "chunk hash is not 32 bytes"),
        ([PASSES.kid, 1, bytes(32)], "chunks is not a list"),
        ([PASSES.kid, 1, []], "0 chunks for 1 entries"),
        ([PASSES.kid, 0, [bytes(32)]], "1 chunks for 0 entries"),
        ([PASSES.kid, ENTRIES_PER_CHUNK + 1, [bytes(32)]], "1 chunks for 65537 entries"),
    ],
)
def test_each_malformed_row_refuses_the_manifest(row, says):
    """Form, lengths and the number of chunks are held to what the manifest states."""
    verdict = manifest(row)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.DOCUMENT_MALFORMED
    assert says in verdict.detail


def test_unknown_fields_refuse_the_manifest():
    """What is not understood is not accepted."""
    verdict = manifest(note=1)
    assert isinstance(verdict, Rejected)
    assert "unknown keys: 'note'" in verdict.detail


def test_withdrawn_keys_are_named_by_their_ids():
    """The manifest may name signing keys that are withdrawn; without the field there are none."""
    verdict = manifest(revoked=[PASSES.kid, VISITORS.kid, PASSES.kid])
    assert isinstance(verdict, StatusManifest)
    assert verdict.revoked == {PASSES.kid, VISITORS.kid}
    assert good().revoked == frozenset()


@pytest.mark.parametrize(
    ("revoked", "says"),
    [
        (None, "revoked is not a list"),
        (PASSES.kid, "revoked is not a list"),
        ([PASSES.kid[:3]], "revoked kid is not 4 bytes"),
        ([PASSES.kid.hex()], "revoked kid is not 4 bytes"),
        ([PASSES.kid] * 1001, "revoked is not a list of at most 1000"),
    ],
)
def test_a_malformed_list_of_withdrawn_keys_refuses_the_manifest(revoked, says):
    """Nobody's key is withdrawn, and nobody's kept, by a list that cannot be read."""
    verdict = manifest(revoked=revoked)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.DOCUMENT_MALFORMED
    assert says in verdict.detail


def test_an_empty_list_has_no_chunks():
    """An issuer without passes is listed with nothing, and every index of it is unknown."""
    held = gather(good([PASSES.kid, 0, []]), [])
    assert held.lookup(PASSES.kid, 0) is None
