"""The clock at the station: who may tell it the time, what is recorded of that, and what stays after a reboot."""

from __future__ import annotations

import pytest

from station.challenge import Challenge
from station.core.documents import Role
from station.core.events import Kind
from station.core.model import ClockState
from station.core.timecode import TimeCode
from tests.core.issuing import CENTRAL, DAY_S, NOW, STRANGER, ZONE, pass_text
from tests.flow.lane_bench import LaneBench
from tests.flow.signed_papers import BEACON, GUARD, papers, time_raw, time_text

LATER = NOW + 7200
"""What time it truly is, when the station only knows NOW."""


@pytest.fixture
def lane(make_lane):
    """A lane whose clock is right."""
    return make_lane(papers())


@pytest.fixture
def lost(lane):
    """The same after a reboot without a real-time clock, two hours later."""
    lane.time_desk.watch(lane.clock.now())
    reboot(lane)
    lane.time_desk.watch(lane.clock.now())
    assert lane.clock.now().state is ClockState.LOST
    return lane


def reboot(bench: LaneBench) -> None:
    """Let the power go and come back: the machine has no real-time clock and asks its journal, as the daemon does."""
    bench.restart()
    bench.clock.boot_without_a_clock(bench.journal.last_wall_us())
    bench.clock.raise_floor(bench.documents.signed_us)


def asked(bench: LaneBench) -> bytes:
    """Return the number that the station asks central to sign."""
    return bytes.fromhex(str(bench.events(Kind.CLOCK)[-1].payload["ask"]))


def shown(bench: LaneBench) -> bytes:
    """Return the number on the guard screen."""
    return bytes.fromhex(bench.time_desk.number(bench.clock.now()))


def beacon(bench: LaneBench, raw: bytes) -> bool:
    """Let central's answer arrive."""
    return bench.time_desk.beacon(raw, bench.documents.trust, ZONE)


# --- central's beacon ------------------------------------------------------------------------------------------------


def test_a_lost_clock_asks_central_and_asks_again(lost):
    """The question is an event with a number; it is asked anew every ten minutes, with another number."""
    first = asked(lost)
    assert len(first) == 8
    assert lost.events(Kind.CLOCK)[-1].payload["to"] == "lost"
    for _ in range(599):
        lost.clock.move(1)
        lost.time_desk.watch(lost.clock.now())
    assert asked(lost) == first
    lost.clock.move(1)
    lost.time_desk.watch(lost.clock.now())
    assert asked(lost) != first


def test_a_clock_that_is_right_asks_nobody(lane):
    """While the clock is trusted nothing is asked and nothing is recorded."""
    for _ in range(1000):
        lane.clock.move(1)
        lane.time_desk.watch(lane.clock.now())
    assert lane.events(Kind.CLOCK) == []


def test_centrals_answer_sets_the_clock_and_is_recorded(lost):
    """The answer makes the clock trusted; the event tells who told it, with which key, and by how much it moved."""
    number = asked(lost)
    before = lost.clock.now()
    lost.clock.move(4)
    assert beacon(lost, time_raw(LATER, number))
    now = lost.clock.now()
    assert (now.state, now.seconds) == (ClockState.TRUSTED, LATER + 2)
    payload = lost.events(Kind.CLOCK)[-1].payload
    assert payload == {
        "from": "lost",
        "to": "trusted",
        "step_us": now.wall_us - before.wall_us - 4_000_000,
        "told_by": "time",
        "kid": BEACON.kid.hex(),
    }


@pytest.mark.parametrize("key", [CENTRAL, STRANGER])
def test_an_answer_without_the_role_sets_nothing(lost, key):
    """A key that may not tell the time is not heard, whatever it signed."""
    assert not beacon(lost, time_raw(LATER, asked(lost), key))
    assert lost.clock.now().state is ClockState.LOST


def test_an_answer_to_an_unknown_number_sets_nothing(lost):
    """An answer to another station's question, or to one from before the reboot, is of no use."""
    assert not beacon(lost, time_raw(LATER, bytes(8)))
    assert lost.clock.now().state is ClockState.LOST


@pytest.mark.parametrize(("took_s", "good"), [(600, True), (601, False)])
def test_an_answer_may_take_ten_minutes(lost, took_s, good):
    """A later one is no answer; one in time is as unsure as it took long."""
    number = asked(lost)
    lost.clock.move(took_s)
    assert beacon(lost, time_raw(LATER, number)) is good
    assert (lost.clock.now().state is ClockState.TRUSTED) is good
    assert not good or 300 < lost.clock.now().uncertainty_s < 302


def test_rubbish_from_central_sets_nothing(lost):
    """Whatever arrives as a time code, nothing is raised."""
    for raw in (b"", b"x" * 100, time_raw(LATER, asked(lost))[:-1]):
        assert not beacon(lost, raw)


# --- a guard's code --------------------------------------------------------------------------------------------------


def test_a_guards_code_before_the_camera_sets_the_clock(lost):
    """The code that answers the number on the screen makes the clock usable; the journal names the guard's key."""
    lost.show(time_text(LATER, shown(lost)))
    now = lost.clock.now()
    assert (now.state, now.seconds) == (ClockState.HOLDOVER, LATER)
    payload = lost.events(Kind.CLOCK)[-1].payload
    assert (payload["from"], payload["to"]) == ("lost", "holdover")
    assert (payload["told_by"], payload["kid"]) == ("guard", GUARD.kid.hex())
    assert lost.decisions() == []
    assert lost.pass_with(pass_text()) == ("grant", "granted")


def test_every_word_of_a_guard_is_recorded(lost):
    """Also one that hardly moves the clock is an event of its own, and does not colour a later one."""
    for seconds in (0, 90):
        lost.clock.move(seconds)
        lost.show(time_text(LATER + seconds, shown(lost)))
    told = [event.payload.get("told_by") for event in lost.events(Kind.CLOCK)]
    assert told[-2:] == ["guard", "guard"]
    lost.clock.wall_us, lost.clock.synced = (LATER + 91) * 1_000_000, True
    lost.clock.move(1)
    lost.time_desk.watch(lost.clock.now())
    last = lost.events(Kind.CLOCK)[-1].payload
    assert (last["to"], last.get("told_by")) == ("trusted", None)


def refused(bench: LaneBench, text: str) -> None:
    """Show a guard's code that must not be taken: the clock stays lost, and that is recorded as the clock's matter."""
    before = bench.clock.now()
    bench.show(text)
    assert bench.clock.now() == before
    payload = bench.events(Kind.DECISION)[-1].payload
    assert (payload["reason"], payload["verdict"]) == ("time-code-refused", "clock")
    assert not bench.energised


@pytest.mark.parametrize("days", [46, 400])
def test_a_guard_does_not_move_time_far_ahead(lost, days):
    """More than 45 days beyond the last known time a guard's word is not taken."""
    refused(lost, time_text(NOW + days * DAY_S, shown(lost)))


def test_a_guard_does_not_move_time_before_what_central_signed(lost):
    """The newest document was issued a minute before NOW: earlier than that it cannot be."""
    refused(lost, time_text(NOW - 60 - 3, shown(lost)))


def test_a_guard_may_set_the_clock_within_those_bounds(lost):
    """From the newest document's date to 45 days ahead."""
    for t in (NOW - 60, NOW + 44 * DAY_S):
        lost.let(70)
        lost.show(time_text(t, shown(lost)))
        assert lost.clock.now().seconds == t


def test_a_code_for_another_number_is_refused(lost):
    """A code made for another gate, or an hour ago, sets nothing."""
    refused(lost, time_text(LATER, bytes(8)))


def test_a_forged_code_is_refused(lost):
    """A stranger's code for the right number goes the way of a refusal."""
    refused(lost, time_text(LATER, shown(lost), STRANGER))


def test_a_guards_word_dies_with_the_boot(lost):
    """After the next reboot the clock is lost again, and the floor is where central left it."""
    lost.show(time_text(NOW + 40 * DAY_S, shown(lost)))
    assert lost.clock.now().state is ClockState.HOLDOVER
    assert lost.clock.memory.floor_us == (NOW - 60) * 1_000_000
    reboot(lost)
    assert lost.clock.now().state is ClockState.LOST
    assert lost.clock.now().seconds == NOW


def test_a_guard_does_not_go_on_from_boot_to_boot(lost):
    """45 days are counted from what is known without the guard: pulling the plug does not begin the count anew."""
    lost.show(time_text(NOW + 40 * DAY_S, shown(lost)))
    lost.pass_with(pass_text())
    reboot(lost)
    refused(lost, time_text(NOW + 80 * DAY_S, shown(lost)))


def test_a_full_disk_does_not_hide_who_told_the_time(lost):
    """What a guard told while nothing could be recorded is recorded, with their key, when there is room again."""
    number = shown(lost)
    lost.fill_disk()
    lost.show(time_text(LATER, number))
    assert lost.clock.now().state is ClockState.HOLDOVER
    lost.free_disk()
    lost.time_desk.watch(lost.clock.now())
    assert lost.events(Kind.CLOCK)[-1].payload["told_by"] == "guard"


# --- what is recorded of the clock -----------------------------------------------------------------------------------


def test_a_correction_is_recorded_with_its_size(lane):
    """A step of more than a second is told; less than that is what time servers do all day."""
    lane.time_desk.watch(lane.clock.now())
    for step in (900_000, -900_000, 5_000_000):
        lane.clock.wall_us += step
        lane.clock.move(1)
        lane.time_desk.watch(lane.clock.now())
    assert [event.payload for event in lane.events(Kind.CLOCK)] == [
        {"from": "trusted", "to": "trusted", "step_us": 5_000_000}
    ]


def test_losing_and_finding_synchronisation_is_recorded(lane):
    """From trusted to holdover and back: two events, without a step."""
    for synced in (True, False, True):
        lane.clock.synced = synced
        lane.clock.move(1)
        lane.time_desk.watch(lane.clock.now())
    assert [(e.payload["from"], e.payload["to"], e.payload["step_us"]) for e in lane.events(Kind.CLOCK)] == [
        ("trusted", "holdover", 0),
        ("holdover", "trusted", 0),
    ]


# --- the numbers -----------------------------------------------------------------------------------------------------


def test_a_number_is_shown_for_a_minute(lane):
    """It stays while phones look at it, and changes then; each is random."""
    first = lane.time_desk.number(lane.clock.now())
    assert len(first) == 16
    lane.clock.move(59.9)
    assert lane.time_desk.number(lane.clock.now()) == first
    lane.clock.move(0.2)
    assert lane.time_desk.number(lane.clock.now()) != first


def test_numbers_are_forgotten(lane):
    """Only numbers of the last ten minutes are held, however long the station runs."""
    challenge, now = Challenge(), lane.clock.now()
    for _ in range(100):
        challenge.show(now)
        lane.clock.move(61)
        now = lane.clock.now()
    assert len(challenge._drawn) <= 10
    assert len(challenge.answerable(now)) == 1


def test_a_number_told_twice_tells_the_same_time(lost):
    """The same code shown again minutes later is not another time: it is only less sure."""
    number = shown(lost)
    code = TimeCode(LATER, number, Role.GUARD, GUARD.kid)
    assert lost.time_desk.hear(code)
    lost.clock.move(300)
    truth = lost.clock.now()
    assert lost.time_desk.hear(code)
    again = lost.clock.now()
    assert abs(again.wall_us - truth.wall_us) / 1e6 <= again.uncertainty_s
    assert again.uncertainty_s > truth.uncertainty_s
