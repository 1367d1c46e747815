"""Ours and its peers: each consumes the same events from a full session of a real broker into a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from sync.central.collector import FILTERS
from sync.central.store import Store
from tests.central.conftest import Postgres
from tests.demo.processes import ROOT, Process, until
from tests.sync.lab import central_toml
from tests.sync_bench import database_alone
from tests.sync_bench.feed import CLIENT, PLAIN_FILTERS, Broker, batches, load
from tests.sync_bench.traffic import Journal

MANIFESTS = Path(__file__).parent / "peers"
BATCH = 200
LOG = """
CREATE TABLE log (station text, epoch bigint, seq bigint, wall_us bigint, kind text, lane text, outcome text,
    reason text, rule text, cti text, payload text, PRIMARY KEY (station, epoch, seq));
CREATE INDEX log_by_time ON log USING brin (wall_us);
"""


class CannotMeasureError(Exception):
    """Something that the bench needs is missing, or a peer did not do its work. The message says what."""


@dataclass(slots=True)
class Place:
    """Where things run."""

    folder: Path
    broker: Broker
    postgres: Postgres
    modules: Path | None
    """Folder with node_modules of the peers; None: without them."""
    runs: int = 0

    def database(self) -> tuple[str, str]:
        """Make a database; return its URL and its name."""
        url = self.postgres.new_url()
        return url, str(sa.make_url(url).database)

    def fresh(self) -> Path:
        """Make a folder for one run."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir(parents=True)
        return folder


def install(cache: Path) -> Path:
    """Install the peers from npm into a cache folder, exactly as locked; return that folder."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise CannotMeasureError("node and npm are not installed; run: apt-get install nodejs npm")
    lock = MANIFESTS / "package-lock.json"
    if not (cache / ".ready").exists() or (cache / "package-lock.json").read_bytes() != lock.read_bytes():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / ".ready").unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(MANIFESTS / name, cache / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotMeasureError(f"npm ci failed in {cache}: {done.stderr[-500:]}")
        (cache / ".ready").touch()
    return cache


class _Child:
    """A consumer that says `ready`, begins when told to, and says `done`."""

    def __init__(self, line: list[str], log: Path, modules: Path | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if modules:
            environment["NODE_PATH"] = str(modules / "node_modules")
        self._log = log.open("wb")
        self.child = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, cwd=ROOT, env=environment
        )
        self.heard("ready", log)

    def heard(self, word: str, log: Path) -> None:
        """Wait for a line."""
        assert self.child.stdout
        while line := self.child.stdout.readline():
            if line.strip() == word.encode():
                return
        raise CannotMeasureError(f"{self.child.args}: ended before it was {word}; see {log}")

    def tell(self) -> None:
        """Send a line."""
        assert self.child.stdin
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()

    def end(self) -> None:
        """End it."""
        with suppress(BrokenPipeError):
            self.tell()
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(5)
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()
        self.child.stdin.close()
        self._log.close()


def _timed(child: _Child, log: Path) -> float:
    try:
        begin = time.perf_counter()
        child.tell()
        child.heard("done", log)
        return time.perf_counter() - begin
    finally:
        child.end()


def _count(url: str, table: str) -> int:
    engine = sa.create_engine(url)
    with engine.begin() as db:
        count = db.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
    engine.dispose()
    return int(count)


def _table(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as db:
        db.exec_driver_sql(LOG)
    engine.dispose()


def _checked(url: str, table: str, events: int, seconds: float) -> float:
    """Return events a second, everything being in the table once."""
    if (found := _count(url, table)) != events:
        raise CannotMeasureError(f"{found} of {events} events are in {table}")
    return events / seconds


def ours(place: Place, journal: Journal, events: int, size: int = BATCH) -> float:
    """Our collector: events a second from the first connect to the last PUBACK, hashes checked, behind the COMMIT."""
    folder, (url, _) = place.fresh(), place.database()
    store = Store(url)
    store.open()
    store.close()
    messages = list(batches(journal, events, size, compressed=True))
    load(place.broker.port, messages, FILTERS)
    config = central_toml(folder, place.broker.port, url, CLIENT)
    line = [sys.executable, "-m", "tests.sync_bench.our_consumer", str(config), str(len(messages))]
    log = folder / "ours.log"
    return _checked(url, "event", events, _timed(_Child(line, log), log))


def database(place: Place, journal: Journal, events: int) -> float:
    """PostgreSQL alone, with the rows that ours makes: no collector into these tables can be faster."""
    (made, _), (url, _) = place.database(), place.database()
    portions = database_alone.packed(made, journal, events, BATCH)
    return _checked(url, "event", events, database_alone.seconds(url, portions))


def naive(place: Place, journal: Journal, events: int) -> float:
    """An INSERT and a COMMIT for each message of one event."""
    folder, (url, name) = place.fresh(), place.database()
    _table(url)
    messages = list(batches(journal, events, 1, compressed=False))
    load(place.broker.port, messages, PLAIN_FILTERS)
    dsn = f"host={place.postgres.directory} user=gate dbname={name}"
    line = [sys.executable, "-m", "tests.sync_bench.naive_consumer", dsn, str(place.broker.port), str(len(messages))]
    log = folder / "naive.log"
    return _checked(url, "log", events, _timed(_Child(line, log), log))


def node(place: Place, journal: Journal, events: int) -> float:
    """The hand-written Node.js consumer with batches."""
    folder, (url, name) = place.fresh(), place.database()
    _table(url)
    load(place.broker.port, batches(journal, events, BATCH, compressed=False), PLAIN_FILTERS)
    script, host = str(MANIFESTS / "consumer.js"), str(place.postgres.directory)
    line = ["node", script, host, name, str(place.broker.port), str(events)]
    log = folder / "node.log"
    return _checked(url, "log", events, _timed(_Child(line, log, place.modules), log))


def node_red(place: Place, journal: Journal, events: int) -> float:
    """Node-RED's flow from MQTT to PostgreSQL, timed from its first row, so that its start does not count."""
    assert place.modules
    folder, (url, name) = place.fresh(), place.database()
    _table(url)
    load(place.broker.port, batches(journal, events, BATCH, compressed=False), PLAIN_FILTERS)
    written = ["node", str(MANIFESTS / "flow.js"), str(place.postgres.directory), name, str(place.broker.port)]
    (folder / "flows.json").write_bytes(subprocess.run(written, check=True, capture_output=True).stdout)
    nodes = place.modules / "node_modules"
    (folder / "settings.js").write_text(
        f"module.exports = {{ uiPort: 0, uiHost: '127.0.0.1', flowFile: 'flows.json', httpAdminRoot: false, "
        f"nodesDir: '{nodes / 'node-red-contrib-postgrestor-next'}', logging: {{ console: {{ level: 'warn' }} }} }};\n"
    )
    line = ["node", str(nodes / "node-red" / "red.js"), "--userDir", str(folder), "flows.json"]
    process = Process(line, folder / "node-red.log")
    try:
        return _watched(url, events)
    finally:
        process.stop()


def _watched(url: str, events: int) -> float:
    engine = sa.create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:

        def count() -> int:
            return int(db.execute(sa.text("SELECT count(*) FROM log")).scalar_one())

        until(count, 60, "Node-RED's first row")
        begin, before = time.perf_counter(), count()
        until(lambda: count() >= events, 600, "Node-RED's last row")
        seconds = time.perf_counter() - begin
    engine.dispose()
    return _checked(url, "log", events, seconds) * (events - before) / events


PEERS: dict[str, Callable[[Place, Journal, int], float]] = {
    "ours": ours,
    "database": database,
    "node": node,
    "node-red": node_red,
    "naive": naive,
}
