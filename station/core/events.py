"""The journal's events: what is recorded, in which bytes, and how the bytes are chained.

An event is a JSON array with a fixed field order, encoded once and never re-encoded:
[seq, wall_us, mono_us, boot, clock, uncertainty_ms, kind, payload]. Its hash is SHA-256(previous hash || bytes), so a
row can neither be changed nor left out unnoticed (sync-protocol, "Identity and events").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum

from station.core.model import Instant
from station.core.record import dataclass

GENESIS = bytes(32)
"""The hash before the first event of a stream."""

Payload = Mapping[str, object]


class Kind(StrEnum):
    """What an event tells. `FIELDS` lists what each carries; docs/reference/events.md explains them."""

    BOOT = "boot"
    SHUTDOWN = "shutdown"
    DECISION = "decision"
    PASSAGE = "passage"
    REPEAT = "repeat"
    OVERRIDE = "override"
    FORGIVEN = "forgiven"
    ISSUED = "issued"
    DOOR = "door"
    ALARM = "alarm"
    FAULT = "fault"
    DOCUMENT = "document"
    CLOCK = "clock"
    SIGN_IN = "sign-in"
    ANNOUNCED = "announced"
    LATE = "late"
    REHOMED = "rehomed"
    COMMAND = "command"
    SEALING = "sealing"


_JUDGED = ("lane", "dir", "outcome", "reason", "rule", "verdict", "cti", "class", "kid", "escort")
_MEASURED = ("band", "skin_c", "estimate_c", "uncertainty_c", "hand_c", "knowledge", "scan_us", "captured_us")
_BEGAN = ("cause", "epoch", "acked", "head", "rows")
"""Of the alarm `epoch-began`: why, which stream ended, and how much of it central had."""

FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.BOOT: ("version", "quarantined"),
    Kind.SHUTDOWN: (),
    Kind.DECISION: (*_JUDGED, *_MEASURED, "operator", "of", "duress", "sealed"),
    Kind.PASSAGE: ("lane", "of", "what", "dir", "who", "cti", "operator", "why", "duress"),
    Kind.REPEAT: ("lane", "of", "count"),
    Kind.OVERRIDE: (*_JUDGED, "operator", "why", "of", "duress"),
    Kind.FORGIVEN: ("lane", "cti", "operator", "why", "duress"),
    Kind.ISSUED: ("cti", "kid", "class", "exp", "operator", "duress"),
    Kind.DOOR: ("lane", "what"),
    Kind.ALARM: ("lane", "alarm", "what", "operator", *_BEGAN, "seq"),
    Kind.FAULT: ("part", "what", "fault", "began_us"),
    Kind.DOCUMENT: ("type", "seq", "hash", "result", "detail", "count"),
    Kind.CLOCK: ("from", "to", "step_us", "ask", "told_by", "kid"),
    Kind.SIGN_IN: ("operator", "what", "duress"),
    Kind.ANNOUNCED: ("id", "document", "due_us", "volume"),
    Kind.REHOMED: ("epoch", "seq", "hash", "raw"),
    Kind.LATE: ("kind", "payload", "wall_us", "mono_us"),
    Kind.SEALING: ("to", "key"),
    Kind.COMMAND: ("id", "what", "verb", "counter", "kid", "reason", "count"),
}
"""The payload fields of each kind: all that may be there. Tests hold every event they cause against it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One decoded event of the journal."""

    seq: int
    wall_us: int
    mono_us: int
    boot: str
    clock: str
    uncertainty_ms: int
    kind: str
    payload: Payload


def encode(seq: int, now: Instant, boot: str, kind: Kind, payload: Payload) -> bytes:
    """Return the event's exact bytes (UTF-8 JSON without spaces). `payload` holds only JSON values."""
    row = [seq, now.wall_us, now.mono_us, boot, now.state.value, round(now.uncertainty_s * 1000), kind.value, payload]
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


_TYPES = (int, int, int, str, str, int, str, dict)


def decode(raw: bytes) -> Event:
    """Read an event's bytes. Raises ValueError where they are not an event."""
    try:
        row = json.loads(raw)
    except RecursionError:
        raise ValueError(f"not an event: {raw[:60]!r}") from None
    if not isinstance(row, list) or [type(field) for field in row] != list(_TYPES):
        raise ValueError(f"not an event: {raw[:60]!r}")
    return Event(*row)


def chain(previous: bytes, raw: bytes) -> bytes:
    """Return the hash of an event from its predecessor's hash (32 bytes) and its own bytes."""
    return hashlib.sha256(previous + raw).digest()
