"""Watches the station's clock, and takes in the time that central or a guard signs where the clock is lost."""

from __future__ import annotations

import logging

from station.challenge import Challenge
from station.core.documents import Role, TrustBundle
from station.core.events import Kind
from station.core.model import ClockState, Instant, Rejected
from station.core.timecode import TimeCode, open_time_code
from station.ports import Clock
from station.recorder import Recorder

log = logging.getLogger(__name__)

STEP_US = 1_000_000
"""A correction of the clock by more than this is an event."""
ASK_EVERY_US = 600_000_000
"""While the clock is lost, central is asked for the time so often; the question is an event like any other."""


class TimeDesk:
    """Used by the gate thread alone."""

    def __init__(self, clock: Clock, recorder: Recorder) -> None:
        self._clock, self._recorder = clock, recorder
        self.challenge = Challenge()
        self._offset_us, self._state = 0, ClockState.TRUSTED
        self._asked_us = -ASK_EVERY_US
        self._told: dict[str, str] = {}

    def watch(self, now: Instant) -> None:
        """Record corrections of the clock and changes of its state: rows are never rewritten, so the step is told."""
        offset, before = now.wall_us - now.mono_us, self._state
        step = offset - self._offset_us if self._offset_us else 0
        self._offset_us, self._state = offset, now.state
        asks = now.state is ClockState.LOST and now.mono_us - self._asked_us >= ASK_EVERY_US
        if abs(step) <= STEP_US and now.state is before and not (asks or self._told):
            return
        payload: dict[str, object] = {"from": before.value, "to": now.state.value, "step_us": step, **self._told}
        if asks:
            payload["ask"] = self.challenge.draw(now).hex()
        if self._recorder.commit_unless_broken(Kind.CLOCK, payload, now) is not None:
            self._asked_us = now.mono_us if asks else self._asked_us
            self._told = {}  # whoever told the time is named, if only once there is room again

    def number(self, now: Instant) -> str:
        """Return the number to be shown for phones and guards to sign, 16 hexadecimal digits."""
        return self.challenge.show(now).hex()

    def beacon(self, raw: bytes, trust: TrustBundle | None, zone: str) -> bool:
        """Take in central's answer; say whether the clock is set by it."""
        code = open_time_code(raw, trust, zone)
        if isinstance(code, Rejected):
            log.warning("central's time was refused: %s", code.detail)
            return False
        return self.hear(code)

    def hear(self, code: TimeCode) -> bool:
        """Take in a verified time code; say whether the clock is set by it."""
        now = self._clock.now()
        drawn = self.challenge.drawn_us(code.nonce, now)
        if drawn is None or not self._clock.tell(code.t, drawn, by_central=code.role is Role.TIME):
            return False
        self._told = {"told_by": code.role.value, "kid": code.kid.hex()}
        self.watch(self._clock.now())
        return True
