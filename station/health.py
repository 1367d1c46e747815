"""The health of every part of the station: a fault is told once when it begins and once when it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from station.core.model import Instant, Text
from station.guard_screen import Condition, HealthView
from station.wording import part as part_words
from station.wording import text

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong with one part: a key of the catalogue (its `.next` is the remedy) and how bad it is."""

    key: str
    condition: Condition
    detail: str = ""
    """For log and journal: the technical cause."""


class HealthBoard:
    """What works and what does not. Used by the gate thread alone."""

    def __init__(self, tell: Callable[[str, Ailment | None, str], None]) -> None:
        """`tell(part, ailment or None, detail)` is called when a fault begins, changes its nature, or ends."""
        self._tell = tell
        self._ailments: dict[str, Ailment | None] = {}
        self._since: dict[str, int] = {}
        self._figures: dict[str, Text] = {}

    def expect(self, part: str, now: Instant) -> None:
        """List a part that works until it says otherwise."""
        self._ailments.setdefault(part, None)
        self._since.setdefault(part, now.wall_us)

    def report(self, part: str, ailment: Ailment | None, now: Instant) -> bool:
        """Note how a part does; returns True where that is news."""
        known = self._ailments.get(part)
        if (known.key if known else None) == (ailment.key if ailment else None):
            self._ailments.setdefault(part, ailment)
            self._since.setdefault(part, now.wall_us)
            return False
        self._ailments[part], self._since[part] = ailment, now.wall_us
        if ailment:
            log.warning("%s: fault begins: %s (%s)", part, text(ailment.key)["en"], ailment.detail)
        elif known:
            log.warning("%s: fault ended: %s", part, text(known.key)["en"])
        self._tell(part, ailment, known.key if known else "")
        return True

    def describe(self, part: str, figures: Text) -> None:
        """Give a part figures to be shown, whether it works or not."""
        self._figures[part] = figures

    def ailment(self, part: str) -> Ailment | None:
        """Return what is wrong with a part."""
        return self._ailments.get(part)

    def views(self) -> tuple[HealthView, ...]:
        """Return all parts for the guard screen."""
        return tuple(self._view(part, ailment) for part, ailment in self._ailments.items())

    def _view(self, part: str, ailment: Ailment | None) -> HealthView:
        since, figures = self._since[part], self._figures.get(part)
        if ailment is None:
            return HealthView(part_words(part), Condition.OK, figures or text("health-ok"), None, since)
        detail = text(ailment.key)
        if figures:
            detail = {language: f"{words} ({figures[language]})" for language, words in detail.items()}
        return HealthView(part_words(part), ailment.condition, detail, text(ailment.key, "next"), since)
