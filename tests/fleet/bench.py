"""Measures a fleet of simulated stations in steps, each with a broker that dies: `python -m tests.fleet.bench`.

Exit code 1 where a bar is missed, 2 where something cannot be measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.central.fleet.fleet import spread_s
from sync.config import TimersConfig
from tests.central.conftest import Postgres
from tests.demo.processes import NotInTimeError
from tests.fleet.arrangement import Centre, FleetRun, cpu_s, memory_kb
from tests.fleet.report import page

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sync"
STEPS = (250, 500, 1000, 2000, 5000, 10_000)
EXPECTED = (250, 500, 1000, 2000)
"""Steps that must be reached; those after them only if the machine carries the one before."""
PER_STATION = 0.1
"""Events a second of each station: 360 an hour, a busy gate."""
STEADY_S, DOWN_S, DEAD_S = 10.0, 1.0, 40.0
DEAD_STATIONS = 250
PATIENCE_S = 150.0
CARRIED_S = 20.0
"""A larger step is tried where the stations were back so soon after the spread's end."""


@dataclass(frozen=True, slots=True)
class Step:
    """One size of the fleet. CPU seconds by part: broker, collectors, PostgreSQL, fleet."""

    stations: int
    result: dict[str, Any]
    code: int
    steady: dict[str, float]
    """CPU seconds in each second, nothing special happening."""
    storm: dict[str, float]
    """CPU seconds from the broker's death until all are back."""
    broker_kb: int
    late_ms: float
    """How late the fleet itself was at most since the broker's death: it shares the machine with what it measures."""

    @property
    def outage(self) -> dict[str, Any]:
        """The outage that the broker's death began."""
        outages: list[dict[str, Any]] = self.result["outages"]
        return outages[0]

    @property
    def back_s(self) -> float:
        """From the broker's return until all stations were heard."""
        return float(self.outage["all_back"] - self.outage["broker_back"])


class _Costs:
    """CPU seconds used since it was made."""

    def __init__(self, centre: Centre, fleet: FleetRun, postgres: int) -> None:
        self._pids = {
            "broker": [centre.broker.pid],
            "collectors": [one.child.pid for one in centre.collectors],
            "PostgreSQL": [postgres],
            "fleet": [fleet.process.child.pid],
        }
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        return {name: sum(map(cpu_s, pids)) for name, pids in self._pids.items()}

    def so_far(self) -> dict[str, float]:
        """Return them by part."""
        return {name: after - self._before[name] for name, after in self._now().items()}


def step(folder: Path, postgres: Postgres, stations: int, seed: int) -> Step:
    """Let so many stations connect, send, lose their broker, come back, and count everything. Raises NotInTimeError."""
    pid = int((postgres.directory / "data" / "postmaster.pid").read_text().split()[0])
    with Centre(folder, postgres.new_url(), stations) as centre:
        fleet = FleetRun(centre, stations * PER_STATION, seed)
        try:
            fleet.wait_all_heard(0.0, spread_s(stations) + PATIENCE_S)
            costs, began = _Costs(centre, fleet, pid), time.monotonic()
            time.sleep(STEADY_S)
            seconds = time.monotonic() - began
            steady = {name: used / seconds for name, used in costs.so_far().items()}
            kb = memory_kb(centre.broker.pid)
            costs, began = _Costs(centre, fleet, pid), time.monotonic()
            centre.broker.kill()
            time.sleep(DOWN_S)
            centre.broker.start()
            fleet.wait_some_lost(began)
            fleet.wait_all_heard(began + DOWN_S, spread_s(stations) + PATIENCE_S)
            storm = {**costs.so_far(), "broker": cpu_s(centre.broker.pid)}  # a new process: all it has used
            time.sleep(STEADY_S / 2)
            code, result = fleet.finish()
            late = max(now["late_ms"] for now in fleet.moments(began))
        finally:
            fleet.process.kill()
    return Step(stations, result, code, steady, storm, kb, late)


@dataclass(frozen=True, slots=True)
class Dead:
    """One of two collectors stopped (SIGSTOP), never to come back. Milliseconds."""

    stations: int
    usual_ms: float
    """The longest wait of an event in the seconds before."""
    longest_ms: float
    result: dict[str, Any]
    code: int


def dead_collector(folder: Path, postgres: Postgres, stations: int, seed: int) -> Dead:
    """Stop one of two collectors and see how long events wait."""
    with Centre(folder, postgres.new_url(), stations) as centre:
        fleet = FleetRun(centre, stations * PER_STATION * 2, seed)
        try:
            fleet.wait_all_heard(0.0, spread_s(stations) + PATIENCE_S)
            began = time.monotonic()
            time.sleep(STEADY_S)
            usual = max(now["longest_ms"] for now in fleet.moments(began + 1))
            stopped = time.monotonic()
            centre.collectors[1].child.send_signal(signal.SIGSTOP)
            time.sleep(DEAD_S)
            code, result = fleet.finish()
            longest = max(max(now["longest_ms"], now["oldest_ms"]) for now in fleet.moments(stopped))
        finally:
            fleet.process.kill()
    return Dead(stations, usual, longest, result, code)


def retransmission_s() -> float:
    """Return the time after which a station sends again, as it is installed."""
    return TimersConfig().retransmit_min_s


def main(arguments: list[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    options = _options(arguments)
    begin, steps = time.monotonic(), list[Step]()
    postgres = Postgres()
    postgres.start()
    try:
        with tempfile.TemporaryDirectory(prefix="fleet-bench-") as name:
            folder = Path(name)
            for stations in options.steps:
                if steps and stations not in EXPECTED and steps[-1].back_s > spread_s(steps[-1].stations) + CARRIED_S:
                    break
                steps.append(step(folder / str(stations), postgres, stations, options.seed))
                print(f"{stations} stations: back after {steps[-1].back_s:.1f} s", file=sys.stderr)
            dead = dead_collector(folder / "dead", postgres, options.dead, options.seed)
    except (NotInTimeError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        postgres.stop()
        postgres.remove()
    minutes = (time.monotonic() - begin) / 60
    summary = (
        f"Seed {options.seed}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{minutes:.0f} minutes. Written by `make bench-fleet`; change nothing here by hand."
    )
    text, good = page(steps, dead, retransmission_s(), summary)
    print(text)
    if out := options.out or (DOCS if tuple(options.steps[:4]) == EXPECTED else None):
        out.mkdir(parents=True, exist_ok=True)
        (out / "fleet.md").write_text(text, "utf-8")
        print(f"Written to {out}")
    return 0 if good else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True, help="of the traffic")
    parser.add_argument(
        "--steps", type=lambda text: [int(one) for one in text.split(",")], default=STEPS, help="sizes of the fleet"
    )
    parser.add_argument("--dead", type=int, default=DEAD_STATIONS, help="stations where a collector dies")
    parser.add_argument("--out", type=Path, help="folder for the results (docs/sync where all steps are made)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
