"""What a QR text is, and what stays the same while one thing is held up."""

from __future__ import annotations

import pytest

from station.core import base45, cose
from station.core.documents import Role
from station.core.live import Live
from station.core.model import ClockState, Credential, Instant, Rejected
from station.core.reasons import Reason
from station.core.scan import identity, is_signed, read
from station.core.timecode import PREFIX, TimeCode, payload
from tests.core.issuing import (
    NOW,
    STRANGER,
    ZONE,
    credential,
    key_row,
    key_rows,
    pass_text,
    signing_key,
    trust_bundle,
)
from tests.core.phones import phone

NONCE = bytes.fromhex("3f2a91c077de0b14")
GUARD = signing_key("guard")
TRUST = trust_bundle([*key_rows(), key_row(GUARD, [Role.GUARD])])
MINE = phone("mine")
LIVE_TEXT = MINE.show(MINE.pass_text(), NOW)
TIME_TEXT = PREFIX + base45.encode(cose.sign1(payload(NOW, NONCE), GUARD.kid, GUARD.private))
HERE = Instant(NOW * 1_000_000, 7)


@pytest.mark.parametrize(
    ("text", "kind"),
    [(pass_text(), Credential), (LIVE_TEXT, Credential), (TIME_TEXT, TimeCode)],
    ids=["a pass", "a live pass", "a time code"],
)
def test_each_of_our_texts_is_read_as_what_it_is(text, kind):
    """The prefix says which reader a text belongs to, and somebody's key stands behind each."""
    assert isinstance(read(text, TRUST, ZONE), kind)
    assert is_signed(text, TRUST, ZONE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.org/", Reason.FOREIGN_LINK),
        ("milk, bread", Reason.FOREIGN_TEXT),
        ("", Reason.FOREIGN_TEXT),
        ("wxp://f2f0", Reason.PAYMENT_CODE),
        ("EL2:ABC", Reason.FOREIGN_TEXT),
        ("el1:ABC", Reason.FOREIGN_TEXT),
        ("EP1:", Reason.PASS_MALFORMED),
        ("EL1:", Reason.LIVE_MALFORMED),
        ("ET1:", Reason.TIME_CODE_REFUSED),
        (pass_text(STRANGER), Reason.PASS_UNKNOWN_ISSUER),
        ("EL1" + pass_text()[3:], Reason.LIVE_MALFORMED),
        ("EP1" + LIVE_TEXT[3:], Reason.PASS_MALFORMED),
        ("ET1" + pass_text()[3:], Reason.TIME_CODE_REFUSED),
        ("EP1" + TIME_TEXT[3:], Reason.PASS_UNKNOWN_ISSUER),
    ],
)
def test_everything_else_is_refused_with_its_reason(text, reason):
    """Nothing that is not signed for what its prefix says is taken; one kind under another's prefix is not either."""
    verdict = read(text, TRUST, ZONE)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is reason
    assert not is_signed(text, TRUST, ZONE)


def held(t: int = NOW, nonce: bytes | None = None) -> Credential:
    """Return the pass of a phone as shown live."""
    return credential(phone_key=MINE.public, live=Live(t, nonce))


def same(first: str, second: str, *, now: Instant = HERE) -> bool:
    """Say whether two live texts, neither used up, stand for one presentation."""
    marks = [identity(text, read(text, TRUST, ZONE), now, used_up=False) for text in (first, second)]
    return marks[0] == marks[1]


def test_a_phone_that_redraws_its_code_shows_one_thing():
    """The codes of the same phone ten seconds apart have one identity; another phone's has another."""
    later = MINE.show(MINE.pass_text(), NOW + 10)
    assert later != LIVE_TEXT
    assert same(LIVE_TEXT, later)
    other = phone("other")
    assert not same(LIVE_TEXT, other.show(other.pass_text(cti=bytes(8)), NOW))


def test_a_stale_code_counts_for_itself():
    """A code that is too old or ahead has its text for identity: when the page is refreshed that is something new."""
    for t in (NOW - 31, NOW + 31):
        assert identity("EL1:OLD", held(t), HERE, used_up=False) == "EL1:OLD"
    assert identity("EL1:OLD", held(NOW - 30), HERE, used_up=False) != "EL1:OLD"


def test_without_the_time_no_code_is_stale():
    """With the clock lost a phone that redraws is one thing, whatever time it shows; a used-up code is not."""
    lost = Instant(HERE.wall_us, HERE.mono_us, ClockState.LOST)
    mark = identity("EL1:A", held(NOW + 7200), lost, used_up=False)
    assert mark == identity("EL1:B", held(NOW + 7210), lost, used_up=False) != "EL1:B"
    assert identity("EL1:C", held(NOW + 7200), lost, used_up=True) == "EL1:C"


def test_a_used_up_code_counts_for_itself():
    """A code that a grant has consumed is something else than the same phone's next one."""
    assert identity("EL1:USED", held(), HERE, used_up=True) == "EL1:USED"
    assert identity("EL1:NEXT", held(NOW + 10), HERE, used_up=False) != "EL1:USED"


def test_answers_to_one_number_are_one_thing():
    """With the station's number the identity is pass and number, whatever time the phone believes it to be."""
    mark = identity("EL1:A", held(0, NONCE), HERE, used_up=False)
    assert mark == identity("EL1:B", held(NOW + 10**6, NONCE), HERE, used_up=False)
    assert mark != identity("EL1:C", held(NOW, NONCE[::-1]), HERE, used_up=False)
    assert mark != identity("EL1:D", held(), HERE, used_up=False)


@pytest.mark.parametrize("text", [pass_text(), TIME_TEXT, "https://example.org/"])
def test_everything_that_is_not_redrawn_is_its_own_text(text):
    """Paper, time codes and posters do not change: the text is the identity."""
    assert identity(text, read(text, TRUST, ZONE), HERE, used_up=False) == text
