"""What guards ask for, answered on the gate thread: open by hand, dismiss, measure by hand, sign in.

Under duress everything is answered as always; central alone is told (Recorder.alarm_silently).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from station import by_hand
from station.core.events import Kind
from station.core.fever import hand_readable
from station.core.model import Instant, Outcome
from station.core.reasons import Reason
from station.flow import LaneFlow
from station.guard_screen import GuardAnswer, GuardRequest, GuardVerb, HandReading, SignInAttempt
from station.journal import JournalFault, set_state
from station.lane_record import Operator
from station.ports import Clock
from station.recorder import Recorder
from station.signin import STATE, PinDelay, after_failure, pack, unpack
from station.wording import text

log = logging.getLogger(__name__)

_OPENED = {
    None: "answer-opened",
    Reason.JOURNAL_FAILED: "answer-not-recorded",
    Reason.RELAY_FAILED: "answer-relay-failed",
    Reason.INTERLOCKED: "answer-interlocked",
}
_MEASURED = {
    Outcome.GRANT: "answer-hand-granted",
    Outcome.DENY: "answer-hand-denied",
    Outcome.REFER: "answer-hand-referred",
    Outcome.ESCORT: "answer-hand-escort",
}


class GuardDesk:
    """Used by the gate thread alone, but for `locked_s`."""

    def __init__(self, lanes: Mapping[str, LaneFlow], recorder: Recorder, clock: Clock) -> None:
        """`lanes` by id, as the gate thread holds them."""
        self._lanes, self._recorder, self._clock = lanes, recorder, clock
        self._delay: PinDelay = unpack(recorder.journal.state(STATE))
        now = clock.now()
        self._until_mono_us = now.mono_us + round(self._delay.remaining_s(now.wall_us) * 1e6)

    def locked_s(self) -> float:
        """Seconds until a PIN may be tried again; 0 when now. Thread safe.

        While the station runs the delay is monotonic: no clock correction shortens or prolongs it.
        """
        return max(0.0, (self._until_mono_us - self._clock.now().mono_us) / 1e6)

    def request(self, request: GuardRequest) -> GuardAnswer:
        """Do what a signed-in guard asks of a lane."""
        flow = self._lanes.get(request.lane)
        if flow is None:
            return GuardAnswer(accepted=False, text=text("answer-no-lane"))
        if request.duress:
            self._recorder.alarm_silently(request.lane, request.operator, self._clock.now())
        if request.turn not in (None, flow.turn.number):
            return GuardAnswer(accepted=False, text=text("answer-someone-else"))
        by = Operator(request.operator, request.why, request.duress)
        if request.verb is GuardVerb.DISMISS:
            done = by_hand.dismiss(flow, by)
            return GuardAnswer(accepted=done, text=text("answer-dismissed" if done else "answer-busy"))
        if request.verb is GuardVerb.FORGIVE:
            done = by_hand.forgive(flow, by)
            return GuardAnswer(accepted=done, text=text("answer-forgiven" if done else "answer-busy"))
        fault = by_hand.open_door(flow, by)
        return GuardAnswer(accepted=fault is None, text=text(_OPENED[fault]))

    def measured(self, entry: HandReading) -> GuardAnswer:
        """Decide anew about the person at a lane on what a hand thermometer shows."""
        flow = self._lanes.get(entry.lane)
        if flow is None:
            return GuardAnswer(accepted=False, text=text("answer-no-lane"))
        if not hand_readable(entry.celsius):
            return GuardAnswer(accepted=False, text=text("answer-hand-range"))
        if flow.interlocked:
            return GuardAnswer(accepted=False, text=text("answer-interlocked"))
        if entry.duress:
            self._recorder.alarm_silently(entry.lane, entry.operator, self._clock.now())
        if entry.turn not in (None, flow.turn.number):
            return GuardAnswer(accepted=False, text=text("answer-someone-else"))
        decision = by_hand.measured(flow, Operator(entry.operator, duress=entry.duress), entry.celsius)
        if decision is None:
            return GuardAnswer(accepted=False, text=text("answer-hand-nobody"))
        if flow.lane.fault is not None:
            return GuardAnswer(accepted=False, text=text(_OPENED[flow.lane.fault]))
        return GuardAnswer(accepted=True, text=text(_MEASURED[decision.outcome]))

    def sign_in(self, attempt: SignInAttempt) -> GuardAnswer:
        """Count an entered PIN and say whether the guard is in."""
        now = self._clock.now()
        if (wait := self.locked_s()) > 0:
            return GuardAnswer(accepted=False, text=text("answer-locked"), retry_after_s=wait)
        self._delay = PinDelay() if attempt.correct else after_failure(self._delay, now.wall_us)
        self._until_mono_us = now.mono_us + round(self._delay.remaining_s(now.wall_us) * 1e6)
        if attempt.correct and attempt.duress:
            self._recorder.alarm_silently("", attempt.operator, now)
        self._record(attempt, now)
        key = "answer-signed-in" if attempt.correct else "answer-wrong-pin"
        return GuardAnswer(attempt.correct, text(key), self.locked_s())

    def _record(self, attempt: SignInAttempt, now: Instant) -> None:
        what = "signed-in" if attempt.correct else "wrong-pin"
        payload: dict[str, object] = {"operator": attempt.operator[:40], "what": what}
        if attempt.correct and attempt.duress:
            payload["duress"] = True
        try:
            self._recorder.commit(Kind.SIGN_IN, payload, now, [set_state(STATE, pack(self._delay))])
        except JournalFault:
            # Signing in must stay possible when the journal is broken: that is when the guard is needed.
            log.warning("the sign-in could not be recorded; the delay after wrong PINs holds until the next restart")
