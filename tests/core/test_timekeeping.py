"""How far the clock is trusted: three states, a floor that holds, and an uncertainty that grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.model import ClockState, Instant
from station.core.timekeeping import (
    BACKWARD_TOLERANCE_US,
    FARTHEST_AHEAD_US,
    RTC_UNCERTAINTY_S,
    SYNCED_UNCERTAINTY_S,
    ClockMemory,
    ClockReading,
    judge,
    raise_floor,
    remember,
)

FLOOR = 1_750_000_000_000_000
SAVED = FLOOR + 3_600_000_000
HOUR_US = 3_600_000_000
BOOTED = ClockMemory(FLOOR, SAVED)
RUNNING = ClockMemory(FLOOR, SAVED, anchor_mono_us=50, trusted_mono_us=50)
TRUSTED, HOLDOVER, LOST = ClockState.TRUSTED, ClockState.HOLDOVER, ClockState.LOST


@pytest.mark.parametrize(
    ("wall_us", "synced", "from_rtc", "memory", "state"),
    [
        (SAVED, True, False, BOOTED, TRUSTED),
        (FLOOR, True, False, BOOTED, TRUSTED),  # synchronised time may lie before what the station itself wrote down
        (FLOOR - BACKWARD_TOLERANCE_US, True, False, BOOTED, TRUSTED),
        (FLOOR - BACKWARD_TOLERANCE_US - 1, True, False, BOOTED, LOST),
        (FLOOR + FARTHEST_AHEAD_US, True, False, BOOTED, TRUSTED),
        (FLOOR + FARTHEST_AHEAD_US + 1, True, False, BOOTED, LOST),
        (0, True, False, BOOTED, LOST),
        (SAVED, False, True, BOOTED, TRUSTED),
        (SAVED - BACKWARD_TOLERANCE_US, False, True, BOOTED, TRUSTED),
        (SAVED - BACKWARD_TOLERANCE_US - 1, False, True, BOOTED, LOST),
        (FLOOR + FARTHEST_AHEAD_US + 1, False, True, BOOTED, LOST),
        (SAVED, False, False, BOOTED, LOST),  # a reboot without a real-time clock: nothing vouches for the time
        (SAVED, False, False, RUNNING, HOLDOVER),
        (SAVED - BACKWARD_TOLERANCE_US, False, False, RUNNING, HOLDOVER),
        (SAVED - BACKWARD_TOLERANCE_US - 1, False, False, RUNNING, LOST),
        (FLOOR + FARTHEST_AHEAD_US + 1, False, False, RUNNING, LOST),
        (0, False, False, RUNNING, LOST),
    ],
)
def test_the_state_of_the_clock(wall_us, synced, from_rtc, memory, state):
    """Vouched for and plausible is trusted; trusted since boot and plausible is held over; the rest is lost."""
    instant = judge(ClockReading(wall_us, 50, synced, from_rtc), memory)
    assert instant.state is state
    assert instant.mono_us == 50


@pytest.mark.parametrize("memory", [BOOTED, ClockMemory(SAVED), ClockMemory(SAVED, FLOOR)])
def test_a_lost_clock_goes_on_from_the_latest_time_known(memory):
    """A clock that fell back, or ran far ahead, is replaced by the latest known time plus the time since boot."""
    for wall_us in (0, SAVED + 2 * FARTHEST_AHEAD_US):
        instant = judge(ClockReading(wall_us, HOUR_US, synced=False), memory)
        assert (instant.state, instant.wall_us) == (LOST, SAVED + HOUR_US)


def test_without_a_floor_a_synchronised_clock_is_believed():
    """A new station, which has seen no signed time, believes its time server, and nobody else."""
    assert judge(ClockReading(FLOOR, 0, synced=True), ClockMemory()).state is TRUSTED
    assert judge(ClockReading(FLOOR, 0, synced=False), ClockMemory()).state is LOST


def test_uncertainty_by_source():
    """Synchronised is a tenth of a second, a real-time clock two seconds, and synchronised goes first."""
    assert judge(ClockReading(SAVED, 0, synced=True, from_rtc=True), BOOTED).uncertainty_s == SYNCED_UNCERTAINTY_S
    assert judge(ClockReading(SAVED, 0, synced=False, from_rtc=True), BOOTED).uncertainty_s == RTC_UNCERTAINTY_S


def test_holdover_grows_by_50_ppm():
    """A day after the clock was last trusted it may be off by 4.32 s more than when synchronised."""
    instant = judge(ClockReading(SAVED, 50 + 24 * HOUR_US, synced=False), RUNNING)
    assert instant.state is HOLDOVER
    assert instant.uncertainty_s == pytest.approx(SYNCED_UNCERTAINTY_S + 4.32)


def test_what_is_remembered_of_each_state():
    """A trusted time is taken as it is, a held-over one only forwards, a lost one not at all."""
    later, earlier = SAVED + HOUR_US, SAVED - HOUR_US
    assert remember(RUNNING, Instant(earlier, 90, TRUSTED)) == ClockMemory(FLOOR, earlier, 90, 90)
    assert remember(RUNNING, Instant(later, 90, HOLDOVER)) == ClockMemory(FLOOR, later, 90, 50)
    assert remember(RUNNING, Instant(earlier, 90, HOLDOVER)) == ClockMemory(FLOOR, SAVED, 90, 50)
    assert remember(RUNNING, Instant(later, 90, LOST)) == RUNNING


def test_the_floor_only_rises():
    """Signed time raises the floor; older signed time leaves it."""
    assert raise_floor(BOOTED, FLOOR + 1, 0).floor_us == FLOOR + 1
    assert raise_floor(BOOTED, FLOOR - 1, 0).floor_us == FLOOR


def test_signed_time_counts_from_when_it_came():
    """A station lost for a month that receives signed time goes on from that time, not from a month beyond it."""
    mono_us = 720 * HOUR_US
    memory = raise_floor(ClockMemory(), FLOOR, mono_us)
    assert judge(ClockReading(0, mono_us, synced=False), memory).wall_us == FLOOR
    assert judge(ClockReading(0, mono_us + HOUR_US, synced=False), memory).wall_us == FLOOR + HOUR_US


moments = st.integers(0, 4 * FLOOR)
monos = st.integers(0, 10**13)


@given(moments, monos, st.booleans(), st.booleans(), moments, moments, monos, st.none() | monos)
def test_time_never_falls_below_the_floor(wall_us, mono_us, synced, from_rtc, floor_us, saved_us, anchor_us, last_us):
    """Whatever the operating system says, the time used is not before the signed floor (but for the tolerance)."""
    last = None if last_us is None else min(last_us, mono_us)
    memory = ClockMemory(floor_us, saved_us, min(anchor_us, mono_us), last)
    instant = judge(ClockReading(wall_us, mono_us, synced, from_rtc), memory)
    assert instant.wall_us >= floor_us - BACKWARD_TOLERANCE_US
    assert instant.uncertainty_s >= 0
    if instant.state is not LOST:
        assert instant.wall_us == wall_us
        assert not floor_us or wall_us <= floor_us + FARTHEST_AHEAD_US
        assert instant.uncertainty_s >= SYNCED_UNCERTAINTY_S
    assert instant.state is not TRUSTED or synced or from_rtc
    assert instant.state is not HOLDOVER or last is not None


@given(st.lists(st.tuples(moments, st.integers(0, 10**9), st.booleans()), max_size=20))
def test_saved_time_never_runs_backwards_without_synchronisation(steps):
    """Over any run of readings, only a synchronised one can take the remembered time back."""
    memory, mono_us = ClockMemory(FLOOR), 0
    for wall_us, step_us, synced in steps:
        mono_us += step_us
        after = remember(memory, judge(ClockReading(wall_us, mono_us, synced), memory))
        assert synced or after.saved_us >= memory.saved_us
        assert after.floor_us == FLOOR
        memory = after
