"""The pictures readers are measured on: the real corpus, the rendered set, and the research prototype's pictures.

A set holds descriptions; pictures are loaded or rendered one at a time, so that thousands of frames need no memory.
Corpus and prototype lie outside the repository, in the folder named by EYE_SHARED or in ../shared beside the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from station.ports import Gray
from tests.eye import renderer
from tests.eye.conditions import BURST_CONDITIONS, CONDITIONS

SHARED_VARIABLE = "EYE_SHARED"
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Still:
    """One picture. `expected`: texts a reader should find; none at all where nothing may be read (`negative`)."""

    name: str
    category: str
    expected: tuple[str, ...]
    load: Callable[[], Gray]

    @property
    def negative(self) -> bool:
        return not self.expected


@dataclass(frozen=True)
class Burst:
    """Ten frames of one presented pass."""

    name: str
    category: str
    expected: tuple[str, ...]
    frames: Callable[[], Iterator[Gray]]


@dataclass(frozen=True)
class PictureSet:
    """A named set. `issued`: texts that count as valid in it, as a signature check would say."""

    name: str
    stills: tuple[Still, ...] = ()
    bursts: tuple[Burst, ...] = ()

    @property
    def issued(self) -> frozenset[str]:
        return frozenset(text for item in (*self.stills, *self.bursts) for text in item.expected)


def shared_folder() -> Path:
    """Folder with corpus and prototype; it need not exist."""
    return Path(os.environ.get(SHARED_VARIABLE) or _CHECKOUT.parent / "shared")


def load_gray(path: Path) -> Gray:
    """Read a stored picture as gray. Raises OSError naming a file that is none."""
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise OSError(f"{path} is no picture that OpenCV can read; take it out of the manifest or restore the file")
    return np.asarray(picture, np.uint8)


def real(every: int = 1) -> PictureSet | None:
    """Return the corpus, or every n-th picture of it; None where it is not there."""
    folder = shared_folder() / "corpus" / "qr"
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return None
    rows = json.loads(manifest.read_text("utf-8"))[::every]
    stills = (
        Still(row["path"], row["category"], tuple(row.get("expected", ())), partial(load_gray, folder / row["path"]))
        for row in rows
    )
    return PictureSet("real", tuple(stills))


def rendered(seed: int, per_condition: int, empties: int, bursts: int) -> PictureSet:
    """Return the freshly rendered set of `seed`: `per_condition` stills of each condition, severities in turn."""
    stills = [
        Still(f"{name}-{index}", name, renderer.texts_of_still(seed, name, index), partial(_still, seed, name, index))
        for name in CONDITIONS
        for index in range(per_condition)
    ]
    stills += [Still(f"empty-{index}", "empty", (), partial(_empty, seed, index)) for index in range(empties)]
    shown = [
        Burst(
            f"burst-{index}",
            f"burst/{BURST_CONDITIONS[index % len(BURST_CONDITIONS)]}",
            renderer.texts_of_burst(seed, index),
            partial(_frames, seed, index),
        )
        for index in range(bursts)
    ]
    return PictureSet("rendered", tuple(stills), tuple(shown))


def _still(seed: int, condition: str, index: int) -> Gray:
    return renderer.still(seed, condition, index).gray


def _empty(seed: int, index: int) -> Gray:
    return renderer.empty(seed, index).gray


def _frames(seed: int, index: int) -> Iterator[Gray]:
    return (picture.gray for picture in renderer.burst(seed, index))


def prototype(*folders: Path) -> PictureSet:
    """Return pictures that the prototype's renderer wrote to `folders`. Raises OSError where a manifest is missing."""
    parts = [_written(folder) for folder in folders]
    stills = tuple(still for part in parts for still in part.stills)
    return PictureSet("prototype", stills, tuple(burst for part in parts for burst in part.bursts))


def _written(folder: Path) -> PictureSet:
    rows = json.loads((folder / "manifest.json").read_text("utf-8"))
    stills = (
        Still(
            Path(row["path"]).name,
            row["category"],
            tuple(row.get("expected", ())),
            partial(load_gray, folder / Path(row["path"]).name),
        )
        for row in rows
    )
    stored = folder / "bursts.json"
    bursts = (
        Burst(f"burst-{number}", row["category"], tuple(row["expected"]), partial(_stored_frames, folder, row["paths"]))
        for number, row in enumerate(json.loads(stored.read_text("utf-8")) if stored.is_file() else [])
    )
    return PictureSet("prototype", tuple(stills), tuple(bursts))


def _stored_frames(folder: Path, paths: list[str]) -> Iterator[Gray]:
    return (load_gray(folder / Path(path).name) for path in paths)


def render_prototype(folder: Path, seed: int, per_condition: int, empties: int, bursts: int) -> list[Path] | None:
    """Let the prototype's own renderer, unchanged, write stills and bursts to two folders below `folder`.

    It takes about half a second a picture, so two processes share the work. Returns the folders, None where the
    renderer is not there. Raises OSError where it fails.
    """
    program = shared_folder() / "prototypes" / "eye" / "generator.py"
    if not program.is_file():
        return None
    parts = {"stills": (per_condition, 0, empties), "bursts": (0, bursts, 0)}
    running = {folder / name: _prototype_process(program, folder / name, seed, parts[name]) for name in parts}
    said = [process.communicate()[1] for process in running.values()]
    for process, words in zip(running.values(), said, strict=True):
        if process.returncode:
            raise OSError(f"{program.name} of the prototype failed: {words.strip()[-200:]}; run it by hand to see why")
    return list(running)


def _prototype_process(program: Path, folder: Path, seed: int, counts: tuple[int, int, int]) -> subprocess.Popen[str]:
    """Start the renderer. `counts`: stills per condition, bursts, empty frames."""
    stills, bursts, empties = (str(count) for count in counts)
    command = [sys.executable, "-B", str(program), str(folder), str(seed), "--bg", str(folder / "none")]
    command += ["--n", stills, "--bursts", bursts, "--empty", empties]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
