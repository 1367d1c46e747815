"""How long sign-in waits after wrong PINs. Kept in the journal, so that pulling the plug does not reset it."""

from __future__ import annotations

import json
from dataclasses import dataclass

STATE = "pin-failures"
FREE_TRIES = 3
FIRST_DELAY_S = 5
LONGEST_DELAY_S = 900


@dataclass(frozen=True, slots=True)
class PinDelay:
    """Wrong PINs in a row, and until when (wall time, microseconds) no further one is taken."""

    failures: int = 0
    until_us: int = 0

    def remaining_s(self, now_us: int) -> float:
        """Return the seconds left; never more than the longest delay, whatever the clock did meanwhile."""
        return min(LONGEST_DELAY_S, max(0.0, (self.until_us - now_us) / 1e6))


def after_failure(delay: PinDelay, now_us: int) -> PinDelay:
    """Count a wrong PIN: three are free, then the delay doubles from 5 s up to 15 min."""
    failures = delay.failures + 1
    if failures < FREE_TRIES:
        return PinDelay(failures, 0)
    wait = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(failures - FREE_TRIES, 20))
    return PinDelay(failures, now_us + wait * 1_000_000)


def pack(delay: PinDelay) -> bytes:
    """Return the state value to store."""
    return json.dumps([delay.failures, delay.until_us]).encode()


def unpack(value: bytes | None) -> PinDelay:
    """Read the stored state value."""
    return PinDelay(*json.loads(value)) if value else PinDelay()
