"""The station's own visitor key: what it may sign, who gave it that right, and how it ends."""

from __future__ import annotations

import pytest

from station.core.documents import DocumentType, Role
from station.core.model import PassClass
from station.core.reasons import Reason
from station.documents import Taken
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    FAR_ZONE,
    NEIGHBOUR,
    NOW,
    PASSES,
    STRANGER,
    VISITORS,
    credential,
    key_row,
    key_rows,
    pass_text,
    signing_key,
    trust_raw,
)
from tests.core.succeeding import OWN, delegation_raw
from tests.flow.held_documents import CHUNK, Keeper, policy_raw
from tests.flow.signed_papers import status_raw

ANOTHER = signing_key("another key of the station")
VISIT = {"pass_class": PassClass.VISITOR, "status_index": None, "not_before": NOW, "expires": NOW + 3600}
RIGHT = Reason.DOCUMENT_OUT_OF_ROLE


@pytest.fixture
def keeper(tmp_path):
    """A station with bundle, policy and list."""
    made = Keeper(tmp_path)
    made.provide()
    yield made
    made.journal.close()


@pytest.fixture
def delegated(keeper):
    """The same with a delegation in force."""
    assert keeper.offer("delegation", delegation_raw()) == Taken(DocumentType.DELEGATION, 1)
    return keeper


def visit(**changes: object) -> str:
    """Return a visitor's pass that the station signed itself, changed."""
    return pass_text(OWN, **{**VISIT, **changes})


def good(keeper: Keeper) -> bool:
    """Say whether a visitor's pass of the station's own is believed now."""
    return keeper.reads(visit()) == credential(kid=OWN.kid, **VISIT)


def test_a_delegated_station_signs_for_its_visitors(delegated):
    """The pass is believed here, by all documents still; and after a restart."""
    assert good(delegated)
    delegated.restart()
    assert good(delegated)
    assert delegated.reads(pass_text()) == credential()


def test_without_a_delegation_the_key_is_good_for_nothing(keeper):
    """What the station signs by itself is the pass of an unknown issuer, as it is at every other station."""
    assert keeper.reads(visit()) is Reason.PASS_UNKNOWN_ISSUER


@pytest.mark.parametrize(
    "changes",
    [
        {"pass_class": PassClass.RESIDENT},
        {"pass_class": PassClass.MEDIC},
        {"home_zone": NEIGHBOUR},
        {"extra_zones": frozenset({FAR_ZONE})},
        {"expires": NOW + 2 * DAY_S},
        {"not_before": NOW - 120},
    ],
)
def test_the_key_signs_nothing_else(delegated, changes):
    """Other classes, other zones, and times beyond the delegation are out of its scope."""
    assert delegated.reads(visit(**changes)) is Reason.PASS_OUT_OF_SCOPE


def test_a_delegated_key_signs_no_document(delegated):
    """Neither policy nor list nor time: it is a key for passes."""
    trust = delegated.documents.trust
    assert trust is not None
    assert [role for role in Role if trust.key(OWN.kid, role)] == [Role.PASS]
    assert delegated.refuses("status", status_raw(CHUNK, seq=2).replace(CENTRAL.kid, OWN.kid)) is RIGHT


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (delegation_raw(station="west-1"), RIGHT),
        (delegation_raw(exp=NOW - 60 + DAY_S + 1), RIGHT),
        (delegation_raw(CENTRAL), RIGHT),
        (delegation_raw(STRANGER), RIGHT),
        (delegation_raw(exp=NOW - 1), Reason.DOCUMENT_EXPIRED),
        (delegation_raw(iat=NOW + 400, exp=NOW + 500), Reason.DOCUMENT_FROM_FUTURE),
        (delegation_raw(classes=[1]), Reason.DOCUMENT_MALFORMED),
        (delegation_raw()[:-1] + b"\x00", Reason.DOCUMENT_UNSIGNED),
        (delegation_raw(type="policy"), RIGHT),
    ],
    ids=["station", "too long", "central", "stranger", "expired", "future", "classes", "forged", "type"],
)
def test_each_wrong_delegation_is_refused_and_recorded(keeper, raw, reason):
    """Another station's, one for too long, by somebody without the right, out of its time, or not as signed."""
    assert keeper.refuses("delegation", raw) is reason
    assert keeper.documents.own_key is None
    assert keeper.reads(visit()) is Reason.PASS_UNKNOWN_ISSUER


def test_an_issuer_without_visitors_delegates_nothing(tmp_path):
    """Who signs residents' passes alone cannot let a station sign visitors'."""
    keeper = Keeper(tmp_path)
    keeper.offer("trust", trust_raw([key_row(PASSES, [Role.PASS], classes=[PassClass.RESIDENT])]))
    assert keeper.refuses("delegation", delegation_raw()) is RIGHT
    keeper.journal.close()


def test_a_delegated_key_delegates_nothing(delegated):
    """There is no chain: what the station's key signs for another key, or to prolong itself, is refused."""
    delegated.offer("policy", policy_raw(seq=2))
    for raw in (delegation_raw(OWN, pub=ANOTHER.public, seq=2), delegation_raw(OWN, seq=2)):
        assert delegated.refuses("delegation", raw) is RIGHT
    assert good(delegated)
    delegated.restart()
    assert delegated.refuses("delegation", delegation_raw(OWN, pub=ANOTHER.public, seq=2)) is RIGHT


def test_it_is_withdrawn_by_its_key_id(delegated):
    """The next status manifest withdraws the key at once: its passes are refused for that, also after a restart."""
    assert delegated.offer("status", status_raw(CHUNK, [OWN.kid], seq=2)) == Taken(DocumentType.STATUS, 2)
    assert delegated.reads(visit()) is Reason.PASS_KEY_REVOKED
    delegated.restart()
    assert delegated.reads(visit()) is Reason.PASS_KEY_REVOKED
    assert delegated.reads(pass_text()) == credential()


def test_a_delegation_that_comes_after_the_withdrawal_does_not_help(keeper):
    """A withdrawn key stays withdrawn, whatever is signed for it."""
    keeper.offer("status", status_raw(CHUNK, [OWN.kid], seq=2))
    keeper.offer("delegation", delegation_raw())
    assert keeper.reads(visit()) is Reason.PASS_KEY_REVOKED


@pytest.mark.parametrize("restart", [False, True])
def test_it_ends_with_its_issuer(delegated, restart):
    """An issuer that is withdrawn, by the list or by a new bundle, takes the key along that it let the station have."""
    delegated.offer("status", status_raw(CHUNK, [PASSES.kid], seq=2))
    if restart:
        delegated.restart()
    assert delegated.documents.own_key is None
    assert not good(delegated)


def test_it_comes_back_with_its_issuer(delegated):
    """A withdrawal that is taken back gives the delegation back, as long as it lasts."""
    delegated.offer("status", status_raw(CHUNK, [PASSES.kid], seq=2))
    delegated.offer("status", status_raw(CHUNK, seq=3))
    assert good(delegated)


@pytest.mark.parametrize("restart", [False, True])
def test_it_ends_with_its_issuers_right(delegated, restart):
    """A new bundle in which the issuer may no longer admit visitors ends the delegation."""
    rows = [row for row in key_rows() if row["kid"] != PASSES.kid]
    rows.append(key_row(PASSES, [Role.PASS], classes=[PassClass.RESIDENT]))
    delegated.offer("trust", trust_raw(rows, seq=2))
    if restart:
        delegated.restart()
    assert delegated.documents.own_key is None
    assert not good(delegated)
    assert delegated.reads(pass_text()) == credential()


def test_the_next_delegation_replaces_the_one_before(delegated):
    """One key at a time: a newer delegation, for a new key of the station, ends the older key's."""
    assert delegated.offer("delegation", delegation_raw(seq=2, pub=ANOTHER.public)) == Taken("delegation", 2)
    assert delegated.reads(pass_text(ANOTHER, **VISIT)) == credential(kid=ANOTHER.kid, **VISIT)
    assert delegated.reads(visit()) is Reason.PASS_UNKNOWN_ISSUER
    assert delegated.refuses("delegation", delegation_raw(pub=ANOTHER.public)) is Reason.DOCUMENT_ROLLBACK


def test_another_issuer_may_delegate(keeper):
    """The visitors' own issuer may, within its zone."""
    assert keeper.offer("delegation", delegation_raw(VISITORS)) == Taken(DocumentType.DELEGATION, 1)
    assert good(keeper)


def test_a_day_later_it_is_over(delegated):
    """No pass reaches beyond the delegation, so after it none is left that could open."""
    last = visit(expires=NOW - 60 + DAY_S)
    assert not isinstance(delegated.reads(last), Reason)
    assert delegated.reads(visit(expires=NOW - 60 + DAY_S + 1)) is Reason.PASS_OUT_OF_SCOPE
