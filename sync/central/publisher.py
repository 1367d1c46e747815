"""Keeps the broker's retained documents the same as the table `document`."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sync.central.document_table import DocumentTable, StoredDocument

log = logging.getLogger(__name__)

Key = tuple[str, str, str]
Publish = Callable[[str, bytes], int | None]
"""Publishes (topic, payload) retained and returns the message id, None where there is no connection."""

ORDER = ("roots", "trust", "delegation", "policy", "status-chunk", "status-delta", "status", "announcement")
"""What others are verified against or made of goes first; stations take any order, but then have to wait."""


def topic(key: Key) -> str:
    """Return the topic of a document (type, scope, chunk)."""
    kind, scope, chunk = key
    return f"gs/1/doc/{scope}/{kind}/{chunk}"


def _turn(item: tuple[Key, bytes]) -> tuple[int, Key]:
    key, _ = item
    return (ORDER.index(key[0]) if key[0] in ORDER else len(ORDER), key)


class Publisher:
    """Publishes what the broker does not have yet: everything after each connect, then what changes."""

    def __init__(self, store: DocumentTable) -> None:
        self._store = store
        self._sent: dict[Key, bytes] = {}
        self._waiting: dict[int, StoredDocument] = {}

    def connected(self) -> None:
        """Forget what the broker has: it may have been started anew."""
        self._sent.clear()
        self._waiting.clear()

    def look(self, publish: Publish) -> None:
        """Publish what has changed. Raises sqlalchemy.exc.DBAPIError."""
        wanted = self._store.document_marks()
        for key in [key for key in self._sent if key not in wanted]:
            if publish(topic(key), b"") is None:
                return
            del self._sent[key]
        for key, digest in sorted(wanted.items(), key=_turn):
            if self._sent.get(key) != digest and not self._publish(key, publish):
                return

    def _publish(self, key: Key, publish: Publish) -> bool:
        document = self._store.document(*key)
        if document is None:
            return True  # withdrawn since; the next look sees it
        mid = publish(topic(key), document.raw)
        if mid is None:
            return False
        self._sent[key] = document.hash
        self._waiting[mid] = document
        log.info("published %s, sequence %d", topic(key), document.seq)
        return True

    def published(self, mid: int, reason: int) -> None:
        """Take the broker's answer. Raises sqlalchemy.exc.DBAPIError."""
        document = self._waiting.pop(mid, None)
        if document is None:
            return
        if reason >= 0x80:  # noqa: PLR2004 - refusals begin here (MQTT 5, 2.4)
            key = (document.type, document.scope, document.chunk)
            log.error("the broker refused %s (reason 0x%02x); check its access list", topic(key), reason)
            return
        self._store.mark_published(document)
