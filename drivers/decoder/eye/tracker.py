"""Follows located symbols from frame to frame and keeps what was seen of each.

A track remembers where a symbol was, how its corners moved, and the sum of its soft modules. A frame in which nothing
is located is then looked at where the symbol must be; the soft modules of several frames add up until they decode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivers.decoder.eye.soft import SoftSymbol, combine
from drivers.decoder.eye.symbol import DATA, structure
from drivers.decoder.zxing import Located, Quad

_LOST_AFTER = 6
"""Frames without a sight of the symbol after which its track ends."""

_UNPROVEN_AFTER = 1
"""The same for a find at which no look has shown a symbol yet: mostly print that resembles finder patterns."""

_MOST_TRACKS = 3
_SAME_SYMBOL = 0.15
"""Correlation of the data modules of two looks below which they show different symbols."""

_FADING = 0.9
"""What a look still counts one frame later: the grids of old looks were not better than those of new ones."""

_STEADINESS = 0.5
"""Share of the newest movement in the velocity."""


@dataclass(slots=True)
class Track:
    """One symbol over time. `foreign`: it was read and is none of ours, so that no further effort is due."""

    version: int
    quad: Quad
    velocity: Quad
    total: SoftSymbol | None = None
    unseen: int = 0
    foreign: bool = False

    @property
    def lost(self) -> bool:
        """Whether it was out of sight for too long."""
        return self.unseen > (_UNPROVEN_AFTER if self.total is None else _LOST_AFTER)

    @property
    def predicted(self) -> Located:
        """Where the symbol should be in the next frame."""
        return Located(self.quad + self.velocity, self.version)

    def matches(self, located: Located) -> bool:
        """Tell whether a find can be this symbol: same version, not farther than half its side."""
        expected = self.predicted
        away = float(np.hypot(*np.subtract(expected.centre, located.centre)))
        return located.version == self.version and away < located.side / 2

    def add(self, symbol: SoftSymbol) -> bool:
        """Take a new look into the sum; False where it shows another symbol, with which the track begins anew."""
        moved = symbol.quad - self.quad
        self.velocity = self.velocity + _STEADINESS * (moved - self.velocity)
        self.quad, self.unseen = symbol.quad, 0
        if self.total is not None and _resemblance(self.total, symbol) < _SAME_SYMBOL:
            self.total, self.foreign = symbol, False
            return False
        if self.total is None:
            self.total = symbol
            return True
        self.total = combine([_faded(self.total), symbol])
        return True


class Tracker:
    """The symbols in view. For one thread."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []

    def targets(self, located: Sequence[Located]) -> list[tuple[Track, Located]]:
        """Where to look in this frame: at finds, each with its track, and where the other tracks must have gone."""
        taken: list[tuple[Track, Located]] = []
        for one in located:
            track = next((track for track in self.tracks if track.matches(one)), None)
            if track is None:
                track = Track(one.version, one.quad, np.zeros_like(one.quad))
                self.tracks.append(track)
            if all(track is not other for other, _ in taken):
                taken.append((track, one))
        seen = [track for track, _ in taken]
        rest = [(track, track.predicted) for track in self.tracks if all(track is not other for other in seen)]
        return taken + rest

    def age(self) -> None:
        """Count a frame: tracks unseen for long end, and only the newest are kept."""
        for track in self.tracks:
            track.unseen += 1
        self.tracks = [track for track in self.tracks if not track.lost][-_MOST_TRACKS:]

    def clear(self) -> None:
        """Forget everything: what was wanted has been read."""
        self.tracks.clear()


def _faded(symbol: SoftSymbol) -> SoftSymbol:
    return replace(symbol, soft=symbol.soft * np.float32(_FADING))


def _resemblance(one: SoftSymbol, other: SoftSymbol) -> float:
    """Correlation of data modules: near 0 for different symbols, whatever their blur."""
    data = structure(one.version).known == DATA
    a, b = one.soft[data], other.soft[data]
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-6))
