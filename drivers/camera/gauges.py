"""What the reader measures about its own work, for `gate-station camera tune` and the benches."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from drivers.camera.region import Cut
from station.ports import DecodedCode

_NEWEST_SHARE = 0.2
"""Weight of the newest value: a figure that people can read, and that follows within ten pictures."""

_COUNTED = 31
"""Pictures over which the pace is taken."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The picture decoded last and what it held; corners in pixels of the region."""

    cut: Cut
    codes: tuple[DecodedCode, ...]


class Gauges:
    """Smoothed costs and the newest pictures. Each value is written by one thread and replaced as a whole."""

    def __init__(self) -> None:
        self.acquire_ms = 0.0
        """Processor time that one picture takes from the driver to the region's gray; waiting for it is not counted."""
        self.decode_ms = 0.0
        """Time from handing a picture to the decoder until its answer."""
        self.newest: Cut | None = None
        self.looked: Looked | None = None
        self._stamps = deque[int](maxlen=_COUNTED)

    @property
    def fps(self) -> float:
        """Pictures per second over the last second or so; 0 before there are two."""
        stamps = tuple(self._stamps)
        if len(stamps) < 2 or stamps[-1] <= stamps[0]:  # noqa: PLR2004 - a pace lies between two
            return 0.0
        return (len(stamps) - 1) * 1e9 / (stamps[-1] - stamps[0])

    def acquired(self, cut: Cut, spent_ns: int) -> None:
        """Take a picture and the processor time it took. Capture thread."""
        self.newest = cut
        self._stamps.append(cut.frame.captured_ns)
        self.acquire_ms = _follow(self.acquire_ms, spent_ns / 1e6)

    def decoded(self, cut: Cut, codes: Sequence[DecodedCode], spent_ns: int) -> None:
        """Take what the decoder found and how long it took. Decode thread."""
        self.looked = Looked(cut, tuple(codes))
        self.decode_ms = _follow(self.decode_ms, spent_ns / 1e6)


def _follow(before: float, new: float) -> float:
    return before + _NEWEST_SHARE * (new - before) if before else new
