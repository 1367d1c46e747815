"""How many passages a core can carry, and how long a verified pass waits for the relay: `python -m tests.lane.bench`.

Prints figure, bar and verdict; exit status 1 where a bar is missed. The million is shared by two lanes, a process for
each, as a machine with two cores would simulate them; it counts by the clock on the wall, from the first process's
start to the last one's end. What one core spends on a passage is shown beside it. The wait for the relay counts by the
best of five runs: the speed of the machine swings, and what is above its best is other work.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

from tests.lane.passages import Passages

PASSAGES = 1_000_000
LONGEST_S = 120.0
LONGEST_DECISION_MS = 1.0
PEOPLE = 5_000
FORGET_EVERY = 20_000
RUNS = 5
LANES = 2


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m tests.lane.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=PASSAGES, help=f"default {PASSAGES}")
    options = parser.parse_args()
    wall_s, core_s = _shared(options.passages)
    runs = [sorted(_waits()) for _ in range(RUNS)]
    middle, last = min(map(median, runs)), min(waits[len(waits) * 99 // 100] for waits in runs)
    rows: list[tuple[str, float, float | None]] = [
        (f"one million simulated passages on {LANES} cores, s", wall_s, LONGEST_S),
        ("a passage on one core, ms", core_s * 1000 / PASSAGES, None),
        (f"verified pass to relay command, median ms, best of {RUNS} runs", middle, LONGEST_DECISION_MS),
        (f"verified pass to relay command, 99 of 100 below ms, best of {RUNS} runs", last, LONGEST_DECISION_MS),
    ]
    print("| figure | measured | at most | verdict |\n| --- | --- | --- | --- |")
    for name, figure, bar in rows:
        verdict = "" if bar is None else "met" if figure <= bar else "MISSED"
        print(f"| {name} | {figure:.3f} | {'' if bar is None else f'{bar:g}'} | {verdict} |")
    if options.passages != PASSAGES:
        print(f"Worked out from {options.passages} passages.")
    return int(any(bar is not None and figure > bar for _, figure, bar in rows))


def _shared(count: int) -> tuple[float, float]:
    """Return the seconds by the clock, and by the processors, of a million passages, worked out from `count`."""
    begin = time.perf_counter()
    with ProcessPoolExecutor(LANES, get_context("spawn")) as processes:
        core_s = sum(processes.map(_passages, [count // LANES] * LANES))
    return (time.perf_counter() - begin) * PASSAGES / count, core_s * PASSAGES / count


def _passages(count: int) -> float:
    """Return the CPU seconds of so many passages through one lane."""
    lane = Passages(PEOPLE)
    begin = time.process_time()
    for number, name in zip(range(1, count + 1), lane.names(), strict=False):
        lane.pass_through(name)
        if number % FORGET_EVERY == 0:
            lane.register.forget_old(lane.clock.now())
    return time.process_time() - begin


def _waits() -> list[float]:
    """Return how long each of some passes waited from the sighting to the relay, milliseconds."""
    lane, waits = Passages(PEOPLE), []
    for _, name in zip(range(2000), lane.names(), strict=False):
        begin = time.perf_counter()
        lane.show(name)
        waits.append((time.perf_counter() - begin) * 1000)
        assert lane.relay.unlocked
        lane.doorway.step(_OPENED)
        lane.doorway.step(_CLOSED)
        lane.clock.move(10_000_000)
        lane.flow.expire()
    return waits


if __name__ == "__main__":
    from station.core.door import DoorEvent

    _OPENED, _CLOSED = DoorEvent.OPENED, DoorEvent.CLOSED
    sys.exit(main())
