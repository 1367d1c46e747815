"""The documents in force: kept in the journal's file, replaced only by what verifies and is newer.

What arrives wrong is refused with its reason and recorded; the last good document stays in force. What cannot be
judged yet (a policy before the trust bundle with its key, a manifest before its chunks) waits and is judged again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from station.core.announcements import Announcements
from station.core.documents import ROLE_OF, DocumentType, Envelope, HighWater, KeyEntry, TrustBundle, admit, dated_wrong
from station.core.events import Kind
from station.core.model import Instant, Rejected
from station.core.policy import Policy
from station.core.ration import Ration
from station.core.reasons import Reason
from station.core.status import CHUNK_BYTES, StatusList, StatusManifest, gather
from station.core.succession import FIRST_SET, RootSet, with_own_key
from station.inbox import Mark
from station.journal import Change, Journal, set_state
from station.verification import Beliefs, Content
from station.waiting import Arrived, Need, Pending, WaitingRoom

log = logging.getLogger(__name__)

ChunkSource = Callable[[bytes], bytes | None]
INBOX_MARK = "inbox"
FOR_NOW = frozenset({Reason.NO_TRUST, Reason.DOCUMENT_OUT_OF_ROLE})
"""Refusals that a trust bundle still to come may turn into acceptance."""
FOR_NOW_BY_ROOTS = {
    DocumentType.TRUST.value: Reason.DOCUMENT_UNSIGNED,
    DocumentType.ROOTS.value: Reason.DOCUMENT_FAST_FORWARD,
}
"""Refusals that the next set of roots may turn into acceptance."""
DATED = frozenset({Reason.DOCUMENT_FROM_FUTURE, Reason.DOCUMENT_EXPIRED})
"""Refusals that the right time may turn into acceptance."""
ROOTS_ANCHOR = "roots-anchor"
"""Which roots of the configuration the held succession began with: a technician's new ones begin anew."""
LOADED = (
    DocumentType.ROOTS,
    DocumentType.TRUST,
    DocumentType.POLICY,
    DocumentType.STATUS,
    DocumentType.DELEGATION,
    DocumentType.ANNOUNCEMENT,
)


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
"""What became of a document; None: it is in force or waits already."""


class Documents:
    """Trust bundle, policy and status list in force. Used by the gate thread alone."""

    def __init__(
        self,
        journal: Journal,
        roots: Sequence[bytes],
        zone: str,
        chunk_source: ChunkSource,
        station: str = "",
        number: int = FIRST_SET,
    ) -> None:
        """Load what the journal's file holds; each document is verified again.

        `zone`, `station`: this station's; `number`: which set `roots` are.
        """
        self._journal, self._chunk_source = journal, chunk_source
        self._anchor = hashlib.sha256(b"".join([*sorted(roots), b"%d" % number])).digest()
        self._beliefs = Beliefs(RootSet(number, tuple(roots)), None, station, zone)
        self.trust: TrustBundle | None = None
        """The bundle as the station uses it: with its own delegated key, without what was withdrawn."""
        self.policy: Policy | None = None
        self.statuses: StatusList | None = None
        self.announcements: Announcements | None = None
        self.own_key: KeyEntry | None = None
        """What a delegation says of the station's own key."""
        self.in_force: dict[DocumentType, Envelope] = {}
        self._waiting = WaitingRoom()
        self._taken = 0
        self._ration = Ration()
        self._newest = Mark.recall(journal.state(INBOX_MARK))
        for kind in LOADED:
            for (raw,) in journal.rows("SELECT raw FROM document WHERE type = ?", (kind.value,)):
                self._load(kind, raw)

    def _load(self, kind: DocumentType, raw: bytes) -> None:
        if kind is DocumentType.ROOTS and self._journal.state(ROOTS_ANCHOR) != self._anchor:
            return
        opened = self._beliefs.recall(kind, raw)
        if not isinstance(opened, Rejected):
            self._install(*opened)

    @property
    def signed_us(self) -> int:
        """The latest centrally signed time, Unix microseconds."""
        return max((envelope.issued for envelope in self.in_force.values()), default=0) * 1_000_000

    def withdrawn(self, kind: DocumentType) -> bool:
        """Say whether the document in force was signed by a key that the trust bundle no longer names."""
        envelope = self.in_force.get(kind)
        if envelope is None or self.trust is None or kind not in ROLE_OF:
            return False
        return self.trust.key(envelope.signers[0], ROLE_OF[kind]) is None

    # --- offering --------------------------------------------------------------------------------------------------

    def is_newer(self, kind: DocumentType, raw: bytes) -> bool:
        """Say whether a provisioned file may be news: an older copy left in a folder is no attack to be recorded."""
        opened = self._beliefs.open(kind, raw)
        if isinstance(opened, Rejected) and kind is DocumentType.ROOTS:
            return opened.reason is not Reason.DOCUMENT_ROLLBACK  # a step taken long ago
        held = self.in_force.get(kind)
        return isinstance(opened, Rejected) or held is None or opened[1].seq > held.seq

    def offer(self, kind: str, raw: bytes, now: Instant, mark: Mark | None = None) -> Offered:
        """Verify a document that arrived; put it into force and record that, or record why not. Raises JournalFault."""
        arrived = Arrived(kind, raw, mark)
        self._newest = self._newest.through(mark) if mark else self._newest
        if self._waiting.holds(arrived):
            self._waiting.again(arrived)
            return None
        if any(envelope.raw == raw for envelope in self.in_force.values()):
            return None
        result, need = self._consider(arrived, now)
        if need is not None:
            self._waiting.keep(Pending(arrived, self._taken, need))
        if isinstance(result, Rejected):
            self._record_refusal(arrived, result, now)
        if isinstance(result, Taken) and result.type in (DocumentType.TRUST, DocumentType.ROOTS):
            self.retry(now)
        return result

    def retry(self, now: Instant) -> list[Taken]:
        """Judge again what waits, where something it may depend on has changed; return what took effect."""
        taken = []
        self._tell_unnoted(now)
        for arrived in self._waiting.ripe(now, self._taken):
            result, need = self._consider(arrived, now)
            if isinstance(result, Rejected) and need is None:
                self._record_refusal(arrived, result, now, leaving=arrived.raw)
            self._waiting.dismiss(arrived)
            if need is not None:
                self._waiting.keep(Pending(arrived, self._taken, need))
            if isinstance(result, Taken):
                taken.append(result)
        return taken

    def _consider(self, arrived: Arrived, now: Instant) -> tuple[Taken | Waiting | Rejected, Need | None]:
        """Judge a document, and put it into force where it is good. Says what it waits for; None: judged for good."""
        if arrived.kind not in list(DocumentType):
            return Rejected(Reason.DOCUMENT_OUT_OF_ROLE, f"no document type {arrived.kind!r}"), None
        opened = self._beliefs.open(DocumentType(arrived.kind), arrived.raw)
        if isinstance(opened, Rejected):
            for_now = opened.reason in (*FOR_NOW, FOR_NOW_BY_ROOTS.get(arrived.kind))
            return opened, Need(_of_itself) if for_now else None
        content, envelope = opened
        refused = admit(envelope, self.in_force.get(envelope.type), self._seen(envelope.type), now)
        if refused:
            return refused, self._right_time(envelope) if refused.reason in DATED else None
        chunks = self._chunks(content)
        missing = [digest for digest, chunk in chunks.items() if chunk is None]
        if missing:  # they come in their order: with the last all may be there
            return Waiting(len(missing)), Need(lambda _now: self._chunk(missing[-1]) is not None)
        return self._take(content, envelope, now, self._keep_chunks(content, chunks)), None

    def _right_time(self, envelope: Envelope) -> Need:
        """Return the need of a document that is refused for its dates alone: time passes, and clocks are set right."""
        kind = envelope.type
        return Need(lambda now: dated_wrong(envelope, self.in_force.get(kind), now) is None, envelope)

    def _seen(self, kind: DocumentType) -> dict[bytes, HighWater]:
        rows = self._journal.rows("SELECT kid, seq, hash FROM high_water WHERE type = ?", (kind.value,))
        return {kid: HighWater(seq, digest) for kid, seq, digest in rows}

    # --- taking effect ---------------------------------------------------------------------------------------------

    def _chunk(self, digest: bytes) -> bytes | None:
        rows = self._journal.rows("SELECT raw FROM chunk WHERE hash = ?", (digest,))
        found: bytes | None = rows[0][0] if rows else self._chunk_source(digest)
        good = found is not None and len(found) == CHUNK_BYTES and hashlib.sha256(found).digest() == digest
        return found if good else None

    def _chunks(self, content: Content) -> dict[bytes, bytes | None]:
        """Return what a manifest needs, as far as it is there; other documents need nothing."""
        return {digest: self._chunk(digest) for digest in content.needed} if isinstance(content, StatusManifest) else {}

    def _keep_chunks(self, content: Content, chunks: Mapping[bytes, bytes | None]) -> list[Change]:
        """Return the changes that keep a manifest's chunks, and no others."""
        if not isinstance(content, StatusManifest):
            return []
        held = {row[0] for row in self._journal.rows("SELECT hash FROM chunk")}
        kept = [Change("INSERT OR IGNORE INTO chunk(hash, raw) VALUES (?, ?)", pair) for pair in chunks.items()]
        return [*kept, *(Change("DELETE FROM chunk WHERE hash = ?", (digest,)) for digest in held - chunks.keys())]

    def _take(self, content: Content, envelope: Envelope, now: Instant, changes: list[Change]) -> Taken:
        marks = [
            Change(
                "INSERT OR REPLACE INTO high_water(type, kid, seq, hash) VALUES (?, ?, ?, ?)",
                (envelope.type.value, kid, envelope.seq, envelope.hash),
            )
            for kid in envelope.signers
        ]
        document = Change(
            "INSERT OR REPLACE INTO document(type, seq, hash, raw, in_force_us) VALUES (?, ?, ?, ?, ?)",
            (envelope.type.value, envelope.seq, envelope.hash, envelope.raw, now.wall_us),
        )
        payload = {"type": envelope.type.value, "seq": envelope.seq, "hash": envelope.hash.hex(), "result": "in-force"}
        anchor = [set_state(ROOTS_ANCHOR, self._anchor)] if isinstance(content, RootSet) else []
        marks += [document, *anchor, self._mark(envelope.raw)]
        self._journal.append(Kind.DOCUMENT, payload, now, [*changes, *marks])
        self._install(content, envelope)
        return Taken(envelope.type, envelope.seq)

    def _install(self, content: Content, envelope: Envelope) -> None:
        self.in_force[envelope.type] = envelope
        self._taken += 1
        match content:
            case RootSet():
                self._beliefs = replace(self._beliefs, roots=content)
            case TrustBundle():
                self._beliefs = replace(self._beliefs, bundle=content)
            case Policy():
                self.policy = content
            case StatusManifest():
                self.statuses = gather(content, (chunk for digest in content.needed if (chunk := self._chunk(digest))))
            case Announcements():
                self.announcements = content
            case KeyEntry():
                pass  # `_believe` reads it from what is in force
        self._believe()

    def _believe(self) -> None:
        """Put together what the station believes: the bundle, less what was withdrawn, plus its own key."""
        bundle = self._beliefs.bundle
        if bundle is None:
            return
        revoked = self.statuses.manifest.revoked if self.statuses else frozenset()
        self._beliefs = replace(self._beliefs, bundle=with_own_key(bundle, None, revoked))
        self.own_key = self._delegated()
        self.trust = with_own_key(bundle, self.own_key, revoked)

    def _delegated(self) -> KeyEntry | None:
        """Return what the delegation in force says, as long as its issuer may still say it."""
        envelope = self.in_force.get(DocumentType.DELEGATION)
        opened = self._beliefs.open(DocumentType.DELEGATION, envelope.raw) if envelope else None
        own = opened[0] if isinstance(opened, tuple) else None
        return own if isinstance(own, KeyEntry) else None

    def _record_refusal(self, arrived: Arrived, why: Rejected, now: Instant, leaving: bytes | None = None) -> None:
        self._tell_unnoted(now)
        if not self._ration.exhausted:
            payload = {
                "type": arrived.kind[:20],
                "hash": hashlib.sha256(arrived.raw).hexdigest(),
                "result": why.reason.value,
                "detail": why.detail[:200],
            }
            self._journal.append(Kind.DOCUMENT, payload, now, [self._mark(leaving)])
            log.warning("document %s was refused: %s (%s)", arrived.kind[:20], why.reason, why.detail)
        self._ration = self._ration.after(now)

    def _tell_unnoted(self, now: Instant) -> None:
        """Once the hour is over, record how many refusals there were beyond those that were recorded."""
        if self._ration.over(now):
            if self._ration.unnoted:
                payload = {"result": "refused", "count": self._ration.unnoted}
                self._journal.append(Kind.DOCUMENT, payload, now, [self._mark()])
            self._ration = Ration()

    def _mark(self, leaving: bytes | None = None) -> Change:
        """Remember how far the inbox is read. `leaving`: what waits no longer with this."""
        return set_state(INBOX_MARK, self._waiting.read_up_to(self._newest, leaving).keep())


def _of_itself(_now: Instant) -> bool:
    """Nothing but another document that takes effect can change the verdict."""
    return False
