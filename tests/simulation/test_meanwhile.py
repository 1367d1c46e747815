"""What happens at a door while somebody else is just being let in, measured or let out, played in full."""

from __future__ import annotations

import pytest

from station.simulation.scenario import load
from tests.simulation.scenes import HEAD, play, written
from tests.simulation.test_doors_together import PASSES, SLUICE, TWO_READERS, expected, steps

COMPOUND = HEAD.replace("seconds = 20", "seconds = 60")
OFFICE = COMPOUND.replace("compound", "office")
DOOR = '[[lanes]]\nid = "in"\n[lanes.door]\nrelay.pin = 17\ncontact.pin = 22\nrex.pin = 5\n'
WITH_BOLT = DOOR + "bolt.pin = 6\n"


@pytest.fixture
def unmet(tmp_path):
    """Play a scenario's text; return what was not as expected. `head`: with the policy."""
    return lambda text, head=OFFICE: play(load(written(tmp_path, text, head))).unmet


def test_who_was_measured_waits_while_the_other_side_uses_the_door(unmet):
    """The end of a measurement does not take the door from who was let out meanwhile: both are served and recorded."""
    lanes = TWO_READERS.replace('id = "in"\n', 'id = "in"\nthermometer = true\n', 1)
    story = steps((0.2, "in", 'input = "door-closed"'), (2, "in", 'scan = ["wang"]\nhold = 3'))
    story += steps((2.2, "out", 'scan = ["li"]'))
    story += steps((5, "in", 'input = "door-opened"'), (7, "in", 'input = "door-closed"'))
    story += steps((9, "in", 'input = "door-opened"'), (10, "in", 'input = "door-closed"'))
    found = expected((4, "in", "lane_state = 'measuring'"), (4, "out", "lane_state = 'passing'"))
    found += expected((8, "in", "lane_state = 'passing'\nunlocked = true"), (8, "out", "lane_state = 'idle'"))
    found += expected((12, "in", "lane_state = 'idle'"), (12, "out", "lane_state = 'idle'"))
    assert unmet(lanes + PASSES + story + found, COMPOUND) == []


def test_a_sluice_opens_one_door_after_a_measurement(unmet):
    """Somebody measured at the outer door, the inner open meanwhile: the outer stays shut until the inner is."""
    lanes = SLUICE.replace('id = "outer"\n', 'id = "outer"\nthermometer = true\n')
    shut = steps((0.2, "outer", 'input = "door-closed"'), (0.2, "inner", 'input = "door-closed"'))
    story = steps((2, "outer", 'scan = ["wang"]\nhold = 3'), (2.1, "inner", 'input = "rex"'))
    story += steps((2.3, "inner", 'input = "door-opened"'), (4.5, "inner", 'input = "door-closed"'))
    found = expected((4, "outer", "unlocked = false\nlane_state = 'measuring'"), (6.8, "outer", "unlocked = false"))
    found += expected((7.5, "outer", "unlocked = true\nlane_state = 'passing'"))
    assert unmet(lanes + PASSES + shut + story + found, COMPOUND) == []


def test_both_readers_of_a_sluices_door_work_when_it_is_not_secured(unmet):
    """A door's own contact, stuck at open, blocks neither of its readers: it is the other door that must be shut."""
    lanes = SLUICE + '[[lanes]]\nid = "outer-out"\ndirection = "out"\ndoor_of = "outer"\n'
    shut = steps((0.2, "outer", 'input = "door-closed"'), (0.2, "inner", 'input = "door-closed"'))
    story = steps((2, "outer", 'input = "door-opened"'), (4, "outer-out", 'scan = ["wang"]'))
    assert unmet(lanes + PASSES + shut + story + expected((4.5, "outer-out", "unlocked = true"))) == []


def test_let_in_while_somebody_comes_out(unmet):
    """Granted at an open door that falls shut at once: the person can still open it, and is not blamed."""
    story = steps((0.2, "in", 'input = "door-closed"'), (2, "in", 'input = "rex"'), (3, "in", 'input = "door-opened"'))
    story += steps((8, "in", 'scan = ["wang"]'), (9, "in", 'input = "door-closed"'))
    found = expected((8.5, "in", "unlocked = true"), (10, "in", 'unlocked = true\ndoor = "unlocked"'))
    found += expected((14, "in", 'unlocked = false\ndoor = "locked"'))
    assert unmet(DOOR + PASSES + story + found) == []


@pytest.mark.parametrize("door", [DOOR, WITH_BOLT], ids=["contact", "bolt"])
def test_two_leave_by_one_press_of_the_button(unmet, door):
    """The door shuts behind the first while the button's release lasts: no alarm, and none when the second opens."""
    story = steps((0.2, "in", 'input = "door-closed"'), (0.3, "in", 'input = "bolt-thrown"'))
    story += steps((2, "in", 'input = "rex"'), (2.1, "in", 'input = "bolt-withdrawn"'))
    story += steps((3, "in", 'input = "door-opened"'), (4, "in", 'input = "door-closed"'))
    story += steps((6, "in", 'input = "door-opened"'), (6.6, "in", 'input = "door-closed"'))
    story += steps((7.2, "in", 'input = "bolt-thrown"'))
    if door is DOOR:
        story = story.replace('[[steps]]\nat = 0.3\nlane = "in"\ninput = "bolt-thrown"\n', "")
        story = story.replace('[[steps]]\nat = 2.1\nlane = "in"\ninput = "bolt-withdrawn"\n', "")
        story = story.replace('[[steps]]\nat = 7.2\nlane = "in"\ninput = "bolt-thrown"\n', "")
    quiet = expected((5.9, "in", 'door = "unlocked"\nsignal = "ready"'), (6.3, "in", 'door = "open"\nsignal = "ready"'))
    quiet += expected((8, "in", 'door = "locked"\nsignal = "ready"\nunlocked = false'))
    assert unmet(door + story + quiet) == []
