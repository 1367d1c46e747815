"""The bench's tables, as Markdown: on the terminal and in docs/eye/results.md."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from tests.eye import figures
from tests.eye.figures import Bar
from tests.eye.measure import BURST_READERS, BurstRow, Rows, StillRow
from tests.eye.peers import PEERS, STILL, STREAM, ZXING

_READERS = (STILL, STREAM, *PEERS)


def whole(rows: Rows, bars: Sequence[Bar], notices: Sequence[str], seed: int, seconds: float) -> str:
    """Return the report: bars with verdicts, then the tables per set and category."""
    runs = len(rows.stills[0].runs) if rows.stills else 0
    summary = (
        f"Seed {seed}, median of {runs} interleaved runs, CPU times, {platform.machine()}, "
        f"{len(rows.stills)} pictures, {len(rows.bursts)} bursts, {seconds / 60:.0f} minutes. "
        "Written by `python -m tests.eye.bench`; change nothing here by hand."
    )
    parts = ["# The eye, measured", summary]
    parts += [f"> {notice}" for notice in notices]
    parts += ["## Bars", _bar_table(bars)]
    for name in dict.fromkeys(row.set_name for row in rows.stills):
        stills = [row for row in rows.stills if row.set_name == name]
        parts += [f"## Set {name}: codes read", _still_table(stills)]
        parts += [f"## Set {name}: median CPU time per picture (ms)", _time_table(stills)]
        if bursts := [row for row in rows.bursts if row.set_name == name]:
            parts += [f"## Set {name}: bursts read", _burst_table(bursts)]
    return "\n\n".join(parts) + "\n"


def write(folder: Path, text: str) -> None:
    """Write the report to `folder`/results.md."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text, "utf-8")


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _limit(bar: Bar, value: float | None) -> str:
    if value is None:
        return ""
    return f"{'at least' if bar.at_least else 'at most'} {value:g}"


def _bar_table(bars: Sequence[Bar]) -> str:
    head = ("bar", "set", "figure", "floor", "goal", "verdict")
    body = [
        (bar.name, bar.set_name, _number(bar.figure), _limit(bar, bar.floor), _limit(bar, bar.goal), bar.verdict)
        for bar in bars
    ]
    return _table(head, body)


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value == int_or(value) else f"{value:.3g}"


def int_or(value: float) -> float:
    """Return the value without its fraction; infinities stay."""
    return value if math.isinf(value) else float(int(value))


def _present(rows: Sequence[StillRow]) -> list[str]:
    return [name for name in _READERS if any(name in row.runs[0] for row in rows)]


def _still_table(rows: Sequence[StillRow]) -> str:
    positive = [row for row in rows if row.expected]
    readers, runs = _present(rows), range(len(rows[0].runs))
    groups = {**figures.by_category(positive), "all": positive}
    body = []
    for category, some in groups.items():
        total = sum(len(row.expected) for row in some)
        counts = [f"{median(figures.hits(some, name, run) for run in runs):g}" for name in readers]
        together = f"{median(figures.union_hits(some, run) for run in runs):g}"
        body.append((category, str(total), *counts, together))
    if negative := [row for row in rows if not row.expected]:
        false = [str(sum(len(row.runs[0][name].texts) for row in negative)) for name in readers]
        body.append(("texts where there is no code", f"{len(negative)} pictures", *false, ""))
    return _table(("category", "codes", *readers, "peers together"), body)


def _time_table(rows: Sequence[StillRow]) -> str:
    readers, runs = _present(rows), range(len(rows[0].runs))
    groups = {
        "readable (by zxing-cpp)": [r for r in rows if figures.found(r.runs[0][ZXING].texts, r.expected)],
        "with a code": [r for r in rows if r.expected],
        "empty": [r for r in rows if not r.expected],
    }
    body = [
        (label, *(f"{median(figures.median_ms(some, name, run) for run in runs):.2f}" for name in readers))
        for label, some in groups.items()
        if some
    ]
    return _table(("pictures", *readers), body)


def _burst_table(rows: Sequence[BurstRow]) -> str:
    readers = [name for name in BURST_READERS if name in rows[0].runs[0]]
    groups: dict[str, list[BurstRow]] = {}
    for row in rows:
        groups.setdefault(row.category, []).append(row)
    body = []
    for category, some in {**groups, "all": list(rows)}.items():
        cells = [_burst_cell(some, name) for name in readers]
        body.append((category, str(len(some)), *cells))
    return _table(("condition", "bursts", *(f"{name}: read, frames, ms/frame" for name in readers)), body)


def _burst_cell(rows: Sequence[BurstRow], reader: str) -> str:
    runs = [[row.runs[run][reader] for row in rows] for run in range(len(rows[0].runs))]
    read = median(figures.read_bursts(shown) for shown in runs)
    frames = median(figures.frames_needed(shown) for shown in runs)
    spent = median(figures.cpu_per_frame(shown) for shown in runs) * 1000
    return f"{read:g}, {frames:.1f}, {spent:.1f}"
