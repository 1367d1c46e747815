"""The status list: two bits per pass in chunks of 65,536, under a small signed manifest. Exact, reversible.

A missing issuer, an index beyond the end or a missing chunk is "cannot decide", never "ok".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from station.core import cose, shape
from station.core.documents import FIELDS, Envelope
from station.core.model import Rejected, Status
from station.core.reasons import Reason

ENTRIES_PER_CHUNK = 65_536
CHUNK_BYTES = ENTRIES_PER_CHUNK // 4


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
    return Status(chunk[index >> 2] >> 2 * (index & 3) & 3)


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
    """Read the fields of a verified status manifest: "issuers": [[kid, entries, [chunk hash, ...]], ...]."""
    try:
        shape.keys_within(envelope.fields, FIELDS | {"issuers"}, "status manifest")
        rows = shape.sequence(envelope.fields.get("issuers"), "issuers", 1000)
        issuers = dict(_issuer_list(row) for row in rows)
        if len(issuers) < len(rows):
            return Rejected(Reason.DOCUMENT_MALFORMED, "one issuer has two lists")
        return StatusManifest(envelope, issuers)
    except ValueError as error:
        return Rejected(Reason.DOCUMENT_MALFORMED, str(error))


def gather(manifest: StatusManifest, chunks: Iterable[bytes]) -> StatusList:
    """Join a manifest with those of `chunks` it names; anything else is left out."""
    hashed = {hashlib.sha256(chunk).digest(): chunk for chunk in chunks if len(chunk) == CHUNK_BYTES}
    return StatusList(manifest, {digest: hashed[digest] for digest in manifest.needed if digest in hashed})
