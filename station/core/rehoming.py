"""An event of an older stream, carried over into a new one: its exact bytes, and where it stood. Pure functions.

Whoever receives it can check it against the old chain (the hash after it is carried too), and can tell it from, or
recognise it as, a row that is held under the old stream: (epoch, seq, hash) names an event for ever.
"""

from __future__ import annotations

import re

from station.core.events import GENESIS, Event, Kind, Payload, chain, decode
from station.core.record import dataclass

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event stood first, and as which bytes. `hash`: the chain hash after it."""

    epoch: int
    seq: int
    hash: bytes
    raw: bytes


def is_sound(seq: int, prev: bytes | None, raw: object, digest: object) -> bool:
    """Say whether what is stored as row `seq` is that event. `prev`: the hash before it, None where nobody knows it."""
    if not isinstance(raw, bytes) or not isinstance(digest, bytes) or len(digest) != len(GENESIS):
        return False
    try:
        whole = decode(raw).seq == seq
    except ValueError:
        return False
    return whole and (prev is None or chain(prev, raw) == digest)


def carried(epoch: int, seq: int, digest: bytes, raw: bytes) -> Payload:
    """Return what the new stream tells of row `seq` of stream `epoch`, which is sound.

    A row that was itself carried over keeps its first origin: nothing is wrapped twice. Raises ValueError.
    """
    if f'"{Kind.REHOMED}"'.encode() in raw:
        event = decode(raw)
        if event.kind == Kind.REHOMED:
            return event.payload
    return {"epoch": epoch, "seq": seq, "hash": digest.hex(), "raw": raw.decode()}


def origin(event: Event) -> Origin | None:
    """Return where an event stood first; None where it has not been carried over. Raises ValueError."""
    if event.kind != Kind.REHOMED:
        return None
    match event.payload:
        case {"epoch": int(epoch), "seq": int(seq), "hash": str(digest), "raw": str(raw)} if _HASH.fullmatch(digest):
            return Origin(epoch, seq, bytes.fromhex(digest), raw.encode())
    raise ValueError("a rehomed event without epoch, seq, hash and raw")


def original(raw: bytes) -> Event:
    """Read an event's bytes; of one that was carried over, the event as it was recorded. Raises ValueError."""
    event = decode(raw)
    came_from = origin(event)
    return event if came_from is None else decode(came_from.raw)
