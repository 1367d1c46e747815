"""Who went which way, and how often: anti-passback, time away and quotas, from the passages the station knows of.

Passages at other gates of the same site count as the station's own once it has heard of them (`Peers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from station.core.model import Credential, Direction, Instant, PassClass, Text
from station.core.record import dataclass

DAY_S = 86_400
_OUT = Direction.OUT
"""By a name of its own: Python 3.11 takes 0.2 us to find a member by its enumeration."""
KEEP_DAYS = 8
"""How long passages are remembered; no quota counts over more days."""


class Peers(StrEnum):
    """What the station knows of the site's other gates. ALONE: there are none."""

    ALONE = "alone"
    HEARD = "heard"
    UNHEARD = "unheard"


@dataclass(frozen=True, slots=True)
class Passage:
    """Somebody went through a gate. `wall_us`: Unix microseconds."""

    cti: bytes
    household: bytes | None
    direction: Direction
    wall_us: int


@dataclass(frozen=True, slots=True)
class History:
    """The passages of a pass and of its household, oldest first, without what a guard has forgiven."""

    own: Sequence[Passage] = ()
    household: Sequence[Passage] = ()
    peers: Peers = Peers.ALONE


NO_HISTORY = History()


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `passages` in `direction` within `days` local calendar days, today included, per household or pass."""

    id: str
    per: str
    """household or pass."""
    direction: Direction
    passages: int
    days: int
    describe: Text
    classes: frozenset[PassClass] = frozenset()
    """Empty: every class."""

    def covers(self, credential: Credential, direction: Direction) -> bool:
        """Say whether this quota counts a passage of this pass in this direction."""
        of_class = not self.classes or credential.pass_class in self.classes
        return direction is self.direction and of_class and (self.per == "pass" or credential.household is not None)

    def left(self, history: History, utc_offset_minutes: int, now: Instant) -> int:
        """Return how many passages are left, never below 0."""
        offset = utc_offset_minutes * 60
        first_day = (now.seconds + offset) // DAY_S - self.days + 1
        passages = history.household if self.per == "household" else history.own
        used = sum(
            p.direction is self.direction and (p.wall_us // 1_000_000 + offset) // DAY_S >= first_day for p in passages
        )
        return max(0, self.passages - used)


def passback(history: History, direction: Direction) -> str:
    """Return `clear`, `violation` (the last passage went the same way) or `unknown` (none is remembered)."""
    if not history.own:
        return "unknown"
    return "violation" if history.own[-1].direction is direction else "clear"


def minutes_away(history: History, now: Instant) -> int | None:
    """Return for how long the holder has been out, minutes; None where the last passage was not outwards."""
    if not history.own or history.own[-1].direction is not _OUT:
        return None
    return max(0, now.wall_us - history.own[-1].wall_us) // 60_000_000


def minutes_since(history: History, now: Instant) -> int | None:
    """Return how long ago the holder's last passage was, minutes; None where none is remembered."""
    return max(0, now.wall_us - history.own[-1].wall_us) // 60_000_000 if history.own else None


def quota(
    quotas: Sequence[Quota],
    credential: Credential,
    history: History,
    direction: Direction,
    utc_offset_minutes: int,
    now: Instant,
) -> str:
    """Return `used` where any quota that counts here is used up, else `left`; `none` where none counts."""
    counting = [q for q in quotas if q.covers(credential, direction)]
    if not counting:
        return "none"
    return "left" if all(q.left(history, utc_offset_minutes, now) for q in counting) else "used"


def visible(passages: Sequence[Passage], forgiven_us: Mapping[bytes, int], subject: bytes) -> tuple[Passage, ...]:
    """Return the passages of a pass or household that still count: those after a guard last forgave it."""
    since = forgiven_us.get(subject)
    return tuple(passages) if since is None else tuple(passage for passage in passages if passage.wall_us > since)
