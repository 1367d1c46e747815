"""What could be seen at a gate over time: for each track the moments at which it changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Change:
    """A track took a new value. `at_s`: seconds from the start of the scenario."""

    at_s: float
    track: str
    value: str


@dataclass(slots=True)
class Timeline:
    """Collects changes; what stays the same is not repeated."""

    changes: list[Change] = field(default_factory=list)
    now: dict[str, str] = field(default_factory=dict)

    def note(self, at_s: float, track: str, value: str) -> None:
        """Note a track's present value."""
        if self.now.get(track) != value:
            self.now[track] = value
            self.changes.append(Change(round(at_s, 3), track, value))

    def mark(self, at_s: float, track: str, value: str) -> None:
        """Note something that happened and is over at once, as a recorded event."""
        self.changes.append(Change(round(at_s, 3), track, value))

    @property
    def tracks(self) -> list[str]:
        """Names of the tracks in the order in which they first appeared."""
        return list(dict.fromkeys(change.track for change in self.changes))

    def spans(self, track: str, end_s: float) -> Iterator[tuple[float, float, str]]:
        """Yield (from, to, value) of one track up to the end of the scenario, seconds."""
        own = [change for change in self.changes if change.track == track]
        for change, following in zip(own, [*own[1:], None], strict=True):
            yield change.at_s, following.at_s if following else end_s, change.value


def as_text(timeline: Timeline) -> str:
    """Return the timeline for a person to read."""
    width = max((len(track) for track in timeline.tracks), default=0)
    return "\n".join(f"{c.at_s:10.3f} s  {c.track:<{width}}  {c.value}" for c in timeline.changes)
