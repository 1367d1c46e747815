"""Records what happens at one lane: decisions, passages, overrides, and the state that belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from station.core.baseline import Baseline
from station.core.events import Kind
from station.core.model import Credential, Decision, Direction, Instant, Outcome
from station.journal import Change, set_state
from station.payloads import Payload, decision_payload, entered_payload, holders
from station.recorder import Recorder
from station.register import Register


class Operator(NamedTuple):
    """Who acts by hand, and why (where a reason is asked for); `duress`: under threat."""

    name: str
    why: str = ""
    duress: bool = False

    def payload(self) -> Payload:
        """Return the fields of an event."""
        why = {"why": self.why} if self.why else {}
        return {"operator": self.name, **why, **({"duress": True} if self.duress else {})}


def baseline_key(lane: str) -> str:
    """Return the key under which the journal keeps what temperature is usual at a lane."""
    return f"baseline {lane}"


class LaneRecord:
    """The journal as one lane writes it. Used by the gate thread alone."""

    def __init__(
        self,
        lane: str,
        direction: Direction,
        recorder: Recorder,
        register: Register,
        personal: Callable[[Decision, Instant], tuple[Payload, list[Change]]],
    ) -> None:
        """`personal`: returns what a decision's event keeps of the person, sealed, and the change that goes with it."""
        self._lane, self._direction = lane, direction
        self._recorder, self._register, self._personal = recorder, register, personal
        self.seq = 0
        """The decision that a passage refers to; 0 where none is recorded yet."""
        self.captured_us = 0
        """When the frame was taken that began the transaction (monotonic); 0 where none did."""
        self.by: Operator | None = None
        """Set while a guard acts."""
        self.measured_by: Operator | None = None
        """Set while it is decided anew on what a guard measured by hand."""
        self.usual: Baseline | None = None
        """What is usual at this lane after the screening that is decided on now; stored with that decision."""

    def begin(self, captured_us: int) -> None:
        """Note when the frame was taken that shows what is judged now."""
        self.captured_us = captured_us

    def decision(self, decision: Decision, now: Instant) -> bool:
        """Commit a decision or override; False where that failed."""
        granted = holders(decision) if decision.outcome is Outcome.GRANT else ()
        memo = self._register.granted(granted, now)
        payload = decision_payload(self._lane, self._direction, decision)
        if self.captured_us:
            payload["scan_us"] = now.mono_us - self.captured_us
            payload["captured_us"] = self.captured_us
        if self.measured_by is not None:
            payload |= {**self.measured_by.payload(), "of": self.seq}
        if self.by is None:
            fields, kept = self._personal(decision, now)
            changes = [*memo.changes, *self._take_usual(), *kept]
            seq = self._recorder.commit_unless_broken(Kind.DECISION, payload | fields, now, changes)
        else:
            payload |= {**self._operator(), "of": self.seq}
            seq = self._recorder.commit_or_reserve(Kind.OVERRIDE, payload, now, memo.changes)
        if seq is not None:
            memo.take_effect()
        self.seq = seq or self.seq
        return seq is not None

    def _take_usual(self) -> list[Change]:
        usual, self.usual = self.usual, None
        return [] if usual is None else [set_state(baseline_key(self._lane), usual.encode())]

    def entered(self, of: int, people: tuple[Credential, ...], now: Instant) -> None:
        """Record that the people of grant `of` went through, with what anti-passback and quotas must know of it."""
        memo = self._register.passed(people, self._direction, now)
        payload = entered_payload(self._lane, of, self._direction.value, people)
        if self._recorder.commit_or_reserve(Kind.PASSAGE, payload, now, memo.changes) is not None:
            memo.take_effect()

    def missed(self, what: str, of: int, people: tuple[Credential, ...], now: Instant) -> None:
        """Record that nobody of grant `of` went through, or only `people` of it did not."""
        payload: Payload = {"lane": self._lane, "of": of, "what": what, **self._operator()}
        if people:
            payload["cti"] = people[0].cti.hex()
        self._recorder.commit_or_reserve(Kind.PASSAGE, payload, now)

    def ended(self, what: str, decision: Decision | None, now: Instant) -> None:
        """Record how a transaction ended without anybody going through."""
        payload: Payload = {"lane": self._lane, "of": self.seq, "what": what, **self._operator()}
        if self.seq == 0 and decision and decision.credential:
            payload["cti"] = decision.credential.cti.hex()
        self._recorder.commit_or_reserve(Kind.PASSAGE, payload, now)

    def forgiven(self, credential: Credential, now: Instant) -> bool:
        """Record that a guard forgives earlier passages; False where that failed."""
        memo = self._register.forgiven(credential, now)
        payload: Payload = {"lane": self._lane, "cti": credential.cti.hex(), **self._operator()}
        if self._recorder.commit_unless_broken(Kind.FORGIVEN, payload, now, memo.changes) is None:
            return False
        memo.take_effect()
        return True

    def _operator(self) -> Payload:
        return self.by.payload() if self.by else {}
