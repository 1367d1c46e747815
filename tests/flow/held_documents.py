"""A station's documents over its journal, reopened at will, for tests that sign with the keys of tests.core.issuing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from station.core import scan
from station.core.events import Kind, decode
from station.core.model import Credential, Instant, Rejected
from station.core.reasons import Reason
from station.documents import INBOX_MARK, Documents, Offered
from station.inbox import Mark
from station.journal import Journal
from tests.core.issuing import NOW_INSTANT, ROOT_BYTES, ZONE, document_raw, rule, table, trust_raw
from tests.core.succeeding import STATION
from tests.flow.signed_papers import chunk, status_raw

CHUNK = chunk()


def policy_raw(**head: object) -> bytes:
    """Return a signed policy that grants everybody."""
    return document_raw("policy", table(rule(id="welcome")), **head)


class Keeper:
    """Documents in force at station east-1; its clock says NOW until `let`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOW_INSTANT
        self.roots: Sequence[bytes] = ROOT_BYTES
        self.chunks: Mapping[bytes, bytes] = {}
        self.journal = Journal(folder, "boot-1")
        self.documents = self._open()

    def _open(self) -> Documents:
        return Documents(self.journal, self.roots, ZONE, self._chunk, STATION)

    @staticmethod
    def _chunk(_digest: bytes) -> bytes:
        return CHUNK

    def restart(self, roots: Sequence[bytes] | None = None) -> None:
        """Close and open everything, as a restart does; with other roots in the configuration where given."""
        self.journal.close()
        self.roots = self.roots if roots is None else roots
        self.journal = Journal(self.folder, "boot-2")
        self.documents = self._open()

    def offer(self, kind: str, raw: bytes, inbox_id: int | None = None) -> Offered:
        """Let a document arrive."""
        return self.documents.offer(kind, raw, self.now, None if inbox_id is None else Mark(row=inbox_id))

    def refuses(self, kind: str, raw: bytes) -> Reason:
        """Let a document arrive that must be refused, and the refusal be recorded; return why."""
        result = self.offer(kind, raw)
        assert isinstance(result, Rejected), result
        assert self.results()[-1] == result.reason
        return result.reason

    def provide(self) -> None:
        """Put a first trust bundle, policy and status manifest into force."""
        self.offer("trust", trust_raw())
        self.offer("policy", policy_raw())
        self.offer("status", status_raw(CHUNK))

    def let(self, seconds: int) -> None:
        """Let time pass."""
        step = seconds * 1_000_000
        self.now = Instant(self.now.wall_us + step, self.now.mono_us + step)

    def results(self) -> list[object]:
        """The results of the recorded document events."""
        events = [decode(raw) for _, raw in self.journal.last(200)]
        return [event.payload["result"] for event in events if event.kind == Kind.DOCUMENT]

    def numbers(self) -> dict[str, int]:
        """The seq of each document in force."""
        return {kind.value: envelope.seq for kind, envelope in self.documents.in_force.items()}

    def reads(self, text: str) -> Credential | Reason:
        """Read a pass against the bundle in force; the bare credential, or why not."""
        verdict = scan.read(text, self.documents.trust, ZONE)
        if isinstance(verdict, Rejected):
            return verdict.reason
        assert isinstance(verdict, Credential)
        return replace(verdict, live=None)

    @property
    def mark(self) -> int:
        """How far the inbox is read."""
        return Mark.recall(self.journal.state(INBOX_MARK)).row
