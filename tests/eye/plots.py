"""The bench's pictures for docs/eye: what each reader reads, how soon, at what cost; what the conditions look like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from tests.eye import figures, renderer
from tests.eye.conditions import CONDITIONS
from tests.eye.measure import BURST_READERS, BurstRow, Rows, StillRow
from tests.eye.peers import PEERS, STILL, STREAM

_DPI = 80
_OWN, _PEER = "#0b6e4f", "#9aa5b1"


def draw(folder: Path, rows: Rows, seed: int) -> None:
    """Write all plots to `folder` (PNG, each well below a megabyte)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(row.set_name for row in rows.stills):
        _categories(folder, name, [row for row in rows.stills if row.set_name == name and row.expected])
    if rows.bursts:
        _soon(folder, rows.bursts)
    if rows.stills:
        _cost(folder, rows.stills)
    conditions_sheet(folder / "conditions.png", seed)


def _save(folder: Path, name: str) -> None:
    plt.tight_layout()
    plt.savefig(folder / name, dpi=_DPI, metadata={"Software": None})
    plt.close("all")


def _categories(folder: Path, name: str, rows: Sequence[StillRow]) -> None:
    """Share of codes read per category: a map of readers and categories."""
    groups = figures.by_category(rows)
    readers = [reader for reader in (STILL, STREAM, *PEERS) if reader in rows[0].runs[0]]
    shares = np.array(
        [
            [figures.hits(some, r, 0) / sum(len(row.expected) for row in some) for r in readers]
            for some in groups.values()
        ]
    )
    _, axes = plt.subplots(figsize=(8, 1.6 + 0.28 * len(groups)))
    axes.imshow(shares, aspect="auto", vmin=0, vmax=1, cmap="RdYlGn")
    axes.set_xticks(range(len(readers)), readers, rotation=25, ha="right")
    axes.set_yticks(range(len(groups)), list(groups))
    for row, column in np.ndindex(*shares.shape):
        axes.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center", fontsize=8)
    axes.set_title(f"Codes read, set {name}")
    _save(folder, f"read-{name}.png")


def _soon(folder: Path, rows: Sequence[BurstRow]) -> None:
    """Share of bursts read after so many frames."""
    _, axes = plt.subplots(figsize=(7, 4))
    frames = range(1, renderer.BURST_FRAMES + 1)
    for reader in BURST_READERS:
        shown = [row.runs[0][reader] for row in rows if reader in row.runs[0]]
        if shown:
            read = [sum(one.read and one.frames <= count for one in shown) / len(shown) for count in frames]
            axes.step(frames, read, where="post", label=reader, linewidth=2.5 if reader == STREAM else 1.5)
    axes.set(xlabel="frames shown", ylabel="share of bursts read", ylim=(0, 1), title=f"{len(rows)} bursts")
    axes.legend()
    axes.grid(alpha=0.3)
    _save(folder, "bursts.png")


def _cost(folder: Path, rows: Sequence[StillRow]) -> None:
    """CPU time per picture: median and 90th percentile of each reader."""
    readers = [reader for reader in (STREAM, STILL, *PEERS) if reader in rows[0].runs[0]]
    spent = [[row.runs[0][reader].seconds * 1000 for row in rows] for reader in readers]
    _, axes = plt.subplots(figsize=(7, 0.5 * len(readers) + 1.2))
    colours = [_OWN if reader in {STILL, STREAM} else _PEER for reader in readers]
    axes.barh(readers, [float(np.median(times)) for times in spent], color=colours)
    for place, times in enumerate(spent):
        axes.plot([np.median(times), np.percentile(times, 90)], [place, place], color="black", linewidth=1)
    axes.set(xscale="log", xlabel="CPU time per picture, ms: median, line to the 90th percentile")
    axes.invert_yaxis()
    _save(folder, "cost.png")


def conditions_sheet(path: Path, seed: int, columns: int = 6) -> None:
    """Write one picture of each condition at severity 3, reduced, with its name."""
    size = (208, 117)
    tiles = []
    for name in CONDITIONS:
        tile = cv2.resize(renderer.still(seed, name, 2).gray, size, interpolation=cv2.INTER_AREA) // 8 * 8
        cv2.rectangle(tile, (0, 0), (size[0], 14), (0,), -1)
        cv2.putText(tile, name, (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.zeros((size[1], size[0]), np.uint8)] * (-len(tiles) % columns)
    lines = [np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(lines), [cv2.IMWRITE_PNG_COMPRESSION, 9])
