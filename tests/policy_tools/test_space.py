"""The space of facts: boxes hold exactly what rules hold, and what is taken to be impossible never is observed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.facts import FACTS
from station.core.model import ClockState
from station.core.policy import Degraded, Policy
from station.core.reasons import Matter
from station.policy_tools import space as spaces
from station.policy_tools.possible import impossible
from station.policy_tools.space import MOMENT, Box, Cell, Space, TooHardError
from tests.policy_tools.many_policies import policies
from tests.policy_tools.presenting import Shown, any_presentation

presentations = any_presentation


def inside(space: Space, box: Box, point: dict[str, int]) -> bool:
    """Say whether a point (a cell of each fact) lies in a box."""
    return all(mask & point[fact] for fact, mask in box.items())


def point_of(space: Space, shown: Shown, policy: Policy) -> dict[str, int]:
    """Return the cells of what is observed."""
    facts = shown.facts(policy)
    point = {name: space.bit(name, info.read(facts)) for name, info in FACTS.items()}
    return point | {MOMENT: space.bit(MOMENT, shown.at)}


@settings(max_examples=40, deadline=None)
@given(policies, presentations)
def test_a_box_holds_what_its_rule_holds(policy, shown):
    """Every rule applies to observed facts exactly when their cells lie in its box."""
    space = Space(policy.rules)
    point, facts = point_of(space, shown, policy), shown.facts(policy)
    for rule in policy.rules:
        assert inside(space, space.box(rule), point) == rule.applies(facts, shown.at)


@settings(max_examples=60, deadline=None)
@given(policies, presentations, st.booleans())
def test_what_is_impossible_is_never_observed(policy, shown, lost):
    """No presentation that reaches the rules lies in a box that is said to be impossible."""
    if lost:
        policy = replace(policy, degraded={**policy.degraded, Matter.CLOCK: Degraded.NONCE})
        shown = replace(shown, clock=ClockState.LOST, medium="phone-nonce")
    space = Space(policy.rules)
    point = point_of(space, shown, policy)
    assert not [box for box in impossible(space, policy) if inside(space, box, point)]


@pytest.mark.parametrize("fact", FACTS)
def test_every_value_lies_in_one_cell(fact):
    """The cells of a fact are disjoint, and hold every value a rule can name, and those beyond."""
    space, info = Space(()), FACTS[fact]
    values = [*(info.values or ()), *(info.bounds if info.values is None else ())]
    for value in values:
        assert sum(cell.holds(value) for cell in space.cells[fact]) == 1
    assert space.full[fact] == sum(1 << n for n in range(len(space.cells[fact])))
    if info.values is None:
        assert space.bit(fact, 10**6) == 1 << len(space.cells[fact]) - 1
        assert space.cells[fact][0] == Cell(None, None)
    else:
        with pytest.raises(KeyError):
            space.bit(fact, "nonsense")


GRID = {"direction": 2, "health": 4, "passback": 3}
boxes = st.fixed_dictionaries({}, optional={fact: st.integers(0, (1 << cells) - 1) for fact, cells in GRID.items()})


@settings(max_examples=200, deadline=None)
@given(boxes, st.lists(boxes, max_size=6))
def test_outside_is_exact(base, others):
    """A box is found outside of others exactly when some point is, and each of its points is such a one."""
    space = Space(())
    points = [
        dict(zip(GRID, bits, strict=True))
        for bits in itertools.product(*([1 << n for n in range(cells)] for cells in GRID.values()))
    ]
    left = [p for p in points if inside(space, base, p) and not any(inside(space, other, p) for other in others)]
    found = space.outside(base, others)
    assert (found is not None) == bool(left)
    if found is not None:
        assert [p for p in points if inside(space, found, p)]
        assert all(p in left for p in points if inside(space, found, p))


def test_a_question_that_is_too_hard_is_given_up(monkeypatch):
    """More steps than allowed end with TooHardError instead of an answer."""
    space = Space(())
    others = [{"direction": 1, "health": 1 << n % 4, "passback": 1 << n % 3} for n in range(12)]
    assert space.outside({}, others) is not None
    monkeypatch.setattr(spaces, "STEPS", 1)
    with pytest.raises(TooHardError):
        space.outside({}, others)
