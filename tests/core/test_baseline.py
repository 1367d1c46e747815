"""What is usual here: a threshold above it, and its drift since the calibration."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from station.core.baseline import MOST_DRIFT_C, Baseline, Relative, decode, doubt, threshold
from station.core.calibration import FACTORY, Calibration

DAY = date(2026, 3, 1)
RULE = Relative(offset_c=0.8, floor_c=35.0, last=20, enough=10)


def heard(values, baseline=Baseline(), calibration=FACTORY):  # noqa: B008
    """Return the state after these estimates."""
    for value in values:
        baseline = baseline.heard(value, RULE, calibration)
    return baseline


def test_extremes_do_not_move_the_mean():
    """Two in twenty at each end are dropped: somebody ill and somebody from the cold are not what is usual."""
    assert heard([34.5] * 16 + [40.0, 40.0, 30.0, 30.0]).mean() == pytest.approx(34.5)
    assert Baseline().mean() is None


def test_only_the_last_count():
    """What is usual follows the season: older values than the last twenty are forgotten."""
    state = heard([34.0] * 20 + [36.0] * 20)
    assert (len(state.values), state.mean()) == (20, 36.0)


def test_threshold_waits_and_has_a_floor():
    """Until there are enough values the fixed limit applies, afterwards mean and offset, never below the floor."""
    assert threshold(heard([34.9] * 9), RULE, 37.3, FACTORY) == 37.3
    assert threshold(heard([34.9] * 10), RULE, 37.3, FACTORY) == pytest.approx(35.7)
    assert threshold(heard([33.0] * 20), RULE, 37.3, FACTORY) == 35.0
    assert threshold(heard([34.9] * 20), None, 37.3, FACTORY) == 37.3


def test_drift_since_the_calibration():
    """The first mean after a calibration is kept; a mean far from it throws doubt on it, as its age does."""
    calibration = Calibration(DAY, ((35.0, 35.2),))
    state = heard([34.5] * 20, calibration=calibration)
    assert state.drift_c() == 0
    assert doubt(calibration, state, DAY) == ""
    moved = heard([34.5 + MOST_DRIFT_C + 0.1] * 20, state, calibration)
    assert moved.drift_c() == pytest.approx(MOST_DRIFT_C + 0.1)
    assert doubt(calibration, moved, DAY) == "drift"
    assert doubt(calibration, state, DAY + timedelta(366)) == "old"
    assert doubt(Calibration(DAY + timedelta(1), ((35.0, 35.2),)), moved, DAY + timedelta(1)) == ""


def test_a_new_calibration_begins_anew():
    """Values measured with another calibration do not count, and do not anchor the drift."""
    first, second = Calibration(DAY, ((35.0, 35.2),)), Calibration(DAY + timedelta(9), ((35.0, 35.2),))
    state = heard([36.0], heard([34.5] * 20, calibration=first), second)
    assert (state.values, state.anchor_c, state.calibrated) == ((36.0,), None, second.mark)
    assert state.drift_c() is None
    assert not state.drifted()


CALIBRATIONS = st.just(FACTORY) | st.builds(
    lambda day, off: Calibration(day, ((35.0, 35.0 + off),)), st.dates(DAY, DAY + timedelta(2)), st.floats(-2, 2)
)


@given(st.lists(st.floats(28, 45), max_size=60), CALIBRATIONS, CALIBRATIONS)
@example([34.0] * 40, Calibration(DAY, ((35.0, 33.5),)), Calibration(DAY, ((35.0, 35.0),)))
def test_another_calibration_is_an_empty_baseline(values, earlier, now):
    """Whatever was heard under one calibration, under another the fixed limit stands from the first reading on.

    It stands until there are enough values again, however the two calibrations differ, be they of one day.
    """
    state = heard(values, calibration=earlier)
    before = threshold(state, RULE, 37.3, earlier)
    assert before == (37.3 if len(values) < RULE.enough else max(RULE.floor_c, state.mean() + RULE.offset_c))
    if now == earlier:
        return
    for _ in range(RULE.enough):
        assert threshold(state, RULE, 37.3, now) == 37.3
        state = heard([34.9], state, now)
    assert threshold(state, RULE, 37.3, now) == pytest.approx(35.7)


@given(st.lists(st.floats(28, 45), max_size=30), CALIBRATIONS)
def test_the_state_survives_a_restart(values, calibration):
    """What was stored is what comes back."""
    state = heard(values, calibration=calibration)
    assert decode(state.encode()) == state


def test_a_state_of_before_the_marks_is_no_factory_sensors():
    """What was stored under a dated calibration does not count where there is none any more."""
    stored = decode(b'{"values": [34.0], "anchor": 33.6, "day": "2026-03-01"}')
    assert stored.under(FACTORY) == Baseline()


@pytest.mark.parametrize("raw", [None, b"", b"{", b"[1]", b'{"values": ["x"]}', b'{"values": [NaN]}', b"\xff"])
def test_a_damaged_state_is_an_empty_one(raw):
    """It is no reason not to start: it fills again within a day."""
    assert decode(raw) == Baseline()
