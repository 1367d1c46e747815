"""What a station believes, read from its files by a command: also while the station runs, and changing nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

from station.absent import AbsentJournal
from station.config import Config, ConfigError
from station.core.announcements import Announcements
from station.core.documents import TrustBundle, open_trust
from station.core.events import Kind, Payload
from station.core.model import Instant, Rejected
from station.core.policy import Policy
from station.documents import Documents
from station.inbox import Inbox
from station.journal import FILE, Change, JournalFault
from station.records import open_clock, open_documents
from station.wording import reason


class _Copy(AbsentJournal):
    """A journal that is only looked at; one that is not there, or cannot be read, holds nothing."""

    def __init__(self, directory: Path, db: apsw.Connection | None) -> None:
        """`db`: the file, opened to be read; None: there is none."""
        super().__init__(directory, JournalFault(f"{directory / FILE}: opened to be read"))
        self._file = db

    def append_all(self, events: Iterable[tuple[Kind, Payload]], now: Instant, changes: Iterable[Change] = ()) -> int:
        """Forget it: documents are tried out against a copy, as if they took effect."""
        del events, now, changes
        return self.seq

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a query."""
        return list(self._file.execute(sql, values)) if self._file else []

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def believed_keys(config: Config, file: Path | None = None) -> tuple[TrustBundle, Path]:
    """Return the keys a station believes, and the file they are from. Raises ConfigError.

    `file`: the trust bundle to take; without it what the station has in force (with its own delegated key, without
    what was withdrawn), and for a station that never ran the bundle in its documents folder.
    """
    documents = None if file else _held(config)
    if documents is not None and documents.trust is not None:
        return documents.trust, config.paths.state / FILE
    path = file or config.paths.documents / "trust.cose"
    try:
        bundle = open_trust(path.read_bytes(), _roots(config))
    except OSError as error:
        raise ConfigError(f"{path}: the trust bundle cannot be read ({error}); name it with --trust") from error
    if isinstance(bundle, Rejected):
        raise ConfigError(f"{path}: {reason(bundle.reason)['en']} ({bundle.detail})")
    return bundle, path


def held_words(config: Config) -> tuple[Policy | None, Announcements | None]:
    """Return the policy and the announcements in force: what a station says in words of its own."""
    documents = _held(config)
    return (documents.policy, documents.announcements) if documents else (None, None)


def held_at_start(config: Config) -> tuple[Documents, Instant]:
    """Return what a station has in force that starts now, and its time: journal and provisioned files, taken alike."""
    try:
        return _started(config, _opened(config.paths.state))
    except (apsw.Error, ValueError):  # none yet, or one that the station will set aside to begin another
        return _started(config, None)


def _started(config: Config, db: apsw.Connection | None) -> tuple[Documents, Instant]:
    journal, inbox = _Copy(config.paths.state, db), Inbox(config.paths.sync_state)
    try:
        clock = open_clock(config, journal)
        return open_documents(config, journal, inbox, clock), clock.now()
    finally:
        inbox.close()
        journal.close()


def _held(config: Config) -> Documents | None:
    here = config.station
    try:
        journal = _Copy(config.paths.state, _opened(config.paths.state))
    except apsw.Error:
        return None
    try:
        return Documents(journal, _roots(config), here.zone, lambda _digest: None, here.id, config.trust.number)
    except apsw.Error:
        return None
    finally:
        journal.close()


def _opened(state: Path) -> apsw.Connection:
    return apsw.Connection(f"file:{state / FILE}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def _roots(config: Config) -> list[bytes]:
    return [bytes.fromhex(root) for root in config.trust.roots]
