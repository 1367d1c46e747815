"""A gate thread over gate-sync's real file, with one lane out whose clock stands until it is moved."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Future
from pathlib import Path

import apsw
from gpiozero.pins.mock import MockFactory

from drivers.outputs import LaneOutputs
from station.config import Config, LaneConfig, PathsConfig, StationConfig
from station.config import TrustConfig as Trust
from station.core.events import Event, Kind, decode
from station.core.facts import Site
from station.core.model import Direction
from station.device_config import CameraConfig, DoorConfig, RelayConfig
from station.doorway import Doorway
from station.flow import LaneFlow
from station.gate import GateThread, Rung
from station.guard_screen import GuardAnswer, GuardRequest, GuardVerb
from station.health import HealthBoard
from station.inbox import Inbox
from station.journal import Journal
from station.mailbox import Mailbox
from station.ports import DecodedCode, Sighting
from station.recorder import Recorder
from station.records import open_documents
from station.register import Register
from station.reserve import Reserve
from station.schema import SYNC_DDL
from tests.core.issuing import (
    ROOT_BYTES,
    ZONE,
    document_raw,
    table,
    trust_raw,
)
from tests.core.succeeding import STATION
from tests.flow.lane_bench import SetClock
from tests.flow.signed_papers import NOW_US, chunk, status_raw, trust_rows

OUT = Direction.OUT


class Bench:
    """A gate thread with one lane out; its clock stands until it is moved."""

    def __init__(self, folder: Path, *, site: str | None = None) -> None:
        self.folder, self.clock = folder, SetClock(NOW_US)
        self.sync = apsw.Connection(str(folder / "sync.db"))
        self.sync.execute(SYNC_DDL)
        door = DoorConfig(relay=RelayConfig(pin=17))
        self.lane = LaneConfig(id="out", direction=OUT, camera=CameraConfig(source="v4l2:/dev/video0"), door=door)
        self.config = Config(
            station=StationConfig(id=STATION, gate="east", zone=ZONE, site=site),
            trust=Trust(roots=tuple(root.hex() for root in ROOT_BYTES)),
            lane=(self.lane,),
            paths=PathsConfig(state=folder, sync_state=folder, documents=folder / "documents"),
        )
        self._open("boot-1")

    def _open(self, boot: str) -> None:
        self.journal, self.inbox, self.mailbox = Journal(self.folder, boot), Inbox(self.folder), Mailbox()
        recorder = Recorder(self.journal, Reserve(self.folder, 1 << 20), lambda _fault: None)
        self.documents = open_documents(self.config, self.journal, self.inbox, self.clock)
        self.register = Register(self.journal, has_peers=self.config.station.site is not None)
        health = HealthBoard(lambda *_: None)
        self.gate = GateThread(
            self.mailbox, recorder, self.documents, self.inbox, self.clock, health, self.register, self.config
        )
        self.pins = MockFactory()
        self.outputs = LaneOutputs(self.lane.door, self.pins, "out")
        site = Site("east", ZONE, OUT, can_measure=False)
        doorway = Doorway("out", self.lane.door, self.outputs, recorder, self.clock)
        flow = LaneFlow(self.lane, site, doorway, None, self.gate.surroundings, 1_000_000)
        self.gate.add_lane(flow, self.outputs)
        self._recorder = recorder
        self._thread = threading.Thread(target=self.gate.run, daemon=True)
        self._thread.start()
        self.look()

    def arrive(self, kind: str, raw: bytes) -> None:
        """Let gate-sync receive something for the inbox."""
        digest = hashlib.sha256(raw).digest()
        self.sync.execute("INSERT INTO inbox(type, hash, raw, received_us) VALUES (?, ?, ?, 1)", (kind, digest, raw))

    def provide(self, *rules: object, **bundle: object) -> None:
        """Let bundle, policy and list arrive, and be looked at. `bundle`: further fields of the trust bundle."""
        self.arrive("trust", trust_raw(trust_rows(), **bundle))
        self.arrive("policy", document_raw("policy", table(*rules)))
        self.arrive("status-chunk", chunk())
        self.arrive("status", status_raw(chunk()))
        self.look()

    def look(self, seconds: float = 1.0) -> None:
        """Let time pass; return when the gate thread has looked into the inbox and published its view since."""
        self.clock.move(seconds)
        self.mailbox.put(Rung())
        self.ask(GuardVerb.DISMISS, "nobody's lane")

    def ask(self, verb: GuardVerb, lane: str = "out") -> GuardAnswer:
        """Ask for something as a signed-in guard."""
        answer: Future[GuardAnswer] = Future()
        self.gate.submit(GuardRequest(verb, lane, "li", "because", answer))
        return answer.result(timeout=30)

    def show(self, code: str) -> None:
        """Hold a code before the camera; return once it was taken up."""
        captured = self.clock.now().mono_us * 1000
        self.mailbox.put_latest("out", Sighting("out", [DecodedCode(code, code.encode(), (), "test")], captured))
        self.ask(GuardVerb.DISMISS, "nobody's lane")

    def events(self, *kinds: Kind) -> list[Event]:
        """The recorded events of these kinds; only while the gate thread waits."""
        return [event for _, raw in self.journal.last(200) if (event := decode(raw)).kind in kinds]

    def restart(self) -> None:
        """End the station and begin anew on a machine without a real-time clock."""
        self.close()
        journal = Journal(self.folder, "boot-2")
        self.clock.boot_without_a_clock(journal.last_wall_us())
        journal.close()
        self._open("boot-2")

    def close(self) -> None:
        """End the thread and release everything."""
        self.gate.stop()
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()
        self.outputs.close()
        self.pins.close()
        self.inbox.close()
        self._recorder.close()
