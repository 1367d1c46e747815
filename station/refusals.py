"""Refusals that keep coming are counted, not recorded one by one: nobody fills the disk with a QR."""

from __future__ import annotations

import hashlib

from station.core.events import Kind
from station.core.model import Decision
from station.core.presentation import REPEAT_WINDOW_US, Refusals, count_refusal, note_refusal, settle
from station.ports import Clock
from station.recorder import Recorder


class RefusalCounter:
    """The refusals of one lane. Used by the gate thread alone."""

    def __init__(self, lane: str, recorder: Recorder, clock: Clock) -> None:
        self._lane, self._recorder, self._clock = lane, recorder, clock
        self._refusals = Refusals()

    def counts(self, key: str, *, signed: bool) -> bool:
        """Count a refusal that is recorded already; False where it must be recorded first."""
        known = self._refusals.covers(key, signed=signed)
        if known is not None:
            self._refusals = count_refusal(self._refusals, known)
        return known is not None

    def begin(self, key: str, seq: int, *, signed: bool) -> None:
        """Begin counting after a refusal was recorded as event `seq`."""
        self._refusals = note_refusal(self._refusals, key, seq, self._clock.now().mono_us, signed=signed)

    def settle(self, *, closing: bool = False) -> None:
        """Record how often refusals were repeated, once their minute is over (or the station stops)."""
        if not self._refusals.recorded:
            return
        now = self._clock.now()
        self._refusals, repeated = settle(self._refusals, now.mono_us + (REPEAT_WINDOW_US if closing else 0))
        for repeat in repeated:
            payload = {"lane": self._lane, "of": repeat.seq, "count": repeat.count}
            self._recorder.commit_unless_broken(Kind.REPEAT, payload, now)

    @property
    def next_expiry_us(self) -> int | None:
        """When a minute is over, monotonic microseconds."""
        return self._refusals.next_expiry_us


def refusal_key(decision: Decision, what: str) -> str:
    """Return the digest under which refusals of one thing for one reason are counted."""
    return hashlib.sha256(f"{decision.reason}\0{what}".encode(errors="replace")).hexdigest()
