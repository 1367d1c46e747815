"""Lets all readers read all pictures, interleaved, and notes what each read and how much CPU time it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from station.ports import Gray
from tests.eye import peers
from tests.eye.peers import OwnStill, OwnStream, Read, Texts
from tests.eye.sets import Burst, PictureSet, Still

BURST_READERS = (peers.ZXING, peers.ZBAR, peers.STREAM)
FRAMED = {peers.ZXING_FRAME: peers.ZXING, peers.ZBAR_FRAME: peers.ZBAR}
FRAME_SHAPE = (720, 1280)
FRAME_PERIOD_S = 1 / 30


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader made of one picture: CPU seconds of this process, and the texts it returned."""

    seconds: float
    texts: Texts


@dataclass(frozen=True, slots=True)
class StillRow:
    """One picture. `runs`: for each run, the reading of each reader by name."""

    set_name: str
    category: str
    expected: Texts
    runs: tuple[dict[str, Reading], ...]


@dataclass(slots=True)
class Shown:
    """One reader before one burst, until it read the pass or the burst ended. `strays`: validated texts not shown."""

    frames: int = 0
    seconds: float = 0.0
    read: bool = False
    strays: int = 0


@dataclass(frozen=True, slots=True)
class BurstRow:
    """One burst. `runs`: for each run, how each reader by name fared."""

    set_name: str
    category: str
    runs: tuple[dict[str, Shown], ...]


@dataclass(frozen=True, slots=True)
class Work:
    """One process's share: pictures and bursts of one set. `first`: number of its first picture, for the shuffling."""

    set_name: str
    issued: frozenset[str]
    stills: Sequence[Still]
    bursts: Sequence[Burst]
    seed: int
    runs: int
    first: int


@dataclass(slots=True)
class Rows:
    """Everything measured. `live_ms`: time of each frame of the live pass in the reading thread, milliseconds."""

    stills: list[StillRow] = field(default_factory=list)
    bursts: list[BurstRow] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)


def same_text(text: str, expected: str) -> bool:
    """Tell whether a reader's text is the expected one; bytes that a peer took for Latin-1 may be Shift JIS."""
    if text == expected:
        return True
    try:
        return text.encode("latin-1").decode("shift_jis") == expected
    except UnicodeError:
        return False


def found(texts: Iterable[str], expected: Texts) -> int:
    """Count the expected texts among those read."""
    texts = tuple(texts)
    return sum(any(same_text(text, wanted) for text in texts) for wanted in expected)


def timed(read: Read, gray: Gray) -> Reading:
    """Let a reader read one picture; time is CPU time of the whole process, all threads."""
    begin = time.process_time()
    texts = read(gray)
    return Reading(time.process_time() - begin, tuple(texts))


def measure(work: Work) -> Rows:
    """Do one share of the work. Raises ReaderMissingError where our reader cannot be loaded."""
    readers, _ = peers.peers()
    rows = Rows()
    empties = [OwnStream(work.issued) for _ in range(work.runs)]
    warm(readers)
    for number, still in enumerate(work.stills, work.first):
        rows.stills.append(_still_row(work, still, number, readers, empties))
    for number, burst in enumerate(work.bursts, work.first):
        rows.bursts.append(_burst_row(work, burst, number, readers))
    for stream in empties:
        stream.close()
    return rows


def warm(readers: dict[str, Read]) -> None:
    """Let every reader read once before it counts: libraries load and build tables at the first picture."""
    gray = np.full((720, 1280), 128, np.uint8)
    for read in (*readers.values(), OwnStill(), OwnStream(frozenset())):
        read(gray)


def _shuffled(names: Iterable[str], *seeds: int) -> list[str]:
    names = list(names)
    return [names[place] for place in np.random.default_rng(list(seeds)).permutation(len(names))]


def _still_row(work: Work, still: Still, number: int, readers: dict[str, Read], empties: list[OwnStream]) -> StillRow:
    """Read one picture in all runs. A stream sees a readable picture as its first frame, empty ones in a row."""
    gray, runs = still.load(), []
    frame = as_frame(gray)
    for run in range(work.runs):
        stream = empties[run] if still.negative else OwnStream(work.issued)
        everyone: dict[str, tuple[Read, Gray]] = {name: (read, gray) for name, read in readers.items()}
        everyone |= {peers.STILL: (OwnStill(), gray), peers.STREAM: (stream, frame)}
        if frame is not gray:
            everyone |= {name: (readers[peer], frame) for name, peer in FRAMED.items() if peer in readers}
        readings = {name: timed(*everyone[name]) for name in _shuffled(everyone, work.seed, run, number)}
        runs.append({name: readings[peer] for name, peer in FRAMED.items() if peer in readings} | readings)
        if not still.negative:
            stream.close()
    return StillRow(work.set_name, still.category, still.expected, tuple(runs))


def as_frame(gray: Gray) -> Gray:
    """Return a picture as the camera's frame holds it: fitted into 1280 x 720, the rest in its border's gray."""
    height, width = gray.shape
    if (height, width) == FRAME_SHAPE:
        return gray
    scale = min(FRAME_SHAPE[0] / height, FRAME_SHAPE[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    fitted = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    border = np.concatenate([fitted[0], fitted[-1], fitted[:, 0], fitted[:, -1]])
    frame = np.full(FRAME_SHAPE, np.uint8(np.median(border)), np.uint8)
    top, left = (FRAME_SHAPE[0] - size[1]) // 2, (FRAME_SHAPE[1] - size[0]) // 2
    frame[top : top + size[1], left : left + size[0]] = fitted
    return frame


def _burst_row(work: Work, burst: Burst, number: int, readers: dict[str, Read]) -> BurstRow:
    frames, runs = list(burst.frames()), []
    for run in range(work.runs):
        stream = OwnStream(work.issued)
        everyone: dict[str, Read] = {**readers, peers.STREAM: stream}
        everyone = {name: everyone[name] for name in BURST_READERS if name in everyone}
        runs.append(_show(burst, frames, everyone, work, (run, number)))
        stream.close()
    return BurstRow(work.set_name, burst.category, tuple(runs))


def _show(
    burst: Burst, frames: list[Gray], everyone: dict[str, Read], work: Work, turn: tuple[int, int]
) -> dict[str, Shown]:
    """Show the frames to all readers by turns; whoever has read the pass is done, as at a gate."""
    shown = {name: Shown() for name in everyone}
    for place, gray in enumerate(frames):
        for name in _shuffled(everyone, work.seed, *turn, place):
            state = shown[name]
            if state.read:
                continue
            reading = timed(everyone[name], gray)
            state.frames += 1
            state.seconds += reading.seconds
            state.read = found(reading.texts, burst.expected) > 0
            state.strays += len(strays(reading.texts, burst.expected, work.issued))
    return shown


def strays(texts: Iterable[str], expected: Texts, issued: frozenset[str]) -> list[str]:
    """Texts that pass validation although this picture does not show them: stale or invented."""
    return [text for text in texts if text in issued and text not in expected]


def live(bursts: Sequence[Burst], empties: Sequence[Still], reader: Callable[[Gray], object]) -> list[float]:
    """Show bursts and empty frames at 30 frames a second to one stream reader whose soft attempts run elsewhere.

    Returns the CPU time of each call in this thread, milliseconds.
    """
    spent: list[float] = []
    due = time.monotonic()
    for sequence in [*(burst.frames for burst in bursts), lambda: (still.load() for still in empties)]:
        for gray in list(sequence()):
            time.sleep(max(0.0, due - time.monotonic()))
            due = time.monotonic() + FRAME_PERIOD_S
            begin = time.thread_time()
            reader(gray)
            spent.append((time.thread_time() - begin) * 1000)
    return spent


def share(pictures: PictureSet, part: int, parts: int, seed: int, runs: int) -> Work:
    """Return every n-th picture and burst of a set as the work of one process."""
    stills, bursts = pictures.stills[part::parts], pictures.bursts[part::parts]
    return Work(pictures.name, pictures.issued, stills, bursts, seed, runs, part * 100_000)
