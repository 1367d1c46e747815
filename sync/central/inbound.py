"""What a message from a station says, decoded and with its chain verified: all that needs no database.

Done as messages arrive, in the network's thread: so a batch is taken apart while the one before it is being committed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from sync import mqtt, wire
from sync.central.store import Offer, offer

CONTENT_TYPES = {"log": wire.BATCH_TYPE}

Content: TypeAlias = Offer | wire.Hello | wire.Tele | wire.State | wire.WireError


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message and what it says; a WireError where it cannot be used. `station`: empty where the topic names none.

    `message` is without its payload, however large that was: it may have to wait for its COMMIT.
    """

    message: mqtt.Received
    station: str
    content: Content

    @property
    def link(self) -> mqtt.Link:
        """The connection it came over."""
        return self.message.link


def read(message: mqtt.Received) -> Inbound:
    """Decode and check one message. Never raises because of what is in it."""
    station, shell = "", replace(message, payload=b"")
    try:
        station, leaf = wire.parse_up(message.topic)
        return Inbound(shell, station, _content(station, leaf, message))
    except wire.WireError as error:
        return Inbound(shell, station, error)


def _content(station: str, leaf: str, message: mqtt.Received) -> Content:
    payload = message.payload
    if message.content_type != CONTENT_TYPES.get(leaf, wire.JSON_TYPE):
        raise wire.WireError("content-type", f"{leaf} with content type {message.content_type[:80]!r}")
    match leaf:
        case "log":
            return offer(station, wire.decode_batch(payload))
        case "hello":
            return wire.decode(payload, wire.Hello)
        case "tele":
            return wire.decode(payload, wire.Tele)
        case "state":
            return wire.decode(payload, wire.State)
        case _:
            raise wire.WireError("topic", f"nothing is expected on up/{leaf}")
