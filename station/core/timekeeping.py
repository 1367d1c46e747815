"""How far the clock can be trusted: TRUSTED, HOLDOVER or LOST (docs/reference/pass-format.md, "Clock states")."""

from __future__ import annotations

from dataclasses import dataclass

from station.core.model import ClockState, Instant

DRIFT = 50e-6
"""Holdover grows by 50 ppm: a crystal over the temperature range of an outdoor box."""
SYNCED_UNCERTAINTY_S = 0.1
FARTHEST_AHEAD_US = 45 * 86_400 * 1_000_000
"""A clock farther beyond the floor than this is not believed, whoever set it."""
BACKWARD_TOLERANCE_US = 2_000_000


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the operating system says. `synced`: the kernel's clock is disciplined (adjtimex, no STA_UNSYNC)."""

    wall_us: int
    mono_us: int
    synced: bool


@dataclass(frozen=True, slots=True)
class ClockMemory:
    """What the station remembers. `floor_us`: centrally signed time; `saved_us`: the last journaled wall time."""

    floor_us: int = 0
    saved_us: int = 0
    last_sync_mono_us: int | None = None


def judge(reading: ClockReading, memory: ClockMemory) -> Instant:
    """Say what time it is and how sure that is."""
    wall, mono = reading.wall_us, reading.mono_us
    too_early = wall < memory.floor_us - BACKWARD_TOLERANCE_US
    too_late = memory.floor_us > 0 and wall > memory.floor_us + FARTHEST_AHEAD_US
    if reading.synced and not too_early and not too_late:
        return Instant(wall, mono, ClockState.TRUSTED, SYNCED_UNCERTAINTY_S)
    if too_early or wall < memory.saved_us - BACKWARD_TOLERANCE_US:
        return Instant(max(wall, memory.floor_us, memory.saved_us), mono, ClockState.LOST, 0.0)
    since = mono - (memory.last_sync_mono_us or 0)
    return Instant(wall, mono, ClockState.HOLDOVER, SYNCED_UNCERTAINTY_S + since / 1e6 * DRIFT)


def remember(memory: ClockMemory, reading: ClockReading, instant: Instant) -> ClockMemory:
    """Return what to remember after `instant` was judged from `reading`."""
    if reading.synced and instant.state is ClockState.TRUSTED:
        return ClockMemory(memory.floor_us, memory.saved_us, reading.mono_us)
    return memory
