"""New roots at a station: without a gap, without going back, and without a moment in which nobody is believed."""

from __future__ import annotations

import pytest

from station.core.documents import DocumentType
from station.core.model import Rejected
from station.core.reasons import Reason
from station.documents import Taken
from tests.core.issuing import NOW, ROOTS, credential, pass_text, signing_key, trust_raw
from tests.core.succeeding import NEXT, THEN, roots_raw
from tests.flow.held_documents import CHUNK, Keeper, policy_raw
from tests.flow.signed_papers import status_raw

SECOND = roots_raw([*ROOTS[:2], *NEXT[:2]])
THIRD = roots_raw([*NEXT[:2], *THEN[:2]], [root.public for root in THEN], seq=3)
NEW_TRUST = trust_raw(signers=NEXT[:2], seq=2)
ANCHOR = [signing_key(f"other root-{number}") for number in (1, 2, 3)]
OTHER_ROOTS = [root.public for root in ANCHOR]


@pytest.fixture
def keeper(tmp_path):
    """A station with the first roots, and one of each document in force."""
    made = Keeper(tmp_path)
    made.provide()
    yield made
    made.journal.close()


def test_the_next_roots_take_effect_and_the_old_bundle_stays_until_the_new_one_comes(keeper):
    """After the succession everybody is believed as before; the new roots' bundle then replaces the old."""
    assert keeper.offer("roots", SECOND) == Taken(DocumentType.ROOTS, 2)
    assert keeper.reads(pass_text()) == credential()
    assert keeper.offer("policy", policy_raw(seq=2)) == Taken(DocumentType.POLICY, 2)
    assert keeper.offer("trust", NEW_TRUST) == Taken(DocumentType.TRUST, 2)
    assert keeper.numbers() == {"trust": 2, "policy": 2, "status": 1, "roots": 2}


@pytest.mark.parametrize("renewed", [False, True])
def test_across_a_restart_nobody_is_turned_away(keeper, renewed):
    """Old bundle or new one: what was in force before the restart is in force after it, under the new roots."""
    keeper.offer("roots", SECOND)
    if renewed:
        keeper.offer("trust", NEW_TRUST)
    before = keeper.numbers()
    keeper.restart()
    assert keeper.numbers() == before
    assert keeper.reads(pass_text()) == credential()
    assert keeper.documents.policy is not None
    assert keeper.offer("trust", trust_raw(signers=NEXT[1:], seq=3)) == Taken(DocumentType.TRUST, 3)


def test_the_old_roots_sign_nothing_any_more(keeper):
    """A bundle that the old roots sign afterwards is refused, also after a restart, whatever its number."""
    keeper.offer("roots", SECOND)
    for seq in (2, 3):
        assert keeper.refuses("trust", trust_raw(seq=seq)) is Reason.DOCUMENT_UNSIGNED
        keeper.restart()
    assert keeper.numbers()["trust"] == 1


def test_a_gap_waits_and_is_taken_once_the_missing_set_comes(keeper):
    """Set 3 before set 2 is told as a leap and kept; with set 2 both take effect, and the bundle that waited."""
    assert isinstance(keeper.offer("roots", THIRD, 1), Rejected)
    assert isinstance(keeper.offer("trust", trust_raw(signers=THEN[:2], seq=2), 2), Rejected)
    assert keeper.results()[-2:] == [Reason.DOCUMENT_FAST_FORWARD, Reason.DOCUMENT_UNSIGNED]
    assert keeper.mark == 0
    assert keeper.offer("roots", SECOND, 3) == Taken(DocumentType.ROOTS, 2)
    keeper.documents.retry(keeper.now)
    assert keeper.numbers() == {"trust": 2, "policy": 1, "status": 1, "roots": 3}
    assert keeper.mark == 3
    keeper.restart()
    assert keeper.numbers()["roots"] == 3


def test_what_waits_for_roots_is_read_again_after_a_restart(keeper):
    """The inbox is not marked as read beyond a set that waits, so nothing depends on the station's memory."""
    keeper.offer("roots", THIRD, 7)
    keeper.restart()
    assert keeper.mark < 7
    keeper.offer("roots", THIRD, 7)
    keeper.offer("roots", SECOND, 8)
    assert keeper.numbers()["roots"] == 3


def test_a_bundle_of_the_new_roots_may_come_before_them(keeper):
    """A broker hands out retained documents in any order: the bundle waits for the roots that signed it."""
    assert isinstance(keeper.offer("trust", NEW_TRUST), Rejected)
    keeper.offer("roots", SECOND)
    assert keeper.numbers() == {"trust": 2, "policy": 1, "status": 1, "roots": 2}


def test_no_going_back(keeper):
    """Set 2 after set 3, and another set 2 after set 2, are rollbacks, also after a restart."""
    rival = roots_raw([*ROOTS[:2], *THEN[:2]], [root.public for root in THEN])
    keeper.offer("roots", SECOND)
    assert keeper.refuses("roots", rival) is Reason.DOCUMENT_ROLLBACK
    keeper.offer("roots", THIRD)
    keeper.restart()
    assert keeper.refuses("roots", SECOND) is Reason.DOCUMENT_ROLLBACK
    assert keeper.numbers()["roots"] == 3


@pytest.mark.parametrize("signers", [[*ROOTS], [*NEXT], [ROOTS[0], *NEXT], [*ROOTS, NEXT[0]]])
def test_signed_once_too_few_it_has_no_effect(keeper, signers):
    """Without two of each set the roots stay who they are; the refusal is recorded and nothing waits."""
    assert keeper.refuses("roots", roots_raw(signers)) is Reason.DOCUMENT_UNSIGNED
    assert keeper.offer("trust", trust_raw(seq=2)) == Taken(DocumentType.TRUST, 2)
    assert "roots" not in keeper.numbers()


def test_roots_have_their_time(keeper):
    """Roots of the future are refused; expired ones, too, while those in force have not expired."""
    early = roots_raw([*ROOTS[:2], *NEXT[:2]], iat=NOW + 400)
    assert keeper.refuses("roots", early) is Reason.DOCUMENT_FROM_FUTURE
    keeper.offer("roots", SECOND)
    late = roots_raw([*NEXT[:2], *THEN[:2]], [root.public for root in THEN], seq=3, exp=NOW - 1)
    assert keeper.refuses("roots", late) is Reason.DOCUMENT_EXPIRED


def test_a_link_that_does_not_fit_is_refused(keeper):
    """A set that names another predecessor than the one in force does not follow it."""
    keeper.offer("roots", SECOND)
    other = roots_raw([*NEXT[:2], *THEN[:2]], [root.public for root in THEN], seq=3, prev=bytes(32))
    assert keeper.refuses("roots", other) is Reason.DOCUMENT_BROKEN_LINK


def test_other_roots_in_the_configuration_begin_anew(keeper):
    """A technician who names other roots ends all that the old ones stood for, and their succession with it."""
    keeper.offer("roots", SECOND)
    keeper.restart(OTHER_ROOTS)
    assert keeper.numbers() == {}
    assert keeper.documents.trust is None
    assert keeper.documents.policy is None
    assert keeper.reads(pass_text()) is Reason.NO_TRUST
    assert keeper.refuses("trust", NEW_TRUST) is Reason.DOCUMENT_UNSIGNED
    assert keeper.offer("trust", trust_raw(signers=ANCHOR[:2])) == Taken(DocumentType.TRUST, 1)
    named = [root.public for root in THEN]
    assert keeper.offer("roots", roots_raw([*ANCHOR[:2], *THEN[:2]], named)) == Taken(DocumentType.ROOTS, 2)
    keeper.restart()
    assert keeper.numbers()["roots"] == 2
    assert keeper.reads(pass_text()) == credential()


def test_the_order_of_the_roots_in_the_configuration_does_not_matter(keeper):
    """The same three keys in another order are the same anchor: the succession stays."""
    keeper.offer("roots", SECOND)
    keeper.restart([root.public for root in reversed(ROOTS)])
    assert keeper.numbers() == {"trust": 1, "policy": 1, "status": 1, "roots": 2}


def test_expired_steps_lead_to_the_roots_of_today(tmp_path):
    """Of old sets only the succession counts: a new station, or a new journal, goes through those that have expired."""
    keeper = Keeper(tmp_path)
    keeper.offer("trust", trust_raw(signers=THEN[:2], seq=5))
    for raw in (
        roots_raw([*ROOTS[:2], *NEXT[:2]], exp=NOW - 9),
        roots_raw([*NEXT[:2], *THEN[:2]], [root.public for root in THEN], seq=3, exp=NOW - 1),
    ):
        keeper.offer("roots", raw)
    keeper.documents.retry(keeper.now)
    assert keeper.numbers() == {"trust": 5, "roots": 3}
    keeper.journal.close()


def test_a_station_that_missed_everything_catches_up(tmp_path):
    """A new station is handed all sets, bundle, policy and list in the worst order, and ends with all in force."""
    keeper = Keeper(tmp_path)
    for kind, raw in (
        ("status", status_raw(CHUNK)),
        ("policy", policy_raw()),
        ("trust", trust_raw(signers=THEN[:2], seq=5)),
        ("roots", THIRD),
        ("roots", SECOND),
    ):
        keeper.offer(kind, raw)
    for _ in range(3):
        keeper.documents.retry(keeper.now)
    assert keeper.numbers() == {"trust": 5, "policy": 1, "status": 1, "roots": 3}
    keeper.journal.close()
