"""THE main flow, for one lane: from a frame to the recorded passage.

    sighting -> what is newly held up -> credential -> (screening) -> decision -> committed record -> door -> passage

Everything that decides is in station.core; this file carries values between the core and the world, in that order, on
the gate thread. The door is unlocked for a person by LaneCommand.UNLOCK alone, and the lane's table reaches that only
by the event that tells of the committed record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from station.config import LaneConfig
from station.core import credential as passes
from station.core import lane as lanes
from station.core.decide import decide, refuse
from station.core.door import DoorEvent
from station.core.events import Kind
from station.core.facts import Site
from station.core.lane import Lane, LaneCommand, LaneEvent, LaneState
from station.core.model import NOT_MEASURED, Band, Credential, Decision, Instant, Outcome, Rejected, TemperatureReading
from station.core.presentation import (
    REPEAT_WINDOW_US,
    Attention,
    Refusals,
    Repeat,
    count_refusal,
    keep,
    look,
    note_refusal,
    settle,
)
from station.core.reasons import Reason
from station.documents import Documents
from station.doorway import Doorway
from station.ports import Clock, Outputs, Sighting
from station.recorder import Recorder

QUEUED_US = 500_000
"""How long a sighting may wait in the gate's queue beyond the frame's own age limit."""
NOBODY = ("", "")
_PASSAGE = {
    LaneCommand.RECORD_PASSAGE: "entered",
    LaneCommand.RECORD_NO_ENTRY: "no-entry",
    LaneCommand.RECORD_NOT_UNLOCKED: "relay-failed",
    LaneCommand.RECORD_UNANSWERED: "unanswered",
    LaneCommand.RECORD_DISMISSED: "dismissed",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes of a station share."""

    clock: Clock
    recorder: Recorder
    documents: Documents
    decided: Callable[[LaneFlow, int, Decision], None]
    """Called after each recorded decision with its seq, for the list of passages."""


class LaneFlow:
    """One lane. Used by the gate thread alone."""

    def __init__(
        self,
        config: LaneConfig,
        site: Site,
        outputs: Outputs,
        measure: Callable[[int], None] | None,
        around: Surroundings,
        measure_us: int,
    ) -> None:
        """`measure(token)` starts a screening; None where the lane has no thermometer."""
        self.config, self.site = config, site
        self._measure, self._around = measure, around
        self._times = lanes.LaneTimes(measure_us, _us(config.refusal_s), _us(config.guard_s))
        self.lane = Lane()
        self.doorway = Doorway(config.id, config.door, outputs, around.recorder, around.clock, self._step)
        self.busy_with_other = False
        self._attention, self._refusals = Attention(), Refusals()
        self._captured_us = 0
        self._oldest_us = config.camera.max_age_ms * 1000 + QUEUED_US
        self._token = 0
        self._guard: tuple[str, str] = NOBODY
        self._seq = 0
        self._recorded = False

    # --- what is held up -------------------------------------------------------------------------------------------

    def see(self, sighting: Sighting) -> None:
        """Take up what one frame showed; one that waited too long may show the person before and is thrown away."""
        now = self._now()
        if now.mono_us - sighting.captured_ns // 1000 > self._oldest_us:
            return
        texts = [code.text for code in sighting.codes]
        if self.lane.state in (LaneState.PASSING, LaneState.COMMITTING):
            self._attention = keep(self._attention, texts, now.mono_us)
            self.busy_with_other = any(text not in self._attention.seen for text in texts)
            return
        self.busy_with_other = False
        self._attention, fresh = look(self._attention, texts, now.mono_us, _us(self.config.rearm_s))
        if fresh:
            self._captured_us = sighting.captured_ns // 1000
            self._present(texts, fresh, now)

    def _present(self, texts: list[str], fresh: tuple[str, ...], now: Instant) -> None:
        trust = self._around.documents.trust
        verdicts = {text: passes.parse(text, trust) for text in dict.fromkeys(texts)}
        valid = [text for text, verdict in verdicts.items() if isinstance(verdict, Credential)]
        if len(valid) > 1:
            self._decided(refuse(Rejected(Reason.ONE_AT_A_TIME)), "".join(sorted(valid)), signed=True)
        elif valid and valid[0] in fresh:
            self._judge(verdicts[valid[0]], valid[0], now)
        elif not valid and self.lane.state is not LaneState.MEASURING:
            text = min(fresh, key=lambda t: not t.startswith((passes.PREFIX, passes.LIVE_PREFIX)))
            self._judge(verdicts[text], text, now)

    def _judge(self, verdict: Credential | Rejected, text: str, now: Instant) -> None:
        if isinstance(verdict, Rejected):
            self._decided(refuse(verdict), text, signed=False)
            return
        if self.lane.state is LaneState.MEASURING:
            self._note_passage("displaced")
        self._decided(self._decide(verdict, now), text, signed=True)

    def _decide(self, credential: Credential, now: Instant, reading: TemperatureReading = NOT_MEASURED) -> Decision:
        papers = self._around.documents
        return decide(credential, reading, self.site, papers.policy, papers.statuses, now)

    # --- temperature -----------------------------------------------------------------------------------------------

    def screened(self, token: int, reading: TemperatureReading) -> None:
        """Take the result of a screening; one that nobody waits for any more is thrown away."""
        decision = self.lane.decision
        if (
            token != self._token
            or self.lane.state is not LaneState.MEASURING
            or not decision
            or not decision.credential
        ):
            return
        verdict = self._decide(decision.credential, self._now(), reading)
        self._decided(verdict, decision.credential.cti.hex(), signed=True)

    # --- the decision ----------------------------------------------------------------------------------------------

    def _decided(self, decision: Decision, key: str, *, signed: bool) -> None:
        """Let the lane take a decision. `key`: what was refused, so that repetitions are counted and not recorded."""
        self.settle_refusals()
        if signed and decision.outcome is not Outcome.DENY:
            self._step(lanes.OUTCOME_EVENT[decision.outcome], decision)
            return
        digest = hashlib.sha256(f"{decision.reason}\0{key}".encode(errors="replace")).hexdigest()
        if known := self._refusals.covers(digest, signed=signed):
            self._refusals = count_refusal(self._refusals, known)
            self._step(LaneEvent.REFUSED_AGAIN, decision)
            return
        self._step(lanes.OUTCOME_EVENT[decision.outcome], decision)
        if self._recorded:
            self._refusals = note_refusal(self._refusals, digest, self._seq, self._now().mono_us, signed=signed)

    def settle_refusals(self, *, closing: bool = False) -> None:
        """Record how often refusals were repeated, once their minute is over (or the station stops)."""
        now_us = self._now().mono_us + (REPEAT_WINDOW_US if closing else 0)
        self._refusals, repeated = settle(self._refusals, now_us)
        for repeat in repeated:
            self._note_repeat(repeat)

    def _note_repeat(self, repeat: Repeat) -> None:
        payload = {"lane": self.config.id, "of": repeat.seq, "count": repeat.count}
        self._around.recorder.commit_unless_broken(Kind.REPEAT, payload, self._now())

    # --- the guard -------------------------------------------------------------------------------------------------

    def guard_open(self, operator: str, why: str) -> Reason | None:
        """Open by hand; None once it is recorded and the door unlocked, else what stood in the way."""
        self._guard = (operator, why)
        credential = self.lane.decision.credential if self.lane.decision else None
        self._captured_us = 0
        self._step(LaneEvent.GRANT, Decision(Outcome.GRANT, Reason.OVERRIDE, "guard", credential=credential))
        self._guard = NOBODY
        return self.lane.fault

    def dismiss(self, operator: str, why: str) -> bool:
        """End what is shown without opening; False where there is nothing to end."""
        before = self.lane.state
        self._guard = (operator, why)
        self._step(LaneEvent.DISMISSED)
        self._guard = NOBODY
        return before is not self.lane.state

    # --- the lane's commands ---------------------------------------------------------------------------------------

    def _step(self, event: LaneEvent, decision: Decision | None = None) -> None:
        self.lane, commands = lanes.handle(self.lane, event, self._now().mono_us, self._times, decision)
        for command in commands:
            self._execute(command)

    def _execute(self, command: LaneCommand) -> None:
        match command:
            case LaneCommand.MEASURE:
                self._start_screening()
            case LaneCommand.GIVE_UP_MEASURING:
                self.screened(self._token, TemperatureReading(Band.FAULT))
            case LaneCommand.RECORD:
                self._record()
            case LaneCommand.UNLOCK:
                self.doorway.step(DoorEvent.GRANT)
            case LaneCommand.ALARM_JOURNAL:
                self.doorway.alarm("journal", begins=True)
            case _:
                self._note_passage(_PASSAGE[command])

    def _start_screening(self) -> None:
        self._token += 1
        self._seq = 0  # nothing is recorded yet that a passage could refer to
        if self._measure:
            self._measure(self._token)

    def _record(self) -> None:
        decision = self.lane.decision
        assert decision is not None  # noqa: S101 - the table records nothing but decisions
        now = self._now()
        self._recorded = self._commit(decision, now)
        if not self._recorded:
            self._step(LaneEvent.COMMIT_FAILED)
            return
        self._around.decided(self, self._seq, decision)
        self._step(lanes.COMMITTED_EVENT[decision.outcome])

    def _commit(self, decision: Decision, now: Instant) -> bool:
        recorder = self._around.recorder
        payload = decision_payload(self.config.id, self.site.direction, decision)
        if self._captured_us:
            payload["scan_us"] = now.mono_us - self._captured_us
            payload["captured_us"] = self._captured_us
        if self._guard is not NOBODY:
            operator, why = self._guard
            payload |= {"operator": operator, "why": why, "of": self._seq}
            seq = recorder.commit_or_reserve(Kind.OVERRIDE, payload, now)
        else:
            seq = recorder.commit_unless_broken(Kind.DECISION, payload, now)
        self._seq = seq or self._seq
        return seq is not None

    def _note_passage(self, what: str) -> None:
        payload: dict[str, object] = {"lane": self.config.id, "of": self._seq, "what": what}
        if self._seq == 0 and self.lane.decision and self.lane.decision.credential:
            payload["cti"] = self.lane.decision.credential.cti.hex()
        if self._guard is not NOBODY:
            payload |= {"operator": self._guard[0], "why": self._guard[1]}
        self._around.recorder.commit_unless_broken(Kind.PASSAGE, payload, self._now())

    # --- time ------------------------------------------------------------------------------------------------------

    def next_deadline_us(self) -> int | None:
        """Return the monotonic moment at which `expire` must be called, or None."""
        candidates = (self.lane.deadline_us, self.doorway.door.deadline_us, self._refusals.next_expiry_us)
        return min((at for at in candidates if at is not None), default=None)

    def expire(self) -> None:
        """Let deadlines that have passed take effect."""
        now_us = self._now().mono_us
        if self.lane.deadline_us is not None and now_us >= self.lane.deadline_us:
            if self.lane.fault or (self.lane.decision and self.lane.decision.reason is Reason.ONE_AT_A_TIME):
                self._attention = Attention()  # who still holds a pass up has done what was asked
            self._step(LaneEvent.DEADLINE)
        self.doorway.expire()
        self.settle_refusals()

    def tend(self) -> None:
        """Once a second: end the journal's alarm as soon as it commits again."""
        if not self._around.recorder.broken:
            self.doorway.alarm("journal", begins=False)

    def _now(self) -> Instant:
        return self._around.clock.now()


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def decision_payload(lane: str, direction: str, decision: Decision) -> dict[str, object]:
    """Return what the journal keeps of a decision: pseudonyms and measured values, never a name or a plate."""
    payload: dict[str, object] = {
        "lane": lane,
        "dir": direction,
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "rule": decision.rule,
    }
    if credential := decision.credential:
        payload |= {
            "cti": credential.cti.hex(),
            "class": credential.pass_class.name.lower(),
            "kid": credential.kid.hex(),
        }
    if decision.reading.band is not Band.NOT_MEASURED:
        payload |= {"band": decision.reading.band.value, "skin_c": decision.reading.skin_c}
    return payload
