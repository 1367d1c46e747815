"""Takes to the gates what the site desk has for each of them, every minute and for a hello, a little at a time.

A new connection begins with eight days for every gate, and each gate's hello asks for them again: at a large site that
takes minutes, and stations that have all just come back wait for their acknowledgements. So a few notices are under way
at a time, and the next ones follow the broker's PUBACKs, between two flushes; what waits for the network is never more
than that, either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sync.central.site_desk import Message, SiteDesk

MOST_UNDER_WAY = 8
"""Notices: two gates' eight days, a third of a second. Acknowledgements wait no longer than for these."""

Publish = Callable[[str, bytes], int | None]
"""Publishes (topic, payload) and returns the message id, None where there is no connection."""


class SiteRound:
    """Goes round the sites, again and again."""

    def __init__(self, desk: SiteDesk, every_s: float) -> None:
        """`every_s`: seconds from the end of a round to the next."""
        self._desk, self._every_s = desk, every_s
        self._rest: Iterator[Message] | None = None
        self._is_round = False
        """Whether `_rest` is a round; else it answers hellos between two."""
        self._under_way = set[int]()
        self._next_at = 0.0

    def connected(self) -> None:
        """Begin anew with a connection: of what was under way on the old one nobody knows."""
        self._rest, self._next_at = None, 0.0
        self._under_way.clear()

    def look(self, publish: Publish, now: float) -> None:
        """Send the next few. `now`: monotonic seconds.

        Raises sqlalchemy.exc.DBAPIError; called again, it begins a round with those who have not been told everything.
        """
        if self._rest is None:
            self._is_round = now >= self._next_at
            if not (self._is_round or self._desk.is_asked):
                return
            self._rest = self._desk.every_minute() if self._is_round else self._desk.answers()
        going, self._rest = self._rest, None  # one that has raised cannot go on
        for _ in range(MOST_UNDER_WAY - len(self._under_way)):
            message = next(going, None)
            if message is None:
                self._next_at = now + self._every_s if self._is_round else self._next_at
                return
            mid = publish(*message)
            if mid is not None:
                self._under_way.add(mid)
        self._rest = going

    def published(self, mid: int) -> None:
        """Take the broker's PUBACK."""
        self._under_way.discard(mid)
