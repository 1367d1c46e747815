"""What is being held up: turns texts seen in frame after frame into single presentations.

A pass read again while the person still holds it up is one presentation; a poster with a QR on the opposite wall is
refused once. Refusals of one text that keep coming are counted, not recorded one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MOST_TEXTS = 32
"""Texts remembered at once; beyond this the one unseen for longest is forgotten."""
REPEAT_WINDOW_US = 60_000_000
FLICKER_US = 500_000
"""A code in view may go unread for so long: a hand shakes, a screen reflects."""


@dataclass(frozen=True, slots=True)
class Attention:
    """When each text now before the camera was last seen (monotonic microseconds)."""

    seen: Mapping[str, int] = field(default_factory=dict)


def look(attention: Attention, texts: Iterable[str], now_us: int, rearm_us: int) -> tuple[Attention, tuple[str, ...]]:
    """Note the texts of one frame; return those that are newly held up.

    When something new is held up, what is out of sight is forgotten: whoever was before may come again at once.
    """
    current = dict.fromkeys(texts)
    kept = {text: at for text, at in attention.seen.items() if now_us - at < rearm_us}
    fresh = tuple(text for text in current if text not in kept)
    if fresh:
        kept = {text: at for text, at in kept.items() if now_us - at < FLICKER_US}
    for text in current:
        kept.pop(text, None)
        kept[text] = now_us
    while len(kept) > MOST_TEXTS:
        kept.pop(next(iter(kept)))
    return Attention(kept), fresh


def keep(attention: Attention, texts: Iterable[str], now_us: int) -> Attention:
    """Note that known texts are still held up, without taking up new ones (the lane is busy)."""
    return Attention(dict(attention.seen) | {text: now_us for text in texts if text in attention.seen})


def forget(attention: Attention, texts: Iterable[str]) -> Attention:
    """Let `texts` count as new when next seen."""
    return Attention({text: at for text, at in attention.seen.items() if text not in set(texts)})


@dataclass(frozen=True, slots=True)
class Repeats:
    """Refusals of one text: the event that recorded the first, and how many came after it."""

    key: str = ""
    first_seq: int = 0
    count: int = 0
    until_us: int = 0

    def covers(self, key: str, now_us: int) -> bool:
        """Say whether a refusal with this key repeats the recorded one."""
        return key == self.key and now_us < self.until_us


def first_refusal(key: str, seq: int, now_us: int) -> Repeats:
    """Begin counting after a refusal was recorded as event `seq`."""
    return Repeats(key, seq, 0, now_us + REPEAT_WINDOW_US)


def count_one(repeats: Repeats) -> Repeats:
    """Count one more."""
    return Repeats(repeats.key, repeats.first_seq, repeats.count + 1, repeats.until_us)
