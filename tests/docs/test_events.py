"""The list of payload fields, which is read from the source, agrees with what a running lane writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from station.absent import AbsentOutputs
from station.config import LaneConfig, parse
from station.core.events import Event, Kind, decode
from station.core.facts import Site
from station.core.model import Direction, Instant
from station.documents import Documents
from station.flow import _PASSAGE, LaneFlow, Surroundings
from station.guard_desk import GuardDesk
from station.journal import Journal
from station.ports import DecodedCode, DeviceFault, Sighting, SignInAttempt
from station.recorder import Recorder
from station.reserve import Reserve
from tests.docs.blocks import ROOT, read_rows
from tests.docs.event_rows import written_fields
from tests.docs.example_pass import EXPIRES, example_text, example_trust
from tests.docs.pages import tree
from tests.docs.tables import TABLES

LANE = parse(
    f"""
station = {{ id = "s", gate = "east", zone = "320611001001" }}
trust = {{ roots = ["{"1" * 64}", "{"2" * 64}", "{"3" * 64}"] }}
[[lane]]
id = "in"
direction = "in"
camera = {{ source = "dir:pictures" }}
door = {{ relay = {{ pin = 17 }} }}
"""
).lane[0]


class Clock:
    """A clock that goes on by a millisecond at each look."""

    def __init__(self) -> None:
        self.seconds = EXPIRES - 86_400.0

    def now(self) -> Instant:
        """Return the next millisecond."""
        self.seconds += 0.001
        return Instant(round(self.seconds * 1e6), round(self.seconds * 1e6))


class Bench:
    """A lane with a real journal; its door has no device, so every drive fails and rings the alarm."""

    def __init__(self, folder: Path, lane: LaneConfig) -> None:
        self.clock = Clock()
        self.journal = Journal(folder, "00000000")
        self.recorder = Recorder(self.journal, Reserve(folder, 1 << 16), lambda _fault: None)
        documents = Documents(self.journal, [], "320611001001", lambda _digest: None)
        documents.trust = example_trust()
        around = Surroundings(self.clock, self.recorder, documents, lambda *_: None)
        site = Site("east", "320611001001", Direction.IN, can_measure=False)
        outputs = AbsentOutputs(DeviceFault("relay", "none here", "None needed"))
        self.flow = LaneFlow(lane, site, outputs, None, around, 1_000_000)

    def show(self, text: str) -> None:
        """Hold a code before the camera."""
        seen = self.clock.now().mono_us * 1000
        self.flow.see(Sighting("in", (DecodedCode(text, text.encode(), (), "test"),), seen))

    def events(self) -> list[Event]:
        """Return what was recorded."""
        return [decode(raw) for _, raw in self.journal.last(100)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A lane of its own."""
    made = Bench(tmp_path, LANE)
    yield made
    made.recorder.close()


def _fields(events: list[Event], kind: Kind) -> set[str]:
    return {field for event in events if event.kind == kind for field in event.payload}


def test_decision_fields_are_those_listed(bench: Bench) -> None:
    """A decision about a genuine pass and one about a foreign text write only what is listed, and all but a reading."""
    bench.show(example_text())
    bench.show("https://example.org")
    found = _fields(bench.events(), Kind.DECISION)
    assert found == written_fields()[Kind.DECISION] - {"band", "skin_c"}


def test_override_fields_are_those_listed(bench: Bench) -> None:
    """An override after a referral writes exactly the listed fields, none of a measurement or a picture."""
    bench.show(example_text())
    bench.flow.guard_open("g07", "known to me")
    assert _fields(bench.events(), Kind.OVERRIDE) == written_fields()[Kind.OVERRIDE]


def test_repeats_alarms_and_passages_are_those_listed(bench: Bench) -> None:
    """Refusals that repeat, a relay that fails and a referral that is dismissed write listed fields only."""
    for _ in range(2):
        bench.show("https://example.org")
        bench.clock.seconds += 5
        bench.flow.expire()
    bench.show(example_text())
    bench.flow.dismiss("g07", "went away")
    bench.flow.guard_open("g07", "known to me")
    bench.clock.seconds += 1000
    bench.flow.expire()
    found = bench.events()
    for kind in (Kind.REPEAT, Kind.ALARM):
        assert _fields(found, kind) == written_fields()[kind], kind
    assert _fields(found, Kind.PASSAGE) == written_fields()[Kind.PASSAGE] - {"cti"}


def test_sign_in_fields_are_those_listed(bench: Bench) -> None:
    """A sign-in writes exactly the listed fields."""
    GuardDesk({}, bench.recorder, bench.clock).sign_in(SignInAttempt("g07", False, Future()))
    assert _fields(bench.events(), Kind.SIGN_IN) == written_fields()[Kind.SIGN_IN]


def test_late_fields_are_those_listed(bench: Bench, tmp_path: Path) -> None:
    """What comes out of the reserve has exactly the listed fields."""
    reserve = Reserve(tmp_path, 1 << 16)
    reserve.append(Kind.ALARM, {"lane": "in"}, bench.clock.now())
    reserve.drain(bench.journal, bench.clock.now())
    reserve.close()
    assert _fields(bench.events(), Kind.LATE) == written_fields()[Kind.LATE]


def _meaning(field: str) -> str:
    table = next(table for table in TABLES if table.name == "payloads")
    return next(row[1] for row in read_rows(table.found()) if row[0] == f"`{field}`")


def test_every_end_of_a_passage_is_explained() -> None:
    """Each word that `passage.what` can hold is explained, and no other."""
    noted = {
        node.args[0].value
        for node in ast.walk(tree(ROOT / "station" / "flow.py"))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "_note_passage"
        and isinstance(node.args[0], ast.Constant)
    }
    assert set(re.findall("`([^`]+)`", _meaning("passage.what"))) == noted | set(_PASSAGE.values())


def test_every_alarm_is_named() -> None:
    """Each alarm that the station has words for is in the list, and no other."""
    catalogue = (ROOT / "station" / "locale" / "en.ftl").read_text(encoding="utf-8")
    known = re.findall(r"^alarm-([\w-]+)", catalogue, re.MULTILINE)
    assert set(re.findall("`([^`]+)`", _meaning("alarm.alarm"))) == set(known)
