"""Documents held against what a station believes: as they arrive, and as they are recalled from its own file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from station.core.documents import DocumentType, KeyEntry, Role, TrustBundle
from station.core.model import PassClass, Rejected
from station.core.policy import Policy
from station.core.reasons import Reason
from station.core.status import StatusManifest
from station.core.succession import RootSet
from station.verification import Beliefs
from tests.core.issuing import (
    CENTRAL,
    FAR_ZONE,
    PASSES,
    ROOT_BYTES,
    ROOTS,
    TRUST,
    VISITORS,
    ZONE,
    document_raw,
    key_row,
    key_rows,
    trust_bundle,
    trust_raw,
)
from tests.core.succeeding import NEXT, STATION, delegation_raw, roots_raw
from tests.flow.held_documents import CHUNK, policy_raw
from tests.flow.signed_papers import status_raw

SECOND = roots_raw([*ROOTS[:2], *NEXT[:2]])
NEXT_SET = RootSet(2, tuple(root.public for root in NEXT))
FIRST = Beliefs(RootSet(1, tuple(ROOT_BYTES)), TRUST, STATION, ZONE)
CASES = [
    (DocumentType.ROOTS, SECOND, RootSet),
    (DocumentType.TRUST, trust_raw(), TrustBundle),
    (DocumentType.POLICY, policy_raw(), Policy),
    (DocumentType.STATUS, status_raw(CHUNK), StatusManifest),
    (DocumentType.DELEGATION, delegation_raw(), KeyEntry),
]
IDS = [kind for kind, _, _ in CASES]
UNSIGNED, OUT_OF_ROLE, MALFORMED = (
    Reason.DOCUMENT_UNSIGNED,
    Reason.DOCUMENT_OUT_OF_ROLE,
    Reason.DOCUMENT_MALFORMED,
)


def reason(opened: object) -> Reason | None:
    """Return why a document was refused; None where it was not."""
    return opened.reason if isinstance(opened, Rejected) else None


@pytest.mark.parametrize(("kind", "raw", "content"), CASES, ids=IDS)
def test_each_type_is_opened_as_what_it_is(kind, raw, content):
    """The content of its type comes out with the envelope that carried it, arriving or recalled."""
    for opened in (FIRST.open(kind, raw), FIRST.recall(kind, raw)):
        assert not isinstance(opened, Rejected)
        assert isinstance(opened[0], content)
        assert (opened[1].type, opened[1].raw) == (kind, raw)


@pytest.mark.parametrize(("kind", "raw", "_content"), CASES, ids=IDS)
@pytest.mark.parametrize("other", DocumentType)
def test_nothing_is_opened_under_another_types_name(kind, raw, _content, other):
    """A document offered as something else is refused, whichever way round."""
    if other is not kind:
        assert reason(FIRST.open(other, raw)) in {UNSIGNED, OUT_OF_ROLE, MALFORMED}


@pytest.mark.parametrize("kind", DocumentType)
@pytest.mark.parametrize("raw", [b"", b"\xff", b"\xd2\x84", b"\x00" * 3000])
def test_rubbish_is_malformed(kind, raw):
    """Whatever arrives or lies damaged in the file is refused, and nothing is raised."""
    assert reason(FIRST.open(kind, raw)) is MALFORMED
    assert reason(FIRST.recall(kind, raw)) is MALFORMED


@pytest.mark.parametrize(("kind", "raw", "_content"), CASES[2:], ids=IDS[2:])
def test_without_a_bundle_nothing_signed_by_its_keys_is_believed(kind, raw, _content):
    """Before the first bundle neither what arrives nor what is held can be judged."""
    nobody = replace(FIRST, bundle=None)
    assert reason(nobody.open(kind, raw)) is Reason.NO_TRUST
    assert reason(nobody.recall(kind, raw)) is Reason.NO_TRUST


def test_a_held_bundle_outlives_its_roots_but_not_its_anchor():
    """After a succession the old bundle is recalled, not accepted; under other roots of the configuration it is not."""
    succeeded = replace(FIRST, roots=replace(NEXT_SET, envelope=TRUST.envelope), bundle=None)
    assert reason(succeeded.open(DocumentType.TRUST, trust_raw())) is UNSIGNED
    assert reason(succeeded.recall(DocumentType.TRUST, trust_raw())) is None
    configured = replace(FIRST, roots=replace(NEXT_SET, number=1), bundle=None)
    assert reason(configured.recall(DocumentType.TRUST, trust_raw())) is UNSIGNED


@pytest.mark.parametrize(
    ("kind", "raw", "kept"),
    [
        (DocumentType.POLICY, policy_raw(), True),
        (DocumentType.STATUS, status_raw(CHUNK), True),
        (DocumentType.DELEGATION, delegation_raw(CENTRAL), False),
    ],
)
def test_what_a_withdrawn_key_signed_is_recalled_but_for_delegations(kind, raw, kept):
    """Policy and list stay until others come; a station's own key does not outlive its issuer."""
    fewer = replace(FIRST, bundle=trust_bundle([row for row in key_rows() if row["kid"] != CENTRAL.kid]))
    assert reason(fewer.open(kind, raw)) is OUT_OF_ROLE
    assert (reason(fewer.recall(kind, raw)) is None) is kept


def test_a_delegation_is_not_recalled_once_its_issuer_speaks_for_other_zones():
    """The issuer is still one for visitors, but no longer of this zone: what it delegated here has ended."""
    moved = trust_bundle([key_row(VISITORS, [Role.PASS], [FAR_ZONE], [PassClass.VISITOR])])
    assert reason(FIRST.recall(DocumentType.DELEGATION, delegation_raw(VISITORS))) is None
    opened = replace(FIRST, bundle=moved).recall(DocumentType.DELEGATION, delegation_raw(VISITORS))
    assert reason(opened) is OUT_OF_ROLE


def test_a_forged_document_is_not_recalled_either():
    """A policy in the file whose signature is wrong, by a key that is known, has not been verified when it came."""
    forged = bytearray(policy_raw())
    forged[-1] ^= 1
    assert reason(FIRST.recall(DocumentType.POLICY, bytes(forged))) is UNSIGNED


def test_a_policy_nobody_understands_any_more_is_not_recalled():
    """A held policy that this software cannot read is not in force; the reason says what it stumbled over."""
    raw = document_raw("policy", {"rules": [{"id": "a", "version": 1, "when": {"moon": {}}}]}, CENTRAL)
    assert reason(FIRST.recall(DocumentType.POLICY, raw)) in {Reason.POLICY_INVALID, Reason.POLICY_UNKNOWN_FACT}


def test_documents_are_for_this_zone():
    """A station of another zone does not take what keys sign that do not speak for it."""
    elsewhere = replace(FIRST, zone=FAR_ZONE)
    for kind, raw, _ in CASES[2:4]:
        assert reason(elsewhere.open(kind, raw)) is OUT_OF_ROLE


def test_a_delegation_is_for_this_station():
    """Another station does not take this one's key, though the issuer is the same."""
    assert reason(replace(FIRST, station="west-1").open(DocumentType.DELEGATION, delegation_raw())) is OUT_OF_ROLE
    assert PASSES.kid in TRUST.keys
