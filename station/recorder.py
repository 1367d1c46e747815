"""Recording as promised: committed in the journal, or (what may not wait) in the reserve, or not done at all."""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable

from station.core.events import Kind, Payload
from station.core.model import Instant
from station.journal import Change, Journal, JournalFault, set_state
from station.reserve import Reserve

PROBE = "probe"
PROBE_S = 60.0
SILENT = "silent"
"""State: the seqs of the silent alarms."""
DURESS = "duress"
"""The alarm of which nothing may be seen at the gate."""


class Recorder:
    """Writes events and notices when the journal fails and when it works again. Used by the gate thread alone."""

    def __init__(
        self,
        journal: Journal,
        reserve: Reserve,
        failed: Callable[[JournalFault | None], None],
        probe_s: float = PROBE_S,
    ) -> None:
        """`failed(fault)` tells that the journal no longer commits; `failed(None)` that it does again.

        `probe_s`: after so long without a commit `probe` tries one, seconds.
        """
        self.journal, self._reserve, self._failed = journal, reserve, failed
        self.broken = False
        self._since_us = 0
        self._probe_us, self._tried_us = round(probe_s * 1e6), 0
        self._silent: list[int] = json.loads(journal.state(SILENT) or b"[]")

    def commit(self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()) -> int:
        """Commit one event; return its seq. Raises JournalFault."""
        return self._write(lambda: self.journal.append(kind, payload, now, changes), now)

    def _write(self, write: Callable[[], int], now: Instant) -> int:
        self._tried_us = now.mono_us
        try:
            if self._reserve.records:
                self._drain(now)
            seq = write()
        except JournalFault as fault:
            self._note(fault, now)
            raise
        self._note(None, now)
        return seq

    def _drain(self, now: Instant) -> None:
        records = [json.loads(record) for record in self._reserve.records]
        moved = self._reserve.drain(self.journal, now)
        first = self.journal.seq - moved + 1
        late = enumerate(records[len(records) - moved :], first)
        self._silent += [seq for seq, row in late if row["payload"].get("alarm") == DURESS]

    def commit_or_reserve(
        self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()
    ) -> int | None:
        """Record what happened or may not wait; return its seq, 0 if in the reserve, None if only paper is left.

        The reserve keeps the changes with the event; they are made when it comes into the journal.
        """
        changes = tuple(changes)
        try:
            return self.commit(kind, payload, now, changes)
        except JournalFault:
            try:
                self._reserve.append(kind, payload, now, changes)
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

    def pending(self) -> list[Change]:
        """Return the state changes that wait in the reserve."""
        return self._reserve.pending()

    # --- what may not be seen at the gate --------------------------------------------------------------------------

    def alarm_silently(self, lane: str, operator: str | None, now: Instant) -> None:
        """Tell central of duress: in the reserve where the journal fails; never on the screen, never in the log."""
        payload = {"lane": lane, "alarm": DURESS, "what": "begins"} | ({"operator": operator} if operator else {})

        def write() -> int:
            silent = [*self._silent, self.journal.seq + 1]
            noted = set_state(SILENT, json.dumps(silent).encode())
            seq = self.journal.append(Kind.ALARM, payload, now, [noted])
            self._silent = silent
            return seq

        try:
            self._write(write, now)
        except JournalFault:
            with contextlib.suppress(JournalFault):
                self._reserve.append(Kind.ALARM, payload, now)

    def renumbered(self) -> None:
        """Read the silent alarms' numbers anew: another stream has begun, in which rows have other numbers."""
        self._silent = json.loads(self.journal.state(SILENT) or b"[]")

    def apparent(self, seq: int) -> int:
        """Return the number an event would have without the silent alarms: what may be shown of it."""
        return seq - bisect_right(self._silent, seq)

    def to_send(self, acknowledged: int) -> int:
        """Return how many events after `acknowledged` wait for central, as far as that may be shown."""
        return max(0, self.apparent(self.journal.seq) - self.apparent(acknowledged))

    # --- health ----------------------------------------------------------------------------------------------------

    def probe(self, now: Instant) -> None:
        """See whether a broken journal works again, and whether one that has been idle still does.

        That a broken one works again is recorded. An idle one is written to durably without an event.
        """
        if self.broken:
            payload = {"part": "journal", "what": "ends", "fault": "health-journal", "began_us": self._since_us}
            self.commit_unless_broken(Kind.FAULT, payload, now)
        elif now.mono_us - self._tried_us >= self._probe_us:
            noted = set_state(PROBE, b"%d" % now.wall_us)
            with contextlib.suppress(JournalFault):
                self._write(lambda: self.journal.append_all([], now, [noted]), now)

    def _note(self, fault: JournalFault | None, now: Instant) -> None:
        if (fault is not None) != self.broken:
            self.broken, self._since_us = fault is not None, now.wall_us
            self._failed(fault)

    def close(self) -> None:
        """Close journal and reserve."""
        self._reserve.close()
        self.journal.close()
