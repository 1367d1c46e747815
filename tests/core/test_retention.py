"""Which rows may go, and when the disk is too full: rules over numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.model import Decision, Direction, Outcome
from station.core.reasons import Reason
from station.core.retention import DAY_US, Disk, Kept, Limits, evict_up_to, is_too_full, without_room

EMPTY = Disk(used=10, free=90)
FULL = Disk(used=90, free=10)
OLD, YOUNG = 31 * DAY_US, 29 * DAY_US
AGES = st.lists(st.none() | st.sampled_from([OLD, YOUNG]) | st.integers(0, 60 * DAY_US), min_size=1, max_size=30)


@given(st.integers(1, 1000), st.integers(0, 20), st.integers(0, 20), AGES, st.sampled_from([EMPTY, FULL]))
def test_what_central_has_not_acknowledged_and_the_newest_row_never_go(first, more, acknowledged, ages, disk):
    """Whatever ages and disk say: only rows that are there, acknowledged and not the last, and only from the oldest."""
    kept = Kept(first, first + more, first - 1 + acknowledged)
    up_to = evict_up_to(kept, ages, disk, Limits())
    assert first - 1 <= up_to
    if up_to >= first:
        assert up_to <= min(kept.acknowledged, kept.last - 1, first + len(ages) - 1)


@pytest.mark.parametrize(
    ("ages", "disk", "up_to"),
    [
        ([OLD, OLD, YOUNG, OLD], EMPTY, 2),
        ([YOUNG, OLD], EMPTY, 0),
        ([None, OLD, None, YOUNG], EMPTY, 2),
        ([None, None, None], EMPTY, 0),
        ([YOUNG, YOUNG, None], FULL, 3),
        ([OLD] * 20, EMPTY, 8),
        ([], FULL, 0),
    ],
    ids=str,
)
def test_old_rows_go_and_on_a_full_disk_the_oldest(ages, disk, up_to):
    """Thirty days, oldest first; rows of unknown age go with the next known one; a full disk asks for no age."""
    assert evict_up_to(Kept(1, 9, 8), ages, disk, Limits()) == up_to


def test_on_a_full_disk_with_old_rows_the_unacknowledged_stay():
    """Both reasons to evict together do not outweigh that central has not got a row."""
    assert evict_up_to(Kept(1, 9, 3), [OLD] * 9, FULL, Limits()) == 3
    assert evict_up_to(Kept(4, 9, 2), [OLD] * 9, FULL, Limits()) == 3


def test_pages_that_hold_nothing_do_not_count():
    """A journal that cannot give its pages back must not evict everything: it writes into them first."""
    held = Disk(used=90, free=10, reusable=20)
    assert evict_up_to(Kept(1, 9, 8), [YOUNG], held, Limits()) == 0
    assert held.share == 0.9
    assert Disk(0, 0).share == Disk(0, 0).share_without_reusable == 0.0


def test_the_alarm_of_a_full_disk_does_not_flutter():
    """It begins at 95 % and ends at less than 93 %."""
    states, before = [], False
    for used in (94, 95, 94, 93, 92, 93, 94, 95):
        before = is_too_full(Disk(used, 100 - used), Limits(), before=before)
        states.append(before)
    assert states == [False, True, True, True, False, False, False, True]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_without_room_nobody_is_let_in_and_everybody_out(outcome):
    """Only what would let somebody in is changed; who leaves, and who is refused anyway, hears what they would."""
    decision = Decision(outcome, Reason.POLICY, "r1")
    assert without_room(decision, Direction.OUT, Outcome.DENY) == decision
    changed = without_room(decision, Direction.IN, Outcome.REFER)
    if outcome in (Outcome.GRANT, Outcome.MEASURE, Outcome.ESCORT):
        assert (changed.outcome, changed.reason, changed.rule) == (Outcome.REFER, Reason.DISK_FULL, "check:disk")
    else:
        assert changed == decision
