"""Bytes of an event on the wire: the whole PUBLISH packet of a batch, divided by its events."""

from __future__ import annotations

from sync import wire
from tests.sync_bench.traffic import Journal

SIZES = (50, 100, 200, 1000)
STATION = "gate-east-1"


def packet(journal: Journal, first: int, last: int) -> int:
    """Return the bytes of the PUBLISH packet (MQTT 5, 3.3) that carries rows `first` to `last`."""
    payload = len(wire.encode_batch(journal.batch(first, last, epoch=2**62 + 12345)))
    topic, content_type = len(wire.up(STATION, "log")), len(wire.BATCH_TYPE)
    properties = 1 + 1 + 2 + content_type  # length, identifier, then a string of two bytes length
    rest = 2 + topic + 2 + properties + payload  # topic, packet identifier
    return 1 + _length(rest) + rest


def _length(rest: int) -> int:
    """Return how many bytes the remaining length takes (MQTT 5, 1.5.5): seven bits each."""
    return max(1, (rest.bit_length() + 6) // 7)


def per_event(journal: Journal) -> dict[int, float]:
    """Return bytes per event by size of batch."""
    count = len(journal.raws)
    return {
        size: sum(packet(journal, first, first + size - 1) for first in range(1, count - size + 2, size))
        / (count // size * size)
        for size in SIZES
    }
