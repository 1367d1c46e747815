"""Turns what was measured into figures, and figures into verdicts against the bars.

Each figure is worked out for every run by itself; the median over the runs counts. False texts count in any run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

import numpy as np

from tests.eye.measure import BurstRow, Rows, Shown, StillRow, found, strays
from tests.eye.peers import PEERS, STILL, STREAM, ZBAR, ZBAR_FRAME, ZXING, ZXING_FRAME

FRAME_BUDGET_MS = 33.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what is asked of it. `floor` decides the exit code, `goal` is printed beside it; None: not asked."""

    name: str
    set_name: str
    figure: float
    floor: float | None
    goal: float | None
    at_least: bool = False

    @property
    def missed(self) -> bool:
        """Whether the floor is missed; a figure that could not be worked out misses it."""
        return self.floor is not None and not self._meets(self.floor)

    @property
    def verdict(self) -> str:
        """What the tables say: goal, floor, MISSED, or below goal where no floor is asked."""
        if self.missed:
            return "MISSED"
        if self.goal is not None and self._meets(self.goal):
            return "goal"
        return "" if self.floor is None and self.goal is None else ("floor" if self.floor is not None else "below goal")

    def _meets(self, limit: float) -> bool:
        return self.figure >= limit if self.at_least else self.figure <= limit


def ratio(ours: float, theirs: float) -> float:
    """Ours against theirs; nothing against nothing is 1."""
    if theirs:
        return ours / theirs
    return math.inf if ours else 1.0


def _median_run(runs: int, figure: Callable[[int], float]) -> float:
    return median(figure(run) for run in range(runs))


def hits(rows: Iterable[StillRow], reader: str, run: int) -> int:
    """Count the expected texts that a reader read."""
    return sum(found(row.runs[run][reader].texts, row.expected) for row in rows if reader in row.runs[run])


def union_hits(rows: Iterable[StillRow], run: int) -> int:
    """Count the expected texts that at least one peer read."""
    return sum(
        found((t for name in PEERS if name in row.runs[run] for t in row.runs[run][name].texts), row.expected)
        for row in rows
    )


def by_category(rows: Iterable[StillRow]) -> dict[str, list[StillRow]]:
    """Sort pictures by category, in order of appearance."""
    sorted_rows: dict[str, list[StillRow]] = {}
    for row in rows:
        sorted_rows.setdefault(row.category, []).append(row)
    return sorted_rows


def below_best_peer(rows: Sequence[StillRow], run: int) -> list[str]:
    """Name the categories in which some peer alone read more than our still reader."""
    return [
        category
        for category, some in by_category(rows).items()
        if hits(some, STILL, run) < max((hits(some, peer, run) for peer in PEERS), default=0)
    ]


def median_ms(rows: Iterable[StillRow], reader: str, run: int) -> float:
    """Median CPU time of a reader per picture, milliseconds; not a number where there is no picture."""
    spent = [row.runs[run][reader].seconds for row in rows if reader in row.runs[run]]
    return median(spent) * 1000 if spent else math.nan


def _readable(rows: Iterable[StillRow], reader: str, run: int) -> list[StillRow]:
    return [r for r in rows if reader in r.runs[run] and found(r.runs[run][reader].texts, r.expected)]


def _pace(rows: Sequence[StillRow], peer: str, run: int) -> float:
    """Time of our stream against a peer's, on the camera frames (1280 x 720) that the peer reads."""
    some = _readable(rows, peer, run)
    return ratio(median_ms(some, STREAM, run), median_ms(some, peer, run))


def still_bars(name: str, rows: Sequence[StillRow], *, photographs: bool) -> list[Bar]:
    """Bars of single pictures. `photographs`: the floors of the real set hold, else those of rendered ones."""
    positive = [row for row in rows if row.expected]
    negative = [row for row in rows if not row.expected]
    bars = []
    if positive:
        bars += _reading_bars(name, positive, photographs=photographs)
    if negative:
        runs = len(negative[0].runs)
        pace = _median_run(
            runs, lambda run: ratio(median_ms(negative, STREAM, run), median_ms(negative, ZXING_FRAME, run))
        )
        bars.append(Bar("stream: median on empty frames against zxing-cpp", name, pace, 1.0, 0.7))
        invented = sum(len(run[own].texts) for row in negative for run in row.runs for own in (STILL, STREAM))
        bars.append(Bar("texts on pictures without a code", name, invented, 0, 0))
    return bars


def _reading_bars(name: str, rows: Sequence[StillRow], *, photographs: bool) -> list[Bar]:
    runs, total = len(rows[0].runs), sum(len(row.expected) for row in rows)

    def misses(peer: str) -> float:
        return _median_run(runs, lambda run: ratio(total - hits(rows, STILL, run), total - hits(rows, peer, run)))

    ahead = _median_run(runs, lambda run: hits(rows, STILL, run) - union_hits(rows, run))
    below = _median_run(runs, lambda run: len(below_best_peer(rows, run)))
    stale = _stale(rows)
    return [
        Bar("still: misses against zxing-cpp", name, misses(ZXING), 0.55 if photographs else 0.65, 0.40),
        Bar("still: misses against pyzbar", name, misses(ZBAR), 0.30 if photographs else 0.45, 0.25),
        Bar("still: codes read more than all peers together", name, ahead, 1, None, at_least=True),
        Bar("still: categories below the best peer", name, below, None, 0),
        Bar("stream: median on readable frames against zxing-cpp", name,
            _median_run(runs, lambda run: _pace(rows, ZXING_FRAME, run)), 0.6, 0.4),
        Bar("stream: median on readable frames against pyzbar", name,
            _median_run(runs, lambda run: _pace(rows, ZBAR_FRAME, run)), 0.06, 0.03),
        Bar("wrong texts after validation, stills", name, stale, 0, 0),
    ]  # fmt: skip


def _stale(rows: Sequence[StillRow]) -> int:
    """Count the valid texts our readers saw in pictures that do not show them.

    The corpus does not list every code of every picture: a text that a peer decodes in the same picture is in it.
    """
    issued = frozenset(text for row in rows for text in row.expected)

    def shown(row: StillRow) -> tuple[str, ...]:
        return (*row.expected, *(text for run in row.runs for peer in PEERS for text in run[peer].texts))

    return sum(
        len(strays(run[own].texts, shown(row), issued)) for row in rows for run in row.runs for own in (STILL, STREAM)
    )


def burst_bars(name: str, rows: Sequence[BurstRow]) -> list[Bar]:
    """Bars of bursts: passes read, frames needed (an unread burst needs all its frames), CPU time per frame."""
    runs = len(rows[0].runs)

    def against(peer: str, figure: Callable[[list[Shown]], float]) -> float:
        return _median_run(
            runs,
            lambda run: ratio(*(figure([row.runs[run][reader] for row in rows]) for reader in (STREAM, peer))),
        )

    stale = sum(run[STREAM].strays for row in rows for run in row.runs)
    return [
        Bar("bursts: number read against zxing-cpp", name, against(ZXING, read_bursts), 1.5, 2.0, at_least=True),
        Bar("bursts: frames needed against zxing-cpp", name, against(ZXING, frames_needed), 0.75, 0.5),
        Bar("bursts: frames needed where both read", name, _both_read(rows, runs), None, None),
        Bar("bursts: mean CPU per frame against pyzbar", name, against(ZBAR, cpu_per_frame), 0.7, 0.4),
        Bar("bursts: mean CPU per burst against pyzbar", name, against(ZBAR, cpu_per_burst), None, None),
        Bar("wrong texts after validation, bursts", name, stale, 0, 0),
    ]


def read_bursts(shown: Sequence[Shown]) -> float:
    """Count the bursts that were read."""
    return float(sum(one.read for one in shown))


def frames_needed(shown: Sequence[Shown]) -> float:
    """Mean number of frames until the pass was read or the burst ended."""
    return mean(one.frames for one in shown)


def cpu_per_frame(shown: Sequence[Shown]) -> float:
    """CPU seconds per frame that was looked at."""
    return sum(one.seconds for one in shown) / sum(one.frames for one in shown)


def cpu_per_burst(shown: Sequence[Shown]) -> float:
    """CPU seconds per burst."""
    return mean(one.seconds for one in shown)


def _both_read(rows: Sequence[BurstRow], runs: int) -> float:
    def figure(run: int) -> float:
        both = [row.runs[run] for row in rows if row.runs[run][ZXING].read and row.runs[run][STREAM].read]
        sums = [sum(run[reader].frames for run in both) for reader in (STREAM, ZXING)]
        return ratio(sums[0], sums[1])

    return _median_run(runs, figure)


def live_bars(live_ms: Sequence[float]) -> list[Bar]:
    """Bar of the frame budget; what could not be measured misses it."""
    p99 = float(np.percentile(live_ms, 99)) if live_ms else math.inf
    return [Bar("stream: p99 of a frame, live (ms)", "live", p99, FRAME_BUDGET_MS, None)]


def judge(rows: Rows) -> list[Bar]:
    """Work out all bars that the measured rows allow."""
    bars: list[Bar] = []
    for name in dict.fromkeys(row.set_name for row in [*rows.stills, *rows.bursts]):
        stills = [row for row in rows.stills if row.set_name == name]
        bursts = [row for row in rows.bursts if row.set_name == name]
        bars += still_bars(name, stills, photographs=name == "real") if stills else []
        bars += burst_bars(name, bursts) if bursts else []
    return bars + live_bars(rows.live_ms)


def exit_code(bars: Iterable[Bar]) -> int:
    """1 where a floor is missed, else 0."""
    return int(any(bar.missed for bar in bars))
