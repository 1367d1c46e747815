"""Keeps the pace of a real camera for pictures that come from files or from the renderer."""

from __future__ import annotations

import time


class Pacer:
    """Waits for the next of a row of absolute deadlines, so that lateness of one frame does not delay all others."""

    def __init__(self, fps: float) -> None:
        """`fps`: frames per second."""
        self._period = 1.0 / fps
        self._due = time.monotonic()

    def wait(self) -> None:
        """Sleep until the next frame is due; a pacer that fell behind by a whole frame starts afresh."""
        now = time.monotonic()
        self._due = max(self._due + self._period, now - self._period)
        if self._due > now:
            time.sleep(self._due - now)
