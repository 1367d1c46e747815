"""What the station does for its journal beside writing it: a new stream where one is ordered, old rows, a full disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from station.config import RetentionConfig
from station.core.model import Instant, Outcome
from station.core.retention import DAY_US, Disk
from station.guard_screen import Condition
from station.health import Ailment
from station.inbox import Inbox
from station.journal import JournalFault
from station.recorder import Recorder
from station.rehoming import Since, last_rehoming, rehome
from station.retention import Retention
from station.schema import QUARANTINE, UPLOADED

log = logging.getLogger(__name__)

SHOWN_US = DAY_US
"""For so long the guard screen tells that a new stream had to be begun."""

TRY_AGAIN_US = 600_000_000
"""After so long a new stream that could not be begun is tried again: each try goes over the whole backlog."""


class Upkeep:
    """Used by the gate thread alone; once a second, and what may take longer only while all lanes are idle."""

    def __init__(self, recorder: Recorder, inbox: Inbox, config: RetentionConfig) -> None:
        self._recorder, self._inbox, self._config = recorder, inbox, config
        self._retention = Retention(recorder.journal, inbox, config)
        self._since: Since | None = last_rehoming(recorder.journal)
        self._fault = ""
        self._try_again_us = 0
        """When a new stream that could not be begun is tried again, on the monotonic clock."""

    def tend(self, now: Instant, beat: Callable[[], None], *, idle: bool) -> None:
        """Look at the disk; while idle, do one small piece of what is due. Never raises: the lane goes on."""
        try:
            disk = self._retention.look()
            if idle and not self._recorder.broken:
                self._work(disk, now, beat)
        except (JournalFault, OSError, ValueError) as fault:
            self._say(str(fault))
        else:
            if now.mono_us >= self._try_again_us:
                self._say("")

    def _work(self, disk: Disk, now: Instant, beat: Callable[[], None]) -> None:
        journal = self._recorder.journal
        order = self._inbox.rehoming(journal.epoch)
        if order is None:
            self._retention.evict(disk, now)
        elif now.mono_us >= self._try_again_us:
            self._try_again_us = now.mono_us + TRY_AGAIN_US
            rehome(journal, order, now, beat)
            self._try_again_us = 0
            self._recorder.renumbered()
            self._since = last_rehoming(journal)
        for name in self._inbox.uploaded():
            _put_away(journal.path.parent, name)

    def _say(self, fault: str) -> None:
        if fault and not self._fault:
            log.warning("the journal's upkeep waits: %s", fault)
        self._fault = fault

    def instead(self) -> Outcome | None:
        """Return what happens to who would be let in: None while there is room on the disk."""
        if not self._retention.too_full:
            return None
        return Outcome.DENY if self._config.when_full == "deny" else Outcome.REFER

    def ailments(self, now: Instant) -> dict[str, Ailment | None]:
        """Return what the guard should know, by part."""
        full = Ailment("health-disk", Condition.FAULT) if self._retention.too_full else None
        begun = None
        if self._since is not None and now.wall_us - self._since.wall_us < SHOWN_US:
            begun = Ailment("health-stream", Condition.DEGRADED, self._since.cause)
        return {"disk": full, "stream": begun or self._withheld()}

    def _withheld(self) -> Ailment | None:
        """Return that there is a connection and not everything can be sent over it."""
        link = self._inbox.link()
        return (
            Ailment("health-upload", Condition.DEGRADED, link.last_error)
            if link.connected and link.last_error
            else None
        )


def _put_away(folder: Path, name: str) -> None:
    """Mark a journal that was set aside as done; it is kept. Names that are no such file are of no interest here."""
    if not name.startswith(QUARANTINE) or "/" in name or not (folder / name).is_file():
        return
    for suffix in ("-wal", "-shm", ""):
        part = folder / f"{name}{suffix}"
        if part.exists():
            part.rename(folder / f"{name}{UPLOADED}{suffix}")
    log.warning("central has all that can be read of %s; it is kept as %s%s", name, name, UPLOADED)
