"""A journal, gate-sync, a real broker, a collector, a database - and kill -9 for each of them."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import apsw
import pytest
import sqlalchemy as sa

from sync import wire
from sync.central import ranges, tables
from sync.central.store import Store
from sync.store import FILE
from tests.central.conftest import Postgres
from tests.sync.lab import (
    STATION,
    Broker,
    Journal,
    Listener,
    Process,
    central_toml,
    start_collector,
    start_sync,
    until,
)


class Gate:
    """One station and one central on one broker, as processes."""

    def __init__(self, directory: Path, broker: Broker, journal: Journal, url: str = "") -> None:
        self.directory, self.broker, self.journal = directory, broker, journal
        self.url = url or f"sqlite:///{directory}/central.db"
        self.config = central_toml(directory, broker.port, self.url)
        self.sync: Process | None = None
        self.collector: Process | None = None

    def start_sync(self) -> None:
        """Start gate-sync."""
        self.sync = start_sync(self.directory, self.broker.port)

    def start_collector(self, die_after_commits: int = 0) -> None:
        """Start the collector."""
        self.collector = start_collector(self.directory, self.config, die_after_commits)

    def stop(self) -> None:
        """Kill what runs."""
        for process in (self.sync, self.collector):
            if process is not None and process.child.poll() is None:
                process.kill()

    def delivered(self) -> int:
        """The prefix that sync.db says may be evicted."""
        path = self.directory / "sync" / FILE
        if not path.exists():
            return 0
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            db.set_busy_timeout(2000)
            try:
                rows = list(db.execute("SELECT prefix FROM delivered WHERE epoch = ?", (self.journal.epoch,)))
            except apsw.SQLError:
                return 0  # just being created
        return int(rows[0][0]) if rows else 0

    def is_delivered(self, seq: int) -> bool:
        """Say whether everything up to `seq` is acknowledged."""
        return self.delivered() >= seq

    def committed(self) -> list[tuple[int, bytes, bytes]]:
        """The rows of the central database, whatever stream they are in."""
        store = Store(self.url)
        try:
            with store.reading() as db:
                c = tables.event.c
                query = sa.select(c.seq, c.raw, c.hash).order_by(c.stream, c.seq)
                return [(row.seq, bytes(row.raw), bytes(row.hash)) for row in db.execute(query)]
        except sa.exc.DBAPIError:
            return []
        finally:
            store.close()

    def log(self, name: str) -> str:
        """What a process wrote."""
        return (self.directory / f"{name}.log").read_text()

    def must_be_whole(self) -> None:
        """Everything arrived, once, byte for byte."""
        assert self.committed() == self.journal.rows()
        for name in ("sync", "collector"):
            assert "Traceback" not in self.log(name), self.log(name)


@pytest.fixture
def gate(tmp_path: Path, broker: Broker, journal: Journal) -> Iterator[Gate]:
    """A gate whose processes end with the test."""
    found = Gate(tmp_path, broker, journal)
    yield found
    found.stop()


def test_backlog_and_live_events_arrive_on_postgresql(
    tmp_path: Path, broker: Broker, journal: Journal, postgres: Postgres
) -> None:
    """The main path: a backlog, then live events, committed once, acknowledged, and visible to the guard screen."""
    gate = Gate(tmp_path, broker, journal, postgres.new_url())
    with ExitStack() as stack:
        stack.callback(gate.stop)
        journal.write(300)
        gate.start_collector()
        gate.start_sync()
        until(lambda: gate.is_delivered(300), what="the backlog")
        last = journal.write(5)
        until(lambda: gate.is_delivered(last), what="the live events")
        gate.must_be_whole()
        with closing(apsw.Connection(str(tmp_path / "sync" / FILE), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            assert list(db.execute("SELECT connected, last_error FROM link")) == [(1, "")]
        assert gate.sync is not None
        assert gate.sync.stop() == 0
        listener = Listener(broker.port, f"gs/1/{STATION}/up/state")
        until(lambda: listener.seen, what="the explicit death")
        assert listener.seen[0].payload == wire.encode(wire.State(state="offline", clean=True))
        listener.link.close()


def test_broker_killed_and_started_again(gate: Gate) -> None:
    """A broker that forgets everything it had acknowledged loses nothing."""
    gate.start_collector()
    gate.start_sync()
    for _ in range(3):
        gate.journal.write(200)
        gate.broker.kill()
        gate.journal.write(100)
        gate.broker.start()
    last = gate.journal.write(1)
    until(lambda: gate.is_delivered(last), what="delivery")
    gate.must_be_whole()


@pytest.mark.parametrize("commits", [1, 2])
def test_collector_killed_between_commit_and_acknowledgement(gate: Gate, commits: int) -> None:
    """What was committed without acknowledgement is sent again and not doubled; nothing counts as delivered before."""
    gate.start_collector(die_after_commits=commits)
    gate.start_sync()
    assert gate.collector is not None
    dead, last = gate.collector.child.poll, 0
    for _ in range(commits):
        before, last = last, gate.journal.write(200)
        until(lambda before=before: gate.delivered() > before or dead() is not None, what="progress or death")
    assert gate.collector.wait(15) == -9
    assert gate.committed(), "it died behind a COMMIT"
    assert gate.delivered() < last
    assert gate.delivered() < len(gate.committed()), "what the last COMMIT holds is not acknowledged"
    gate.start_collector()
    until(lambda: gate.is_delivered(last), what="delivery")
    gate.must_be_whole()


def test_sync_killed(gate: Gate) -> None:
    """gate-sync killed at any moment goes on where it was."""
    gate.start_collector()
    for _ in range(4):
        gate.start_sync()
        before = gate.delivered()
        gate.journal.write(400)
        until(lambda before=before: gate.delivered() > before, what="some progress")
        assert gate.sync is not None
        gate.sync.kill()
    gate.start_sync()
    until(lambda: gate.is_delivered(1600), what="delivery")
    gate.must_be_whole()


def test_puback_without_a_collector_proves_nothing(gate: Gate) -> None:
    """The broker's "no matching subscribers" delivers nothing; when a collector comes, everything does."""
    last = gate.journal.write(120)
    gate.start_sync()
    until(lambda: "passes nothing on" in gate.log("sync"), what="the pause")
    assert gate.delivered() == 0
    gate.start_collector()
    until(lambda: gate.is_delivered(last), what="delivery")
    gate.must_be_whole()
    assert gate.log("sync").count("passes nothing on") == 1


def test_a_restored_database_makes_the_station_rewind(gate: Gate) -> None:
    """A database restored from a backup gets the rows it had acknowledged before, from what the station still keeps."""
    gate.start_collector()
    gate.start_sync()
    first = gate.journal.write(50)
    until(lambda: gate.is_delivered(first), what="the first part")
    backup = gate.directory / "backup.db"
    with (
        closing(sqlite3.connect(gate.directory / "central.db")) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    last = gate.journal.write(150)
    until(lambda: gate.is_delivered(last), what="the second part")
    assert gate.collector is not None
    gate.collector.kill()
    for suffix in ("", "-wal", "-shm"):
        (gate.directory / f"central.db{suffix}").unlink(missing_ok=True)
    backup.rename(gate.directory / "central.db")
    assert gate.sync is not None
    gate.sync.kill()
    gate.start_collector()
    gate.start_sync()
    until(lambda: len(gate.committed()) == last, what="the rewind")
    until(lambda: gate.is_delivered(last), what="delivery")
    gate.must_be_whole()


@pytest.fixture
def on_postgres(tmp_path: Path, broker: Broker, journal: Journal, postgres: Postgres) -> Iterator[Gate]:
    """A gate that has delivered its first event to a collector on PostgreSQL, which runs again after the test."""
    found = Gate(tmp_path, broker, journal, postgres.new_url())
    try:
        found.start_collector()
        found.start_sync()
        journal.write(1)
        until(lambda: found.is_delivered(1), what="the first event")
        yield found
    finally:
        found.stop()
        postgres.must_run()


def test_a_database_that_goes_away_acknowledges_nothing(on_postgres: Gate, postgres: Postgres) -> None:
    """While the database is gone nothing is acknowledged; when it is back everything arrives."""
    postgres.stop()
    last = on_postgres.journal.write(100)
    until(lambda: "the database cannot be used" in on_postgres.log("collector"), what="the loss")
    assert on_postgres.delivered() < last
    postgres.start()
    until(lambda: on_postgres.is_delivered(last), what="delivery")
    on_postgres.must_be_whole()


def test_a_collector_without_its_database_leaves_its_share_to_others(
    tmp_path: Path, on_postgres: Gate, postgres: Postgres
) -> None:
    """It leaves the broker, so that nothing waits in it: another collector gets every batch.

    When it is back and the other one is gone, it is given the rest, and what the other database alone has.
    """
    postgres.stop()
    last = on_postgres.journal.write(20)
    until(lambda: "leaving the broker" in on_postgres.log("collector"), what="the leave")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = start_collector(elsewhere, central_toml(elsewhere, on_postgres.broker.port, name="central-2"))
    try:
        until(lambda: on_postgres.is_delivered(last), 30, "delivery to the other one")
    finally:
        other.stop()
    postgres.start()
    last = on_postgres.journal.write(5)
    until(lambda: on_postgres.is_delivered(last), 30, "delivery to the first one")
    on_postgres.must_be_whole()


WRITER = """
import sys
from pathlib import Path
from tests.sync.lab import Journal
journal = Journal(Path(sys.argv[1]))
while True:
    print(journal.write(3), flush=True)
"""


def test_everything_killed_at_random(gate: Gate) -> None:
    """Broker, gate-sync, collector and the station's writer are killed in turn: at no moment is more acknowledged than
    committed, and in the end all committed rows of the journal are there, once.
    """  # noqa: D205 - the statement needs two lines
    dice, path = random.Random(7), gate.journal.path

    def start_writer() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, str(path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])

    gate.start_collector()
    gate.start_sync()
    gate.broker.kill()
    gate.broker.start()
    written = 0
    for _ in range(3):
        writer = start_writer()
        assert writer.stdout is not None
        for victim in dice.sample(["sync", "collector", "broker"], 3):
            for _ in range(dice.randint(3, 12)):
                written = int(writer.stdout.readline())
            _kill_and_restart(gate, victim)
            assert gate.delivered() <= len(gate.committed())
        writer.kill()
        writer.communicate()
    assert len(gate.journal.rows()) >= written, "the journal itself kept what it had committed"
    last = gate.journal.write(1)
    until(lambda: gate.is_delivered(last), 20, what="delivery")
    gate.must_be_whole()


def _kill_and_restart(gate: Gate, victim: str) -> None:
    actions: dict[str, tuple[Process | Broker | None, Callable[[], None]]] = {
        "sync": (gate.sync, gate.start_sync),
        "collector": (gate.collector, gate.start_collector),
        "broker": (gate.broker, gate.broker.start),
    }
    running, start = actions[victim]
    assert running is not None
    running.kill()
    start()


def test_a_copied_journal_is_a_fork_and_stops(gate: Gate) -> None:
    """Two stations with one journal: the second's rows are refused, none of the first's are touched."""
    gate.journal.write(20)
    gate.start_collector()
    gate.start_sync()
    until(lambda: gate.is_delivered(20), what="delivery")
    assert gate.sync is not None
    gate.sync.stop()
    before = gate.committed()
    gate.journal._db.execute("DELETE FROM event WHERE seq > 10")
    gate.journal.write(30, {"note": "another life"})
    gate.start_sync()
    until(lambda: "uploading has stopped" in gate.log("sync"), what="the alarm")
    assert gate.committed() == before
    store = Store(gate.url)
    store.open()
    with store.reading() as db:
        held = db.execute(sa.select(tables.held)).all()
    assert ranges.spans([ranges.Range(r.first, r.last, r.prev_hash, r.last_hash) for r in held]) == [(1, 20)]
    store.close()


def test_documents_reach_the_inbox_and_the_broker_forgets_withdrawn_ones(gate: Gate) -> None:
    """A document put into central's table arrives in the station's inbox, also after the broker has forgotten it."""
    gate.start_collector()
    gate.start_sync()
    store = Store(gate.url)
    until(lambda: "collecting" in gate.log("collector") or _inbox_exists(gate), what="the start")
    store.open()
    store.put_document("policy", "all", "0", 1, b"first text")
    until(lambda: _inbox(gate) == [("policy", b"first text")], what="the first text")
    gate.broker.kill()
    store.put_document("policy", "all", "0", 2, b"second text")
    gate.broker.start()
    until(lambda: _inbox(gate) == [("policy", b"second text")], what="the second text, alone")
    store.close()


def _inbox_exists(gate: Gate) -> bool:
    return (gate.directory / "sync" / FILE).exists() and (gate.directory / "central.db").exists()


def _inbox(gate: Gate) -> list[tuple[str, bytes]]:
    with closing(apsw.Connection(str(gate.directory / "sync" / FILE), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        db.set_busy_timeout(2000)
        return list(db.execute("SELECT type, raw FROM inbox ORDER BY id"))


def test_a_hostile_message_is_counted_and_does_not_loop(gate: Gate) -> None:
    """Messages that are no batches are counted once each, and the next good one is committed."""
    gate.start_collector()
    listener = Listener(gate.broker.port)
    until(lambda: (gate.directory / "collector.log").exists() and "ready" in gate.log("collector"), what="the start")
    bad = [b"", b"\0" * 100, b"{" * 5000, wire.encode(wire.State(state="online"))]
    for payload in bad:
        listener.link.publish("gs/1/stranger/up/log", payload, content_type=wire.BATCH_TYPE)
    listener.link.publish("gs/1/Stranger+/up/log".replace("+", "!"), b"x", content_type=wire.BATCH_TYPE)
    last = gate.journal.write(5)
    gate.start_sync()
    until(lambda: gate.is_delivered(last), what="delivery")
    store = Store(gate.url)
    with store.reading() as db:
        counted = dict(
            db.execute(
                sa.select(tables.rejected.c.station, sa.func.sum(tables.rejected.c["count"])).group_by(
                    tables.rejected.c.station
                )
            ).all()
        )
    assert counted == {"stranger": 4, "": 1}
    assert gate.log("collector").count("cannot be used and is counted") in (0, 2)
    store.close()
    listener.link.close()
