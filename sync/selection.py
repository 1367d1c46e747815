"""Which rows are sent next: what has just happened, what an operator asks for, then the oldest gap of the backlog.

A damaged row is left out, and the rows behind it go on from its stored hash; hello then says that it is not kept (docs/
decisions/0025). It is looked at again on the next connection.
"""

from __future__ import annotations

from sync import wire
from sync.central.ranges import Span, missing
from sync.config import BatchConfig
from sync.old_stream import OldStream
from sync.outbox import DamagedRowError, JournalError, Outbox, Stream
from sync.position import Position

MOST_ASKED_FOR = 16


class Selection:
    """Rows younger than the connection are live; all others are backlog, in ascending order."""

    def __init__(self, config: BatchConfig, outbox: Outbox) -> None:
        self._config, self._outbox = config, outbox
        self._live_next = 1
        self._asked_for: list[Span] = []
        """Rows that an operator wants sent once more."""
        self.damaged: list[Span] = []
        """Rows that cannot be sent."""

    def begin(self, last: int) -> None:
        """Begin a connection: rows up to `last` are backlog."""
        self._live_next = last + 1
        self.damaged.clear()

    def begin_stream(self, last: int) -> None:
        """Begin another stream: what was asked for had other numbers."""
        self._asked_for.clear()
        self.begin(last)

    def next(self, stream: Stream, at: Position, flying: list[Span]) -> Span | None:
        """Return the next rows to send, None where there are none. Raises JournalError."""
        last = stream.last
        if self._live_next <= last:
            return self._live_next, min(last, self._live_next + self._config.live_events - 1)
        spans = self._asked_for or self.waiting(stream, at, flying)
        if not spans:
            return None
        first, stop = spans[0]
        return first, min(stop, first + self._config.backfill_events - 1)

    def waiting(self, stream: Stream, at: Position, flying: list[Span]) -> list[Span]:
        """Return the rows that can be sent and are neither held nor on their way. Raises JournalError."""
        return missing([*at.covered(), *flying, *self.damaged], self._first_sendable(stream, at), stream.last)

    def lost(self, at: Position) -> list[Span]:
        """Return the damaged rows that central does not count as delivered."""
        return [(first, last) for first, last in self.damaged if last > at.prefix]

    def describe_lost(self, at: Position) -> str:
        """Return what is damaged, for people; empty where nothing is."""
        lost = self.lost(at)
        if not lost:
            return ""
        count = sum(last - first + 1 for first, last in lost)
        return (
            f"{count} rows of the journal are damaged and cannot be sent, row {lost[0][0]} is the first; all others "
            "are sent. Keep the card, call the operator: gate-central lost list"
        )

    def first_kept(self, stream: Stream, at: Position) -> int:
        """Return the row that hello calls the first that is kept. Raises JournalError.

        Where central has all that can be sent before a damaged row, it is the one behind that: what is missing before
        the first kept row counts as lost at central.
        """
        if not self.lost(at):
            return stream.first
        waiting = self.waiting(stream, at, [])
        until = waiting[0][0] if waiting else stream.last + 1
        return max([stream.first, *(last + 1 for _, last in self.lost(at) if last < until)])

    def _first_sendable(self, stream: Stream, at: Position) -> int:
        """Return the oldest row whose predecessor's hash is known."""
        first = stream.first
        if first - 1 == at.prefix or self._outbox.hash_at(first - 1) is not None:
            return first
        return max(first + 1, at.prefix + 1)

    def cut(self, stream: Stream, at: Position, span: Span) -> wire.Batch | None:
        """Cut a batch out of `span`, from its first row. Raises JournalError.

        Returns None where that row is damaged: it, and what is damaged behind it, is left out from now on.
        """
        first, last = span
        before = at.head if first - 1 == at.prefix else self._outbox.hash_at(first - 1)
        if before is None and self._asked_for:
            self._asked_for.clear()  # an operator's wish must not hold up the rest
            raise JournalError(f"row {first - 1} is gone, so row {first} cannot be chained to it; trying again")
        most = self._config.live_bytes if first == self._live_next else wire.MAX_RAW
        try:
            if before is not None:
                return self._outbox.batch(stream.epoch, first, last, most, before)
        except DamagedRowError:
            pass
        self._leave_out(first, self._damaged_until(stream, first, last))
        return None

    def _damaged_until(self, stream: Stream, first: int, last: int) -> int:
        """Return the last of the damaged rows that begin at `first`. Raises JournalError."""
        now = self._outbox.look()
        if now is None or now.epoch != stream.epoch:
            raise JournalError(f"{self._outbox.path}: was replaced while being read; trying again")
        rows = OldStream(self._outbox.path, epoch=stream.epoch, last=stream.last)
        try:
            piece = rows.piece(first - 1, last)
        finally:
            rows.close()
        return max(first, piece.batch.first_seq - 1 if piece.batch else piece.reached)

    def _leave_out(self, first: int, last: int) -> None:
        self.damaged += missing(self.damaged, first, last)
        self._passed(first, last)

    def sent(self, batch: wire.Batch) -> None:
        """Note that a batch has gone out."""
        self._passed(batch.first_seq, batch.last_seq)

    def _passed(self, first: int, last: int) -> None:
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
