"""A door on the real journal, reserve and relay driver, with a clock that the test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpiozero.pins.mock import MockFactory

from drivers.outputs import LaneOutputs
from station.core.events import Kind, decode
from station.core.lane import LaneEvent
from station.device_config import ButtonConfig, DoorConfig, RelayConfig
from station.doorway import Doorway
from station.journal import Journal
from station.ports import InputKind
from station.recorder import Recorder
from station.reserve import Reserve
from tests.flow.lane_bench import SetClock, fill_up
from tests.flow.signed_papers import NOW_US

RELAY = 17
PINS = {
    "contact": 22,
    "bolt": 5,
    "passage": 6,
    "rex": 27,
    "fire": 13,
    "break_glass": 25,
    "tamper": 26,
    "block": 12,
    "duress": 16,
}


class DoorBench:
    """One doorway; `inputs` names what it has besides its relay, `others` are further keys of its configuration."""

    def __init__(self, folder: Path, *inputs: str, **others: Any) -> None:
        self.clock, self.pins = SetClock(NOW_US), MockFactory()
        self.journal = Journal(folder, "boot")
        self.recorder = Recorder(self.journal, Reserve(folder, 1 << 20), lambda _fault: None)
        buttons = {name: ButtonConfig(pin=PINS[name]) for name in inputs}
        relay = others.pop("relay", RelayConfig(pin=RELAY))
        self.config = DoorConfig(relay=relay, **buttons, **others)
        self.outputs = LaneOutputs(self.config, self.pins, "lane")
        self.doorway = Doorway("lane", self.config, self.outputs, self.recorder, self.clock)
        self.told: list[LaneEvent] = []
        self.doorway.start()
        if "bolt" in inputs:
            self.input(InputKind.BOLT_THROWN)  # before the contact, as the inputs worker tells it: it settles sooner
        if "contact" in inputs:
            self.input(InputKind.DOOR_CLOSED)

    def input(self, *kinds: InputKind) -> None:
        """Let inputs change, one after another."""
        for kind in kinds:
            self.doorway.input(kind)

    def grant(self, people: int = 1) -> None:
        """Let so many people in."""
        self.doorway.grant(people, self.told.append)

    def let(self, seconds: float) -> None:
        """Let time pass from deadline to deadline, as the gate thread does."""
        until_us = self.clock.mono_us + round(seconds * 1e6)
        while (due := self.doorway.next_deadline_us()) is not None and due <= until_us:
            self.clock.move(max(0, due - self.clock.mono_us) / 1e6)
            self.doorway.expire()
        self.clock.move((until_us - self.clock.mono_us) / 1e6)

    @property
    def unlocked(self) -> bool:
        """Whether the relay is energised now."""
        return bool(self.pins.pin(RELAY).state)

    @property
    def state(self) -> str:
        """The door's state."""
        return str(self.doorway.door.state)

    @property
    def ringing(self) -> set[str]:
        """What rings now."""
        return set(self.doorway.alarms)

    def recorded(self) -> list[str]:
        """Return "alarm begins", "alarm ends" and what the door recorded, in order, late or not."""
        found = [decode(raw) for _, raw in self.journal.last(1000)]
        rows = [
            event.payload if event.kind == Kind.LATE else {"kind": event.kind, "payload": event.payload}
            for event in found
        ]
        words = [(r["payload"].get("alarm"), r["payload"]["what"]) for r in rows if r["kind"] in _KINDS]
        return [" ".join(str(word) for word in pair if word) for pair in words]

    def fill_disk(self) -> None:
        """Leave the journal no room."""
        fill_up(self.recorder, self.clock.now())

    def free_disk(self) -> None:
        """Give the room back."""
        self.journal.rows("PRAGMA max_page_count = 1000000")

    def close(self) -> None:
        """Release everything."""
        self.outputs.close()
        self.recorder.close()
        self.pins.close()


_KINDS = (Kind.ALARM, Kind.DOOR)
