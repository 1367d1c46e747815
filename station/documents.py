"""The documents in force: kept in the journal's file, replaced only by what verifies and is newer.

What arrives wrong is refused with its reason and recorded; the last good document stays in force. A new status manifest
takes effect once all chunks it names are at hand, so that nobody becomes undecidable while they trickle in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from station.core.documents import (
    DocumentType,
    Envelope,
    HighWater,
    TrustBundle,
    admit,
    open_document,
    open_trust,
)
from station.core.events import Kind
from station.core.model import Instant, Rejected
from station.core.policy import Policy, read_policy
from station.core.reasons import Reason
from station.core.status import CHUNK_BYTES, StatusList, StatusManifest, gather, read_manifest
from station.journal import Change, Journal, set_state

ChunkSource = Callable[[bytes], bytes | None]
INBOX_MARK = "inbox"


@dataclass(frozen=True, slots=True)
class Taken:
    """A document took effect."""

    type: DocumentType
    seq: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A status manifest waits for its chunks."""

    missing: int


Offered = Taken | Waiting | Rejected | None
"""What became of a document; None: it is in force already."""


class Documents:
    """Trust bundle, policy and status list in force. Used by the gate thread alone."""

    def __init__(self, journal: Journal, roots: Sequence[bytes], zone: str, chunk_source: ChunkSource) -> None:
        """Load what the journal's file holds; each document is verified again."""
        self._journal, self._roots, self._zone, self._chunk_source = journal, roots, zone, chunk_source
        self.trust: TrustBundle | None = None
        self.policy: Policy | None = None
        self.statuses: StatusList | None = None
        self.in_force: dict[DocumentType, Envelope] = {}
        self._waiting: tuple[StatusManifest, Envelope] | None = None
        for kind in (DocumentType.TRUST, DocumentType.POLICY, DocumentType.STATUS):
            for (raw,) in journal.rows("SELECT raw FROM document WHERE type = ?", (kind.value,)):
                opened = self._open(kind, raw)
                if not isinstance(opened, Rejected):
                    self._install(*opened)

    # --- offering --------------------------------------------------------------------------------------------------

    def offer(self, kind: str, raw: bytes, now: Instant, inbox_id: int | None = None) -> Offered:
        """Verify a document that arrived; put it into force and record that, or record why not. Raises JournalFault."""
        mark = [set_state(INBOX_MARK, b"%d" % inbox_id)] if inbox_id is not None else []
        if self._is_in_force(raw):
            return None
        verdict = self._judge(kind, raw, now)
        if isinstance(verdict, Rejected):
            self._record_refusal(kind, raw, verdict, now, mark)
            return verdict
        content, envelope = verdict
        if isinstance(content, StatusManifest):
            self._waiting = (content, envelope)
            return self._try_waiting(now, mark)
        return self._take(content, envelope, now, mark)

    def is_newer(self, kind: DocumentType, raw: bytes) -> bool:
        """Say whether a provisioned file may be news: an older copy left in a folder is no attack to be recorded."""
        opened = self._open(kind, raw)
        held = self.in_force.get(kind)
        return isinstance(opened, Rejected) or held is None or opened[1].seq > held.seq

    def retry(self, now: Instant) -> Offered:
        """See whether the chunks of a waiting manifest have arrived."""
        return self._try_waiting(now, []) if self._waiting else None

    def _is_in_force(self, raw: bytes) -> bool:
        return any(envelope.raw == raw for envelope in self.in_force.values())

    def _judge(self, kind: str, raw: bytes, now: Instant) -> tuple[object, Envelope] | Rejected:
        if kind not in list(DocumentType):
            return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"no document type {kind!r}")
        opened = self._open(DocumentType(kind), raw)
        if isinstance(opened, Rejected):
            return opened
        _, envelope = opened
        held = self.in_force.get(envelope.type)
        current = HighWater(held.seq, held.hash) if held else None
        return admit(envelope, current, self._seen(envelope.type), now) or opened

    def _open(self, kind: DocumentType, raw: bytes) -> tuple[object, Envelope] | Rejected:
        if kind is DocumentType.TRUST:
            bundle = open_trust(raw, self._roots)
            return bundle if isinstance(bundle, Rejected) else (bundle, bundle.envelope)
        if self.trust is None:
            return Rejected(Reason.NO_TRUST, "no trust bundle is in force yet")
        envelope = open_document(raw, kind, self.trust, self._zone)
        if isinstance(envelope, Rejected):
            return envelope
        content = read_policy(envelope) if kind is DocumentType.POLICY else read_manifest(envelope)
        return content if isinstance(content, Rejected) else (content, envelope)

    def _seen(self, kind: DocumentType) -> dict[bytes, HighWater]:
        rows = self._journal.rows("SELECT kid, seq, hash FROM high_water WHERE type = ?", (kind.value,))
        return {kid: HighWater(seq, digest) for kid, seq, digest in rows}

    # --- taking effect ---------------------------------------------------------------------------------------------

    def _try_waiting(self, now: Instant, mark: list[Change]) -> Taken | Waiting:
        assert self._waiting is not None  # noqa: S101 - both callers have checked
        manifest, envelope = self._waiting
        chunks = {digest: self._chunk(digest) for digest in manifest.needed}
        missing = sum(chunk is None for chunk in chunks.values())
        if missing:
            return Waiting(missing)
        kept = [Change("INSERT OR IGNORE INTO chunk(hash, raw) VALUES (?, ?)", pair) for pair in chunks.items()]
        taken = self._take(manifest, envelope, now, [*mark, *kept, *self._drop_chunks(manifest)])
        self._waiting = None
        return taken

    def _chunk(self, digest: bytes) -> bytes | None:
        rows = self._journal.rows("SELECT raw FROM chunk WHERE hash = ?", (digest,))
        found: bytes | None = rows[0][0] if rows else self._chunk_source(digest)
        good = found is not None and len(found) == CHUNK_BYTES and hashlib.sha256(found).digest() == digest
        return found if good else None

    def _drop_chunks(self, manifest: StatusManifest) -> list[Change]:
        held = [row[0] for row in self._journal.rows("SELECT hash FROM chunk")]
        return [
            Change("DELETE FROM chunk WHERE hash = ?", (digest,)) for digest in held if digest not in manifest.needed
        ]

    def _take(self, content: object, envelope: Envelope, now: Instant, changes: list[Change]) -> Taken:
        marks = [
            Change(
                "INSERT OR REPLACE INTO high_water(type, kid, seq, hash) VALUES (?, ?, ?, ?)",
                (envelope.type.value, kid, envelope.seq, envelope.hash),
            )
            for kid in envelope.signers
        ]
        document = _keep(envelope.type.value, envelope.seq, envelope.hash, envelope.raw, now)
        payload = {"type": envelope.type.value, "seq": envelope.seq, "hash": envelope.hash.hex(), "result": "in-force"}
        self._journal.append(Kind.DOCUMENT, payload, now, [*changes, *marks, document])
        self._install(content, envelope)
        return Taken(envelope.type, envelope.seq)

    def _install(self, content: object, envelope: Envelope) -> None:
        self.in_force[envelope.type] = envelope
        if isinstance(content, TrustBundle):
            self.trust = content
        elif isinstance(content, Policy):
            self.policy = content
        elif isinstance(content, StatusManifest):
            self.statuses = gather(content, (chunk for digest in content.needed if (chunk := self._chunk(digest))))

    def _record_refusal(self, kind: str, raw: bytes, why: Rejected, now: Instant, mark: list[Change]) -> None:
        payload = {
            "type": kind[:20],
            "hash": hashlib.sha256(raw).hexdigest(),
            "result": why.reason.value,
            "detail": why.detail[:200],
        }
        self._journal.append(Kind.DOCUMENT, payload, now, mark)


def _keep(kind: str, seq: int, digest: bytes, raw: bytes, now: Instant) -> Change:
    return Change(
        "INSERT OR REPLACE INTO document(type, seq, hash, raw, in_force_us) VALUES (?, ?, ?, ?, ?)",
        (kind, seq, digest, raw, now.wall_us),
    )
