"""What comes down: documents, time and notices kept, acknowledgements passed on, everything else refused visibly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from station.core import command, cose, peers
from station.core.model import Direction
from station.core.passback import Passage
from sync import wire
from sync.config import StationConfig
from sync.downlink import MAX_CHUNK, MAX_DOCUMENT, MAX_NOTICE, MAX_SLIP, MAX_TIME, Downlink
from sync.store import MAX_NOTICE_BYTES, MAX_NOTICES, NOTICES_KEPT_US, SyncStore, now_us
from tests.sync.lab import KEY, KID, STATION, ZONE

PEER, TIME = f"gs/1/{STATION}/dn/peer", f"gs/1/{STATION}/dn/time"


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

    def notices(self) -> list[bytes]:
        """The notices that are kept."""
        return [raw for (raw,) in self.store._connection.execute("SELECT raw FROM peer ORDER BY id")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk."""
    found = Desk(tmp_path)
    yield found
    found.store.close()


@pytest.mark.parametrize("kind", ["trust", "policy", "status", "status-chunk", "status-delta", "roots", "announcement"])
@pytest.mark.parametrize("scope", ["all", ZONE])
def test_known_documents_go_into_the_inbox_untouched(desk: Desk, kind: str, scope: str) -> None:
    """Each known type, of all and of this zone, is stored as received, and only once."""
    assert desk.take(f"gs/1/doc/{scope}/{kind}/0", b"\0text", retained=True)
    assert not desk.take(f"gs/1/doc/{scope}/{kind}/0", b"\0text", retained=True)
    assert desk.inbox() == [(kind, b"\0text")]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("gs/1/doc/all/weather/0", b"x"),
        ("gs/1/doc/999999999999/policy/0", b"x"),
        ("gs/1/doc/all/policy", b"x"),
        ("gs/1/doc/all/policy/0/1", b"x"),
        ("gs/1/doc/all/policy/" + "c" * 81, b"x"),
        ("gs/1/doc/all/policy/0", b""),
        ("gs/1/doc/all/policy/0", b"x" * (MAX_DOCUMENT + 1)),
        ("gs/1/doc/all/status-chunk/0", b"x" * (MAX_CHUNK + 1)),
        ("gs/1/doc/all/status-delta/0", b"x" * (MAX_CHUNK + 1)),
        ("gs/1/doc/all/roots/2", b"x" * (MAX_SLIP + 1)),
        (f"gs/1/doc/{ZONE}/delegation/{STATION}", b"x" * (MAX_SLIP + 1)),
        (f"gs/1/{STATION}/dn/time", b""),
        (f"gs/1/{STATION}/dn/time", b"x" * (MAX_TIME + 1)),
        (f"gs/1/{STATION}/dn/peer", b""),
        (f"gs/1/{STATION}/dn/peer", b"x" * (MAX_NOTICE + 1)),
        (f"gs/1/{STATION}/dn/news", b"x"),
        ("gs/1/gate-west-1/dn/time", b"x"),
        ("gs/1/gate-west-1/dn/peer", b"x"),
        ("", b"x"),
    ],
)
def test_anything_else_is_left_alone(desk: Desk, topic: str, payload: bytes) -> None:
    """Unknown types, other zones, strange names, empty and large documents do not reach the inbox."""
    assert not desk.take(topic, payload)
    assert desk.inbox() == []
    assert desk.notices() == []
    assert desk.answers == []


def test_commands_are_kept_for_the_station_to_judge(desk: Desk) -> None:
    """A command goes into sync.db as it is, once, with whether the broker had kept it; an empty one is none."""
    topic = f"gs/1/{STATION}/dn/cmd"
    assert desk.take(topic, b"open!")
    assert not desk.take(topic, b"open!")
    assert desk.take(topic, b"open!", retained=True)
    assert not desk.take(topic, b"", retained=True)
    kept = list(desk.store._connection.execute("SELECT raw, retained FROM command ORDER BY id"))
    assert kept == [(b"open!", 0), (b"open!", 1)]
    assert desk.answers == []


def test_an_oversized_command_is_refused_visibly_and_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """What is too large for a command is not kept; it gets one answer, the log gets one line."""
    for raw in (b"a" * 5000, b"a" * 5000, b"b" * 5000):
        assert not desk.take(f"gs/1/{STATION}/dn/cmd", raw)
    numbers = [command.number(letter * 5000) for letter in (b"a", b"b")]
    assert [leaf for leaf, _, _ in desk.answers] == [f"rsp/{number}" for number in numbers]
    answer = wire.decode(desk.answers[0][1], wire.Response)
    assert (answer.outcome, answer.reason) == ("refused", "command-malformed")
    assert caplog.text.count("was refused") == 1


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


def test_a_delegation_is_taken_by_its_own_station_alone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The neighbour's delegation in the same zone is dropped, and nobody is bothered with it."""
    assert not desk.take(f"gs/1/doc/{ZONE}/delegation/gate-west-1", b"theirs", retained=True)
    assert not caplog.records
    assert desk.take(f"gs/1/doc/{ZONE}/delegation/{STATION}", b"ours", retained=True)
    assert desk.inbox() == [("delegation", b"ours")]


def test_every_set_of_roots_is_kept(desk: Desk) -> None:
    """Sets of roots have topics of their own: a newer one does not drop the step that leads to it."""
    for number in (3, 2):
        assert desk.take(f"gs/1/doc/all/roots/{number}", b"set %d" % number, retained=True)
    assert desk.inbox() == [("roots", b"set 3"), ("roots", b"set 2")]


def test_of_signed_times_only_the_newest_is_kept(desk: Desk) -> None:
    """An answer replaces the one before; one that the broker has kept is from another time and is left alone."""
    assert not desk.take(TIME, b"retained", retained=True)
    assert desk.take(TIME, b"one")
    assert desk.take(TIME, b"two")
    assert desk.inbox() == [("time", b"two")]


def notice(*times: int) -> bytes:
    """A notice of passages at these times, signed as central signs."""
    passages = [Passage(bytes(8), None, Direction.IN, time * 1_000_000) for time in times]
    return cose.sign1(peers.payload("garden", 1, passages), KID, KEY)


def test_notices_are_kept_and_empty_ones_only_until_the_next(desk: Desk) -> None:
    """Notices of passages stay; that there were none is worth nothing once the next notice is here, garbage neither."""
    assert not desk.take(PEER, notice(9), retained=True)
    for raw in (notice(), notice(1), notice(), b"garbage", notice(), notice(2)):
        assert desk.take(PEER, raw)
    assert desk.notices() == [notice(1), notice(2)]
    assert desk.take(PEER, notice())
    assert desk.notices() == [notice(1), notice(2), notice()]


def test_notices_are_kept_for_eight_days(desk: Desk) -> None:
    """What is older than any quota counts goes when the next notice comes."""
    for age_us in (NOTICES_KEPT_US + 60_000_000, NOTICES_KEPT_US - 60_000_000):
        desk.take(PEER, notice(age_us))
        old = (now_us() - age_us,)
        desk.store._connection.execute("UPDATE peer SET received_us = ? WHERE id = (SELECT max(id) FROM peer)", old)
    desk.take(PEER, notice(1))
    assert desk.notices() == [notice(NOTICES_KEPT_US - 60_000_000), notice(1)]


def test_notices_do_not_fill_the_disk(desk: Desk) -> None:
    """Neither many small notices nor large ones grow beyond their limits; the newest stay."""
    small = [(notice(number), now_us()) for number in range(MAX_NOTICES + 100)]
    with desk.store._connection as db:
        db.executemany("INSERT INTO peer (raw, received_us) VALUES (?, ?)", small)
    desk.take(PEER, notice(1, 2))
    kept = desk.notices()
    assert (len(kept), kept[-1]) == (MAX_NOTICES, notice(1, 2))
    large = bytes(1 << 20)
    with desk.store._connection as db:
        db.executemany("INSERT INTO peer (raw, received_us) VALUES (?, ?)", [(large, now_us())] * 40)
    desk.take(PEER, notice(3, 4))
    kept = desk.notices()
    assert MAX_NOTICE_BYTES - (2 << 20) < sum(map(len, kept)) <= MAX_NOTICE_BYTES
    assert kept[-1] == notice(3, 4)


def test_each_file_says_which_it_is(tmp_path: Path) -> None:
    """A sync.db made anew says so, as its rows are numbered anew; opened again it is the same."""

    def nonces(folder: str) -> list[bytes]:
        store = SyncStore(tmp_path / folder)
        found = [nonce for (nonce,) in store._connection.execute("SELECT nonce FROM file")]
        store.put_notice(notice(1))
        store.close()
        return found

    before, after = nonces("before"), nonces("after")
    assert [len(nonce) for nonce in before + after] == [16, 16]
    assert before != after
    assert nonces("before") == before


def test_a_file_of_an_older_version_stays_what_it_was(tmp_path: Path) -> None:
    """Its rows go on from where they were, and the station from where it has read: nothing is judged twice."""
    store = SyncStore(tmp_path)
    store.put_notice(notice(1))
    store._connection.execute("DROP TABLE file")
    store.close()
    store = SyncStore(tmp_path)
    assert list(store._connection.execute("SELECT nonce FROM file")) == []
    store.close()
