"""The page docs/reference/fault-matrix.md says what the simulator plays, and no failure does lasting harm."""

from __future__ import annotations

import logging

import pytest

from tests.system import fault_matrix
from tests.system.fault_matrix import FAILS_S, HOLDERS, PARTS, Part, seen

ROWS = [(part, state, when) for part in PARTS for when in FAILS_S for state in HOLDERS]
CAUSES = ("decision grant", "override")


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """What fails is on the page; the log of 162 failures is not needed."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(300)
def test_the_page_is_current():
    """Every row of the page is what the simulator plays now."""
    assert fault_matrix.PAGE.read_text(encoding="utf-8") == fault_matrix.page(), (
        "run: python -m tests.system.fault_matrix --write"
    )


def _changes(part: Part, state, when, track: str) -> list[tuple[float, str]]:
    return [(c.at_s, c.value) for c in seen(part, state, when).timeline.changes if c.track == track]


def test_no_failure_unlocks():
    """In every row the relay unlocks only at the moment at which a grant is recorded."""
    for row in ROWS:
        caused = {at for at, words in _changes(*row, "journal") if words.startswith(CAUSES)}
        unlocked = {at for at, level in _changes(*row, "in relay") if level}
        assert unlocked <= caused, row


def test_nothing_is_granted_while_the_disk_fails():
    """Whoever cannot be recorded is not let in."""
    (disk,) = (part for part in PARTS if part.name.startswith("disk"))
    for when, fails_s in FAILS_S.items():
        for state in HOLDERS:
            moved = [at for at, level in _changes(disk, state, when, "in relay") if level]
            assert not [at for at in moved if fails_s <= at < fault_matrix.WORKS_AGAIN_S], (when, state)


def test_all_is_well_when_the_part_works_again():
    """In every row the last person is let in, and in the end the lane is ready, silent, shut and locked."""
    for row in ROWS:
        grants = [at for at, words in _changes(*row, "journal") if words.startswith("decision grant")]
        assert max(grants) >= fault_matrix.LAST_S, row
        now = seen(*row).timeline.now
        ended = (now["in signal"], now["in lane"], now["in door"], now["in alarms"], now["in relay"])
        assert ended == ("ready", "idle", "locked", "", ""), row


def test_a_fault_of_the_station_is_never_shown_as_a_refusal():
    """While the disk, the relay, the thermometer or the clock's state fails, nobody else is told "denied"."""
    for part in PARTS:
        if part.name.startswith(("disk", "relay", "thermometer", "clock lost")):
            for when in FAILS_S:
                told = [words for state in HOLDERS if state != "refused" for words in seen(part, state, when).person]
                assert not [words for words in told if words.startswith("denied")], (part.name, when)
