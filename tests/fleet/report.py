"""The page docs/sync/fleet.md: figures, bars, verdicts, and what follows from them for 10,000 stations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sync.central.fleet.fleet import spread_s

if TYPE_CHECKING:
    from tests.fleet.bench import Dead, Step

WANTED = 10_000
PARTS = ("broker", "collectors", "PostgreSQL")
LONGEST = 3
"""Two retransmission times at their longest: the first is the least one, the second up to twice as long (jitter)."""
USUAL_S = 1.0
"""What the way itself may take beside them on a busy machine."""
NOTES = """\
- Each station is a simulated one of `gate-central simulate-fleet`: the real uplink, chain, messages and paho; one
  process for all, each with a connection of its own; timers as installed (health every 10 s, retransmission after 5 s).
- Central: Mosquitto and two `gate-central serve` over PostgreSQL (`fsync` and `synchronous_commit` on), everything on
  loopback and on the same machine as the fleet. Without TLS: [scale](../how-to/scale.md) says what that adds.
- The broker is killed with SIGKILL and forgets everything; a second later it starts again. Back: from the first
  connection that it accepts until central has answered the hello of the last station.
- Lost and doubled come from the database, stream by stream: rows, different rows, and the hash of the last one.
- A dead collector: SIGSTOP, so that its connection stands and it goes on receiving its share, until the broker misses
  its keep-alive (3 s; Mosquitto 2.0 looks every 5 s). The longest wait is that of any event of any station for its
  acknowledgement, from then on. A batch that meets the dead one twice goes a third time after 5 s and 5 to 10 s (the
  protocol's jitter): 10 s would be the bar if the second time had none.
"""


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return (a, b) of the straight line a + b x nearest to the points (least squares)."""
    n = len(points)
    if n == 1:
        return 0.0, points[0][1] / points[0][0]
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    b = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return mean_y - b * mean_x, b


def page(steps: Sequence[Step], dead: Dead, retransmission_s: float, summary: str) -> tuple[str, bool]:
    """Return the page as Markdown and whether every bar is met."""
    bars = [*_step_bars(steps), *_dead_bars(dead, retransmission_s)]
    rows = [f"| {what} | {found} | {asked} | {'met' if met else 'MISSED'} |" for what, found, asked, met in bars]
    text = "\n".join(
        [
            "# Results of the fleet bench",
            "",
            summary,
            "",
            "| Figure | Measured | Bar | Verdict |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "## Steps",
            "",
            *_steps(steps),
            "",
            f"## {WANTED:,} stations",
            "",
            *_extrapolated(steps),
            "",
            "## A dead collector",
            "",
            f"{dead.stations} stations, two collectors, one of them stopped. Longest wait of an event before:",
            f"{dead.usual_ms:.0f} ms; from then on: {dead.longest_ms / 1000:.1f} s. Batches sent again:",
            f"{dead.result['retransmitted']} of {dead.result['batches']}.",
            "",
            "## How it was measured",
            "",
            NOTES,
        ]
    )
    return text, all(met for *_, met in bars)


Bar = tuple[str, str, str, bool]


def _step_bars(steps: Sequence[Step]) -> list[Bar]:
    bars = list[Bar]()
    for one in steps:
        found, name = one.result, f"{one.stations:,} stations"
        database = found["database"]
        missing = found["written"] - found["acknowledged"] + database["lost"]
        bars += [
            (
                f"{name}: heard again after the broker's death",
                f"{found['heard']:,}",
                "all",
                found["heard"] == one.stations,
            ),
            (f"{name}: events lost", f"{missing} of {found['written']:,}", "0", not missing),
            (f"{name}: events doubled or different", str(database["doubled"] + database["other"]), "0", one.code == 0),
        ]
        tries, spread = one.outage["first_tries"], spread_s(one.stations)
        bars.append(
            (
                f"{name}: first tries spread over",
                f"{max(tries):.2f} s",
                f"90 to 105 % of the {spread:g} s that central names",
                0.9 * spread <= max(tries) <= 1.05 * spread + 0.1,
            )
        )
    return bars


def _dead_bars(dead: Dead, retransmission_s: float) -> list[Bar]:
    most, found = LONGEST * retransmission_s, dead.result
    missing = found["written"] - found["acknowledged"] + found["database"]["lost"]
    asked = f"two retransmission times: {retransmission_s:g} s and up to {2 * retransmission_s:g} s"
    met = dead.longest_ms <= (most + USUAL_S) * 1000
    return [
        ("a dead collector stalls an event for", f"{dead.longest_ms / 1000:.1f} s", asked, met),
        ("a dead collector: events lost", f"{missing} of {found['written']:,}", "0", not missing and dead.code == 0),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _steps(steps: Sequence[Step]) -> list[str]:
    head = ("Stations", "Spread", "Back after", "Busiest second", "Failed tries", "Events", "Peak a second")
    head = (*head, "Wait, half", "Wait, 95 of 100", "Batches sent again", "Fleet late by")
    return [
        *_table(head, map(_step, steps)),
        "",
        "CPU seconds in each second, nothing special happening:",
        "",
        *_table(("Stations", *PARTS, "fleet"), [_costs(one.stations, one.steady) for one in steps]),
        "",
        "CPU seconds from the broker's death until all were back, and the broker's memory:",
        "",
        *_table(
            ("Stations", *PARTS, "fleet", "Memory"),
            [(*_costs(one.stations, one.storm), f"{one.broker_kb / 1024:.1f} MB") for one in steps],
        ),
    ]


def _step(one: Step) -> Sequence[object]:
    found = one.result
    return (
        f"{one.stations:,}",
        f"{spread_s(one.stations):g} s",
        f"{one.back_s:.1f} s",
        f"{one.outage['busiest_second']} heard",
        found["failures"],
        f"{found['written']:,}",
        found["peak"],
        f"{found['wait_median_ms']} ms",
        f"{found['wait_p95_ms']} ms",
        f"{found['retransmitted']} of {found['batches']:,}",
        f"{one.late_ms:.0f} ms",
    )


def _costs(stations: int, used: dict[str, float]) -> Sequence[object]:
    return (f"{stations:,}", *(f"{used[part]:.2f}" for part in (*PARTS, "fleet")))


def _extrapolated(steps: Sequence[Step]) -> list[str]:
    largest = steps[-1].stations
    if largest >= WANTED:
        return [f"Measured: the step of {largest:,} above. Nothing is extrapolated."]
    rows, spread = list[Sequence[object]](), spread_s(WANTED)
    storm = steady = 0.0
    for part in PARTS:
        a, b = slope([(one.stations, one.storm[part]) for one in steps])
        c, d = slope([(one.stations, one.steady[part]) for one in steps])
        storm, steady = storm + a + b * WANTED, steady + c + d * WANTED
        first = f"{a:.2f} s + {b * 1000:.3f} ms x {WANTED:,} = {a + b * WANTED:.0f} s"
        rows.append((part, first, f"{c:.3f} + {d * 1000:.4f} ms x {WANTED:,} = {c + d * WANTED:.2f} s"))
    rows.append(("all three", f"{storm:.0f} s", f"{steady:.2f} s"))
    mb, each = slope([(one.stations, one.broker_kb / 1024) for one in steps])
    return [
        f"The largest step was {largest:,}. What follows is the straight line nearest to the steps (least squares),",
        f"drawn on to {WANTED:,}: an estimate, not a measurement.",
        "",
        *_table(("Part", "CPU until all are back", "CPU in each second, steady"), rows),
        "",
        f"Reconnects are spread over {spread:g} s, so the three need {storm / spread:.1f} cores for that long, and",
        f"afterwards {steady:.1f} cores, with 0.1 events a second and a health message every 10 s from each station.",
        f"Memory of the broker: {mb:.0f} MB + {each * 1024:.1f} kB x {WANTED:,} = {mb + each * WANTED:.0f} MB.",
    ]
