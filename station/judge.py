"""Judges what is presented at one lane: gathers what the station knows and asks the core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from station.challenge import Challenge
from station.core.decide import decide, refuse
from station.core.facts import Presented, Site
from station.core.model import (
    NOT_MEASURED,
    Credential,
    Decision,
    Instant,
    Outcome,
    Rejected,
    TemperatureReading,
)
from station.core.timecode import TimeCode
from station.documents import Documents
from station.ports import Clock
from station.recorder import Recorder
from station.register import Register

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
        return decide(credential, presented, self._site, papers.policy, papers.statuses, now)

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
