"""The policy: a first-match table of rules over named facts. Not a program: it always terminates and explains itself.

The rule that fired is the reason. How a policy is read from its document: station.core.policy_reader.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from enum import StrEnum

from station.core.calendar import Calendar
from station.core.facts import MEMORY_FACTS, Facts, Site, of_place
from station.core.matching import Condition, MatchTable, compile_rows
from station.core.model import ClockState, Instant, Outcome, Text
from station.core.passback import Quota
from station.core.reasons import Matter, Reason
from station.core.record import dataclass, field

DEFAULT_LEVEL, DEFAULT_RISK = "open", "unknown"
FOREVER = 2**40


class Degraded(StrEnum):
    """What to do where the station cannot decide.

    NONCE, only where the clock is lost: a phone that signs the station's nonce is judged by the last known time.
    """

    REFER = "refer"
    DENY = "deny"
    NONCE = "nonce"


DEGRADABLE: Mapping[Matter, frozenset[Degraded]] = {
    Matter.UNDECIDED: frozenset({Degraded.REFER, Degraded.DENY}),
    Matter.STATION: frozenset({Degraded.REFER, Degraded.DENY}),
    Matter.CLOCK: frozenset(Degraded),
}
"""What may be chosen for each kind of trouble; whatever is not chosen goes to the guard."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. `valid_from`/`valid_to`: unsigned seconds, the row is skipped outside."""

    id: str
    version: int
    conditions: tuple[Condition, ...]
    outcome: Outcome
    reason: Reason
    describe: Text
    say: Text | None = None
    valid_from: int = 0
    valid_to: int = FOREVER

    def in_time(self, seconds: int) -> bool:
        """Say whether the rule is valid at a moment."""
        return self.valid_from <= seconds <= self.valid_to

    def applies(self, facts: Facts, seconds: int) -> bool:
        """Say whether the rule fires."""
        return self.in_time(seconds) and not self.unmet(facts)

    def unmet(self, facts: Facts) -> tuple[Condition, ...]:
        """Return the conditions that are not met: why the rule did not fire."""
        return tuple(condition for condition in self.conditions if not condition.holds(facts))

    @property
    def by_memory(self) -> bool:
        """Whether it asks about what other gates of the site may know better."""
        return any(condition.fact in MEMORY_FACTS for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class HoldOpen:
    """A schedule: while its conditions hold, the doors of `gates` (all where empty) stand open to everybody."""

    id: str
    conditions: tuple[Condition, ...]
    describe: Text
    gates: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Policy:
    """The table, and what it says of places and days. `zones`, `risks`: by prefix of area codes, the longest wins."""

    version: int
    rules: tuple[Rule, ...]
    zones: Mapping[str, str]
    calendar: Calendar = field(default_factory=Calendar)
    risks: Mapping[str, str] = field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()
    degraded: Mapping[Matter, Degraded] = field(default_factory=dict)
    issued: int | None = None
    schedules: tuple[HoldOpen, ...] = ()
    table: MatchTable = field(init=False, compare=False, repr=False)
    lengths: tuple[Sequence[int], Sequence[int]] = field(init=False, compare=False, repr=False)
    """How long the prefixes in `zones` and `risks` are, the longest first: only so many are looked up."""

    def __post_init__(self) -> None:
        """Build the tables once, so that a decision only looks up."""
        rows = [(rule.conditions, (rule.valid_from, rule.valid_to)) for rule in self.rules]
        object.__setattr__(self, "table", compile_rows(rows))
        object.__setattr__(self, "lengths", (_lengths(self.zones), _lengths(self.risks)))

    def first_match(self, facts: Facts, seconds: int) -> Rule | None:
        """Return the first rule that fires."""
        number = self.table.first(facts, seconds)
        return None if number is None else self.rules[number]

    def holds_open(self, site: Site, now: Instant) -> bool:
        """Say whether a schedule holds a lane's door open now; never where the clock is lost."""
        if not self.schedules or now.state is ClockState.LOST:
            return False
        facts = of_place(site, self.level(site.zone), self.calendar, now)
        return any(
            (not schedule.gates or site.gate in schedule.gates) and all(c.holds(facts) for c in schedule.conditions)
            for schedule in self.schedules
        )

    def hangs_on_memory(self, rule: Rule | None, facts: Facts, seconds: int) -> bool:
        """Say whether other passages might have led elsewhere: `rule`, which fired, or one before it asks about them.

        One before it counts where nothing but what it asks about passages kept it from firing.
        """
        asked = itertools.takewhile(lambda row: row is not rule, self.rules)
        before = any(
            row.by_memory and row.in_time(seconds) and all(c.fact in MEMORY_FACTS for c in row.unmet(facts))
            for row in asked
        )
        return before or (rule is not None and rule.by_memory)

    def level(self, zone: str) -> str:
        """Return the level of a zone: that of the longest prefix named, "open" where none is."""
        return _longest(self.zones, self.lengths[0], zone) or DEFAULT_LEVEL

    def risk(self, zone: str) -> str:
        """Return the risk of the area that a pass calls home, "unknown" where none is named."""
        return _longest(self.risks, self.lengths[1], zone) or DEFAULT_RISK

    def when(self, matter: Matter) -> Degraded:
        """Return what is to be done where the station cannot decide."""
        return self.degraded.get(matter, Degraded.REFER)

    @property
    def by_memory(self) -> bool:
        """Whether any rule asks about what other gates of the site may know better."""
        return any(rule.by_memory for rule in self.rules)


def _lengths(table: Mapping[str, str]) -> Sequence[int]:
    return sorted({len(prefix) for prefix in table}, reverse=True)


def _longest(table: Mapping[str, str], lengths: Sequence[int], zone: str) -> str | None:
    for length in lengths:
        if (found := table.get(zone[:length])) is not None:
            return found
    return None
