"""The scenario of docs/how-to/simulate.md, as it stands on the page, can be played and goes as it says."""

from __future__ import annotations

import re

from station.simulation.check import mistakes
from station.simulation.scenario import load
from tests.simulation.scenes import DOCS, play


def test_the_scenario_of_the_page(tmp_path):
    """Its blocks together are one file; nothing in it is unknown, and everything it expects is so."""
    page = (DOCS / "simulate.md").read_text(encoding="utf-8")
    text = "".join(re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    path = tmp_path / "side-door.toml"
    path.write_text(text.replace("../policies", str(DOCS / "policies")), encoding="utf-8")
    scenario = load(path)
    assert len(scenario.expect) == 2
    assert list(mistakes(scenario)) == []
    assert play(scenario).unmet == []
