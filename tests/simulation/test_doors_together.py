"""Several lanes in one gate thread: the interlock of a sluice, a door with two readers, and schedules, played."""

from __future__ import annotations

import pytest

from station.simulation.scenario import load
from tests.simulation.scenes import DOCS, HEAD, play, written

OFFICE = HEAD.replace("compound", "office").replace("seconds = 20", "seconds = 60")
SLUICE = 'interlock = [["outer", "inner"]]\n' + "".join(
    f'[[lanes]]\nid = "{name}"\n[lanes.door]\nrelay.pin = {pin}\ncontact.pin = {pin + 1}\nrex.pin = {pin + 2}\n'
    f"fire.pin = {pin + 3}\n"
    for name, pin in (("outer", 2), ("inner", 12))
)
TWO_READERS = (
    '[[lanes]]\nid = "in"\n[lanes.door]\nrelay.pin = 17\ncontact.pin = 22\n'
    '[[lanes]]\nid = "out"\ndirection = "out"\ndoor_of = "in"\n'
)
PASSES = "[passes.wang]\n[passes.li]\n"


def steps(*rows: tuple[float, str, str]) -> str:
    """Write steps: (moment, lane, the rest in TOML)."""
    return "".join(f'[[steps]]\nat = {at}\nlane = "{lane}"\n{what}\n' for at, lane, what in rows)


def expected(*rows: tuple[float, str, str]) -> str:
    """Write expectations."""
    return steps(*rows).replace("[[steps]]", "[[expect]]")


SHUT = steps((0.2, "outer", 'input = "door-closed"'), (0.2, "inner", 'input = "door-closed"'))


@pytest.fixture
def unmet(tmp_path):
    """Play a scenario's text; return what was not as expected."""
    return lambda text: play(load(written(tmp_path, text, OFFICE))).unmet


@pytest.mark.parametrize(
    "opens",
    ['scan = ["li"]', 'input = "rex"', 'input = "door-opened"', 'guard = "open"'],
    ids=["pass", "exit button", "force", "guard"],
)
def test_the_inner_door_waits_for_the_outer(unmet, opens):
    """Unlocked or open for whatever reason, the outer door keeps the inner shut until it is locked again."""
    story = steps((2, "outer", opens), (3, "inner", 'scan = ["wang"]\nhold = 20'))
    found = expected((4, "inner", "unlocked = false\nlane_state = 'idle'"))
    later = steps((8, "outer", 'input = "door-closed"')) + expected((12, "inner", "unlocked = true"))
    assert unmet(SLUICE + PASSES + SHUT + story + found + later) == []


def test_exit_and_fire_do_not_wait_for_the_other_door(unmet):
    """The interlock keeps nobody inside: the button of the inner door unlocks while the outer is open; so does fire."""
    story = steps((2, "outer", 'input = "door-opened"'), (3, "inner", 'input = "rex"'), (20, "inner", 'input = "fire"'))
    found = expected((3.5, "inner", "unlocked = true"), (21, "inner", 'unlocked = true\nsignal = "evacuate"'))
    assert unmet(SLUICE + PASSES + SHUT + story + found) == []


def test_both_doors_may_be_out_of_service(unmet):
    """A lane that is out of service counts as secured: it does not keep the other shut for ever."""
    blocked = SLUICE.replace("rex.pin = 4", "block.pin = 4")
    story = steps((2, "outer", 'input = "blocked"'), (4, "inner", 'scan = ["wang"]'))
    assert unmet(blocked + PASSES + SHUT + story + expected((4.5, "inner", "unlocked = true"))) == []


def test_a_shared_door_serves_one_side_at_a_time(unmet):
    """While somebody comes in, the reader outside waits, and is served with the pass still held up."""
    story = steps((0.2, "in", 'input = "door-closed"'), (2, "in", 'scan = ["wang"]'))
    story += steps((3, "out", 'scan = ["li"]\nhold = 10'), (4, "in", 'input = "door-opened"'))
    found = expected((5, "out", 'lane_state = "idle"\nunlocked = false'))
    story += steps((6, "in", 'input = "door-closed"'))
    found += expected((7, "out", 'signal = "granted"\nunlocked = true'), (7, "in", 'lane_state = "idle"'))
    assert unmet(TWO_READERS + PASSES + story + found) == []


def test_the_passage_belongs_to_the_side_that_granted(unmet):
    """In counts one more inside, out through the same door one less."""
    story = steps((0.2, "in", 'input = "door-closed"'), (2, "in", 'scan = ["wang"]'))
    through = ('input = "door-opened"', 'input = "door-closed"')
    story += steps(*((3 + number, "in", what) for number, what in enumerate(through)))
    story += steps((10, "out", 'scan = ["wang"]'), *((11 + number, "in", what) for number, what in enumerate(through)))
    assert unmet(TWO_READERS + PASSES + story + expected((6, "in", "inside = 1"), (14, "in", "inside = 0"))) == []


def test_an_alarm_of_a_shared_door_shows_at_both_readers(unmet):
    """Both lanes have the door's alarms."""
    story = steps((0.2, "in", 'input = "door-closed"'), (2, "in", 'input = "door-opened"'))
    rings = 'alarm = "door-forced"\nsignal = "alarm"'
    assert unmet(TWO_READERS + PASSES + story + expected((3, "in", rings), (3, "out", rings))) == []


def test_a_schedule_does_not_open_with_a_lost_clock(tmp_path):
    """A station that does not know the time holds no door open."""
    head = HEAD.replace("policies/compound", "scenarios/rules/school-mornings")
    head += 'starts = "2026-01-05T07:40:00+08:00"\n'
    text = steps((0.2, "in", 'input = "door-closed"'), (5, "in", 'clock = "lost"'))
    text += expected((4, "in", 'door = "hold-open"'), (7, "in", 'door = "locked"\nunlocked = false'))
    assert (DOCS / "scenarios" / "rules" / "school-mornings.toml").exists()
    assert play(load(written(tmp_path, text, head))).unmet == []


@pytest.mark.parametrize(("drive", "still"), [("pulse", "false"), ("hold", "true")])
def test_an_exit_through_a_pulsed_relay_is_a_pulse(unmet, drive, still):
    """The control of a turnstile does the rest; a strike is held for its time. As drivers/outputs.py does it."""
    lane = (
        f'[[lanes]]\nid = "in"\n[lanes.door]\nrelay.pin = 17\nrelay.drive = "{drive}"\nrelay.pulse_s = 0.5\n'
        "contact.pin = 22\nrex.pin = 5\n"
    )
    told = steps((0.2, "in", 'input = "door-closed"'), (2, "in", 'input = "rex"'))
    asked = expected((2.3, "in", "unlocked = true"), (2.8, "in", f"unlocked = {still}"))
    assert unmet(lane + told + asked) == []
