"""The wire: what goes out comes back, whatever else comes in is refused with a typed error."""

from __future__ import annotations

import os

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station.core import cose, events
from sync import wire
from tests.sync.lab import KEY, KID, STATION

texts = st.text(max_size=20)
payloads = st.dictionaries(texts, st.one_of(texts, st.integers(-(2**60), 2**60), st.none(), st.booleans()), max_size=4)


def make(raws: list[bytes], first: int = 1, prev: bytes = events.GENESIS) -> wire.Batch:
    """A batch with a good chain."""
    head = prev
    for raw in raws:
        head = events.chain(head, raw)
    rows = [msgspec.Raw(raw) for raw in raws]
    return wire.Batch(epoch=9, first_seq=first, n=len(raws), prev_hash=prev.hex(), last_hash=head.hex(), events=rows)


def ack(**changes: object) -> wire.Ack:
    """An acknowledgement."""
    good = wire.Ack(station=STATION, epoch=9, prefix=wire.Prefix(seq=3, head="0" * 64), db_generation="g")
    return msgspec.structs.replace(good, **changes)


def keys(kid: bytes) -> object:
    """The only ack key."""
    return KEY.public_key() if kid == KID else None


@given(st.lists(payloads, min_size=1, max_size=20), st.integers(1, 2**50))
def test_events_come_back_byte_for_byte(rows: list[dict[str, object]], first: int) -> None:
    """A batch carries the exact bytes of its events, with spaces and escapes as they were, and its chain holds."""
    raws = [msgspec.json.encode([1, row]) for row in rows] + [b'[ 1 ,\t"\\u0041", 1.50e+01 ]']
    batch = wire.decode_batch(wire.encode_batch(make(raws, first)))
    assert [bytes(raw) for raw in batch.events] == raws
    assert wire.hashes(batch)[-1].hex() == batch.last_hash
    assert batch.last_seq == first + len(raws) - 1


@given(st.binary(max_size=400))
def test_hostile_bytes_raise_only_wire_errors(raw: bytes) -> None:
    """No bytes whatsoever raise anything but WireError, compressed or not, in any message."""
    for attempt in (raw, zstandard.compress(raw)):
        with pytest.raises(wire.WireError):
            wire.decode_batch(attempt)
    for kind in (wire.Hello, wire.State, wire.Tele, wire.Ack):
        with pytest.raises(wire.WireError):
            wire.decode(raw, kind)
    with pytest.raises(wire.WireError):
        wire.open_ack(raw, keys)


@given(st.data())
def test_a_changed_batch_is_refused_or_has_a_broken_chain(data: st.DataObject) -> None:
    """No changed byte of the JSON yields other events under the same hashes."""
    batch = make([b'[1,"abc"]', b'[2,"def"]'])
    plain = bytearray(msgspec.json.encode(batch))
    plain[data.draw(st.integers(0, len(plain) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = wire.decode_batch(zstandard.compress(bytes(plain)))
        heads = wire.hashes(found)
    except wire.WireError:
        return
    if found.prev_hash == batch.prev_hash and found.last_hash == batch.last_hash:
        assert [bytes(raw) for raw in found.events] == [bytes(raw) for raw in batch.events]
    assert heads[-1].hex() == found.last_hash


def test_the_largest_batch_a_station_sends_fits() -> None:
    """A thousand events with all the bytes a batch may have, each with the longest sealed text: within every limit."""
    events = [b'"' + b"x" * (wire.MAX_RAW // wire.MAX_EVENTS - 2) + b'"'] * wire.MAX_EVENTS
    largest = msgspec.structs.replace(make(events), sealed=["A" * 334] * wire.MAX_EVENTS)
    assert len(msgspec.json.encode(largest)) <= wire.MAX_PLAIN <= wire.MAX_PAYLOAD


def test_a_bomb_is_refused_before_it_unfolds() -> None:
    """A small frame that would become large is refused by the size it states; one that states none is refused too."""
    bomb = zstandard.compress(b" " * (wire.MAX_PLAIN + 1))
    assert len(bomb) < 1000
    with pytest.raises(wire.WireError, match="too-big"):
        wire.decode_batch(bomb)
    with pytest.raises(wire.WireError, match="too-big"):
        wire.decode_batch(zstandard.ZstdCompressor(write_content_size=False).compress(b"{}"))
    with pytest.raises(wire.WireError, match="too-big"):
        wire.decode_batch(os.urandom(wire.MAX_PAYLOAD + 1))


@pytest.mark.parametrize(
    "change",
    [
        {"n": 1},
        {"n": 0},
        {"first_seq": 0},
        {"epoch": -1},
        {"epoch": 2**63},
        {"prev_hash": "0" * 63},
        {"prev_hash": "0" * 64 + "\n"},
        {"v": 2},
        {"events": []},
        {"extra": 1},
        {"n": True},
        {"first_seq": 1.0},
    ],
    ids=str,
)
def test_a_batch_outside_its_limits_is_malformed(change: dict[str, object]) -> None:
    """Each field has its range, and no unknown field is let through."""
    fields = {**msgspec.to_builtins(make([b"1", b"2"]), builtin_types=(msgspec.Raw,)), **change}
    with pytest.raises(wire.WireError, match="malformed"):
        wire.decode_batch(zstandard.compress(msgspec.json.encode(fields)))


def test_too_many_events_are_malformed() -> None:
    """A batch of more than 1,000 events is refused."""
    with pytest.raises(wire.WireError, match="malformed"):
        wire.decode_batch(wire.encode_batch(make([b"1"] * (wire.MAX_EVENTS + 1))))


def test_more_bytes_of_events_than_a_batch_may_have_are_refused() -> None:
    """Few large events that fit into the message are too big all the same: what no station sends, central need not."""
    events = [b'"' + b"x" * (wire.MAX_RAW // 2 - 2) + b'"'] * 2
    assert wire.decode_batch(wire.encode_batch(make(events))).n == 2
    with pytest.raises(wire.WireError, match="too-big"):
        wire.decode_batch(wire.encode_batch(make([*events, b"1"])))


def test_an_acknowledgement_comes_back() -> None:
    """A signed acknowledgement is opened with the right key."""
    sent = ack(held=[wire.Held(first=5, last=6, last_hash="1" * 64)], hello=77)
    assert wire.open_ack(wire.seal_ack(sent, KID, KEY), keys) == sent


def test_an_acknowledgement_without_a_good_signature_is_unsigned() -> None:
    """Another key under the same id, an unknown id, a changed payload: all are refused."""
    other = Ed25519PrivateKey.generate()
    changed = cose.open_sign1(wire.seal_ack(ack(), KID, KEY)).signatures[0].value
    forged = bytearray(wire.seal_ack(ack(epoch=10), KID, KEY))
    forged[-64:] = changed
    for raw in (wire.seal_ack(ack(), KID, other), wire.seal_ack(ack(), b"\0\0\0\0", KEY), bytes(forged)):
        with pytest.raises(wire.WireError, match="unsigned"):
            wire.open_ack(raw, keys)


@pytest.mark.parametrize(
    "topic",
    ["gs/1/A/up/log", "gs/1//up/log", "gs/1/a/up/", "gs/1/a/dn/ack", "gs/1/a/up/log\n", f"gs/1/{'a' * 41}/up/log"],
)
def test_a_topic_that_names_no_station_is_refused(topic: str) -> None:
    """Only [a-z0-9-]{1,40} is a station, and only up/ comes from one."""
    with pytest.raises(wire.WireError, match="topic"):
        wire.parse_up(topic)


def test_a_topic_names_station_and_leaf() -> None:
    """A good topic is taken apart."""
    assert wire.parse_up(wire.up("a-1", "log")) == ("a-1", "log")
