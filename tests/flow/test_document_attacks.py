"""Old, leaping, late and withdrawn documents, for each type: refused with a reason; the last good one stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from station.core.documents import LONGEST_LEAP, DocumentType
from station.core.reasons import Reason
from station.documents import Taken
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    NOW,
    PASSES,
    ROOTS,
    VISITORS,
    credential,
    document_raw,
    pass_text,
    table,
    trust_raw,
)
from tests.core.phones import phone
from tests.core.succeeding import NEXT, THEN, delegation_raw, roots_raw
from tests.flow.held_documents import CHUNK, Keeper, policy_raw
from tests.flow.signed_papers import GRANT, status_raw

Make = Callable[..., bytes]
NUMBERED: dict[str, Make] = {
    "trust": trust_raw,
    "policy": policy_raw,
    "status": lambda **head: status_raw(CHUNK, **head),
    "delegation": delegation_raw,
}
"""How each type is made whose numbers may leap a little; roots may not at all."""


def make_roots(seq: int = 2, **head: object) -> bytes:
    """Return the next set of roots as seen from set 1 or, with a higher number, from set 2."""
    if seq <= 2:
        return roots_raw([*ROOTS[:2], *NEXT[:2]], seq=seq, **head)
    return roots_raw([*NEXT[:2], *THEN[:2]], [root.public for root in THEN], seq=seq, **head)


EVERY: dict[str, Make] = {**NUMBERED, "roots": make_roots}
THIRD_EXPIRED = make_roots(3, exp=NOW - 1)


@pytest.fixture
def keeper(tmp_path):
    """A station with one document of each type in force; roots and delegation, too."""
    made = Keeper(tmp_path)
    made.provide()
    made.offer("delegation", delegation_raw())
    made.offer("roots", make_roots())
    assert set(made.documents.in_force) == set(DocumentType) - {DocumentType.ANNOUNCEMENT}  # test_announcer.py
    yield made
    made.journal.close()


@pytest.fixture
def first(tmp_path):
    """A station with the first roots and one document of each other type in force."""
    made = Keeper(tmp_path)
    made.provide()
    made.offer("delegation", delegation_raw())
    yield made
    made.journal.close()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("kind", NUMBERED)
def test_a_leap_is_refused(first, kind, restart):
    """A number too far beyond the last would shut out every honest successor: refused, recorded, nothing is raised."""
    make = NUMBERED[kind]
    if restart:
        first.restart()
    assert first.refuses(kind, make(seq=1 + LONGEST_LEAP + 1)) is Reason.DOCUMENT_FAST_FORWARD
    assert first.numbers()[kind] == 1
    assert first.offer(kind, make(seq=2)) == Taken(DocumentType(kind), 2)


@pytest.mark.parametrize("kind", NUMBERED)
def test_a_small_leap_is_none(first, kind):
    """A station that was away for years takes the newest document."""
    assert first.offer(kind, NUMBERED[kind](seq=1 + LONGEST_LEAP)) == Taken(DocumentType(kind), 1 + LONGEST_LEAP)


def test_roots_do_not_leap_at_all(first):
    """Between sets of roots there is no gap, however well signed."""
    assert first.refuses("roots", make_roots(seq=3)) is Reason.DOCUMENT_FAST_FORWARD


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("kind", NUMBERED)
def test_an_older_one_is_refused(first, kind, restart):
    """After number 3 neither 1 nor 2 comes back, also not after a restart."""
    make = NUMBERED[kind]
    first.offer(kind, make(seq=3))
    if restart:
        first.restart()
    for seq in (1, 2):
        assert first.refuses(kind, make(seq=seq)) is Reason.DOCUMENT_ROLLBACK
    assert first.numbers()[kind] == 3


@pytest.mark.parametrize("kind", NUMBERED)
def test_another_one_with_the_same_number_is_refused(first, kind):
    """Two different documents with one number: the first stays."""
    assert first.refuses(kind, NUMBERED[kind](iat=NOW - 59)) is Reason.DOCUMENT_CONFLICT


@pytest.mark.parametrize("kind", NUMBERED)
def test_one_issued_before_the_one_in_force_is_refused(first, kind):
    """A higher number does not make an earlier date good."""
    assert first.refuses(kind, NUMBERED[kind](seq=2, iat=NOW - 61, exp=NOW + 3600)) is Reason.DOCUMENT_ROLLBACK


@pytest.mark.parametrize("kind", EVERY)
def test_an_expired_one_is_no_news(keeper, kind):
    """Who holds back newer documents and hands out an old one that nobody saw yet gets it refused as expired."""
    expired = THIRD_EXPIRED if kind == "roots" else NUMBERED[kind](seq=2, exp=NOW - 1)
    if kind == "trust":
        expired = trust_raw(signers=NEXT[:2], seq=2, exp=NOW - 1)
    assert keeper.refuses(kind, expired) is Reason.DOCUMENT_EXPIRED


@pytest.mark.parametrize("kind", EVERY)
def test_one_from_the_future_is_refused(first, kind):
    """A document of tomorrow is not taken today; five minutes are for clocks that differ."""
    make = EVERY[kind]
    assert first.refuses(kind, make(seq=2, iat=NOW + 301)) is Reason.DOCUMENT_FROM_FUTURE
    assert first.offer(kind, make(seq=2, iat=NOW + 300)) == Taken(DocumentType(kind), 2)


@pytest.mark.parametrize("kind", EVERY)
def test_what_is_in_force_stays_though_it_expires(keeper, kind):
    """A stale document turns nobody away: it is in force until another comes, also after a restart."""
    keeper.let(40 * DAY_S)
    keeper.restart()
    assert DocumentType(kind) in keeper.documents.in_force


@pytest.mark.parametrize("kind", EVERY)
def test_the_same_one_again_is_no_event(keeper, kind):
    """A broker hands out what it retains at each connection: that is recorded once."""
    before = keeper.results()
    keeper.offer(kind, keeper.documents.in_force[DocumentType(kind)].raw)
    assert keeper.results() == before


# --- withdrawn keys --------------------------------------------------------------------------------------------------


def test_passes_of_a_withdrawn_key_are_refused_for_that(first):
    """The list withdraws an issuer faster than a bundle: its passes, live and static, have a reason of their own."""
    bound = phone("mine").pass_text()
    shown = phone("mine").show(bound, NOW)
    for text in (pass_text(), bound, shown):
        assert not isinstance(first.reads(text), Reason)
    first.offer("status", status_raw(CHUNK, [PASSES.kid], seq=2))
    for _ in range(2):
        for text in (pass_text(), bound, shown):
            assert first.reads(text) is Reason.PASS_KEY_REVOKED
        assert first.documents.policy is not None
        first.restart()


def test_a_withdrawal_concerns_the_key_alone(first):
    """Other issuers' passes are believed as before, and unknown ones are unknown, not withdrawn."""
    first.offer("status", status_raw(CHUNK, [VISITORS.kid, bytes(4)], seq=2))
    assert first.reads(pass_text()) == credential()


def test_a_withdrawal_can_be_taken_back(first):
    """A key that the next list no longer names is believed again."""
    first.offer("status", status_raw(CHUNK, [PASSES.kid], seq=2))
    first.offer("status", status_raw(CHUNK, seq=3))
    assert first.reads(pass_text()) == credential()


def test_a_new_bundle_does_not_undo_a_withdrawal(first):
    """The list in force goes on withdrawing whatever a newer bundle names."""
    first.offer("status", status_raw(CHUNK, [PASSES.kid], seq=2))
    first.offer("trust", trust_raw(seq=2))
    assert first.reads(pass_text()) is Reason.PASS_KEY_REVOKED


def test_the_policy_of_a_withdrawn_key_stays_and_its_next_one_is_refused(first):
    """Nothing turns everybody away at once: the last good policy is kept and shown as withdrawn."""
    first.offer("status", status_raw(CHUNK, [CENTRAL.kid], seq=2))
    for _ in range(2):
        assert first.documents.withdrawn(DocumentType.POLICY)
        assert first.documents.policy is not None
        first.restart()
    assert first.refuses("policy", policy_raw(seq=2)) is Reason.DOCUMENT_OUT_OF_ROLE


@pytest.mark.parametrize("revoked", [[b"123"], ["1234"], "1234", [None], {"a": 1}])
def test_a_list_with_withdrawals_in_any_other_form_is_malformed(first, revoked):
    """Key ids are four bytes; a manifest that says anything else has no effect."""
    rows = {"issuers": [], "revoked": revoked}
    assert first.refuses("status", document_raw("status", rows, seq=2)) is Reason.DOCUMENT_MALFORMED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rules": [{**GRANT, "when": {"moon": {"eq": "full"}}}]}, Reason.POLICY_UNKNOWN_FACT),
        ({"rules": [{**GRANT, "when": {"class": {"like": "res"}}}]}, Reason.POLICY_UNKNOWN_OPERATOR),
        ({"degraded": {"clock": "grant"}}, Reason.POLICY_INVALID),
    ],
)
def test_a_policy_nobody_understands_leaves_the_last_good_one(first, changes, reason):
    """An unknown fact, operator or action refuses the whole document with its own code."""
    before = first.documents.policy
    assert first.refuses("policy", document_raw("policy", table(GRANT) | changes, seq=2)) is reason
    first.restart()
    assert first.documents.policy == before
