"""The main flow of one lane: nothing moves the relay but a committed cause, and everybody gets an answer."""

from __future__ import annotations

from station import by_hand
from station.core.events import Kind
from station.core.lane import LaneState
from station.core.model import Band, TemperatureReading
from station.core.reasons import Reason
from station.core.signals import Signal
from station.lane_record import Operator
from station.ports import DecodedCode, DeviceFault, InputKind, Sighting
from station.views import lane_signal, lane_view

NORMAL = TemperatureReading(Band.NORMAL, 36.5, 21.0, 6)


def test_a_grant_is_recorded_then_unlocks_until_opened(leaving):
    """A valid pass opens; the decision is in the journal when the relay is energised; opening the door relocks it."""
    leaving.show(leaving.office.issue())
    assert leaving.energised
    assert leaving.decisions() == [("grant", "granted")]
    leaving.flow.doorway.input(InputKind.DOOR_CLOSED)
    leaving.flow.doorway.input(InputKind.DOOR_OPENED)
    assert not leaving.energised
    assert [e.payload["what"] for e in leaving.events(Kind.PASSAGE)] == ["entered"]


def start_shut(bench):
    """Let the contact report a shut door, as it does at start."""
    bench.flow.doorway.input(InputKind.DOOR_CLOSED)
    return bench


def test_nobody_walks_through_the_door_locks_itself(leaving):
    """Without a passage the door relocks at its deadline, and the journal says so."""
    start_shut(leaving).show(leaving.office.issue())
    leaving.let(4.9)
    assert leaving.energised
    leaving.let(0.2)
    assert not leaving.energised
    assert [e.payload["what"] for e in leaving.events(Kind.PASSAGE)] == ["no-entry"]


def test_no_record_no_grant(leaving):
    """The disk is full: the relay does not move, the lane shows the station's fault, and nobody is blamed."""
    start_shut(leaving)
    leaving.fill_disk()
    leaving.show(leaving.office.issue())
    assert not leaving.energised
    view = lane_view(leaving.flow, 0)
    assert view.signal is Signal.STATION_FAULT
    assert "not your fault" in view.next_step["en"]
    assert "journal" in leaving.flow.doorway.alarms


def test_the_guard_opens_on_a_full_disk_and_it_is_recorded_late(leaving):
    """An override goes to the reserve, opens the door, and comes into the journal once when there is room again."""
    start_shut(leaving)
    leaving.fill_disk()
    leaving.show(leaving.office.issue())
    assert by_hand.open_door(leaving.flow, Operator("li", "known to me")) is None
    assert leaving.energised
    leaving.free_disk()
    leaving.recorder.probe(leaving.clock.now())
    late = [e.payload for e in leaving.events(Kind.LATE)]
    assert [p["kind"] for p in late].count("override") == 1
    leaving.recorder.probe(leaving.clock.now())
    assert len(leaving.events(Kind.LATE)) == len(late)


def test_the_journal_alarm_ends_with_the_next_record(leaving):
    """Once decisions are recorded again the alarm is over and people pass."""
    start_shut(leaving)
    leaving.fill_disk()
    leaving.show(leaving.office.issue())
    leaving.free_disk()
    leaving.let(5)
    leaving.show(leaving.office.issue())
    leaving.flow.tend()
    assert leaving.energised
    assert "journal" not in leaving.flow.doorway.alarms


def test_a_pass_held_up_is_one_presentation(leaving):
    """The same pass in frame after frame is one decision, also while the door is open."""
    start_shut(leaving)
    code = leaving.office.issue()
    for _ in range(100):
        leaving.show(code)
        leaving.let(0.03)
    assert len(leaving.decisions()) == 1


def test_refusals_of_one_text_are_counted(leaving):
    """The same wrong code again and again is one decision and one count, however often it is shown."""
    start_shut(leaving)
    for _ in range(5):
        leaving.show("https://example.org/")
        assert leaving.flow.lane.state is LaneState.REFUSED
        leaving.let(5)
    leaving.let(60)
    assert leaving.decisions() == [("deny", "foreign-link")]
    assert [e.payload["count"] for e in leaving.events(Kind.REPEAT)] == [4]


def test_two_valid_passes_open_for_neither(leaving):
    """Two people at once are asked to come one at a time; a poster beside a pass does not disturb."""
    start_shut(leaving)
    leaving.show(leaving.office.issue(), leaving.office.issue())
    assert leaving.decisions() == [("deny", "one-at-a-time")]
    assert not leaving.energised
    leaving.let(10)
    leaving.show("https://example.org/", leaving.office.issue())
    assert leaving.energised


def test_the_next_person_waits_until_the_door_is_shut(leaving):
    """A second pass during a passage is not decided, and is as soon as the door is shut again."""
    start_shut(leaving).show(leaving.office.issue())
    second = leaving.office.issue()
    leaving.show(second)
    assert len(leaving.decisions()) == 1
    assert leaving.flow.busy_with_other
    leaving.flow.doorway.input(InputKind.DOOR_OPENED)
    leaving.flow.doorway.input(InputKind.DOOR_CLOSED)
    leaving.show(second)
    assert len(leaving.decisions()) == 2


def test_a_screening_answers_only_who_waits_for_it(coming):
    """A result of an earlier request, or after the person was refused, is thrown away."""
    start_shut(coming).show(coming.office.issue())
    assert coming.flow.lane.state is LaneState.MEASURING
    coming.flow.screened(coming.asked[-1] - 1, NORMAL)
    assert coming.decisions() == []
    coming.flow.screened(coming.asked[-1], NORMAL)
    assert coming.decisions() == [("grant", "granted")]
    coming.flow.screened(coming.asked[-1], NORMAL)
    assert len(coming.decisions()) == 1


def test_a_thermometer_that_never_answers_is_the_stations_fault(coming):
    """When no result comes in time, the guard decides and the person is told that it is not their fault."""
    start_shut(coming).show(coming.office.issue())
    coming.let(2.5)
    assert coming.decisions() == [("refer", "thermometer-fault")]
    assert lane_signal(coming.flow) is Signal.STATION_FAULT
    assert not coming.energised


def test_somebody_else_while_measuring_starts_anew(coming):
    """A different pass during a screening is measured for itself; the first person's result does not open for it."""
    start_shut(coming).show(coming.office.issue())
    first = coming.asked[-1]
    coming.let(1)
    coming.show(coming.office.issue())
    coming.flow.screened(first, NORMAL)
    assert coming.decisions() == []
    coming.flow.screened(coming.asked[-1], NORMAL)
    assert len(coming.decisions()) == 1


def test_the_guard_opens_for_a_referral_and_says_why(coming):
    """An override names operator, reason and the decision it overrides, and opens."""
    start_shut(coming).show(coming.office.issue())
    coming.flow.screened(coming.asked[-1], TemperatureReading(Band.RAISED, 38.2, 21.0, 6))
    assert coming.flow.lane.state is LaneState.REFERRED
    assert by_hand.open_door(coming.flow, Operator("li", "36.8 by hand")) is None
    override = coming.events(Kind.OVERRIDE)[0].payload
    assert (override["operator"], override["why"]) == ("li", "36.8 by hand")
    assert override["of"] == coming.events(Kind.DECISION)[0].seq
    assert coming.energised


def test_a_referral_nobody_answers_ends(coming):
    """After two minutes without a guard the lane is free again, and that is recorded."""
    start_shut(coming).show(coming.office.issue())
    coming.flow.screened(coming.asked[-1], TemperatureReading(Band.RAISED, 38.2, 21.0, 6))
    coming.let(121)
    assert coming.flow.lane.state is LaneState.IDLE
    assert [e.payload["what"] for e in coming.events(Kind.PASSAGE)] == ["unanswered"]


def test_a_relay_that_fails_is_an_alarm_not_a_crash(leaving, monkeypatch):
    """When the relay cannot be driven, nobody is told to come through, and the alarm ends with the next good move."""
    start_shut(leaving)

    def broken() -> None:
        raise DeviceFault("relay", "pin 17 does not obey", "Check it")

    monkeypatch.setattr(leaving.outputs, "unlock", broken)
    leaving.show(leaving.office.issue())
    assert "relay" in leaving.flow.doorway.alarms
    assert lane_view(leaving.flow, 0).headline["en"] == "This gate cannot move the door"
    assert [e.payload["what"] for e in leaving.events(Kind.PASSAGE)] == ["relay-failed"]
    assert by_hand.open_door(leaving.flow, Operator("li", "let him in")) is Reason.RELAY_FAILED
    monkeypatch.undo()
    leaving.let(10)
    leaving.show(leaving.office.issue())
    assert "relay" not in leaving.flow.doorway.alarms
    assert leaving.energised


def test_fire_releases_and_wins_over_everything(leaving):
    """During a fire alarm the lane says evacuate; afterwards the door is locked again and service goes on."""
    start_shut(leaving)
    leaving.flow.doorway.input(InputKind.FIRE)
    assert leaving.energised
    assert lane_signal(leaving.flow) is Signal.EVACUATE
    leaving.flow.doorway.input(InputKind.FIRE_CLEARED)
    assert not leaving.energised
    leaving.show(leaving.office.issue())
    assert leaving.energised


def test_the_journal_keeps_no_names_and_no_plates(leaving):
    """Neither the masked name nor the plate of a pass is anywhere in the journal's bytes."""
    start_shut(leaving).show(leaving.office.issue(name="欧阳*", plate="苏F·99999"))
    everything = b"".join(raw for _, raw in leaving.journal.last(1000)).decode()
    assert "granted" in everything
    assert "欧阳" not in everything
    assert "99999" not in everything


def test_a_flood_of_codes_is_counted_not_recorded(leaving):
    """A screen that shows a new code ten times a second fills no disk and rings: ten are recorded, then it pauses."""
    start_shut(leaving)
    for number in range(200):
        leaving.show(f"https://example.org/{number}")
        leaving.let(0.1)
    leaving.let(61)
    assert len(leaving.decisions()) == 10
    assert 1 <= sum(e.payload["count"] for e in leaving.events(Kind.REPEAT)) < 60  # the rest fell into the pauses
    alarms = [(e.payload["alarm"], e.payload["what"]) for e in leaving.events(Kind.ALARM)]
    assert alarms == [("illegal-passes", "begins"), ("illegal-passes", "ends")]


def test_who_put_one_of_two_passes_away_is_served(leaving):
    """After "one at a time" the person who goes on holding up one pass is decided, without taking it away first."""
    start_shut(leaving)
    first, second = leaving.office.issue(), leaving.office.issue()
    leaving.show(first, second)
    for _ in range(60):
        leaving.let(0.1)
        leaving.show(first)
    assert leaving.decisions() == [("deny", "one-at-a-time"), ("grant", "granted")]


def test_a_frame_that_waited_is_thrown_away(leaving):
    """A sighting that lay in the queue while the disk was slow may show the person before: it opens for nobody."""
    start_shut(leaving)
    code = leaving.office.issue()
    captured = leaving.clock.now().mono_us * 1000
    leaving.clock.move(2)
    leaving.flow.see(Sighting("lane", [DecodedCode(code, code.encode(), (), "test")], captured))
    assert leaving.decisions() == []
    assert not leaving.energised


def test_a_dismissal_is_recorded_with_who_and_why(coming):
    """A guard who sends a referred person away leaves name and reason in the journal."""
    start_shut(coming).show(coming.office.issue())
    coming.flow.screened(coming.asked[-1], TemperatureReading(Band.RAISED, 38.2, 21.0, 6))
    assert by_hand.dismiss(coming.flow, Operator("li", "sent to the clinic"))
    payload = coming.events(Kind.PASSAGE)[0].payload
    assert (payload["what"], payload["operator"], payload["why"]) == ("dismissed", "li", "sent to the clinic")
