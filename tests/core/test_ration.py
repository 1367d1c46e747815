"""The ration of recorded refusals: thirty an hour one by one, of the others their number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from station.core.model import Instant
from station.core.ration import NOTED, WITHIN_US, Ration


def at(mono_us: int) -> Instant:
    """A moment."""
    return Instant(mono_us, mono_us)


@given(st.lists(st.integers(0, WITHIN_US - 1), max_size=100))
def test_within_the_hour_all_are_noted_or_counted(moments):
    """However refusals lie in an hour: none is lost, and no more than the ration is noted one by one."""
    ration = Ration()
    for moment in sorted(moments):
        ration = ration.after(at(moment))
        assert not ration.over(at(moment))
    assert (ration.noted, ration.unnoted) == (min(len(moments), NOTED), max(len(moments) - NOTED, 0))
    assert ration.exhausted == (len(moments) >= NOTED)


def test_the_hour_begins_with_the_first_refusal():
    """Nothing is over before there was a refusal, and an hour after it everything is."""
    assert not Ration().over(at(10 * WITHIN_US))
    ration = Ration().after(at(5)).after(at(9))
    assert not ration.over(at(WITHIN_US + 4))
    assert ration.over(at(WITHIN_US + 5))
