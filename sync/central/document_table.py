"""The documents that central publishes, and small notes about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from sync import wire
from sync.central import tables
from sync.central.database import Database, ensure, now_us


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One row of the documents to be published."""

    type: str
    scope: str
    chunk: str
    seq: int
    raw: bytes

    @property
    def hash(self) -> bytes:
        """Its SHA-256."""
        return wire.sha256(self.raw)


class DocumentTable(Database):
    """The tables `document` and `meta`."""

    def put_document(self, type: str, scope: str, chunk: str, seq: int, raw: bytes) -> None:  # noqa: A002 - its name
        """Store a signed document for publication; `scope` is all or a zone, `chunk` a name within the type."""
        self.put_documents([StoredDocument(type, scope, chunk, seq, raw)])

    def put_documents(self, documents: Iterable[StoredDocument]) -> None:
        """Store documents for publication, all in one transaction: those of one moment belong together."""
        with self._engine.begin() as db:
            for one in documents:
                digest = wire.sha256(one.raw)
                values = {"seq": one.seq, "raw": one.raw, "hash": digest, "stored_us": now_us(), "published_us": None}
                key = {"type": one.type, "scope": one.scope, "chunk": one.chunk}
                ensure(db, tables.document, **key, **values, withdrawn=False)
                where = [tables.document.c[name] == value for name, value in key.items()]
                differs = sa.or_(tables.document.c.hash != digest, tables.document.c.withdrawn)
                db.execute(sa.update(tables.document).where(*where, differs).values(**values, withdrawn=False))

    def withdraw_document(self, document: StoredDocument) -> None:
        """Take a document back from the broker. Stations keep what they have."""
        c = tables.document.c
        where = (c.type == document.type, c.scope == document.scope, c.chunk == document.chunk)
        with self._engine.begin() as db:
            db.execute(sa.update(tables.document).where(*where).values(withdrawn=True))

    def document_marks(self) -> dict[tuple[str, str, str], bytes]:
        """Return the hash of each document to be published, by (type, scope, chunk)."""
        c = tables.document.c
        with self._engine.begin() as db:
            rows = db.execute(sa.select(c.type, c.scope, c.chunk, c.hash).where(~c.withdrawn))
            return {(r.type, r.scope, r.chunk): bytes(r.hash) for r in rows}

    def document(self, type: str, scope: str, chunk: str) -> StoredDocument | None:  # noqa: A002 - its name
        """Return one document."""
        c = tables.document.c
        where = (c.type == type, c.scope == scope, c.chunk == chunk)
        with self._engine.begin() as db:
            row = db.execute(sa.select(c.seq, c.raw).where(*where)).one_or_none()
        return StoredDocument(type, scope, chunk, row.seq, bytes(row.raw)) if row else None

    def documents(self, type: str, scope: str | None = None) -> list[StoredDocument]:  # noqa: A002 - its name
        """Return the documents of one type that are to be published, of one scope or (None) of all."""
        c = tables.document.c
        where = [c.type == type, ~c.withdrawn, *([c.scope == scope] if scope is not None else [])]
        with self._engine.begin() as db:
            query = sa.select(c.scope, c.chunk, c.seq, c.raw).where(*where).order_by(c.scope, c.chunk)
            rows = db.execute(query).all()
        return [StoredDocument(type, row.scope, row.chunk, row.seq, bytes(row.raw)) for row in rows]

    def mark_published(self, document: StoredDocument) -> None:
        """Record that the broker has taken a document."""
        c = tables.document.c
        where = (c.type == document.type, c.scope == document.scope, c.chunk == document.chunk, c.hash == document.hash)
        with self._engine.begin() as db:
            db.execute(sa.update(tables.document).where(*where).values(published_us=now_us()))

    def note(self, key: str) -> str:
        """Return what was noted under a key, empty where nothing was."""
        with self._engine.begin() as db:
            query = sa.select(tables.meta.c.value).where(tables.meta.c.key == key)
            return str(db.execute(query).scalar_one_or_none() or "")

    def set_note(self, key: str, value: str) -> None:
        """Note something."""
        with self._engine.begin() as db:
            ensure(db, tables.meta, key=key, value=value)
            db.execute(sa.update(tables.meta).where(tables.meta.c.key == key).values(value=value))
