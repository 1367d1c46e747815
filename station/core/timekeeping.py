"""How far the clock can be trusted: TRUSTED, HOLDOVER or LOST (docs/reference/pass-format.md, "Clock states").

TRUSTED: the kernel is synchronised, or a real-time clock set it at boot, or central has just answered the station's
nonce with a signed time; and none of them contradicts centrally signed time. HOLDOVER: it was trusted since boot and
runs on by itself, or a guard's signed code told the time. LOST: nothing vouches for it; then the time goes on from the
last known one, which is a floor and not an answer: who needs the time goes to the guard.
"""

from __future__ import annotations

from station.core.model import ClockState, Instant
from station.core.record import dataclass, replace

DRIFT = 50e-6
"""Holdover grows by 50 ppm: a crystal over the temperature range of an outdoor box."""
SYNCED_UNCERTAINTY_S = 0.1
RTC_UNCERTAINTY_S = 2.0
"""A real-time clock is read to the second, and drifts while the machine is off."""
FARTHEST_AHEAD_US = 45 * 86_400 * 1_000_000
"""A clock farther beyond the floor than this is not believed, whoever set it."""
BACKWARD_TOLERANCE_US = 2_000_000
BEACON_TRUSTED_US = 3_600_000_000
"""For so long a beacon's answer counts as TRUSTED; then the clock is in HOLDOVER like one whose NTP went away."""
BEACON_ALLOWANCE_S, GUARD_ALLOWANCE_S = 1.0, 10.0
"""How far the clocks of central and of a guard's phone may be off themselves, beside whole seconds."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the operating system says. `synced`: disciplined by NTP or PTP; `from_rtc`: set from a real-time clock."""

    wall_us: int
    mono_us: int
    synced: bool
    from_rtc: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A time that somebody signed in answer to the station's nonce. It holds until the next boot."""

    wall_us: int
    mono_us: int
    """When it was taken in."""
    uncertainty_s: float
    by_central: bool
    """Whether central signed it; a guard's word is never TRUSTED."""


@dataclass(frozen=True, slots=True)
class ClockMemory:
    """What the station remembers. `floor_us`: centrally signed time; `saved_us`: the latest time it went by.

    `anchor_mono_us`: when (monotonic) both were known, so that a LOST clock goes on from them;
    `trusted_mono_us`: when the clock was last trusted since boot, None if never.
    """

    floor_us: int = 0
    saved_us: int = 0
    anchor_mono_us: int = 0
    trusted_mono_us: int | None = None
    told: Told | None = None


def judge(reading: ClockReading, memory: ClockMemory) -> Instant:
    """Say what time it is and how sure that is."""
    wall, mono = reading.wall_us, reading.mono_us
    too_late = memory.floor_us > 0 and wall > memory.floor_us + FARTHEST_AHEAD_US
    plausible = wall >= memory.floor_us - BACKWARD_TOLERANCE_US and not too_late
    forward = wall >= memory.saved_us - BACKWARD_TOLERANCE_US
    if reading.synced and plausible:
        return Instant(wall, mono, ClockState.TRUSTED, SYNCED_UNCERTAINTY_S)
    if reading.from_rtc and plausible and forward:
        return Instant(wall, mono, ClockState.TRUSTED, RTC_UNCERTAINTY_S)
    if memory.told and memory.told.by_central:
        return _as_told(memory.told, mono)
    if plausible and forward and memory.trusted_mono_us is not None:
        grown = (mono - memory.trusted_mono_us) / 1e6 * DRIFT
        return Instant(wall, mono, ClockState.HOLDOVER, SYNCED_UNCERTAINTY_S + grown)
    if memory.told:
        return _as_told(memory.told, mono)
    known = _goes_on(memory, mono)
    return Instant(wall if plausible and forward else known, mono, ClockState.LOST, 0.0)


def remember(memory: ClockMemory, instant: Instant) -> ClockMemory:
    """Return what to remember after `instant` was judged."""
    if instant.state is ClockState.LOST:
        return memory
    trusted = instant.mono_us if instant.state is ClockState.TRUSTED else memory.trusted_mono_us
    saved = instant.wall_us if instant.state is ClockState.TRUSTED else max(memory.saved_us, instant.wall_us)
    if memory.told and not memory.told.by_central:
        saved = memory.saved_us  # a guard's word dies with this boot: it must not bind the next clock
    return ClockMemory(memory.floor_us, saved, instant.mono_us, trusted, memory.told)


def _as_told(told: Told, mono_us: int) -> Instant:
    passed = mono_us - told.mono_us
    fresh = told.by_central and passed <= BEACON_TRUSTED_US
    state = ClockState.TRUSTED if fresh else ClockState.HOLDOVER
    return Instant(told.wall_us + passed, mono_us, state, told.uncertainty_s + passed / 1e6 * DRIFT)


def tell(memory: ClockMemory, signed_s: int, asked_us: int, mono_us: int, *, by_central: bool) -> ClockMemory | None:
    """Take in a time signed in answer to a nonce drawn at `asked_us`, arriving at `mono_us` (both monotonic).

    It was signed somewhere in between, so the truth is `signed_s` plus at most what has passed since. None where it
    contradicts what is known: before centrally signed time, or (a guard's word) more than 45 days beyond the last
    known time.
    """
    passed = (mono_us - asked_us) / 1e6
    wall_us = signed_s * 1_000_000 + round(passed * 5e5)
    known = _goes_on(memory, mono_us)
    too_late = not by_central and wall_us > known + FARTHEST_AHEAD_US
    if too_late or wall_us < memory.floor_us - BACKWARD_TOLERANCE_US:
        return None
    allowance = BEACON_ALLOWANCE_S if by_central else GUARD_ALLOWANCE_S
    return replace(memory, told=Told(wall_us, mono_us, passed / 2 + allowance, by_central))


def _goes_on(memory: ClockMemory, mono_us: int) -> int:
    """Return the last known time plus what has passed since it was known."""
    return max(memory.floor_us, memory.saved_us) + max(0, mono_us - memory.anchor_mono_us)


def raise_floor(memory: ClockMemory, signed_us: int, mono_us: int) -> ClockMemory:
    """Return the memory with centrally signed time taken in at `mono_us`; the floor never sinks."""
    if signed_us <= memory.floor_us:
        return memory
    known = max(signed_us, _goes_on(memory, mono_us))
    return replace(memory, floor_us=signed_us, saved_us=known, anchor_mono_us=mono_us)
