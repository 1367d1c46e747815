"""What comes down: documents into the inbox, acknowledgements on, everything else refused visibly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import wire
from sync.config import StationConfig
from sync.downlink import MAX_CHUNK, MAX_DOCUMENT, Downlink
from sync.store import SyncStore
from tests.sync.lab import STATION, ZONE


class Desk:
    """A downlink with what it has passed on."""

    def __init__(self, directory: Path) -> None:
        self.store = SyncStore(directory)
        self.acks: list[bytes] = []
        self.answers: list[tuple[str, bytes, str]] = []
        self.downlink = Downlink(StationConfig(id=STATION, zone=ZONE), self.store, self.acks.append)

    def take(self, topic: str, payload: bytes, *, retained: bool = False) -> bool:
        """Receive a message."""
        return self.downlink.receive(topic, payload, retained=retained, answer=lambda *a: self.answers.append(a))

    def inbox(self) -> list[tuple[str, bytes]]:
        """What was stored."""
        return list(self.store._connection.execute("SELECT type, raw FROM inbox ORDER BY id"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk."""
    found = Desk(tmp_path)
    yield found
    found.store.close()


@pytest.mark.parametrize("kind", ["trust", "policy", "status", "status-chunk"])
@pytest.mark.parametrize("scope", ["all", ZONE])
def test_known_documents_go_into_the_inbox_untouched(desk: Desk, kind: str, scope: str) -> None:
    """Each known type, of all and of this zone, is stored as received, and only once."""
    assert desk.take(f"gs/1/doc/{scope}/{kind}/0", b"\0text", retained=True)
    assert not desk.take(f"gs/1/doc/{scope}/{kind}/0", b"\0text", retained=True)
    assert desk.inbox() == [(kind, b"\0text")]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("gs/1/doc/all/announcement/0", b"x"),
        ("gs/1/doc/999999999999/policy/0", b"x"),
        ("gs/1/doc/all/policy", b"x"),
        ("gs/1/doc/all/policy/0/1", b"x"),
        ("gs/1/doc/all/policy/" + "c" * 81, b"x"),
        ("gs/1/doc/all/policy/0", b""),
        ("gs/1/doc/all/policy/0", b"x" * (MAX_DOCUMENT + 1)),
        ("gs/1/doc/all/status-chunk/0", b"x" * (MAX_CHUNK + 1)),
        (f"gs/1/{STATION}/dn/peer", b"x"),
        ("", b"x"),
    ],
)
def test_anything_else_is_left_alone(desk: Desk, topic: str, payload: bytes) -> None:
    """Unknown types, other zones, strange names, empty and large documents do not reach the inbox."""
    assert not desk.take(topic, payload)
    assert desk.inbox() == []
    assert desk.answers == []


def test_a_command_is_refused_visibly_and_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Each command gets one answer with a reason, the log gets one line."""
    for _ in range(3):
        desk.take(f"gs/1/{STATION}/dn/cmd", b"open!")
    desk.take(f"gs/1/{STATION}/dn/cmd", b"lock!")
    assert len(desk.answers) == 2
    leaf, payload, _ = desk.answers[0]
    answer = wire.decode(payload, wire.Response)
    assert leaf == f"rsp/{answer.id}"
    assert answer.reason == "unsupported"
    assert caplog.text.count("a command was refused") == 1


def test_a_retained_acknowledgement_is_not_one(desk: Desk) -> None:
    """Acknowledgements are never retained: one that is comes from somebody else or from another time."""
    desk.take(f"gs/1/{STATION}/dn/ack", b"old", retained=True)
    desk.take(f"gs/1/{STATION}/dn/ack", b"new")
    assert desk.acks == [b"new"]


def test_the_log_is_not_flooded_by_topics(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """However many strange topics there are, the log has an end."""
    for number in range(500):
        desk.take(f"gs/1/doc/all/strange/{number}", b"x")
    assert len(caplog.records) <= 64
