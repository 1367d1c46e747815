"""How loud the station speaks: a volume for the day, and quieter times of day."""

from __future__ import annotations

from collections.abc import Sequence

from station.core.record import dataclass

DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Quiet:
    """From minute `begins` of the local day up to, not including, `ends`; past midnight where it ends before it begins.

    `volume`: 0 (silent) to 100, per cent of full scale.
    """

    begins: int
    ends: int
    volume: int

    def covers(self, minute: int) -> bool:
        """Say whether a minute of the day (0 to 1439) lies in it; equal ends cover the whole day."""
        return (minute - self.begins) % DAY_MINUTES < ((self.ends - self.begins) % DAY_MINUTES or DAY_MINUTES)


def volume_at(minute: int | None, usual: int, table: Sequence[Quiet]) -> int:
    """Return the volume, 0 to 100, at a minute of the local day; None: who does not know the time speaks quietly.

    A row never makes the station louder, and of rows that overlap the quietest counts.
    """
    return min([usual, *(row.volume for row in table if minute is None or row.covers(minute))])


def minute_of_day(text: str) -> int:
    """Return the minute (0 to 1439) of "HH:MM". Raises ValueError."""
    hours, colon, minutes = text.partition(":")
    if not (colon and len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):  # noqa: PLR2004 - two digits each
        raise ValueError(f"{text!r} is not a time of day as HH:MM")
    if int(hours) >= 24 or int(minutes) >= 60:  # noqa: PLR2004 - hours of a day, minutes of an hour
        raise ValueError(f"{text!r} is not a time of day from 00:00 to 23:59")
    return int(hours) * 60 + int(minutes)
