"""What a journal holds of a presentation that was decided under some policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from station.core.events import Event, Kind
from station.core.model import Band, Decision, Outcome
from station.core.noted import noted
from station.core.passback import Passage
from station.core.policy import Policy
from station.payloads import decision_payload
from tests.core.issuing import TYPICAL
from tests.policy_tools.presenting import NEIGHBOUR, Shown

LANE = "lane"


def followed(shown: Shown, policy: Policy, *, measured: bool = True, accompanied: bool = True) -> Decision:
    """Return what a presentation comes to: who is to be measured or accompanied is, as far as the arguments say.

    The band and the second pass of `shown` are those that will be found when the rules ask for them.
    """
    first = replace(shown, band=Band.NOT_MEASURED, escort=None)
    decision = first.decide(policy)
    if decision.outcome is Outcome.MEASURE and measured:
        decision = replace(first, band=shown.band).decide(policy)
    if decision.outcome is Outcome.ESCORT and accompanied and shown.escort is not None:
        first = replace(first, escort=shown.escort)
        decision = first.decide(policy)
        if decision.outcome is Outcome.MEASURE and measured:
            decision = replace(first, band=shown.band).decide(policy)
    return decision


def recorded(shown: Shown, policy: Policy, decision: Decision, *, keep_facts: bool = False) -> list[Event]:
    """Return a journal: the policy takes effect, people pass, and the presentation is decided."""
    passages = sorted(_passages(shown), key=lambda passage: passage.wall_us)
    start_us = min([passage.wall_us for passage in passages], default=shown.at * 1_000_000) - 1
    events = [_event(1, start_us, Kind.DOCUMENT, {"type": "policy", "seq": policy.version, "result": "in-force"})]
    events += [_entered(number, passage) for number, passage in enumerate(passages, 2)]
    payload = decision_payload(LANE, shown.way, decision)
    if keep_facts:
        escort = shown.escort if decision.escort else None
        payload["facts"] = noted(replace(shown, band=decision.reading.band, escort=escort).facts(policy))
    decided = _event(len(events) + 1, shown.at * 1_000_000, Kind.DECISION, payload)
    return [*events, replace(decided, clock=shown.clock.value)]


def _passages(shown: Shown) -> Sequence[Passage]:
    history = shown.history
    alone = [passage for passage in history.household if passage.cti == NEIGHBOUR]
    return [*history.own, *alone]


def _entered(seq: int, passage: Passage) -> Event:
    household = {"household": passage.household.hex()} if passage.household else {}
    who = [{"cti": passage.cti.hex(), **household}]
    payload = {"lane": LANE, "of": 0, "what": "entered", "dir": passage.direction.value, "who": who}
    return _event(seq, passage.wall_us, Kind.PASSAGE, payload)


def _event(seq: int, wall_us: int, kind: Kind, payload: Mapping[str, object]) -> Event:
    return Event(seq, wall_us, seq, "boot", "trusted", 0, kind.value, payload)


def forgiven(seq: int, at: int) -> Event:
    """Return the event of a guard who forgives the typical pass."""
    payload = {"lane": LANE, "cti": TYPICAL.cti.hex(), "operator": "g07", "why": ""}
    return _event(seq, at * 1_000_000, Kind.FORGIVEN, payload)
