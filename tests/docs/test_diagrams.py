"""The drawings and tables of door, lane and scenarios say what the code says."""

from __future__ import annotations

import itertools
import re

import pytest

from station.core import door, lane
from tests.docs import diagrams
from tests.docs.blocks import DOCS
from tests.docs.diagrams import DRAWN, SWEEPING
from tests.docs.scenario_rows import MEANING

EDGE = re.compile(r"^    (\w+) --> (\w+): (.+)$", re.MULTILINE)


@pytest.mark.parametrize("drawn", DRAWN, ids=lambda drawn: f"{drawn.page}-{drawn.name}")
def test_a_block_is_current(drawn):
    """What stands on the page is what is drawn from the code now."""
    assert drawn.found() == drawn.make(), "run: python -m tests.docs.diagrams --write"


def test_every_block_is_drawn():
    """No page has a block that nothing renews."""
    marked = {
        (str(page.relative_to(DOCS)), name)
        for page in DOCS.rglob("*.md")
        for name in re.findall(r"^<!-- drawn: (\S+) -->$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert marked == {(drawn.page, drawn.name) for drawn in DRAWN}


def _drawn_edges(picture: str) -> set[tuple[str, str, str]]:
    edges = EDGE.findall(picture)
    return {(begin, event, end) for begin, end, events in edges for event in events.split(", ")}


def test_no_transition_of_the_lane_is_left_out():
    """Each change of state in the lane's table is an edge of the picture, and nothing else is."""
    wanted = {(b.value, e.value, row.next.value) for (b, e), row in lane.TABLE.items() if row.next is not b}
    assert _drawn_edges(diagrams.lane_diagram()) == wanted


def test_no_transition_of_the_door_is_left_out():
    """The two pictures of the door together show each change of state; what sweeps over all is drawn once."""
    everyday = _drawn_edges(diagrams.door_diagram())
    lasting = _drawn_edges(diagrams.lasting_diagram())
    for (begin, event), row in door.TABLE.items():
        if row.next is begin:
            continue
        ends = row.next.value.replace("-", "_")
        if begin in diagrams.LASTING:
            name = begin.value.replace("-", "_")
            assert {(name, event.value, ends), (name, f"{event.value} ({row.next.value})", "everyday")} & lasting
        elif event in SWEEPING:
            assert ("everyday", event.value, ends) in lasting
        else:
            assert (begin.value.replace("-", "_"), event.value, ends) in everyday


@pytest.mark.parametrize(("table", "states"), [(door.TABLE, door.DoorState), (lane.TABLE, lane.LaneState)])
def test_the_table_lists_every_transition(table, states):
    """One line each."""
    lines = diagrams.transitions(table, states).splitlines()[2:]
    found = {tuple(re.findall(r"`([^`]+)`", line)[:3]) for line in lines}
    assert found == {(b.value, e.value, row.next.value) for (b, e), row in table.items()}
    assert len(lines) == len(table)


@pytest.mark.parametrize("kind", MEANING, ids=lambda kind: kind.__name__)
def test_every_key_of_a_scenario_has_a_meaning(kind):
    """The page explains each key of the struct, and none that is gone."""
    assert set(MEANING[kind]) == set(kind.__struct_fields__)


def test_names_in_the_pictures_are_states():
    """Mermaid knows each node by the name of a state."""
    nodes = {state.value.replace("-", "_") for state in itertools.chain(door.DoorState, lane.LaneState)} | {"everyday"}
    for picture in (diagrams.door_diagram(), diagrams.lasting_diagram(), diagrams.lane_diagram()):
        assert {node for begin, end, _ in EDGE.findall(picture) for node in (begin, end)} <= nodes
