"""What must be remembered of people's ways: passages for anti-passback and quotas, and live codes that are used up.

Everything of this station stands in journal.db and changes in the transaction of the event that changes it, so that it
survives whatever happens to the machine. What other gates of the site report is kept by gate-sync and read anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice, takewhile
from operator import attrgetter

from station.core.model import Credential, Direction, Instant
from station.core.passback import DAY_S, KEEP_DAYS, History, Passage, Peers, visible
from station.core.record import dataclass
from station.journal import Change, Journal, set_state

HEARD_US = 15 * 60 * 1_000_000
"""For so long after a notice the other gates count as heard from; central sends one every minute."""
INSIDE = "inside"
KEEP_US = KEEP_DAYS * DAY_S * 1_000_000
KEEP_LIVE_S = DAY_S
"""Used-up live codes are forgotten a day later; they have been too old by themselves since the first minute."""

_moment = attrgetter("wall_us")
ADD_PASSAGE = "INSERT INTO passage(cti, household, direction, wall_us) VALUES (?, ?, ?, ?)"
ADD_USED = "INSERT OR IGNORE INTO live_used(cti, t) VALUES (?, ?)"

_PASSAGES = "SELECT cti, household, direction, wall_us FROM passage"


@dataclass(frozen=True, slots=True)
class Memo:
    """State changes for the transaction of an event, and what to do once it is committed."""

    changes: tuple[Change, ...]
    take_effect: Callable[[], None]


class Register:
    """Used by the gate thread alone."""

    def __init__(self, journal: Journal, *, has_peers: bool, pending: Iterable[Change] = ()) -> None:
        """Load what the journal's file holds. `has_peers`: the site has other gates.

        `pending`: changes that wait in the reserve; they count already.
        """
        self._has_peers = has_peers
        self._heard_us: int | None = None
        self._by_pass: dict[bytes, list[Passage]] = defaultdict(list)
        self._by_household: dict[bytes, list[Passage]] = defaultdict(list)
        for cti, household, direction, wall_us in journal.rows(_PASSAGES):
            self._add(Passage(cti, household, Direction(direction), wall_us))
        self._used: set[tuple[bytes, int]] = set(journal.rows("SELECT cti, t FROM live_used"))
        self.inside = int(journal.state(INSIDE) or b"0")
        """How many people are inside, as far as this station's passages tell."""
        self._used_before: set[tuple[bytes, int]] = set()
        self._day_began_us: int | None = None
        self._forgiven: dict[bytes, int] = dict(journal.rows("SELECT subject, wall_us FROM forgiven"))
        for change in pending:
            self._count(change)

    def _count(self, change: Change) -> None:
        if change.sql == ADD_PASSAGE:
            cti, household, direction, wall_us = change.values
            self._add(Passage(cti, household, Direction(direction), wall_us))
        elif change.sql == ADD_USED:
            self._used.add((change.values[0], change.values[1]))
        elif change.values[0] == INSIDE:
            self.inside = int(change.values[1])

    # --- asking ----------------------------------------------------------------------------------------------------

    def history(self, credential: Credential, now: Instant) -> History:
        """Return what is known of a pass and its household."""
        own = visible(self._by_pass.get(credential.cti, ()), self._forgiven, credential.cti)
        shared: tuple[Passage, ...] = ()
        if credential.household is not None:
            found = self._by_household.get(credential.household, ())
            shared = visible(found, self._forgiven, credential.household)
        return History(own, shared, self._peers(now))

    def used_up(self, credential: Credential) -> bool:
        """Say whether a grant has consumed the live code this credential was shown with."""
        if credential.live is None:
            return False
        code = (credential.cti, credential.live.t)
        return code in self._used or code in self._used_before

    def _peers(self, now: Instant) -> Peers:
        if not self._has_peers:
            return Peers.ALONE
        heard = self._heard_us is not None and now.mono_us - self._heard_us <= HEARD_US
        return Peers.HEARD if heard else Peers.UNHEARD

    # --- noting ----------------------------------------------------------------------------------------------------

    def granted(self, credentials: Iterable[Credential], now: Instant) -> Memo:
        """Note that a grant consumes the live codes these credentials were shown with."""
        used = [(c.cti, c.live.t) for c in credentials if c.live is not None]
        if not used:
            return Memo((), lambda: None)
        changes = [Change(ADD_USED, pair) for pair in used]
        old = Change("DELETE FROM live_used WHERE t < ?", (now.seconds - KEEP_LIVE_S,))
        return Memo((*changes, old), lambda: self._used.update(used))

    def passed(self, credentials: Iterable[Credential], direction: Direction, now: Instant) -> Memo:
        """Note that the holders of these credentials went through."""
        passages = [Passage(c.cti, c.household, direction, now.wall_us) for c in credentials]
        changes = [Change(ADD_PASSAGE, (p.cti, p.household, str(p.direction), p.wall_us)) for p in passages]
        old = Change("DELETE FROM passage WHERE wall_us < ?", (now.wall_us - KEEP_US,))
        inside = max(0, self.inside + max(1, len(passages)) * (1 if direction is Direction.IN else -1))
        counted = set_state(INSIDE, b"%d" % inside)

        def take_effect() -> None:
            self.inside = inside
            self._hold(passages, now)

        return Memo((*changes, old, counted), take_effect)

    def forgiven(self, credential: Credential, now: Instant) -> Memo:
        """Note that a guard forgives a pass and its household what they did before now."""
        subjects = [subject for subject in (credential.cti, credential.household) if subject is not None]
        sql = "INSERT OR REPLACE INTO forgiven(subject, wall_us) VALUES (?, ?)"
        changes = [Change(sql, (subject, now.wall_us)) for subject in subjects]
        old = Change("DELETE FROM forgiven WHERE wall_us < ?", (now.wall_us - KEEP_US,))
        return Memo((*changes, old), lambda: self._forgiven.update(dict.fromkeys(subjects, now.wall_us)))

    def heard(self, passages: Iterable[Passage], now: Instant, *, fresh: bool) -> None:
        """Take in what other gates of the site report. `fresh`: it has just arrived, so the site is heard from."""
        if fresh:
            self._heard_us = now.mono_us
        self._hold(passages, now)

    def _hold(self, passages: Iterable[Passage], now: Instant) -> None:
        for passage in passages:
            if passage.wall_us >= now.wall_us - KEEP_US:
                self._add(passage)

    def _add(self, passage: Passage) -> None:
        _insert(self._by_pass[passage.cti], passage)
        if passage.household is not None:
            _insert(self._by_household[passage.household], passage)

    def forget_old(self, now: Instant) -> None:
        """Drop from memory what is older than any quota counts; takes long at a busy site, so not often.

        Used-up live codes go after one to two days of running: by when they were used, as a phone's `t` may be wrong.
        """
        for table in (self._by_pass, self._by_household):
            for subject, passages in list(table.items()):
                kept = [passage for passage in passages if passage.wall_us >= now.wall_us - KEEP_US]
                if kept:
                    table[subject] = kept
                else:
                    del table[subject]
        self._forgiven = {who: at for who, at in self._forgiven.items() if at >= now.wall_us - KEEP_US}
        if self._day_began_us is None:
            self._day_began_us = now.mono_us
        elif now.mono_us - self._day_began_us >= KEEP_LIVE_S * 1_000_000:
            self._used_before, self._used, self._day_began_us = self._used, set(), now.mono_us


def _insert(passages: list[Passage], passage: Passage) -> None:
    """Put a passage in its place; reports from other gates may come late and twice."""
    if not passages or passage.wall_us > passages[-1].wall_us:
        passages.append(passage)
        return
    place = bisect_left(passages, passage.wall_us, key=_moment)
    same = takewhile(lambda known: known.wall_us == passage.wall_us, islice(passages, place, None))
    if passage not in same:
        passages.insert(place, passage)
