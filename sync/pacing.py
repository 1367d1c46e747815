"""How long the uplink waits: for an acknowledgement, and while the broker has nobody to pass messages on to.

No clock is read here; times are seconds of the caller's monotonic clock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sync.config import TimersConfig

FIRST_PAUSE_S = 1.0
MOST_DOUBLINGS = 16
SMOOTHING = 8
"""The round trip is averaged over about so many samples (RFC 6298 takes the same)."""


class Patience:
    """How long to wait for an acknowledgement: at least 5 s or 4 round trips, and longer each time none comes.

    Full jitter between the least and the most, which doubles up to five minutes: ten thousand stations that lost their
    collector at one moment do not come back at one moment.
    """

    def __init__(self, timers: TimersConfig, rng: random.Random) -> None:
        self._timers, self._rng = timers, rng
        self._backoff, self._srtt = 0, 0.0

    def wait(self) -> float:
        """Return seconds until what is sent now is sent again."""
        most = self._timers.retransmit_max_s
        least = min(most, max(self._timers.retransmit_min_s, 4 * self._srtt))
        if not self._backoff:
            return least
        return self._rng.uniform(least, min(most, least * 2 ** min(self._backoff, MOST_DOUBLINGS)))

    def measured(self, round_trip_s: float) -> None:
        """Take in a round trip of something that was sent once; after a repetition nobody knows what was answered.

        Only this ends the longer waits while a connection lasts: what is answered late was not lost (Karn's rule).
        """
        self._srtt += (round_trip_s - self._srtt) / SMOOTHING if self._srtt else round_trip_s
        self._backoff = 0

    def disappointed(self) -> None:
        """Wait longer from now on: nothing has come."""
        self._backoff += 1

    def rewarded(self) -> None:
        """Wait the least again: there is progress."""
        self._backoff = 0


@dataclass(slots=True)
class Pause:
    """After "no matching subscribers": nothing is sent until `until`, then one message alone tries again."""

    until: float = 0.0
    next_s: float = FIRST_PAUSE_S
    probing: bool = False

    def after(self, now: float, most_s: float) -> Pause:
        """Return the pause that a refusal at `now` begins: twice as long as the one before it, to the most."""
        wait = min(self.next_s, most_s)
        return Pause(now + wait, min(wait * 2, most_s), probing=True)
