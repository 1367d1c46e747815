"""Whose turn it is at a lane, so that what a guard begins for one person is not done for the next."""

from __future__ import annotations

from station.core.model import Instant

SAME_US = 60_000_000
"""Who comes back to a free lane later than this is somebody new: in between somebody without a pass may have come."""


class Turn:
    """Counts the people who show something. Used by the gate thread alone."""

    def __init__(self, now: Instant) -> None:
        self.number = now.seconds
        """Grows with each; begins where no earlier start of the station has been, for screens that are still open."""
        self._whose, self._seen_us = b"", now.mono_us

    def comes(self, whose: bytes, now: Instant, *, free: bool) -> bool:
        """Take in who shows something; say whether it is somebody else than before.

        `whose`: a pass id, or a text that is no good pass; empty: nobody knows. `free`: nobody is being dealt with.
        """
        long_ago = free and now.mono_us - self._seen_us > SAME_US
        another = not whose or whose != self._whose or long_ago
        self.number, self._whose, self._seen_us = self.number + another, whose, now.mono_us
        return another
