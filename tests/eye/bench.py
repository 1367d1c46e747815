"""Measures our reader against its peers: `python -m tests.eye.bench --seed N`. Exit code 1 where a floor is missed.

The real corpus is looked for in the folder named by EYE_SHARED, else in ../shared beside the checkout; without it the
bench says so and measures the rendered set alone. Two processes share the pictures; times are CPU times.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.eye import figures, plots, report, sets
from tests.eye.measure import Rows, live, measure, share
from tests.eye.peers import OwnStream, ReaderMissingError, peers
from tests.eye.sets import PictureSet

DOCS = Path(__file__).resolve().parents[2] / "docs" / "eye"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured. `every`: each n-th picture of the corpus; `live`: bursts shown in real time."""

    per_condition: int
    empties: int
    bursts: int
    every: int
    live: int
    prototype: tuple[int, int, int]
    """Stills per condition, empty frames and bursts of the prototype's renderer."""


FULL = Extent(12, 60, 315, 1, 48, (8, 24, 32))
QUICK = Extent(4, 12, 12, 10, 6, (0, 0, 0))


def main(arguments: list[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    options = _options(arguments)
    extent = QUICK if options.quick else FULL
    begin = time.monotonic()
    _, notices = peers()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            chosen, missing = _sets(options, extent, Path(scratch))
            notices += missing
            rows = _measured(chosen, options)
            rows.live_ms = _live(chosen, extent, notices)
    except (ReaderMissingError, OSError) as error:
        print(f"The bench cannot run: {error}", file=sys.stderr)
        return 2
    bars = figures.judge(rows)
    text = report.whole(rows, bars, notices, options.seed, time.monotonic() - begin)
    print(text)
    if folder := options.out or (None if options.quick else DOCS):
        report.write(folder, text)
        plots.draw(folder, rows, options.seed)
        print(f"Written to {folder}")
    return figures.exit_code(bars)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.eye.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True, help="of the rendered pictures and of the reading order")
    parser.add_argument("--quick", action="store_true", help="few pictures and one run: a look, not a judgement")
    parser.add_argument("--runs", type=int, default=None, help="interleaved runs (5; 1 with --quick)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes (2)")
    parser.add_argument("--prototype", type=Path, help="folder with pictures of the prototype's renderer")
    parser.add_argument("--out", type=Path, help="folder for tables and plots (docs/eye; none with --quick)")
    options = parser.parse_args(arguments)
    options.runs = options.runs or (1 if options.quick else 5)
    return options


def _sets(options: argparse.Namespace, extent: Extent, scratch: Path) -> tuple[list[PictureSet], list[str]]:
    """Gather the sets, and notices about those that are missing."""
    chosen, notices = [], []
    if real := sets.real(extent.every):
        chosen.append(real)
    else:
        notices.append(f"The real corpus is not here: set {sets.SHARED_VARIABLE} to the folder that holds corpus/qr.")
    chosen.append(sets.rendered(options.seed, extent.per_condition, extent.empties, extent.bursts))
    if options.prototype:
        chosen.append(sets.prototype(options.prototype))
    elif extent.prototype[0]:
        print("Rendering the prototype's pictures ...", file=sys.stderr)
        if folders := sets.render_prototype(scratch, options.seed, *extent.prototype):
            chosen.append(sets.prototype(*folders))
        else:
            notices.append("The prototype's renderer is not here: name a folder with its pictures by --prototype.")
    return chosen, notices


def _measured(chosen: list[PictureSet], options: argparse.Namespace) -> Rows:
    """Share all sets among the processes, each of which reads its pictures with all readers."""
    rows = Rows()
    shares = [
        share(pictures, part, options.jobs, options.seed, options.runs)
        for pictures in chosen
        for part in range(options.jobs)
    ]
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        for work, part in zip(shares, pool.map(measure, shares), strict=True):
            print(f"Read {len(part.stills)} pictures, {len(part.bursts)} bursts: {work.set_name}", file=sys.stderr)
            rows.stills += part.stills
            rows.bursts += part.bursts
    return rows


def _live(chosen: list[PictureSet], extent: Extent, notices: list[str]) -> list[float]:
    """Measure frames in real time; empty, with a notice, where the reader has no worker."""
    rendered = next(pictures for pictures in chosen if pictures.name == "rendered")
    empties = [still for still in rendered.stills if still.negative]
    try:
        stream = OwnStream(rendered.issued, live=True)
    except ReaderMissingError as error:
        notices.append(f"The live pass was not measured: {error}")
        return []
    try:
        return live(rendered.bursts[: extent.live], empties, stream)
    finally:
        stream.close()


if __name__ == "__main__":
    sys.exit(main())
