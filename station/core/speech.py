"""What the loudspeaker says next: what outranks what, what replaces what, and what is not said again.

There is one loudspeaker for all lanes. An alarm cuts a prompt short, both cut an announcement short, and a lane's newer
prompt replaces its older one: the person has moved on. What waits is little, for it is soon of no use.
"""

from __future__ import annotations

from station.core.model import Text
from station.core.record import dataclass, replace
from station.core.signals import Rank

MOST_WAITING = 4
FRESH_US = 3_000_000
"""A prompt that could not begin for so long is not said: whom it was for has read it."""
STANDS_US = 10_000_000
"""Who shows the same again within so long still stands there, and has heard it."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to be said in each language in turn. `source`: the lane, or what else wants it said."""

    token: int
    source: str
    name: str
    """What it is, by a key of the catalogue or the announcement's id: for log and timeline."""
    words: Text
    volume: int
    """0 to 100, per cent of full scale."""
    rank: Rank
    begin_by_us: int | None = None
    """Monotonic moment after which it is not begun any more; None: whenever there is room."""


@dataclass(frozen=True, slots=True)
class Playlist:
    """What is said now and what waits, the most urgent first."""

    playing: Utterance | None = None
    waiting: tuple[Utterance, ...] = ()


Dropped = tuple[Utterance, ...]
"""Utterances that will not be said (to their end)."""


def offer(playlist: Playlist, new: Utterance) -> tuple[Playlist, Dropped]:
    """Take in something to be said. Where what plays is cut short, `playing` is None and the new one waits first."""
    playing = playlist.playing
    cuts = playing is not None and (new.rank > playing.rank or _replaces(new, playing))
    dropped = [playing] if cuts and playing else []
    kept: list[Utterance] = []
    for one in playlist.waiting:
        (dropped if _replaces(new, one) or (cuts and one.rank < new.rank) else kept).append(one)
    place = next((n for n, one in enumerate(kept) if one.rank < new.rank), len(kept))
    kept.insert(place, new)
    return Playlist(None if cuts else playing, tuple(kept[:MOST_WAITING])), (*dropped, *kept[MOST_WAITING:])


def _replaces(new: Utterance, old: Utterance) -> bool:
    return new.source == old.source and new.rank >= old.rank


def take(playlist: Playlist, now_us: int) -> tuple[Playlist, Dropped]:
    """Begin the next one if nothing plays; what has waited too long is dropped."""
    if playlist.playing is not None:
        return playlist, ()
    waiting = list(playlist.waiting)
    late: list[Utterance] = []
    while waiting:
        first = waiting.pop(0)
        if first.begin_by_us is None or now_us <= first.begin_by_us:
            return Playlist(first, tuple(waiting)), tuple(late)
        late.append(first)
    return Playlist(), tuple(late)


def withdraw(playlist: Playlist, source: str) -> tuple[Playlist, Dropped]:
    """Say nothing more of one source."""
    playing = playlist.playing
    gone = [one for one in playlist.waiting if one.source == source]
    cut = [playing] if playing is not None and playing.source == source else []
    kept = tuple(one for one in playlist.waiting if one.source != source)
    return Playlist(None if cut else playing, kept), (*cut, *gone)


@dataclass(frozen=True, slots=True)
class Told:
    """What a lane was told last. `seen_us`, `said_us`: monotonic moments, when it was last so and last said."""

    key: tuple[object, ...]
    seen_us: int
    said_us: int


def tell(told: Told | None, key: tuple[object, ...], now_us: int, every_us: int) -> tuple[Told, bool]:
    """Say whether a situation is told now, and remember. `every_us`: again after so long while it lasts; 0: never."""
    known = told is not None and told.key == key and now_us - told.seen_us < STANDS_US
    if told is None or not known or (every_us and now_us - told.said_us >= every_us):
        return Told(key, now_us, now_us), True
    return replace(told, seen_us=now_us), False
