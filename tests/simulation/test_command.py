"""The command: exit status, what it prints, what it draws, and how it names mistakes."""

from __future__ import annotations

import argparse
import json
import logging

import pytest

from station.simulation import command
from tests.simulation.scenes import DOOR_AT_REST, HEAD, SHIPPED, written

LOCKED = '[[expect]]\nat = 5\ndoor = "locked"\n'
RINGS = '[[expect]]\nat = 6\nalarm = "door-forced"\n'
PASSAGE = next(path for path in SHIPPED if path.stem == "passage")


@pytest.fixture
def simulate():
    """Run the command with these arguments; return its exit status."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    yield lambda *words: command.run(parser.parse_args([str(word) for word in words]))
    logging.disable(logging.NOTSET)  # the command silences the gate's log for good; a test's process goes on


def test_as_expected(simulate, capsys):
    """A scenario that goes as it says ends with 0 and prints its timeline: the grant and the passage are in it."""
    assert simulate(PASSAGE) == command.OK
    printed = capsys.readouterr().out
    assert "granted" in printed
    assert "unlocked" in printed
    assert "NOT AS EXPECTED" not in printed


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (LOCKED.replace("locked", "open"), "door is locked, expected open"),
        (RINGS, "no alarm door-forced; ringing: none"),
        ("[[expect]]\nat = 6\nunlocked = true\n", "unlocked is False, expected True"),
        ("[[expect]]\nat = 6\ninside = 3\n", "inside is 0, expected 3"),
        ('[[expect]]\nat = 6\nreason = "granted"\n', "reason is None, expected granted"),
        ('[[expect]]\nat = 6\nsignal = "alarm"\n', "signal is ready, expected alarm"),
        ('[[steps]]\nat = 1\npower = "cut"\n[[expect]]\nat = 6\nsilent = true\n', "there is no power"),
    ],
)
def test_an_expectation_that_is_not_met(simulate, capsys, tmp_path, wrong, says):
    """The exit status is 1, and each unmet expectation is told with its moment, what was found and what was asked."""
    assert simulate("--quiet", written(tmp_path, DOOR_AT_REST + wrong)) == command.FAILED
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("NOT AS EXPECTED")]
    assert says in line
    assert " s" in line.split(":")[1]


def test_an_alarm_where_silence_is_expected(simulate, capsys, tmp_path):
    """`silent = true` fails where anything rings."""
    text = DOOR_AT_REST + '[[steps]]\nat = 2\ninput = "door-opened"\n[[expect]]\nat = 6\nsilent = true\n'
    assert simulate("--quiet", written(tmp_path, text)) == command.FAILED
    assert "silent is False, expected True" in capsys.readouterr().out


def test_one_bad_scenario_among_good_ones_fails_the_run(simulate, tmp_path):
    """All are played, and the status tells of the one that did not go as it says, whatever its place."""
    bad = written(tmp_path, DOOR_AT_REST + RINGS)
    assert simulate("--quiet", bad, PASSAGE) == command.FAILED
    assert simulate("--quiet", PASSAGE, bad) == command.FAILED


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[[steps]]\nat = 1\ncolour = "red"\n', "$.steps[0]"),
        ('[[steps]]\nat = "soon"\n', "$.steps[0].at"),
        ('[[steps]]\nat = 1\nfault = "roof"\n', "$.steps[0].fault"),
        ("[[expect]]\nat = -1\n", "$.expect[0].at"),
        ('[passes.wang]\nholder = "king"\n', "$.passes[...].holder"),
        ('[[lanes]]\ndirection = "up"\n', "$.lanes[0].direction"),
        ("[[lanes]]\n[lanes.door.relay]\npin = 99\n", "$.lanes[0].door.relay.pin"),
        ("steps = = 3\n", "line 4"),
        ('starts = "yesterday"\n', "starts"),
        ('[[steps]]\nat = 1\nlane = "nowhere"\nscan = ["x"]\n', "$.steps[0].lane"),
        ('[[steps]]\nat = 1\ninput = "knock"\n', "$.steps[0].input"),
        ('[[lanes]]\nid = "in"\n[[lanes]]\nid = "out"\ndoor_of = "side"\n', "$.lanes[1].door_of"),
    ],
)
def test_a_mistake_is_named_by_its_path(simulate, capsys, tmp_path, text, path):
    """The exit status is 2, and the message says where in the file the mistake is."""
    assert simulate(written(tmp_path, text)) == command.BAD_USE
    said = capsys.readouterr().err
    assert path in said
    assert "scenario.toml" in said


def test_files_that_are_not_there(simulate, capsys, tmp_path):
    """A missing scenario and a missing policy are named."""
    assert simulate(tmp_path / "none.toml") == command.BAD_USE
    assert "none.toml" in capsys.readouterr().err
    head = HEAD.replace("compound.toml", "unwritten.toml")
    assert simulate(written(tmp_path, DOOR_AT_REST, head)) == command.BAD_USE
    assert "unwritten.toml" in capsys.readouterr().err


def test_json_is_one_object_per_scenario(simulate, capsys):
    """--json prints what was unmet and every change, for other programs."""
    assert simulate("--json", PASSAGE, PASSAGE) == command.OK
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["unmet"] == []
    assert {"at_s", "track", "value"} == set(first["changes"][0])
    assert first["changes"] == second["changes"]


def test_drawings_are_written(simulate, tmp_path):
    """--svg writes NAME.svg into a folder that it makes."""
    assert simulate("--quiet", "--svg", tmp_path / "drawn" / "here", PASSAGE) == command.OK
    assert (tmp_path / "drawn" / "here" / "passage.svg").read_text(encoding="utf-8").startswith("<svg")
