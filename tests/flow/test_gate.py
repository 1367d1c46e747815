"""The gate thread over gate-sync's real file: what arrives there, and what guards ask, reaches whom it is for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from station import visitor_key
from station.core import cose
from station.core.events import Kind
from station.core.model import ClockState
from station.core.passback import Peers
from station.core.peers import payload
from station.guard_screen import GuardAnswer, GuardVerb, VisitorAnswer, VisitorRequest
from station.wording import text
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    NOW,
    credential,
    document_raw,
    pass_text,
    rule,
    table,
)
from tests.core.issuing import passage as passage_of
from tests.core.succeeding import delegation_raw
from tests.flow.gate_bench import OUT, Bench
from tests.flow.signed_papers import time_raw

TWICE = rule(id="no-passback", outcome="deny", reason="passback", when={"passback": {"eq": "violation"}})


@pytest.fixture
def gate(tmp_path) -> Iterator[Bench]:
    """The gate thread of a site's only gate, with documents in force."""
    bench = Bench(tmp_path)
    bench.provide(TWICE, rule(id="welcome"))
    yield bench
    bench.close()
    bench.sync.close()


@pytest.fixture
def one_of_many(tmp_path) -> Iterator[Bench]:
    """The same at a site with other gates."""
    bench = Bench(tmp_path, site="garden")
    bench.provide(TWICE, rule(id="welcome"))
    yield bench
    bench.close()
    bench.sync.close()


def test_a_lost_clock_is_set_by_central_through_the_inbox(gate):
    """The question leaves as an event, the answer arrives in the inbox: the clock is trusted, the teller named."""
    gate.restart()
    assert gate.clock.now().state is ClockState.LOST
    number = bytes.fromhex(str(gate.events(Kind.CLOCK)[-1].payload["ask"]))
    gate.arrive("time", time_raw(NOW + 7200, number))
    gate.look()
    assert gate.clock.now().state is ClockState.TRUSTED
    assert gate.clock.now().seconds in range(NOW + 7200, NOW + 7203)
    assert gate.events(Kind.CLOCK)[-1].payload["told_by"] == "time"


def test_an_answer_to_an_older_question_stands_in_nobodys_way(gate):
    """A signed time left in the inbox from before a restart is of no use, and what came after it is taken up."""
    gate.arrive("time", time_raw(NOW + 7200, bytes(8)))
    gate.arrive("time", b"\xff")
    gate.arrive("policy", document_raw("policy", table(rule(id="next")), seq=2))
    gate.restart()
    assert gate.clock.now().state is ClockState.LOST
    assert gate.documents.policy.rules[0].id == "next"


def test_the_number_to_sign_is_on_the_screen(gate):
    """A lane at rest shows sixteen digits for phones; one that refuses for another reason does not."""
    (view,) = gate.gate.view().lanes
    assert len(bytes.fromhex(view.number)) == 8
    gate.show("https://example.org/")
    assert gate.gate.view().lanes[0].number == ""


def test_a_guard_forgives_through_the_screen(gate):
    """Refused for passback, forgiven, let through; with nobody there the guard is told that there is nobody."""
    assert gate.ask(GuardVerb.FORGIVE) == GuardAnswer(accepted=False, text=text("answer-busy"))
    now = gate.clock.now()
    memo = gate.register.passed([credential()], OUT, now)
    memo.take_effect()
    gate.show(pass_text())
    assert gate.gate.view().lanes[0].forgivable
    assert gate.ask(GuardVerb.FORGIVE) == GuardAnswer(accepted=True, text=text("answer-forgiven"))
    gate.show(pass_text())
    outcomes = [event.payload["outcome"] for event in gate.events(Kind.DECISION)]
    assert outcomes == ["deny", "grant"]
    assert gate.events(Kind.FORGIVEN)[0].payload["operator"] == "li"


def test_a_visitors_pass_is_asked_for_through_the_screen(gate):
    """The delegation arrives in the inbox; the guard's request is answered with a pass that is granted here."""
    public = visitor_key.create(gate.folder).public_key().public_bytes_raw()
    gate.arrive("delegation", delegation_raw(pub=public))
    gate.look()
    answer: Future[VisitorAnswer] = Future()
    gate.gate.submit(VisitorRequest("li", "张*", 2.0, answer))
    gate.show(str(answer.result(timeout=30).code))
    assert gate.events(Kind.DECISION)[-1].payload["class"] == "visitor"
    assert gate.events(Kind.DECISION)[-1].payload["outcome"] == "grant"


def test_news_of_the_other_gates_is_read(one_of_many):
    """A notice in gate-sync's file is looked at like the inbox: who left by another gate does not leave here."""
    notice = payload("garden", NOW, [passage_of(OUT, NOW - 60)])
    one_of_many.sync.execute(
        "INSERT INTO peer(raw, received_us) VALUES (?, 1)", (cose.sign1(notice, CENTRAL.kid, CENTRAL.private),)
    )
    one_of_many.look()
    assert one_of_many.register.history(credential(), one_of_many.clock.now()).peers is Peers.HEARD
    one_of_many.show(pass_text())
    assert one_of_many.events(Kind.DECISION)[-1].payload["reason"] == "passback"


@pytest.mark.parametrize("bench", ["gate", "one_of_many"])
def test_memory_is_tidied_with_and_without_other_gates(bench, request):
    """What is older than eight days is dropped, at a site's only gate as well."""
    station = request.getfixturevalue(bench)
    station.register.passed([credential()], OUT, station.clock.now()).take_effect()
    station.look(9 * DAY_S)
    assert not station.register._by_pass
