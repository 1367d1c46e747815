"""The simulated fleet against a real broker and a real collector: nothing lost, everybody back, and it is counted."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from station.core.events import Kind, encode
from station.core.model import Instant
from sync.central import streams
from sync.central.cli import main
from sync.central.fleet.audit import _compare
from sync.central.fleet.fleet import spread_s
from sync.central.fleet.memory import MemoryJournal
from sync.central.fleet.tally import Tally
from sync.central.store import Store
from sync.outbox import JournalError
from sync.wire import hashes
from tests.central.conftest import Postgres
from tests.fleet.arrangement import Centre, FleetRun, central_toml

STATIONS = 20


def _journal(rows: int) -> MemoryJournal:
    journal = MemoryJournal(7)
    for seq in range(1, rows + 1):
        journal.append(encode(seq, Instant(1, 1), "b", Kind.DECISION, {"lane": "in"}))
    return journal


def test_a_fleet_comes_back_and_loses_nothing(tmp_path: Path) -> None:
    """After kill -9 of the broker all stations are heard again, first tries spread as told, every event stored."""
    with Centre(tmp_path, f"sqlite:///{tmp_path}/central.db", STATIONS, collectors=1) as centre:
        fleet = FleetRun(centre, 40.0, 1)
        try:
            fleet.wait_all_heard(0.0, 60)
            died = time.monotonic()
            centre.restart_broker(0.5)
            fleet.wait_some_lost(died)
            fleet.wait_all_heard(died + 1, 90)
            code, found = fleet.finish()
        finally:
            fleet.process.kill()
    assert code == 0
    assert found["heard"] == STATIONS
    assert found["written"] == found["acknowledged"] == found["database"]["stored"] > STATIONS
    assert found["database"] == {"stored": found["written"], "lost": 0, "doubled": 0, "other": 0}
    outage = found["outages"][0]
    assert outage["lost"] == len(outage["first_tries"]) == STATIONS
    assert outage["all_back"] >= outage["broker_back"] >= 0.4
    assert len({round(at, 2) for at in outage["first_tries"]}) > STATIONS / 4  # spread, not all at one moment
    assert max(outage["first_tries"]) < spread_s(STATIONS) + 1


def test_rows_that_central_has_not_are_told(tmp_path: Path) -> None:
    """A row missing from the database and a row with other bytes are counted and end the command with status 1."""
    database = tmp_path / "central.db"
    with Centre(tmp_path, f"sqlite:///{database}", 3, collectors=1) as centre:
        fleet = FleetRun(centre, 30.0, 1)
        try:
            fleet.wait(lambda now: now["acknowledged"] > 20, 0.0, 60, "some events are acknowledged")
            engine = sa.create_engine(f"sqlite:///{database}")
            with engine.begin() as db:
                (low, high), *_ = db.execute(sa.text("SELECT min(stream), max(stream) FROM event")).all()
                assert db.execute(sa.text("DELETE FROM event WHERE seq = 2 AND stream = :s"), {"s": low}).rowcount == 1
            fleet.process.child.send_signal(15)
            assert fleet.process.child.wait(120) == 1
        finally:
            fleet.process.kill()
            engine.dispose()
    found = next(line["result"] for line in fleet.lines() if "result" in line)
    assert found["database"]["lost"] == 1
    assert "missing or doubled" in fleet.process.log.read_text()
    assert high > low


def test_the_audit_counts_each_kind_of_fault() -> None:
    """Lost is what was acknowledged and is not there; doubled rows and a last row with another hash are seen too."""
    journal = _journal(5)
    station = cast("Any", SimpleNamespace(name="a", journal=journal, prefix=5))
    head = journal.hash_at(5)
    assert head is not None
    key = ("a", 7)
    assert _compare({key: (5, 5, 5, head)}, [station]).good
    assert _compare({key: (4, 4, 5, head)}, [station]).lost == 1
    assert _compare({key: (6, 5, 5, head)}, [station]).doubled == 1
    assert _compare({key: (5, 5, 5, bytes(32))}, [station]).other == 1
    assert _compare({}, [station]).lost == 5


def test_the_journal_in_memory_cuts_batches_as_the_real_one() -> None:
    """A batch has the rows asked for, within the bytes allowed, and its chain is whole; a missing row is an error."""
    journal = _journal(10)
    before = journal.hash_at(3)
    assert before is not None
    batch = journal.batch(7, 4, 8, 1 << 20, before)
    assert (batch.first_seq, batch.last_seq) == (4, 8)
    assert hashes(batch)[-1] == journal.hash_at(8)
    assert journal.batch(7, 4, 8, 1, before).n == 1
    assert journal.confirms(3, before) is True
    assert journal.confirms(4, before) is False
    assert journal.confirms(11, before) is None
    with pytest.raises(JournalError):
        journal.batch(7, 11, 12, 1 << 20, before)
    with pytest.raises(JournalError):
        journal.batch(8, 1, 2, 1 << 20, before)


def test_an_outage_ends_when_the_last_station_is_heard() -> None:
    """The tally tells when the broker was back, when all were heard, and that a second outage is another one."""
    tally = Tally(2)
    tally.begin(0.0)
    for now in (1.0, 2.0):
        tally.connected(now)
        tally.answered(now)
    assert tally.all_heard_after == 2.0
    assert not tally.outages
    tally.lost(10.0, was_heard=True)
    tally.lost(10.1, was_heard=True)
    tally.first_try(0.5)
    tally.connected(12.0)
    tally.connected(13.0)
    tally.answered(13.5)
    assert tally.outage is not None
    tally.answered(14.0)
    (one,) = tally.outages
    assert (one.lost, one.broker_back, one.all_back, one.first_tries) == (2, 2.0, 4.0, [0.5])
    tally.lost(20.0, was_heard=True)
    assert len(tally.outages) == 2


def test_waits_are_told_by_their_share() -> None:
    """Of a hundred waits of 1 to 100 ms half are at most 50 ms, 95 at most 95 ms; without events there is none."""
    tally = Tally(1)
    assert tally.wait_ms(0.5) is None
    for ms in range(1, 101):
        tally.waited(ms / 1000)
    assert (tally.wait_ms(0.5), tally.wait_ms(0.95), tally.wait_ms(1.0)) == (50, 95, 100)


def test_spread_follows_the_protocol() -> None:
    """Two hundred reconnects a second, but within a minute."""
    assert [spread_s(n) for n in (200, 10_000, 50_000)] == [1.0, 50.0, 60.0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--stations", "0"], "--stations 0"),
        (["--stations", "3", "--rate", "-1"], "--rate"),
        (["--stations", "3", "--broker", "nowhere"], "HOST:PORT"),
        (["--stations", "3", "--zone", "east"], "12 digits"),
    ],
)
def test_wrong_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str) -> None:
    """What cannot be run is refused with status 2 and a text that names the option."""
    config = central_toml(tmp_path, "central-1", 1, f"sqlite:///{tmp_path}/central.db", 3)
    assert main(["simulate-fleet", "--config", str(config), *more]) == 2
    assert said in capsys.readouterr().err


def test_a_collector_that_stops_in_a_transaction_holds_up_nobody(postgres: Postgres) -> None:
    """PostgreSQL ends a collector's transaction in which nothing happens, so another collector gets the stream."""
    url = postgres.new_url()
    stopped, other = Store(url), Store(url)
    for one in (stopped, other):
        one.give_way()
        one.open()
    key = ("gate-1", 7)
    stopped.commit_batches([], [key])
    done = threading.Event()
    took = list[float]()

    def work() -> None:
        began = time.monotonic()
        other.commit_batches([], [key])
        took.append(time.monotonic() - began)
        done.set()

    with pytest.raises(sa.exc.DBAPIError), stopped._engine.begin() as db:
        streams.lock(db, [key])
        worker = threading.Thread(target=work)
        worker.start()
        assert done.wait(20)
        db.execute(sa.text("SELECT 1"))
    worker.join()
    assert 2 < took[0] < 15
    stopped.commit_batches([], [key])  # it goes on with another connection
    for one in (stopped, other):
        one.close()
