"""The way down: what is signed goes into the inbox as it is, acknowledgements to the uplink.

Nothing is trusted or interpreted here: gate-station verifies every document itself. Only sizes and names are limited,
so that nobody fills the disk.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable

from station.core import command
from station.core.reasons import Reason
from sync import wire
from sync.config import StationConfig
from sync.store import SyncStore

log = logging.getLogger(__name__)

MAX_DOCUMENT = 256 * 1024
MAX_CHUNK = 64 * 1024
MAX_SLIP = 4 * 1024
LIMITS = {
    "trust": MAX_DOCUMENT,
    "policy": MAX_DOCUMENT,
    "status": MAX_DOCUMENT,
    "status-chunk": MAX_CHUNK,
    "status-delta": MAX_CHUNK,
    "roots": MAX_SLIP,
    "delegation": MAX_SLIP,
    "announcement": MAX_DOCUMENT,
}
"""Document types that are taken, with the most bytes of each."""
MAX_TIME, MAX_NOTICE = 1024, 256 * 1024
"""The most bytes of a signed time, and of a notice from the site's other gates."""

_DOCUMENT = re.compile(r"gs/1/doc/(all|[0-9]{12})/([a-z-]{1,20})/([A-Za-z0-9._-]{1,80})")
_REMEMBERED = 64

Answer = Callable[[str, bytes, str], object]
"""Sends (leaf, payload, content type) upwards."""


class Downlink:
    """Sorts what the broker delivers. Everything it cannot use is named in the log once."""

    def __init__(self, station: StationConfig, store: SyncStore, on_ack: Callable[[bytes], None]) -> None:
        self._station, self._store, self._on_ack = station, store, on_ack
        self._said: set[str] = set()
        self._refused: deque[str] = deque(maxlen=_REMEMBERED)

    def filters(self) -> list[str]:
        """Return the topics to subscribe to."""
        station, zone = self._station.id, self._station.zone
        return ["gs/1/doc/all/#", f"gs/1/doc/{zone}/#", wire.down(station, "#")]

    def receive(self, topic: str, payload: bytes, *, retained: bool, answer: Answer) -> bool:
        """Take one message. Says whether the inbox has something new."""
        if topic == wire.down(self._station.id, "ack"):
            if not retained:
                self._on_ack(payload)
        elif topic == wire.down(self._station.id, "time"):
            return not retained and self._time(topic, payload)
        elif topic == wire.down(self._station.id, "peer"):
            return not retained and self._peer(topic, payload)
        elif topic == wire.down(self._station.id, "cmd"):
            return self._command(payload, retained=retained, answer=answer)
        elif topic.startswith("gs/1/doc/"):
            return self._document(topic, payload)
        else:
            self._once(topic, f"a message on {topic[:120]} is of no use to this version; ignored")
        return False

    def _time(self, topic: str, payload: bytes) -> bool:
        """Take central's answer to the number that the station asked with; the one before is of no use any more."""
        return self._fits(topic, payload, MAX_TIME) and self._store.put_document(topic, "time", payload)

    def _peer(self, topic: str, payload: bytes) -> bool:
        fits = self._fits(topic, payload, MAX_NOTICE)
        if fits:
            self._store.put_notice(payload)
        return fits

    def _document(self, topic: str, payload: bytes) -> bool:
        if not payload:
            return False  # a retained document was withdrawn from the broker; the one in force stays in force
        match = _DOCUMENT.fullmatch(topic)
        if match is None or match[1] not in ("all", self._station.zone) or match[2] not in LIMITS:
            self._once(topic, f"a document on {topic[:120]} is of no type known here; ignored")
            return False
        if match[2] == "delegation" and match[3] != self._station.id:
            return False  # another gate's; each takes its own
        return self._fits(topic, payload, LIMITS[match[2]]) and self._store.put_document(topic, match[2], payload)

    def _fits(self, topic: str, payload: bytes, most: int) -> bool:
        if len(payload) > most:
            self._once(topic, f"the message on {topic} has {len(payload)} bytes, allowed are {most}; ignored")
        return 0 < len(payload) <= most

    def _command(self, payload: bytes, *, retained: bool, answer: Answer) -> bool:
        """Keep a command for gate-station, which judges it; what is too large for one is refused here."""
        if not payload:
            return False  # somebody has cleared the topic
        if len(payload) <= command.MAX_BYTES:
            return self._store.put_command(payload, retained=retained)
        number = command.number(payload)
        if number not in self._refused:
            self._refused.append(number)
            self._once("cmd", f"a command of {len(payload)} bytes was refused, allowed are {command.MAX_BYTES}")
            refusal = wire.Response(id=number, outcome="refused", reason=Reason.COMMAND_MALFORMED.value)
            answer(f"rsp/{number}", wire.encode(refusal), wire.JSON_TYPE)
        return False

    def _once(self, what: str, text: str) -> None:
        if what not in self._said and len(self._said) < _REMEMBERED:
            self._said.add(what)
            log.warning("%s", text)
