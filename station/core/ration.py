"""How many refusals an hour are recorded one by one: whoever sends rubbish does not fill the journal."""

from __future__ import annotations

from station.core.model import Instant
from station.core.record import dataclass

NOTED, WITHIN_US = 30, 3_600_000_000
"""So many refusals an hour are recorded; of the others the hour's number is, once it is over."""


@dataclass(frozen=True, slots=True)
class Ration:
    """The refusals of an hour, which begins with the first. Times are monotonic microseconds."""

    began_us: int = 0
    noted: int = 0
    unnoted: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether a further refusal is counted only."""
        return self.noted >= NOTED

    def over(self, now: Instant) -> bool:
        """Say whether the hour is over, and its number may be told."""
        return self.noted > 0 and now.mono_us - self.began_us >= WITHIN_US

    def after(self, now: Instant) -> Ration:
        """Return what is left after one more refusal."""
        if self.exhausted:
            return Ration(self.began_us, self.noted, self.unnoted + 1)
        return Ration(self.began_us if self.noted else now.mono_us, self.noted + 1)
