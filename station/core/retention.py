"""Which rows of the journal may go, and when the disk is too full for new grants. Pure rules.

Never the newest row: the chain goes on from it. Never a row that central has not acknowledged: it exists nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from station.core.model import Decision, Direction, Outcome
from station.core.reasons import Reason
from station.core.record import dataclass, replace

DAY_US = 86_400_000_000
RELIEF = 0.02
"""The alarm of a full disk ends only so much (share of the disk) below where it begins, or it would flutter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`keep_days`: how long acknowledged rows stay. `evict_at`, `alarm_at`: used share of the disk, 0 to 1."""

    keep_days: float = 30
    evict_at: float = 0.80
    alarm_at: float = 0.95


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows `first` to `last` of the journal, of which central has acknowledged those up to `acknowledged`."""

    first: int
    last: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk in bytes. `reusable`: those within the journal's own file that hold nothing any more."""

    used: int
    free: int
    reusable: int = 0

    @property
    def share(self) -> float:
        """How full it is, 0 to 1, as `df` counts."""
        return self.used / (self.used + self.free) if self.used + self.free else 0.0

    @property
    def share_without_reusable(self) -> float:
        """How full it is for the journal, which writes into its own free pages first."""
        return max(0, self.used - self.reusable) / (self.used + self.free) if self.used + self.free else 0.0


def evict_up_to(kept: Kept, ages_us: Sequence[int | None], disk: Disk, limits: Limits) -> int:
    """Return the highest seq that may be evicted now; `kept.first - 1` where none may.

    `ages_us`: the ages of the oldest rows, from `kept.first` on, as many as may go at once; None where the clock was
    lost, then the row goes with its neighbours. On a full disk the oldest acknowledged rows go at any age.
    """
    most = min(kept.acknowledged, kept.last - 1, kept.first + len(ages_us) - 1)
    if disk.share_without_reusable >= limits.evict_at:
        return max(kept.first - 1, most)
    up_to = kept.first - 1
    for seq, age_us in enumerate(ages_us[: max(0, most - kept.first + 1)], kept.first):
        if age_us is not None and age_us <= limits.keep_days * DAY_US:
            break
        if age_us is not None:
            up_to = seq
    return up_to


def is_too_full(disk: Disk, limits: Limits, *, before: bool) -> bool:
    """Say whether the disk is too full for new grants. `before`: whether it was at the last look."""
    return disk.share >= limits.alarm_at - (RELIEF if before else 0)


def without_room(decision: Decision, direction: Direction, instead: Outcome) -> Decision:
    """Return the decision of a station whose disk is too full: nobody comes in by themselves, everybody may leave.

    `instead`: deny, or refer to the guard.
    """
    lets_in = decision.outcome in (Outcome.GRANT, Outcome.MEASURE, Outcome.ESCORT)
    if direction is not Direction.IN or not lets_in:
        return decision
    return replace(decision, outcome=instead, reason=Reason.DISK_FULL, rule="check:disk", say=None)
