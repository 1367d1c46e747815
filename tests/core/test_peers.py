"""Notices of passages at the site's other gates: by whom, for which site, in which form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import cose
from station.core.documents import Role, TrustBundle
from station.core.model import Direction, Rejected
from station.core.passback import Passage
from station.core.peers import MOST_PASSAGES, PeerNotice, open_notice, payload
from station.core.reasons import Reason
from sync.central.keys import SigningKey
from tests.core.issuing import (
    CENTRAL,
    FAR_ZONE,
    NOW,
    PASSES,
    STRANGER,
    TRUST,
    ZONE,
    key_row,
    passage,
    signing_key,
    trust_bundle,
)

CTI, HOUSEHOLD = bytes(range(8)), bytes(range(6))
ROW = [CTI, HOUSEHOLD, 1, NOW]
OUT, IN = Direction.OUT, Direction.IN


def notice(rows: object = (), key: SigningKey = CENTRAL, **changes: object) -> bytes:
    """Return a signed notice of these rows."""
    content = {"type": "peer", "site": "garden", "iat": NOW, "passages": rows} | changes
    return cose.sign1(cose.encode({k: v for k, v in content.items() if v is not None}), key.kid, key.private)


def refused(raw: bytes, trust: TrustBundle | None = TRUST, zone: str = ZONE) -> Reason:
    """Open a notice that must be refused; return why."""
    verdict = open_notice(raw, trust, "garden", zone)
    assert isinstance(verdict, Rejected), verdict
    return verdict.reason


def test_a_notice_tells_who_went_which_way_when():
    """Pass, household, direction and time come out as they were signed; seconds become microseconds."""
    raw = notice([ROW, [CTI, None, 2, NOW + 1]])
    assert open_notice(raw, TRUST, "garden", ZONE) == PeerNotice(
        NOW,
        (
            Passage(CTI, HOUSEHOLD, IN, NOW * 1_000_000),
            Passage(CTI, None, OUT, (NOW + 1) * 1_000_000),
        ),
    )


passages = st.builds(
    Passage,
    st.binary(min_size=8, max_size=8),
    st.none() | st.binary(min_size=6, max_size=6),
    st.sampled_from(Direction),
    st.integers(0, 2**40).map(lambda seconds: seconds * 1_000_000),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(passages, max_size=20), st.integers(0, 2**40))
def test_what_central_writes_the_gate_reads(found, issued):
    """Whatever passages of whole seconds are written, the same are read."""
    raw = cose.sign1(payload("garden", issued, found), CENTRAL.kid, CENTRAL.private)
    assert open_notice(raw, TRUST, "garden", ZONE) == PeerNotice(issued, tuple(found))


def test_an_empty_notice_is_one():
    """That there were no passages is news, too."""
    assert open_notice(notice(), TRUST, "garden", ZONE) == PeerNotice(NOW, ())


def test_time_is_kept_to_the_second():
    """A passage between two seconds is told as of the earlier one."""
    raw = cose.sign1(payload("garden", NOW, [passage(OUT, NOW + 0.75)]), CENTRAL.kid, CENTRAL.private)
    verdict = open_notice(raw, TRUST, "garden", ZONE)
    assert isinstance(verdict, PeerNotice)
    assert verdict.passages[0].wall_us == NOW * 1_000_000


@pytest.mark.parametrize("key", [PASSES, STRANGER, signing_key("root-1")])
def test_only_who_acknowledges_tells_of_passages(key):
    """Pass issuers, strangers and even roots do not vouch for what other gates recorded."""
    assert refused(notice(key=key)) is Reason.DOCUMENT_OUT_OF_ROLE


def test_the_role_and_not_the_office_counts():
    """Central's key without the role for acknowledgements, or for another zone, or withdrawn, is not heard."""
    others = [Role.POLICY, Role.STATUS, Role.TIME, Role.GUARD, Role.COMMAND]
    assert refused(notice(), trust_bundle([key_row(CENTRAL, others)])) is Reason.DOCUMENT_OUT_OF_ROLE
    assert refused(notice(), zone=FAR_ZONE) is Reason.DOCUMENT_OUT_OF_ROLE
    assert refused(notice(), replace(TRUST, revoked=frozenset({CENTRAL.kid}))) is Reason.DOCUMENT_OUT_OF_ROLE


def test_a_forged_notice_is_unsigned():
    """Somebody else's signature under central's key id counts for nothing."""
    forged = cose.sign1(payload("garden", NOW, []), CENTRAL.kid, STRANGER.private)
    assert refused(forged) is Reason.DOCUMENT_UNSIGNED


@pytest.mark.parametrize("changes", [{"site": "harbour"}, {"site": None}, {"type": "policy"}, {"type": None}])
def test_another_sites_notice_and_another_kind_are_refused(changes):
    """What is meant for the gates of another site is not taken by these."""
    assert refused(notice([ROW], **changes)) is Reason.DOCUMENT_OUT_OF_ROLE


def test_no_trust_no_notice():
    """Before the first trust bundle nobody is believed."""
    assert refused(notice(), None) is Reason.NO_TRUST


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        notice() + b"\x00",
        notice(None),
        notice("rows"),
        notice(note=1),
        notice(iat=-1),
        notice(iat="now"),
        notice(iat=None),
        notice([CTI]),
        notice([[CTI, HOUSEHOLD, 1]]),
        notice([[*ROW, 0]]),
        notice([[CTI[:7], HOUSEHOLD, 1, NOW]]),
        notice([[CTI, HOUSEHOLD[:5], 1, NOW]]),
        notice([[CTI, HOUSEHOLD, 0, NOW]]),
        notice([[CTI, HOUSEHOLD, 3, NOW]]),
        notice([[CTI, HOUSEHOLD, "in", NOW]]),
        notice([[CTI, HOUSEHOLD, 1, -1]]),
        notice([[CTI, HOUSEHOLD, 1, 2**40 + 1]]),
        notice([[CTI, HOUSEHOLD, 1, None]]),
        notice([ROW] * (MOST_PASSAGES + 1)),
    ],
)
def test_each_wrong_shape_is_malformed(raw):
    """One wrong row refuses the whole notice, and nothing raises."""
    assert refused(raw) is Reason.DOCUMENT_MALFORMED
