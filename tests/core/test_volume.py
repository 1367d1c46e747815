"""How loud the station speaks at a time of day, midnight included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.volume import DAY_MINUTES, Quiet, minute_of_day, volume_at

MINUTES, VOLUMES = st.integers(0, DAY_MINUTES - 1), st.integers(0, 100)
ROWS = st.builds(Quiet, MINUTES, MINUTES, VOLUMES)
NIGHT = Quiet(22 * 60, 6 * 60, 30)


@pytest.mark.parametrize(
    ("time", "volume"),
    [("21:59", 80), ("22:00", 30), ("23:59", 30), ("00:00", 30), ("05:59", 30), ("06:00", 80), ("12:00", 80)],
)
def test_a_night_reaches_past_midnight(time, volume):
    """From 22:00 to 06:00 it is quiet; the first minute counts, the last does not."""
    assert volume_at(minute_of_day(time), 80, [NIGHT]) == volume


@given(MINUTES, VOLUMES, st.lists(ROWS, max_size=5))
def test_the_quietest_row_of_those_that_apply(minute, usual, rows):
    """No row makes it louder, and walking forward from a row's start to its end never leaves it."""
    walked = [
        row.volume
        for row in rows
        if minute
        in {(row.begins + n) % DAY_MINUTES for n in range((row.ends - row.begins) % DAY_MINUTES or DAY_MINUTES)}
    ]
    assert volume_at(minute, usual, rows) == min([usual, *walked])


@given(VOLUMES, st.lists(ROWS, max_size=5), MINUTES)
def test_who_does_not_know_the_time_is_not_loud(usual, rows, minute):
    """Without a clock it is as quiet as at the quietest time of the day, or quieter."""
    assert volume_at(None, usual, rows) <= volume_at(minute, usual, rows)


@given(MINUTES)
def test_times_of_day_are_read_as_written(minute):
    """HH:MM and the minute of the day are the same."""
    assert minute_of_day(f"{minute // 60:02}:{minute % 60:02}") == minute


@pytest.mark.parametrize(
    "wrong", ["", "8:00", "24:00", "08:60", "0800", "08:00:00", "-1:00", "０８:００", "08-00", "ab:cd"]
)
def test_anything_else_is_no_time(wrong):
    """What is not two digits, a colon and two digits of a day is refused by name."""
    with pytest.raises(ValueError, match="time of day"):
        minute_of_day(wrong)
