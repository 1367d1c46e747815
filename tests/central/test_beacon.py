"""Central answers a station that asks for the time: after the COMMIT, for its own number, as the station reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from station.core import events
from station.core.documents import Role, TrustBundle
from station.core.events import Kind
from station.core.model import ClockState, Instant, Rejected
from station.core.timecode import TimeCode, open_time_code
from sync import wire
from sync.central.beacon import Beacon, asked, questions
from sync.central.collector import Collector
from sync.central.inbound import read
from sync.central.keyfiles import SigningKey
from sync.central.store import Store, offer
from sync.mqtt import Received
from tests.core.issuing import CENTRAL, ZONE, key_row, trust_bundle
from tests.sync.lab import KEY, KID

NUMBER = "00112233445566ff"
LOST = Instant(1_000_000, 1, ClockState.LOST)
TRUST: TrustBundle = trust_bundle([key_row(CENTRAL, [Role.TIME, Role.ACK], times=(0, 2**40))])


def row(payload: dict[str, object], kind: Kind = Kind.CLOCK, seq: int = 1) -> bytes:
    """An event's bytes."""
    return events.encode(seq, LOST, "b", kind, {"from": "lost", "to": "lost", "step_us": 0, **payload})


def batch(*rows: bytes) -> wire.Batch:
    """A batch of a stream's first events."""
    head = events.GENESIS
    for raw in rows:
        head = events.chain(head, raw)
    return wire.Batch(
        epoch=5,
        first_seq=1,
        n=len(rows),
        prev_hash=events.GENESIS.hex(),
        last_hash=head.hex(),
        events=[msgspec.Raw(raw) for raw in rows],
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Central's database."""
    found = Store(f"sqlite:///{tmp_path}/central.db")
    found.open()
    yield found
    found.close()


def sent(store: Store, *rows: bytes) -> list[tuple[str, bytes]]:
    """Let a collector take these events; return what it sends."""
    seal = lambda ack: wire.seal_ack(ack, KID, KEY)  # noqa: E731 - the one line of what serve passes
    found: list[tuple[str, bytes]] = []
    collector = Collector(store, seal, credit=9, retry_ms=1, beacon=Beacon(SigningKey(CENTRAL.kid, CENTRAL.private)))
    link: object = None
    payload = wire.encode_batch(batch(*rows))
    message = Received(link, wire.up("gate-1", "log"), payload, wire.BATCH_TYPE, 1, 1, retained=False)  # type: ignore[arg-type]
    collector.flush([read(message)], lambda topic, payload: found.append((topic, payload)))
    return found


def test_a_question_is_answered_after_the_acknowledgement(store: Store) -> None:
    """The answer goes to who asked, and the station's reader takes it: central's time, for exactly this number."""
    ack, (topic, answer) = sent(store, row({"ask": NUMBER}))
    assert (ack[0], topic) == ("gs/1/gate-1/dn/ack", "gs/1/gate-1/dn/time")
    code = open_time_code(answer, TRUST, ZONE)
    assert isinstance(code, TimeCode), code
    assert (code.nonce.hex(), code.role) == (NUMBER, Role.TIME)
    assert abs(code.t - time.time()) <= 2
    without = trust_bundle([key_row(CENTRAL, [Role.ACK], times=(0, 2**40))])
    assert isinstance(open_time_code(answer, without, ZONE), Rejected)


def test_a_question_that_comes_again_is_answered_again(store: Store) -> None:
    """The first answer may be lost, as the acknowledgement was."""
    rows = row({"ask": NUMBER})
    assert [len(sent(store, rows)) for _ in range(2)] == [2, 2]


def test_of_many_questions_the_last_is_answered(store: Store) -> None:
    """A backlog of hours of questions brings one answer: the numbers before are too old."""
    rows = [row({"ask": f"{seq:016x}"}, seq=seq) for seq in range(1, 8)]
    _, (_, answer) = sent(store, *rows)
    code = open_time_code(answer, TRUST, ZONE)
    assert isinstance(code, TimeCode)
    assert code.nonce == (7).to_bytes(8, "big")


def test_each_station_is_answered(store: Store) -> None:
    """Questions of two stations in one flush do not get in each other's way."""
    offers = [offer(name, batch(row({"ask": digits * 8}))) for name, digits in (("g1", "01"), ("g2", "02"))]
    assert questions(offers) == {"g1": b"\1" * 8, "g2": b"\2" * 8}


@pytest.mark.parametrize(
    "raw",
    [
        row({}),
        row({"ask": NUMBER}, Kind.FAULT),
        row({"ask": NUMBER[1:]}),
        row({"ask": NUMBER.upper()}),
        row({"ask": 5}),
        row({"ask": None}),
        b'{"ask":1}',
        b'"ask"',
    ],
)
def test_what_is_no_question_gets_no_answer(raw: bytes) -> None:
    """Clock events that ask nothing, other events, malformed numbers and garbage: nothing is signed."""
    assert asked(raw) is None
