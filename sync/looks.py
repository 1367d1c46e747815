"""How much of the journal is looked at in one go: one full of damage must not hold up the loop, nor its watchdog."""

from __future__ import annotations

import time
from collections.abc import Iterator

MOST_LOOKS = 100
"""Batches cut or found damaged in one go."""
LONGEST_S = 0.5
"""After so long no further look is begun: one at a thousand rows of a torn page takes a tenth of it, more on a Pi."""


def looks() -> Iterator[int]:
    """Number the looks of one go. The first is always taken, so that every go gets on."""
    until = time.monotonic() + LONGEST_S
    for number in range(MOST_LOOKS):
        yield number
        if time.monotonic() >= until:
            return
