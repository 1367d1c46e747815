"""The way up against a model of central, in any order of events: never a crash, never an event left out.

Messages are lost, doubled, reordered and forged; central forgets and answers late; rows are evicted; gate-sync is
killed. Whatever happens: what sync.db calls delivered was acknowledged by central for this journal, and once the
network is well again everything arrives.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from station.core import events
from station.schema import EVICTED, EVICTED_SEQ
from sync import config, wire
from sync.central import ranges
from sync.central.ranges import Range
from sync.outbox import Outbox
from sync.store import SyncStore
from sync.trust import TrustKeys
from sync.uplink import Uplink
from tests.sync.lab import KEY, KID, STATION, ZONE, Journal

CONFIG = config.parse(f"""
[station]
id = "{STATION}"
zone = "{ZONE}"
[broker]
host = "localhost"
[batch]
backfill_events = 6
live_events = 3
in_flight = 4
""")
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
MOST_ROUNDS = 60
MOST_RANGES = 3
"""So few that central refuses batches until holes are closed."""
ANY = st.integers(0, 10_000)
"""Which one of a list: counted on past its end, so that a list's length does not decide what is drawn."""


class Model:
    """Central as the protocol describes it: ranges, a generation, and every acknowledgement it has signed."""

    def __init__(self) -> None:
        self.held: list[Range] = []
        self.generation = 1
        self.backup: list[Range] = []
        self.signed: list[bytes] = []

    def take(self, epoch: int, leaf: str, payload: bytes) -> bytes:
        """Take a message; return the acknowledgement."""
        nonce, forked = 0, False
        if leaf == "hello":
            nonce = wire.decode(payload, wire.Hello).nonce
        else:
            batch = wire.decode_batch(payload)
            new = Range(batch.first_seq, batch.last_seq, bytes.fromhex(batch.prev_hash), wire.hashes(batch)[-1])
            try:
                merged = ranges.merge(self.held, new)
                if len(merged) <= max(len(self.held), MOST_RANGES):  # else: counted, and not acknowledged
                    self.held = merged
            except ranges.ForkError:
                forked = True
        seq, head = ranges.prefix(self.held)
        ack = wire.Ack(
            station=STATION,
            epoch=epoch,
            prefix=wire.Prefix(seq=seq, head=head.hex()),
            held=[
                wire.Held(first=r.first, last=r.last, last_hash=r.last_hash.hex()) for r in self.held if r.last > seq
            ][: wire.MAX_HELD],
            db_generation=str(self.generation),
            hello=nonce,
            fork=forked,
        )
        self.signed.append(wire.seal_ack(ack, KID, KEY))
        return self.signed[-1]


class Always(RuleBasedStateMachine):
    """The rules."""

    @initialize()
    def begin(self) -> None:
        """A journal, a server, a connection."""
        self.folder = Path(tempfile.mkdtemp())
        self.journal = Journal(self.folder / "journal.db", epoch=7)
        self.journal.trust()
        self.central, self.now = Model(), 1000.0
        self.air: list[tuple[str, bytes]] = []
        self.answers: list[bytes] = []
        self.mid, self.first, self.last = 0, 1, 0
        self.unpubacked: list[int] = []
        self.start()
        self.uplink.look(self.now)
        self.uplink.connected(self.publish, self.now)
        self.write(5)
        self.settle()

    def start(self) -> None:
        """Start gate-sync."""
        self.store, self.outbox = SyncStore(self.folder), Outbox(self.journal.path)
        self.uplink = Uplink(CONFIG, self.outbox, self.store, TrustKeys(self.outbox.trust), {})
        self.uplink._rng.seed(1)

    def publish(self, leaf: str, payload: bytes, _content_type: str) -> int:
        """Take a message."""
        self.air.append((leaf, payload))
        self.mid += 1
        self.unpubacked.append(self.mid)
        return self.mid

    def puback_all(self) -> None:
        """The broker takes everything it has been sent."""
        while self.unpubacked:
            self.uplink.published(self.unpubacked.pop(0), 0, self.now)

    def work(self, later: float = 0.01) -> None:
        """Let the uplink work."""
        self.now += later
        self.uplink.work(self.now)
        self.uplink.save()

    @rule(count=st.integers(1, 9))
    def write(self, count: int) -> None:
        """Something happens at the gate."""
        self.last = self.journal.write(count)
        self.work()

    @rule()
    def connect(self) -> None:
        """A connection, perhaps in place of one; what was on its way is lost or arrives late."""
        self.uplink.look(self.now)
        self.uplink.connected(self.publish, self.now)
        self.work()

    @rule()
    def lose(self) -> None:
        """The connection is lost."""
        self.uplink.disconnected()
        self.work()

    @rule()
    def kill(self) -> None:
        """gate-sync is killed."""
        self.outbox.close()
        self.store.close()
        self.start()

    @rule(seconds=st.floats(0.01, 400))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.work(seconds)

    @precondition(lambda self: self.air)
    @rule(which=ANY, twice=st.booleans())
    def arrive(self, which: int, twice: bool) -> None:
        """A message arrives, in any order, perhaps twice."""
        at = which % len(self.air)
        leaf, payload = self.air[at] if twice else self.air.pop(at)
        self.answers.append(self.central.take(self.journal.epoch, leaf, payload))

    @rule()
    def settle(self) -> None:
        """For a moment the network is well: what is on its way arrives, and is answered."""
        self.work()
        self.puback_all()
        air, self.air = self.air, []
        for leaf, payload in air:
            self.uplink.acknowledge(self.central.take(self.journal.epoch, leaf, payload), self.now)
            self.work()

    @precondition(lambda self: self.unpubacked)
    @rule(which=ANY, reason=st.sampled_from([0, 0, wire.NO_SUBSCRIBER, 0x97]))
    def puback(self, which: int, reason: int) -> None:
        """The broker answers one message, in any order; it takes it, or has nobody to pass it on to."""
        self.uplink.published(self.unpubacked.pop(which % len(self.unpubacked)), reason, self.now)
        self.work()

    @precondition(lambda self: self.air)
    @rule()
    def drop(self) -> None:
        """A message is lost."""
        self.air.pop()

    @precondition(lambda self: self.answers)
    @rule(which=ANY, twice=st.booleans())
    def answer(self, which: int, twice: bool) -> None:
        """An acknowledgement arrives, in any order, perhaps twice."""
        at = which % len(self.answers)
        raw = self.answers[at] if twice else self.answers.pop(at)
        self.uplink.acknowledge(raw, self.now)
        self.work()

    @precondition(lambda self: self.central.signed)
    @rule(which=ANY)
    def replay(self, which: int) -> None:
        """Somebody who holds the broker sends an acknowledgement of any time before once more."""
        self.uplink.acknowledge(self.central.signed[which % len(self.central.signed)], self.now)
        self.work()

    @rule(junk=st.binary(max_size=200))
    def junk(self, junk: bytes) -> None:
        """Bytes of any kind where an acknowledgement belongs."""
        self.uplink.acknowledge(junk, self.now)
        self.work()

    @rule(size=st.sampled_from([wire.MAX_PAYLOAD + 1, 2 * wire.MAX_PAYLOAD]))
    def oversized(self, size: int) -> None:
        """More bytes than any message has."""
        self.uplink.acknowledge(bytes(size), self.now)

    @precondition(lambda self: self.central.signed)
    @rule(which=ANY, at=ANY, flip=st.integers(1, 255))
    def corrupt(self, which: int, at: int, flip: int) -> None:
        """One byte of a real acknowledgement is another."""
        raw = bytearray(self.central.signed[which % len(self.central.signed)])
        raw[at % len(raw)] ^= flip
        self.uplink.acknowledge(bytes(raw), self.now)
        self.work()

    @precondition(lambda self: self.last)
    @rule(
        ahead=st.integers(-2, 6),
        key=st.sampled_from([KEY, OTHER_KEY]),
        changes=st.sampled_from([{}, {"epoch": 5}, {"station": "gate-west-1"}, {"db_generation": "none"}]),
    )
    def forge(self, ahead: int, key: object, changes: dict[str, object]) -> None:
        """An acknowledgement with a head that no journal has, by a key with the role and by one without."""
        seq = min(max(0, ranges.prefix(self.central.held)[0] + ahead), self.last)
        made = wire.Ack(
            station=STATION,
            epoch=self.journal.epoch,
            prefix=wire.Prefix(seq=seq, head="ab" * 32),
            db_generation=str(self.central.generation),
        )
        raw = wire.seal_ack(msgspec.structs.replace(made, **changes), KID, key)  # type: ignore[arg-type]
        self.uplink.acknowledge(raw, self.now)
        self.work()

    @rule()
    def back_up(self) -> None:
        """Central's database is backed up."""
        self.central.backup = list(self.central.held)

    @rule()
    def restore(self) -> None:
        """Central's database is restored: it has forgotten rows, and is known by another generation."""
        self.central.held = list(self.central.backup)
        self.central.generation += 1

    @rule(count=st.integers(1, 20))
    def evict(self, count: int) -> None:
        """The station evicts what is acknowledged here and in central's backup, so that a restore can be made good."""
        delivered = self.store.delivered(self.journal.epoch) or (0, b"")
        safe = min(delivered[0], ranges.prefix(self.central.backup)[0], self.last - 1, self.first + count - 1)
        rows = {seq: digest for seq, _, digest in self.journal.rows()}
        if safe >= self.first:
            mark = safe.to_bytes(EVICTED_SEQ) + rows[safe]
            self.journal._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (EVICTED, mark))
            self.journal.evict(safe)
            self.first = safe + 1
        self.work()

    @invariant()
    def nothing_is_called_delivered_that_is_not_this_journals(self) -> None:
        """The acknowledged prefix with its hash stands in the journal, or was evicted from it."""
        if not hasattr(self, "store"):
            return
        seq, head = self.store.delivered(self.journal.epoch) or (0, events.GENESIS)
        assert seq <= self.last
        assert self.outbox.confirms(seq, head) is not False

    @invariant()
    def nothing_here_is_a_fork(self) -> None:
        """Only a real fork blocks the stream."""
        if hasattr(self, "uplink"):
            assert not self.uplink.blocked

    def teardown(self) -> None:
        """The network is well again: within a while everything has arrived, in order and whole."""
        if not hasattr(self, "uplink"):
            return
        self.air.clear()
        self.unpubacked.clear()
        self.uplink.connected(self.publish, self.now)
        for _ in range(MOST_ROUNDS):
            self.work(1.0)
            self.puback_all()
            air, self.air = self.air, []
            for leaf, payload in air:
                self.uplink.acknowledge(self.central.take(self.journal.epoch, leaf, payload), self.now)
                self.work()
            if not self.air and not self.uplink.queue and self.uplink.deadline(self.now) is None:
                break
        assert ranges.prefix(self.central.held)[0] == self.last
        assert self.uplink.queue == 0
        self.outbox.close()
        self.store.close()
        self.journal.close()
        shutil.rmtree(self.folder)


Always.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestAlways = Always.TestCase
