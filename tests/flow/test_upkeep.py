"""The gate thread looks after its journal: a full disk decides, an ordered new stream is begun, both are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from station.core.events import Kind
from station.core.lane import LaneState
from station.core.model import Outcome
from station.core.retention import Limits
from station.guard_screen import Condition
from station.schema import SYNC_DDL
from station.wording import part
from tests.core.issuing import pass_text, rule
from tests.flow.gate_bench import Bench


@pytest.fixture
def gate(tmp_path) -> Iterator[Bench]:
    """The gate thread of a site's only gate, with documents in force."""
    bench = Bench(tmp_path)
    bench.provide(rule(id="welcome"))
    yield bench
    bench.close()
    bench.sync.close()


def conditions(bench: Bench) -> dict[str, Condition]:
    """What the guard screen says of the parts."""
    return {view.name: view.condition for view in bench.gate.view().health}


@pytest.mark.parametrize(("instead", "state"), [(Outcome.REFER, LaneState.REFERRED), (Outcome.DENY, LaneState.REFUSED)])
def test_on_a_full_disk_nobody_comes_in_by_a_pass(coming, instead, state):
    """A valid pass goes to the guard, or is refused, as configured; the reason is the station's, not the holder's."""
    judge = coming.flow._judge
    judge._around = replace(judge._around, no_room=lambda: instead)
    coming.show(coming.office.issue())
    assert not coming.energised
    assert coming.decisions() == [(instead.value, "disk-full")]
    assert coming.flow.lane.state is state


def test_on_a_full_disk_everybody_may_leave(leaving):
    """The lane out opens as ever."""
    judge = leaving.flow._judge
    judge._around = replace(judge._around, no_room=lambda: Outcome.DENY)
    leaving.show(leaving.office.issue())
    assert leaving.energised
    assert leaving.decisions() == [("grant", "granted")]


def test_a_full_disk_is_told_once_when_it_begins_and_once_when_it_ends(gate):
    """Health shows it, and the screen's data say so as long as it lasts."""
    disk = part("disk")
    assert conditions(gate)[disk] is Condition.OK
    retention = gate.gate._upkeep._retention
    usual, retention._limits = retention._limits, Limits(evict_at=2.0, alarm_at=0.0)
    gate.look()
    gate.look()
    assert conditions(gate)[disk] is Condition.FAULT
    assert gate.gate.surroundings.no_room() is Outcome.REFER
    retention._limits = replace(usual, evict_at=2.0, alarm_at=3.0)
    gate.look()
    assert conditions(gate)[disk] is Condition.OK
    assert gate.gate.surroundings.no_room() is None


def test_an_ordered_stream_begins_while_nobody_is_there(gate):
    """The order comes through gate-sync's file; the next event stands in the new stream; the guard is told."""
    gate.sync.execute(SYNC_DDL)
    journal, epoch = gate.journal, gate.journal.epoch
    gate.show(pass_text())
    head = journal.rows("SELECT hash FROM event WHERE seq = 1")[0][0]
    gate.sync.execute("INSERT INTO rehoming VALUES (?, 1, ?, 'fork', 1)", (epoch, head))
    gate.look()
    assert journal.epoch == epoch, "somebody is passing"
    gate.look(60)
    gate.look()
    assert journal.epoch != epoch
    assert conditions(gate)[part("stream")] is Condition.DEGRADED
    alarms = [event.payload for event in gate.events(Kind.ALARM) if event.payload["alarm"] == "epoch-began"]
    assert [(alarm["cause"], alarm["epoch"], alarm["acked"]) for alarm in alarms] == [("fork", epoch, 1)]
    gate.show(pass_text())
    assert [event.payload["outcome"] for event in gate.events(Kind.DECISION)] == ["grant"]
