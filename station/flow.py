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
from station.core.presentation import Attention, Repeats, count_one, first_refusal, keep, look
from station.core.reasons import Reason
from station.documents import Documents
from station.doorway import Doorway
from station.ports import Clock, Outputs, Sighting
from station.recorder import Recorder


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
        self._attention, self._repeats = Attention(), Repeats()
        self._captured_us = 0
        self._token = 0
        self._override: tuple[str, str] | None = None
        self._seq = 0
        self._recorded = False

    # --- what is held up -------------------------------------------------------------------------------------------

    def see(self, sighting: Sighting) -> None:
        """Take up what one frame showed."""
        now = self._now()
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
            self._decided(refuse(Rejected(Reason.ONE_AT_A_TIME)), "".join(sorted(valid)))
        elif valid and valid[0] in fresh:
            self._judge(verdicts[valid[0]], valid[0], now)
        elif not valid and self.lane.state is not LaneState.MEASURING:
            text = min(fresh, key=lambda t: not t.startswith((passes.PREFIX, passes.LIVE_PREFIX)))
            self._judge(verdicts[text], text, now)

    def _judge(self, verdict: Credential | Rejected, text: str, now: Instant) -> None:
        if isinstance(verdict, Rejected):
            self._decided(refuse(verdict), text)
        else:
            self._decided(self._decide(verdict, now), text)

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
        self._decided(self._decide(decision.credential, self._now(), reading), decision.credential.cti.hex())

    # --- the decision ----------------------------------------------------------------------------------------------

    def _decided(self, decision: Decision, key: str) -> None:
        if decision.outcome is not Outcome.DENY:
            self._step(lanes.OUTCOME_EVENT[decision.outcome], decision)
            return
        digest = hashlib.sha256(f"{decision.reason}\0{key}".encode()).hexdigest()
        now_us = self._now().mono_us
        if self._repeats.covers(digest, now_us):
            self._repeats = count_one(self._repeats)
            self._step(LaneEvent.REFUSED_AGAIN, decision)
            return
        self.flush_repeats()
        self._step(LaneEvent.DENY, decision)
        if self._recorded:
            self._repeats = first_refusal(digest, self._seq, now_us)

    def flush_repeats(self) -> None:
        """Record how often the last refusal was repeated."""
        if self._repeats.count:
            payload = {"lane": self.config.id, "of": self._repeats.first_seq, "count": self._repeats.count}
            self._around.recorder.commit_unless_broken(Kind.REPEAT, payload, self._now())
        self._repeats = Repeats()

    def guard_open(self, operator: str, why: str) -> bool:
        """Open by hand; True once it is recorded and the door is unlocked."""
        if self.lane.state is LaneState.COMMITTING:
            return False
        self._override = (operator, why)
        credential = self.lane.decision.credential if self.lane.decision else None
        self._captured_us = 0
        self._step(LaneEvent.GRANT, Decision(Outcome.GRANT, Reason.OVERRIDE, "guard", credential=credential))
        self._override = None
        return self._recorded

    def dismiss(self) -> bool:
        """End what is shown without opening."""
        before = self.lane.state
        self._step(LaneEvent.DISMISSED)
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
            case LaneCommand.RECORD_PASSAGE:
                self._note_passage("entered")
            case LaneCommand.RECORD_NO_ENTRY:
                self._note_passage("no-entry")
            case LaneCommand.RECORD_UNANSWERED:
                self._note_passage("unanswered")
            case LaneCommand.ALARM_JOURNAL:
                self.doorway.alarm("journal", begins=True)

    def _start_screening(self) -> None:
        self._token += 1
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
        self.doorway.alarm("journal", begins=False)
        self._around.decided(self, self._seq, decision)
        self._step(lanes.COMMITTED_EVENT[decision.outcome])

    def _commit(self, decision: Decision, now: Instant) -> bool:
        recorder = self._around.recorder
        payload = decision_payload(self.config.id, self.site.direction, decision)
        if self._captured_us:
            payload["scan_us"] = now.mono_us - self._captured_us
            payload["captured_us"] = self._captured_us
        if self._override:
            operator, why = self._override
            payload |= {"operator": operator, "why": why, "of": self._seq}
            seq = recorder.commit_or_reserve(Kind.OVERRIDE, payload, now)
        else:
            seq = recorder.commit_unless_broken(Kind.DECISION, payload, now)
        self._seq = seq if seq is not None else self._seq
        return seq is not None

    def _note_passage(self, what: str) -> None:
        payload: dict[str, object] = {"lane": self.config.id, "of": self._seq, "what": what}
        self._around.recorder.commit_unless_broken(Kind.PASSAGE, payload, self._now())

    # --- time ------------------------------------------------------------------------------------------------------

    def next_deadline_us(self) -> int | None:
        """Return the monotonic moment at which `expire` must be called, or None."""
        repeats = self._repeats.until_us if self._repeats.count else None
        candidates = (self.lane.deadline_us, self.doorway.door.deadline_us, repeats)
        return min((at for at in candidates if at is not None), default=None)

    def expire(self) -> None:
        """Let deadlines that have passed take effect."""
        now_us = self._now().mono_us
        if self.lane.deadline_us is not None and now_us >= self.lane.deadline_us:
            self._step(LaneEvent.DEADLINE)
        self.doorway.expire()
        if self._repeats.count and now_us >= self._repeats.until_us:
            self.flush_repeats()

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
