"""Documents that cannot be judged for good yet, each with what must have changed before it is judged again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from station.core.documents import Envelope
from station.core.model import Instant
from station.inbox import Mark

MOST_WAITING = 16

Ripe = Callable[[Instant], bool]
"""Says whether a document may now be judged otherwise than it was. Must cost little: it is asked once a second."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A document as it came, with its row in the inbox (None: from a file)."""

    kind: str
    raw: bytes
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Need:
    """What a document waits for. `dated`: of one that is signed and in order, but for its dates and this clock."""

    ripe: Ripe
    dated: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A document that waits. `taken`: how many others had taken effect when it was judged."""

    arrived: Arrived
    taken: int
    need: Need


class WaitingRoom:
    """What waits, the oldest first. Used by the gate thread alone."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, bytes], Pending] = {}

    def holds(self, arrived: Arrived) -> bool:
        """Say whether this very document waits already."""
        return (arrived.kind, arrived.raw) in self._pending

    def keep(self, new: Pending) -> None:
        """Let a document wait, or wait on. Of those with a date the newest of each type does; of others the last."""
        self.dismiss(new.arrived)
        if new.need.dated is not None:
            rivals = [(one, age) for one, age in self._dated() if age.type is new.need.dated.type]
            if any(age.issued > new.need.dated.issued for _, age in rivals):
                return
            for one, _ in rivals:
                self.dismiss(one.arrived)
        self._pending[new.arrived.kind, new.arrived.raw] = new
        others = [one for one in self._pending.values() if one.need.dated is None]
        for one in others[:-MOST_WAITING]:
            self.dismiss(one.arrived)

    def _dated(self) -> list[tuple[Pending, Envelope]]:
        return [(one, one.need.dated) for one in self._pending.values() if one.need.dated is not None]

    def dismiss(self, arrived: Arrived) -> None:
        """Let a document wait no longer."""
        self._pending.pop((arrived.kind, arrived.raw), None)

    def ripe(self, now: Instant, taken: int) -> list[Arrived]:
        """Return what is worth judging again: something has taken effect since, or what it waits for is there."""
        return [one.arrived for one in self._pending.values() if one.taken != taken or one.need.ripe(now)]

    def again(self, arrived: Arrived) -> None:
        """Take note that what waits has arrived once more, in another row."""
        key = (arrived.kind, arrived.raw)
        self._pending[key] = replace(self._pending[key], arrived=arrived)

    def read_up_to(self, newest: Mark, leaving: bytes | None = None) -> Mark:
        """Return how far the inbox is read: not beyond what waits, which a restart would forget.

        `newest`: the last row that was offered; `leaving`: what waits no longer once this is recorded.
        """
        marks = [one.arrived.mark for one in self._pending.values() if one.arrived.raw != leaving]
        rows = [mark.row - 1 for mark in marks if mark is not None and mark.file == newest.file]
        return Mark(newest.file, min([newest.row, *rows]))
