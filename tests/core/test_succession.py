"""Keys that come after others: the next roots, and the one key a station may hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from station.core import cose
from station.core.documents import DocumentType, Envelope, KeyEntry, Role, TrustBundle, open_document, open_trust
from station.core.model import PassClass, Rejected
from station.core.reasons import Reason
from station.core.succession import (
    LARGEST_ROOTS,
    LONGEST_DELEGATION_S,
    RootSet,
    open_held_roots,
    open_roots,
    read_delegation,
    with_own_key,
)
from sync.central.keys import SigningKey
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    NOW,
    PASSES,
    ROOT_BYTES,
    ROOTS,
    STRANGER,
    TRUST,
    VISITORS,
    ZONE,
    document_raw,
    key_row,
    key_rows,
    payload,
    trust_bundle,
    trust_raw,
)
from tests.core.succeeding import NEXT, OWN, STATION, THEN, delegation_raw, roots_raw

FIRST = RootSet(1, tuple(ROOT_BYTES))
OLD_TWO, NEW_TWO = ROOTS[:2], NEXT[:2]


def taken(raw: bytes, current: RootSet = FIRST) -> RootSet:
    """Open roots that must be accepted."""
    verdict = open_roots(raw, current)
    assert isinstance(verdict, RootSet), verdict
    return verdict


def refused(raw: bytes, current: RootSet = FIRST) -> Reason:
    """Open roots that must be refused; return why."""
    verdict = open_roots(raw, current)
    assert isinstance(verdict, Rejected), verdict
    return verdict.reason


# --- roots -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signers", [[*OLD_TWO, *NEW_TWO], [*ROOTS, *NEXT], [ROOTS[0], ROOTS[2], NEXT[2], NEXT[1]], [*NEW_TWO, *OLD_TWO]]
)
def test_two_of_the_old_and_two_of_the_new_make_the_next_set(signers):
    """Any two of each are enough, in any order; the document is remembered as the old roots' word."""
    roots = taken(roots_raw(signers))
    assert (roots.number, roots.keys) == (2, tuple(root.public for root in NEXT))
    assert roots.envelope is not None
    assert set(roots.envelope.signers) == {signer.kid for signer in signers} & {root.kid for root in ROOTS}


def test_large_roots_are_not_read():
    """Whoever signed them: what cannot be a set of roots by its size is refused before its content is read."""
    assert refused(roots_raw([*ROOTS, *NEXT], extra=bytes(LARGEST_ROOTS))) is Reason.DOCUMENT_MALFORMED
    assert refused(bytes(LARGEST_ROOTS + 1)) is Reason.DOCUMENT_MALFORMED


@pytest.mark.parametrize(
    "signers",
    [
        [],
        OLD_TWO,
        ROOTS,
        NEW_TWO,
        NEXT,
        [*OLD_TWO, NEXT[0]],
        [ROOTS[0], *NEXT],
        [*OLD_TWO, NEXT[0], NEXT[0]],
        [ROOTS[0], ROOTS[0], *NEW_TWO],
        [*OLD_TWO, NEXT[0], STRANGER],
        [ROOTS[0], STRANGER, *NEW_TWO],
    ],
)
def test_neither_set_is_replaced_without_the_others_consent(signers):
    """Fewer than two of the old, or fewer than two of the new, sign for nothing, however often one of them signs."""
    assert refused(roots_raw(signers)) is Reason.DOCUMENT_UNSIGNED


def test_a_forged_signature_under_a_roots_name_does_not_count():
    """A stranger's signature with an old root's key id leaves one of two."""
    content = payload("roots", {"roots": [root.public for root in NEXT]}, seq=2)
    signers = [(ROOTS[0].kid, ROOTS[0].private), (ROOTS[1].kid, STRANGER.private)]
    signers += [(root.kid, root.private) for root in NEW_TWO]
    verdict = open_roots(cose.sign(content, signers), FIRST)
    assert isinstance(verdict, Rejected)
    assert verdict.detail == "1 of the old and 2 of the new roots signed, each needs 2"


def test_a_root_may_stay():
    """One key in both sets signs for both: three signers can be enough."""
    kept = [ROOTS[0].public, NEXT[0].public, NEXT[1].public]
    assert taken(roots_raw([ROOTS[0], ROOTS[1], NEXT[0]], kept)).keys == tuple(kept)


@pytest.mark.parametrize(
    ("seq", "current", "reason"),
    [
        (1, 1, Reason.DOCUMENT_ROLLBACK),
        (2, 2, Reason.DOCUMENT_ROLLBACK),
        (2, 5, Reason.DOCUMENT_ROLLBACK),
        (3, 1, Reason.DOCUMENT_FAST_FORWARD),
        (2**62, 1, Reason.DOCUMENT_FAST_FORWARD),
    ],
)
def test_sets_follow_one_another_without_a_gap(seq, current, reason):
    """The same number or an earlier one is a rollback, a later one than the next leaves a gap: well signed or not."""
    held = replace(FIRST, number=current)
    assert refused(roots_raw([*OLD_TWO, *NEW_TWO], seq=seq), held) is reason


def test_the_third_set_follows_the_second():
    """After a succession the new roots hand on, and the first ones no longer can."""
    second = taken(roots_raw([*OLD_TWO, *NEW_TWO]))
    named = [root.public for root in THEN]
    assert taken(roots_raw([*NEW_TWO, *THEN], named, seq=3), second).number == 3
    assert refused(roots_raw([*ROOTS, *THEN], named, seq=3), second) is Reason.DOCUMENT_UNSIGNED


@pytest.mark.parametrize(
    "roots",
    [
        [],
        ROOT_BYTES[:2],
        [*ROOT_BYTES, NEXT[0].public],
        [NEXT[0].public, NEXT[0].public, NEXT[1].public],
        [NEXT[0].public, NEXT[1].public, NEXT[2].public[:31]],
        [NEXT[0].public, NEXT[1].public, NEXT[2].public.hex()],
        "roots",
        {"a": 1},
    ],
)
def test_roots_are_three_different_keys(roots):
    """Any other number, length or type is malformed."""
    assert refused(roots_raw([*OLD_TWO, *NEW_TWO], roots)) is Reason.DOCUMENT_MALFORMED


def test_another_document_in_their_place_is_malformed():
    """A trust bundle signed by everybody makes nobody a root, and unknown fields are not passed over."""
    everybody = [*ROOTS, *NEXT]
    assert refused(trust_raw(signers=everybody, seq=2)) is Reason.DOCUMENT_MALFORMED
    content = payload("roots", {"roots": [root.public for root in NEXT], "note": 1}, seq=2)
    noted = cose.sign(content, [(signer.kid, signer.private) for signer in everybody])
    assert refused(noted) is Reason.DOCUMENT_MALFORMED


@pytest.mark.parametrize("raw", [b"", b"\xff", roots_raw([*OLD_TWO, *NEW_TWO])[:-1], document_raw("roots", {})])
def test_rubbish_is_malformed(raw):
    """Nothing raises, whatever arrives under the name of roots; one signature alone is the wrong form."""
    assert refused(raw) is Reason.DOCUMENT_MALFORMED


def test_no_single_bit_of_a_succession_may_change():
    """Each single-bit change of a document with exactly the signatures it needs is refused, and none raises."""
    raw = roots_raw([*OLD_TWO, *NEW_TWO])
    for position in range(8 * len(raw)):
        altered = bytearray(raw)
        altered[position // 8] ^= 1 << position % 8
        assert isinstance(open_roots(bytes(altered), FIRST), Rejected), position


def test_a_bundle_is_held_against_the_roots_of_its_time():
    """After the succession a bundle of the old roots no longer verifies, and one of the new roots does."""
    second = taken(roots_raw([*OLD_TWO, *NEW_TWO]))
    verdict = open_trust(trust_raw(), second.keys)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.DOCUMENT_UNSIGNED
    assert isinstance(open_trust(trust_raw(signers=NEW_TWO), second.keys), TrustBundle)


def test_held_roots_are_taken_apart_again():
    """What took effect once is read from the station's own file without the roots before it; damage raises."""
    raw = roots_raw([*OLD_TWO, *NEW_TWO])
    held = open_held_roots(raw)
    assert (held.number, held.keys) == (2, taken(raw).keys)
    with pytest.raises(ValueError, match="deterministic"):
        open_held_roots(raw + b"\x00")


# --- a station's own key ---------------------------------------------------------------------------------------------


def delegation(key: SigningKey = PASSES, trust: TrustBundle = TRUST, **changes: object) -> KeyEntry | Rejected:
    """Read a delegation for station east-1, changed; what the envelope already refuses is that refusal."""
    opened = open_document(delegation_raw(key, **changes), DocumentType.DELEGATION, trust, ZONE)
    return read_delegation(opened, trust, STATION, ZONE) if isinstance(opened, Envelope) else opened


def test_a_delegation_is_a_key_for_visitors_of_this_station_for_a_day():
    """The key may sign passes, for visitors alone, for the station's zone alone, while the delegation lasts."""
    entry = delegation()
    assert isinstance(entry, KeyEntry)
    assert (entry.kid, entry.public_key.public_bytes_raw()) == (OWN.kid, OWN.public)
    assert entry.roles == {Role.PASS}
    assert entry.zones == (ZONE,)
    assert entry.classes == {PassClass.VISITOR}
    assert (entry.not_before, entry.expires) == (NOW - 60, NOW - 60 + DAY_S)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"station": "west-1"}, Reason.DOCUMENT_OUT_OF_ROLE),
        ({"station": "east-10"}, Reason.DOCUMENT_OUT_OF_ROLE),
        ({"exp": NOW - 60 + LONGEST_DELEGATION_S + 1}, Reason.DOCUMENT_OUT_OF_ROLE),
        ({"station": None}, Reason.DOCUMENT_MALFORMED),
        ({"station": 7}, Reason.DOCUMENT_MALFORMED),
        ({"pub": None}, Reason.DOCUMENT_MALFORMED),
        ({"pub": OWN.public[:31]}, Reason.DOCUMENT_MALFORMED),
        ({"classes": [1, 2, 3]}, Reason.DOCUMENT_MALFORMED),
        ({"zones": [""]}, Reason.DOCUMENT_MALFORMED),
    ],
)
def test_each_wrong_delegation_is_refused(changes, reason):
    """Another station's, one for more than a day, and one in any other form: each with its reason."""
    verdict = delegation(**changes)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is reason


@pytest.mark.parametrize("key", [CENTRAL, STRANGER, OWN])
def test_only_a_pass_issuer_delegates(key):
    """Central's other keys, strangers, and the station for itself, sign no delegation."""
    verdict = delegation(key)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.DOCUMENT_OUT_OF_ROLE


def test_an_issuer_that_admits_no_visitors_does_not_delegate():
    """Who may not sign a visitor's pass cannot let a station do it."""
    trust = trust_bundle([key_row(PASSES, [Role.PASS], classes=[PassClass.RESIDENT])])
    verdict = delegation(trust=trust)
    assert isinstance(verdict, Rejected)
    assert verdict.detail == f"key {PASSES.kid.hex()} may not admit visitors"


def test_an_issuer_delegates_only_while_and_where_it_is_valid():
    """The visitors' issuer of this zone may; outside its zone, or before it was valid, it may not."""
    assert isinstance(delegation(VISITORS), KeyEntry)
    for row in (
        key_row(VISITORS, [Role.PASS], ["1101"], [PassClass.VISITOR]),
        key_row(VISITORS, [Role.PASS], [ZONE], [PassClass.VISITOR], (NOW, NOW + DAY_S)),
    ):
        verdict = delegation(VISITORS, trust_bundle([row]))
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.DOCUMENT_OUT_OF_ROLE


def test_a_delegated_key_is_believed_beside_the_bundle():
    """The station's own key is added; keys of the bundle keep what the roots say of them."""
    entry = delegation()
    assert isinstance(entry, KeyEntry)
    trust = with_own_key(TRUST, entry, frozenset())
    assert trust.key(OWN.kid, Role.PASS) == entry
    assert set(trust.keys) == {*TRUST.keys, OWN.kid}
    wider = replace(entry, kid=PASSES.kid, classes=frozenset(PassClass))
    assert with_own_key(TRUST, wider, frozenset()).key(PASSES.kid, Role.PASS) == TRUST.keys[PASSES.kid]


def test_a_withdrawn_key_has_no_role():
    """What the status manifest withdraws, own or listed, is believed for nothing; the others are."""
    entry = delegation()
    assert isinstance(entry, KeyEntry)
    trust = with_own_key(TRUST, entry, frozenset({OWN.kid, PASSES.kid}))
    assert trust.key(OWN.kid, Role.PASS) is None
    assert trust.key(PASSES.kid, Role.PASS) is None
    assert trust.key(VISITORS.kid, Role.PASS) is not None
    assert len(key_rows()) == len(TRUST.keys)
