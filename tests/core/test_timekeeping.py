"""How far the clock is trusted: three states, a floor that holds, and an uncertainty that grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.model import ClockState
from station.core.timekeeping import (
    BACKWARD_TOLERANCE_US,
    FARTHEST_AHEAD_US,
    SYNCED_UNCERTAINTY_S,
    ClockMemory,
    ClockReading,
    judge,
    remember,
)

FLOOR = 1_750_000_000_000_000
SAVED = FLOOR + 3_600_000_000
MEMORY = ClockMemory(FLOOR, SAVED)
TRUSTED, HOLDOVER, LOST = ClockState.TRUSTED, ClockState.HOLDOVER, ClockState.LOST


@pytest.mark.parametrize(
    ("wall_us", "synced", "state"),
    [
        (SAVED, True, TRUSTED),
        (FLOOR, True, TRUSTED),  # synchronised time may lie before what the station itself wrote down
        (FLOOR - BACKWARD_TOLERANCE_US, True, TRUSTED),
        (FLOOR - BACKWARD_TOLERANCE_US - 1, True, LOST),
        (FLOOR + FARTHEST_AHEAD_US, True, TRUSTED),
        (FLOOR + FARTHEST_AHEAD_US + 1, True, HOLDOVER),
        (0, True, LOST),
        (SAVED, False, HOLDOVER),
        (SAVED - BACKWARD_TOLERANCE_US, False, HOLDOVER),
        (SAVED - BACKWARD_TOLERANCE_US - 1, False, LOST),
        (FLOOR - BACKWARD_TOLERANCE_US - 1, False, LOST),
        (0, False, LOST),
    ],
)
def test_the_state_of_the_clock(wall_us, synced, state):
    """Synchronised and plausible is trusted; plausible alone is held over; before what is known is lost."""
    instant = judge(ClockReading(wall_us, 7, synced), MEMORY)
    assert instant.state is state
    assert instant.mono_us == 7


def test_a_lost_clock_is_floored():
    """A clock that fell back is replaced by the latest time known: signed or written down."""
    for memory, known in ((MEMORY, SAVED), (ClockMemory(FLOOR), FLOOR), (ClockMemory(SAVED, FLOOR), SAVED)):
        assert judge(ClockReading(0, 0, synced=False), memory).wall_us == known


def test_without_a_floor_a_synchronised_clock_is_believed():
    """A new station, which has seen no signed time, believes its time server."""
    assert judge(ClockReading(FLOOR, 0, synced=True), ClockMemory()).state is TRUSTED


def test_holdover_grows_by_50_ppm():
    """A day after the last synchronisation the clock may be off by 4.32 s more than when synchronised."""
    day_us = 86_400_000_000
    memory = ClockMemory(FLOOR, FLOOR, last_sync_mono_us=1_000_000)
    instant = judge(ClockReading(SAVED, 1_000_000 + day_us, synced=False), memory)
    assert instant.state is HOLDOVER
    assert instant.uncertainty_s == pytest.approx(SYNCED_UNCERTAINTY_S + 4.32)


def test_only_a_trusted_synchronised_clock_is_remembered():
    """The moment of synchronisation moves with each trusted reading and with no other."""
    trusted, free = ClockReading(SAVED, 50, synced=True), ClockReading(SAVED, 90, synced=False)
    after = remember(MEMORY, trusted, judge(trusted, MEMORY))
    assert after == ClockMemory(FLOOR, SAVED, 50)
    assert remember(after, free, judge(free, after)) == after
    absurd = ClockReading(FLOOR + 2 * FARTHEST_AHEAD_US, 99, synced=True)
    assert remember(after, absurd, judge(absurd, after)) == after


moments = st.integers(0, 4 * FLOOR)


@given(moments, st.integers(0, 10**13), st.booleans(), moments, moments, st.none() | st.integers(0, 10**13))
def test_time_never_falls_below_the_floor(wall_us, mono_us, synced, floor_us, saved_us, last_us):
    """Whatever the operating system says, the time used is not before the signed floor (but for the tolerance)."""
    last = None if last_us is None else min(last_us, mono_us)
    instant = judge(ClockReading(wall_us, mono_us, synced), ClockMemory(floor_us, saved_us, last))
    assert instant.wall_us >= floor_us - BACKWARD_TOLERANCE_US
    assert instant.uncertainty_s >= 0
    if instant.state is not LOST:
        assert instant.wall_us == wall_us
        assert instant.uncertainty_s >= SYNCED_UNCERTAINTY_S
    if instant.state is TRUSTED:
        assert synced
        assert not floor_us or wall_us <= floor_us + FARTHEST_AHEAD_US
