"""What the lab's tests rest on, where no machine is needed: wheels, configuration, the judgement of rises."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from station import config as station_config
from station.core.events import Event
from station.core.lane import LaneState
from tests.demo.audit import unexplained_edges
from tests.lab.conftest import pytest_collection_modifyitems
from tests.lab.gate import _changes, expected
from tests.lab.papers import Papers
from tests.lab.wheels import LOCK, wanted


def _told(*rows: tuple[int, str, int]) -> list[dict[str, object]]:
    return [{"boot": "b", "t": at, "how": how, "level": level} for at, how, level in rows]


def _grant(at_us: int) -> Event:
    return Event(1, 0, at_us, "b", "trusted", 0, "decision", {"lane": "in", "outcome": "grant"})


def test_a_rise_without_a_cause_is_named():
    """A pulse that only the trace saw, however short, and a rise before its grant: both have no cause."""
    rows = _changes(_told((0, "seen", 0), (5_000_000, "driven", 1), (5_000_040, "driven", 0), (6_000_000, "alive", 0)))
    assert [row["level"] for row in rows] == [1, 0]
    assert len(unexplained_edges(rows, [])) == 1
    assert len(unexplained_edges(rows, [_grant(5_000_001)])) == 1
    assert unexplained_edges(rows, [_grant(4_990_000)]) == []


def test_one_grant_explains_one_rise():
    """A second rise within the slack of a grant that is used up has no cause, however wide the slack."""
    rows = _changes(_told((0, "seen", 0), *((at, "driven", at % 2) for at in (5_000_001, 6_000_000, 7_000_001))))
    assert unexplained_edges(rows, [_grant(4_990_000), _grant(6_990_000)], 9_000_000) == []
    assert len(unexplained_edges(rows, [_grant(4_990_000)], 9_000_000)) == 1


def test_a_rise_of_a_line_that_nobody_drives_is_named():
    """A released line that its pull takes up is seen by sampling alone."""
    rows = _changes(_told((0, "seen", 0), (1, "driven", 0), (9, "seen", 1)))
    assert len(unexplained_edges(rows, [])) == 1


def test_both_ways_of_watching_tell_of_one_rise():
    """What trace and sampling both saw counts once, and each boot begins low."""
    rows = _changes(_told((3, "driven", 1), (9, "seen", 1), (20, "driven", 0), (22, "seen", 0)))
    assert [(row["level"], row["t"]) for row in rows] == [(1, 3000), (0, 20000)]


@pytest.mark.parametrize(("python", "numpy"), [("3.11", "1."), ("3.13", "2.")])
def test_the_lock_is_filtered_for_the_machine(python, numpy):
    """One numpy is left, the right one, with its hashes; nothing of another system."""
    text = wanted(LOCK.read_text(encoding="utf-8"), python, "x86_64")
    (line,) = [line for line in text.splitlines() if line.startswith("numpy==")]
    assert line.startswith(f"numpy=={numpy}")
    assert "lgpio==" not in text
    assert "tzdata==" not in text
    assert all("--hash=" in block for block in text.split("\n\n"))


def test_the_shipped_configuration_is_what_the_lab_changes(tmp_path):
    """The lab's configuration is the shipped one with another identity and longer times, and it is good."""
    papers = Papers(tmp_path)
    loaded = station_config.load(papers.etc / "station.toml")
    (lane,) = loaded.lane
    assert (lane.door.relay.pin, lane.camera.source, lane.thermometer.bus) == (17, "v4l2:/dev/video0", "i2c:1")
    assert [root.hex() if isinstance(root, bytes) else root for root in loaded.trust.roots] == papers.office.roots


def test_the_matrix_is_asked():
    """What the lab expects of a fault comes out of the simulator's fault matrix."""
    words = expected("thermometer does not answer", LaneState.MEASURING, "before")
    assert words[:2] == ["fault thermometer in begins", "decision refer thermometer-fault"]


@pytest.mark.parametrize(("path", "skipped"), [("tests/lab/test_gate.py", True), ("tests/screen/test_app.py", False)])
def test_only_tests_of_the_lab_are_skipped_without_it(monkeypatch, path, skipped):
    """A fixture called gate elsewhere is another one: pytest offers the tests of all folders to this folder's hook."""
    monkeypatch.delenv("LAB", raising=False)
    marks = list[object]()
    item = SimpleNamespace(path=Path(__file__).parents[2] / path, fixturenames=["gate"], add_marker=marks.append)
    pytest_collection_modifyitems([item])
    assert bool(marks) is skipped
