"""Reads video: a small constant cost on empty frames, more only where something was located.

Each frame is looked at once at full size; a second view comes in every few frames. Where a view at least located
something, all base views follow, a rescue view by turns, and the soft receiver over several frames (escalation.py).
Nothing is stale: only what this frame, or a heavy attempt on a frame just before it, showed is returned.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import cv2
import numpy as np

from drivers.decoder.eye.candidates import merged
from drivers.decoder.eye.escalation import Escalation
from drivers.decoder.eye.views import BASE, FRAME_RESCUE, QUICK_RESCUE, View
from drivers.decoder.zxing import SMALLEST_SIDE_PX, Kind, Located
from station.ports import DecodedCode, Gray

FRAME_BUDGET_S = 0.015
"""No further view is begun later in a frame than this."""

_PERIOD, _LOCAL_IN_PERIOD, _HALF_IN_PERIOD = 5, 1, 3
"""While nothing is located, most frames are looked at once; of so many, these get the second and third base view."""

_SPARED_FRAMES = 15
"""After a frame whose first look alone took twice the budget, so many are looked at in half size only."""

_RESCUE_EVERY = 10
"""With every second local view comes a quick rescue view."""

_FOREIGN_TEXTS = 32
"""Texts remembered as none of ours; the oldest is forgotten first."""


class HeavyWorker(Protocol):
    """Makes heavy attempts elsewhere. Implementation: drivers/decoder/eye/worker.py."""

    def offer(self, gray: Gray, located: Sequence[Located]) -> None:
        """Hand over a frame, unless one is still being worked on. Never waits."""

    def take(self) -> list[DecodedCode]:
        """What was read from frames handed over lately, not yet judged by `is_valid`. Never waits."""

    def settle(self, *, foreign: str = "") -> None:
        """Forget what is followed; with `foreign`, keep following but do not read this text again."""

    def close(self) -> None:
        """End the process. May be called twice."""


@dataclass(slots=True)
class _Seen:
    """What the views of one frame have shown so far."""

    codes: list[DecodedCode] = field(default_factory=list)
    located: list[Located] = field(default_factory=list)


class StreamReader:
    """Reads the frames of one camera; for one thread.

    `stage` of a code tells what read it: the name of a view (views.py), "soft" or "soft-combined".
    """

    def __init__(self, worker: HeavyWorker | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        """`worker`: makes heavy attempts; None: they are made at once. `clock`: seconds, for tests."""
        self._worker, self._clock = worker, clock
        self._escalation = Escalation()
        self._foreign: OrderedDict[str, None] = OrderedDict()
        self._frames = self._rescues = self._spare_until = 0
        self.heavy_s = 0.0
        """Seconds that heavy attempts took in the newest frame, 0 with a worker."""
        cv2.setNumThreads(1)  # the station's other threads need the other cores

    def read(self, gray: Gray, is_valid: Callable[[str], bool]) -> list[DecodedCode]:
        """Return every code in the frame, `validated` where `is_valid` accepts its text; unusable frames hold none.

        A code that was read cleanly is returned even where it is not valid; one of the soft receiver only if valid.
        """
        self.heavy_s = 0.0
        if gray.ndim != 2 or min(gray.shape) < SMALLEST_SIDE_PX:  # noqa: PLR2004 - rows and columns
            return []
        gray = np.ascontiguousarray(gray, np.uint8)
        self._frames += 1
        seen = self._look(gray, is_valid)
        if _settled(seen.codes):
            self._settle()
            return seen.codes
        if self._all_foreign(seen.codes):
            return seen.codes
        codes = merged(seen.codes, self._heavy(gray, seen.located, is_valid))
        self._remember(codes)
        return codes

    def close(self) -> None:
        """End the worker. May be called twice."""
        if self._worker:
            self._worker.close()

    def _look(self, gray: Gray, is_valid: Callable[[str], bool]) -> _Seen:
        """Look at the frame through as many views as it deserves."""
        end = self._clock() + FRAME_BUDGET_S
        seen = _Seen()
        views = (BASE[1],) if self._frames < self._spare_until else self._views(seen)
        for view in views:
            found = view.scan(gray, Kind.MODEL_2)
            seen.codes = merged(seen.codes, (replace(one, validated=is_valid(one.text)) for one in found.codes))
            seen.located.extend(one for one in found.located if one.version)
            if _settled(seen.codes) or self._all_foreign(seen.codes) or self._clock() > end:
                break
        if view is BASE[0] and self._clock() > end + FRAME_BUDGET_S:
            # A library cannot be interrupted: whoever fills the picture with finder patterns is looked at in small.
            self._spare_until = self._frames + _SPARED_FRAMES
        return seen

    def _views(self, seen: _Seen) -> Iterator[View]:
        """The views of one frame; how many depends on what the first of them saw."""
        whole, half, local = BASE
        yield whole
        turn = self._frames % _PERIOD
        extra = {_LOCAL_IN_PERIOD: local, _HALF_IN_PERIOD: half}.get(turn)
        if extra and not self._is_suspicious(seen):
            yield extra
            if self._frames % _RESCUE_EVERY == _LOCAL_IN_PERIOD and not self._is_suspicious(seen):
                yield self._next(QUICK_RESCUE)
            rest = tuple(view for view in (half, local) if view is not extra)
        else:
            rest = (half, local)
        if self._is_suspicious(seen):
            yield from rest
            if self._frames % 2:
                yield self._next(FRAME_RESCUE)

    def _is_suspicious(self, seen: _Seen) -> bool:
        return bool(seen.codes or seen.located)

    def _next(self, rescue: tuple[View, ...]) -> View:
        self._rescues += 1
        return rescue[self._rescues % len(rescue)]

    def _heavy(self, gray: Gray, located: Sequence[Located], is_valid: Callable[[str], bool]) -> list[DecodedCode]:
        """Heavy attempts: here and now, or by the worker, which answers some frames later."""
        if self._worker is None:
            begun = self._clock()
            codes = self._escalation.attempt(gray, located, is_valid)
            self.heavy_s = self._clock() - begun
            return codes
        taken = self._worker.take()
        self._worker.offer(gray, located)
        codes = [replace(code, validated=True) for code in taken if is_valid(code.text)]
        for code in taken:
            self._worker.settle(foreign="" if is_valid(code.text) else code.text)
        return codes

    def _settle(self) -> None:
        """A valid code was read: nothing that was seen before it may be answered later."""
        if self._worker is None:
            self._escalation.clear()
        else:
            self._worker.take()
            self._worker.settle()

    def _all_foreign(self, codes: Sequence[DecodedCode]) -> bool:
        return bool(codes) and all(code.text in self._foreign for code in codes)

    def _remember(self, codes: Iterable[DecodedCode]) -> None:
        """Keep texts that are none of ours: hard attempts beside them have been made."""
        for code in codes:
            if not code.validated:
                self._foreign[code.text] = None
                self._foreign.move_to_end(code.text)
        while len(self._foreign) > _FOREIGN_TEXTS:
            self._foreign.popitem(last=False)


def _settled(codes: Iterable[DecodedCode]) -> bool:
    return any(code.validated for code in codes)
