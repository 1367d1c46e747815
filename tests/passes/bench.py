"""Measures passes against what is asked of them: `python -m tests.passes.bench --seed N`. Exit code 1 where missed.

Everything is measured in one run with its peers. Times are CPU times, in turns with the peers, median of five runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.passes import figures, imports, replays, sizes, speed, strictness

DOCS = Path(__file__).resolve().parents[2] / "docs" / "passes"


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured. `vectors`: of each file, None for all; `hunted`: texts; `rounds`: of each timing."""

    vectors: int | None
    hunted: int
    rounds: int
    processes: int
    consumed: int
    decisions: int


FULL = Extent(None, 200_000, 500, 21, 500, 50_000)
QUICK = Extent(1, 3_000, 40, 3, 20, 2_000)


def main(arguments: list[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    options = _options(arguments)
    extent = QUICK if options.quick else FULL
    begin = time.monotonic()
    parts = _measured(extent, options)
    text = figures.report(parts, _summary(options, time.monotonic() - begin))
    print(text)
    if folder := options.out or (None if options.quick else DOCS):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.md").write_text(text, "utf-8")
        print(f"Written to {folder}")
    return figures.exit_code(parts)


def _measured(extent: Extent, options: argparse.Namespace) -> list[figures.Part]:
    """Times first, while the machine is quiet; then what takes long."""
    statuses, size = speed.ten_million()
    parts = [
        sizes.measure(),
        speed.measure_live(statuses, extent.rounds),
        speed.measure_status(statuses, size, max(3, extent.rounds // 10)),
        speed.measure_rules(statuses, max(3, extent.rounds // 10)),
        imports.measure(extent.processes),
    ]
    with tempfile.TemporaryDirectory() as folder:
        parts.append(replays.measure(statuses, Path(folder), extent.consumed, extent.decisions, options.seed))
    print("Measured times; now every change of the vectors, and the hunt ...", file=sys.stderr)
    parts.append(strictness.measure(options.seed, extent.vectors, extent.hunted, options.jobs))
    return parts


def _summary(options: argparse.Namespace, seconds: float) -> str:
    return (
        f"Seed {options.seed}, {platform.machine()}, Python {platform.python_version()}, {seconds / 60:.0f} minutes. "
        "Written by `python -m tests.passes.bench`; change nothing here by hand."
    )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.passes.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True, help="of the hunt and the made-up presentations")
    parser.add_argument("--quick", action="store_true", help="a little of everything: a look, not a judgement")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes for the changes (2)")
    parser.add_argument("--out", type=Path, help="folder for the results (docs/passes; none with --quick)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
