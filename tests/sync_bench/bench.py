"""Measures central's collector and the way from journal to database: `python -m tests.sync_bench.bench --seed N`.

Exit code 1 where a bar is missed, 2 where something cannot be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tests.central.conftest import Postgres
from tests.sync_bench import ends, sizes
from tests.sync_bench.feed import Broker, forget
from tests.sync_bench.peers import PEERS, CannotMeasureError, Place, install, ours
from tests.sync_bench.report import Figure, Runs, exit_code, page
from tests.sync_bench.traffic import Told, journal, rows, sealed, told

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sync"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gate-station" / "sync-bench"
WHAT = {
    "ours": "`gate-central serve`, hashes checked, acknowledged behind the COMMIT",
    "ours, live": "the same, one event per message",
    "database": "PostgreSQL alone: the rows of ours, packed before the clock starts, by COPY over one connection",
    "node": "Node.js, `mqtt` and `pg`, prepared INSERTs of up to 1,000 rows",
    "node-red": "Node-RED, mqtt in, split, function, postgrestor with ten connections",
    "naive": "Python, INSERT and COMMIT for each message of one event",
}
RATIOS = {"naive": (100.0, 200.0), "node-red": (15.0, 20.0), "node": (1.2, 2.0)}
"""Peer -> bar and goal of our rate divided by theirs."""
NOTES = """\
- Every collector takes the same events of a simulated lane from a real Mosquitto on loopback whose session is full
  before the clock starts, into a fresh database of one PostgreSQL (`synchronous_commit` and `fsync` on). The clock
  runs from the connect to the last COMMIT; for ours to the last PUBACK; for Node-RED from its first row on.
- The runs are interleaved, each round in an order of its own; a ratio is that of the medians.
- The naive peer waits for one flush of the disk at each event, the others for one at hundreds or thousands: the faster
  the disk flushes, the smaller is that ratio. `database` is the ceiling of it: what the database takes when nobody
  receives, decodes, hashes or packs anything. Ours has two cores for all of that and the database.
- Ours gets compressed batches as stations send them and keeps bytes and hash of each event too. The peers get the
  same batches as plain JSON (the naive one single events), keep the columns and the payload, check no hash; Node.js
  and Node-RED acknowledge before the COMMIT.
- Commit to acknowledgement: from the return of the journal's COMMIT of one event, over gate-sync, Mosquitto, gate-
  central and its COMMIT, until the signed acknowledgement is back on the station's topic.
- The drain runs from the start of the process gate-sync until central has acknowledged the last row; then the
  database is compared with the journal: number of rows, and the last hash of the chain.
- Bytes on the wire: the whole PUBLISH packet, header, topic and properties included, in the worst size of 50, 100,
  200 and 1,000 events.
"""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: rounds, events of each peer in a round, live events, rows of the drain."""

    rounds: int
    events: dict[str, int]
    live: int
    drained: int


FULL = Extent(
    5, {"ours": 200_000, "database": 200_000, "node": 100_000, "node-red": 5_000, "naive": 2_000}, 300, 1_000_000
)
QUICK = Extent(1, {"ours": 20_000, "database": 20_000, "node": 20_000, "node-red": 1_000, "naive": 500}, 30, 20_000)
LIVE_MESSAGES = 10_000
DRAIN_BAR_S, LATENCY_BAR_MS, BYTES_BAR, SEALED_BAR = 30.0, 30.0, 42.0, 75.0


def main(arguments: list[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    options = _options(arguments)
    extent, begin = QUICK if options.quick else FULL, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sync-bench-") as folder:
        try:
            figures, runs = _measured(Path(folder), extent, options)
        except CannotMeasureError as error:
            print(error, file=sys.stderr)
            return 2
    text = page(figures, runs, NOTES, _summary(options, time.monotonic() - begin))
    print(text)
    if out := options.out or (None if options.quick else DOCS):
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.md").write_text(text, "utf-8")
        print(f"Written to {out}")
    return exit_code(figures)


def _measured(folder: Path, extent: Extent, options: argparse.Namespace) -> tuple[list[Figure], list[Runs]]:
    modules = None if options.no_npm else install(options.cache)
    postgres = Postgres()
    postgres.start()
    broker = Broker(folder / "broker")
    try:
        place = Place(folder, broker, postgres, modules)
        happened = told(options.seed, max(extent.events.values()) // 50 * 2)
        runs = _throughput(place, happened, extent, options.seed)
        forget(broker.port)
        figures = _ratios(runs)
        figures += _ways(place, happened, extent)
        return figures, runs
    finally:
        broker.stop()
        postgres.stop()
        postgres.remove()


def _throughput(place: Place, happened: list[Told], extent: Extent, seed: int) -> list[Runs]:
    """Let everybody run in turns."""
    stream = journal(rows(happened, max(extent.events.values()) // 50))
    names = [name for name in PEERS if place.modules or not name.startswith("node")]
    rates, dice = {name: list[float]() for name in (*names, "ours, live")}, random.Random(seed)
    for turn in range(extent.rounds):
        for name in dice.sample(names, len(names)):
            rates[name].append(PEERS[name](place, stream, extent.events[name]))
            print(f"round {turn + 1}: {name} {rates[name][-1]:.0f} events a second", file=sys.stderr)
        live = min(LIVE_MESSAGES, extent.events["ours"] // 10)
        rates["ours, live"].append(ours(place, stream, live, 1))
    counted = {**extent.events, "ours, live": min(LIVE_MESSAGES, extent.events["ours"] // 10)}
    return [Runs(name, WHAT[name], counted[name], each, median(each)) for name, each in rates.items()]


def _ratios(runs: list[Runs]) -> list[Figure]:
    middle = {one.name: one.middle for one in runs}
    return [
        Figure(f"collector, compared with {peer}", middle["ours"] / middle[peer], "x", *bars, at_least=True)
        for peer, bars in RATIOS.items()
        if peer in middle
    ]


def _ways(place: Place, happened: list[Told], extent: Extent) -> list[Figure]:
    """Measure what does not need peers."""
    waits = ends.latencies(place, happened, extent.live, 0.01)
    p95 = quantiles(waits, n=20)[-1]
    print(f"commit to acknowledgement: median {median(waits):.1f} ms, p95 {p95:.1f} ms", file=sys.stderr)
    seconds = ends.drain(place, happened, extent.drained, 600)
    print(f"{extent.drained} events drained in {seconds:.1f} s", file=sys.stderr)
    plain = max(sizes.per_event(journal(rows(happened, 2000))).values())
    known, texts = sealed(happened[:2000], len(happened))
    named = max(sizes.per_event(journal(rows(known, 2000), texts)).values())
    return [
        Figure("commit to acknowledgement, 95 of 100 below", p95, "ms", LATENCY_BAR_MS, LATENCY_BAR_MS),
        Figure("one million buffered events drained", seconds * 1e6 / extent.drained, "s", DRAIN_BAR_S, DRAIN_BAR_S),
        Figure("bytes per event on the wire, without personal fields", plain, "B", BYTES_BAR, BYTES_BAR),
        Figure("bytes per event on the wire, with sealed personal fields", named, "B", SEALED_BAR, SEALED_BAR),
    ]


def _summary(options: argparse.Namespace, seconds: float) -> str:
    return (
        f"Seed {options.seed}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{seconds / 60:.0f} minutes. Written by `python -m tests.sync_bench.bench`; change nothing here by hand."
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sync_bench.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True, help="of the traffic and of the order of the runs")
    parser.add_argument("--quick", action="store_true", help="a little of everything: a look, not a judgement")
    parser.add_argument("--no-npm", action="store_true", help="without the peers from npm")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where npm installs the peers ({CACHE})")
    parser.add_argument("--out", type=Path, help="folder for the results (docs/sync; none with --quick)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
