"""Judges what is presented at one lane: gathers what the station knows and asks the core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from station.challenge import Challenge
from station.core.decide import decide, refuse
from station.core.facts import Presented, Site
from station.core.model import (
    NOT_MEASURED,
    Credential,
    Decision,
    Direction,
    Instant,
    Outcome,
    Rejected,
    TemperatureReading,
)
from station.core.reasons import Reason
from station.core.retention import without_room
from station.core.timecode import TimeCode
from station.documents import Documents
from station.journal import Change
from station.payloads import Payload
from station.ports import Clock
from station.recorder import Recorder
from station.register import Register

LOCK_DOWN = "command:lock-down"
"""What stands in the place of a rule where central has closed entry."""
_FIT_TO_ESCORT = (Outcome.GRANT, Outcome.MEASURE, Outcome.ESCORT)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes of a station share."""

    clock: Clock
    recorder: Recorder
    documents: Documents
    register: Register
    challenge: Challenge
    decided: Callable[[Any, int, Decision], None]
    """Called after each recorded decision with its seq, for the list of passages."""
    told_time: Callable[[TimeCode], bool]
    """Takes a guard's time code; says whether it was accepted."""
    interlocked: Callable[[str], bool] = lambda _lane: False
    """Says whether another door must be shut first (a sluice has two, never both open)."""
    locked_down: Callable[[], bool] = lambda: False
    """Says whether central has closed entry."""
    no_room: Callable[[], Outcome | None] = lambda: None
    """Says what happens to who would be let in while the disk is too full; None where it is not."""
    personal: Callable[[Decision, Instant], tuple[Payload, list[Change]]] = lambda _decision, _now: ({}, [])
    """Returns what a decision's event keeps of the person, sealed, and the change that goes with it."""


class Judge:
    """Used by the gate thread alone."""

    def __init__(self, site: Site, around: Surroundings) -> None:
        self._site, self._around = site, around

    def decide(
        self,
        credential: Credential,
        now: Instant,
        reading: TemperatureReading = NOT_MEASURED,
        escort: Credential | None = None,
        shown: Instant | None = None,
    ) -> Decision:
        """Decide about a pass, with what has been measured and who came along.

        `shown`: when it was shown, where that was earlier; its live code is judged by that moment.
        """
        papers, register = self._around.documents, self._around.register
        presented = Presented(
            reading=reading,
            history=register.history(credential, now),
            escort=escort,
            nonces=self._around.challenge.answerable(shown or now),
            used_up=register.used_up(credential),
            inside=register.inside,
            shown=shown,
        )
        decision = decide(credential, presented, self._site, papers.policy, papers.statuses, now)
        if self.closed:
            return decision if decision.outcome is Outcome.DENY else _closed(decision)
        instead = self._around.no_room()
        return without_room(decision, self._site.direction, instead) if instead else decision

    @property
    def closed(self) -> bool:
        """Whether central has closed this lane; those that lead out stay open."""
        return self._site.direction is Direction.IN and self._around.locked_down()

    def second_pass(self, first: Credential, second: Credential, now: Instant, shown: Instant | None) -> Decision:
        """Judge the first pass, shown then, with the second beside it; where that does not help, the second alone."""
        alone = self.decide(second, now)
        if alone.outcome not in _FIT_TO_ESCORT:
            return alone
        together = self.decide(first, now, escort=second, shown=shown)
        return alone if together.outcome is Outcome.ESCORT else together

    def refuse(self, rejected: Rejected) -> Decision:
        """Turn what could not be read into a decision, as the policy in force wants it."""
        return refuse(rejected, self._around.documents.policy)


def _closed(decision: Decision) -> Decision:
    """Refuse whom the rules would let in, have measured or refer; the guard may still open by hand."""
    return replace(decision, outcome=Outcome.DENY, reason=Reason.LOCKED_DOWN_BY_CENTRAL, rule=LOCK_DOWN, say=None)
