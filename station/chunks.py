"""Finds the chunks of the status list by their hashes: whole, or as a delta on a chunk that is at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from station.core.status import CHUNK_BYTES, PREFIX_BYTES, read_deltas


def find(
    digest: bytes,
    whole: Callable[[bytes], bytes | None],
    deltas: Iterable[bytes],
    base: Callable[[bytes], bytes | None],
) -> bytes | None:
    """Return the chunk with this SHA-256, or None.

    `whole(digest)` finds chunks as they are, `base(prefix)` one whose hash begins so; `deltas`: as they arrived.
    Nothing is believed that does not come out with exactly this hash.
    """
    found = whole(digest)
    if _is(found, digest):
        return found
    for raw in deltas:
        if _is(made := _made(raw, digest, base), digest):
            return made
    return None


def _is(chunk: bytes | None, digest: bytes) -> bool:
    return chunk is not None and len(chunk) == CHUNK_BYTES and hashlib.sha256(chunk).digest() == digest


def _made(raw: bytes, digest: bytes, base: Callable[[bytes], bytes | None]) -> bytes | None:
    try:
        deltas = read_deltas(raw)
    except ValueError:
        return None  # damaged on its way: the whole chunk is asked for as if there were no delta
    for delta in deltas:
        if delta.target == digest[:PREFIX_BYTES] and (chunk := base(delta.base)) and len(chunk) == CHUNK_BYTES:
            return delta.apply(chunk)
    return None
