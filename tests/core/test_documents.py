"""Signed documents: who may sign what for where, and that nothing old comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose
from station.core.documents import (
    FUTURE_TOLERANCE_S,
    LONGEST_LEAP,
    DocumentType,
    Envelope,
    HighWater,
    Role,
    TrustBundle,
    admit,
    kid_of,
    open_document,
    open_held,
    open_held_trust,
    open_trust,
)
from station.core.model import ClockState, Instant, PassClass, Rejected
from station.core.reasons import Reason
from tests.core.issuing import (
    CENTRAL,
    DAY_S,
    FAR_ZONE,
    NOW,
    NOW_INSTANT,
    PASSES,
    ROOT_BYTES,
    ROOTS,
    STRANGER,
    TRUST,
    VISITORS,
    ZONE,
    document_raw,
    envelope,
    key_row,
    key_rows,
    payload,
    trust_raw,
)

POLICY = DocumentType.POLICY
FIRST, SECOND, THIRD = ROOTS


def trust_refused(raw: bytes) -> Rejected:
    """Open a trust bundle that must be refused."""
    verdict = open_trust(raw, ROOT_BYTES)
    assert isinstance(verdict, Rejected)
    return verdict


def refused(raw: bytes, kind: DocumentType = POLICY, zone: str = ZONE) -> Rejected:
    """Open a document that must be refused."""
    verdict = open_document(raw, kind, TRUST, zone)
    assert isinstance(verdict, Rejected)
    return verdict


# --- the trust bundle ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signers", [ROOTS[:2], ROOTS[1:], [FIRST, THIRD], ROOTS, [THIRD, FIRST, STRANGER]])
def test_any_two_roots_are_enough(signers):
    """Two different roots of three put a bundle into force; more, or a stranger beside them, do no harm."""
    bundle = open_trust(trust_raw(signers=signers), ROOT_BYTES)
    assert isinstance(bundle, TrustBundle)
    assert set(bundle.envelope.signers) == {signer.kid for signer in signers} - {STRANGER.kid}
    assert set(bundle.keys) == {PASSES.kid, VISITORS.kid, CENTRAL.kid}


@pytest.mark.parametrize(
    "signers",
    [[], [FIRST], [FIRST, FIRST], [FIRST, FIRST, FIRST], [FIRST, STRANGER], [STRANGER, CENTRAL], [FIRST, CENTRAL]],
)
def test_one_root_is_too_few_however_often_it_signs(signers):
    """The same root twice does not count twice, and keys that are no roots do not count."""
    verdict = trust_refused(trust_raw(signers=signers))
    assert verdict.reason is Reason.DOCUMENT_UNSIGNED
    assert verdict.detail.endswith("of 2 root signatures are good")


def test_a_root_named_over_a_wrong_signature_does_not_count():
    """A stranger's signature under a root's key id counts for nothing."""
    signers = [(FIRST.kid, FIRST.private), (SECOND.kid, STRANGER.private)]
    verdict = trust_refused(cose.sign(payload("trust", {"keys": key_rows()}), signers))
    assert verdict == Rejected(Reason.DOCUMENT_UNSIGNED, "1 of 2 root signatures are good")


def test_signatures_over_another_bundle_do_not_count():
    """Signatures taken from one bundle are no good under another's payload."""
    good = cose.open_sign(trust_raw())
    other = cose.open_sign(trust_raw(rows=[]))
    moved = trust_raw().replace(good.payload, other.payload)
    assert trust_refused(moved).reason in {Reason.DOCUMENT_UNSIGNED, Reason.DOCUMENT_MALFORMED}


def test_no_single_bit_of_a_bundle_may_change():
    """Each single-bit change of a bundle signed by two roots is refused with a reason and none raises."""
    raw = trust_raw(rows=[key_row(PASSES, [Role.PASS])])
    for position in range(8 * len(raw)):
        altered = bytearray(raw)
        altered[position // 8] ^= 1 << position % 8
        verdict = trust_refused(bytes(altered))
        assert verdict.reason in {Reason.DOCUMENT_UNSIGNED, Reason.DOCUMENT_MALFORMED}


ROW = key_row(PASSES, [Role.PASS], ["3206"], [PassClass.RESIDENT])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{**ROW, "note": 1}], "key has unknown keys: 'note'"),
        ([{**ROW, "kid": PASSES.kid[:3]}], "kid is not 4 bytes"),
        ([{**ROW, "pub": PASSES.public[:31]}], "pub is not 32 bytes"),
        ([{**ROW, "roles": ["king"]}], "'king' is not a valid Role"),
        ([{**ROW, "roles": "pass"}], "roles is not a list"),
        ([{**ROW, "zones": [3206]}], "zone is not printable text"),
        ([{**ROW, "zones": ["3" * 13]}], "zone is not printable text of at most 12"),
        ([{**ROW, "classes": [9]}], "9 is not a valid PassClass"),
        ([{**ROW, "classes": [True]}], "class is not a whole number"),
        ([{**ROW, "nbf": -1}], "nbf is not a whole number"),
        ([{**ROW, "exp": None}], "exp is not a whole number"),
        ([ROW, ROW], "two keys share a key id"),
        ([[]], "key is not a map"),
        ([ROW] * 1001, "keys is not a list of at most 1000"),
    ],
)
def test_each_malformed_key_refuses_the_whole_bundle(rows, says):
    """One wrong key row, and the bundle as a whole is refused by the words of that row."""
    verdict = trust_refused(trust_raw(rows=rows))
    assert verdict.reason is Reason.DOCUMENT_MALFORMED
    assert says in verdict.detail


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ({"seq": 0}, "seq is not a whole number from 1"),
        ({"seq": True}, "seq is not a whole number from 1"),
        ({"iat": -1}, "iat is not a whole number"),
        ({"exp": "soon"}, "exp is not a whole number"),
        ({"prev": b"short"}, "prev is not 32 bytes"),
        ({"type": 5}, "type is not printable text"),
        ({"type": "decree"}, "'decree' is not a valid DocumentType"),
        ({"keys": None}, "keys is not a list"),
        ({"extra": 1}, "trust bundle has unknown keys: 'extra'"),
    ],
)
def test_each_malformed_head_refuses_the_bundle(head, says):
    """The fields all documents share are held to type and range, and unknown ones refused."""
    verdict = trust_refused(trust_raw(**head))
    assert verdict.reason is Reason.DOCUMENT_MALFORMED
    assert says in verdict.detail


def test_another_document_signed_by_the_roots_is_no_bundle():
    """A policy under two root signatures does not become a trust bundle."""
    assert trust_refused(trust_raw(type="policy")).reason is Reason.DOCUMENT_OUT_OF_ROLE


def test_a_pass_structure_is_no_bundle():
    """COSE_Sign1 in place of COSE_Sign is malformed."""
    assert trust_refused(document_raw("trust", {"keys": []}, FIRST)).reason is Reason.DOCUMENT_MALFORMED


def test_roots_of_the_wrong_length_refuse_instead_of_raising():
    """A misconfigured root key is reported as a refusal."""
    verdict = open_trust(trust_raw(), [b"short"])
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.DOCUMENT_MALFORMED


def test_a_key_is_found_by_its_role_only():
    """A key answers for the roles the bundle gives it and for no other."""
    assert TRUST.key(PASSES.kid, Role.PASS) is not None
    for role in Role:
        assert (TRUST.key(CENTRAL.kid, role) is not None) == (role in {Role.POLICY, Role.STATUS, Role.ACK})
        assert TRUST.key(STRANGER.kid, role) is None


def test_the_key_id_is_the_begin_of_the_keys_hash():
    """SHA-256 of 32 zero bytes begins 66687aad: the key id is computed as documented."""
    assert kid_of(bytes(32)).hex() == "66687aad"


# --- policy and status manifest --------------------------------------------------------------------------------------


def test_a_document_of_a_key_with_the_role_opens():
    """A policy signed by the key for policies opens, and knows its signer and its hash."""
    opened = envelope(POLICY, {"rules": []}, seq=7)
    assert (opened.type, opened.seq, opened.signers, opened.issued) == (POLICY, 7, (CENTRAL.kid,), NOW - 60)
    assert opened.fields["rules"] == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (document_raw("policy", {}, STRANGER), Reason.DOCUMENT_OUT_OF_ROLE),
        (document_raw("policy", {}, PASSES), Reason.DOCUMENT_OUT_OF_ROLE),
        (document_raw("status", {}), Reason.DOCUMENT_OUT_OF_ROLE),
        (document_raw("trust", {}), Reason.DOCUMENT_OUT_OF_ROLE),
        (document_raw("policy", {}, iat=NOW - 401 * DAY_S), Reason.DOCUMENT_OUT_OF_ROLE),
        (document_raw("policy", {}, iat=NOW + 401 * DAY_S), Reason.DOCUMENT_OUT_OF_ROLE),
        (document_raw("decree", {}), Reason.DOCUMENT_MALFORMED),
        (document_raw("policy", {}, seq=0), Reason.DOCUMENT_MALFORMED),
        (document_raw("policy", {})[:-1], Reason.DOCUMENT_MALFORMED),
        (document_raw("policy", {}) + b"\x00", Reason.DOCUMENT_MALFORMED),
        (cose.sign1(b"\x00\x00", CENTRAL.kid, CENTRAL.private), Reason.DOCUMENT_MALFORMED),
        (cose.sign1(b"\x80", CENTRAL.kid, CENTRAL.private), Reason.DOCUMENT_MALFORMED),
        (cose.sign1(payload("policy", {}), CENTRAL.kid, STRANGER.private), Reason.DOCUMENT_UNSIGNED),
        (trust_raw(), Reason.DOCUMENT_MALFORMED),
        (b"", Reason.DOCUMENT_MALFORMED),
    ],
)
def test_each_wrong_document_is_refused_with_its_reason(raw, reason):
    """Role, type, time of the key, form and signature are each refused by their own code."""
    assert refused(raw).reason is reason


@pytest.mark.parametrize("edge", [NOW - 400 * DAY_S, NOW + 400 * DAY_S])
def test_the_first_and_last_second_of_a_key_count(edge):
    """A document issued at the bounds of the key's validity opens."""
    assert isinstance(open_document(document_raw("policy", {}, iat=edge), POLICY, TRUST, ZONE), Envelope)


def test_a_key_does_not_speak_for_another_zone():
    """A key scoped to 3206 is refused at a station elsewhere."""
    verdict = refused(document_raw("policy", {}), zone=FAR_ZONE)
    assert verdict.reason is Reason.DOCUMENT_OUT_OF_ROLE
    assert FAR_ZONE in verdict.detail


def test_no_single_bit_of_a_document_may_change():
    """Each single-bit change of a policy document is refused with a reason and none raises."""
    raw = document_raw("policy", {"rules": []})
    for position in range(8 * len(raw)):
        altered = bytearray(raw)
        altered[position // 8] ^= 1 << position % 8
        refused(bytes(altered))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100))
def test_random_bytes_are_refused(raw):
    """Random bytes are refused by both readers, also as a signed payload."""
    assert trust_refused(raw).reason is Reason.DOCUMENT_MALFORMED
    assert refused(raw).reason is Reason.DOCUMENT_MALFORMED
    assert refused(cose.sign1(raw, CENTRAL.kid, CENTRAL.private)).reason is Reason.DOCUMENT_MALFORMED


# --- what is never taken back ----------------------------------------------------------------------------------------

FIVE = envelope(POLICY, {}, seq=5)
SEEN = {CENTRAL.kid: HighWater(FIVE.seq, FIVE.hash)}
NEXT = envelope(POLICY, {}, seq=6, prev=FIVE.hash)


def reason_of(verdict: Rejected | None) -> Reason | None:
    """Return the reason of a refusal, None of an admission."""
    return verdict.reason if verdict else None


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (NEXT, None),
        (FIVE, None),  # the very same again
        (envelope(POLICY, {}, seq=6), None),  # no predecessor named
        (envelope(POLICY, {}, seq=9, prev=bytes(32)), None),  # some were missed
        (envelope(POLICY, {}, seq=9, iat=NOW - 61), Reason.DOCUMENT_ROLLBACK),  # a greater number, an older date
        (envelope(POLICY, {}, seq=4), Reason.DOCUMENT_ROLLBACK),
        (envelope(POLICY, {}, seq=1), Reason.DOCUMENT_ROLLBACK),
        (envelope(POLICY, {"rules": [1]}, seq=5), Reason.DOCUMENT_CONFLICT),
        (envelope(POLICY, {}, seq=6, prev=bytes(32)), Reason.DOCUMENT_BROKEN_LINK),
        (envelope(POLICY, {}, seq=6, iat=NOW + FUTURE_TOLERANCE_S), None),
        (envelope(POLICY, {}, seq=6, iat=NOW + FUTURE_TOLERANCE_S + 1), Reason.DOCUMENT_FROM_FUTURE),
        (envelope(POLICY, {}, seq=5 + LONGEST_LEAP, iat=NOW + 300 * DAY_S), Reason.DOCUMENT_FROM_FUTURE),
        (envelope(POLICY, {}, seq=5 + LONGEST_LEAP), None),
        (envelope(POLICY, {}, seq=6 + LONGEST_LEAP), Reason.DOCUMENT_FAST_FORWARD),
        (envelope(POLICY, {}, seq=2**62, iat=NOW + 300 * DAY_S), Reason.DOCUMENT_FAST_FORWARD),
        (envelope(POLICY, {}, seq=6, exp=NOW), None),
        (envelope(POLICY, {}, seq=6, exp=NOW - 1), Reason.DOCUMENT_EXPIRED),
    ],
)
def test_what_may_follow_the_document_in_force(new, expected):
    """Rollback, conflict, broken link, future and freeze are each refused by name; their edges are admitted."""
    assert reason_of(admit(new, FIVE, SEEN, NOW_INSTANT)) is expected


def test_the_first_document_needs_no_predecessor():
    """A station that has seen nothing takes any current document, whatever predecessor it names."""
    assert admit(NEXT, None, {}, NOW_INSTANT) is None


def test_rollback_is_refused_after_the_document_in_force_is_lost():
    """The mark of the signing key alone, kept apart from the documents, still refuses what is older."""
    assert reason_of(admit(envelope(POLICY, {}, seq=4), None, SEEN, NOW_INSTANT)) is Reason.DOCUMENT_ROLLBACK


def test_a_leap_is_measured_from_the_highest_number_known():
    """From the key's own mark, else from the document in force, else from nothing: so far and not farther."""
    edge, beyond = (envelope(POLICY, {}, seq=5 + LONGEST_LEAP + step) for step in (0, 1))
    for in_force, seen in ((None, SEEN), (FIVE, {}), (FIVE, {STRANGER.kid: HighWater(10**9, bytes(32))})):
        assert admit(edge, in_force, seen, NOW_INSTANT) is None
        assert reason_of(admit(beyond, in_force, seen, NOW_INSTANT)) is Reason.DOCUMENT_FAST_FORWARD
    assert admit(envelope(POLICY, {}, seq=LONGEST_LEAP), None, {}, NOW_INSTANT) is None
    assert reason_of(admit(edge, None, {}, NOW_INSTANT)) is Reason.DOCUMENT_FAST_FORWARD


def test_marks_are_kept_per_key():
    """The mark of another key says nothing about this one's numbers."""
    assert admit(envelope(POLICY, {}, seq=4), None, {STRANGER.kid: SEEN[CENTRAL.kid]}, NOW_INSTANT) is None


def test_old_bundles_do_not_return_whichever_two_roots_signed():
    """Two of three roots always share one with the pair before, so each older bundle meets a mark."""
    pairs = [[FIRST, SECOND], [FIRST, THIRD], [SECOND, THIRD]]
    for newer in pairs:
        bundle = open_trust(trust_raw(signers=newer, seq=5), ROOT_BYTES)
        assert isinstance(bundle, TrustBundle)
        seen = {kid: HighWater(5, bundle.envelope.hash) for kid in bundle.envelope.signers}
        for older in pairs:
            old = open_trust(trust_raw(signers=older, seq=4), ROOT_BYTES)
            assert isinstance(old, TrustBundle)
            verdict = admit(old.envelope, None, seen, NOW_INSTANT)
            assert reason_of(verdict) is Reason.DOCUMENT_ROLLBACK


def test_an_unsure_clock_widens_both_edges():
    """Uncertainty is in favour of the document at either end of its time."""
    unsure = replace(NOW_INSTANT, uncertainty_s=100.0)
    early = envelope(POLICY, {}, seq=6, iat=NOW + FUTURE_TOLERANCE_S + 100)
    late = envelope(POLICY, {}, seq=6, exp=NOW - 100)
    assert admit(early, FIVE, SEEN, unsure) is None
    assert admit(late, FIVE, SEEN, unsure) is None
    assert admit(early, FIVE, SEEN, NOW_INSTANT) is not None
    assert admit(late, FIVE, SEEN, NOW_INSTANT) is not None


def test_a_lost_clock_judges_no_dates_but_all_numbers():
    """Who does not know the time takes documents of any date; rollback and conflict are refused all the same."""
    lost = Instant(0, 0, ClockState.LOST)
    for new in (envelope(POLICY, {}, seq=6), envelope(POLICY, {}, seq=6, exp=1)):
        assert admit(new, FIVE, SEEN, lost) is None
    assert reason_of(admit(envelope(POLICY, {}, seq=4), FIVE, SEEN, lost)) is Reason.DOCUMENT_ROLLBACK
    assert reason_of(admit(envelope(POLICY, {"rules": []}, seq=5), FIVE, SEEN, lost)) is Reason.DOCUMENT_CONFLICT
    leap = envelope(POLICY, {}, seq=6 + LONGEST_LEAP)
    assert reason_of(admit(leap, FIVE, SEEN, lost)) is Reason.DOCUMENT_FAST_FORWARD


def test_a_document_held_is_taken_apart_without_its_key():
    """A document that took effect opens again after its key was withdrawn; a damaged one is a ValueError."""
    raw = document_raw("policy", {"rules": []}, STRANGER, seq=3)
    held = open_held(raw)
    assert (held.type, held.seq, held.signers, held.raw) == (POLICY, 3, (STRANGER.kid,), raw)
    for damaged in (raw[:-1], raw + b"\x00", b"", cose.sign1(b"\x80", CENTRAL.kid, CENTRAL.private)):
        with pytest.raises(ValueError, match=r"\w"):
            open_held(damaged)


def test_a_trust_bundle_held_is_taken_apart_without_its_roots():
    """A bundle that took effect opens again after its roots were succeeded; a damaged one is a ValueError."""
    raw = trust_raw(signers=[STRANGER, FIRST])
    held = open_held_trust(raw)
    assert held.envelope.signers == tuple(sorted((STRANGER.kid, FIRST.kid)))
    assert held.keys == TRUST.keys
    assert (held.envelope.raw, held.revoked) == (raw, frozenset())
    twice = trust_raw(rows=[*key_rows(), key_rows()[0]])
    policy = cose.sign(payload("policy", {}), [(root.kid, root.private) for root in ROOTS])
    for damaged in (raw[:-1], raw + b"\x00", b"", document_raw("trust", {}), twice, policy):
        with pytest.raises(ValueError, match=r"\w"):
            open_held_trust(damaged)


def test_a_withdrawn_key_has_no_role_left():
    """A key that the status manifest withdraws signs nothing any more, whatever the bundle gives it; others do."""
    withdrawn = replace(TRUST, revoked=frozenset({CENTRAL.kid}))
    for role in Role:
        assert withdrawn.key(CENTRAL.kid, role) is None
    assert withdrawn.key(PASSES.kid, Role.PASS) == TRUST.key(PASSES.kid, Role.PASS) is not None
    verdict = open_document(document_raw("policy", {}), POLICY, withdrawn, ZONE)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.DOCUMENT_OUT_OF_ROLE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), max_size=20))
def test_numbers_never_go_back(offers):
    """Whatever order documents arrive in, the numbers of those that take effect never fall."""
    in_force: Envelope | None = None
    seen: dict[bytes, HighWater] = {}
    taken = []
    for seq in offers:
        new = envelope(POLICY, {}, seq=seq)
        if admit(new, in_force, seen, NOW_INSTANT) is None:
            in_force, seen[CENTRAL.kid] = new, HighWater(new.seq, new.hash)
            taken.append(seq)
    assert taken == sorted(taken)
    assert not offers or taken[-1] == max(offers)
