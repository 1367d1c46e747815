"""The scenarios that are shipped: each plays as it says, and together they show every alarm."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET

import pytest

from station.simulation.diagram import draw
from station.simulation.scenario import Scenario, load
from station.views import ALARMS
from tests.simulation.scenes import HEAD, SHIPPED, play, played, written

SVG = "{http://www.w3.org/2000/svg}"
BY_NAME = {path.stem: path for path in SHIPPED}
NOT_PLAYED = {"duress"}
"""Alarms that no scenario shows."""
IDLE_S = 4 * 3600


@pytest.fixture(scope="module", params=BY_NAME)
def shown(request):
    """A shipped scenario and what came of it."""
    scenario = load(BY_NAME[request.param])
    return scenario, play(scenario)


def test_it_plays_as_it_says(shown):
    """Everything that the scenario expects is so, and it expects something."""
    scenario, came = shown
    assert scenario.expect
    assert came.unmet == []


def test_its_drawing_is_sound_and_shows_every_track(shown):
    """The SVG is well-formed XML with a label for each track, and its bars stay within the picture."""
    scenario, came = shown
    root = ET.fromstring(draw(came.timeline, scenario.seconds, scenario.about))  # noqa: S314 - drawn just now
    labels = {text.text for text in root.iter(f"{SVG}text")}
    assert root.tag == f"{SVG}svg"
    assert {*came.timeline.tracks, scenario.about} <= labels
    width = float(root.attrib["viewBox"].split()[2])
    assert all(float(bar.get("x", 0)) + float(bar.attrib["width"]) <= width for bar in root.findall(f"{SVG}rect[@x]"))


def _expected_alarms(scenario: Scenario) -> set[str]:
    return {wanted.alarm for wanted in scenario.expect if wanted.alarm}


def test_every_alarm_has_a_scenario():
    """Each alarm the screen can name is expected by a scenario; nothing expects one that the screen cannot name."""
    expected = set().union(*(_expected_alarms(load(path)) for path in SHIPPED))
    assert expected == set(ALARMS) - NOT_PLAYED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_rings_ends(path):
    """A scenario that expects an alarm also expects silence later on: no alarm is for ever."""
    scenario = load(path)
    rings = [wanted.at for wanted in scenario.expect if wanted.alarm]
    quiet = [wanted.at for wanted in scenario.expect if wanted.silent]
    assert not rings or (quiet and max(quiet) > max(rings))


def test_a_scenario_plays_the_same_twice():
    """Keys are made anew each time, but what happens, and when, is the same."""
    scenario = load(BY_NAME["passage"])
    assert play(scenario).timeline.changes == play(scenario).timeline.changes


def test_nothing_happens_for_hours(tmp_path, capsys):
    """An idle gate keeps its signal and writes nothing for hours; how much faster than real it goes is printed."""
    idle = written(
        tmp_path, '[[steps]]\nat = 0.2\ninput = "door-closed"\n', HEAD.replace("seconds = 20", f"seconds = {IDLE_S}")
    )
    began = time.perf_counter()
    came = play(load(idle))
    spent_s = time.perf_counter() - began
    with capsys.disabled():
        print(f"\nidle: {IDLE_S} s in {spent_s:.1f} s, {IDLE_S / spent_s:,.0f} times real")
    assert max(change.at_s for change in came.timeline.changes) < 2
    assert came.timeline.now["in signal"] == "ready"


def test_the_end_is_the_end(tmp_path):
    """A door that was left open rings on to the end; nothing is drawn after it."""
    came = played(tmp_path, '[[steps]]\nat = 0.2\ninput = "door-closed"\n[[steps]]\nat = 5\ninput = "door-opened"\n')
    assert came.timeline.now["in alarms"] == "door-forced"
    assert list(came.timeline.spans("in alarms", 20.0))[-1][:2] == (5.0, 20.0)
