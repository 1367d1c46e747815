"""Decides when a bouncing contact has settled. Pure: the caller reads the clock and the level."""

from __future__ import annotations

import math

PATIENCE = 5
"""After so many settling times of unrest the level just read counts: chatter must not hold back a fire alarm."""


class Debouncer:
    """One contact. `settle_s`: how long it must be quiet; `now`: monotonic seconds. Not thread safe."""

    def __init__(self, settle_s: float, now: float) -> None:
        self._settle_s = settle_s
        self._stable: bool | None = None
        self._restless_since: float | None = now
        self._last_edge = now

    def edge(self, now: float) -> None:
        """Note that the level changed, to whatever."""
        if self._restless_since is None:
            self._restless_since = now
        self._last_edge = now

    def level(self, raw: bool, now: float) -> bool | None:
        """Take the level read just now; return it where it is news: settled, and other than the last settled one."""
        if self._restless_since is None:
            if raw == self._stable:
                return None
            self.edge(now)  # its edge never arrived
        if self.wait(now) > 0:
            return None
        self._restless_since = None
        if raw == self._stable:
            return None
        self._stable = raw
        return raw

    def wait(self, now: float) -> float:
        """Seconds until `level` should be asked again; inf while nothing moves."""
        if self._restless_since is None:
            return math.inf
        quiet = self._last_edge + self._settle_s
        patience = self._restless_since + PATIENCE * self._settle_s
        return max(min(quiet, patience) - now, 0.0)
