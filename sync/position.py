"""What central has of the station's stream, and whether an acknowledgement can be about the journal that is here."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass, field

from station.core.events import GENESIS
from sync import wire
from sync.central.ranges import Span
from sync.outbox import Outbox, Stream

log = logging.getLogger(__name__)


class Verdict(enum.Enum):
    """What an acknowledgement says beside what is in the journal."""

    AGREES = "agrees"
    AHEAD = "ahead"
    """Central holds rows that are not in the journal."""
    DIFFERS = "differs"
    """Central's chain hash is not the journal's."""
    UNKNOWN = "unknown"
    """No row is left to compare it with."""


@dataclass(slots=True)
class Position:
    """The acknowledged prefix with its hash, and the ranges held beyond it."""

    prefix: int = 0
    head: bytes = GENESIS
    held: list[Span] = field(default_factory=list)
    unsaved: bool = False

    def covered(self) -> list[Span]:
        """Return everything that need not be sent."""
        return [(1, self.prefix), *self.held]

    def judge(self, ack: wire.Ack, stream: Stream, outbox: Outbox) -> Verdict:
        """Hold an acknowledgement against the journal. Raises JournalError."""
        seq, head = ack.prefix.seq, bytes.fromhex(ack.prefix.head)
        if max([seq, *(held.last for held in ack.held)]) > stream.last:
            return Verdict.AHEAD
        same = (seq, head) == (self.prefix, self.head) or outbox.confirms(seq, head)
        if same is None:
            return Verdict.UNKNOWN
        return Verdict.AGREES if same else Verdict.DIFFERS

    def moved(self, ack: wire.Ack, outbox: Outbox) -> Position:
        """Return the position that an acknowledgement tells of; downwards is the rewind into rows still kept."""
        seq, head = ack.prefix.seq, bytes.fromhex(ack.prefix.head)
        if seq < self.prefix:
            log.warning(
                "central has forgotten rows %d to %d (restored from a backup?): sending what is still kept again",
                seq + 1,
                self.prefix,
            )
        good = [(r.first, r.last) for r in ack.held if outbox.hash_at(r.last) == bytes.fromhex(r.last_hash)]
        return Position(seq, head, good, (seq, head) != (self.prefix, self.head) or self.unsaved)
