"""Log lines that leave the station: bounded, in parts, and without anything personal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import logs
from tests.core.issuing import pass_text


def journalctl(folder: Path, script: str) -> str:
    """Write a program that stands at journalctl's place."""
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_three_units_of_the_last_minutes_are_asked_for(tmp_path: Path) -> None:
    """Journalctl is asked for the units of the station and for no other's lines."""
    (part,) = logs.collect(7, journalctl(tmp_path, 'echo "$@"'))
    assert part.split() == [
        *("--no-pager", "--quiet", "--output=short-iso", "--since=-7min"),
        *("--unit", "gate-station.service", "--unit", "gate-sync.service", "--unit", "gate-kiosk.service"),
    ]


def test_too_much_is_cut_to_the_newest_lines(tmp_path: Path) -> None:
    """Of a large log the newest whole lines are sent, in parts that together stay below the limit."""
    found = logs.collect(1, journalctl(tmp_path, "seq 1 100000"))
    whole = "".join(found)
    assert max(map(len, found)) <= logs.PART
    assert logs.LONGEST - 10 < len(whole.encode()) <= logs.LONGEST
    lines = whole.split()
    assert lines[-1] == "100000"
    assert lines == [str(number) for number in range(int(lines[0]), 100_001)]


def test_a_journalctl_that_fails_is_said(tmp_path: Path) -> None:
    """A program that fails is a LogsError with what to do."""
    with pytest.raises(logs.LogsError, match="systemd-journal"):
        logs.collect(1, journalctl(tmp_path, "exit 1"))


@pytest.mark.parametrize(
    "secret",
    [pass_text(), "京A12345", "沪AD12345", "a1b2c3d4e5f60718", "11010519491231002X", "13812345678", "王**"],
)
def test_what_looks_personal_is_struck_out(secret: str) -> None:
    """Texts of passes, plates, ids, telephone numbers and masked names do not leave the station."""
    line = f"2026-05-01T10:00:00 gate gate-station: odd text {secret} from lane in\n"
    said = logs.struck(line)
    assert secret not in said
    assert said.startswith("2026-05-01T10:00:00 gate gate-station: odd text [")
    assert said.endswith("\n")


def test_ordinary_lines_stay_readable() -> None:
    """What a technician needs is not struck out."""
    line = "2026-05-01T10:00:00+0800 gate gate-sync[812]: connected to broker.example:8883, rows 1 to 12000\n"
    assert logs.struck(line) == line


@given(st.text(max_size=70_000))
def test_parts_are_the_whole(text: str) -> None:
    """Nothing is lost between two parts, and each has something but for an empty log's."""
    parts = logs.parts(text)
    assert "".join(parts) == text
    assert all(parts) or parts == [""]
