"""Reads from an event's exact bytes the columns that queries need. Whatever the bytes are, there is a row for them.

Nearly every event is as the station writes it: then only the wanted fields are decoded, by type, which costs an eighth
of decoding all. Anything else is decoded field by field, and what no column can hold stays in `raw` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

LIMIT = 200
KIND_LIMIT = 40
_EVENT_FIELDS = 8
_BIGINT = 2**63

Text = Annotated[str, Meta(max_length=LIMIT)]
Texts: TypeAlias = tuple[str | None, str | None, str | None, str | None, str | None]
"""Kind, lane, outcome, reason, rule: few different ones at all the gates together."""
Columns: TypeAlias = tuple[int | None, Texts, str | None]
"""Wall time (Unix microseconds), texts, pass id."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Events of one stream that are to be inserted: consecutive from `first`; `hashes` after each of them."""

    stream: int
    first: int
    raws: list[bytes]
    hashes: list[bytes]

    def numbered(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (seq, raw, hash) of each event."""
        return zip(range(self.first, self.first + len(self.raws)), self.raws, self.hashes, strict=True)


class _Payload(msgspec.Struct, gc=False):
    lane: Text | None = None
    outcome: Text | None = None
    reason: Text | None = None
    rule: Text | None = None
    cti: Text | None = None


class _Event(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    seq: msgspec.Raw
    wall_us: Annotated[int, Meta(ge=-_BIGINT, le=_BIGINT - 1)]
    mono_us: msgspec.Raw
    boot: msgspec.Raw
    clock: msgspec.Raw
    uncertainty_ms: msgspec.Raw
    kind: Annotated[str, Meta(max_length=KIND_LIMIT)]
    payload: _Payload


_DECODER = msgspec.json.Decoder(_Event)


def columns(raw: bytes) -> Columns:
    """Return the columns of an event, the texts as they are: `clean_text` and `clean_texts` fit them to a database."""
    try:
        event = _DECODER.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _of_anything(raw)
    told = event.payload
    return event.wall_us, (event.kind, told.lane, told.outcome, told.reason, told.rule), told.cti


def rows(fresh: Iterable[Fresh], received_us: int) -> Iterator[dict[str, object]]:
    """Yield the rows of events, by the names of their columns."""
    for some in fresh:
        for seq, raw, digest in some.numbered():
            wall_us, texts, cti = columns(raw)
            kind, lane, outcome, reason, rule = clean_texts(texts)
            yield {
                "stream": some.stream,
                "seq": seq,
                "received_us": received_us,
                "wall_us": wall_us,
                "kind": kind,
                "lane": lane,
                "outcome": outcome,
                "reason": reason,
                "rule": rule,
                "cti": clean_text(cti),
                "raw": raw,
                "hash": digest,
            }


def clean_texts(texts: Texts) -> Texts:
    """Return texts that every database takes, None for those it would not."""
    kind, *others = texts
    lane, outcome, reason, rule = map(clean_text, others)
    return clean_text(kind, KIND_LIMIT), lane, outcome, reason, rule


def _of_anything(raw: bytes) -> Columns:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields = None
    whole = isinstance(fields, list) and len(fields) == _EVENT_FIELDS
    wall, kind, payload = (fields[1], fields[6], fields[7]) if whole else (None, None, None)
    told = payload if isinstance(payload, dict) else {}
    lane, outcome, reason, rule, cti = (_text(told.get(name)) for name in ("lane", "outcome", "reason", "rule", "cti"))
    in_range = isinstance(wall, int) and -_BIGINT <= wall < _BIGINT
    return wall if in_range else None, (_text(kind), lane, outcome, reason, rule), cti


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def clean_text(value: str | None, limit: int = LIMIT) -> str | None:
    """Return a text that every database takes, else None: PostgreSQL knows no NUL, and no lone surrogates."""
    if value is None or "\0" in value:
        return None
    return value if value.isascii() and len(value) <= limit else value[:limit].encode("utf-8", "ignore").decode()
