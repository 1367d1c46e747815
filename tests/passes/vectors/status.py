"""Vectors of the status list: manifests, chunks, what an index means in them, and deltas between chunks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from station.core import cose
from station.core.model import Status
from station.core.reasons import Reason
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, difference, write_deltas, write_entry
from tests.passes import office
from tests.passes.office import CENTRAL, DAY_S, FAR_GUARD, NOW, PASSES, STRANGER, VISITORS, WITHDRAWN, payload, sign1
from tests.passes.vectors.cases import Case, accepted, head, keys_of, refused

Entries = Mapping[int, int]
FIRST: Entries = {0: 1, 1: 2, 2: 3, 3: 0, 4: 1, 12_345: 2, 65_535: 3}
SECOND: Entries = {0: 3, 4464 - 1: 1}
CHANGED: Entries = {**FIRST, 0: 0, 7: 2, 65_535: 1}
DAMAGED = "damaged"
"""What becomes of a delta that cannot be read: it is left out, and the whole chunk is asked for."""
TOTAL = ENTRIES_PER_CHUNK + 4464


def chunk(entries: Entries) -> bytes:
    """Return a chunk that is 0 but for some entries."""
    raw = bytearray(CHUNK_BYTES)
    for index, status in entries.items():
        write_entry(raw, index, Status(status))
    return bytes(raw)


def digest(entries: Entries) -> bytes:
    """Return the SHA-256 of a chunk."""
    return hashlib.sha256(chunk(entries)).digest()


def _described(name: str, entries: Entries) -> dict[str, object]:
    shown = {str(index): status for index, status in entries.items()}
    return {"name": name, "entries": shown, "sha256": digest(entries).hex()}


ROWS = [[PASSES.kid, TOTAL, [digest(FIRST), digest(SECOND)]], [VISITORS.kid, 0, []]]


def _manifest(rows: object = ROWS, signer: office.Key = CENTRAL, **more: object) -> bytes:
    return sign1(payload("status", {"issuers": rows, **more}), signer)


def document() -> dict[str, object]:
    """Return the file's content."""
    return {
        **head("Status lists: 2 bits per pass in chunks, under a signed manifest; and deltas between chunks."),
        "entries_per_chunk": ENTRIES_PER_CHUNK,
        "chunk_bytes": CHUNK_BYTES,
        "meaning": {"0": "ok", "1": "revoked", "2": "home quarantine", "3": "refer to the guard"},
        "keys": keys_of(CENTRAL, PASSES, VISITORS, WITHDRAWN, STRANGER),
        "chunks": [_described("first", FIRST), _described("second", SECOND), _described("first, changed", CHANGED)],
        "manifests": [*_good(), *_odd()],
        "lookups": list(_lookups()),
        "deltas": [*_good_deltas(), *_odd_deltas()],
    }


# --- manifests -------------------------------------------------------------------------------------------------------


def _good() -> Iterator[Case]:
    issuers = [
        {"kid": PASSES.kid.hex(), "entries": TOTAL, "chunks": [digest(FIRST).hex(), digest(SECOND).hex()]},
        {"kid": VISITORS.kid.hex(), "entries": 0, "chunks": []},
    ]
    for rule, raw, fields in (
        ("two issuers, the second without a pass", _manifest(), {"issuers": issuers, "revoked": []}),
        (
            "a withdrawn key",
            _manifest(revoked=[WITHDRAWN.kid]),
            {"issuers": issuers, "revoked": [WITHDRAWN.kid.hex()]},
        ),
        ("no issuer", _manifest([]), {"issuers": [], "revoked": []}),
    ):
        yield accepted(rule, {"bytes": raw.hex()}, fields)


def _odd() -> Iterator[Case]:
    role, malformed = Reason.DOCUMENT_OUT_OF_ROLE, Reason.DOCUMENT_MALFORMED
    good, named = _manifest(), {cose.ALG: cose.EDDSA, cose.KID: CENTRAL.kid}
    content = payload("status", {"issuers": ROWS})
    hashes = [digest(FIRST), digest(SECOND)]
    for rule, raw, reason in (
        ("a key without the role status", _manifest(signer=PASSES), role),
        ("a key that the trust bundle does not name", _manifest(signer=STRANGER), role),
        ("a guard's key", _manifest(signer=FAR_GUARD), role),
        ("a policy is no manifest", sign1(payload("policy", {"issuers": ROWS}), CENTRAL), role),
        ("the key's time", sign1({**content, "iat": NOW - 401 * DAY_S}, CENTRAL), role),
        ("another key's signature", sign1(content, STRANGER, protected=named), Reason.DOCUMENT_UNSIGNED),
        ("one bit of the signature", good[:-1] + bytes((good[-1] ^ 1,)), Reason.DOCUMENT_UNSIGNED),
        ("nothing follows", good + b"\x00", malformed),
        ("no other field", _manifest(more=1), malformed),
        ("issuers are there", sign1(payload("status", {}), CENTRAL), malformed),
        ("issuers are a list", _manifest({}), malformed),
        ("an issuer has three parts", _manifest([[PASSES.kid, 0]]), malformed),
        ("a key id has 4 bytes", _manifest([[b"abc", 0, []]]), malformed),
        ("no issuer twice", _manifest([ROWS[1], ROWS[1]]), malformed),
        ("as many chunks as the entries need, not fewer", _manifest([[PASSES.kid, TOTAL, hashes[:1]]]), malformed),
        ("as many chunks as the entries need, not more", _manifest([[PASSES.kid, 1, hashes]]), malformed),
        ("a hash has 32 bytes", _manifest([[PASSES.kid, 1, [bytes(31)]]]), malformed),
        ("entries are at most 2^32", _manifest([[PASSES.kid, 2**32 + 1, hashes]]), malformed),
        ("a withdrawn key's id has 4 bytes", _manifest(revoked=[b"abc"]), malformed),
    ):
        yield refused(rule, {"bytes": raw.hex()}, reason)


def _lookups() -> Iterator[dict[str, object]]:
    """Yield indexes in the first manifest with all its chunks at hand; null means: cannot be decided."""
    for rule, kid, index, status in (
        ("the lowest two bits of the first byte", PASSES.kid, 0, 1),
        ("the next two", PASSES.kid, 1, 2),
        ("the next two", PASSES.kid, 2, 3),
        ("the highest two", PASSES.kid, 3, 0),
        ("the lowest two of the second byte", PASSES.kid, 4, 1),
        ("somewhere", PASSES.kid, 12_345, 2),
        ("the last of the first chunk", PASSES.kid, 65_535, 3),
        ("the first of the second chunk", PASSES.kid, 65_536, 3),
        ("the last entry", PASSES.kid, TOTAL - 1, 1),
        ("beyond the last entry, though the chunk goes on", PASSES.kid, TOTAL, None),
        ("far beyond", PASSES.kid, 2**32, None),
        ("an issuer without entries", VISITORS.kid, 0, None),
        ("an issuer that the manifest does not name", CENTRAL.kid, 0, None),
    ):
        yield {"rule": rule, "kid": kid.hex(), "index": index, "status": status}
    yield {"rule": "its chunk is missing", "kid": PASSES.kid.hex(), "index": 0, "without": ["first"], "status": None}


# --- deltas ----------------------------------------------------------------------------------------------------------


def _good_deltas() -> Iterator[Case]:
    changed = difference(chunk(FIRST), chunk(CHANGED))
    back = difference(chunk(CHANGED), chunk(FIRST))
    for rule, raw, rows in (
        ("three changes", write_deltas([changed]), [("first", "first, changed")]),
        ("two deltas", write_deltas([changed, back]), [("first", "first, changed"), ("first, changed", "first")]),
        ("none", write_deltas([]), []),
    ):
        shown = {"deltas": [{"from": base, "to": target} for base, target in rows]}
        yield accepted(rule, {"bytes": raw.hex()}, shown)


def _odd_deltas() -> Iterator[Case]:
    base, target = digest(FIRST)[:8], digest(CHANGED)[:8]
    for rule, content in {
        "a delta has four parts": [[base, target, b""]],
        "a delta is a list": [{}],
        "hashes begin with 8 bytes": [[base[:7], target, b"", b""]],
        "indexes have two bytes": [[base, target, b"\x00", b"\x00"]],
        "a status for each index": [[base, target, b"\x00\x00", b""]],
        "no status without an index": [[base, target, b"", b"\x00"]],
    }.items():
        yield {"rule": rule, "bytes": cose.encode(content).hex(), "refused": DAMAGED}
    yield {"rule": "nothing follows", "bytes": (write_deltas([]) + b"\x00").hex(), "refused": DAMAGED}
