"""What the journal tells of past decisions, and what it does not."""

from __future__ import annotations

from dataclasses import replace

from station.core.model import Direction, PassClass
from station.core.passback import KEEP_DAYS
from station.policy_tools.replay import decisions
from tests.core.issuing import TYPICAL
from tests.policy_tools.journals import followed, recorded
from tests.policy_tools.linting import REST, policy
from tests.policy_tools.presenting import USUAL, Shown

OPEN = policy(REST)
CAME = Shown(own=(("out", 90), ("in", 60)), household=(("out", 30),))


def replayed(shown: Shown, *, alone: bool = True):
    """Return the journal of a presentation, and what is read of its decision."""
    events = recorded(shown, OPEN, followed(shown, OPEN))
    return events, next(decisions(events, alone=alone))


def test_the_history_is_what_the_register_knew():
    """Own and household's passages before the decision are those the station decided by."""
    _, past = replayed(CAME)
    assert past.history == CAME.history
    assert (past.household, past.household_known) == (TYPICAL.household, True)
    assert (past.cti, past.pass_class, past.direction) == (TYPICAL.cti, PassClass.RESIDENT, Direction.IN)
    assert (past.policy, past.wall_us) == (OPEN.version, USUAL * 1_000_000)


def test_passages_are_forgotten_after_eight_days():
    """What the register had dropped by then is not in the history."""
    minutes = KEEP_DAYS * 1440
    _, past = replayed(Shown(own=(("out", minutes + 1), ("in", minutes))))
    assert [passage.direction for passage in past.history.own] == [Direction.IN]


def test_later_passages_do_not_count():
    """Only what was before the decision is its history."""
    events, _ = replayed(CAME)
    reordered = [events[-1], *events[1:-1]]
    assert next(decisions(reordered, alone=True)).history.own == ()


def test_records_that_do_not_say_who_passed_leave_the_history_unknown():
    """Older journals name no people in a passage; then no history is claimed for anybody."""
    events, _ = replayed(CAME)
    decision = replace(events[-1], seq=1)
    nameless = {name: value for name, value in events[1].payload.items() if name not in ("who", "dir")}
    old = replace(events[1], payload={**nameless, "of": 1})
    assert next(decisions([decision, old], alone=True)).history is None
    assert next(decisions([decision], alone=True)).history is not None


def test_a_site_with_other_gates_leaves_the_history_unknown():
    """Passages at other gates are not in this journal."""
    _, past = replayed(CAME, alone=False)
    assert past.history is None


def test_what_is_no_pass_has_neither_id_nor_class():
    """A foreign text is replayed as it was refused, without a holder."""
    events, _ = replayed(CAME)
    foreign = {"lane": "in", "dir": "in", "outcome": "deny", "reason": "foreign-text", "rule": "check:foreign-text"}
    past = next(decisions([replace(events[-1], payload=foreign)], alone=True))
    assert (past.cti, past.pass_class, past.history, past.noted) == (None, None, None, None)
