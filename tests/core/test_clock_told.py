"""A clock that somebody told the time: whom it believes, for how long, and what that leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.model import ClockState, Instant
from station.core.timekeeping import (
    BACKWARD_TOLERANCE_US,
    BEACON_ALLOWANCE_S,
    BEACON_TRUSTED_US,
    DRIFT,
    FARTHEST_AHEAD_US,
    GUARD_ALLOWANCE_S,
    SYNCED_UNCERTAINTY_S,
    ClockMemory,
    ClockReading,
    Told,
    judge,
    raise_floor,
    remember,
    tell,
)

SECOND = 1_000_000
HOUR_US = 3600 * SECOND
FLOOR_S = 1_750_000_000
FLOOR = FLOOR_S * SECOND
SAVED = FLOOR + 24 * HOUR_US
BOOTED = ClockMemory(FLOOR, SAVED)
"""A station that has just booted without a real-time clock: its wall clock says 1970."""
TRUSTED, HOLDOVER, LOST = ClockState.TRUSTED, ClockState.HOLDOVER, ClockState.LOST
ASKED, ANSWERED = 10 * SECOND, 14 * SECOND
TRUE_S = SAVED // SECOND + 7200
"""What whoever answers says: two hours beyond the last known time."""


def booted(mono_us: int) -> ClockReading:
    """Return what the operating system says after such a boot."""
    return ClockReading(mono_us, mono_us, synced=False)


def told(signed_s: int = TRUE_S, memory: ClockMemory = BOOTED, *, by_central: bool) -> ClockMemory:
    """Return the memory after an answer that must be taken in."""
    after = tell(memory, signed_s, ASKED, ANSWERED, by_central=by_central)
    assert after is not None
    return after


def test_before_anybody_answers_the_clock_is_lost():
    """The starting point: nothing vouches for the time, which goes on from the last known one."""
    assert judge(booted(ANSWERED), BOOTED) == Instant(SAVED + ANSWERED, ANSWERED, LOST, 0.0)


def test_centrals_answer_is_trusted():
    """It was signed between question and answer: the middle is taken, half of the time between is the uncertainty."""
    instant = judge(booted(ANSWERED), told(by_central=True))
    assert instant == Instant((TRUE_S + 2) * SECOND, ANSWERED, TRUSTED, 2 + BEACON_ALLOWANCE_S)


def test_a_guards_answer_is_holdover():
    """A guard's word is never trusted like central's, and is less sure."""
    instant = judge(booted(ANSWERED), told(by_central=False))
    assert instant == Instant((TRUE_S + 2) * SECOND, ANSWERED, HOLDOVER, 2 + GUARD_ALLOWANCE_S)


@pytest.mark.parametrize("by_central", [True, False])
def test_the_longer_the_answer_took_the_less_sure_it_is(by_central):
    """Ten minutes between question and answer leave five minutes to either side, and a bit."""
    memory = tell(BOOTED, TRUE_S, 0, 600 * SECOND, by_central=by_central)
    assert memory is not None
    instant = judge(booted(600 * SECOND), memory)
    assert instant.wall_us == (TRUE_S + 300) * SECOND
    assert 300 < instant.uncertainty_s <= 310


@given(st.integers(0, 600 * SECOND), st.floats(0, 1), st.floats(-1, 1), st.booleans())
def test_the_truth_lies_within_the_uncertainty(took_us, when, off_s, by_central):
    """Whenever between question and answer it was signed, by a clock that is a second off: the truth is covered."""
    truth_us = FLOOR + 48 * HOUR_US  # at the moment of the answer
    signed_s = int((truth_us - took_us * (1 - when)) / SECOND + off_s)
    memory = tell(BOOTED, signed_s, ASKED, ASKED + took_us, by_central=by_central)
    assert memory is not None
    instant = judge(booted(ASKED + took_us), memory)
    assert abs(instant.wall_us - truth_us) <= (instant.uncertainty_s + 1) * SECOND  # signed in whole seconds


def test_a_told_clock_goes_on_and_grows_less_sure():
    """Central's word is trusted for an hour, then the clock is in holdover; a guard's is holdover; both drift."""
    for by_central, early in ((True, TRUSTED), (False, HOLDOVER)):
        memory = told(by_central=by_central)
        first = judge(booted(ANSWERED), memory)
        for passed, state in ((BEACON_TRUSTED_US, early), (BEACON_TRUSTED_US + 1, HOLDOVER), (24 * HOUR_US, HOLDOVER)):
            instant = judge(booted(ANSWERED + passed), memory)
            assert (instant.wall_us - first.wall_us, instant.state) == (passed, state)
            assert instant.uncertainty_s == pytest.approx(first.uncertainty_s + passed / SECOND * DRIFT)


# --- whom it does not believe ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_central", [True, False])
def test_nobody_moves_the_time_before_what_central_signed(by_central):
    """Guard or central: an answer from before the newest signed document contradicts it and is not taken."""
    early = FLOOR_S - BACKWARD_TOLERANCE_US // SECOND - 3  # the middle lies two seconds after what was signed
    assert tell(BOOTED, early, ASKED, ANSWERED, by_central=by_central) is None
    assert tell(BOOTED, early + 1, ASKED, ANSWERED, by_central=by_central) is not None


def test_a_guard_moves_the_time_by_45_days_at_most():
    """Beyond the last known time and 45 days a guard's word is not taken; central's is."""
    last = (SAVED + ANSWERED + FARTHEST_AHEAD_US) // SECOND - 2
    assert tell(BOOTED, last, ASKED, ANSWERED, by_central=False) is not None
    assert tell(BOOTED, last + 1, ASKED, ANSWERED, by_central=False) is None
    assert tell(BOOTED, last + 1, ASKED, ANSWERED, by_central=True) is not None


def test_the_45_days_do_not_add_up():
    """A guard who tells the time again is held against what was known before: no going on step by step."""
    step = 40 * 86_400
    once = told(SAVED // SECOND + step, by_central=False)
    later = remember(once, judge(booted(ANSWERED), once))
    assert tell(later, SAVED // SECOND + 2 * step, ASKED, ANSWERED, by_central=False) is None


def test_a_new_station_believes_central_alone():
    """A station that knows of no time at all has nothing to hold a guard's word against, and does not take it."""
    assert tell(ClockMemory(), TRUE_S, ASKED, ANSWERED, by_central=True) is not None
    assert tell(ClockMemory(), TRUE_S, ASKED, ANSWERED, by_central=False) is None


@given(st.integers(0, 4 * FLOOR_S), st.integers(0, 600 * SECOND), st.booleans())
def test_whatever_is_told_the_time_is_not_before_the_floor(signed_s, took_us, by_central):
    """No answer brings the time before what central signed, but for the tolerance, nor a guard's beyond 45 days."""
    memory = tell(BOOTED, signed_s, ASKED, ASKED + took_us, by_central=by_central) or BOOTED
    instant = judge(booted(ASKED + took_us), memory)
    assert instant.wall_us >= FLOOR - BACKWARD_TOLERANCE_US
    assert by_central or instant.wall_us <= SAVED + ASKED + took_us + FARTHEST_AHEAD_US


# --- what goes before it, and what it leaves -------------------------------------------------------------------------


@pytest.mark.parametrize("by_central", [True, False])
@pytest.mark.parametrize(("synced", "from_rtc"), [(True, False), (False, True)])
def test_a_synchronised_clock_goes_before_what_was_told(synced, from_rtc, by_central):
    """Once a time server or a real-time clock vouches for the time, it is used, whatever somebody said."""
    wall_us = SAVED + HOUR_US
    instant = judge(ClockReading(wall_us, 20 * SECOND, synced, from_rtc), told(by_central=by_central))
    assert (instant.wall_us, instant.state) == (wall_us, TRUSTED)


def test_central_goes_before_a_clock_that_runs_on_by_itself_and_that_before_a_guard():
    """In holdover, central's answer is better than the drifting clock; a guard's is not."""
    wall_us = SAVED + HOUR_US
    running = ClockMemory(FLOOR, SAVED, anchor_mono_us=5, trusted_mono_us=5)
    reading = ClockReading(wall_us, ANSWERED, synced=False)
    by_central = judge(reading, told(memory=running, by_central=True))
    assert (by_central.wall_us, by_central.state) == ((TRUE_S + 2) * SECOND, TRUSTED)
    by_guard = judge(reading, told(memory=running, by_central=False))
    assert (by_guard.wall_us, by_guard.state) == (wall_us, HOLDOVER)
    assert by_guard.uncertainty_s < SYNCED_UNCERTAINTY_S + 1


def test_the_newest_answer_counts():
    """A guard's second word, or central's after a guard's, replaces the first."""
    first = told(by_central=False)
    second = tell(first, TRUE_S + 60, 20 * SECOND, 20 * SECOND, by_central=True)
    assert second is not None
    assert judge(booted(20 * SECOND), second) == Instant(
        (TRUE_S + 60) * SECOND, 20 * SECOND, TRUSTED, BEACON_ALLOWANCE_S
    )


def test_a_guards_word_raises_no_floor_and_is_not_saved():
    """What a guard said is gone with the boot: neither floor nor saved time have moved meanwhile."""
    memory = told(by_central=False)
    for mono_us in (ANSWERED, ANSWERED + HOUR_US):
        memory = remember(memory, judge(booted(mono_us), memory))
    assert (memory.floor_us, memory.saved_us) == (FLOOR, SAVED)
    reboot = ClockMemory(memory.floor_us, memory.saved_us)
    assert judge(ClockReading(SAVED, 50, synced=False, from_rtc=True), reboot).state is TRUSTED


def test_centrals_word_is_saved_but_raises_no_floor():
    """After central's answer the station goes on from there when the clock is lost again; documents alone raise it."""
    memory = told(by_central=True)
    memory = remember(memory, judge(booted(ANSWERED), memory))
    assert (memory.floor_us, memory.saved_us) == (FLOOR, (TRUE_S + 2) * SECOND)


def test_a_raised_floor_keeps_what_was_told():
    """A document that arrives afterwards does not make the station forget the answer."""
    memory = raise_floor(told(by_central=False), FLOOR + 1, ANSWERED)
    assert memory.told == Told((TRUE_S + 2) * SECOND, ANSWERED, 2 + GUARD_ALLOWANCE_S, by_central=False)
    assert memory.floor_us == FLOOR + 1


def test_a_refused_answer_leaves_everything_as_it_was():
    """Nothing of a contradiction is remembered; the clock stays lost."""
    assert tell(BOOTED, 0, ASKED, ANSWERED, by_central=True) is None
    lost = replace(BOOTED)
    assert judge(booted(ANSWERED), lost).state is LOST
