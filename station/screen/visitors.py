"""Visitors' passes on the screen: what a guard may ask for, and how the pass is handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from station.core.model import Text
from station.guard_screen import VisitorAnswer
from station.screen.codes import drawing
from station.wording import text

LONGEST_NAME = 40
SHORTEST_H, LONGEST_H = 1, 24


class WishError(ValueError):
    """The form cannot be used. `text` says what to correct."""

    def __init__(self, text: Text) -> None:
        super().__init__(text["en"])
        self.text = text


@dataclass(frozen=True, slots=True)
class Wish:
    """A pass as the form asks for it. `name`: masked, may be empty; `hours`: 1 to 24."""

    name: str
    hours: float


def read_wish(body: Mapping[str, object]) -> Wish:
    """Read {"name", "hours"}. Raises WishError."""
    name, hours = body.get("name"), body.get("hours")
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise WishError(text("answer-visitor-name"))
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not SHORTEST_H <= hours <= LONGEST_H:
        raise WishError(text("answer-visitor-hours"))
    return Wish(masked(name), hours)


def masked(name: str) -> str:
    """Return the first letter of a name and a star, whatever the guard typed; empty where nothing was."""
    name = name.strip()
    return f"{name[0]}*" if name else ""


def slip(answer: VisitorAnswer, wish: Wish) -> dict[str, object]:
    """Return what the page shows and prints: {"code": SVG, "expires": Unix seconds, "name": masked}."""
    return {"code": drawing(answer.code or ""), "expires": answer.expires, "name": wish.name}
