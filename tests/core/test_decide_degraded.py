"""What happens where the station cannot decide, or knows only its own gate: what policy chose, and never too much."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from station.core.decide import refuse
from station.core.model import (
    NOT_MEASURED,
    Band,
    ClockState,
    Decision,
    Direction,
    Live,
    Outcome,
    Rejected,
    TemperatureReading,
    Verdict,
)
from station.core.passback import History, Peers
from station.core.policy import DEGRADABLE, Degraded, Policy
from station.core.reasons import REASONS, Matter, Reason
from tests.core.deciding import ask, at, brief, rules
from tests.core.issuing import NOW, credential, passage, rule, site

IN, OUT = Direction.IN, Direction.OUT
FAULT = TemperatureReading(Band.FAULT)
CHOICES = [(matter, action) for matter, actions in DEGRADABLE.items() for action in sorted(actions)]
DENY_ALL = {matter.value: "deny" for matter in DEGRADABLE}


def choosing(matter: Matter, action: Degraded, *rows: object) -> Policy:
    """Return a policy that chooses one action for one kind of trouble."""
    return rules(*(rows or [rule()]), degraded={matter.value: action.value})


# Every way in which a decision ends without one: the changes that lead there, and the rows of the policy.
TROUBLES = {
    ("check:status", Reason.STATUS_UNKNOWN): ({"statuses": None}, [rule()]),
    ("check:no-rule", Reason.NO_RULE): ({}, [rule(when={"direction": {"eq": "out"}})]),
    ("check:clock", Reason.CLOCK_LOST): ({"now": at(NOW, state=ClockState.LOST)}, [rule()]),
    ("check:live", Reason.CLOCK_UNSURE): (
        {"holder": credential(live=Live(NOW - 100)), "now": at(NOW, 100.0)},
        [rule()],
    ),
    ("m", Reason.THERMOMETER_FAULT): (
        {"reading": NOT_MEASURED, "site": site(can_measure=False)},
        [rule(id="m", outcome="measure")],
    ),
    ("n", Reason.THERMOMETER_FAULT): ({"reading": FAULT}, [rule(id="n", outcome="deny", reason="no-face")]),
}


@pytest.mark.parametrize(("matter", "action"), CHOICES)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda row: row[0])
def test_each_trouble_ends_as_the_policy_chose(trouble, matter, action):
    """The action chosen for a kind of trouble applies to exactly that kind; all else goes to the guard."""
    identifier, reason = trouble
    changes, rows = TROUBLES[trouble]
    decision = ask(policy=choosing(matter, action, *rows), **changes)
    denied = action is Degraded.DENY and REASONS[reason].matter is matter
    assert brief(decision) == (Outcome.DENY if denied else Outcome.REFER, reason, identifier)
    verdicts = {Matter.CLOCK: Verdict.CLOCK, Matter.STATION: Verdict.STATION_FAULT}
    assert decision.verdict is verdicts.get(REASONS[reason].matter, Verdict.CANNOT_DECIDE)


def test_every_kind_of_trouble_is_met_here():
    """The troubles above are of all kinds that can be chosen for."""
    assert {REASONS[reason].matter for _, reason in TROUBLES} == set(DEGRADABLE)


@pytest.mark.parametrize(("matter", "action"), CHOICES)
def test_each_refusal_of_a_text_ends_as_the_policy_chose(matter, action):
    """Refused texts: the holder's matters are denied as ever; of the others only the kind that was chosen."""
    for reason in Reason:
        own = REASONS[reason].matter
        chosen = action is Degraded.DENY and own is matter
        expected = Outcome.DENY if own is Matter.HOLDER or chosen else Outcome.REFER
        decision = refuse(Rejected(reason, "", credential()), choosing(matter, action))
        assert brief(decision) == (expected, reason, f"check:{reason}")
        assert decision.credential == credential()


def test_without_a_policy_nothing_is_chosen():
    """A station without rules refers all it cannot decide."""
    for changes, _ in TROUBLES.values():
        assert ask(policy=None, **changes).outcome is Outcome.REFER
    assert brief(ask(policy=None)) == (Outcome.REFER, Reason.NO_POLICY, "check:policy")


REFERRING = [reason for reason in Reason if REASONS[reason].matter is not Matter.NONE]


@pytest.mark.parametrize("reason", REFERRING)
def test_what_a_rule_refers_itself_goes_to_the_guard(reason):
    """Whatever reason it gives, a rule that says "the guard" means the guard, even where all else is denied."""
    own = rules(rule(outcome="refer", reason=reason.value), degraded=DENY_ALL)
    for reading in (NOT_MEASURED, FAULT):
        assert brief(ask(policy=own, reading=reading)) == (Outcome.REFER, reason, "a")


@pytest.mark.parametrize("outcome", ["grant", "deny", "measure", "escort"])
def test_what_is_decided_is_not_degraded(outcome):
    """Where the station can decide, the choices for trouble change nothing."""
    plain, chosen = rules(rule(outcome=outcome)), rules(rule(outcome=outcome), degraded=DENY_ALL)
    for reading in (NOT_MEASURED, TemperatureReading(Band.RAISED)):
        if (outcome, reading) != ("measure", TemperatureReading(Band.RAISED)):
            assert ask(policy=chosen, reading=reading) == ask(policy=plain, reading=reading)
            assert ask(policy=plain, reading=reading).outcome == outcome


# --- local knowledge -------------------------------------------------------------------------------------------------

QUOTA = {
    "id": "q",
    "per": "household",
    "direction": "out",
    "passages": 1,
    "days": 2,
    "describe": {"zh": "次", "en": "q"},
}
BY_MEMORY = {
    "quota-used": rule(id="memory", outcome="deny", reason="quota-used", when={"quota": {"eq": "used"}}),
    "passback": rule(id="memory", outcome="deny", reason="passback", when={"passback": {"eq": "violation"}}),
    "away-too-long": rule(id="memory", outcome="deny", reason="policy", when={"last_passage_minutes": {"le": 10}}),
}
WENT_OUT = History((passage(OUT, NOW - 60),), (passage(OUT, NOW - 60),))


def going_out(policy: Policy, peers: Peers, history: History = WENT_OUT, **changes: object) -> Decision:
    """Decide about somebody who went out a minute ago and goes out again."""
    return ask(policy=policy, site=site(OUT), history=replace(history, peers=peers), **changes)


@pytest.mark.parametrize("row", BY_MEMORY.values(), ids=BY_MEMORY)
@pytest.mark.parametrize("degraded", [{}, DENY_ALL])
def test_until_the_other_gates_are_heard_memory_turns_nobody_away(row, degraded):
    """What is denied by memory is denied alone or after hearing; before, the guard decides, told of local knowledge."""
    policy = rules(row, rule(id="welcome"), quotas=[QUOTA], degraded=degraded)
    for peers in (Peers.ALONE, Peers.HEARD):
        decision = going_out(policy, peers)
        assert brief(decision) == (Outcome.DENY, Reason(row["reason"]), "memory")
        assert not decision.local
    unheard = going_out(policy, Peers.UNHEARD)
    assert brief(unheard) == (Outcome.REFER, Reason(row["reason"]), "memory")
    assert unheard.local
    assert unheard.verdict is Verdict.DENIED  # still about the holder: what the guard has to look at


@pytest.mark.parametrize("otherwise", ["deny", "nothing"])
@pytest.mark.parametrize("degraded", [{}, DENY_ALL])
def test_whom_memory_kept_from_an_earlier_grant_is_not_turned_away(otherwise, degraded):
    """A denial, or no rule at all, because an earlier rule by memory did not fire is for the guard until heard."""
    rows = [rule(id="ok", when={"passback": {"eq": "clear"}}), rule(id="no", outcome="deny", reason="passback")]
    policy = rules(*rows[: 2 if otherwise == "deny" else 1], degraded=degraded)
    unheard = going_out(policy, Peers.UNHEARD)
    assert (unheard.outcome, unheard.local) == (Outcome.REFER, True)
    heard = going_out(policy, Peers.HEARD)
    assert heard.outcome is (Outcome.DENY if otherwise == "deny" or degraded else Outcome.REFER)
    assert not heard.local
    elsewhere = rule(id="ok", when={"passback": {"eq": "clear"}, "direction": {"eq": "in"}})
    apart = going_out(rules(elsewhere, rows[1], degraded=degraded), Peers.UNHEARD)
    assert (apart.outcome, apart.local) == (Outcome.DENY, False)


def test_what_memory_allows_is_granted_and_marked():
    """A gate that has not heard from the others decides alone, and says so."""
    policy = rules(BY_MEMORY["quota-used"], rule(id="welcome"), quotas=[QUOTA])
    for peers in Peers:
        decision = going_out(policy, peers, History())
        assert brief(decision) == (Outcome.GRANT, Reason.GRANTED, "welcome")
        assert decision.local is (peers is Peers.UNHEARD)


def test_a_rule_may_refuse_for_its_own_reason():
    """Of a denial that asks nothing about passages, the other gates cannot know better: it stands."""
    first = rule(id="closed", outcome="deny", reason="zone-closed", when={"direction": {"eq": "out"}})
    policy = rules(first, BY_MEMORY["passback"], rule(id="welcome"))
    assert brief(going_out(policy, Peers.UNHEARD)) == (Outcome.DENY, Reason.ZONE_CLOSED, "closed")


def test_without_rules_by_memory_nothing_is_local():
    """Where no rule asks about passages, what the others know changes nothing and nothing is marked."""
    for peers, outcome in itertools.product(Peers, ("grant", "deny")):
        decision = going_out(rules(rule(outcome=outcome)), peers)
        assert (decision.outcome, decision.local) == (outcome, False)


def test_what_a_check_refuses_is_not_local():
    """An expired pass is expired whatever the other gates know."""
    policy = rules(BY_MEMORY["passback"], rule())
    decision = going_out(policy, Peers.UNHEARD, holder=credential(expires=NOW - 10))
    assert (decision.reason, decision.outcome, decision.local) == (Reason.PASS_EXPIRED, Outcome.DENY, False)


@pytest.mark.parametrize("outcome", ["measure", "escort", "refer"])
def test_other_outcomes_by_memory_are_marked_only(outcome):
    """To be measured, accompanied or seen by the guard turns nobody away: it stays, and is marked."""
    row = rule(outcome=outcome, when={"passback": {"eq": "violation"}})
    decision = going_out(rules(row), Peers.UNHEARD, reading=NOT_MEASURED)
    assert (decision.outcome, decision.local) == (outcome, True)


def test_a_rule_may_ask_whether_the_others_were_heard():
    """Policy can be stricter by itself: the fact is there to ask about, and is no memory."""
    strict = rules(rule(id="wait", outcome="refer", when={"peers": {"eq": "unheard"}}), rule(id="welcome"))
    assert [going_out(strict, peers).rule for peers in Peers] == ["welcome", "welcome", "wait"]
    assert not going_out(strict, Peers.UNHEARD).local


def test_a_faulty_sensor_is_excused_before_memory_is_held_against_anybody():
    """A denial by memory with a faulty sensor, unheard: the guard decides, for the sake of memory."""
    policy = rules(BY_MEMORY["passback"], degraded=DENY_ALL)
    unheard = going_out(policy, Peers.UNHEARD, reading=FAULT)
    assert (unheard.outcome, unheard.local) == (Outcome.REFER, True)
