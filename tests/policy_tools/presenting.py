"""Presentations of every kind, put together from a few words, and decided or observed as a station does it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hypothesis import strategies as st

from station.core.decide import decide, setting_of
from station.core.facts import Facts, Presented, Site, observe
from station.core.model import (
    Band,
    ClockState,
    Credential,
    Decision,
    Direction,
    Health,
    HealthCode,
    Instant,
    Live,
    PassClass,
    Status,
    TemperatureReading,
)
from station.core.passback import DAY_S, History, Passage, Peers
from station.core.policy import Policy
from station.core.status import StatusList
from station.policy_tools.papers import assumed_status
from tests.core.issuing import GATE, INDEX, TYPICAL, ZONE, credential

MEDIA = ("paper", "phone-static", "phone-live", "phone-nonce")
NEIGHBOUR = bytes.fromhex("0f0f0f0f0f0f0f0f")
_NONCE = bytes(8)
_PHONE = b"\x02" + bytes(32)


def moment(text: str) -> int:
    """Return the Unix seconds of a time in China."""
    return int(datetime.fromisoformat(f"{text}+08:00").timestamp())


USUAL = moment("2026-03-04T10:00")
"""A Wednesday, and no holiday."""


@dataclass(frozen=True)
class Shown:
    """One presentation. `own`, `household`: passages as (direction, minutes ago), oldest first."""

    kind: PassClass = PassClass.RESIDENT
    way: str = "in"
    at: int = USUAL
    status: Status = Status.OK
    health: HealthCode | None = HealthCode.GREEN
    age: int = 0
    medium: str = "paper"
    band: Band = Band.NOT_MEASURED
    escort: PassClass | None = None
    own: tuple[tuple[str, int], ...] = ()
    household: tuple[tuple[str, int], ...] = ()
    at_home: bool = True
    """Whether the pass names a household."""
    home: str = ZONE
    peers: Peers = Peers.ALONE
    clock: ClockState = ClockState.TRUSTED
    can_measure: bool = True
    list_hours: int = 0
    """How old the status list is."""
    inside: int = 0

    @property
    def now(self) -> Instant:
        """When it is."""
        return Instant(self.at * 1_000_000, 0, self.clock)

    @property
    def holder(self) -> Credential:
        """The pass."""
        live = {
            "phone-live": Live(self.at),
            "phone-nonce": Live(self.at, _NONCE),
        }
        return credential(
            pass_class=self.kind,
            not_before=self.at - DAY_S,
            expires=self.at + 30 * DAY_S,
            home_zone=self.home,
            extra_zones=frozenset({ZONE}),
            health=None if self.health is None else Health(self.health, self.at // DAY_S - self.age),
            household=TYPICAL.household if self.at_home else None,
            phone_key=None if self.medium == "paper" else _PHONE,
            live=live.get(self.medium),
        )

    @property
    def history(self) -> History:
        """What is remembered: the household's passages include the pass's own."""
        own = tuple(self._passage(way, ago, self.holder.cti) for way, ago in self.own)
        others = tuple(self._passage(way, ago, NEIGHBOUR) for way, ago in self.household)
        shared = tuple(sorted((*own, *others), key=lambda p: p.wall_us)) if self.at_home else ()
        return History(own, shared, self.peers)

    def _passage(self, way: str, ago: int, cti: bytes) -> Passage:
        household = TYPICAL.household if self.at_home else None
        return Passage(cti, household, Direction(way), self.at * 1_000_000 - ago * 60_000_000)

    @property
    def presented(self) -> Presented:
        """What is known besides the pass."""
        second = None if self.escort is None else credential(cti=NEIGHBOUR, pass_class=self.escort)
        nonces = frozenset({_NONCE} if self.medium == "phone-nonce" else ())
        return Presented(TemperatureReading(self.band), self.history, second, nonces, inside=self.inside)

    @property
    def site(self) -> Site:
        """Where it is."""
        return Site(GATE, ZONE, Direction(self.way), self.can_measure)

    @property
    def statuses(self) -> StatusList:
        """The status list that names it."""
        return assumed_status(TYPICAL.kid, INDEX, self.status, self.at - 3600 * self.list_hours)

    def decide(self, policy: Policy) -> Decision:
        """Decide as a station does."""
        return decide(self.holder, self.presented, self.site, policy, self.statuses, self.now)

    def facts(self, policy: Policy) -> Facts:
        """Observe as a station does."""
        setting = setting_of(self.holder, self.site, policy, self.statuses)
        return observe(self.holder, self.status, self.presented, self.site, setting, self.now)


_ways = st.sampled_from(["in", "out"])
_passages = st.lists(st.tuples(_ways, st.integers(0, 8 * 1440)), max_size=3).map(
    lambda rows: tuple(sorted(rows, key=lambda row: -row[1]))
)
any_presentation = st.builds(
    Shown,
    kind=st.sampled_from(PassClass),
    way=_ways,
    at=st.integers(0, 60 * 24 * 60).map(lambda minutes: USUAL + 60 * minutes),
    status=st.sampled_from([Status.OK, Status.HOME_QUARANTINE, Status.REFER]),
    health=st.none() | st.sampled_from(HealthCode),
    age=st.integers(0, 12) | st.integers(0, 20_000),
    medium=st.sampled_from(MEDIA),
    band=st.sampled_from(Band),
    escort=st.none() | st.sampled_from(PassClass),
    own=_passages,
    household=_passages,
    at_home=st.booleans(),
    home=st.sampled_from([ZONE, "320102000000", "320700000000", "110000000000"]),
    peers=st.sampled_from(Peers),
    clock=st.sampled_from([ClockState.TRUSTED, ClockState.HOLDOVER]),
    can_measure=st.booleans(),
    inside=st.integers(0, 20),
)
