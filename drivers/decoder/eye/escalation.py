"""Heavy attempts on video: the soft receiver on tracked symbols, and now and then a search of our own.

Used by the stream reader itself, or in a process of its own (worker.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from drivers.decoder.eye.candidates import code_of, worthwhile
from drivers.decoder.eye.finder import find_patterns
from drivers.decoder.eye.hypotheses import Hypothesis, hypotheses
from drivers.decoder.eye.soft import SoftSymbol, decode, receive
from drivers.decoder.eye.tracker import Track, Tracker
from drivers.decoder.zxing import Located
from station.ports import DecodedCode, Gray

_MOST_LOOKS = 2
"""Symbols looked at per frame."""

_FIRST_PAUSE, _LONGEST_PAUSE = 4, 16
"""Frames between two searches of our own: more and more while they find nothing."""

_SEARCHED_MODULE_PX = 2.2
_SEARCH_LIMIT = 3
"""Hypotheses of one search that are given a look."""

_CLEAR_LOOK = 0.75
"""Correlation of a look that makes looks at the further hypotheses needless."""


class Escalation:
    """Attempts on the frames of one camera; for one thread."""

    def __init__(self) -> None:
        self._tracker = Tracker()
        self._waited, self._pause = _FIRST_PAUSE - 2, _FIRST_PAUSE  # the second frame is the first searched

    @property
    def busy(self) -> bool:
        """Whether a symbol is being followed."""
        return bool(self._tracker.tracks)

    def attempt(self, gray: Gray, located: Sequence[Located], accept: Callable[[str], bool]) -> list[DecodedCode]:
        """Look at what was located and at what is followed; return codes that `accept` accepts, usually none."""
        self._tracker.age()
        targets = [(track, place) for track, place in self._tracker.targets(worthwhile(located)) if not track.foreign]
        looks = self._follow(gray, targets) if targets else self._search(gray)
        for track, symbol in looks:
            if code := self._read(track, symbol, accept):
                self._tracker.clear()
                return [code]
        return []

    def clear(self) -> None:
        """Forget everything that is followed."""
        self._tracker.clear()

    def _read(self, track: Track, symbol: SoftSymbol, accept: Callable[[str], bool]) -> DecodedCode | None:
        """Decode the newest look; where it fails, the sum of looks."""
        track.add(symbol)
        for seen, stage in ((symbol, "soft"), (track.total, "soft-combined")):
            if seen is None or (stage == "soft-combined" and seen.looks < 2):  # noqa: PLR2004 - one look is no sum
                continue
            content = decode(seen, formats=1)
            if content is None:
                continue
            if accept(content.text):
                return code_of(symbol, content, stage, validated=True)
            track.foreign = True
        return None

    def _follow(self, gray: Gray, targets: Sequence[tuple[Track, Located]]) -> Iterator[tuple[Track, SoftSymbol]]:
        """Look where symbols were located or must have gone."""
        for track, place in targets[:_MOST_LOOKS]:
            symbol = receive(gray, place)
            if symbol:
                yield track, symbol

    def _search(self, gray: Gray) -> list[tuple[Track, SoftSymbol]]:
        """Search by our own means, ever more seldom while nothing is there; follow the find that bears out best."""
        self._waited += 1
        if self._waited < self._pause:
            return []
        found = hypotheses(gray, find_patterns(gray, _SEARCHED_MODULE_PX), _SEARCH_LIMIT)
        self._waited, self._pause = 0, _FIRST_PAUSE if found else min(2 * self._pause, _LONGEST_PAUSE)
        best = _best_look(gray, found)
        if best is None:
            return []
        place = Located(best.quad, best.version)
        return [(track, best) for track, at in self._tracker.targets([place]) if at is place]


def _best_look(gray: Gray, found: Sequence[Hypothesis]) -> SoftSymbol | None:
    """The look that shows its function patterns best; the first clear one ends the comparison."""
    best = None
    for one in found:
        symbol = receive(gray, one.located)
        if symbol and (best is None or symbol.correlation > best.correlation):
            best = symbol
        if best and best.correlation > _CLEAR_LOOK:
            break
    return best
