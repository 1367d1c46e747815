"""Reads from journal events who went through a gate, for the other gates of the site. Pure functions.

What is doubtful is left out: a passage that the other gates do not hear of is made good by the next report, a wrong one
turns somebody away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from station.core.events import Event, Kind
from station.core.model import ClockState, Direction
from station.core.passback import Passage
from station.core.rehoming import original

ENTERED = "entered"
MOST_PEOPLE = 2
"""Who went through together: a holder and an escort."""
_MARK = b"who"
"""Stands in every such event, also in one that was carried over into a new stream, whose quotes are escaped."""
_BIGINT = 2**63
"""What no database's whole numbers reach."""
_CTI, _HOUSEHOLD = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{12}")


def passages(raw: bytes) -> list[Passage]:
    """Return who went through, from an event's exact bytes; nobody where the event tells of something else.

    Passages recorded while the station's clock was lost are left out: nobody knows when they were.
    """
    if _MARK not in raw:  # nearly every event: spares taking it apart
        return []
    try:
        event = original(raw)
        return list(_people(event)) if _counts(event) else []
    except (ValueError, KeyError):
        return []


def _counts(event: Event) -> bool:
    entered = event.kind == Kind.PASSAGE and event.payload.get("what") == ENTERED
    return entered and event.clock != ClockState.LOST and 0 < event.wall_us < _BIGINT


def _people(event: Event) -> Iterator[Passage]:
    who = event.payload["who"]
    if not isinstance(who, list) or not 1 <= len(who) <= MOST_PEOPLE:
        raise ValueError("nobody, or a crowd")
    direction = Direction(str(event.payload.get("dir")))
    for person in who:
        if not isinstance(person, dict):
            raise ValueError("not a person")  # noqa: TRY004 - the event is wrong, not the program
        household = person.get("household")
        cti = _octets(person.get("cti"), _CTI)
        yield Passage(cti, None if household is None else _octets(household, _HOUSEHOLD), direction, event.wall_us)


def _octets(value: object, form: re.Pattern[str]) -> bytes:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError("not the hexadecimal digits that it should be")
    return bytes.fromhex(value)
