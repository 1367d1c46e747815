"""A whole station and the real collector on SQLite, without a broker: messages are handed over, time is a number."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from station.config import RetentionConfig
from station.core import events
from station.core.events import Kind
from station.core.model import Instant
from station.core.rehoming import origin
from station.inbox import Inbox
from station.journal import Change, Journal
from station.recorder import Recorder
from station.reserve import Reserve
from station.upkeep import Upkeep
from sync import config, wire
from sync.central import tables
from sync.central.collector import Collector
from sync.central.inbound import read
from sync.central.store import Store
from sync.leftovers import Leftovers
from sync.mqtt import Received
from sync.outbox import Outbox
from sync.store import SyncStore
from sync.trust import TrustKeys
from sync.uplink import Uplink
from tests.sync.lab import KEY, KID, STATION, ZONE, trust_bundle

BEGAN_US = 1_700_000_000_000_000
Message = tuple[str, bytes, str]
Event = tuple[int, int, bytes]
"""Epoch, seq and chain hash under which an event was first recorded."""
_STARTS = itertools.count(1)
_MIDS = itertools.count(1)


class Central:
    """The collector over a SQLite database."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(f"sqlite:///{folder}/central.db")
        self.store.open()
        self._collector = Collector(self.store, lambda ack: wire.seal_ack(ack, KID, KEY), credit=100, retry_ms=2500)

    def take(self, messages: Sequence[Message]) -> list[bytes]:
        """Commit messages and return the acknowledgements."""
        link: Any = None
        received = [
            Received(link, f"gs/1/{STATION}/up/{leaf}", payload, kind, 1, 1, retained=False)
            for leaf, payload, kind in messages
        ]
        answers = list[bytes]()
        self._collector.flush(list(map(read, received)), lambda _topic, payload: answers.append(payload))
        return answers

    def events(self) -> list[Event]:
        """Return what is held, each by where it was first recorded; the alarms of new streams among them."""
        found = list[Event]()
        joined = sa.join(tables.event, tables.stream, tables.event.c.stream == tables.stream.c.id)
        query = sa.select(tables.stream.c.epoch, tables.event.c.seq, tables.event.c.raw, tables.event.c.hash)
        with self.store.reading() as db:
            for epoch, seq, raw, digest in db.execute(query.select_from(joined)):
                came_from = origin(events.decode(bytes(raw)))
                found.append(
                    (epoch, seq, bytes(digest))
                    if came_from is None
                    else (came_from.epoch, came_from.seq, came_from.hash)
                )
        return found

    def counted(self) -> int:
        """Return how many events happened, each counted once (the view `occurrence`)."""
        with self.store.reading() as db:
            return int(db.execute(sa.text("SELECT count(*) FROM occurrence")).scalar_one())

    def lost(self) -> list[tuple[int, int, int]]:
        """Return (epoch, first, last) of what is lost for good."""
        return [(row.epoch, row.first, row.last) for row in self.store.lost()]

    def close(self) -> None:
        """Close the database."""
        self.store.close()


class WholeStation:
    """gate-station's journal with its upkeep, and gate-sync's way up, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0 * next(_STARTS)  # no two starts at one moment: equal events would be no fork
        self.open()

    def open(self) -> None:
        """Start both halves."""
        self.journal = Journal(self.folder, "boot-1")
        self.recorder = Recorder(self.journal, Reserve(self.folder, 1 << 16), lambda _fault: None)
        bundle = trust_bundle()
        put = Change("INSERT OR REPLACE INTO document VALUES ('trust', 1, ?, ?, 1)", (wire.sha256(bundle), bundle))
        self.recorder.commit(Kind.BOOT, {}, self.instant(), [put])
        self.store, self.inbox = SyncStore(self.folder), Inbox(self.folder)
        self.upkeep = Upkeep(self.recorder, self.inbox, RetentionConfig())
        settings = config.parse(
            f'[station]\nid = "{STATION}"\nzone = "{ZONE}"\n[broker]\nhost = "localhost"\n'
            f'[paths]\njournal = "{self.folder}/journal.db"\nstate = "{self.folder}"\n'
            "[batch]\nlive_events = 5\nbackfill_events = 7\nin_flight = 3\n"
        )
        self.outbox = Outbox(self.folder / "journal.db")
        keys = TrustKeys(self.outbox.trust)
        self.uplink = Uplink(settings, self.outbox, self.store, keys, {})
        self.leftovers = Leftovers(settings, self.outbox, self.store, keys)
        self.sent: list[Message] = []
        self.mids: list[int] = []

    def instant(self) -> Instant:
        """Return the station's time."""
        return Instant(BEGAN_US + round(self.now * 1e6), round(self.now * 1e6))

    def write(self, count: int = 1) -> list[Event]:
        """Record events; return where they stand."""
        first = self.journal.seq + 1
        written = [(Kind.DECISION, {"lane": "in", "at": self.now, "n": n}) for n in range(count)]
        self.journal.append_all(written, self.instant())
        return self.held(first)

    def held(self, first: int = 1) -> list[Event]:
        """Return the rows from `first` on, each by where it was first recorded."""
        found = list[Event]()
        for seq, raw, digest in self.journal.rows("SELECT seq, raw, hash FROM event WHERE seq >= ?", (first,)):
            came_from = origin(events.decode(raw))
            mine = (self.journal.epoch, seq, digest)
            found.append(mine if came_from is None else (came_from.epoch, came_from.seq, came_from.hash))
        return found

    def publish(self, leaf: str, payload: bytes, content_type: str) -> int:
        """Take a message on its way to the broker."""
        self.sent.append((leaf, payload, content_type))
        self.mids.append(next(_MIDS))
        return self.mids[-1]

    def connect(self) -> None:
        """Connect."""
        self.uplink.look(self.now)
        self.uplink.connected(self.publish, self.now)
        self.leftovers.connected(self.publish, self.now)

    def disconnect(self) -> None:
        """Lose the connection and what was on it."""
        self.uplink.disconnected()
        self.leftovers.disconnected()
        self.sent.clear()

    def work(self, later: float = 0.1) -> list[Message]:
        """Let time pass and both halves work; return what was sent."""
        self.now += later
        self.uplink.work(self.now)
        self.uplink.save()
        if self.uplink.is_drained:
            self.leftovers.work(self.now)
        self.upkeep.tend(self.instant(), lambda: None, idle=True)
        for mid in self.mids:
            self.uplink.published(mid, 0, self.now)
            self.leftovers.published(mid, self.now)
        self.mids.clear()
        sent, self.sent = self.sent, []
        return sent

    def hear(self, answers: Sequence[bytes]) -> None:
        """Take acknowledgements."""
        for raw in answers:
            self.uplink.acknowledge(raw, self.now)
            self.leftovers.acknowledge(raw, self.now)
        self.uplink.save()

    def talk(self, central: Central, rounds: int = 40) -> None:
        """Exchange messages until nothing is left to say, at most so many rounds."""
        quiet = 0
        for _ in range(rounds):
            sent = self.work()
            self.hear(central.take(sent) if sent else [])
            quiet = 0 if sent else quiet + 1
            if quiet > 2:  # a ring, a look, and once more
                return

    def close(self) -> None:
        """Stop both halves."""
        self.leftovers.close()
        self.outbox.close()
        self.inbox.close()
        self.store.close()
        self.recorder.close()


def copy_card(folder: Path, target: Path) -> None:
    """Copy a card whose station is stopped."""
    shutil.copytree(folder, target, dirs_exist_ok=True)


def restore_card(copy: Path, folder: Path) -> None:
    """Put an older copy in the place of a card."""
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
