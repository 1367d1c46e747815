"""Batches on their way: sent, and not yet acknowledged by central.

A flight is forgotten, and so sent again, when its time is up. The time runs from the broker's PUBACK: before that the
batch is still on this connection, which loses nothing, and a copy would only stand in line behind it. The
acknowledgement of an OLDER flight restarts that time (the queue before it is still moving), that of a younger flight
does not: then this one is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sync.central.ranges import Span, missing, without
from sync.pacing import Patience


@dataclass(slots=True)
class Flight:
    """One batch on its way. `fresh`: never sent before, so its acknowledgement measures the round trip.

    `taken`: when the broker had it, `due`: when it is given up; both infinite until it has it.
    """

    first: int
    last: int
    mid: int
    fresh: bool
    taken: float = math.inf
    due: float = math.inf


class Flights:
    """All batches on their way, oldest first."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._flying: list[Flight] = []
        self._sent: list[Span] = []
        """What was ever sent of this stream, disjoint and ascending."""

    def __len__(self) -> int:
        return len(self._flying)

    def clear(self) -> None:
        """Forget them: the connection they were on is gone."""
        self._flying.clear()

    def begin_stream(self) -> None:
        """Forget them and what was ever sent: another stream begins."""
        self.clear()
        self._sent.clear()

    def start(self, span: Span, mid: int) -> None:
        """Note that rows `span` have been sent under message id `mid`."""
        first, last = span
        self._flying.append(Flight(first, last, mid, fresh=missing(self._sent, first, last) == [span]))
        sent = [*self._sent, span]
        end = max(stop for _, stop in sent)
        self._sent = without([(1, end)], missing(sent, 1, end))

    def spans(self) -> list[Span]:
        """Return the rows that are on their way."""
        return [(flight.first, flight.last) for flight in self._flying]

    @property
    def unpubacked(self) -> int:
        """How many the broker has not taken yet."""
        return sum(flight.taken == math.inf for flight in self._flying)

    def taken(self, mid: int, now: float) -> None:
        """Note that the broker has the one with this message id: from now on central is waited for."""
        for flight in self._flying:
            if flight.mid == mid:
                flight.taken, flight.due = now, now + self._patience.wait()

    def carry(self, mid: int) -> bool:
        """Say whether a message id is one of theirs."""
        return any(flight.mid == mid for flight in self._flying)

    def drop(self, mid: int) -> None:
        """Forget the one with this message id: nobody has received it."""
        self._flying = [flight for flight in self._flying if flight.mid != mid]

    def land(self, covered: Iterable[Span], now: float) -> bool:
        """Take what central holds out of the air, and give those behind it their full time again. Says if any did."""
        held, flying, progress = list(covered), list[Flight](), False
        for flight in self._flying:
            if not missing(held, flight.first, flight.last):
                progress = True
                if flight.fresh and flight.taken < math.inf:
                    self._patience.measured(now - flight.taken)
                continue
            if progress:
                flight.due = max(flight.due, now + self._patience.wait())
            flying.append(flight)
        self._flying = flying
        return progress

    def give_up(self, now: float) -> Span | None:
        """Forget those whose time is up; return the first and last row of them, None where there are none.

        The wait grows where a repetition is not answered either. One batch lost, as by a collector that died with it,
        is no reason to wait longer for the others.
        """
        lost = [flight for flight in self._flying if flight.due <= now]
        if not lost:
            return None
        if not all(flight.fresh for flight in lost):
            self._patience.disappointed()
        self._flying = [flight for flight in self._flying if flight.due > now]
        return lost[0].first, lost[-1].last

    def due(self) -> list[float]:
        """Return when each gives up that the broker has."""
        return [flight.due for flight in self._flying if flight.due < math.inf]
