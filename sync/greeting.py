"""The hello of one connection: sent until central answers it, and again where only its answer can be believed."""

from __future__ import annotations

import math
import random

from sync import wire
from sync.outbox import Outbox, Stream
from sync.position import Position

NONCE_BITS = 52


class Greeting:
    """Times are seconds of a monotonic clock. `due`: when to send it (again), None once it is answered."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.due: float | None = None
        self.first_kept = 0
        """What was said last of where the journal begins."""
        self.reset()

    def reset(self) -> None:
        """Forget it: there is no connection."""
        self.nonce, self.due, self._sent, self._mid = 0, None, 0.0, -1

    def begin(self, now: float) -> None:
        """Say hello at `now`, under a number of its own."""
        self.reset()
        self.nonce, self.due = self._rng.getrandbits(NONCE_BITS) + 1, now

    def begin_again(self, now: float, pause_s: float) -> None:
        """Let another hello find out what central really holds, unless one is under way."""
        if self.due is None:
            self.begin(max(now, self._sent + pause_s))

    @property
    def was_sent(self) -> bool:
        """Whether this one has been sent before."""
        return self._sent > 0

    def sent(self, mid: int | None, now: float, due: float) -> None:
        """Note that it went out under message id `mid`: due again some time after its PUBACK (`postpone`).

        Where it did not go out (None) it is due again at `due`.
        """
        self._mid, self._sent, self.due = (-1, now, due) if mid is None else (mid, now, math.inf)

    def message(
        self, stream: Stream, first_kept: int, at: Position, outbox: Outbox, versions: dict[str, str], zone: str
    ) -> wire.Hello:
        """Return what is said now: where the station stands. Raises JournalError."""
        self.first_kept = first_kept
        return wire.Hello(
            epoch=stream.epoch,
            nonce=self.nonce,
            first_kept=first_kept,
            next_seq=stream.last + 1,
            acked=at.prefix,
            head=at.head.hex(),
            versions=versions,
            documents=outbox.documents(),
            zone=zone,
            boot_nonce=outbox.boot_nonce(),
        )

    def carries(self, mid: int) -> bool:
        """Say whether a message id is its own."""
        return mid == self._mid

    def postpone(self, until: float) -> None:
        """Send it again then, if it has not been answered."""
        if self.due is not None:
            self.due = until

    def is_answered_by(self, ack: wire.Ack) -> bool:
        """Say whether this is the first answer to it, and so newer than the connection itself."""
        return self.due is not None and ack.hello == self.nonce

    def answered(self) -> None:
        """Note the answer."""
        self.due = None
