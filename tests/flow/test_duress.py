"""Duress: central is told at once, and at the gate nobody can tell it from an ordinary day."""

from __future__ import annotations

import logging
import re
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.core.events import FIELDS, Kind, decode
from station.guard_desk import GuardDesk
from station.guard_screen import GuardAnswer, GuardRequest, GuardVerb, SignInAttempt, VisitorAnswer, VisitorRequest
from station.recorder import DURESS
from station.screen.stream import render
from tests.core.issuing import pass_text, rule
from tests.flow.gate_bench import Bench
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import papers

GUEST = pass_text(cti=b"\x05" * 8)
DEEDS = ("open", "dismiss", "forgive", "visitor", "show", "wait", "restart")


class Night(Bench):
    """What a guard does at a gate, and everything its screen showed of it."""

    duress = False

    def sign_in(self) -> GuardAnswer:
        """Enter the PIN that belongs to the night."""
        answer: Future[GuardAnswer] = Future()
        self.gate.submit(SignInAttempt("g07", True, answer, self.duress))
        return answer.result(timeout=30)

    def do(self, deed: str) -> object:
        """Do one thing; return what the guard is told."""
        if deed == "show":
            self.show(GUEST)
        elif deed == "wait":
            self.look(7)
        elif deed == "restart":
            self.close()
            self._open("boot-1")
        elif deed == "visitor":
            issued: Future[VisitorAnswer] = Future()
            self.gate.submit(VisitorRequest("g07", "", 1.0, issued, self.duress))
            return issued.result(timeout=30)
        else:
            answer: Future[GuardAnswer] = Future()
            self.gate.submit(GuardRequest(GuardVerb(deed), "out", "g07", "why", answer, self.duress))
            return answer.result(timeout=30)
        return None

    def screen(self) -> bytes:
        """What the page is sent now, but for the time and the number to be signed, which is drawn anew each time."""
        self.ask(GuardVerb.DISMISS, "nobody's lane")
        view = self.gate.view()
        lanes = tuple(replace(lane, number="") for lane in view.lanes)
        return re.sub(rb'"now_us":\d+', b"", render(replace(view, lanes=lanes), "g07"))


def _night(folder: Path, deeds: list[str], *, duress: bool) -> tuple[list[object], list[str]]:
    """Return all that is shown and told in the course of the deeds, and the kinds of the events."""
    folder.mkdir()
    night = Night(folder)
    night.duress = duress
    try:
        night.provide(rule(id="welcome"))
        seen: list[object] = [night.sign_in(), night.screen()]
        for deed in deeds:
            seen += [night.do(deed), night.screen()]
        return seen, [event.kind for event in night.events(*Kind)]
    finally:
        night.close()
        night.sync.close()


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(DEEDS), max_size=5))
def test_the_screen_shows_the_same_bytes(tmp_path_factory, deeds):
    """Whatever is done, every view, every answer and every log line is that of an ordinary night."""
    folder = tmp_path_factory.mktemp("nights")
    lines: list[list[str]] = []
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage().replace("duress-night", "night"))

    listener, root = Listener(), logging.getLogger()
    root.addHandler(listener)
    try:
        nights = []
        for name, duress in (("night", False), ("duress-night", True)):
            heard.clear()
            nights.append(_night(folder / name, deeds, duress=duress))
            lines.append([*heard])
    finally:
        root.removeHandler(listener)
    (usual, usual_kinds), (threatened, kinds) = nights
    assert threatened == usual
    assert lines[0] == lines[1]
    assert len(kinds) - len(usual_kinds) >= 1, "and central is told"


@pytest.fixture
def lane(make_lane) -> LaneBench:
    """A lane at which the guard decides about everybody."""
    return make_lane(papers(rule(id="ask", outcome="refer", reason="guard-check")))


def _desk(lane: LaneBench) -> GuardDesk:
    return GuardDesk({"lane": lane.flow}, lane.recorder, lane.clock)


def _all(lane: LaneBench) -> list[tuple[str, dict[str, object]]]:
    events = [decode(raw) for _, raw in lane.journal.last(100)]
    return [(event.kind, dict(event.payload)) for event in events]


def test_the_alarm_goes_first_and_the_events_carry_it(lane):
    """Signing in and opening each raise the alarm before anything else; both events are marked, in listed fields."""
    desk = _desk(lane)
    assert desk.sign_in(SignInAttempt("g07", True, Future(), duress=True)).accepted
    lane.show(GUEST)
    assert desk.request(GuardRequest(GuardVerb.OPEN, "lane", "g07", "let go", Future(), duress=True)).accepted
    told = [(kind, payload) for kind, payload in _all(lane) if kind != Kind.DOCUMENT]
    kinds = [kind for kind, _ in told]
    assert kinds == [Kind.ALARM, Kind.SIGN_IN, Kind.DECISION, Kind.ALARM, Kind.OVERRIDE]
    assert told[0][1] == {"lane": "", "alarm": DURESS, "what": "begins", "operator": "g07"}
    assert told[3][1]["lane"] == "lane"
    assert [payload.get("duress") for _, payload in told] == [None, True, None, None, True]
    assert all(set(payload) <= set(FIELDS[Kind(kind)]) for kind, payload in told)
    assert lane.energised
    assert not lane.flow.doorway.alarms


def test_a_wrong_pin_is_no_duress(lane):
    """Only a PIN that is right calls for help."""
    _desk(lane).sign_in(SignInAttempt("g07", False, Future(), duress=True))
    assert [kind for kind, _ in _all(lane) if kind in (Kind.ALARM, Kind.SIGN_IN)] == [Kind.SIGN_IN]
    assert "duress" not in _all(lane)[-1][1]


def test_the_call_survives_a_full_disk(lane):
    """It goes to the reserve, comes into the journal once, and the number of waiting records does not give it away."""
    lane.fill_disk()
    before = lane.recorder.to_send(0)
    _desk(lane).sign_in(SignInAttempt("g07", True, Future(), duress=True))
    assert lane.recorder.to_send(0) == before
    lane.free_disk()
    lane.recorder.probe(lane.clock.now())
    late = [payload for kind, payload in _all(lane) if kind == Kind.LATE]
    assert [(row["kind"], row["payload"]["alarm"]) for row in late] == [("alarm", DURESS)]
    assert lane.recorder.to_send(0) == before + 1, "the end of the journal's fault, and nothing else"
