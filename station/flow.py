"""THE main flow, for one lane: from a frame to the recorded passage.

    sighting -> what is newly held up -> credential -> (screening, second pass) -> decision -> committed record -> door
    -> passage

Everything that decides is in station.core; this file carries values between the core and the world, in that order, on
the gate thread. The door is unlocked for a person by LaneCommand.UNLOCK alone, and the lane's table reaches that only
by the event that tells of the committed record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from station.config import LaneConfig
from station.core import lane as lanes
from station.core import scan
from station.core.baseline import Baseline
from station.core.door import DoorState
from station.core.facts import Site
from station.core.lane import Lane, LaneCommand, LaneEvent, LaneState
from station.core.model import Credential, Decision, Instant, Outcome, Rejected, TemperatureReading, Verdict
from station.core.reasons import Reason
from station.core.timecode import TimeCode
from station.core.vigilance import COOL_US, WINDOW_US, Vigil, refused
from station.doorway import Doorway
from station.judge import Judge, Surroundings
from station.lane_record import LaneRecord
from station.let_in import LetIn
from station.measurement import Measured, Measurement
from station.payloads import holders
from station.ports import Sighting
from station.refusals import RefusalCounter, refusal_key
from station.turn import Turn
from station.watcher import HeldUp, Reading, Watcher, most_telling, passes_among

IMITATED = frozenset({Reason.LIVE_STALE, Reason.LIVE_REPLAYED, Reason.LIVE_WRONG_NONCE, Reason.PASSBACK})
"""Refusals of genuine passes that count as tried like made-up ones: copies, and passes handed back."""
# Names of their own for what every passage asks: Python 3.11 takes 0.2 us to find a member by its enumeration, and a
# passage asked for seventy (a tenth of its time). For the same reason the usual commands come first in `_execute`.
_BUSY, _PENDING = (LaneState.PASSING, LaneState.COMMITTING), (LaneState.MEASURING, LaneState.ESCORTING)
_IDLE, _MEASURING, _DENY, _ESCORT = LaneState.IDLE, LaneState.MEASURING, Outcome.DENY, Outcome.ESCORT
QUEUED_US = 500_000
"""How long a sighting may wait in the gate's queue beyond the frame's own age limit."""
_ENDED = {
    LaneCommand.RECORD_NO_ENTRY: "no-entry",
    LaneCommand.RECORD_NOT_UNLOCKED: "relay-failed",
    LaneCommand.RECORD_UNANSWERED: "unanswered",
    LaneCommand.RECORD_DISMISSED: "dismissed",
    LaneCommand.RECORD_UNESCORTED: "unescorted",
}


class LaneFlow:
    """One lane. Used by the gate thread alone."""

    def __init__(
        self,
        config: LaneConfig,
        site: Site,
        doorway: Doorway,
        measure: Callable[[int], None] | None,
        around: Surroundings,
        measure_us: int,
        read: Callable[[str], Reading] | None = None,
    ) -> None:
        """`measure(token)` starts a screening; None where the lane has no thermometer.

        `read` reads a text; None: against the trust bundle in force.
        """
        self.config, self.site = config, site
        self._measurement, self._around, self.now = Measurement(measure), around, around.clock.now
        self._times = lanes.LaneTimes(measure_us, _us(config.refusal_s), _us(config.guard_s), _us(config.escort_s))
        self.lane = Lane()
        self.doorway = doorway
        self.busy_with_other = False
        self._watcher = Watcher(read or self._read, around.register.used_up, _us(config.rearm_s))
        self.refusals = RefusalCounter(config.id, around.recorder, around.clock)
        self._oldest_us = config.camera.max_age_ms * 1000 + QUEUED_US
        self._vigil, self._cool_until_us = Vigil(), 0
        self.turn = Turn(self.now())
        self._judge = Judge(site, around)
        self.record = LaneRecord(config.id, site.direction, around.recorder, around.register, around.personal)
        self._recorded = False
        self._let_in = LetIn()
        self._shown: Instant | None = None
        """When the pass was shown that is judged now: measuring and waiting do not make its live code older."""

    # --- what is held up -------------------------------------------------------------------------------------------

    def _read(self, text: str) -> Reading:
        return scan.read(text, self._around.documents.trust, self.site.zone)

    def see(self, sighting: Sighting) -> None:
        """Take up what one frame showed; one that waited too long may show the person before and is thrown away."""
        now = self.now()
        if now.mono_us - sighting.captured_ns // 1000 > self._oldest_us:
            return
        texts, trust = list(dict.fromkeys([code.text for code in sighting.codes])), self._around.documents.trust
        if self.out_of_service:
            return
        if self.lane.state in _BUSY or self.interlocked:
            self.busy_with_other = self._watcher.stay(texts, trust, now)
            return
        self.busy_with_other = False
        held, fresh = self._watcher.look(texts, trust, now)
        if fresh:
            self.record.begin(sighting.captured_ns // 1000)
            self._present(held, fresh, now)

    def _present(self, held: tuple[HeldUp, ...], fresh: tuple[HeldUp, ...], now: Instant) -> None:
        passes = passes_among(held)
        if len(passes) > 1 and self.lane.state is LaneState.ESCORTING:
            passes.pop(self._waiting_cti(), None)  # two people side by side, as they were asked to come
        if len(passes) > 1:
            self._displace(b"", now)
            self._decided(self._judge.refuse(Rejected(Reason.ONE_AT_A_TIME)), _joined(passes), signed=True)
        elif passes:
            item = next(iter(passes.values()))
            if item in fresh:
                self._take_up(item, now)
        else:
            item = most_telling(fresh)
            if not self._keeps_its_person(item) and not self._cooling(now):
                self._take_up(item, now)

    def _keeps_its_person(self, item: HeldUp) -> bool:
        """Say whether what is no pass, a poster perhaps, must not end what is being done for a person with one."""
        if self.lane.state is not LaneState.REFERRED:
            return self.lane.state in _PENDING
        return bool(self._waiting_cti()) and not is_time_code(item.reading)

    def _cooling(self, now: Instant) -> bool:
        """Say whether to pause: after too many refusals one unsigned text is taken up every few seconds."""
        pausing = "illegal-passes" in self.doorway.alarms and now.mono_us < self._cool_until_us
        if not pausing:
            self._cool_until_us = now.mono_us + COOL_US
        return pausing

    @property
    def interlocked(self) -> bool:
        """Whether another door must be shut first; whoever lets people in obeys it, only fire and REX do not."""
        return self._around.interlocked(self.config.id)

    def look_anew(self) -> None:
        """Take up anew whatever is held up."""
        self._watcher.forget()

    @property
    def out_of_service(self) -> bool:
        """Whether the lane is taken out of service; egress works all the same."""
        return self.doorway.door.state is DoorState.OUT_OF_SERVICE

    @property
    def locked_down(self) -> bool:
        """Whether central has closed this lane to everybody."""
        return self._judge.closed

    def _waiting_cti(self) -> bytes:
        first = self.lane.decision.credential if self.lane.decision else None
        return first.cti if first else b""

    def _take_up(self, item: HeldUp, now: Instant) -> None:
        match item.reading:
            case Rejected(reason=Reason.TIME_CODE_REFUSED) as rejected:
                self._refuse_time(rejected, item.text, signed=False)
            case Rejected() as rejected:
                if item.text.startswith(scan.OUR_PREFIXES):  # somebody's pass, though no good one; not a poster
                    of = rejected.credential.cti if rejected.credential else item.text.encode(errors="replace")
                    self._displace(of, now)
                self._decided(self._judge.refuse(rejected), item.text, signed=False)
            case TimeCode() as code:
                self._hear_time(code)
            case credential:
                self._judge_pass(credential, now)

    def _judge_pass(self, credential: Credential, now: Instant) -> None:
        first = self.lane.decision.credential if self.lane.decision else None
        if first and self.lane.state is LaneState.ESCORTING and first.cti != credential.cti:
            verdict = self._judge.second_pass(first, credential, now, self._shown)
        else:
            verdict = self._judge.decide(credential, now)
        if verdict.credential is credential:
            self._displace(credential.cti, now)
            self._shown = now
        self._decided(verdict, credential.cti.hex(), signed=True)

    def _displace(self, whose: bytes, now: Instant) -> None:
        """Begin with another person; whoever is still measured, or waits for the guard, is recorded as displaced."""
        another = self.turn.comes(whose, now, free=self.lane.state is _IDLE)
        if self.lane.state in _PENDING or (self.lane.state is LaneState.REFERRED and another):
            self.record.ended("displaced", self.lane.decision, now)

    def _hear_time(self, code: TimeCode) -> None:
        if not self._around.told_time(code):
            wrong = Rejected(Reason.TIME_CODE_REFUSED, f"key {code.kid.hex()}")
            self._refuse_time(wrong, code.nonce.hex(), signed=True)

    def _refuse_time(self, wrong: Rejected, what: str, *, signed: bool) -> None:
        """Show that a time code was not accepted; nobody waits for a guard, for it is the guard who showed it."""
        self._displace(b"", self.now())
        self._decided(replace(self._judge.refuse(wrong), outcome=Outcome.DENY), what, signed=signed)

    # --- temperature -----------------------------------------------------------------------------------------------

    def screened(self, token: int, reading: TemperatureReading, usual: Baseline | None = None) -> None:
        """Take the result of a screening; one that nobody waits for any more is thrown away.

        `usual`: what is usual at this lane after it, stored with the decision.
        """
        if self.lane.state is LaneState.MEASURING and self._measurement.take(token, Measured(reading, usual)):
            self.conclude()

    def conclude(self) -> None:
        """Decide on what was measured, once no other door must be shut first, or that has lasted too long."""
        decision, found = self.lane.decision, self._measurement.found
        if found is None or decision is None or decision.credential is None:
            return
        blocked = self.interlocked
        if blocked and self.now().mono_us < (self._measurement.waits_until_us or 0):
            return
        self._measurement.forget()
        verdict = self.judge_measured(decision.credential, found.reading, decision.escort)
        if blocked and verdict.outcome is Outcome.GRANT:
            verdict = replace(verdict, outcome=Outcome.REFER, reason=Reason.INTERLOCKED)
        self.record.usual = found.usual
        self._decided(verdict, decision.credential.cti.hex(), signed=True)

    def judge_measured(
        self, credential: Credential, reading: TemperatureReading, escort: Credential | None
    ) -> Decision:
        """Decide about the person here with what was measured; the pass is judged by when it was shown."""
        return self._judge.decide(credential, self.now(), reading, escort, self._shown)

    @property
    def waits_for_door(self) -> bool:
        """Whether somebody who was measured waits here for another door to be shut."""
        return self._measurement.found is not None

    # --- the decision ----------------------------------------------------------------------------------------------

    def _decided(self, decision: Decision, key: str, *, signed: bool) -> None:
        """Let the lane take a decision. `key`: what was refused, so that repetitions are counted and not recorded."""
        self.refusals.settle()
        if signed and decision.outcome is not _DENY:
            if decision.outcome is _ESCORT:
                self.record.seq = 0  # nothing is recorded yet that a passage could refer to
            self.step(lanes.OUTCOME_EVENT[decision.outcome], decision)
            return
        if not signed or decision.reason in IMITATED:
            self._watch_refusals(decision)
        counted_as = refusal_key(decision, key)
        if self.refusals.counts(counted_as, signed=signed):
            self.step(LaneEvent.REFUSED_AGAIN, decision)
            return
        self.step(lanes.OUTCOME_EVENT[decision.outcome], decision)
        if self._recorded:
            self.refusals.begin(counted_as, self.record.seq, signed=signed)

    def _watch_refusals(self, decision: Decision) -> None:
        """Ring where too many codes are tried in a short time; the station's own faults do not count."""
        if decision.verdict is not Verdict.DENIED:
            return
        self._vigil, too_many = refused(self._vigil, self.now().mono_us)
        if too_many:
            self.doorway.alarms.ring_once("illegal-passes", WINDOW_US)

    # --- the lane's commands ---------------------------------------------------------------------------------------

    def step(self, event: LaneEvent, decision: Decision | None = None) -> None:
        """Carry an event to the lane's table and do what it commands."""
        about = self.lane.decision
        self.lane, commands = lanes.handle(self.lane, event, self.now().mono_us, self._times, decision)
        for command in commands:
            self._execute(command, about)
        if self.lane.state is not _MEASURING:
            self._measurement.forget()
        if self.lane.state is _IDLE:
            self._let_in.forget()

    def _execute(self, command: LaneCommand, about: Decision | None) -> None:
        """Do what the table commands. `about`: the decision before the step; the lane may be free by now."""
        match command:
            case LaneCommand.RECORD:
                self._commit()
            case LaneCommand.UNLOCK:
                people = holders(self.lane.decision)
                self._let_in.expect(self.record.seq, people, besides=self.doorway.counts)
                self.doorway.grant(len(people), self.step)
            case LaneCommand.RECORD_PASSAGE:
                if through := self._let_in.through(counted=self.doorway.counts):
                    self.record.entered(*through, self.now())
            case LaneCommand.MEASURE:
                self.record.seq = 0  # nothing is recorded yet that a passage could refer to
                self._measurement.begin(self.now())
            case LaneCommand.GIVE_UP_MEASURING:
                self._measurement.give_up()
                self.conclude()
            case LaneCommand.ALARM_JOURNAL:
                self.doorway.alarms.set("journal", rings=True)
            case LaneCommand.RECORD_NO_ENTRY | LaneCommand.RECORD_NOT_UNLOCKED:
                for of, people in self._let_in.left():
                    self.record.missed(_ENDED[command], of, people, self.now())
            case _:
                self.record.ended(_ENDED[command], about, self.now())

    def _commit(self) -> None:
        decision = self.lane.decision
        assert decision is not None  # noqa: S101 - the table records nothing but decisions
        self._recorded = self.record.decision(decision, self.now())
        if not self._recorded:
            self.step(LaneEvent.COMMIT_FAILED)
            return
        self._around.decided(self, self.record.seq, decision)
        self.step(lanes.COMMITTED_EVENT[decision.outcome])

    # --- time ------------------------------------------------------------------------------------------------------

    def next_deadline_us(self) -> int | None:
        """Return the monotonic moment at which `expire` must be called, or None."""
        waits, closes = self._measurement.waits_until_us, self.doorway.next_deadline_us()
        candidates = (self.lane.deadline_us, waits, closes, self.refusals.next_expiry_us)
        return min((at for at in candidates if at is not None), default=None)

    def expire(self) -> None:
        """Let deadlines that have passed take effect."""
        now_us = self.now().mono_us
        if self.lane.deadline_us is not None and now_us >= self.lane.deadline_us:
            if self.lane.fault or (self.lane.decision and self.lane.decision.reason is Reason.ONE_AT_A_TIME):
                self.look_anew()  # who still holds a pass up has done what was asked
            self.step(LaneEvent.DEADLINE)
        self.doorway.expire()
        self.refusals.settle()

    def tend(self) -> None:
        """Once a second: end the journal's alarm as soon as it commits again."""
        if not self._around.recorder.broken:
            self.doorway.alarms.set("journal", rings=False)
        self.doorway.tend()


def is_time_code(reading: Reading) -> bool:
    """Say whether a guard holds up a code that tells the time, be it accepted or not."""
    return isinstance(reading, TimeCode) or (
        isinstance(reading, Rejected) and reading.reason is Reason.TIME_CODE_REFUSED
    )


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _joined(passes: dict[bytes, HeldUp]) -> str:
    return "".join(sorted(cti.hex() for cti in passes))
