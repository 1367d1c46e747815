"""What is being held up: turns texts seen in frame after frame into single presentations.

A pass read again while the person still holds it up is one presentation; a poster with a QR on the opposite wall is
refused once. Refusals of one text that keep coming, and any flood of texts, are counted and not recorded one by one.
"""

from __future__ import annotations

from collections.abc import Mapping

from station.core.record import dataclass, field, replace

MOST_MARKS = 64
"""Texts and identities remembered at once; beyond this the one unseen for longest is forgotten."""
REPEAT_WINDOW_US = 60_000_000
MOST_UNSIGNED = 10
"""Refusals recorded in a minute of texts that nobody signed; more are counted: nobody fills the disk with a QR."""
FLICKER_US = 500_000
"""A code in view may go unread for so long: a hand shakes, a screen reflects."""


@dataclass(frozen=True, slots=True)
class Attention:
    """When each text now before the camera, and what it stands for, was last seen (monotonic microseconds)."""

    seen: Mapping[str, int] = field(default_factory=dict)


def look(
    attention: Attention, shown: Mapping[str, str], now_us: int, rearm_us: int
) -> tuple[Attention, tuple[str, ...]]:
    """Note the texts of one frame (`shown`: text to identity); return those that are newly held up.

    A phone that draws its code anew keeps its identity. When something new is held up, what has been out of sight for
    half a second is forgotten: it may come again.
    """
    kept = {mark: at for mark, at in attention.seen.items() if now_us - at < rearm_us}
    fresh = tuple(text for text, identity in shown.items() if text not in kept and identity not in kept)
    if fresh:
        kept = {mark: at for mark, at in kept.items() if now_us - at < FLICKER_US}
    for mark in dict.fromkeys([*shown, *shown.values()]):
        kept.pop(mark, None)
        kept[mark] = now_us
    while len(kept) > MOST_MARKS:
        kept.pop(next(iter(kept)))
    return Attention(kept), fresh


def keep(attention: Attention, shown: Mapping[str, str], now_us: int) -> tuple[Attention, bool]:
    """Note that known texts are still held up, without taking up new ones (the lane is busy); say if there are new."""
    known = {text: identity for text, identity in shown.items() if {text, identity} & attention.seen.keys()}
    marks = {mark: now_us for pair in known.items() for mark in pair}
    return Attention(dict(attention.seen) | marks), len(known) < len(shown)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A recorded refusal: its event, how many of the same came after it, and until when they are counted."""

    seq: int
    count: int
    until_us: int
    signed: bool
    """Whether somebody's key stood behind the text; unsigned ones can be made up without end."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refusals of the last minute, by a digest of reason and text."""

    recorded: Mapping[str, Repeat] = field(default_factory=dict)

    def covers(self, key: str, *, signed: bool) -> str | None:
        """Return the key under which a refusal is only counted: its own, or that of any once unsigned ones abound."""
        if key in self.recorded:
            return key
        unsigned = [known for known, repeat in self.recorded.items() if not repeat.signed]
        return unsigned[-1] if not signed and len(unsigned) >= MOST_UNSIGNED else None

    @property
    def next_expiry_us(self) -> int | None:
        """When the oldest entry is done, monotonic microseconds."""
        return min((repeat.until_us for repeat in self.recorded.values()), default=None)


def note_refusal(refusals: Refusals, key: str, seq: int, now_us: int, *, signed: bool) -> Refusals:
    """Begin counting after a refusal was recorded as event `seq`."""
    return Refusals({**refusals.recorded, key: Repeat(seq, 0, now_us + REPEAT_WINDOW_US, signed)})


def count_refusal(refusals: Refusals, key: str) -> Refusals:
    """Count one more under a key that `covers` returned."""
    known = refusals.recorded[key]
    return Refusals({**refusals.recorded, key: replace(known, count=known.count + 1)})


def settle(refusals: Refusals, now_us: int) -> tuple[Refusals, tuple[Repeat, ...]]:
    """Forget what is a minute old; return those of it that were repeated, to be recorded."""
    if not refusals.recorded:
        return refusals, ()
    done = [repeat for repeat in refusals.recorded.values() if now_us >= repeat.until_us]
    kept = {key: repeat for key, repeat in refusals.recorded.items() if now_us < repeat.until_us}
    return Refusals(kept), tuple(repeat for repeat in done if repeat.count)
