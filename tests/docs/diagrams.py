"""State diagrams and tables of transitions, drawn from the tables of door and lane; the keys of scenarios.

`python -m tests.docs.diagrams --write` renews the blocks of the pages; a test holds them against the code.

    <!-- drawn: NAME -->
    ...
    <!-- end: NAME -->
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from station.core import door, lane
from station.core.door import DoorEvent, DoorState
from station.views import ALARMS
from station.wording import text
from tests.docs.blocks import DOCS
from tests.docs.scenario_rows import SCENARIO_BLOCKS

Table = Mapping[tuple[Any, Any], Any]
SWEEPING = (DoorEvent.FIRE, DoorEvent.BLOCK, DoorEvent.HOLD_OPEN)
"""Events that lead from almost everywhere to one state: drawn in a diagram of their own."""
LASTING = (DoorState.HOLD_OPEN, DoorState.OUT_OF_SERVICE, DoorState.RELEASED)


@dataclass(frozen=True)
class Drawn:
    """A block of a page and what makes it."""

    name: str
    page: str
    make: Callable[[], str]

    @property
    def path(self) -> Path:
        """The page."""
        return DOCS / self.page

    def found(self) -> str:
        """Return the block as it stands on the page. Raises LookupError where there is none."""
        return self._match(self.path.read_text(encoding="utf-8"))["body"]

    def update(self) -> bool:
        """Renew the block; says whether it changed."""
        page = self.path.read_text(encoding="utf-8")
        match, wanted = self._match(page), self.make()
        self.path.write_text(page[: match.start("body")] + wanted + page[match.end("body") :], encoding="utf-8")
        return match["body"] != wanted

    def _match(self, page: str) -> re.Match[str]:
        name = re.escape(self.name)
        match = re.search(rf"<!-- drawn: {name} -->\n(?P<body>.*?)<!-- end: {name} -->", page, re.DOTALL)
        if match is None:
            raise LookupError(f"{self.path}: no block <!-- drawn: {self.name} --> ... <!-- end: {self.name} -->")
        return match


# --- diagrams --------------------------------------------------------------------------------------------------------


def _node(state: StrEnum) -> str:
    return state.value.replace("-", "_")


def _mermaid(edges: Iterable[tuple[StrEnum, StrEnum, StrEnum]], first: StrEnum) -> str:
    labels: dict[tuple[StrEnum, StrEnum], list[str]] = defaultdict(list)
    for begin, event, end in edges:
        labels[begin, end].append(event.value)
    states = list(dict.fromkeys(state for pair in labels for state in pair))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {_node(first)}"]
    lines += [f'    state "{state.value}" as {_node(state)}' for state in states if "-" in state.value]
    lines += [f"    {_node(begin)} --> {_node(end)}: {', '.join(said)}" for (begin, end), said in labels.items()]
    return "\n".join([*lines, "```\n"])


def door_diagram() -> str:
    """Draw the door's everyday: what moves it from one state to another, without what sweeps over all."""
    edges = [
        (begin, event, row.next)
        for (begin, event), row in door.TABLE.items()
        if event not in SWEEPING and row.next is not begin and not {begin, row.next} & set(LASTING)
    ]
    return _mermaid(edges, DoorState.STARTING)


def lasting_diagram() -> str:
    """Draw what lasts: fire, block and schedule, from all other states at once, and how each ends."""
    everyday = [state for state in DoorState if state not in LASTING]
    lines = ["```mermaid", "stateDiagram-v2", '    state "any other state" as everyday', "    [*] --> everyday"]
    lines += [f'    state "{state.value}" as {_node(state)}' for state in LASTING]
    for event in SWEEPING:
        (end,) = {door.TABLE[state, event].next for state in everyday}
        lines.append(f"    everyday --> {_node(end)}: {event.value}")
    for (begin, event), row in door.TABLE.items():
        if begin in LASTING and row.next is not begin:
            end = _node(row.next) if row.next in LASTING else "everyday"
            said = f"{event.value} ({row.next.value})" if end == "everyday" else event.value
            lines.append(f"    {_node(begin)} --> {end}: {said}")
    return "\n".join([*lines, "```\n"])


def lane_diagram() -> str:
    """Draw the lane's transactions."""
    edges = [(begin, event, row.next) for (begin, event), row in lane.TABLE.items() if row.next is not begin]
    return _mermaid(edges, lane.LaneState.IDLE)


# --- tables ----------------------------------------------------------------------------------------------------------


def _markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _codes(words: Iterable[StrEnum]) -> str:
    return ", ".join(f"`{word.value}`" for word in words)


def transitions(table: Table, states: type[StrEnum]) -> str:
    """List every transition, by state."""
    order = list(states)
    rows = sorted(table.items(), key=lambda item: order.index(item[0][0]))
    head = ("In state", "On event", "To state", "Commands", "Deadline")
    return _markdown(
        head,
        (
            (f"`{begin.value}`", f"`{event.value}`", f"`{row.next.value}`", _codes(row.commands), row.limit or "")
            for (begin, event), row in rows
        ),
    )


def alarm_table() -> str:
    """List every alarm in the order in which the screen names them, with its texts."""
    states = {alarm: state for state, alarm in door.ALARMS.items()}
    rows = []
    for name in ALARMS:
        says, then = text(f"alarm-{name}"), text(f"alarm-{name}", "next")
        state = f"`{states[name].value}`" if name in states else ""
        rows.append((f"`{name}`", state, f"{says['zh']} {then['zh']}", f"{says['en']}. {then['en']}"))
    return _markdown(("Alarm", "State of the door", "中文", "English"), rows)


DRAWN = (
    Drawn("door", "reference/door.md", door_diagram),
    Drawn("lasting", "reference/door.md", lasting_diagram),
    Drawn("door-transitions", "reference/door.md", partial(transitions, door.TABLE, DoorState)),
    Drawn("alarms", "reference/door.md", alarm_table),
    Drawn("lane", "reference/lane.md", lane_diagram),
    Drawn("lane-transitions", "reference/lane.md", partial(transitions, lane.TABLE, lane.LaneState)),
    *(Drawn(name, "reference/scenarios.md", make) for name, make in SCENARIO_BLOCKS.items()),
)


def main() -> int:
    """Renew the blocks, or say which are out of date; the exit status is then 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="renew the blocks in the pages")
    options = parser.parse_args()
    stale = [drawn for drawn in DRAWN if (drawn.update() if options.write else drawn.found() != drawn.make())]
    for drawn in stale:
        print(f"{drawn.page}: {drawn.name} {'renewed' if options.write else 'is out of date'}")
    return int(bool(stale) and not options.write)


if __name__ == "__main__":
    sys.exit(main())
