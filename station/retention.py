"""Keeps the journal within its disk: evicts what central has acknowledged, in small portions while nobody is there.

Space. A journal made by this version can give pages back (`auto_vacuum = INCREMENTAL`), and does so where the disk is
what made it evict; otherwise the pages stay in the file and are used again, which spares the card the moving. Pages
that hold nothing do not count as used, so an old file that cannot give them back does not evict everything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from station.config import RetentionConfig
from station.core.events import decode
from station.core.model import ClockState, Instant
from station.core.retention import DAY_US, Disk, Kept, Limits, evict_up_to, is_too_full
from station.inbox import Inbox
from station.journal import Change, Journal
from station.rehoming import former_key
from station.schema import EVICTED, FORMER

PORTION = 200
"""Rows evicted at once: some milliseconds on a memory card."""
LOOK_US = 60_000_000
"""How often is looked whether something is too old, while nothing is."""
PAGES_BACK = 200
"""Pages given back to the disk with each portion."""
MOST_FORMER = 4
"""Ended streams kept beside the present one; the oldest goes at any age."""


class Retention:
    """Used by the gate thread alone."""

    def __init__(self, journal: Journal, inbox: Inbox, config: RetentionConfig) -> None:
        self._journal, self._inbox = journal, inbox
        self._limits = Limits(config.keep_days, config.evict_at, config.alarm_at)
        self._next_us = 0
        self.too_full = False
        """Whether new grants must wait for room on the disk."""

    def look(self) -> Disk:
        """Look at the disk. Raises OSError, JournalFault."""
        disk = self._journal.disk()
        self.too_full = is_too_full(disk, self._limits, before=self.too_full)
        return disk

    def evict(self, disk: Disk, now: Instant) -> int:
        """Evict one portion where one is due; return how many rows went. Raises JournalFault."""
        if now.mono_us < self._next_us:
            return 0
        gone = self._evict_former(disk, now) or self._evict_present(disk, now)
        if gone and disk.share_without_reusable >= self._limits.evict_at:
            self._journal.rows(f"PRAGMA incremental_vacuum({PAGES_BACK})")
        self._next_us = now.mono_us if gone == PORTION else now.mono_us + LOOK_US
        return gone

    def _evict_present(self, disk: Disk, now: Instant) -> int:
        rows = self._journal.rows("SELECT seq, raw FROM event ORDER BY seq LIMIT ?", (PORTION,))
        acknowledged = self._acknowledged()
        if not rows or acknowledged < rows[0][0]:
            return 0
        kept = Kept(rows[0][0], self._journal.seq, acknowledged)
        up_to = evict_up_to(kept, _ages([raw for _, raw in rows], now), disk, self._limits)
        if up_to < kept.first:
            return 0
        self._journal.evict(up_to)
        return up_to - kept.first + 1

    def _acknowledged(self) -> int:
        """Return up to which row central has THIS journal: its hash there must be the one that was acknowledged."""
        prefix, head = self._inbox.delivered(self._journal.epoch) or (0, b"")
        found = self._journal.rows("SELECT hash FROM event WHERE seq = ?", (prefix,))
        return prefix if found and found[0][0] == head else 0

    def _evict_former(self, disk: Disk, now: Instant) -> int:
        """Evict from the oldest stream that has ended: central has it, or the present stream has carried it over."""
        ended = sorted((json.loads(value)["ended_us"], key) for key, value in self._former())
        if not ended:
            return 0
        ended_us, key = ended[0]
        old = now.state is ClockState.TRUSTED and now.wall_us - ended_us > self._limits.keep_days * DAY_US
        if not old and disk.share_without_reusable < self._limits.evict_at and len(ended) <= MOST_FORMER:
            return 0
        table = key.removeprefix("former ")
        portion = f"SELECT seq FROM {table} ORDER BY seq LIMIT ?"
        count = len(self._journal.rows(portion, (PORTION,)))
        if count:
            self._journal.append_all([], now, [Change(f"DELETE FROM {table} WHERE seq IN ({portion})", (PORTION,))])
        else:
            keys = (former_key(table), f"{EVICTED} {table}")
            forget = Change("DELETE FROM state WHERE key IN (?, ?)", keys)
            self._journal.append_all([], now, [Change(f"DROP TABLE {table}", ()), forget])
        return count

    def _former(self) -> Sequence[tuple[str, bytes]]:
        found = self._journal.rows("SELECT key, value FROM state WHERE key GLOB ?", (f"{former_key(FORMER)}*",))
        return [(key, value) for key, value in found]


def _ages(raws: Sequence[bytes], now: Instant) -> list[int | None]:
    """Return the ages of rows in microseconds, None where the time was not known, then or now, or cannot be read."""
    if now.state is not ClockState.TRUSTED:
        return [None] * len(raws)
    return [_age(raw, now) for raw in raws]


def _age(raw: bytes, now: Instant) -> int | None:
    try:
        event = decode(raw)
    except (ValueError, TypeError):  # rotten: it goes with its neighbours, and holds none of them up
        return None
    return None if event.clock == ClockState.LOST else max(0, now.wall_us - event.wall_us)
