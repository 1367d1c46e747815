"""The numbers the station shows for phones and guards to sign: what answers one was signed a moment ago."""

from __future__ import annotations

import secrets

from station.core.live import NONCE_LENGTH
from station.core.model import Instant

SHOWN_US = 60_000_000
"""A number is shown for a minute, and answered for one minute more."""
TIME_ANSWER_US = 10 * 60_000_000
"""A time code may answer for so long; the longer it takes, the less sure is the time it tells."""


class Challenge:
    """Used by the gate thread alone."""

    def __init__(self) -> None:
        self._shown, self._drawn_us = b"", -SHOWN_US
        self._drawn: dict[bytes, int] = {}

    def show(self, now: Instant) -> bytes:
        """Return the number (8 bytes) to be shown now."""
        if now.mono_us - self._drawn_us >= SHOWN_US:
            self._shown, self._drawn_us = self.draw(now), now.mono_us
        return self._shown

    def draw(self, now: Instant) -> bytes:
        """Return a new number, for central to answer."""
        self._drawn = {n: at for n, at in self._drawn.items() if now.mono_us - at <= TIME_ANSWER_US}
        number = secrets.token_bytes(NONCE_LENGTH)
        self._drawn[number] = now.mono_us
        return number

    def answerable(self, now: Instant) -> frozenset[bytes]:
        """Return the numbers that a phone's live code may answer now."""
        if not self._drawn:
            return frozenset()
        return frozenset(number for number, at in self._drawn.items() if now.mono_us - at <= 2 * SHOWN_US)

    def drawn_us(self, number: bytes, now: Instant) -> int | None:
        """Return when a number was drawn (monotonic microseconds); None where it is unknown or too old."""
        at = self._drawn.get(number)
        return at if at is not None and now.mono_us - at <= TIME_ANSWER_US else None
