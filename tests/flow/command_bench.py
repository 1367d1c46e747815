"""A gate with a lane in and a lane out over the real journal, inbox and pin drivers, stepped by the test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import apsw
from gpiozero.pins.mock import MockFactory

from drivers.outputs import LaneOutputs
from station.command_desk import CommandDesk
from station.config import Config, LaneConfig, PathsConfig, StationConfig
from station.config import TrustConfig as Trust
from station.core.events import Event, Kind, decode
from station.core.facts import Site
from station.core.model import Direction
from station.device_config import CameraConfig, DoorConfig, RelayConfig
from station.doorway import Doorway
from station.flow import LaneFlow
from station.gate import GateThread
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
from tests.core.commanding import BOOT, COMMANDER, STATION, command_raw, command_rows, verb
from tests.core.issuing import NOW, ROOT_BYTES, ZONE, document_raw, rule, table, trust_raw
from tests.flow.lane_bench import SetClock
from tests.flow.signed_papers import chunk, status_raw

PINS = {"in": 17, "out": 5}


class CommandBench:
    """Its clock stands at NOW until it is moved; `tend` is what the gate thread does once a second.

    `policy`: fields of the policy beside its one rule, which lets everybody through.
    """

    def __init__(self, folder: Path, **policy: object) -> None:
        self.folder, self.clock = folder, SetClock(NOW * 1_000_000)
        self.sync = apsw.Connection(str(folder / "sync.db"))
        self.sync.execute(SYNC_DDL)
        self.lanes = [
            LaneConfig(
                id=name,
                direction=Direction(name),
                camera=CameraConfig(source="v4l2:/dev/video0"),
                door=DoorConfig(relay=RelayConfig(pin=pin)),
            )
            for name, pin in PINS.items()
        ]
        self.config = Config(
            station=StationConfig(id=STATION, gate="east", zone=ZONE),
            trust=Trust(roots=tuple(root.hex() for root in ROOT_BYTES)),
            lane=tuple(self.lanes),
            paths=PathsConfig(state=folder, sync_state=folder, documents=folder / "documents"),
        )
        self.counter = 0
        self._open("boot-1")
        documents = (
            ("trust", trust_raw(command_rows())),
            ("policy", document_raw("policy", table(rule(id="welcome"), **policy))),
            ("status-chunk", chunk()),
            ("status", status_raw(chunk())),
        )
        for kind, raw in documents:
            row = (kind, hashlib.sha256(raw).digest(), raw)
            self.sync.execute("INSERT INTO inbox(type, hash, raw, received_us) VALUES (?, ?, ?, 1)", row)
        self.tend()
        self.hear_of_central()

    def _open(self, boot: str) -> None:
        self.journal, self.inbox = Journal(self.folder, boot), Inbox(self.folder)
        self.recorder = Recorder(self.journal, Reserve(self.folder, 1 << 20), lambda _fault: None)
        documents = open_documents(self.config, self.journal, self.inbox, self.clock)
        register, health = Register(self.journal, has_peers=False), HealthBoard(lambda *_: None)
        self.gate = GateThread(
            Mailbox(), self.recorder, documents, self.inbox, self.clock, health, register, self.config, BOOT
        )
        self.pins = MockFactory()
        self.flows: dict[str, LaneFlow] = {}
        self.outputs = []
        for lane in self.lanes:
            assert lane.door is not None
            outputs = LaneOutputs(lane.door, self.pins, lane.id)
            doorway = Doorway(lane.id, lane.door, outputs, self.recorder, self.clock)
            site = Site("east", ZONE, lane.direction, can_measure=False)
            flow = LaneFlow(lane, site, doorway, None, self.gate.surroundings, 1_000_000)
            self.gate.add_lane(flow, outputs)
            doorway.start()
            self.flows[lane.id] = flow
            self.outputs.append(outputs)

    @property
    def desk(self) -> CommandDesk:
        """The desk that takes commands."""
        return self.gate.commands

    def hear_of_central(self) -> None:
        """Let central have answered this journal's hello."""
        row = (self.journal.epoch, 0, bytes(32))
        self.sync.execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?, 1)", row)

    def tend(self, seconds: float = 1.0) -> None:
        """Let time pass, and let the gate do what it does once a second."""
        self.clock.move(seconds)
        self.gate._tend(self.clock.now())
        for flow in self.flows.values():
            flow.expire()
        self.gate._publish(self.clock.now())

    def raw(self, name: str = "ping", counter: int | None = None, times: tuple[int, int] = (-5, 60), **how: object):
        """Return a good command with the next counter; `times`: from and until, seconds from now."""
        self.counter = counter if counter is not None else self.counter + 1
        now = self.clock.now().seconds
        fields = {"epoch": self.journal.epoch, "not_before": now + times[0], "expires": now + times[1]}
        return command_raw(COMMANDER, counter=self.counter, body=verb(name, **how), **fields)

    def receive(self, raw: bytes, *, retained: bool = False) -> None:
        """Let gate-sync receive a command."""
        row = (hashlib.sha256(raw).digest(), raw, int(retained))
        self.sync.execute("INSERT INTO command(hash, raw, retained, received_us) VALUES (?, ?, ?, 1)", row)

    def command(self, name: str = "ping", **how: object) -> dict[str, object]:
        """Give a good command, let it be taken, and return the answer."""
        self.receive(self.raw(name, **how))
        self.tend()
        return self.answers()[-1]

    def answers(self) -> list[dict[str, object]]:
        """What gate-sync will send to central."""
        return [json.loads(body) for (body,) in self.journal.rows("SELECT body FROM answer ORDER BY id")]

    def events(self) -> list[Event]:
        """What is recorded about commands."""
        return [event for _, raw in self.journal.last(2000) if (event := decode(raw)).kind == Kind.COMMAND]

    def told(self) -> list[tuple[object, object]]:
        """(what, verb or reason) of each event about commands."""
        return [(e.payload["what"], e.payload.get("reason", e.payload.get("verb"))) for e in self.events()]

    def show(self, lane: str, text: str) -> None:
        """Hold a code before a lane's camera."""
        codes = [DecodedCode(text, text.encode(), (), "test")]
        self.flows[lane].see(Sighting(lane, codes, self.clock.now().mono_us * 1000))

    def open(self, lane: str) -> bool:
        """Whether a lane's relay is energised."""
        return bool(self.pins.pin(PINS[lane]).state)

    def restart(self) -> None:
        """End everything as a power cut does, and begin anew."""
        self._release()
        self._open("boot-2")

    def _release(self) -> None:
        for outputs in self.outputs:
            outputs.close()
        self.pins.close()
        self.inbox.close()
        self.recorder.close()

    def close(self) -> None:
        """Release everything."""
        self._release()
        self.sync.close()
