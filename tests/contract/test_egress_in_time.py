"""Egress waits for nothing: the real inputs worker and relay, while the gate thread hangs in an fsync of the journal.

The fsync is held by the test for as long as it takes, so that nothing here depends on how long a disk may hang.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import apsw
import pytest
from gpiozero.pins.mock import MockFactory

from drivers.inputs import SETTLE_S, LaneInputs
from drivers.outputs import LaneOutputs
from station.clock import SystemClock
from station.config import Config, LaneConfig, PathsConfig, StationConfig, TrustConfig
from station.core.events import decode
from station.core.facts import Site
from station.core.model import Direction
from station.device_config import ButtonConfig, CameraConfig, DoorConfig, RelayConfig
from station.doorway import Doorway
from station.flow import LaneFlow
from station.gate import GateThread, InputChange
from station.health import HealthBoard
from station.inbox import Inbox
from station.journal import Journal
from station.mailbox import Mailbox
from station.recorder import Recorder
from station.records import open_documents
from station.register import Register
from station.reserve import Reserve
from tests.contract.stuck_disk import stuck_disk
from tests.core.issuing import ROOT_BYTES, ZONE

RELAY = 17
PINS = {"contact": 22, "rex": 27, "fire": 13, "break_glass": 25, "tamper": 26}
BAR_S = 0.050
PRESSES = 9
UNLOCK_S = 0.2


def door() -> DoorConfig:
    buttons = {name: ButtonConfig(pin=pin) for name, pin in PINS.items()}
    return DoorConfig(relay=RelayConfig(pin=RELAY), unlock_s=UNLOCK_S, **buttons)


class Station:
    """Gate thread, journal, inputs worker and relay as the daemon joins them, over pins in this process."""

    def __init__(self, folder: Path) -> None:
        clock, config = SystemClock(require_sync=False), _config(folder)
        (lane,) = config.lane
        self.pins, self.mailbox = MockFactory(), Mailbox()
        self._journal, inbox = Journal(folder, "boot"), Inbox(folder)
        self._recorder = Recorder(self._journal, Reserve(folder, 1 << 20), lambda _fault: None)
        documents = open_documents(config, self._journal, inbox, clock)
        register = Register(self._journal, has_peers=False)
        self.gate = GateThread(
            self.mailbox, self._recorder, documents, inbox, clock, HealthBoard(lambda *_: None), register, config
        )
        self.outputs = LaneOutputs(lane.door, self.pins, "in")
        doorway = Doorway("in", lane.door, self.outputs, self._recorder, clock)
        site = Site("east", ZONE, Direction.IN, can_measure=False)
        self.gate.add_lane(LaneFlow(lane, site, doorway, None, self.gate.surroundings, 1_000_000), self.outputs)
        self.beats = 0
        self.gate.beat = self._beat
        self.inputs = LaneInputs(lane.door, self.outputs, self.pins, "in")
        self._thread = threading.Thread(target=self.gate.run, daemon=True)
        self._thread.start()
        self.inputs.watch(lambda kind: self.mailbox.put(InputChange("in", kind)))

    def _beat(self) -> None:
        self.beats += 1

    def press(self, name: str) -> float:
        """Close a contact; return the monotonic moment."""
        moment = time.monotonic()
        self.pins.pin(PINS[name]).drive_low()
        return moment

    def let_go(self, name: str) -> None:
        """Open the contact again."""
        self.pins.pin(PINS[name]).drive_high()

    @property
    def unlocked(self) -> bool:
        """Whether the relay is energised now."""
        return bool(self.pins.pin(RELAY).state)

    @property
    def moved_at(self) -> float:
        """When the relay last moved (monotonic), as the pin noted it."""
        return float(self.pins.pin(RELAY)._last_change)

    def recorded(self) -> list[str]:
        """Return every event of the door and every alarm in the journal, read as gate-sync reads it."""
        reader = apsw.Connection(str(self._journal.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found = [decode(raw) for (raw,) in reader.execute("SELECT raw FROM event ORDER BY seq")]
        finally:
            reader.close()
        words = [(event.payload.get("alarm"), event.payload.get("what")) for event in found]
        return [" ".join(str(word) for word in pair if word) for pair in words]

    def close(self) -> None:
        """End everything."""
        self.gate.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.inputs.close()
        self.outputs.close()
        self._recorder.close()
        self.pins.close()


def _config(folder: Path) -> Config:
    camera = CameraConfig(source="v4l2:/dev/video0")
    return Config(
        station=StationConfig(id="east-1", gate="east", zone=ZONE),
        trust=TrustConfig(roots=tuple(root.hex() for root in ROOT_BYTES)),
        lane=(LaneConfig(id="in", direction=Direction.IN, camera=camera, door=door()),),
        paths=PathsConfig(state=folder, sync_state=folder, documents=folder / "documents"),
    )


@pytest.fixture
def disk():
    """A disk whose fsync the test can hold."""
    with stuck_disk() as made:
        yield made


@pytest.fixture
def station(disk, tmp_path, eventually):
    """A station at rest on that disk, its door locked."""
    made = Station(tmp_path)
    eventually(lambda: made.inputs.alive() and made.beats > 1, "the station runs")
    yield made
    made.close()


@pytest.fixture
def stuck(station, disk, eventually):
    """Hold the disk, let the gate thread run into it by recording a tamper alarm; yields how often it has beaten."""
    with disk.held():
        station.press("tamper")
        eventually(disk.waiting.is_set, "the gate thread waits in the fsync")
        yield station.beats


def _delay(station, name, eventually) -> float:
    pressed = station.press(name)
    eventually(lambda: station.unlocked, f"{name} unlocks")
    return station.moved_at - pressed


def test_rex_in_time_while_the_gate_hangs(station, stuck, disk, eventually, capsys):
    """Each press unlocks, at most 50 ms from finger to relay, and locks again after its time: the gate does nothing."""
    delays = []
    for _ in range(PRESSES):
        delays.append(_delay(station, "rex", eventually))
        station.let_go("rex")
        eventually(lambda: not station.unlocked, "locks again by itself")
    with capsys.disabled():
        print(f"\nexit button: median {statistics.median(delays) * 1e3:.1f} ms, most {max(delays) * 1e3:.1f} ms")
    assert SETTLE_S["rex"] <= statistics.median(delays) <= BAR_S
    assert station.beats == stuck, "the gate thread hung all the while"


@pytest.mark.parametrize("cause", ["fire", "break_glass"])
def test_fire_in_time_while_the_gate_hangs(station, stuck, disk, eventually, capsys, cause):
    """Fire and break-glass unlock at most 50 ms after their contact moved and hold as long as they last."""
    delays = []
    for _ in range(PRESSES):
        delays.append(_delay(station, cause, eventually))
        station.outputs.lock()
        assert station.unlocked, "no lock ends it"
        station.let_go(cause)
        eventually(lambda: not station.unlocked, "the lock that came meanwhile is done when it is over")
    with capsys.disabled():
        print(f"\n{cause}: median {statistics.median(delays) * 1e3:.1f} ms, most {max(delays) * 1e3:.1f} ms")
    assert SETTLE_S[cause] <= statistics.median(delays) <= BAR_S
    assert station.beats == stuck, "the gate thread hung all the while"


def test_fire_outlasts_the_exit_button_while_the_gate_hangs(station, stuck, disk, eventually):
    """The exit button pressed during a fire does not lock when its time is over."""
    _delay(station, "fire", eventually)
    station.press("rex")
    assert not threading.Event().wait(2 * UNLOCK_S)
    assert station.unlocked
    assert station.beats == stuck


def test_what_happened_meanwhile_is_recorded(station, disk, eventually):
    """As soon as the disk works again the journal has the alarm, the presses and the fire, in their order."""
    with disk.held():
        station.press("tamper")
        eventually(disk.waiting.is_set, "the gate thread waits in the fsync")
        for _ in range(2):
            _delay(station, "rex", eventually)
            station.let_go("rex")
            eventually(lambda: not station.unlocked, "locks again by itself")
        _delay(station, "fire", eventually)
    story = ["tamper begins", "rex", "rex", "fire begins"]
    eventually(lambda: [what for what in station.recorded() if what in story] == story, "the gate has caught up")
    station.let_go("fire")
    eventually(lambda: "fire ends" in station.recorded(), "the end of the fire")
    eventually(lambda: not station.unlocked, "locked once the fire is over")
