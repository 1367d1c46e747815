"""How many passages a core can carry, and how long a verified pass waits for the relay: `python -m tests.lane.bench`.

Prints figure, bar and verdict; exit status 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

from tests.lane.passages import Passages

PASSAGES = 1_000_000
LONGEST_S = 120.0
LONGEST_DECISION_MS = 1.0
PEOPLE = 5_000
FORGET_EVERY = 20_000


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m tests.lane.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=PASSAGES, help=f"default {PASSAGES}")
    options = parser.parse_args()
    spent = _passages(options.passages)
    projected = spent * PASSAGES / options.passages
    waits = sorted(_waits())
    rows = [
        ("one million simulated passages, s", projected, LONGEST_S),
        ("verified pass to relay command, median ms", median(waits), LONGEST_DECISION_MS),
        ("verified pass to relay command, 99 of 100 below ms", waits[len(waits) * 99 // 100], LONGEST_DECISION_MS),
    ]
    print("| figure | measured | at most | verdict |\n| --- | --- | --- | --- |")
    for name, figure, bar in rows:
        print(f"| {name} | {figure:.3f} | {bar:g} | {'met' if figure <= bar else 'MISSED'} |")
    if options.passages != PASSAGES:
        print(f"Worked out from {options.passages} passages.")
    return int(any(figure > bar for _, figure, bar in rows))


def _passages(count: int) -> float:
    """Return the CPU seconds of so many passages."""
    lane = Passages(PEOPLE)
    begin = time.process_time()
    for number, name in zip(range(count), lane.names(), strict=False):
        lane.pass_through(name)
        if number % FORGET_EVERY == 0:
            lane.register.forget_old(lane.clock.now())
    return time.process_time() - begin


def _waits() -> list[float]:
    """Return how long each of some passes waited from the sighting to the relay, milliseconds."""
    lane, waits = Passages(PEOPLE), []
    for _, name in zip(range(5000), lane.names(), strict=False):
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
