"""Documents of a small office for the tests of the flow: the keys of tests.core.issuing, a policy of the test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from station.core import base45, cose
from station.core.documents import Role
from station.core.model import Status
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, write_entry
from station.core.timecode import PREFIX, payload
from sync.central.keys import SigningKey
from tests.core.issuing import (
    CENTRAL,
    NOW,
    PASSES,
    ROOT_BYTES,
    document_raw,
    key_row,
    key_rows,
    rule,
    signing_key,
    table,
    trust_raw,
)
from tests.flow.lane_bench import Papers

GUARD, BEACON = signing_key("guard"), signing_key("beacon")
NOW_US = NOW * 1_000_000
GRANT = rule(id="welcome")


def trust_rows() -> list[dict[str, object]]:
    """Return the office's keys, with one that tells the time for central and one of a guard."""
    return [*key_rows(), key_row(BEACON, [Role.TIME]), key_row(GUARD, [Role.GUARD])]


def chunk(entries: Mapping[int, Status] | None = None) -> bytes:
    """Return a status chunk with these entries; the others are ok."""
    made = bytearray(CHUNK_BYTES)
    for index, status in (entries or {}).items():
        write_entry(made, index, status)
    return bytes(made)


def status_raw(content: bytes, revoked: Sequence[bytes] = (), **head: object) -> bytes:
    """Return a signed manifest that names one chunk for the passes, and withdrawn key ids."""
    rows = [[PASSES.kid, ENTRIES_PER_CHUNK, [hashlib.sha256(content).digest()]]]
    fields: dict[str, object] = {"issuers": rows}
    if revoked:
        fields["revoked"] = list(revoked)
    return document_raw("status", fields, CENTRAL, **head)


def papers(*rules: Mapping[str, object], **policy: object) -> Papers:
    """Return everything a station needs, with a policy of these rules; `policy`: its other fields."""
    listed = chunk()
    return Papers(
        roots=ROOT_BYTES,
        documents=[
            ("trust", trust_raw(trust_rows())),
            ("policy", document_raw("policy", table(*(rules or (GRANT,)), **policy))),
            ("status", status_raw(listed)),
        ],
        chunks={hashlib.sha256(listed).digest(): listed},
    )


def time_text(t: int, nonce: bytes, key: SigningKey = GUARD) -> str:
    """Return the code that a guard's phone shows."""
    return PREFIX + base45.encode(time_raw(t, nonce, key))


def time_raw(t: int, nonce: bytes, key: SigningKey = BEACON) -> bytes:
    """Return a signed time as central answers."""
    return cose.sign1(payload(t, nonce), key.kid, key.private)
