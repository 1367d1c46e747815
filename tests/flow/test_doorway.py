"""The doorway: every input and every alarm of a door, recorded in the real journal, over the real relay driver."""

from __future__ import annotations

import pytest

from station.core.lane import LaneEvent
from station.device_config import RelayConfig
from station.ports import DeviceFault, InputKind
from tests.flow.door_bench import DoorBench

I = InputKind  # noqa: E741 - as short as the tables below need it
PASSED, SHUT, NOT_PASSED, FAILED = LaneEvent.PASSED, LaneEvent.SHUT, LaneEvent.NOT_PASSED, LaneEvent.RELAY_FAILED


@pytest.fixture
def make(tmp_path):
    """Make a door with these inputs; closed at the end of the test."""
    made: list[DoorBench] = []

    def door(*inputs: str, **others: object) -> DoorBench:
        made.append(DoorBench(tmp_path / f"door-{len(made)}", *inputs, **others))
        return made[-1]

    yield door
    for bench in made:
        bench.close()


# --- each input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "ends", "alarm", "state", "unlocked"),
    [
        (I.FIRE, I.FIRE_CLEARED, {"fire"}, "released-by-fire", True),
        (I.BREAK_GLASS, I.BREAK_GLASS_CLEARED, {"break-glass"}, "released-by-fire", True),
        (I.TAMPER, I.TAMPER_CLEARED, {"tamper"}, "locked", False),
        (I.BLOCKED, I.UNBLOCKED, set(), "out-of-service", False),
        (I.DOOR_OPENED, I.DOOR_CLOSED, {"door-forced"}, "forced-open", False),
    ],
)
def test_what_lasts_begins_and_ends(make, begins, ends, alarm, state, unlocked):
    """State, relay and alarm while it lasts, told twice or not; afterwards locked and silent, recorded once each."""
    door = make("contact", "fire", "break_glass", "tamper", "block")
    door.input(begins, begins)
    assert (door.state, door.unlocked, door.ringing) == (state, unlocked, alarm)
    door.input(ends, ends)
    assert (door.state, door.unlocked, door.ringing) == ("locked", False, set())
    assert door.recorded() == [f"{name} {what}" for name in alarm for what in ("begins", "ends")]


def test_a_bolt_that_sticks_and_comes_free(make):
    """The lane is told that nobody was let in; the lock's alarm ends as soon as the bolt moves for the next."""
    door = make("contact", "bolt")
    door.grant()
    assert (door.state, door.unlocked) == ("unlocking", True)
    door.let(1.6)
    assert (door.told, door.unlocked, door.ringing) == ([FAILED], False, {"door-lock"})
    door.grant()
    door.input(I.BOLT_WITHDRAWN)
    assert (door.state, door.ringing) == ("unlocked", set())
    assert door.recorded() == ["door-lock begins", "door-lock ends"]


def test_a_door_that_does_not_latch(make):
    """Warning, alarm, and an end when somebody pushes it shut, each recorded."""
    door = make("contact", "bolt")
    door.grant()
    door.input(I.BOLT_WITHDRAWN, I.DOOR_OPENED, I.DOOR_CLOSED)
    door.let(1.6)
    assert door.ringing == {"door-ajar"}
    door.let(10)
    assert door.ringing == {"door-lock"}
    door.input(I.BOLT_THROWN)
    assert (door.state, door.ringing, door.told) == ("locked", set(), [PASSED, SHUT])
    assert door.recorded() == ["door-ajar begins", "door-ajar ends", "door-lock begins", "door-lock ends"]


def test_a_door_left_open(make):
    """A warning after `propped_s`, an alarm at `held_s`, both after the opening; the lane is free from the warning."""
    door = make("contact")
    door.grant()
    door.input(I.DOOR_OPENED)
    door.let(9.9)
    assert (door.ringing, door.told) == (set(), [PASSED])
    door.let(0.2)
    assert (door.ringing, door.told) == ({"door-propped"}, [PASSED, SHUT])
    door.let(10)
    assert (door.ringing, door.state) == ({"door-held"}, "held-open")
    door.input(I.DOOR_CLOSED)
    assert door.recorded() == ["door-propped begins", "door-propped ends", "door-held begins", "door-held ends"]


# --- the exit button -------------------------------------------------------------------------------------------------


def test_an_exit_is_recorded_and_locks_again(make):
    """The button unlocks for its time without an alarm."""
    door = make("contact", "rex")
    door.input(I.REX, I.REX_RELEASED)
    assert (door.state, door.unlocked, door.recorded()) == ("unlocked", True, ["rex"])
    door.let(5)
    assert (door.state, door.unlocked, door.ringing) == ("locked", False, set())


def test_a_stuck_exit_button(make):
    """Pressed for `rex_stuck_s` it rings, once, and until it is let go; a press of a moment never does."""
    door = make("contact", "rex", rex_stuck_s=30)
    for _ in range(3):
        door.input(I.REX)
        door.let(29)
        door.input(I.REX_RELEASED)
        door.let(29)
    assert "rex-stuck begins" not in door.recorded()
    door.input(I.REX)
    door.let(29.9)
    assert door.ringing == set()
    door.let(0.2)
    assert door.ringing == {"rex-stuck"}
    assert door.doorway.next_deadline_us() is None, "nothing more to wait for"
    door.let(600)
    door.input(I.REX_RELEASED)
    assert door.ringing == set()
    assert [line for line in door.recorded() if "stuck" in line] == ["rex-stuck begins", "rex-stuck ends"]


# --- who went through ------------------------------------------------------------------------------------------------


def test_one_pass_one_person(make):
    """As many pulses as people were let in are no alarm."""
    door = make("contact", "passage")
    for people in (1, 2, 3):
        door.grant(people)
        door.input(I.DOOR_OPENED, *[I.PASSAGE] * people, I.DOOR_CLOSED)
    assert door.recorded() == []


@pytest.mark.parametrize("people", [1, 2])
def test_tailgating(make, people):
    """One pulse more than people were let in rings for ten seconds and is recorded."""
    door = make("contact", "passage")
    door.grant(people)
    door.input(I.DOOR_OPENED, *[I.PASSAGE] * people)
    assert door.ringing == set()
    door.input(I.PASSAGE, I.DOOR_CLOSED)
    assert door.ringing == {"tailgating"}
    door.let(9.9)
    assert door.ringing == {"tailgating"}
    door.let(0.2)
    assert door.ringing == set()
    assert door.recorded() == ["tailgating begins", "tailgating ends"]


def test_each_further_person_prolongs_the_alarm(make):
    """The ten seconds count from the last."""
    door = make("contact", "passage")
    door.grant()
    door.input(I.DOOR_OPENED, I.PASSAGE, I.PASSAGE)
    door.let(6)
    door.input(I.PASSAGE, I.DOOR_CLOSED)
    door.let(9)
    assert door.ringing == {"tailgating"}
    assert door.recorded() == ["tailgating begins"]


def test_a_pulse_at_a_locked_door(make):
    """Somebody went through although nobody was let in."""
    door = make("contact", "passage")
    door.input(I.PASSAGE)
    assert door.ringing == {"tailgating"}


def test_those_who_leave_by_the_button_are_not_counted(make):
    """Nobody knows how many they are; also after an earlier grant was used up."""
    door = make("contact", "passage", "rex")
    door.grant()
    door.input(I.DOOR_OPENED, I.PASSAGE, I.DOOR_CLOSED)
    door.input(I.REX, I.DOOR_OPENED, I.PASSAGE, I.PASSAGE, I.PASSAGE, I.DOOR_CLOSED)
    assert door.ringing == set()


@pytest.mark.parametrize("cause", [I.FIRE, I.BREAK_GLASS])
def test_nobody_is_counted_in_a_fire(make, cause):
    """Whoever runs out of a burning house is no tailgater."""
    door = make("contact", "passage", "fire", "break_glass")
    door.input(cause, *[I.PASSAGE] * 5)
    assert "tailgating" not in door.ringing


def test_a_turnstile(make):
    """Each turn is a passage and its end; it locks behind the last one who was let in."""
    door = make("passage", kind="turnstile", relay=RelayConfig(pin=17, drive="pulse", pulse_s=0.05))
    door.grant(2)
    door.input(I.PASSAGE)
    assert (door.state, door.told) == ("unlocked", [PASSED])
    door.input(I.PASSAGE)
    assert (door.state, door.told) == ("locked", [PASSED, PASSED, SHUT])
    door.input(I.PASSAGE)
    assert door.ringing == {"tailgating"}


def test_two_grants_before_the_first_turn(make):
    """The second comes while the first still waits: two turns are awaited, and only a third is one too many."""
    door = make("passage", kind="turnstile")
    door.grant()
    door.grant()
    door.input(I.PASSAGE)
    assert (door.state, door.told, door.ringing) == ("unlocked", [PASSED], set())
    door.input(I.PASSAGE)
    assert (door.state, door.told, door.ringing) == ("locked", [PASSED, PASSED, SHUT], set())
    door.grant()
    door.input(I.PASSAGE, I.PASSAGE)
    assert door.ringing == {"tailgating"}


def test_nobody_turned_the_turnstile(make):
    """After its time nobody has passed: a turnstile knows."""
    door = make("passage", kind="turnstile")
    door.grant()
    door.let(5)
    assert door.told == [NOT_PASSED]


def test_a_light_beam_alone_tells_the_passage(make):
    """A door without a contact whose beam was broken has been used: a passage, not a no-entry; locked at once."""
    door = make("passage")
    door.grant()
    door.input(I.PASSAGE)
    assert (door.told, door.state, door.unlocked) == ([PASSED, SHUT], "locked", False)
    door.grant()
    door.let(5)
    assert door.told[2:] == [NOT_PASSED]


def test_without_any_sensor_the_passage_is_believed(make):
    """A door that nobody can watch is taken to have been used."""
    door = make()
    door.grant()
    door.let(5)
    assert door.told == [PASSED, SHUT]


# --- what overrules what ---------------------------------------------------------------------------------------------


def test_fire_and_break_glass_overlap(make):
    """The door is released while either lasts; each alarm rings for its own time."""
    door = make("contact", "fire", "break_glass")
    door.input(I.FIRE, I.BREAK_GLASS, I.FIRE_CLEARED)
    assert (door.unlocked, door.ringing) == (True, {"break-glass"})
    door.input(I.FIRE, I.BREAK_GLASS_CLEARED)
    assert (door.unlocked, door.ringing) == (True, {"fire"})
    door.input(I.FIRE_CLEARED)
    assert (door.unlocked, door.state) == (False, "locked")


def test_after_the_fire_the_block_and_then_the_schedule_are_back(make):
    """What fire overruled comes back one after another, and last of all the locked door."""
    door = make("contact", "fire", "block")
    door.doorway.hold_open(wanted=True)
    assert (door.state, door.unlocked) == ("hold-open", True)
    door.input(I.BLOCKED)
    assert (door.state, door.unlocked) == ("out-of-service", False)
    door.input(I.FIRE)
    assert (door.state, door.unlocked) == ("released-by-fire", True)
    door.input(I.FIRE_CLEARED)
    assert (door.state, door.unlocked) == ("out-of-service", False)
    door.input(I.UNBLOCKED)
    assert (door.state, door.unlocked) == ("hold-open", True)
    door.doorway.hold_open(wanted=False)
    assert (door.state, door.unlocked) == ("locked", False)


def test_a_schedule_that_ends_with_the_door_open(make):
    """It is then a door that stands open: a warning after its time."""
    door = make("contact")
    door.doorway.hold_open(wanted=True)
    door.input(I.DOOR_OPENED)
    door.let(3600)
    assert door.ringing == set()
    door.doorway.hold_open(wanted=False)
    assert (door.state, door.unlocked) == ("open", False)
    door.let(10.1)
    assert door.ringing == {"door-propped"}


def test_a_blocked_lane_stays_blocked_while_any_cause_lasts(make):
    """A guard and a key switch each keep it out of service."""
    door = make("contact", "block")
    door.doorway.block("guard", blocked=True)
    door.input(I.BLOCKED)
    door.doorway.block("guard", blocked=False)
    assert door.state == "out-of-service"
    door.input(I.UNBLOCKED)
    assert door.state == "locked"


def test_a_blocked_lane_lets_people_out(make):
    """The exit button unlocks for its time; a grant is told that it did not."""
    door = make("contact", "rex", "block")
    door.input(I.BLOCKED)
    door.grant()
    assert (door.told, door.unlocked) == ([FAILED], False)
    door.input(I.REX)
    assert door.unlocked
    door.let(5)
    assert (door.unlocked, door.state) == (False, "out-of-service")


# --- relay and disk --------------------------------------------------------------------------------------------------


def test_a_relay_that_does_not_obey(make, monkeypatch):
    """The lane is told, the alarm rings until each move has worked again."""
    door = make("contact")
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise DeviceFault("relay", "it does not move", "Check it")

        patch.setattr(door.outputs._relay, "set", refuse)
        door.grant()
        assert (door.told, door.ringing, door.state) == ([FAILED], {"relay"}, "locked")
    door.grant()
    door.let(5)
    assert (door.told, door.ringing) == ([FAILED, NOT_PASSED], set())
    assert door.recorded() == ["relay begins", "relay ends"]


def test_a_relay_that_obeys_again_ends_its_alarm_by_itself(make, monkeypatch):
    """An unlock failed; once the relay takes a level again the alarm ends without the next person; nothing moves."""
    door = make("contact")

    def refuse(_on: bool) -> None:
        raise DeviceFault("relay", "it does not move", "Check it")

    with monkeypatch.context() as patch:
        patch.setattr(door.outputs._relay, "set", lambda *, unlocked: refuse(unlocked) if unlocked else None)
        patch.setattr(door.outputs._relay, "renew", lambda: refuse(False))
        door.grant()
        door.doorway.tend()
        assert (door.told, door.ringing) == ([FAILED], {"relay"})
    door.doorway.tend()
    assert (door.ringing, door.unlocked) == (set(), False)
    door.doorway.tend()
    assert door.recorded() == ["relay begins", "relay ends"]


def test_the_hidden_button_shows_nothing(make):
    """It is recorded once for presses in quick succession, and again later; nothing rings, moves or shows."""
    door = make("contact", "duress")
    door.input(I.DURESS, I.DURESS)
    door.let(11)
    door.input(I.DURESS)
    assert (door.ringing, door.unlocked, door.state) == (set(), False, "locked")
    assert door.recorded() == ["duress begins", "duress begins"]
    assert door.recorder.to_send(0) == 0


def test_a_relay_that_did_not_lock_is_locked_as_soon_as_it_obeys(make, monkeypatch):
    """Once a second it is tried again: neither the door nor the alarm waits for the next person."""
    door = make("contact")
    door.grant()
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise DeviceFault("relay", "it does not move", "Check it")

        patch.setattr(door.outputs._relay, "set", refuse)
        door.let(5)
        door.doorway.tend()
        assert (door.unlocked, door.ringing, door.state) == (True, {"relay"}, "locked")
    door.doorway.tend()
    assert (door.unlocked, door.ringing) == (False, set())
    assert door.recorded() == ["relay begins", "relay ends"]


def test_a_relay_is_not_locked_while_somebody_was_let_in(make, monkeypatch):
    """What failed earlier is not repeated into a grant, also where the contact says open for ever."""
    door = make("contact")
    door.input(I.DOOR_OPENED)
    with monkeypatch.context() as patch:
        patch.setattr(door.doorway, "_failing", {"lock"})
        door.grant()
        door.doorway.tend()
        assert door.unlocked


def test_alarms_are_recorded_although_the_disk_is_full(make):
    """They wait in the reserve and are in the journal, in order, as soon as it commits again."""
    door = make("contact", "tamper", "rex")
    door.fill_disk()
    door.input(I.TAMPER, I.DOOR_OPENED)
    assert door.ringing == {"tamper", "door-forced"}
    assert door.recorded() == []
    door.free_disk()
    door.input(I.DOOR_CLOSED)
    assert door.recorded() == ["tamper begins", "door-forced begins", "door-forced ends"]


def test_secured_means_shut_locked_and_latched(make):
    """What an interlocked door waits for: not while the door is unlocked, open, or its bolt is still out."""
    door = make("contact", "bolt")
    assert door.doorway.secured
    door.grant()
    assert not door.doorway.secured
    door.input(I.BOLT_WITHDRAWN, I.DOOR_OPENED)
    assert not door.doorway.secured
    door.input(I.DOOR_CLOSED)
    assert not door.doorway.secured
    door.input(I.BOLT_THROWN)
    assert door.doorway.secured


# --- what the bolt has said before, what the exit button still holds --------------------------------------------------


def test_a_bolt_that_was_thrown_all_along(make):
    """At the start, after a block and after a fire nothing of the bolt is new: the door is locked and silent."""
    door = make("contact", "bolt", "block")
    assert (door.state, door.doorway.secured) == ("locked", True)
    door.input(I.BLOCKED, I.UNBLOCKED)
    door.let(13)
    assert (door.state, door.doorway.secured, door.recorded()) == ("locked", True, [])


def test_a_bolt_thrown_a_moment_before_the_exit_ends(make):
    """The outputs lock by themselves when the button's time is over; that the gate hears of it first rings nothing."""
    door = make("contact", "bolt", "rex")
    door.input(I.REX, I.BOLT_WITHDRAWN, I.DOOR_OPENED, I.REX_RELEASED)
    door.let(2)
    door.input(I.DOOR_CLOSED)
    door.let(2.9)
    door.input(I.BOLT_THROWN)
    door.let(13)
    assert (door.state, door.ringing) == ("locked", set())


def test_several_leave_by_one_press(make):
    """A counted door is open for the button's whole time: no tailgating, and no other door of a sluice meanwhile."""
    door = make("passage", "rex")
    door.input(I.REX, I.REX_RELEASED, I.PASSAGE)
    assert not door.doorway.secured
    door.let(1)
    door.input(I.PASSAGE)
    assert (door.ringing, door.doorway.secured) == (set(), False)
    door.let(4)
    assert (door.state, door.doorway.secured) == ("locked", True)


def test_the_one_let_in_and_the_one_who_leaves(make):
    """Whoever is let in while the button lasts is counted once; who leaves behind them is no tailgater."""
    door = make("passage", "rex")
    door.input(I.REX, I.REX_RELEASED)
    door.grant()
    door.input(I.PASSAGE, I.PASSAGE)
    assert (door.told[:2], door.ringing) == ([PASSED, SHUT], set())


def test_a_pulse_is_over_with_the_passage(make):
    """The control behind a pulsed relay locks by itself: what comes after the pulse is tailgating."""
    door = make("passage", "rex", relay=RelayConfig(pin=17, drive="pulse"), kind="turnstile")
    door.input(I.REX, I.REX_RELEASED)
    door.let(1)
    door.input(I.PASSAGE)
    assert door.state == "locked"
    door.input(I.PASSAGE)
    assert door.ringing == {"tailgating"}


def test_who_leaves_while_the_lane_is_blocked(make):
    """A block does not shut the exit's time: nobody calls the door secured, and an opening after it is no break-in."""
    door = make("contact", "rex", "block")
    door.input(I.REX, I.REX_RELEASED, I.BLOCKED)
    assert (door.state, door.doorway.secured) == ("out-of-service", False)
    door.grant()
    assert not door.doorway.secured
    door.let(1)
    door.input(I.UNBLOCKED)
    door.let(1)
    door.input(I.DOOR_OPENED)
    assert (door.state, door.ringing) == ("open", set())


def test_a_block_is_secured_when_the_exit_is_over(make):
    """After the button's time the blocked door is as good as locked."""
    door = make("contact", "rex", "block")
    door.input(I.REX, I.REX_RELEASED, I.BLOCKED)
    door.let(5)
    assert (door.state, door.doorway.secured) == ("out-of-service", True)


def test_the_button_behind_a_passage_rings_nothing(make):
    """Somebody let in has gone through the beam; who leaves by the button while the door is open is not counted."""
    door = make("contact", "passage", "rex")
    door.grant()
    door.input(I.DOOR_OPENED, I.PASSAGE, I.REX, I.REX_RELEASED, I.DOOR_CLOSED)
    assert door.state == "unlocked"
    door.input(I.DOOR_OPENED, I.PASSAGE)
    assert door.ringing == set()


@pytest.mark.parametrize("granted", [False, True], ids=["torn-out", "stuck-feedback"])
def test_a_door_that_opens_past_its_bolt_is_not_locked(make, granted):
    """An opening belies a bolt that says it is thrown: shut again, the door waits for its next word."""
    door = make("contact", "bolt")
    if granted:
        door.grant()
    door.input(I.DOOR_OPENED)
    door.let(2)
    door.input(I.DOOR_CLOSED)
    assert not door.doorway.secured
    door.let(13)
    assert (door.ringing, door.doorway.secured) == ({"door-lock"}, False)
    door.input(I.BOLT_THROWN)
    assert (door.ringing, door.doorway.secured) == (set(), True)


def test_who_is_let_in_at_an_open_door_is_counted_when_it_has_fallen_shut(make):
    """The pass shown behind the one in front lets in one, not whoever comes along."""
    door = make("contact", "passage")
    door.grant()
    door.input(I.DOOR_OPENED, I.PASSAGE)
    door.grant()
    door.input(I.DOOR_CLOSED)
    assert door.state == "unlocked"
    door.input(I.DOOR_OPENED, I.PASSAGE, I.PASSAGE)
    assert door.ringing == {"tailgating"}


def test_a_bolt_that_binds_while_somebody_leaves(make):
    """The lock rings until it comes free; who then opens has pressed the button and forces nothing."""
    door = make("contact", "bolt", "rex")
    door.input(I.REX, I.REX_RELEASED)
    door.let(1.8)
    assert door.ringing == {"door-lock"}
    door.input(I.BOLT_WITHDRAWN, I.DOOR_OPENED)
    assert (door.state, door.ringing) == ("open", set())


def test_a_bolt_that_does_not_withdraw_keeps_the_door_shut(make):
    """The lock rings, but the door is as shut as it was: the other door of a sluice need not wait for the locksmith."""
    door = make("contact", "bolt")
    door.grant()
    door.let(20)
    assert (door.state, door.ringing, door.doorway.secured) == ("lock-failed", {"door-lock"}, True)
