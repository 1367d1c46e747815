"""Notices that too many codes are tried in a short time: made-up ones, copies, passes handed back."""

from __future__ import annotations

from station.core.record import dataclass

ALLOWED = 5
WINDOW_US = 50_000_000
COOL_US = 500_000
"""Then one text that nobody signed is taken up in so long: no hand is that fast, a screen is."""


@dataclass(frozen=True, slots=True)
class Vigil:
    """When the last refusals were, monotonic microseconds."""

    refused_us: tuple[int, ...] = ()


def refused(vigil: Vigil, now_us: int) -> tuple[Vigil, bool]:
    """Note a refusal; say whether there have been more than five within 50 s."""
    recent = (*(at for at in vigil.refused_us if now_us - at < WINDOW_US), now_us)
    return Vigil(recent[-(ALLOWED + 1) :]), len(recent) > ALLOWED
