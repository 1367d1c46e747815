"""Reads stills with all effort, within a hard time budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from drivers.decoder.eye.candidates import code_of, merged, worthwhile
from drivers.decoder.eye.finder import find_patterns
from drivers.decoder.eye.hypotheses import hypotheses
from drivers.decoder.eye.soft import decode, receive
from drivers.decoder.eye.views import BASE, RESCUE, View
from drivers.decoder.zbar import ZbarDecoder
from drivers.decoder.zxing import SMALLEST_SIDE_PX, Located
from station.ports import DecodedCode, DeviceFault, Gray

BUDGET_S = 2.0
"""No stage begins later than this; the longest single stage takes about a tenth of it on a picture of 1 MPixel."""

_LARGEST_SIDE_PX = 4096
"""Larger pictures are reduced first: a symbol that needs more pixels does not exist."""

_DISTINCT_FINDS = 4


class StillReader:
    """Reads single pictures; for one thread.

    `stage` of a code tells what read it: the name of a view (views.py), "zbar...", "soft" or "soft-found".
    """

    def __init__(self, budget_s: float = BUDGET_S, clock: Callable[[], float] = time.monotonic) -> None:
        """`budget_s`: seconds after which no further stage begins; `clock`: seconds, for tests."""
        self._budget_s, self._clock = budget_s, clock
        cv2.setNumThreads(1)  # the station's other threads need the other cores
        try:
            self._zbar: ZbarDecoder | None = ZbarDecoder()
        except DeviceFault:  # libzbar0 is not installed: the other stages remain
            self._zbar = None

    def read(self, gray: Gray) -> list[DecodedCode]:
        """Return every code in the picture; an unusable picture holds none."""
        if gray.ndim != 2 or min(gray.shape) < SMALLEST_SIDE_PX:  # noqa: PLR2004 - rows and columns
            return []
        scale = min(1.0, _LARGEST_SIDE_PX / max(gray.shape))
        gray = np.ascontiguousarray(gray, np.uint8)
        if scale < 1:
            gray = np.asarray(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        end = self._clock() + self._budget_s
        for codes in self._stages(gray):
            if codes:
                return [_enlarged(code, 1 / scale) for code in codes]
            if self._clock() > end:
                break
        return []

    def _stages(self, gray: Gray) -> Iterator[list[DecodedCode]]:
        """What each stage reads, in the order of their cost; one that reads nothing is followed by the next."""
        located: list[Located] = []
        yield _base(gray, located)
        for view in RESCUE:
            yield _look(view, gray, located)
        if self._zbar:
            yield self._zbar.read(gray)
        for one in worthwhile(located, limit=_DISTINCT_FINDS):
            yield _receive(gray, [one], "soft")
        for hypothesis in hypotheses(gray, find_patterns(gray)):
            yield _receive(gray, [hypothesis.located], "soft-found")


def _base(gray: Gray, located: list[Located]) -> list[DecodedCode]:
    """All base views together, because one may read what another only locates; then the soft receiver for the rest."""
    codes = merged(*(_look(view, gray, located) for view in BASE))
    if not codes:
        return []
    return merged(codes, _receive(gray, worthwhile(located, codes), "soft"))


def _look(view: View, gray: Gray, located: list[Located]) -> list[DecodedCode]:
    seen = view.scan(gray)
    located.extend(seen.located)
    return seen.codes


def _receive(gray: Gray, finds: Iterable[Located], stage: str) -> list[DecodedCode]:
    codes = []
    for one in finds:
        symbol = receive(gray, one)
        content = decode(symbol) if symbol else None
        if symbol and content:
            codes.append(code_of(symbol, content, stage))
    return codes


def _enlarged(code: DecodedCode, scale: float) -> DecodedCode:
    if scale == 1:
        return code
    quad = tuple((x * scale, y * scale) for x, y in code.quad)
    return DecodedCode(code.text, code.raw, quad, code.stage, code.validated)
