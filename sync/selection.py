"""Which rows are sent next: what has just happened, what an operator asks for, then the oldest gap of the backlog."""

from __future__ import annotations

from sync import wire
from sync.central.ranges import Span, missing
from sync.config import BatchConfig
from sync.outbox import JournalError, Outbox, Stream
from sync.position import Position

MOST_ASKED_FOR = 16


class Selection:
    """Rows younger than the connection are live; all others are backlog, in ascending order."""

    def __init__(self, config: BatchConfig, outbox: Outbox) -> None:
        self._config, self._outbox = config, outbox
        self._live_next = 1
        self._asked_for: list[Span] = []
        """Rows that an operator wants sent once more."""

    def begin(self, last: int) -> None:
        """Begin a connection: rows up to `last` are backlog."""
        self._live_next = last + 1

    def begin_stream(self, last: int) -> None:
        """Begin another stream: what was asked for had other numbers."""
        self._asked_for.clear()
        self.begin(last)

    def next(self, stream: Stream, at: Position, flying: list[Span]) -> Span | None:
        """Return the next rows to send, None where there are none. Raises JournalError."""
        last = stream.last
        if self._live_next <= last:
            return self._live_next, min(last, self._live_next + self._config.live_events - 1)
        spans = self._asked_for or missing([*at.covered(), *flying], self._first_sendable(stream, at), last)
        if not spans:
            return None
        first, stop = spans[0]
        return first, min(stop, first + self._config.backfill_events - 1)

    def _first_sendable(self, stream: Stream, at: Position) -> int:
        """Return the oldest row whose predecessor's hash is known."""
        first = stream.first
        if first - 1 == at.prefix or self._outbox.hash_at(first - 1) is not None:
            return first
        return max(first + 1, at.prefix + 1)

    def cut(self, stream: Stream, at: Position, span: Span) -> wire.Batch:
        """Cut a batch out of `span`, from its first row. Raises JournalError."""
        first, last = span
        before = at.head if first - 1 == at.prefix else self._outbox.hash_at(first - 1)
        if before is None:
            self._asked_for.clear()  # an operator's wish must not hold up the rest
            raise JournalError(f"row {first - 1} is gone, so row {first} cannot be chained to it; trying again")
        most = self._config.live_bytes if first == self._live_next else wire.MAX_RAW
        return self._outbox.batch(stream.epoch, first, last, most, before)

    def sent(self, batch: wire.Batch) -> None:
        """Note that a batch has gone out."""
        first, last = batch.first_seq, batch.last_seq
        if first == self._live_next:
            self._live_next = last + 1
        elif self._asked_for and self._asked_for[0][0] == first:
            rest = (last + 1, self._asked_for.pop(0)[1])
            self._asked_for[:0] = [rest] if rest[0] <= rest[1] else []

    def resend(self, first: int, last: int, stream: Stream | None, at: Position) -> str:
        """Ask for rows once more although central may hold them; returns which, for the operator. Raises JournalError.

        Central drops what it holds.
        """
        begin, end = (max(first, self._first_sendable(stream, at)), min(last, stream.last)) if stream else (1, 0)
        if begin > end or len(self._asked_for) >= MOST_ASKED_FOR:
            return f"nothing is sent: of rows {first} to {last} none is kept, or too much is asked for already"
        self._asked_for.append((begin, end))
        return f"rows {begin} to {end} are sent again"
