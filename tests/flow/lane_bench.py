"""One lane on the real journal, register, documents and pin drivers, with a clock that the test sets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpiozero.pins.mock import MockFactory

from drivers.outputs import LaneOutputs
from station.config import LaneConfig
from station.core.events import Event, Kind, decode
from station.core.facts import Site
from station.core.model import Decision, Direction, Instant
from station.core.timekeeping import ClockMemory, ClockReading, judge, raise_floor, remember, tell
from station.device_config import ButtonConfig, CameraConfig, DoorConfig, RelayConfig, ThermometerConfig
from station.documents import Documents
from station.doorway import Doorway
from station.flow import LaneFlow
from station.journal import Journal
from station.judge import Surroundings
from station.ports import DecodedCode, InputKind, Sighting
from station.recorder import Recorder
from station.register import Register
from station.reserve import Reserve
from station.time_desk import TimeDesk
from tests.demo.office import GATE, ZONE, Office

RELAY = 17
MINUTE_S, DAY_S = 60, 86_400
ESCORT_S = 20.0


class SetClock:
    """The station's clock over an operating system's clock that stands until it is moved."""

    def __init__(self, wall_us: int) -> None:
        self.wall_us, self.mono_us, self.synced = wall_us, 1_000_000_000, True
        self.memory = ClockMemory()

    def now(self) -> Instant:
        instant = judge(ClockReading(self.wall_us, self.mono_us, self.synced), self.memory)
        self.memory = remember(self.memory, instant)
        return instant

    def tell(self, signed_s: int, asked_us: int, *, by_central: bool) -> bool:
        """Take in a signed time."""
        told = tell(self.memory, signed_s, asked_us, self.mono_us, by_central=by_central)
        self.memory = told or self.memory
        return told is not None

    def raise_floor(self, signed_us: int) -> None:
        """Take in centrally signed time."""
        self.memory = raise_floor(self.memory, signed_us, self.mono_us)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        step = round(seconds * 1e6)
        self.wall_us, self.mono_us = self.wall_us + step, self.mono_us + step

    def boot_without_a_clock(self, saved_us: int) -> None:
        """Begin anew as a machine without a real-time clock does: in 1970, knowing what the station wrote down."""
        self.wall_us, self.mono_us, self.synced = 5_000_000, 5_000_000, False
        self.memory = ClockMemory(saved_us=saved_us, anchor_mono_us=self.mono_us)


def fill_up(recorder: Recorder, now: Instant) -> None:
    """Leave a journal no room, not even for a short event, until `max_page_count` is raised again."""
    rows = recorder.journal.rows
    rows(f"PRAGMA max_page_count = {rows('PRAGMA page_count')[0][0]}")
    for size in (300, 0):
        while recorder.commit_unless_broken(Kind.CLOCK, {"filler": "x" * size}, now) is not None:
            pass


@dataclass(frozen=True)
class Papers:
    """What a station is given: roots, documents in the order they come, and status chunks by hash."""

    roots: Sequence[bytes]
    documents: Sequence[tuple[str, bytes]]
    chunks: Mapping[bytes, bytes]


def papers_of(office: Office) -> Papers:
    """Return what the demo's office has signed."""
    kinds = ("trust", "policy", "status")
    return Papers(
        roots=[bytes.fromhex(root) for root in office.roots],
        documents=[(kind, (office.shelf.folder / f"{kind}.cose").read_bytes()) for kind in kinds],
        chunks={hashlib.sha256(chunk).digest(): chunk for _, chunk in office.shelf.chunks()},
    )


class LaneBench:
    """A lane flow with everything real below it but the hardware."""

    office: Office

    def __init__(
        self,
        folder: Path,
        papers: Papers,
        direction: Direction,
        wall_us: int,
        *,
        has_peers: bool = False,
        decided: Callable[[LaneFlow, int, Decision], None] = lambda *_: None,
        door: DoorConfig | None = None,
    ) -> None:
        self.door = door or DoorConfig(relay=RelayConfig(pin=RELAY), contact=ButtonConfig(pin=22))
        self.interlocked = False
        self.folder, self.papers, self.direction = folder, papers, direction
        self.has_peers, self.decided = has_peers, decided
        self.clock = SetClock(wall_us)
        self._open("boot-1")
        for kind, raw in papers.documents:
            self.documents.offer(kind, raw, self.clock.now())

    def _open(self, boot: str) -> None:
        self.journal = Journal(self.folder, boot)
        self.recorder = Recorder(self.journal, Reserve(self.folder, 1 << 20), lambda _fault: None)
        self.documents = Documents(self.journal, self.papers.roots, ZONE, self.papers.chunks.get)
        self.register = Register(self.journal, has_peers=self.has_peers, pending=self.recorder.pending())
        self.time_desk = TimeDesk(self.clock, self.recorder)
        self.pins = MockFactory()
        door = self.door
        config = LaneConfig(
            id="lane",
            direction=self.direction,
            camera=CameraConfig(source="scene:lane"),
            door=door,
            thermometer=ThermometerConfig(bus="twin:lane"),
            escort_s=ESCORT_S,
        )
        self.outputs = LaneOutputs(door, self.pins, "lane")
        self.asked: list[int] = []
        around = Surroundings(
            self.clock,
            self.recorder,
            self.documents,
            self.register,
            self.time_desk.challenge,
            self.decided,
            self.time_desk.hear,
            lambda _lane: self.interlocked,
        )
        site = Site(GATE, ZONE, self.direction, can_measure=True)
        doorway = Doorway("lane", door, self.outputs, self.recorder, self.clock)
        self.flow = LaneFlow(config, site, doorway, self.asked.append, around, 2_000_000)
        self.flow.doorway.start()

    def restart(self) -> None:
        """Close and open everything, as a restart of the machine does; the door stands shut."""
        self.close()
        self._open("boot-2")
        self.flow.doorway.input(InputKind.DOOR_CLOSED)

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
        self.flow.conclude()

    def walk_through(self) -> None:
        """Open the door and shut it behind."""
        self.flow.doorway.input(InputKind.DOOR_OPENED)
        self.flow.doorway.input(InputKind.DOOR_CLOSED)

    def pass_with(self, *texts: str) -> tuple[object, object]:
        """Show codes, walk through where the relay opens, and go away; return the (outcome, reason) recorded."""
        self.show(*texts)
        decided = self.decisions()[-1]
        if self.energised:
            self.walk_through()
        self.let(5)
        return decided

    def events(self, *kinds: Kind) -> list[Event]:
        """The recorded events of these kinds."""
        return [event for _, raw in self.journal.last(1000) if (event := decode(raw)).kind in kinds]

    def decisions(self) -> list[tuple[object, object]]:
        """(outcome, reason) of every recorded decision and override."""
        return [(e.payload["outcome"], e.payload["reason"]) for e in self.events(Kind.DECISION, Kind.OVERRIDE)]

    def passages(self) -> list[object]:
        """What happened to everybody who was let through, waited or was sent away."""
        return [e.payload["what"] for e in self.events(Kind.PASSAGE)]

    def fill_disk(self) -> None:
        """Leave SQLite no room for a further page, so that its next commits fail with SQLITE_FULL."""
        fill_up(self.recorder, self.clock.now())

    def free_disk(self) -> None:
        """Give the room back."""
        self.journal.rows("PRAGMA max_page_count = 1000000")

    def close(self) -> None:
        """Release everything."""
        self.outputs.close()
        self.recorder.close()
        self.pins.close()
