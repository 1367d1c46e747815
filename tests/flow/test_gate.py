"""The gate thread over gate-sync's real file: what arrives there, and what guards ask, reaches whom it is for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import apsw
import pytest
from gpiozero.pins.mock import MockFactory

from drivers.outputs import LaneOutputs
from station import visitor_key
from station.config import CameraConfig, Config, DoorConfig, LaneConfig, PathsConfig, RelayConfig, StationConfig
from station.config import TrustConfig as Trust
from station.core import cose
from station.core.events import Event, Kind, decode
from station.core.facts import Site
from station.core.model import ClockState, Direction
from station.core.passback import Peers
from station.core.peers import payload
from station.doorway import Doorway
from station.flow import LaneFlow
from station.gate import GateThread, Rung
from station.health import HealthBoard
from station.inbox import Inbox
from station.journal import Journal
from station.mailbox import Mailbox
from station.ports import DecodedCode, GuardAnswer, GuardRequest, GuardVerb, Sighting, VisitorAnswer, VisitorRequest
from station.recorder import Recorder
from station.records import open_documents
from station.register import Register
from station.reserve import Reserve
from station.schema import SYNC_DDL
from station.wording import text
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    NOW,
    ROOT_BYTES,
    ZONE,
    credential,
    document_raw,
    pass_text,
    rule,
    table,
    trust_raw,
)
from tests.core.issuing import passage as passage_of
from tests.core.succeeding import STATION, delegation_raw
from tests.flow.lane_bench import SetClock
from tests.flow.signed_papers import NOW_US, chunk, status_raw, time_raw, trust_rows

OUT = Direction.OUT
TWICE = rule(id="no-passback", outcome="deny", reason="passback", when={"passback": {"eq": "violation"}})


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

    def provide(self, *rules: object) -> None:
        """Let bundle, policy and list arrive, and be looked at."""
        self.arrive("trust", trust_raw(trust_rows()))
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


@pytest.fixture
def gate(tmp_path) -> Iterator[Bench]:
    """The gate thread of a site's only gate, with documents in force."""
    bench = Bench(tmp_path)
    bench.provide(TWICE, rule(id="welcome"))
    yield bench
    bench.close()
    bench.sync.close()


@pytest.fixture
def one_of_many(tmp_path) -> Iterator[Bench]:
    """The same at a site with other gates."""
    bench = Bench(tmp_path, site="garden")
    bench.provide(TWICE, rule(id="welcome"))
    yield bench
    bench.close()
    bench.sync.close()


def test_a_lost_clock_is_set_by_central_through_the_inbox(gate):
    """The question leaves as an event, the answer arrives in the inbox: the clock is trusted, the teller named."""
    gate.restart()
    assert gate.clock.now().state is ClockState.LOST
    number = bytes.fromhex(str(gate.events(Kind.CLOCK)[-1].payload["ask"]))
    gate.arrive("time", time_raw(NOW + 7200, number))
    gate.look()
    assert gate.clock.now().state is ClockState.TRUSTED
    assert gate.clock.now().seconds in range(NOW + 7200, NOW + 7203)
    assert gate.events(Kind.CLOCK)[-1].payload["told_by"] == "time"


def test_an_answer_to_an_older_question_stands_in_nobodys_way(gate):
    """A signed time left in the inbox from before a restart is of no use, and what came after it is taken up."""
    gate.arrive("time", time_raw(NOW + 7200, bytes(8)))
    gate.arrive("time", b"\xff")
    gate.arrive("policy", document_raw("policy", table(rule(id="next")), seq=2))
    gate.restart()
    assert gate.clock.now().state is ClockState.LOST
    assert gate.documents.policy.rules[0].id == "next"


def test_the_number_to_sign_is_on_the_screen(gate):
    """A lane at rest shows sixteen digits for phones; one that refuses for another reason does not."""
    (view,) = gate.gate.view().lanes
    assert len(bytes.fromhex(view.number)) == 8
    gate.show("https://example.org/")
    assert gate.gate.view().lanes[0].number == ""


def test_a_guard_forgives_through_the_screen(gate):
    """Refused for passback, forgiven, let through; with nobody there the guard is told that there is nobody."""
    assert gate.ask(GuardVerb.FORGIVE) == GuardAnswer(accepted=False, text=text("answer-busy"))
    now = gate.clock.now()
    memo = gate.register.passed([credential()], OUT, now)
    memo.take_effect()
    gate.show(pass_text())
    assert gate.gate.view().lanes[0].forgivable
    assert gate.ask(GuardVerb.FORGIVE) == GuardAnswer(accepted=True, text=text("answer-forgiven"))
    gate.show(pass_text())
    outcomes = [event.payload["outcome"] for event in gate.events(Kind.DECISION)]
    assert outcomes == ["deny", "grant"]
    assert gate.events(Kind.FORGIVEN)[0].payload["operator"] == "li"


def test_a_visitors_pass_is_asked_for_through_the_screen(gate):
    """The delegation arrives in the inbox; the guard's request is answered with a pass that is granted here."""
    public = visitor_key.create(gate.folder).public_key().public_bytes_raw()
    gate.arrive("delegation", delegation_raw(pub=public))
    gate.look()
    answer: Future[VisitorAnswer] = Future()
    gate.gate.submit(VisitorRequest("li", "张*", 2.0, answer))
    gate.show(str(answer.result(timeout=30).code))
    assert gate.events(Kind.DECISION)[-1].payload["class"] == "visitor"
    assert gate.events(Kind.DECISION)[-1].payload["outcome"] == "grant"


def test_news_of_the_other_gates_is_read(one_of_many):
    """A notice in gate-sync's file is looked at like the inbox: who left by another gate does not leave here."""
    notice = payload("garden", NOW, [passage_of(OUT, NOW - 60)])
    one_of_many.sync.execute(
        "INSERT INTO peer(raw, received_us) VALUES (?, 1)", (cose.sign1(notice, CENTRAL.kid, CENTRAL.private),)
    )
    one_of_many.look()
    assert one_of_many.register.history(credential(), one_of_many.clock.now()).peers is Peers.HEARD
    one_of_many.show(pass_text())
    assert one_of_many.events(Kind.DECISION)[-1].payload["reason"] == "passback"


@pytest.mark.parametrize("bench", ["gate", "one_of_many"])
def test_memory_is_tidied_with_and_without_other_gates(bench, request):
    """What is older than eight days is dropped, at a site's only gate as well."""
    station = request.getfixturevalue(bench)
    station.register.passed([credential()], OUT, station.clock.now()).take_effect()
    station.look(9 * DAY_S)
    assert not station.register._by_pass
