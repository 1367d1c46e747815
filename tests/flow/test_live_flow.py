"""Live codes at the lane: one phone is one presentation, and no code opens twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from station import by_hand
from station.core.events import Kind
from station.core.lane import LaneState
from station.core.model import Band, Direction, TemperatureReading
from station.lane_record import Operator
from station.ports import InputKind
from tests.core.issuing import NOW, rule
from tests.core.phones import phone
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import GRANT, papers

MINE = phone("mine")
PASS = MINE.pass_text()
OTHERS = phone("other").pass_text(cti=bytes(8))
MEASURE = rule(id="measure", outcome="measure", when={"temperature": {"eq": "not-measured"}})
ROOT = Path(__file__).parents[2]


@cache
def drawn(t: int) -> str:
    """Return what the phone draws at a time (Unix seconds)."""
    return MINE.show(PASS, t)


def page(t: float) -> str:
    """Return what the phone shows at a time after NOW: it draws anew every ten seconds."""
    return drawn(NOW + int(t) // 10 * 10)


@pytest.fixture
def lane(make_lane):
    """A lane out that grants every good pass."""
    return make_lane(papers())


def hold_up(bench: LaneBench, seconds: float, begin: float = 0.0) -> None:
    """Hold the phone before the camera for some time, from some time after NOW on."""
    for step in range(round(seconds * 10)):
        bench.show(page(begin + step / 10))
        bench.let(0.1)


# --- one presentation ------------------------------------------------------------------------------------------------


def test_a_live_code_opens_and_the_journal_knows_no_phone(lane):
    """A good live code is granted; what is recorded of it is what is recorded of any pass."""
    assert lane.pass_with(page(0)) == ("grant", "granted")
    everything = b"".join(raw for _, raw in lane.journal.last(1000))
    assert MINE.public.hex().encode() not in everything


def test_a_phone_that_redraws_while_measured_is_one_presentation(make_lane):
    """Codes ten seconds apart belong to one screening: it is asked for once, and its result decides."""
    lane = make_lane(papers(MEASURE, GRANT), Direction.IN)
    for t in (9.0, 9.9, 10.1, 10.9):
        lane.clock.wall_us = (NOW * 10 + round(t * 10)) * 100_000
        lane.show(page(t))
    assert lane.flow.lane.state is LaneState.MEASURING
    assert len(lane.asked) == 1
    lane.flow.screened(lane.asked[-1], TemperatureReading(Band.NORMAL, 36.5, 21.0, 6))
    assert lane.decisions() == [("grant", "granted")]


def test_a_phone_held_up_for_a_minute_is_granted_once(lane):
    """Who is granted, stays where they are and goes on holding up the phone is not granted again and again."""
    hold_up(lane, 60)
    assert lane.decisions() == [("grant", "granted")]
    assert lane.passages() == ["no-entry"]


def test_a_phone_still_in_view_behind_who_went_in_opens_for_nobody(lane):
    """After the passage a phone that never left the picture does not unlock the door for the next in line."""
    hold_up(lane, 1)
    lane.walk_through()
    hold_up(lane, 40, begin=1)
    assert lane.decisions() == [("grant", "granted")]
    assert not lane.energised


def test_a_phone_held_up_while_refused_is_one_refusal(make_lane):
    """A refused phone that redraws is neither recorded again nor counted."""
    lane = make_lane(papers(rule(outcome="deny")))
    hold_up(lane, 60)
    lane.let(70)
    assert lane.decisions() == [("deny", "policy")]
    assert lane.events(Kind.REPEAT) == []


# --- too old, and used up --------------------------------------------------------------------------------------------


def test_a_screenshot_is_refused_and_the_refreshed_page_is_taken(lane):
    """A code older than the window is refused as stale; when the page is refreshed that is a new presentation."""
    old = page(0)
    lane.clock.move(45)
    lane.show(old)
    assert lane.decisions() == [("deny", "live-stale")]
    lane.let(0.1)
    lane.show(page(40))
    assert lane.decisions()[1:] == [("grant", "granted")]


@pytest.mark.parametrize(("t", "reason"), [(-31, "live-stale"), (31, "live-ahead")])
def test_a_phone_whose_clock_is_wrong_is_told_which_way(lane, t, reason):
    """The window is 30 s and a tenth, the uncertainty of a synchronised clock, to either side."""
    lane.show(MINE.show(PASS, NOW + t))
    assert lane.decisions() == [("deny", reason)]


def test_a_code_that_opened_does_not_open_again(lane):
    """The very code of a passage, shown again after it, is refused; the phone's next code is taken."""
    assert lane.pass_with(page(0)) == ("grant", "granted")
    assert lane.pass_with(page(0)) == ("deny", "live-replayed")
    lane.let(5)
    assert lane.pass_with(page(15)) == ("grant", "granted")
    assert lane.passages() == ["entered", "entered"]


def test_signing_the_same_moment_again_does_not_help(lane):
    """A phone that signs the second of a passage once more makes another text of the same code: it is used up."""
    assert lane.pass_with(page(0)) == ("grant", "granted")
    again = MINE.show(PASS, NOW)
    assert again != page(0)
    assert lane.pass_with(again) == ("deny", "live-replayed")


def test_a_copy_on_another_phone_does_not_follow_through_the_door(lane):
    """Somebody behind holds up a picture of the same code while the door is still open, and after: never granted."""
    lane.show(page(0))
    for _ in range(10):
        lane.show(page(0))
        lane.let(0.1)
    lane.walk_through()
    for _ in range(30):
        lane.show(page(0))
        lane.let(0.1)
    assert len(lane.decisions()) == 1
    lane.let(3)
    assert lane.pass_with(page(0)) == ("deny", "live-replayed")


def test_a_refused_code_is_not_used_up(make_lane):
    """Only a grant consumes a code: who is measured, looks away and shows the same code again is measured again."""
    fault = rule(id="fault", outcome="refer", reason="thermometer-fault", when={"temperature": {"eq": "fault"}})
    lane = make_lane(papers(MEASURE, fault, GRANT), Direction.IN)
    lane.show(page(0))
    lane.flow.screened(lane.asked[-1], TemperatureReading(Band.FAULT))
    assert lane.decisions() == [("refer", "thermometer-fault")]
    lane.let(3)
    lane.show(page(0))
    lane.flow.screened(lane.asked[-1], TemperatureReading(Band.NORMAL, 36.5, 21.0, 6))
    assert lane.decisions()[1:] == [("grant", "granted")]


def test_an_override_consumes_the_code_too(make_lane):
    """A guard who opens for somebody with a live code uses it up like a grant."""
    lane = make_lane(papers(rule(id="look", outcome="refer", reason="guard-check")))
    lane.show(page(0))
    assert by_hand.open_door(lane.flow, Operator("li", "seen")) is None
    lane.walk_through()
    lane.let(5)
    assert lane.pass_with(page(0)) == ("deny", "live-replayed")


def test_a_used_up_code_is_refused_after_a_restart(lane):
    """The journal is closed and opened anew between the passage and the repetition."""
    assert lane.pass_with(page(0)) == ("grant", "granted")
    lane.restart()
    assert lane.pass_with(page(0)) == ("deny", "live-replayed")
    assert lane.pass_with(page(10)) == ("grant", "granted")


def test_without_the_record_the_code_is_not_used_up(lane):
    """The disk is full: nobody is granted, so the code is still good when there is room again."""
    lane.fill_disk()
    lane.show(page(0))
    assert not lane.energised
    lane.free_disk()
    lane.let(5)
    assert lane.pass_with(page(0)) == ("grant", "granted")


def test_the_live_code_and_the_paper_of_one_pass_are_one_person(lane):
    """A phone with the live code and a printed copy of the same pass in one frame: the live one counts."""
    lane.show(PASS, page(0))
    assert lane.decisions() == [("grant", "granted")]
    lane.walk_through()
    lane.let(5)
    assert lane.pass_with(page(0)) == ("deny", "live-replayed")


def test_two_phones_at_once_are_asked_to_come_one_at_a_time(lane):
    """Two live codes of two people open for neither."""
    lane.show(page(0), phone("other").show(OTHERS, NOW))
    assert lane.decisions() == [("deny", "one-at-a-time")]


KILLED = """
import os, signal, sys
from pathlib import Path
from station.core.model import Direction
from station.ports import InputKind
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import NOW_US, papers

def power_cut(flow, seq, decision):
    sys.stdout.write(f"{seq} {decision.outcome} {bench.energised}\\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

bench = LaneBench(Path(sys.argv[1]), papers(), Direction.OUT, NOW_US, decided=power_cut)
bench.flow.doorway.input(InputKind.DOOR_CLOSED)
bench.show(sys.argv[2])
sys.stdout.write("still here\\n")
"""


def test_kill_nine_between_commit_and_answer_leaves_the_code_used_up(tmp_path):
    """A station is killed once the grant is committed, before the door moves; the next one refuses the same code."""
    folder, code = tmp_path / "lane", page(0)
    command = [sys.executable, "-c", KILLED, str(folder), code]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    seq, outcome, energised = ended.stdout.split()
    assert (outcome, energised) == ("grant", "False")
    again = LaneBench(folder, papers(), Direction.OUT, NOW * 1_000_000)
    try:
        assert again.events(Kind.DECISION)[-1].seq == int(seq)
        again.flow.doorway.input(InputKind.DOOR_CLOSED)
        assert again.pass_with(code) == ("deny", "live-replayed")
        assert again.pass_with(page(10)) == ("grant", "granted")
    finally:
        again.close()
