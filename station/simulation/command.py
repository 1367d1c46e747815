"""The command `gate-station simulate`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from station.simulation.play import Played
    from station.simulation.scenario import Scenario

OK, FAILED, BAD_USE = 0, 1, 2
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory where there is one; nothing of value is written
ABOUT = "play scenarios in virtual time; exit status 1 where something expected was not so"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("scenarios", nargs="+", type=Path, metavar="SCENARIO", help="TOML files")
    parser.add_argument("--json", action="store_true", help="one JSON object per scenario")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="draw each as a timing diagram, FOLDER/NAME.svg")
    parser.add_argument("--quiet", action="store_true", help="only what was expected and not so")


def run(options: argparse.Namespace) -> int:
    """Play the scenarios."""
    from station.simulation.scenario import ScenarioError, load  # noqa: PLC0415 - safe-outputs must not wait for it

    logging.disable(logging.CRITICAL)  # what the gate would log is in the timeline
    failed = False
    for path in options.scenarios:
        try:
            scenario = load(path)
            began = time.perf_counter()
            played = _play(scenario)
        except ScenarioError as error:
            print(f"{path}: {error}" if str(path) not in str(error) else error, file=sys.stderr)  # noqa: T201 - a command prints
            return BAD_USE
        _show(path, scenario, played, time.perf_counter() - began, options)
        failed |= bool(played.unmet)
    return FAILED if failed else OK


def _play(scenario: Scenario) -> Played:
    from station.simulation.play import Player  # noqa: PLC0415 - as in run

    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        return Player(scenario, Path(folder)).play()


def _show(path: Path, scenario: Scenario, played: Played, spent_s: float, options: argparse.Namespace) -> None:
    from station.simulation.diagram import draw  # noqa: PLC0415 - as in run
    from station.simulation.timeline import as_text  # noqa: PLC0415

    if options.svg:
        options.svg.mkdir(parents=True, exist_ok=True)
        drawing = draw(played.timeline, scenario.seconds, scenario.about)
        (options.svg / f"{path.stem}.svg").write_text(drawing, encoding="utf-8")
    if options.json:
        changes = [asdict(change) for change in played.timeline.changes]
        row = {"scenario": str(path), "about": scenario.about, "unmet": played.unmet, "changes": changes}
        print(json.dumps(row, ensure_ascii=False))  # noqa: T201
        return
    speed = scenario.seconds / max(spent_s, 1e-9)
    print(f"{path}: {scenario.about} ({scenario.seconds:g} s in {spent_s:.2f} s, {speed:,.0f} times real)")  # noqa: T201
    if not options.quiet:
        print(as_text(played.timeline))  # noqa: T201
    for unmet in played.unmet:
        print(f"NOT AS EXPECTED: {unmet}")  # noqa: T201
