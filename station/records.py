"""Opens what the station remembers: journal, reserve and documents, and stands in for what cannot be opened."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from station.absent import AbsentJournal, AbsentReserve
from station.chunks import find
from station.clock import SystemClock
from station.config import Config, PathsConfig
from station.core.documents import DocumentType
from station.documents import LOADED, Documents
from station.inbox import Inbox
from station.journal import Journal, JournalFault
from station.ports import Clock
from station.reserve import Reserve
from station.schema import RING_SOCKET

log = logging.getLogger(__name__)


def boot_id() -> str:
    """Return 8 hexadecimal digits that change with each boot of the machine: monotonic times compare within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return secrets.token_hex(4)


def open_journal(paths: PathsConfig) -> Journal:
    """Open the journal, or what stands in for one that cannot be opened."""
    try:
        return Journal(paths.state, boot_id(), paths.run / RING_SOCKET)
    except JournalFault as fault:
        log.error("%s; nobody is granted anything until it can be opened", fault)  # noqa: TRY400 - it tells it all
        return AbsentJournal(paths.state, fault)


def can_open_journal(paths: PathsConfig) -> bool:
    """Say whether the journal can be opened now."""
    try:
        Journal(paths.state, boot_id()).close()
    except JournalFault:
        return False
    return True


def open_reserve(folder: Path) -> Reserve:
    """Open the reserve, or what stands in for one that cannot be opened."""
    try:
        return Reserve(folder)
    except JournalFault as fault:
        log.error("%s", fault)  # noqa: TRY400 - the fault tells it all
        return AbsentReserve(fault)


def open_clock(config: Config, journal: Journal) -> SystemClock:
    """Return the station's clock, which goes on from the last journaled time."""
    return SystemClock(require_sync=config.time.require_sync, saved_us=journal.last_wall_us())


def open_documents(config: Config, journal: Journal, inbox: Inbox, clock: Clock) -> Documents:
    """Open the documents in force and take up newer ones from the provisioned folder."""
    folder = config.paths.documents

    def whole(digest: bytes) -> bytes | None:
        return _read(folder / "chunks" / f"{digest.hex()}.bin") or inbox.chunk(digest)

    def chunk(digest: bytes) -> bytes | None:
        return find(digest, whole, inbox.deltas(), inbox.chunk_like)

    roots = [bytes.fromhex(root) for root in config.trust.roots]
    documents = Documents(journal, roots, config.station.zone, chunk, config.station.id, config.trust.number)
    for kind in LOADED:
        for path in _provided(folder, kind, config.station.id):
            _provide(documents, kind, path, clock)
    clock.raise_floor(documents.signed_us)
    return documents


def _provided(folder: Path, kind: DocumentType, station: str) -> list[Path]:
    """Return the files of a type in the order they must be taken: one, but of roots every set from the second on."""
    if kind is DocumentType.ROOTS:
        return sorted(folder.glob("roots-*.cose"), key=lambda path: (len(path.name), path.name))
    if kind is DocumentType.DELEGATION:
        return [folder / f"{kind}-{station}.cose"]
    return [folder / f"{kind}.cose"]


def _provide(documents: Documents, kind: DocumentType, path: Path, clock: Clock) -> None:
    raw = _read(path)
    try:
        if raw is not None and documents.is_newer(kind, raw):
            log.info("document %s: %s", path, documents.offer(kind, raw, clock.now()))
    except JournalFault as fault:
        log.error("document %s cannot take effect: %s", path, fault)  # noqa: TRY400 - the fault tells it all


def _read(path: Path) -> bytes | None:
    """Return a provisioned file; None where there is none or it may not be read (which the log tells)."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.error("%s cannot be read (%s); check its owner and permissions", path, error)  # noqa: TRY400
        return None
