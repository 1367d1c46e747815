"""Recording as promised: committed in the journal, or (overrides, alarms) in the reserve, or not done at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from station.core.events import Kind, Payload
from station.core.model import Instant
from station.journal import Change, Journal, JournalFault
from station.reserve import Reserve


class Recorder:
    """Writes events and notices when the journal fails and when it works again. Used by the gate thread alone."""

    def __init__(self, journal: Journal, reserve: Reserve, failed: Callable[[JournalFault | None], None]) -> None:
        """`failed(fault)` tells that the journal no longer commits; `failed(None)` that it does again."""
        self.journal, self._reserve, self._failed = journal, reserve, failed
        self.broken = False
        self._since_us = 0

    def commit(self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()) -> int:
        """Commit one event; return its seq. Raises JournalFault."""
        try:
            if self._reserve.records:
                self._reserve.drain(self.journal, now)
            seq = self.journal.append(kind, payload, now, changes)
        except JournalFault as fault:
            self._note(fault, now)
            raise
        self._note(None, now)
        return seq

    def commit_or_reserve(
        self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()
    ) -> int | None:
        """Record an override or alarm; return its seq, 0 if in the reserve, None if nothing but paper is left.

        The reserve keeps no `changes`: who was let through by hand meanwhile has a clean slate.
        """
        try:
            return self.commit(kind, payload, now, changes)
        except JournalFault:
            try:
                self._reserve.append(kind, payload, now)
            except JournalFault:
                return None
            return 0

    def commit_unless_broken(
        self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()
    ) -> int | None:
        """Commit one event; None where the journal fails, which `failed` has then told."""
        try:
            return self.commit(kind, payload, now, changes)
        except JournalFault:
            return None

    def probe(self, now: Instant) -> None:
        """See whether a broken journal works again, by recording that it does."""
        if self.broken:
            payload = {"part": "journal", "what": "ends", "fault": "health-journal", "began_us": self._since_us}
            self.commit_unless_broken(Kind.FAULT, payload, now)

    def _note(self, fault: JournalFault | None, now: Instant) -> None:
        if (fault is not None) != self.broken:
            self.broken, self._since_us = fault is not None, now.wall_us
            self._failed(fault)

    def close(self) -> None:
        """Close journal and reserve."""
        self._reserve.close()
        self.journal.close()
