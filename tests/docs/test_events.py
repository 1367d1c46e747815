"""The list of payload fields holds: whatever the shipped scenarios and the screen make the gate record is listed."""

from __future__ import annotations

import re
from collections import defaultdict
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from station.core.events import FIELDS, Event, Kind, decode
from station.core.lane import LaneCommand
from station.core.model import Instant
from station.flow import _ENDED
from station.guard_desk import GuardDesk
from station.guard_screen import SignInAttempt
from station.journal import Journal
from station.recorder import Recorder
from station.reserve import Reserve
from station.simulation.play import Player
from station.simulation.scenario import load
from station.views import ALARMS
from tests.docs.blocks import ROOT, read_rows
from tests.docs.tables import TABLES

SCENARIOS = sorted((ROOT / "docs" / "how-to" / "scenarios").glob("*.toml"))
ELSEWHERE = {Kind.ISSUED, Kind.SIGN_IN, Kind.SHUTDOWN, Kind.COMMAND, Kind.REHOMED, Kind.SEALING}
"""Kinds that no scenario can cause: they come from the guard's screen, the daemon's end, central, or its key."""
NOW = Instant(1_750_000_000_000_000, 1_000_000)


@cache
def played() -> tuple[Event, ...]:
    """Every event of every shipped scenario."""
    events: list[Event] = []
    for path in SCENARIOS:
        with TemporaryDirectory() as folder:
            Player(load(path), Path(folder)).play()
            journal = Journal(Path(folder), "after")
            events += [decode(raw) for _, raw in journal.last(10_000)]
            journal.close()
    return tuple(events)


def _fields() -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for event in played():
        found[event.kind] |= set(event.payload)
    return found


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_recorded_is_listed(kind: Kind) -> None:
    """No scenario makes the gate write a field that the list does not have."""
    assert _fields().get(kind, set()) <= set(FIELDS[kind])


def test_the_scenarios_reach_every_kind() -> None:
    """Each kind of event is caused by some scenario, but for those that come from elsewhere."""
    assert set(_fields()) >= set(Kind) - ELSEWHERE


def test_most_fields_are_seen() -> None:
    """The fields that no scenario writes are few and known; a field nobody writes any more does not stay listed."""
    unseen = {
        f"{kind}.{field}"
        for kind, fields in FIELDS.items()
        for field in fields
        if kind not in ELSEWHERE and field not in _fields().get(kind, set())
    }
    rare = {"passage.duress", "override.duress", "decision.duress", "forgiven.duress", "alarm.operator"}
    rare |= {"decision.hand_c", "decision.operator", "decision.of", "decision.estimate_c", "decision.uncertainty_c"}
    rare |= {
        f"alarm.{field}" for field in ("cause", "epoch", "acked", "head", "rows", "seq")
    }  # tests/flow/test_rehoming.py
    rare |= {"boot.quarantined", "clock.told_by", "clock.kid", "document.detail", "passage.cti", "decision.sealed"}
    rare |= {"document.count"}  # tests/flow/test_documents.py
    assert unseen <= rare | {"override.escort", "decision.knowledge"}


def test_sign_in_fields_are_those_listed(tmp_path: Path) -> None:
    """A sign-in writes exactly the listed fields, the mark of duress only where it is so."""

    class Clock:
        def now(self) -> Instant:
            return NOW

    journal = Journal(tmp_path, "boot")
    recorder = Recorder(journal, Reserve(tmp_path, 1 << 16), lambda _fault: None)
    for duress in (False, True):
        GuardDesk({}, recorder, Clock()).sign_in(SignInAttempt("g07", True, Future(), duress))
        left_out = set() if duress else {"duress"}
        assert set(decode(journal.last(1)[0][1]).payload) == set(FIELDS[Kind.SIGN_IN]) - left_out
    recorder.close()


def _meaning(field: str) -> str:
    table = next(table for table in TABLES if table.name == "payloads")
    return next(row[1] for row in read_rows(table.found()) if row[0] == f"`{field}`")


def test_every_end_of_a_passage_is_explained() -> None:
    """Each word that `passage.what` can hold is explained, and no other."""
    words = {"entered", "displaced", *(_ENDED[command] for command in LaneCommand if command in _ENDED)}
    assert set(re.findall("`([^`]+)`", _meaning("passage.what"))) == words


def test_every_alarm_is_named() -> None:
    """Each alarm that the station has words for is in the list, and no other; the screen knows which comes first."""
    catalogue = (ROOT / "station" / "locale" / "en.ftl").read_text(encoding="utf-8")
    known = set(re.findall(r"^alarm-([\w-]+)", catalogue, re.MULTILINE))
    assert set(re.findall("`([^`]+)`", _meaning("alarm.alarm"))) == known == set(ALARMS)
