"""What a scenario names and does not define is found before it is played, by the path of the key."""

from __future__ import annotations

import pytest

from station.simulation.check import check, mistakes
from station.simulation.scenario import ScenarioError, load
from tests.simulation.scenes import DOOR_AT_REST, SHIPPED, written

TWO_READERS = """
[[lanes]]
id = "in"
[lanes.door.relay]
pin = 17
[[lanes]]
id = "out"
door_of = "in"
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_have_none(path):
    """Nothing is found in what is shipped."""
    assert list(mistakes(load(path))) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('[[steps]]\nat = 1\nlane = "nowhere"\nscan = ["x"]\n', "$.steps[1].lane"),
        ("[[steps]]\nat = 1\n", "$.steps[1]"),
        ('[[steps]]\nat = 1\nscan = ["x"]\ninput = "rex"\n', "$.steps[1]"),
        ('[[steps]]\nat = 1\ninput = "knock"\n', "$.steps[1].input"),
        ('[[steps]]\nat = 1\ntemperature = "hot"\n', "$.steps[1].temperature"),
        ('[[steps]]\nat = 1\nstatus = "nobody=ok"\n', "$.steps[1].status"),
        ('[passes.wang]\n[[steps]]\nat = 1\nstatus = "wang=gone"\n', "$.steps[1].status"),
        ('[[steps]]\nat = 21\nscan = ["x"]\n', "$.steps[1].at"),
        ('[[expect]]\nat = 21\ndoor = "locked"\n', "$.expect[0].at"),
        ('[[expect]]\nat = 1\nlane = "nowhere"\n', "$.expect[0].lane"),
        ('[[expect]]\nat = 1\ndoor = "ajarred"\n', "$.expect[0].door"),
        ('[[expect]]\nat = 1\nsignal = "green"\n', "$.expect[0].signal"),
        ('[[expect]]\nat = 1\nlane_state = "waiting"\n', "$.expect[0].lane_state"),
        ('[[expect]]\nat = 1\nreason = "mood"\n', "$.expect[0].reason"),
        ('[[lanes]]\nid = "in"\n[[lanes]]\nid = "out"\ndoor_of = "side"\n', "$.lanes[1].door_of"),
        ('[[lanes]]\nid = "in"\n[[lanes]]\nid = "in"\n', "$.lanes"),
        (TWO_READERS + '[[steps]]\nat = 1\nlane = "out"\ninput = "rex"\n', "$.steps[1].lane"),
        (TWO_READERS + '[[steps]]\nat = 1\nlane = "out"\nfault = "relay"\n', "$.steps[1].lane"),
    ],
)
def test_each_is_named_by_its_path(tmp_path, text, where):
    """One mistake, one line, which ends with the path."""
    with pytest.raises(ScenarioError) as error:
        check(load(written(tmp_path, DOOR_AT_REST + text)))
    assert str(error.value).endswith(f"at `{where}`")
    assert "\n" not in str(error.value)


def test_an_interlock_names_lanes_with_doors(tmp_path):
    """A name that is no lane's, or whose lane has no door of its own, is found."""
    path = written(tmp_path, 'interlock = [["in", "cellar"]]\n' + DOOR_AT_REST)
    assert list(mistakes(load(path))) == ["'cellar' is none of in - at `$.interlock[0]`"]


def test_all_are_told_at_once(tmp_path):
    """Several mistakes are several lines."""
    text = '[[steps]]\nat = 1\ninput = "knock"\n[[expect]]\nat = 1\nreason = "mood"\n'
    with pytest.raises(ScenarioError) as error:
        check(load(written(tmp_path, DOOR_AT_REST + text)))
    assert len(str(error.value).splitlines()) == 2
