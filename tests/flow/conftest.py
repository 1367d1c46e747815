"""Lanes for the tests of the flow: one that leads out, one that leads in, and one with rules of the test's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from station.core.model import Direction
from station.ports import InputKind
from tests.demo.office import Office
from tests.flow.lane_bench import LaneBench, Papers, papers_of
from tests.flow.signed_papers import NOW_US

MakeLane = Callable[..., LaneBench]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with keys and a policy."""
    made = Office(tmp_path / "office")
    made.issue()
    made.sign_status()
    return made


def _lane(folder: Path, office: Office, direction: Direction) -> Iterator[LaneBench]:
    bench = LaneBench(folder, papers_of(office), direction, time.time_ns() // 1000)
    bench.office = office
    yield bench
    bench.close()


@pytest.fixture
def leaving(tmp_path: Path, office: Office) -> Iterator[LaneBench]:
    """A lane that leads out: nobody is measured."""
    yield from _lane(tmp_path / "out", office, Direction.OUT)


@pytest.fixture
def coming(tmp_path: Path, office: Office) -> Iterator[LaneBench]:
    """A lane that leads in: everybody is measured."""
    yield from _lane(tmp_path / "in", office, Direction.IN)


@pytest.fixture
def make_lane(tmp_path: Path) -> Iterator[MakeLane]:
    """Make a lane with documents of the test's own, at the moment when tests.core.issuing signs; its door is shut."""
    made: list[LaneBench] = []

    def make(papers: Papers, direction: Direction = Direction.OUT, **how: object) -> LaneBench:
        bench = LaneBench(tmp_path / f"lane-{len(made)}", papers, direction, NOW_US, **how)  # type: ignore[arg-type]
        bench.flow.doorway.input(InputKind.DOOR_CLOSED)
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.close()
