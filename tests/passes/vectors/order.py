"""Vectors of the order of documents: which one may take effect after which, whoever signed it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from station.core.documents import LONGEST_LEAP
from station.core.reasons import Reason
from tests.passes.office import CENTRAL, DAY_S, NOW, payload, sign1
from tests.passes.vectors.cases import Case


def _manifest(seq: int, issued: int = NOW - 60, expires: int = NOW + DAY_S, prev: bytes | None = None) -> bytes:
    return sign1(payload("status", {"issuers": []}, seq=seq, iat=issued, exp=expires, prev=prev), CENTRAL)


def orders() -> Iterator[Case]:
    """Yield cases: a document that arrives, the one in force, the highest seen of its key, the clock, the verdict."""
    held = _manifest(5)
    digest = hashlib.sha256(held).digest()
    rollback, forward = Reason.DOCUMENT_ROLLBACK, Reason.DOCUMENT_FAST_FORWARD
    yield _order("the first document", _manifest(1), None, None)
    yield _order("the next, naming the one before", _manifest(6, prev=digest), held, None)
    yield _order("the next, naming none", _manifest(6), held, None)
    yield _order("a later one, the one between was never seen", _manifest(9, prev=bytes(32)), held, None)
    yield _order("the same once more", held, held, None)
    yield _order("an older number", _manifest(4), held, rollback)
    yield _order("an older number, though nothing is in force any more", _manifest(4), None, rollback, seen=held)
    yield _order("a higher number issued earlier", _manifest(6, issued=NOW - 61), held, rollback)
    yield _order("the same number with other content", _manifest(5, issued=NOW - 59), held, Reason.DOCUMENT_CONFLICT)
    yield _order("another predecessor", _manifest(6, prev=bytes(32)), held, Reason.DOCUMENT_BROKEN_LINK)
    yield _order("the longest leap", _manifest(5 + LONGEST_LEAP), held, None)
    yield _order("a leap too long", _manifest(6 + LONGEST_LEAP), held, forward)
    yield _order("a first number too high", _manifest(LONGEST_LEAP + 1), None, forward)
    yield _order("from 300 s ahead", _manifest(6, issued=NOW + 300), held, None)
    yield _order("from the future", _manifest(6, issued=NOW + 301), held, Reason.DOCUMENT_FROM_FUTURE)
    yield _order("from 310 s ahead of an unsure clock", _manifest(6, issued=NOW + 310), held, None, unsure=10.0)
    yield _order("from the future of a lost clock", _manifest(6, issued=NOW + DAY_S), held, None, clock="lost")
    yield _order("at its end", _manifest(6, expires=NOW), held, None)
    yield _order("expired when it arrives", _manifest(6, expires=NOW - 1), held, Reason.DOCUMENT_EXPIRED)
    yield _order("expired by an unsure clock", _manifest(6, expires=NOW - 10), held, None, unsure=10.0)
    yield _order("expired by a lost clock", _manifest(6, expires=NOW - 1), held, None, clock="lost")


def _order(
    rule: str,
    raw: bytes,
    held: bytes | None,
    why: Reason | None,
    *,
    seen: bytes | None = None,
    unsure: float = 0.0,
    clock: str = "trusted",
) -> Case:
    """`seen`: the newest document ever seen of the key; that in force where it is not given."""
    newest = seen or held
    return {
        "rule": rule,
        "bytes": raw.hex(),
        "in_force": held.hex() if held else None,
        "newest_seen": newest.hex() if newest else None,
        "clock": clock,
        "uncertainty_s": unsure,
        "refused": why.value if why else None,
    }
