"""Local time and the kind of day, from a policy's offset and its list of holidays and make-up workdays."""

from __future__ import annotations

from station.core.record import dataclass

DAY_S = 86_400
DAY_KINDS = ("workday", "weekend", "holiday")
_SATURDAY = 6
_EPOCH = 719_163
"""The ordinal of 1970-01-01 (datetime.date.toordinal)."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """`holidays` and `workdays` (weekend days worked instead): days since 1970-01-01."""

    utc_offset_minutes: int = 0
    holidays: frozenset[int] = frozenset()
    workdays: frozenset[int] = frozenset()

    def local(self, seconds: int) -> tuple[int, int]:
        """Return (day since 1970-01-01, minute of the day), local."""
        day, second = divmod(seconds + self.utc_offset_minutes * 60, DAY_S)
        return day, second // 60

    def kind(self, day: int) -> str:
        """Return the kind of a day."""
        if day in self.holidays:
            return "holiday"
        if day in self.workdays or weekday(day) < _SATURDAY:
            return "workday"
        return "weekend"


def weekday(day: int) -> int:
    """Return 1 (Monday) to 7 of a day since 1970-01-01, which was a Thursday."""
    return (day + 3) % 7 + 1


def day_number(iso: str) -> int:
    """Return the days since 1970-01-01 of "YYYY-MM-DD". Raises ValueError."""
    from datetime import date  # noqa: PLC0415 - policies are read rarely, and deciding needs no dates

    return date.fromisoformat(iso).toordinal() - _EPOCH
