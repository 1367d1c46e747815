"""Both ends as they are installed: gate-sync over a journal, a real broker, gate-central over PostgreSQL."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import sqlalchemy as sa

from station.core import events
from station.schema import RING_SOCKET
from sync import wire
from sync.mqtt import Received
from tests.demo.processes import Process, command, until
from tests.sync.lab import KEY, KID, STATION, ZONE, Journal, Listener, central_toml
from tests.sync_bench.peers import CannotMeasureError, Place
from tests.sync_bench.traffic import BOOT, Told

PORTION = 20_000


class Ends:
    """A station's journal, and what passes on the way back from the database."""

    def __init__(self, folder: Path, journal: Journal, url: str, listener: Listener) -> None:
        self.folder, self.journal, self.url, self.listener = folder, journal, url, listener
        self._read, self._highest = 0, 0

    def ring(self) -> None:
        """Ring gate-sync's doorbell, as the station does after each commit."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", str(self.folder / "run" / RING_SOCKET))

    def acknowledged(self) -> int:
        """Return the highest row so far up to which everything was acknowledged."""
        seen = self.listener.seen
        while self._read < len(seen):
            self._highest = max(self._highest, _prefix(seen[self._read]))
            self._read += 1
        return self._highest

    def wait(self, seq: int, timeout_s: float, look_s: float) -> None:
        """Wait until a row was acknowledged. Raises CannotMeasureError."""
        deadline = time.monotonic() + timeout_s
        while self.acknowledged() < seq:
            if time.monotonic() > deadline:
                raise CannotMeasureError(
                    f"of {seq} rows {self.acknowledged()} were acknowledged within {timeout_s} s; see {self.folder}"
                )
            time.sleep(look_s)

    def complete(self) -> bool:
        """Say whether central holds every row of the journal once, up to the same hash."""
        ours = next(iter(self.journal._db.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")))
        engine = sa.create_engine(self.url)
        with engine.begin() as db:
            count = db.execute(sa.text("SELECT count(*) FROM event")).scalar_one()
            seq, digest = db.execute(sa.text("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")).one()
        engine.dispose()
        return (count, seq, bytes(digest)) == (ours[0], *ours)


def _prefix(message: Received) -> int:
    return wire.open_ack(message.payload, lambda kid: KEY.public_key() if kid == KID else None).prefix.seq


@contextmanager
def both(place: Place, rows: int, told: list[Told]) -> Iterator[tuple[Ends, Callable[[], None]]]:
    """Give both ends, the journal holding `rows` events; gate-sync starts when the function is called."""
    folder, (url, _) = place.fresh(), place.database()
    path = folder / "station" / "journal.db"
    journal = Journal(path)
    journal.trust()
    fill(path, rows, told)
    config = central_toml(folder, place.broker.port, url, "central")
    processes = [Process(command("gate-central", "serve", "--config", str(config)), folder / "central.log")]
    listener = Listener(place.broker.port, f"gs/1/{STATION}/dn/ack", name=f"watcher-{place.runs}")

    def start() -> None:
        line = command("gate-sync", "run", "--config", str(_sync_toml(folder, place.broker.port)))
        processes.append(Process(line, folder / "sync.log"))

    try:
        until(lambda: processes[0].said("ready"), 30, "gate-central is ready")
        yield Ends(folder, journal, url, listener), start
    finally:
        for process in reversed(processes):
            process.stop()
        listener.link.close()
        journal.close()


def _sync_toml(folder: Path, port: int) -> Path:
    """Write a configuration of gate-sync with its own timers and batches: only places are given."""
    path = folder / "sync.toml"
    path.write_text(f"""
[station]
id = "{STATION}"
zone = "{ZONE}"
[broker]
host = "127.0.0.1"
port = {port}
[paths]
journal = "{folder}/station/journal.db"
state = "{folder}/sync"
run = "{folder}/run"
""")
    return path


def fill(path: Path, rows: int, told: list[Told]) -> None:
    """Write events as the station would have, a portion in each transaction."""
    db, head, seq = apsw.Connection(str(path)), events.GENESIS, 0
    db.pragma("synchronous", "off")
    while seq < rows:
        portion = list[tuple[int, bytes, bytes]]()
        while seq < rows and len(portion) < PORTION:
            kind, payload, now = told[seq % len(told)]
            seq += 1
            raw = events.encode(seq, now, BOOT, kind, payload)
            head = events.chain(head, raw)
            portion.append((seq, raw, head))
        with db:
            db.executemany("INSERT INTO event VALUES (?, ?, ?)", portion)
    db.close()


def latencies(place: Place, told: list[Told], count: int, pause_s: float) -> list[float]:
    """Return how long after each commit of one event its acknowledgement was at the station, milliseconds."""
    found = list[float]()
    with both(place, 1, told) as (ends, start):
        start()
        ends.wait(1, 30, 0.01)
        for _ in range(count):
            seq = ends.journal.write(1)
            begin = time.perf_counter()
            ends.ring()
            ends.wait(seq, 30, 0.0002)
            found.append((time.perf_counter() - begin) * 1000)
            time.sleep(pause_s)
        if not ends.complete():
            raise CannotMeasureError(f"the database does not hold what the journal does; see {ends.folder}")
    return found


def drain(place: Place, told: list[Told], rows: int, timeout_s: float) -> float:
    """Return how many seconds it takes from the start of gate-sync until all rows are acknowledged."""
    with both(place, rows, told) as (ends, start):
        begin = time.perf_counter()
        start()
        ends.wait(rows, timeout_s, 0.02)
        seconds = time.perf_counter() - begin
        if not ends.complete():
            raise CannotMeasureError(f"the database does not hold what the journal does; see {ends.folder}")
    return seconds
