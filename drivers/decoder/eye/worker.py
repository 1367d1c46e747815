"""Heavy attempts in a process of their own, so that they never delay the next frame.

The process starts with the first frame handed over, runs at low priority, and answers over a pipe; pictures pass
through shared memory, so that handing one over never waits. An attempt that exceeds its budget ends with the process
being killed; the next frame starts it anew.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.shared_memory import SharedMemory

import numpy as np

from drivers.decoder.eye.escalation import Escalation
from drivers.decoder.zxing import Located
from station.ports import DecodedCode, Gray

log = logging.getLogger(__name__)

BUDGET_S = 2.0
"""An attempt that takes longer hangs: the longest measured takes a tenth of it."""

_START_BUDGET_S = 30.0
"""Starting Python and loading OpenCV on a small computer."""

_FRESH_S = 0.5
"""An answer about an older frame is stale: that pass may have been taken away."""

_NICENESS = 10
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Job:
    """What the process is asked: look at the picture in the shared memory, `shape` (height, width)."""

    shape: tuple[int, int]
    located: tuple[Located, ...]
    forget: bool
    foreign: tuple[str, ...]


@dataclass(slots=True)
class _Process:
    """The running process; `asked_at` None: it is idle; `ready`: it has answered at least once."""

    process: SpawnProcess
    pipe: Connection
    picture: SharedMemory
    asked_at: float | None
    ready: bool = False
    forgotten: bool = False
    """What is being worked on was settled meanwhile: its answer does not count."""


class SoftWorker:
    """Implementation of drivers.decoder.eye.stream.HeavyWorker; for one thread."""

    def __init__(self, budget_s: float = BUDGET_S, clock: Callable[[], float] = time.monotonic) -> None:
        """`budget_s`: seconds an attempt may take; `clock`: seconds, for tests."""
        self._budget_s, self._clock = budget_s, clock
        self._running: _Process | None = None
        self._forget = False
        self._foreign: list[str] = []
        self._faulty = False
        self._closed = False

    def offer(self, gray: Gray, located: Sequence[Located]) -> None:
        """Hand over a frame, unless the last is still being worked on. Starts or restarts the process."""
        if self._closed:
            return
        self._end_hanging()
        running = self._running
        if running and running.picture.size < gray.size:
            self._kill()
            running = None
        if running is None:
            running = self._running = _start(gray.size, self._clock())
        if running.asked_at is not None:
            return
        _pixels(running.picture, gray.shape[0], gray.shape[1])[:] = gray
        job = _Job((gray.shape[0], gray.shape[1]), tuple(located), self._forget, tuple(self._foreign))
        try:
            running.pipe.send(job)
        except (OSError, ValueError) as error:
            self._report(f"does not take frames ({error})")
            self._kill()
            return
        running.asked_at, running.forgotten = self._clock(), False
        self._forget, self._foreign = False, []

    def take(self) -> list[DecodedCode]:
        """Codes read from a frame handed over less than half a second ago. Never waits."""
        running = self._running
        if running is None or running.asked_at is None:
            return []
        try:
            if not running.pipe.poll():
                return []
            codes: list[DecodedCode] = running.pipe.recv()
        except (EOFError, OSError) as error:
            self._report(f"has ended ({type(error).__name__})")
            self._kill()
            return []
        fresh = running.ready and self._clock() - running.asked_at < _FRESH_S and not running.forgotten
        running.asked_at, running.ready = None, True
        self._recovered()
        return codes if fresh else []

    def settle(self, *, foreign: str = "") -> None:
        """Forget what is followed; with `foreign`, keep following but do not read this text again."""
        if foreign:
            self._foreign.append(foreign)
            return
        self._forget = True
        if self._running:
            self._running.forgotten = True

    def close(self) -> None:
        """End the process. May be called twice."""
        self._closed = True
        self._kill()

    def _end_hanging(self) -> None:
        running = self._running
        if running is None or running.asked_at is None:
            return
        budget = self._budget_s if running.ready else _START_BUDGET_S
        if self._clock() - running.asked_at > budget and not running.pipe.poll():
            self._report(f"took longer than {budget:g} s")
            self._kill()

    def _kill(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.process.kill()
        running.process.join(_CLOSE_S)
        running.pipe.close()
        running.picture.close()
        running.picture.unlink()

    def _report(self, problem: str) -> None:
        """Log a fault once; reading goes on without heavy attempts until the process is up again."""
        if not self._faulty:
            log.warning(
                "reader: the process for heavy attempts %s; it is started anew. "
                "If this is logged often, look for other programs that use the processor (top)",
                problem,
            )
        self._faulty = True

    def _recovered(self) -> None:
        if self._faulty:
            log.info("reader: the process for heavy attempts works again")
        self._faulty = False


def _start(capacity: int, now: float) -> _Process:
    """Start the process with shared memory for `capacity` pixels; its first answer tells that it is ready."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    picture = SharedMemory(create=True, size=capacity)
    process = context.Process(target=_serve, args=(theirs, picture.name), name="eye-soft", daemon=True)
    process.start()
    theirs.close()
    return _Process(process, ours, picture, asked_at=now)


def _serve(pipe: Connection, name: str) -> None:
    """Answer jobs until the pipe ends, which it does with the reader."""
    os.nice(_NICENESS)
    picture = SharedMemory(name)
    escalation = Escalation()
    foreign: set[str] = set()
    pipe.send([])
    try:
        while True:
            pipe.send(_answer(pipe.recv(), picture, escalation, foreign))
    except (EOFError, OSError, KeyboardInterrupt):
        return
    finally:
        picture.close()


def _answer(job: _Job, picture: SharedMemory, escalation: Escalation, foreign: set[str]) -> list[DecodedCode]:
    """Make one attempt. The text is judged by the reader, which knows the keys."""
    if job.forget:
        escalation.clear()
        foreign.clear()
    foreign.update(job.foreign)
    height, width = job.shape
    return escalation.attempt(_pixels(picture, height, width).copy(), job.located, lambda text: text not in foreign)


def _pixels(picture: SharedMemory, height: int, width: int) -> Gray:
    """The shared picture; release it before the memory is closed."""
    return np.ndarray((height, width), np.uint8, picture.buf)
