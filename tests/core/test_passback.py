"""Who went which way, and how often: anti-passback, time away, and quotas by local calendar days."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.calendar import Calendar, day_number
from station.core.model import Credential, Direction, Instant, PassClass
from station.core.passback import (
    DAY_S,
    KEEP_DAYS,
    NO_HISTORY,
    History,
    Passage,
    Peers,
    Quota,
    minutes_away,
    minutes_since,
    passback,
    quota,
    visible,
)
from tests.core.issuing import NOW_INSTANT, TYPICAL, credential, passage

IN, OUT = Direction.IN, Direction.OUT
OFFSET = 480
WORDS = {"zh": "每户限次", "en": "a household's passages"}
SHOPPING = Quota("shopping", "household", OUT, 1, 2, WORDS)
"""One person of the household out every two days."""
FAMILY = credential(cti=bytes(8))
"""Somebody else of the typical household."""


def at(iso: str, clock: str = "12:00") -> int:
    """Return a local time as Unix seconds."""
    hours, minutes = (int(part) for part in clock.split(":"))
    return day_number(iso) * DAY_S + hours * 3600 + minutes * 60 - OFFSET * 60


def moment(seconds: float) -> Instant:
    """Return the moment of a decision."""
    return replace(NOW_INSTANT, wall_us=round(seconds * 1e6))


def known(*passages: Passage, peers: Peers = Peers.ALONE, holder: Credential = TYPICAL) -> History:
    """Return what is known of a pass and its household."""
    own = tuple(p for p in passages if p.cti == holder.cti)
    shared = tuple(p for p in passages if p.household == holder.household)
    return History(own, shared, peers)


def asked(history: History, *quotas: Quota, holder: Credential = TYPICAL, way: Direction = OUT, now: int = 0) -> str:
    """Return what the quotas say of somebody who goes out now."""
    return quota(quotas, holder, history, way, OFFSET, moment(now or at("2025-06-12")))


# --- anti-passback ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ways", "going_in", "going_out"),
    [
        ([], "unknown", "unknown"),
        ([IN], "violation", "clear"),
        ([OUT], "clear", "violation"),
        ([IN, OUT], "clear", "violation"),
        ([OUT, IN], "violation", "clear"),
        ([IN, IN], "violation", "clear"),
    ],
)
def test_who_went_in_goes_out_next(ways, going_in, going_out):
    """The last passage alone decides: the same way again is a violation, the other way is clear."""
    history = known(*(passage(way, number) for number, way in enumerate(ways)))
    assert (passback(history, IN), passback(history, OUT)) == (going_in, going_out)


def test_a_household_does_not_pass_back_for_its_members():
    """Anti-passback is about the pass: what the rest of the household did says nothing."""
    history = known(passage(IN, 1, FAMILY))
    assert history.household
    assert passback(history, IN) == "unknown"
    assert minutes_since(history, NOW_INSTANT) is None


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago_s", "minutes"),
    [(0, 0), (59.999999, 0), (60, 1), (180 * 60 - 0.000001, 179), (180 * 60, 180), (7 * DAY_S, 7 * 1440), (-5, 0)],
)
def test_whole_minutes_since_the_last_passage(ago_s, minutes):
    """Minutes count when they are full; a passage after the station's now was just now."""
    now = NOW_INSTANT.wall_us / 1e6
    for way, away in ((OUT, minutes), (IN, None)):
        history = known(passage(OUT, now - 9 * DAY_S), passage(IN, now - 8 * DAY_S), passage(way, now - ago_s))
        assert minutes_since(history, NOW_INSTANT) == minutes
        assert minutes_away(history, NOW_INSTANT) == away


def test_without_a_passage_there_is_no_time():
    """Nobody known is away for no time at all: there is no value."""
    assert (minutes_away(NO_HISTORY, NOW_INSTANT), minutes_since(NO_HISTORY, NOW_INSTANT)) == (None, None)


# --- quotas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("iso", "clock", "expected"),
    [
        ("2025-06-10", "23:59", "left"),
        ("2025-06-11", "00:00", "used"),  # yesterday, from its first minute
        ("2025-06-11", "23:59", "used"),
        ("2025-06-12", "00:00", "used"),
        ("2025-06-12", "11:59", "used"),
    ],
)
def test_days_are_local_calendar_days(iso, clock, expected):
    """One passage in two days: those of today and yesterday count, by the local calendar and not by 48 hours."""
    history = known(passage(OUT, at(iso, clock)))
    for now in (at("2025-06-12", "12:00"), at("2025-06-12", "23:59")):
        assert asked(history, SHOPPING, now=now) == expected


def test_a_day_ends_at_local_midnight():
    """A passage of the last minute of the first day counts until midnight of the second, to the second."""
    history, midnight = known(passage(OUT, at("2025-06-11", "23:59"))), at("2025-06-13", "00:00")
    assert asked(history, SHOPPING, now=midnight - 1) == "used"
    assert asked(history, SHOPPING, now=midnight) == "left"
    daily = replace(SHOPPING, days=1)
    assert asked(history, daily, now=at("2025-06-12", "00:00") - 1) == "used"
    assert asked(history, daily, now=at("2025-06-12", "00:00")) == "left"


def test_other_ways_and_other_households_do_not_count():
    """Coming back uses nothing up, nor does a household of its own or a pass without one."""
    today = at("2025-06-12", "08:00")
    neighbours = credential(cti=bytes(7) + b"n", household=bytes(6))
    assert asked(known(passage(IN, today)), SHOPPING) == "left"
    assert asked(known(passage(OUT, today, neighbours)), SHOPPING) == "left"
    assert asked(known(passage(OUT, today, FAMILY)), SHOPPING) == "used"
    alone = credential(household=None)
    assert asked(known(passage(OUT, today, alone), holder=alone), SHOPPING, holder=alone) == "none"


def test_a_pass_may_have_a_quota_of_its_own():
    """Per pass, what the rest of the household did does not count; and no household is needed."""
    own, today = replace(SHOPPING, per="pass"), at("2025-06-12", "08:00")
    assert asked(known(passage(OUT, today, FAMILY)), own) == "left"
    assert asked(known(passage(OUT, today)), own) == "used"
    alone = credential(household=None)
    assert asked(known(passage(OUT, today, alone), holder=alone), own, holder=alone) == "used"


def test_a_quota_counts_where_class_and_direction_fit():
    """A quota of some classes, or of the other direction, does not count for this passage at all."""
    used = known(passage(OUT, at("2025-06-12", "08:00")))
    residents = replace(SHOPPING, classes=frozenset({PassClass.RESIDENT, PassClass.RETURNEE}))
    assert asked(used, residents) == "used"
    assert asked(used, residents, holder=credential(pass_class=PassClass.MEDIC)) == "none"
    assert asked(used, SHOPPING, holder=credential(pass_class=PassClass.MEDIC)) == "used"
    assert asked(used, SHOPPING, way=IN) == "none"
    assert asked(used) == "none"


def test_any_quota_used_up_is_enough():
    """Of several quotas that count, one used up says used; one that does not count says nothing."""
    once, thrice = SHOPPING, replace(SHOPPING, passages=3, days=7)
    history = known(passage(OUT, at("2025-06-10")), passage(OUT, at("2025-06-09"), FAMILY))
    assert asked(history, once, thrice) == "left"
    more = known(*history.household, passage(OUT, at("2025-06-08")))
    assert asked(more, once, thrice) == "used"
    assert asked(more, thrice, once) == "used"
    assert asked(more, once, replace(thrice, direction=IN)) == "left"


@pytest.mark.parametrize(("made", "left"), [(0, 2), (1, 1), (2, 0), (3, 0), (9, 0)])
def test_more_than_the_quota_is_used_up(made, left):
    """What the guard let through beyond the quota leaves nothing, and does not turn into something left."""
    history = known(*(passage(OUT, at("2025-06-12", "08:00") + number) for number in range(made)))
    twice = replace(SHOPPING, passages=2)
    assert twice.left(history, OFFSET, moment(at("2025-06-12"))) == left
    assert asked(history, twice) == ("left" if left else "used")


days_ago = st.integers(0, KEEP_DAYS - 1)
trips = st.lists(st.tuples(days_ago, st.integers(0, DAY_S - 1), st.sampled_from(Direction)), max_size=12)


@given(trips, st.integers(1, 5), st.integers(1, KEEP_DAYS - 1), st.integers(-720, 840), st.integers(0, DAY_S - 1))
def test_what_is_left_is_the_quota_less_the_days_passages(made, passages, days, offset, second):
    """What is left is the number less the passages of these days, counted one by one; never below nothing."""
    today, start = 20_000, -offset * 60
    history = known(*(passage(way, (today - ago) * DAY_S + at_s + start) for ago, at_s, way in made))
    one = replace(SHOPPING, passages=passages, days=days)
    now = moment(today * DAY_S + second + start)
    assert Calendar(offset).local(now.seconds)[0] == today
    used = sum(way is OUT and ago < days for ago, _, way in made)
    assert one.left(history, offset, now) == max(0, passages - used)
    assert quota([one], TYPICAL, history, OUT, offset, now) == ("left" if used < passages else "used")


# --- forgiveness -----------------------------------------------------------------------------------------------------


def test_what_a_guard_forgave_no_longer_counts():
    """Passages up to the moment of forgiveness are gone, for the pass or the household it was given to."""
    before, after = passage(OUT, at("2025-06-12", "08:00")), passage(OUT, at("2025-06-12", "09:00"))
    moments = {TYPICAL.cti: before.wall_us}
    assert visible([before, after], moments, TYPICAL.cti) == (after,)
    assert visible([before, after], {TYPICAL.cti: before.wall_us - 1}, TYPICAL.cti) == (before, after)
    assert visible([before, after], moments, FAMILY.cti) == (before, after)
    assert visible([], moments, TYPICAL.cti) == ()
    assert TYPICAL.household is not None
    forgiven = {TYPICAL.cti: after.wall_us, TYPICAL.household: after.wall_us}
    own, shared = (visible([before, after], forgiven, subject) for subject in (TYPICAL.cti, TYPICAL.household))
    history = History(own, shared)
    assert asked(history, SHOPPING) == "left"
    assert passback(history, OUT) == "unknown"


@given(st.lists(st.integers(0, 100)), st.integers(0, 100))
def test_forgiveness_parts_the_past_from_what_follows(times, forgiven):
    """Exactly the passages after it remain, in their order."""
    passages = [Passage(b"p", None, IN, time) for time in sorted(times)]
    assert [p.wall_us for p in visible(passages, {b"p": forgiven}, b"p")] == [t for t in sorted(times) if t > forgiven]
