"""Announcements: what central lets the loudspeakers say, once or at times of day, and what of it is due.

The document is the whole list in force. An id is said once (or once at each of its times), whatever document names it:
other words need another id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from station.core import shape
from station.core.calendar import DAY_KINDS, DAY_S, Calendar, weekday
from station.core.documents import FIELDS, Envelope
from station.core.model import LANGUAGES, ClockState, Instant, Rejected, Text
from station.core.reasons import Reason
from station.core.record import dataclass
from station.core.volume import minute_of_day

MOST, MOST_TIMES, LONGEST_TEXT = 50, 24, 400
LATE_S = 600
"""What could not be said within ten minutes of its time is left out: "please come now" would mislead."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
KEYS = {"id", "text", "from", "to", "at", "days", "volume"}
_ID = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Announcement:
    """One announcement. `at`: minutes of the local day, none for once; `days`: weekdays and kinds of day, none for all.

    `begins`, `ends`: Unix seconds between which it may be said. `volume`: 0 to 100 instead of the station's own.
    """

    id: str
    words: Text
    begins: int
    ends: int
    at: tuple[int, ...] = ()
    days: frozenset[str] = frozenset()
    volume: int | None = None


@dataclass(frozen=True, slots=True)
class Announcements:
    """A verified list. `expires`: Unix seconds after which nothing of it is said."""

    seq: int
    expires: int
    items: tuple[Announcement, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """An announcement and the moment it is due for, Unix seconds: its time of day, or its `begins`."""

    announcement: Announcement
    slot: int


# --- reading ---------------------------------------------------------------------------------------------------------


def _announcement(value: object, number: int) -> Announcement:
    row = shape.mapping(value, f"announcement {number}")
    identifier = shape.text(row.get("id"), f"announcement {number}.id", 40)
    where = f"announcement {identifier}"
    if not _ID.fullmatch(identifier):
        raise shape.ShapeError(f"{where}: an id is 1 to 40 small letters, digits and hyphens")
    shape.keys_within(row, KEYS, where)
    words = shape.mapping(row.get("text"), f"{where}.text")
    if set(words) != set(LANGUAGES):
        raise shape.ShapeError(f"{where}.text needs exactly the languages {', '.join(LANGUAGES)}")
    begins, ends = shape.integer(row.get("from"), f"{where}.from"), shape.integer(row.get("to"), f"{where}.to")
    if begins >= ends:
        raise shape.ShapeError(f"{where}: it ends before it begins")
    at = [shape.text(one, f"{where}.at", 5) for one in shape.sequence(row.get("at", ()), f"{where}.at", MOST_TIMES)]
    days = [shape.text(one, f"{where}.days", 20) for one in shape.sequence(row.get("days", ()), f"{where}.days", 10)]
    if unknown := set(days) - {*WEEKDAYS, *DAY_KINDS}:
        known = ", ".join((*WEEKDAYS, *DAY_KINDS))
        raise shape.ShapeError(f"{where}.days: {', '.join(sorted(unknown))} is none of {known}")
    if days and not at:
        raise shape.ShapeError(f"{where}: days need times of day (`at`)")
    volume = row.get("volume")
    return Announcement(
        id=identifier,
        words={language: _spoken(words[language], f"{where}.text.{language}") for language in LANGUAGES},
        begins=begins,
        ends=ends,
        at=tuple(sorted({minute_of_day(one) for one in at})),
        days=frozenset(days),
        volume=None if volume is None else shape.integer(volume, f"{where}.volume", 0, 100),
    )


def _spoken(value: object, where: str) -> str:
    found = shape.text(value, where, LONGEST_TEXT).strip()
    if not found:
        raise shape.ShapeError(f"{where} is empty")
    return found


def read_list(value: object) -> tuple[Announcement, ...]:
    """Read the field `announcements`. Raises ValueError naming what is wrong."""
    rows = shape.sequence(value, "announcements", MOST)
    items = tuple(_announcement(row, number) for number, row in enumerate(rows, 1))
    if len({item.id for item in items}) < len(items):
        raise shape.ShapeError("two announcements share an id")
    return items


def read_announcements(envelope: Envelope) -> Announcements | Rejected:
    """Read a verified announcement document."""
    try:
        shape.keys_within(envelope.fields, FIELDS | {"announcements"}, "announcement document")
        items = read_list(envelope.fields.get("announcements"))
    except ValueError as error:
        return Rejected(Reason.ANNOUNCEMENT_INVALID, str(error))
    return Announcements(envelope.seq, envelope.expires, items)


# --- what is due -----------------------------------------------------------------------------------------------------


def due(listed: Announcements, calendar: Calendar | None, said: Mapping[str, int], now: Instant) -> Due | None:
    """Return what should be said now, the longest due first; None where nothing is, or the time is not known.

    `calendar`: what local time and the days are, None while unknown: then only those without times of day are due.
    `said`: by id, the newest slot that was said.
    """
    if now.state is ClockState.LOST or now.seconds > listed.expires:
        return None
    found = (
        Due(item, slot)
        for item in listed.items
        if item.begins <= now.seconds < item.ends
        for slot in _slots(item, calendar, now.seconds)
        if not _heard(item, said.get(item.id), slot)
    )
    return min(found, key=lambda one: (one.slot, one.announcement.id), default=None)


def _slots(item: Announcement, calendar: Calendar | None, seconds: int) -> Iterator[int]:
    """Yield the newest slot that is still to be said: at most one."""
    if not item.at:
        yield item.begins
        return
    if calendar is None:
        return
    today, _ = calendar.local(seconds)
    offset_s = calendar.utc_offset_minutes * 60
    slots = [
        day * DAY_S + minute * 60 - offset_s
        for day in (today - 1, today)
        if _on(item, calendar, day)
        for minute in item.at
    ]
    past = [slot for slot in slots if item.begins <= slot and seconds - LATE_S < slot <= seconds]
    if past:
        yield max(past)


def _on(item: Announcement, calendar: Calendar, day: int) -> bool:
    return not item.days or bool(item.days & {WEEKDAYS[weekday(day) - 1], calendar.kind(day)})


def _heard(item: Announcement, newest: int | None, slot: int) -> bool:
    """Say whether a slot was said. One noted a day ahead of now comes from a clock that was wrong and is overlooked."""
    if newest is None:
        return False
    return not item.at or slot <= newest < slot + DAY_S
