"""The status list: two bits per pass in chunks of 65,536, under a small signed manifest. Exact, reversible.

Chunks travel whole, or as the changes since one that the station holds (`ChunkDelta`).

A missing issuer, an index beyond the end or a missing chunk is "cannot decide", never "ok".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from station.core import cose, shape
from station.core.digest import sha256
from station.core.documents import FIELDS, Envelope
from station.core.model import Rejected, Status
from station.core.reasons import Reason
from station.core.record import dataclass

ENTRIES_PER_CHUNK = 65_536
CHUNK_BYTES = ENTRIES_PER_CHUNK // 4
_STATUSES = tuple(Status)
"""By their numbers; asking the enumeration takes longer than the rest of a lookup."""


@dataclass(frozen=True, slots=True)
class IssuerList:
    """One issuer's list as the manifest describes it: how many entries, and the SHA-256 of each chunk."""

    entries: int
    chunks: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StatusManifest:
    """Which chunks are in force; the only carrier of freshness."""

    envelope: Envelope
    issuers: Mapping[bytes, IssuerList]
    revoked: frozenset[bytes] = frozenset()
    """Ids of signing keys that are withdrawn."""

    @property
    def needed(self) -> frozenset[bytes]:
        """The hashes of all chunks the manifest names."""
        return frozenset(chunk for issuer in self.issuers.values() for chunk in issuer.chunks)


@dataclass(frozen=True, slots=True)
class StatusList:
    """A manifest with its chunks at hand, by hash."""

    manifest: StatusManifest
    chunks: Mapping[bytes, bytes]

    def lookup(self, kid: bytes, index: int) -> Status | None:
        """Return the status of a pass, or None where it cannot be decided."""
        issuer = self.manifest.issuers.get(kid)
        if issuer is None or not 0 <= index < issuer.entries:
            return None
        chunk = self.chunks.get(issuer.chunks[index // ENTRIES_PER_CHUNK])
        if chunk is None:
            return None
        return read_entry(chunk, index % ENTRIES_PER_CHUNK)


def read_entry(chunk: bytes, index: int) -> Status:
    """Return entry `index` of a chunk: entry 0 is the lowest two bits of the first byte."""
    return _STATUSES[chunk[index >> 2] >> 2 * (index & 3) & 3]


def write_entry(chunk: bytearray, index: int, status: Status) -> None:
    """Set entry `index` of a chunk."""
    shift = 2 * (index & 3)
    chunk[index >> 2] = chunk[index >> 2] & ~(3 << shift) & 0xFF | status << shift


def _issuer_list(row: object) -> tuple[bytes, IssuerList]:
    kid, entries, chunks = shape.sequence(row, "issuer", 3)
    count = shape.integer(entries, "entries", 0, 2**32)
    hashes = tuple(shape.octets(chunk, "chunk hash", 32) for chunk in shape.sequence(chunks, "chunks", 2**16))
    if len(hashes) != -(-count // ENTRIES_PER_CHUNK):
        raise shape.ShapeError(f"{len(hashes)} chunks for {count} entries")
    return shape.octets(kid, "kid", cose.KID_LENGTH), IssuerList(count, hashes)


def read_manifest(envelope: Envelope) -> StatusManifest | Rejected:
    """Read a verified manifest's "issuers": [[kid, entries, [chunk hash, ...]], ...] and "revoked": [kid, ...]."""
    try:
        shape.keys_within(envelope.fields, FIELDS | {"issuers", "revoked"}, "status manifest")
        withdrawn = shape.sequence(envelope.fields.get("revoked", ()), "revoked", 1000)
        revoked = frozenset(shape.octets(kid, "revoked kid", cose.KID_LENGTH) for kid in withdrawn)
        rows = shape.sequence(envelope.fields.get("issuers"), "issuers", 1000)
        issuers = dict(_issuer_list(row) for row in rows)
        if len(issuers) < len(rows):
            return Rejected(Reason.DOCUMENT_MALFORMED, "one issuer has two lists")
        return StatusManifest(envelope, issuers, revoked)
    except ValueError as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))


def gather(manifest: StatusManifest, chunks: Iterable[bytes]) -> StatusList:
    """Join a manifest with those of `chunks` it names; anything else is left out."""
    hashed = {sha256(chunk): chunk for chunk in chunks if len(chunk) == CHUNK_BYTES}
    return StatusList(manifest, {digest: hashed[digest] for digest in manifest.needed if digest in hashed})


# --- deltas ----------------------------------------------------------------------------------------------------------

Change = tuple[int, Status]
"""(index within the chunk, new status)."""
PREFIX_BYTES = 8
"""Of a chunk's hash, to find it by; what comes out is held against the whole hash in the manifest."""


@dataclass(frozen=True, slots=True)
class ChunkDelta:
    """How one chunk comes from another. Not signed: the manifest in force names the result by its whole hash."""

    base: bytes
    target: bytes
    changes: tuple[Change, ...]

    def apply(self, chunk: bytes) -> bytes:
        """Return the changed chunk."""
        changed = bytearray(chunk)
        for index, status in self.changes:
            write_entry(changed, index, status)
        return bytes(changed)


def difference(before: bytes, after: bytes) -> ChunkDelta:
    """Return the delta between two chunks."""
    places = [place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    indexes = [4 * place + offset for place in places for offset in range(4)]
    changes = [(i, now) for i in indexes if (now := read_entry(after, i)) is not read_entry(before, i)]
    base, target = sha256(before), sha256(after)
    return ChunkDelta(base[:PREFIX_BYTES], target[:PREFIX_BYTES], tuple(changes))


def write_deltas(deltas: Iterable[ChunkDelta]) -> bytes:
    """Encode deltas: [[base, target, indexes as 16-bit numbers, statuses as 2-bit numbers], ...]."""
    return cose.encode([[d.base, d.target, *_pack(d.changes)] for d in deltas])


def _pack(changes: tuple[Change, ...]) -> tuple[bytes, bytes]:
    statuses = bytearray(-(-len(changes) // 4))
    for number, (_, status) in enumerate(changes):
        write_entry(statuses, number, status)
    return b"".join(index.to_bytes(2, "big") for index, _ in changes), bytes(statuses)


def read_deltas(raw: bytes) -> tuple[ChunkDelta, ...]:
    """Decode deltas. Raises ValueError."""
    return tuple(_delta(row) for row in shape.sequence(cose.decode_strict(raw), "deltas", 2**16))


def _delta(value: object) -> ChunkDelta:
    row = shape.sequence(value, "delta", 4)
    if len(row) != 4:  # noqa: PLR2004 - base, target, indexes, statuses
        raise shape.ShapeError("a delta is not four parts")
    indexes, statuses = shape.octets(row[2], "indexes"), shape.octets(row[3], "statuses")
    count = len(indexes) // 2
    if len(indexes) % 2 or len(statuses) != -(-count // 4):
        raise shape.ShapeError("a delta's indexes and statuses do not match")
    places = [int.from_bytes(indexes[at : at + 2], "big") for at in range(0, len(indexes), 2)]
    changes = tuple((place, read_entry(statuses, number)) for number, place in enumerate(places))
    return ChunkDelta(shape.octets(row[0], "base", PREFIX_BYTES), shape.octets(row[1], "target", PREFIX_BYTES), changes)
