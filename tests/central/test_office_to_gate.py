"""From the office's commands to what a gate believes: real broker, collector, database and gate-sync in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import station.clock
from station.clock import SystemClock
from station.core.credential import parse, write
from station.core.documents import DocumentType, kid_of
from station.core.events import Kind
from station.core.model import ClockState, Credential, Direction, Rejected, Status
from station.core.passback import Peers
from station.core.reasons import Reason
from station.inbox import NOTHING
from station.payloads import entered_payload
from station.recorder import Recorder
from station.records import open_reserve
from station.register import Register
from station.site_news import SiteNews
from station.time_desk import TimeDesk
from sync.central.cli import main
from tests.central.bureau import Bureau, Post, random_changes, visitor_request
from tests.central.test_office_keys import visitor
from tests.core.issuing import credential
from tests.sync.lab import STATION, ZONE, Broker, Listener, Process, central_toml, start_collector, start_sync, until

WEST = "gate-west-1"
SITE = f'[[site]]\nname = "garden"\nstations = ["{STATION}", "{WEST}"]\n'


class Town:
    """An office, a central and any number of gates on one broker."""

    def __init__(self, directory: Path, broker: Broker) -> None:
        self.directory, self.broker = directory, broker
        self.bureau = Bureau(directory / "office")
        key = self.bureau.folder / "keys" / "centre.key"
        self.config = central_toml(directory, broker.port, ack=(key, self.bureau.kid("centre")), more=SITE)
        self.processes: list[Process] = []
        self.posts: list[Post] = []

    def start_central(self) -> Process:
        """Start the collector and publisher."""
        self.processes.append(start_collector(self.directory, self.config))
        return self.processes[-1]

    def gate(self, name: str = STATION) -> Post:
        """Open a station's files and start its gate-sync."""
        post = Post(self.directory / name, self.bureau.first_roots, name)
        self.posts.append(post)
        self.processes.append(start_sync(post.folder, self.broker.port, name))
        return post

    def publish(self, scope: str = "all") -> None:
        """Hand the newest documents over, as the office does."""
        words = ["documents", "publish", "--config", str(self.config), "--scope", scope]
        assert main([*words, "--office", str(self.bureau.folder)]) == 0

    def stop(self) -> None:
        """Kill what runs and close what is open."""
        for process in self.processes:
            if process.child.poll() is None:
                process.kill()
        for post in self.posts:
            post.close()


@pytest.fixture
def town(tmp_path: Path, broker: Broker) -> Iterator[Town]:
    """A town whose central runs."""
    found = Town(tmp_path, broker)
    found.start_central()
    yield found
    found.stop()


def seqs(post: Post) -> tuple[int, int]:
    """The numbers of roots and trust bundle in force."""
    post.tend()
    held = post.documents.in_force
    return tuple(held[kind].seq if kind in held else 0 for kind in (DocumentType.ROOTS, DocumentType.TRUST))  # type: ignore[return-value]


# --- roots -----------------------------------------------------------------------------------------------------------


def test_gates_follow_the_roots(town: Town) -> None:
    """A gate takes each step as it comes; one that starts after two rotations takes both; events flow all the time."""
    east = town.gate()
    town.publish()
    until(lambda: seqs(east) == (0, 1), what="the first bundle")
    town.bureau.run("keys", "rotate")
    town.publish()
    until(lambda: seqs(east) == (2, 2), what="roots 2")
    town.bureau.run("keys", "rotate")
    town.publish()
    west = town.gate(WEST)
    for post in (east, west):
        until(lambda post=post: seqs(post) == (3, 3), what="roots 3")
        seq = post.journal.append(Kind.SHUTDOWN, {}, post.clock.now())
        until(lambda post=post, seq=seq: post.inbox.acknowledged(post.journal.epoch) >= seq, what="acknowledgement")
        post.restart()
        assert seqs(post) == (3, 3)


# --- status lists ----------------------------------------------------------------------------------------------------


def test_a_thousand_changes_reach_the_gate_in_a_few_kilobytes(town: Town) -> None:
    """After the first whole list 1,000 changes cost less than 4 kB on the wire, and every one of them is in force."""
    bureau, kid = town.bureau, town.bureau.kid("passes")
    bureau.fill_list("passes", 3)
    bureau.run("status", "sign", "--key", "centre")
    town.publish()
    east = town.gate()
    until(lambda: east.holds(DocumentType.STATUS, 1), what="the first list")
    listener = Listener(town.broker.port, "gs/1/doc/#")
    until(lambda: len(listener.seen) == 3 + 3, what="what the broker keeps: trust, status, delta, chunks")
    kept = len(listener.seen)
    changes = random_changes(1000, 3)
    bureau.change("passes", changes)
    bureau.run("status", "sign", "--key", "centre")
    town.publish()
    until(lambda: east.holds(DocumentType.STATUS, 2), what="the changed list")
    sent = listener.seen[kept:]
    listener.link.close()
    assert sorted(message.topic.split("/")[4] for message in sent) == ["status", "status-delta"]
    assert sum(len(message.payload) for message in sent) < 4000
    statuses = east.documents.statuses
    assert statuses is not None
    assert all(statuses.lookup(kid, index) is status for index, status in changes.items())
    others = set(range(0, 3 * 65_536, 997)) - set(changes)
    assert {statuses.lookup(kid, index) for index in others} == {Status.OK}


def test_a_gate_that_was_away_needs_the_newest_delta_alone(town: Town) -> None:
    """Several deltas and new bases later, a gate that held none of them comes to the same list."""
    bureau, kid = town.bureau, town.bureau.kid("passes")
    bureau.fill_list("passes", 2)
    all_changes: dict[int, Status] = {}
    for count in (300, 6000, 50):  # the second is too much for a delta
        changes = random_changes(count, 2)
        all_changes |= changes
        bureau.change("passes", changes)
        bureau.run("status", "sign", "--key", "centre")
        town.publish()
    late = town.gate()
    until(lambda: late.holds(DocumentType.STATUS, 3), what="the newest list")
    statuses = late.documents.statuses
    assert statuses is not None
    assert all(statuses.lookup(kid, index) is status for index, status in all_changes.items())


# --- visitors' keys --------------------------------------------------------------------------------------------------


def test_a_delegation_reaches_its_gate_alone_and_can_be_withdrawn(town: Town) -> None:
    """The gate that asked admits its visitors, the neighbour knows nothing of it, and a withdrawal ends it."""
    key, request = visitor_request(town.directory / STATION / "station")
    town.bureau.run("keys", "delegate", request, "--key", "visits")
    town.publish()
    east, west = town.gate(), town.gate(WEST)
    until(lambda: east.holds(DocumentType.DELEGATION, 1), what="the delegation")
    until(lambda: west.holds(DocumentType.TRUST, 1), what="the neighbour's bundle")
    assert not west.inbox._query("SELECT 1 FROM inbox WHERE type = 'delegation'")
    text = write(visitor(kid_of(key.public_key().public_bytes_raw())), key)
    assert isinstance(parse(text, east.documents.trust), Credential)
    assert isinstance(parse(text, west.documents.trust), Rejected)
    town.bureau.run("keys", "revoke", STATION, "--key", "centre")
    town.publish()
    until(lambda: east.holds(DocumentType.STATUS, 1), what="the withdrawal")
    refused = parse(text, east.documents.trust)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.PASS_KEY_REVOKED


# --- the time --------------------------------------------------------------------------------------------------------


def test_a_gate_that_has_lost_the_time_gets_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The station asks in its journal; central's signed answer comes through gate-sync and sets the clock."""
    monkeypatch.setattr(station.clock, "kernel_synced", lambda: False)
    monkeypatch.setattr(station.clock, "set_from_rtc", lambda: False)
    town.publish()
    east = town.gate()
    until(lambda: east.holds(DocumentType.TRUST, 1), what="the bundle")
    clock = SystemClock(require_sync=True)
    desk = TimeDesk(clock, Recorder(east.journal, open_reserve(east.folder / "station"), lambda _fault: None))
    assert clock.now().state is ClockState.LOST
    desk.watch(clock.now())
    until(lambda: times(east), what="central's answer")
    (answer,) = times(east)
    assert desk.beacon(answer, east.documents.trust, ZONE)
    now = clock.now()
    assert now.state is ClockState.TRUSTED
    assert abs(now.seconds - SystemClock(require_sync=False).now().seconds) <= 2
    assert not TimeDesk(clock, desk._recorder).beacon(answer, east.documents.trust, ZONE), "good for one number only"


def times(post: Post) -> list[bytes]:
    """The signed times that have arrived."""
    return [arrival.raw for arrival in post.inbox.arrivals(NOTHING) if arrival.type == "time"]


# --- the site's other gates ------------------------------------------------------------------------------------------


class Gatehouse:
    """What a gate remembers of passages, over its own files."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.register = Register(post.journal, has_peers=True)
        self.news = SiteNews(post.inbox, self.register, post.config.station)

    def lets(self, person: Credential, direction: Direction) -> None:
        """Somebody goes through, at another second than before: notices tell whole seconds."""
        last = self.post.clock.now().seconds
        until(lambda: self.post.clock.now().seconds > last, what="the next second")
        now = self.post.clock.now()
        memo = self.register.passed([person], direction, now)
        payload = entered_payload("in", 1, direction.value, (person,))
        self.post.journal.append(Kind.PASSAGE, payload, now, memo.changes)
        memo.take_effect()

    def knows(self, person: Credential) -> list[Direction]:
        """Which ways the person went, as far as this gate has heard."""
        self.post.tend()
        self.news.read(self.post.documents.trust, self.post.clock.now())
        return [passage.direction for passage in self.register.history(person, self.post.clock.now()).own]

    @property
    def peers(self) -> Peers:
        """What this gate knows of the others."""
        return self.register.history(credential(), self.post.clock.now()).peers


def test_gates_of_a_site_know_of_each_other(town: Town) -> None:
    """A passage at one gate is known at the other at once; a gate that comes later hears of it when it says hello.

    Until a gate has heard of the others, it knows that it has not.
    """
    person = credential()
    town.publish()
    east = Gatehouse(town.gate())
    until(lambda: east.post.holds(DocumentType.TRUST, 1), what="the bundle")
    assert east.peers is Peers.UNHEARD
    until(lambda: east.knows(person) == [] and east.peers is Peers.HEARD, what="that there were none")
    east.lets(person, Direction.IN)
    west = Gatehouse(town.gate(WEST))
    until(lambda: west.knows(person) == [Direction.IN], what="what hello brings")
    until(lambda: west.knows(person) and west.peers is Peers.HEARD, what="the other gate")
    west.lets(person, Direction.OUT)
    until(lambda: east.knows(person) == [Direction.IN, Direction.OUT], what="the passage at the other gate")
    east.lets(person, Direction.IN)
    until(lambda: len(west.knows(person)) == 3, what="the next passage")
    again = Gatehouse(west.post)
    until(lambda: len(again.knows(person)) == 3, what="the notices that gate-sync has kept, after a restart")
    listener = Listener(town.broker.port, f"gs/1/{STATION}/dn/peer")
    until(lambda: len(listener.seen) >= 2, what="that there were none, again and again")
    listener.link.close()
