"""The collector's half of commands: takes what the office has signed to the broker, and the stations' answers back."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from sync import wire
from sync.central.command_table import CommandTable
from sync.central.database import UNSTORABLE
from sync.mqtt import Received

log = logging.getLogger(__name__)

ANSWERS = "$share/central/gs/1/+/up/rsp/+"
LOOK_S = 0.25
REFUSED = 0x80
_ANSWER = re.compile(r"gs/1/([a-z0-9-]{1,40})/up/rsp/([0-9a-f]{16})")

Publish = Callable[[str, bytes, int], int | None]
"""Publishes (topic, payload, seconds until the broker drops it) and returns the message id, None when not connected."""


def is_answer(message: Received) -> bool:
    """Say whether a message is the answer to a command."""
    return _ANSWER.fullmatch(message.topic) is not None


class CommandRoom:
    """Methods raise sqlalchemy.exc.DBAPIError where the database is lost, and may be called again then."""

    def __init__(self, table: CommandTable) -> None:
        self._table = table
        self._on_the_way: dict[int, str] = {}
        self._left_over: list[str] = []
        self._complained: set[str] = set()
        self._look_at = 0.0

    def connected(self) -> None:
        """Begin with a new connection: of what was under way on the old one nobody knows."""
        self._left_over += self._on_the_way.values()
        self._on_the_way.clear()

    def look(self, publish: Publish, now: float) -> None:
        """Take to the broker what is waiting. `now`: monotonic seconds; it looks four times a second."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        if self._left_over:
            self._table.give_back(self._left_over)
            self._left_over.clear()
        seconds = int(time.time())
        for one in self._table.waiting(seconds):
            if not self._table.claim(one.id):
                continue
            mid = publish(wire.down(one.station, "cmd"), one.raw, max(1, one.expires - seconds))
            if mid is None:
                self._left_over.append(one.id)
                return
            self._on_the_way[mid] = one.id

    def published(self, mid: int, reason: int) -> None:
        """Take the broker's PUBACK."""
        number = self._on_the_way.get(mid)
        if number is None:
            return
        if reason >= REFUSED:
            self._complain("refused", f"the broker refused a command (reason 0x{reason:02x}); check its access list")
        if reason >= REFUSED or reason == wire.NO_SUBSCRIBER:
            self._table.unheard(number)
        del self._on_the_way[mid]

    def take(self, message: Received) -> None:
        """Take an answer; what is none, or none to a command of this station's, is named in the log once.

        So is one that the database will not take: it is let go, or it would come again and hold up everything for ever.
        """
        match = _ANSWER.fullmatch(message.topic)
        assert match is not None  # noqa: S101 - whoever calls has asked is_answer
        station, number = match[1], match[2]
        try:
            told = wire.decode(message.payload, wire.Response)
            good = told.id == number and self._table.answer(station, told)
        except wire.WireError as error:
            self._complain(station, f"an answer of station {station} cannot be used: {error}")
            return
        except UNSTORABLE as error:  # its text would show what the station wrote
            kind = type(error).__name__
            self._complain(station, f"an answer of station {station} is let go: no database takes it ({kind})")
            return
        if not good:
            self._complain(station, f"station {station} answers a command {number} that was not for it")

    def _complain(self, about: str, text: str) -> None:
        if about not in self._complained:
            self._complained.add(about)
            log.warning("%s", text)

    def close(self) -> None:
        """Let go of the database."""
        self._table.close()
