"""Announcements: how a list is read and refused, and that each is said once at each of its times."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.announcement_source import read_source
from station.core.announcements import LATE_S, Announcement, Announcements, due, read_announcements, read_list
from station.core.calendar import DAY_S, Calendar
from station.core.documents import DocumentType, Role, open_document, open_trust
from station.core.model import ClockState, Instant, Rejected
from station.core.reasons import Reason
from tests.core.issuing import CENTRAL, NOW, PASSES, ZONE, document_raw, key_row, key_rows, signing_key, trust_raw
from tests.core.issuing import ROOT_BYTES as ROOTS

SPEAKER = signing_key("speaker")
CHINA = Calendar(480)
MONDAY = 1_767_542_400
"""Monday 2026-01-05, 00:00 in Beijing."""
MINUTE_S = 60
ROW = {"id": "water-off", "text": {"zh": "今天停水", "en": "No water today"}, "from": MONDAY, "to": MONDAY + DAY_S}


def once(**changes: object) -> Announcement:
    """An announcement for Monday."""
    return replace(Announcement("water-off", ROW["text"], MONDAY, MONDAY + DAY_S), **changes)


def listed(*items: Announcement, expires: int = MONDAY + 400 * DAY_S) -> Announcements:
    """A list in force."""
    return Announcements(1, expires, items)


def at(seconds: int, state: ClockState = ClockState.TRUSTED) -> Instant:
    """A moment."""
    return Instant(seconds * 1_000_000, 1, state)


def slot(announced: Announcements, now: Instant, said: dict[str, int] | None = None, calendar: Calendar | None = CHINA):
    """What is due, by its id and moment."""
    found = due(announced, calendar, said or {}, now)
    return (found.announcement.id, found.slot) if found else None


# --- once ------------------------------------------------------------------------------------------------------------


def test_once_is_due_from_its_beginning_until_its_end():
    """Not before, not after, and not once it was said; without a calendar, too."""
    for seconds, expected in ((-1, None), (0, MONDAY), (DAY_S - 1, MONDAY), (DAY_S, None)):
        for calendar in (CHINA, None):
            wanted = ("water-off", expected) if expected else None
            assert slot(listed(once()), at(MONDAY + seconds), calendar=calendar) == wanted
    assert slot(listed(once()), at(MONDAY + 1), {"water-off": MONDAY}) is None
    assert slot(listed(once(begins=MONDAY + 1)), at(MONDAY + 2), {"water-off": MONDAY}) is None


def test_the_longest_due_is_first():
    """Of two that are due the earlier begins; what was said stands in nobody's way."""
    both = listed(once(id="b", begins=MONDAY + 5), once(id="a", begins=MONDAY + 6), once(id="c", begins=MONDAY + 5))
    assert slot(both, at(MONDAY + 10)) == ("b", MONDAY + 5)
    assert slot(both, at(MONDAY + 10), {"b": MONDAY + 5}) == ("c", MONDAY + 5)
    assert slot(both, at(MONDAY + 10), {"b": MONDAY + 5, "c": MONDAY + 5}) == ("a", MONDAY + 6)


def test_nothing_is_due_without_a_clock_or_after_the_document():
    """A lost clock knows no times; a list that has expired is silent, one with a good clock in holdover is not."""
    assert slot(listed(once()), at(MONDAY, ClockState.LOST)) is None
    assert slot(listed(once()), at(MONDAY, ClockState.HOLDOVER)) == ("water-off", MONDAY)
    assert slot(listed(once(), expires=MONDAY), at(MONDAY)) == ("water-off", MONDAY)
    assert slot(listed(once(), expires=MONDAY), at(MONDAY + 1)) is None


# --- at times of day -------------------------------------------------------------------------------------------------

EIGHT = 8 * 60


def test_a_time_of_day_is_local_and_soon_over():
    """08:00 is 08:00 at the gate; ten minutes later it is left out. No calendar, no times of day."""
    morning, begin = listed(once(at=(EIGHT,))), MONDAY + EIGHT * MINUTE_S
    assert slot(morning, at(begin - 1)) is None
    assert slot(morning, at(begin)) == slot(morning, at(begin + LATE_S - 1)) == ("water-off", begin)
    assert slot(morning, at(begin + LATE_S)) is None
    assert slot(morning, at(begin), calendar=None) is None
    assert slot(morning, at(begin), calendar=Calendar(540)) is None


@pytest.mark.parametrize(
    ("days", "spoken_on"),
    [
        ([], [0, 1, 2, 3, 4, 5, 6]),
        (["monday", "sunday"], [0, 6]),
        (["workday"], [0, 2, 3, 4, 5]),
        (["weekend"], [6]),
        (["holiday", "saturday"], [1, 5]),
    ],
)
def test_days_are_those_of_the_calendar(days, spoken_on):
    """Weekdays by name and kinds of day by the policy's calendar: Tuesday is a holiday, Saturday is worked."""
    day = MONDAY // DAY_S + 1
    calendar = Calendar(480, frozenset({day + 1}), frozenset({day + 5}))
    week = listed(once(at=(EIGHT,), days=frozenset(days), ends=MONDAY + 7 * DAY_S))
    moments = [MONDAY + n * DAY_S + EIGHT * MINUTE_S for n in range(7)]
    assert [n for n, moment in enumerate(moments) if slot(week, at(moment), calendar=calendar)] == spoken_on


def test_a_minute_before_midnight_can_be_said_after_it():
    """The evening's slot keeps its own day: what is due on Monday at 23:59 is said on Tuesday at 00:05, too."""
    late = listed(once(at=(1439,), days=frozenset({"monday"}), ends=MONDAY + 3 * DAY_S))
    assert slot(late, at(MONDAY + DAY_S + 5 * MINUTE_S)) == ("water-off", MONDAY + 1439 * MINUTE_S)
    assert slot(late, at(MONDAY + 2 * DAY_S + 5 * MINUTE_S)) is None


@given(
    st.lists(st.integers(0, 1439), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(1, LATE_S - 1), min_size=50, max_size=400),
    st.integers(-720, 840),
)
def test_each_time_of_day_is_said_once(times, steps, offset):
    """Looked at often enough, each slot is said once; only one that the next has overtaken may be left out."""
    daily = once(at=tuple(sorted(times)), ends=MONDAY + 400 * DAY_S)
    said: dict[str, int] = {}
    now, spoken = MONDAY, list[int]()
    for step in steps:
        now += step
        found = due(listed(daily), Calendar(offset), said, at(now))
        if found:
            spoken.append(found.slot)
            said = {**said, daily.id: found.slot}
    slots = [
        moment
        for day in range(-2, 4)
        for minute in daily.at
        if MONDAY <= (moment := (MONDAY // DAY_S + day) * DAY_S + minute * 60 - offset * 60) <= now
    ]
    assert spoken == sorted(set(spoken))
    assert set(spoken) <= set(slots)
    overtaken = {one for one in slots if any(one < other <= one + LATE_S for other in slots)}
    assert {one for one in slots if one > MONDAY} - overtaken <= set(spoken)


def test_a_clock_that_jumps_back_repeats_nothing_of_the_day():
    """What was said at 08:05 is not said again when the clock falls back; a date that was wrong silences nothing."""
    both = listed(once(at=(EIGHT, EIGHT + 5)))
    begin = MONDAY + EIGHT * MINUTE_S
    assert slot(both, at(begin + 60), {"water-off": begin + 300}) is None
    assert slot(both, at(begin + 60), {"water-off": begin + 300 * DAY_S}) == ("water-off", begin)


# --- reading ---------------------------------------------------------------------------------------------------------


def opened(rows: object, key=SPEAKER, **fields: object):
    """A document as a station opens it."""
    trust = trust_raw([*key_rows(), key_row(SPEAKER, [Role.ANNOUNCE])])
    raw = document_raw("announcement", {"announcements": rows, **fields}, key)
    envelope = open_document(raw, DocumentType.ANNOUNCEMENT, open_trust(trust, ROOTS), ZONE)
    return envelope if isinstance(envelope, Rejected) else read_announcements(envelope)


def test_a_list_is_read_as_it_was_signed():
    """Every field arrives; times of day are sorted minutes."""
    row = {**ROW, "at": ["17:30", "08:00"], "days": ["workday"], "volume": 0}
    found = opened([row])
    assert found.items == (
        Announcement("water-off", ROW["text"], MONDAY, MONDAY + DAY_S, (480, 1050), frozenset({"workday"}), 0),
    )
    assert found.expires > NOW
    assert opened([]).items == ()


@pytest.mark.parametrize("key", [PASSES, CENTRAL], ids=["passes", "central"])
def test_only_the_role_speaks(key):
    """A key for passes or for policies cannot announce anything."""
    assert opened([ROW], key).reason is Reason.DOCUMENT_OUT_OF_ROLE


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": "Water"}, "id"),
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"text": {"zh": "停水"}}, "languages"),
        ({"text": {"zh": "停水", "en": " "}}, "empty"),
        ({"text": {"zh": "停水", "en": "x" * 401}}, "text.en"),
        ({"text": {"zh": "停水", "en": "a\nb"}}, "text.en"),
        ({"from": MONDAY + DAY_S}, "ends before"),
        ({"from": "soon"}, "from"),
        ({"to": None}, "to"),
        ({"at": ["8:00"]}, "time of day"),
        ({"at": ["24:00"]}, "time of day"),
        ({"at": "08:00"}, "at"),
        ({"at": ["08:00"] * 25}, "at"),
        ({"at": ["08:00"], "days": ["someday"]}, "someday"),
        ({"days": ["monday"]}, "need times"),
        ({"volume": 101}, "volume"),
        ({"volume": True}, "volume"),
        ({"loud": True}, "loud"),
    ],
)
def test_a_mistake_refuses_the_list_and_is_named(change, named):
    """Whatever is wrong in one announcement refuses the whole list with its own code, and says what."""
    found = opened([{**ROW, "id": "good"}, {**ROW, **change}])
    assert found.reason is Reason.ANNOUNCEMENT_INVALID
    assert named in found.detail


def test_whole_lists_are_refused_too():
    """Two of one id, too many, no list, and fields that nobody defined."""
    for rows in ([ROW, ROW], [{**ROW, "id": f"n{n}"} for n in range(51)], "water", [5], None):
        assert opened(rows).reason is Reason.ANNOUNCEMENT_INVALID
    assert opened([ROW], more=1).reason is Reason.ANNOUNCEMENT_INVALID


# --- the office's source ---------------------------------------------------------------------------------------------

SOURCE = """
[[announcement]]
id = "water-off"
from = 2026-01-05T00:00:00+08:00
to = "2026-01-06T00:00:00+08:00"
at = ["08:00", 17:30:00]
text = { zh = "今天停水", en = "No water today" }
"""


def test_a_source_says_dates_as_dates():
    """Dates with their offset become seconds, times of day stay times of day."""
    assert read_source(SOURCE) == [{**ROW, "at": ["08:00", "17:30"]}]
    assert read_list(read_source(SOURCE))[0].at == (480, 1050)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("+08:00\nto", "\nto"),
        ('id = "water-off"', 'id = "Water"'),
        ("from = 2026-01-05T00:00:00+08:00", ""),
        ("from = 2026-01-05T00:00:00+08:00", "from = 2026-01-05"),
        ("[[announcement]]", "[[announcements]]"),
        ("[[announcement]]", "[announcement]"),
        ("17:30:00", "5"),
        ('zh = "今天停水", ', ""),
    ],
)
def test_mistakes_of_a_source_are_refused(old, new):
    """A date without offset, a missing key, a wrong word: all are told before anything is signed."""
    assert old in SOURCE
    with pytest.raises(ValueError, match=r"\w"):
        read_source(SOURCE.replace(old, new))
