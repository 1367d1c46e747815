"""Hands the office's newest documents to the publisher: each to its topic, all at one moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from station.core.documents import DocumentType
from station.core.succession import FIRST_SET
from sync.central import status_bases
from sync.central.delegation import ZoneBook
from sync.central.document_table import StoredDocument
from sync.central.issuer import DocumentShelf, read_fields
from sync.central.roots import RootSets
from sync.central.store import Store

PLAIN = (DocumentType.TRUST, DocumentType.POLICY, DocumentType.ANNOUNCEMENT)
ONLY = "0"
"""The chunk of documents of which there is one at a time."""


def hand_over(office: Path, store: Store, scope: str) -> list[StoredDocument]:
    """Store what is to be published for `scope` (all, or a 12-digit zone) and return it.

    Delegations go to the zone of their station, whatever `scope` says; those that have expired are taken back.
    """
    shelf, now = DocumentShelf(office), time.time_ns() // 1000
    _take_back(office, shelf, store, now // 1_000_000)
    found = [
        *_roots(office, scope),
        *(_single(shelf, kind, scope) for kind in PLAIN if shelf.path(kind).exists()),
        *_delegations(office, shelf, now // 1_000_000),
        *_status(shelf, store, scope, now),
    ]
    store.put_documents(found)
    return found


def announce(office: Path, store: Store, scope: str) -> None:
    """Store the newest announcements alone for `scope` (all, or a 12-digit zone)."""
    store.put_documents([_single(DocumentShelf(office), DocumentType.ANNOUNCEMENT, scope)])


def _single(shelf: DocumentShelf, kind: DocumentType, scope: str) -> StoredDocument:
    return StoredDocument(kind.value, scope, ONLY, shelf.seq(kind), shelf.path(kind).read_bytes())


def _roots(office: Path, scope: str) -> Iterator[StoredDocument]:
    """Yield every set after the first: a station that was away for years needs each step."""
    sets = RootSets(office)
    number = FIRST_SET + 1
    while sets.document(number).exists():
        raw = sets.document(number).read_bytes()
        yield StoredDocument(DocumentType.ROOTS.value, scope, str(number), number, raw)
        number += 1


def _delegations(office: Path, shelf: DocumentShelf, now_s: int) -> Iterator[StoredDocument]:
    for station, scope in ZoneBook(office).scopes().items():
        path = shelf.delegation(station)
        if path.exists() and (fields := read_fields(path))["exp"] > now_s:
            yield StoredDocument(DocumentType.DELEGATION.value, scope, station, fields["seq"], path.read_bytes())


def _take_back(office: Path, shelf: DocumentShelf, store: Store, now_s: int) -> None:
    """Take expired delegations from the broker: a station that comes back would only record that it refuses them."""
    current = {(one.scope, one.chunk) for one in _delegations(office, shelf, now_s)}
    for held in store.documents(DocumentType.DELEGATION.value):
        if (held.scope, held.chunk) not in current:
            store.withdraw_document(held)


def _status(shelf: DocumentShelf, store: Store, scope: str, now_us: int) -> Iterator[StoredDocument]:
    if shelf.path(DocumentType.STATUS).exists():
        seq = shelf.seq(DocumentType.STATUS)
        yield from status_bases.documents(store, scope, seq, dict(shelf.chunks()), now_us)
        yield _single(shelf, DocumentType.STATUS, scope)
