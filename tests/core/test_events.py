"""The journal's events: one array of bytes, read back exactly, and a chain that notices every change."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.events import GENESIS, Event, Kind, chain, decode, encode
from station.core.model import ClockState, Instant

NOW = Instant(1_750_000_000_123_456, 987_654_321, ClockState.HOLDOVER, 1.2345)
RAW = encode(7, NOW, "boot-1", Kind.DECISION, {"lane": "in", "who": "王*"})

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(codec="utf-8"), max_size=20)
payloads = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=10),
    scalars | st.lists(scalars, max_size=3),
    max_size=5,
)


def test_the_bytes_of_an_event_are_fixed():
    """The encoding is the documented one to the byte: field order, no spaces, UTF-8, uncertainty in milliseconds."""
    assert (
        '[7,1750000000123456,987654321,"boot-1","holdover",1234,"decision",{"lane":"in","who":"王*"}]'
    ).encode() == RAW


@given(st.integers(1, 2**63), st.sampled_from(Kind), st.sampled_from(ClockState), payloads)
def test_events_come_back(seq, kind, state, payload):
    """Whatever is encoded is decoded to the same fields."""
    now = Instant(NOW.wall_us, NOW.mono_us, state, 0.1)
    event = decode(encode(seq, now, "boot", kind, payload))
    assert event == Event(seq, now.wall_us, now.mono_us, "boot", state, 100, kind, payload)


@pytest.mark.parametrize("raw", [b"", b"x", b"\xff", b"{}", b"null", b"[]", b"[1,2,3,4,5,6,7]", b"[1,2,3,4,5,6,7,8,9]"])
def test_what_is_no_event_is_refused(raw):
    """Anything but an array of eight fields is a ValueError."""
    with pytest.raises(ValueError):
        decode(raw)


def test_numbers_json_does_not_know_are_not_written():
    """NaN and infinity never get into the journal."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(1, NOW, "b", Kind.DECISION, {"skin_c": float("nan")})


def test_the_chain_is_sha_256_over_predecessor_and_bytes():
    """The first link starts from 32 zero bytes and can be computed by anybody."""
    assert bytes(32) == GENESIS
    assert chain(GENESIS, RAW) == hashlib.sha256(bytes(32) + RAW).digest()


def test_every_change_breaks_the_chain():
    """An event changed, left out, repeated or exchanged with its neighbour gives another end of the chain."""
    events = [encode(seq, NOW, "b", Kind.PASSAGE, {"of": seq}) for seq in range(1, 6)]

    def end(rows: list[bytes]) -> bytes:
        digest = GENESIS
        for row in rows:
            digest = chain(digest, row)
        return digest

    honest = end(events)
    for at in range(5):
        assert end(events[:at] + events[at + 1 :]) != honest
        assert end([*events[: at + 1], *events[at:]]) != honest
        altered = events[at].replace(b'"of":', b'"oF":')
        assert end([*events[:at], altered, *events[at + 1 :]]) != honest
    assert end([events[1], events[0], *events[2:]]) != honest


def test_kinds_have_names_of_their_own():
    """Every kind is a distinct, JSON-safe word."""
    assert len({kind.value for kind in Kind}) == len(Kind)
    assert all(json.loads(json.dumps(kind)) == kind for kind in Kind)
