"""Answers stations whose clock is lost: a signed time for the number they ask with (station/core/timecode.py)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator

from station.core import cose, timecode
from station.core.events import Kind, decode
from sync import wire
from sync.central.keyfiles import SigningKey
from sync.central.store import Offer

_MARK = b'"ask"'
_NUMBER = re.compile(r"[0-9a-f]{16}")


def asked(raw: bytes) -> bytes | None:
    """Return the number (8 bytes) with which a clock event asks for the time, from the event's exact bytes."""
    try:
        event = decode(raw)
    except ValueError:
        return None
    number = event.payload.get("ask")
    if event.kind != Kind.CLOCK or not isinstance(number, str) or not _NUMBER.fullmatch(number):
        return None
    return bytes.fromhex(number)


def questions(offers: Iterable[Offer]) -> dict[str, bytes]:
    """Return station -> number of its last question in these batches; earlier ones it asked in vain, or long ago."""
    latest = dict[str, bytes]()
    for one in sorted(offers, key=lambda o: (o.station, o.batch.first_seq)):
        if _MARK not in b"".join(one.batch.events):  # nearly every batch: spares taking its events apart
            continue
        for raw in one.batch.events:
            if _MARK in bytes(raw) and (number := asked(bytes(raw))):
                latest[one.station] = number
    return latest


class Beacon:
    """Signs the time. This machine's own clock must be right: keep it synchronised."""

    def __init__(self, key: SigningKey) -> None:
        """`key`: one with the role `time`."""
        self._key = key

    def sign(self, number: bytes) -> bytes:
        """Return the time now, signed for who asked with this number."""
        return cose.sign1(timecode.payload(int(time.time()), number), self._key.kid, self._key.private)

    def answers(self, offers: Iterable[Offer]) -> Iterator[tuple[str, bytes]]:
        """Yield (topic, message) for each station that asks in these batches."""
        for station, number in questions(offers).items():
            yield wire.down(station, "time"), self.sign(number)
