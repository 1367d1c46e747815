"""One lane on the real journal, documents and pin drivers, with a clock that the test sets."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from drivers.outputs import LaneOutputs
from station.config import ButtonConfig, CameraConfig, DoorConfig, LaneConfig, RelayConfig, ThermometerConfig
from station.core.events import Event, Kind, decode
from station.core.facts import Site
from station.core.model import Direction, Instant
from station.documents import Documents
from station.flow import LaneFlow, Surroundings
from station.journal import Journal
from station.ports import DecodedCode, Sighting
from station.recorder import Recorder
from station.reserve import Reserve
from tests.demo.office import GATE, ZONE, Office

RELAY = 17


class SetClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.instant = Instant(time.time_ns() // 1000, 1_000_000_000)

    def now(self) -> Instant:
        return self.instant

    def raise_floor(self, signed_us: int) -> None:
        """Nothing to do: this clock is always right."""

    def move(self, seconds: float) -> None:
        """Let time pass."""
        step = round(seconds * 1e6)
        self.instant = replace(self.instant, wall_us=self.instant.wall_us + step, mono_us=self.instant.mono_us + step)


class LaneBench:
    """A lane flow with everything real below it but the hardware."""

    def __init__(self, folder: Path, office: Office, direction: Direction) -> None:
        self.office, self.clock = office, SetClock()
        self.journal = Journal(folder, "boot-1")
        self.recorder = Recorder(self.journal, Reserve(folder, 1 << 20), lambda _fault: None)
        roots = [bytes.fromhex(root) for root in office.roots]
        chunks = {hashlib.sha256(chunk).digest(): chunk for _, chunk in office.shelf.chunks()}
        self.documents = Documents(self.journal, roots, ZONE, chunks.get)
        for kind in ("trust", "policy", "status"):
            self.documents.offer(kind, (office.shelf.folder / f"{kind}.cose").read_bytes(), self.clock.now())
        self.pins = MockFactory()
        door = DoorConfig(relay=RelayConfig(pin=RELAY), contact=ButtonConfig(pin=22))
        config = LaneConfig(
            id="lane",
            direction=direction,
            camera=CameraConfig(source="scene:lane"),
            door=door,
            thermometer=ThermometerConfig(bus="twin:lane"),
        )
        self.outputs = LaneOutputs(door, self.pins, "lane")
        self.asked: list[int] = []
        around = Surroundings(self.clock, self.recorder, self.documents, lambda *_: None)
        site = Site(GATE, ZONE, direction, can_measure=True)
        self.flow = LaneFlow(config, site, self.outputs, self.asked.append, around, 2_000_000)
        self.flow.doorway.start()

    @property
    def energised(self) -> bool:
        """Whether the relay is energised now."""
        return bool(self.pins.pin(RELAY).state)

    def show(self, *texts: str) -> None:
        """One frame with these codes."""
        codes = [DecodedCode(text, text.encode(), (), "test") for text in texts]
        self.flow.see(Sighting("lane", codes, self.clock.now().mono_us * 1000))

    def let(self, seconds: float) -> None:
        """Let time pass and deadlines take effect."""
        self.clock.move(seconds)
        self.flow.expire()

    def events(self, *kinds: Kind) -> list[Event]:
        """The recorded events of these kinds."""
        return [event for _, raw in self.journal.last(1000) if (event := decode(raw)).kind in kinds]

    def decisions(self) -> list[tuple[object, object]]:
        """(outcome, reason) of every recorded decision and override."""
        return [(e.payload["outcome"], e.payload["reason"]) for e in self.events(Kind.DECISION, Kind.OVERRIDE)]

    def fill_disk(self) -> None:
        """Leave SQLite no room for a further page, so that its next commits fail with SQLITE_FULL."""
        self.journal.rows(f"PRAGMA max_page_count = {self.journal.rows('PRAGMA page_count')[0][0]}")
        while self.recorder.commit_unless_broken(Kind.CLOCK, {"filler": "x" * 300}, self.clock.now()) is not None:
            pass

    def free_disk(self) -> None:
        """Give the room back."""
        self.journal.rows("PRAGMA max_page_count = 1000000")

    def close(self) -> None:
        """Release everything."""
        self.outputs.close()
        self.recorder.close()
        self.pins.close()


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with keys and a policy."""
    made = Office(tmp_path / "office")
    made.issue()
    made.sign_status()
    return made


@pytest.fixture
def leaving(tmp_path: Path, office: Office) -> Iterator[LaneBench]:
    """A lane that leads out: nobody is measured."""
    bench = LaneBench(tmp_path / "out", office, Direction.OUT)
    yield bench
    bench.close()


@pytest.fixture
def coming(tmp_path: Path, office: Office) -> Iterator[LaneBench]:
    """A lane that leads in: everybody is measured."""
    bench = LaneBench(tmp_path / "in", office, Direction.IN)
    yield bench
    bench.close()
