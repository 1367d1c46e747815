"""What a station believes, read from its files by a command: also while the station runs, and changing nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from station.absent import AbsentJournal
from station.config import Config, ConfigError
from station.core.announcements import Announcements
from station.core.documents import TrustBundle, open_trust
from station.core.model import Rejected
from station.core.policy import Policy
from station.documents import Documents
from station.journal import FILE, JournalFault
from station.wording import reason


class _Copy(AbsentJournal):
    """A journal that is only looked at."""

    def __init__(self, directory: Path) -> None:
        """Raises apsw.Error where there is none, or none that may be read."""
        path = directory / FILE
        super().__init__(directory, JournalFault(f"{path}: opened to be read"))
        self._db = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a query."""
        return list(self._db.execute(sql, values))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


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


def _held(config: Config) -> Documents | None:
    here = config.station
    try:
        journal = _Copy(config.paths.state)
    except apsw.Error:
        return None
    try:
        return Documents(journal, _roots(config), here.zone, lambda _digest: None, here.id)
    except apsw.Error:
        return None
    finally:
        journal.close()


def _roots(config: Config) -> list[bytes]:
    return [bytes.fromhex(root) for root in config.trust.roots]
