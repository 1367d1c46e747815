"""A turnstile counts each person: who was let in first goes first, and who does not go is told from who does."""

from __future__ import annotations

import pytest

from station import by_hand
from station.core.events import Kind
from station.core.model import PassClass
from station.core.reasons import Reason
from station.device_config import ButtonConfig, DoorConfig, RelayConfig
from station.lane_record import Operator
from station.ports import InputKind
from tests.core.issuing import pass_text, rule
from tests.flow.lane_bench import RELAY, LaneBench
from tests.flow.signed_papers import papers

GUEST_CTI, HOST_CTI = b"\x01" * 8, b"\x02" * 8
GUEST = pass_text(cti=GUEST_CTI, pass_class=PassClass.VISITOR, household=None)
HOST = pass_text(cti=HOST_CTI)
TURNSTILE = DoorConfig(relay=RelayConfig(pin=RELAY), kind="turnstile", passage=ButtonConfig(pin=6))
ALONE = rule(id="alone", outcome="escort", when={"class": {"eq": "visitor"}, "escort": {"ne": "resident"}})


@pytest.fixture
def turnstile(make_lane) -> LaneBench:
    """A turnstile at which visitors need a resident beside them."""
    return make_lane(papers(ALONE, rule(id="welcome")), door=TURNSTILE)


def ways(bench: LaneBench) -> list[tuple[object, object, list[object]]]:
    """What became of each grant: its seq, what happened, and the pass ids."""
    found = []
    for event in bench.events(Kind.PASSAGE):
        people = event.payload.get("who", [event.payload] if "cti" in event.payload else [])
        found.append((event.payload["of"], event.payload["what"], [one["cti"] for one in people]))
    return found


def grants(bench: LaneBench) -> list[int]:
    """The seqs of the grants."""
    return [event.seq for event in bench.events(Kind.DECISION, Kind.OVERRIDE)]


def test_two_grants_and_one_turn_are_one_passage(turnstile):
    """The guard lets somebody in beside the resident; one turns: the resident went, the other did not."""
    turnstile.show(HOST)
    assert by_hand.open_door(turnstile.flow, Operator("li", "with the resident")) is None
    turnstile.flow.doorway.input(InputKind.PASSAGE)
    turnstile.let(6)
    first, second = grants(turnstile)
    assert ways(turnstile) == [(first, "entered", [HOST_CTI.hex()]), (second, "no-entry", [])]
    assert "tailgating" not in turnstile.flow.doorway.alarms
    assert "cti" not in turnstile.events(Kind.OVERRIDE)[0].payload, "it was for somebody else"


def test_a_second_turn_is_the_second_grants(turnstile):
    """Within the window each turn is the next person's; a third is one too many."""
    turnstile.show(HOST)
    by_hand.open_door(turnstile.flow, Operator("li", "with the resident"))
    turnstile.flow.doorway.input(InputKind.PASSAGE)
    turnstile.let(3)
    turnstile.flow.doorway.input(InputKind.PASSAGE)
    first, second = grants(turnstile)
    assert ways(turnstile) == [(first, "entered", [HOST_CTI.hex()]), (second, "entered", [])]
    assert "tailgating" not in turnstile.flow.doorway.alarms
    turnstile.flow.doorway.input(InputKind.PASSAGE)
    assert "tailgating" in turnstile.flow.doorway.alarms


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_a_pair_of_whom_some_turn(turnstile, turns):
    """One grant for two: each who turns is a passage, and who does not is named; nobody is counted twice."""
    turnstile.show(GUEST)
    turnstile.show(GUEST, HOST)
    for _ in range(turns):
        turnstile.flow.doorway.input(InputKind.PASSAGE)
    turnstile.let(6)
    (grant,) = grants(turnstile)
    went = [(grant, "entered", [cti.hex()]) for cti in (GUEST_CTI, HOST_CTI)[:turns]]
    rest = {0: [(grant, "no-entry", [])], 1: [(grant, "no-entry", [HOST_CTI.hex()])], 2: []}[turns]
    assert ways(turnstile) == went + rest
    assert turnstile.journal.rows("SELECT count(*) FROM passage") == [(turns,)]


def test_a_guard_waits_for_the_other_door(turnstile):
    """An interlocked lane is opened neither by a pass nor by the guard; the exit button works."""
    turnstile.interlocked = True
    assert by_hand.open_door(turnstile.flow, Operator("li", "let him in")) is Reason.INTERLOCKED
    assert not turnstile.energised
    assert turnstile.events(Kind.OVERRIDE) == []
    turnstile.flow.doorway.input(InputKind.REX)
    assert turnstile.energised
