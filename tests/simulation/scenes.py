"""The scenarios that are shipped, and a short way to write one in a test."""

from __future__ import annotations

import tempfile
from pathlib import Path

from station.simulation.play import Played, Player
from station.simulation.scenario import Scenario, load

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
SHIPPED = sorted((DOCS / "scenarios").glob("*.toml"))
HEAD = f'about = "a test"\nseconds = 20\npolicy = "{DOCS / "policies" / "compound.toml"}"\n'
DOOR_AT_REST = '[[steps]]\nat = 0.2\ninput = "door-closed"\n'


def play(scenario: Scenario) -> Played:
    """Play a scenario in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        return Player(scenario, Path(folder)).play()


def written(folder: Path, text: str, head: str = HEAD) -> Path:
    """Write a scenario into a folder; `head` is what every scenario needs."""
    path = folder / "scenario.toml"
    path.write_text(head + text, encoding="utf-8")
    return path


def played(folder: Path, text: str) -> Played:
    """Write, load and play a scenario."""
    return play(load(written(folder, text)))
