"""Local days and minutes, and which days are worked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.calendar import DAY_KINDS, DAY_S, Calendar, day_number, weekday
from tests.core.issuing import NOW

OFFSETS = st.integers(-720, 840)
FROM_1970 = st.integers(0, 2**33)


@pytest.mark.parametrize(
    ("seconds", "offset", "day", "minute", "of_week"),
    [
        (0, 0, 0, 0, 4),  # 1970-01-01, a Thursday
        (DAY_S - 1, 0, 0, 1439, 4),
        (DAY_S, 0, 1, 0, 5),
        (16 * 3600, 480, 1, 0, 5),  # midnight in Beijing
        (16 * 3600 - 1, 480, 0, 1439, 4),
        (3600, -720, -1, 13 * 60, 3),
        (4 * DAY_S, 0, 4, 0, 1),
        (3 * DAY_S, 0, 3, 0, 7),
        (5 * 3600 + 30 * 60, 345, 0, 11 * 60 + 15, 4),  # Nepal's quarter of an hour
        (10 * 3600 - 1, 840, 0, 1439, 4),  # the earliest midnight of the world
        (10 * 3600, 840, 1, 0, 5),
        (NOW, 480, 20_254, 23 * 60 + 6, 7),  # Sunday 2025-06-15 23:06:40
    ],
)
def test_local_time(seconds, offset, day, minute, of_week):
    """Day, minute of the day and weekday are those of the policy's local time."""
    assert Calendar(offset).local(seconds) == (day, minute)
    assert weekday(day) == of_week


@given(FROM_1970, OFFSETS)
def test_local_time_is_that_of_the_library(seconds, offset):
    """Day, minute and weekday agree with the standard library's for any moment and zone."""
    day, minute = Calendar(offset).local(seconds)
    local = datetime.fromtimestamp(seconds, UTC).astimezone(timezone(timedelta(minutes=offset)))
    assert (minute, weekday(day)) == (local.hour * 60 + local.minute, local.isoweekday())
    assert date(1970, 1, 1) + timedelta(days=day) == local.date()
    assert day_number(local.date().isoformat()) == day


# National Day 2025: a holiday from Wednesday on; Sunday the 28th and Saturday the 11th are worked instead.
HOLIDAYS = frozenset(day_number(f"2025-10-0{day}") for day in range(1, 9))
WORKDAYS = frozenset(day_number(iso) for iso in ("2025-09-28", "2025-10-11"))
GOLDEN_WEEK = Calendar(480, HOLIDAYS, WORKDAYS)


@pytest.mark.parametrize(
    ("iso", "kind"),
    [
        ("2025-09-26", "workday"),  # Friday
        ("2025-09-27", "weekend"),
        ("2025-09-28", "workday"),  # a Sunday made up for
        ("2025-09-30", "workday"),
        ("2025-10-01", "holiday"),
        ("2025-10-04", "holiday"),  # a holiday on a Saturday is a holiday
        ("2025-10-08", "holiday"),
        ("2025-10-09", "workday"),
        ("2025-10-11", "workday"),  # a Saturday made up for
        ("2025-10-12", "weekend"),
    ],
)
def test_the_kinds_of_days_around_a_holiday(iso, kind):
    """Holidays, weekend days worked instead, and plain days each have their kind."""
    assert GOLDEN_WEEK.kind(day_number(iso)) == kind


def test_a_day_in_both_lists_is_a_holiday():
    """Who lists a day twice keeps it free."""
    day = day_number("2025-10-01")
    assert Calendar(0, frozenset({day}), frozenset({day})).kind(day) == "holiday"


def test_a_holiday_begins_at_local_midnight():
    """The kind of day changes with the policy's local day, not with UTC's."""
    midnight = day_number("2025-10-01") * DAY_S - 480 * 60
    for seconds, kind in ((midnight - 1, "workday"), (midnight, "holiday"), (midnight + 8 * DAY_S, "workday")):
        assert GOLDEN_WEEK.kind(GOLDEN_WEEK.local(seconds)[0]) == kind


@given(st.integers(0, 50_000), st.frozensets(st.integers(0, 20)), st.frozensets(st.integers(0, 20)))
def test_every_day_has_one_kind(day, holidays, workdays):
    """Without lists a week has five workdays and two weekend days; a list changes its own days alone."""
    plain, listed = Calendar(), Calendar(0, holidays, workdays)
    assert sorted(plain.kind(day + step) for step in range(7)) == ["weekend"] * 2 + ["workday"] * 5
    assert (plain.kind(day) == "weekend") == (weekday(day) >= 6)
    assert listed.kind(day) in DAY_KINDS
    assert day in holidays | workdays or listed.kind(day) == plain.kind(day)


def test_a_date_becomes_the_number_of_its_day():
    """Days are counted from 1970-01-01, through leap years."""
    days = {"1970-01-01": 0, "1970-12-31": 364, "2000-02-29": 11_016, "2025-06-15": 20_254, "2100-03-01": 47_541}
    assert {iso: day_number(iso) for iso in days} == days


@pytest.mark.parametrize("text", ["2025-02-29", "2025-13-01", "1/10/2025", "2025-10-1", "tomorrow", ""])
def test_what_is_no_date_is_a_value_error(text):
    """Days that do not exist, and other spellings, are refused."""
    with pytest.raises(ValueError, match=r"\w"):
        day_number(text)
