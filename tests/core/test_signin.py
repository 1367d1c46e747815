"""How long sign-in waits after wrong PINs: three are free, then it doubles, and a power cut does not reset it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.signin import FREE_TRIES, LONGEST_DELAY_S, PinDelay, after_failure, pack, unpack

NOW_US = 1_750_000_000_000_000


def wrong(times: int, now_us: int = NOW_US) -> PinDelay:
    """Return the state after so many wrong PINs at one moment."""
    delay = PinDelay()
    for _ in range(times):
        delay = after_failure(delay, now_us)
    return delay


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (2, 0), (3, 5), (4, 10), (5, 20), (6, 40), (7, 80), (8, 160), (9, 320), (10, 640), (11, 900)],
)
def test_the_delay_after_each_wrong_pin(failures, seconds):
    """The third wrong PIN in a row waits 5 s, each further one twice as long, at most a quarter of an hour."""
    delay = wrong(failures)
    assert delay.failures == failures
    assert delay.remaining_s(NOW_US) == seconds


def test_no_number_of_failures_overflows():
    """A thousand wrong PINs wait the longest delay and no longer."""
    assert wrong(1000).remaining_s(NOW_US) == LONGEST_DELAY_S


def test_the_delay_runs_out():
    """What is left falls with time and never below nothing."""
    delay = wrong(FREE_TRIES)
    assert delay.remaining_s(NOW_US + 2_000_000) == 3
    assert delay.remaining_s(NOW_US + 5_000_000) == 0
    assert delay.remaining_s(NOW_US + 50_000_000) == 0


def test_a_clock_set_back_does_not_lock_for_ever():
    """After the clock falls back years, the wait is the longest delay at most."""
    assert wrong(FREE_TRIES).remaining_s(0) == LONGEST_DELAY_S


@given(st.integers(0, 10_000), st.integers(0, 2**53))
def test_the_state_survives_the_journal(failures, until_us):
    """Stored and read again the state is the same: pulling the plug does not reset it."""
    delay = PinDelay(failures, until_us)
    assert unpack(pack(delay)) == delay


def test_no_stored_state_is_a_fresh_start():
    """A journal that knows of no wrong PIN counts from nothing."""
    assert unpack(None) == unpack(b"") == PinDelay()
    assert PinDelay().remaining_s(NOW_US) == 0
