"""What is held up before one lane's camera: texts seen in frame after frame, read once, taken up once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from station.core.model import Credential, Instant, Rejected
from station.core.presentation import Attention, keep, look
from station.core.record import dataclass
from station.core.scan import OUR_PREFIXES, identity
from station.core.timecode import TimeCode

Reading = Credential | TimeCode | Rejected
MOST_READINGS = 16
"""Texts whose reading is remembered: signatures need not be checked thirty times a second."""


@dataclass(frozen=True, slots=True)
class HeldUp:
    """A text that is newly held up, and what it says."""

    text: str
    reading: Reading


class Watcher:
    """Used by the gate thread alone."""

    def __init__(self, read: Callable[[str], Reading], used_up: Callable[[Credential], bool], rearm_us: int) -> None:
        """`read` reads a text against the trust bundle in force; `used_up` says that a live code was consumed."""
        self._read, self._used_up, self._rearm_us = read, used_up, rearm_us
        self._attention = Attention()
        self._readings: dict[str, Reading] = {}
        self._stood_for: dict[str, str] = {}
        self._trust: object = None

    def forget(self) -> None:
        """Take up anew whatever is held up."""
        self._attention = Attention()

    def stay(self, texts: list[str], trust: object, now: Instant) -> bool:
        """Note what is still held up while the lane is busy; say whether somebody else shows something."""
        self._attention, others = keep(self._attention, self._shown(texts, trust, now), now.mono_us)
        return others

    def look(self, texts: list[str], trust: object, now: Instant) -> tuple[tuple[HeldUp, ...], tuple[HeldUp, ...]]:
        """Return (all that is held up, what of it is new). `trust`: the bundle in force."""
        shown = self._shown(texts, trust, now)
        self._attention, fresh = look(self._attention, shown, now.mono_us, self._rearm_us)
        held = {text: HeldUp(text, self._readings[text]) for text in shown}
        return tuple(held.values()), tuple(held[text] for text in fresh)

    def _shown(self, texts: list[str], trust: object, now: Instant) -> Mapping[str, str]:
        if trust is not self._trust:
            self._trust, self._readings = trust, {}
        known = self._readings
        for text in texts:
            known[text] = known.pop(text) if text in known else self._read(text)
        for text in list(known)[: max(0, len(known) - max(MOST_READINGS, len(texts)))]:
            del known[text]
        shown = {text: self._identity(text, now) for text in texts}
        in_sight = self._attention.seen
        self._stood_for = {text: mark for text, mark in self._stood_for.items() if text in in_sight} | shown
        return shown

    def _identity(self, text: str, now: Instant) -> str:
        """Return what a text stands for: as long as it stays in sight, what it stood for when it came.

        A code that is used up or grows old while it is held up still belongs to the phone that shows its next one.
        """
        seen_us = self._attention.seen.get(text)
        if seen_us is not None and now.mono_us - seen_us < self._rearm_us and text in self._stood_for:
            return self._stood_for[text]
        reading = self._readings[text]
        used_up = isinstance(reading, Credential) and self._used_up(reading)
        return identity(text, reading, now, used_up=used_up)


def passes_among(held: tuple[HeldUp, ...]) -> dict[bytes, HeldUp]:
    """Return the passes held up, by pass id; of one pass shown twice (phone and paper) the live one."""
    found: dict[bytes, HeldUp] = {}
    for item in held:
        if isinstance(item.reading, Credential):
            before = found.get(item.reading.cti)
            if before is None or item.reading.live is not None:
                found[item.reading.cti] = item
    return found


def most_telling(fresh: tuple[HeldUp, ...]) -> HeldUp:
    """Return the one to answer for where nothing is a pass: rather what claims to be one than a poster behind it."""
    return min(fresh, key=lambda item: not item.text.startswith(OUR_PREFIXES))
