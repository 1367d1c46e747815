"""The keys, the policy and the status list an explanation goes by: what the station has in force, or a folder's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import apsw

from station.config import Config
from station.core.documents import DocumentType, Envelope, TrustBundle, open_document, open_held
from station.core.model import Rejected, Status
from station.core.policy import Policy
from station.core.policy_reader import read_policy
from station.core.status import (
    CHUNK_BYTES,
    ENTRIES_PER_CHUNK,
    IssuerList,
    StatusList,
    StatusManifest,
    gather,
    read_manifest,
    write_entry,
)
from station.held import believed_keys
from station.journal import FILE
from station.policy_tools.sources import SourceError
from station.wording import reason

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Papers:
    """The documents to go by; None where there is no such document."""

    trust: TrustBundle
    policy: Policy | None
    statuses: StatusList | None


def read_papers(config: Config, folder: Path | None = None, trust_file: Path | None = None) -> Papers:
    """Return the documents the station has in force, or, where it has none, those of its documents folder.

    `folder`: go by this folder alone; `trust_file`: by this trust bundle. Raises SourceError and ConfigError.
    """
    trust, _ = believed_keys(config, trust_file or (folder / "trust.cose" if folder else None))
    policy = statuses = None
    if folder is None:
        policy, statuses = held_policy(config.paths.state / FILE), _held_statuses(config.paths.state / FILE)
    place = folder or config.paths.documents
    return Papers(
        trust,
        policy or _policy_of(place, trust, config.station.zone),
        statuses or _statuses_of(place, trust, config.station.zone),
    )


# --- what the station has in force, verified when it took effect -----------------------------------------------------


def held_policy(journal: Path) -> Policy | None:
    """Return the policy in force according to a journal's file; None where it has none. Raises SourceError."""
    envelope = _held(journal, DocumentType.POLICY)
    return _good(read_policy(envelope), journal) if envelope else None


def _held_statuses(journal: Path) -> StatusList | None:
    envelope = _held(journal, DocumentType.STATUS)
    if envelope is None:
        return None
    return gather(_good(read_manifest(envelope), journal), (row[0] for row in _rows(journal, "SELECT raw FROM chunk")))


def _held(journal: Path, kind: DocumentType) -> Envelope | None:
    rows = _rows(journal, "SELECT raw FROM document WHERE type = ?", (kind.value,))
    try:
        return next((open_held(raw) for (raw,) in rows), None)
    except ValueError as error:
        raise SourceError(f"{journal}: the {kind} document in it is damaged ({error})") from error


def _rows(journal: Path, sql: str, values: tuple[str, ...] = ()) -> Iterable[tuple[bytes]]:
    if not journal.exists():
        return []
    try:
        db = apsw.Connection(f"file:{journal}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            return [(row[0],) for row in db.execute(sql, values)]
        finally:
            db.close()
    except apsw.Error as error:
        raise SourceError(f"{journal}: cannot be read ({error})") from error


# --- a folder's ------------------------------------------------------------------------------------------------------


def _policy_of(folder: Path, trust: TrustBundle, zone: str) -> Policy | None:
    return _opened(folder, DocumentType.POLICY, trust, zone, read_policy)


def _statuses_of(folder: Path, trust: TrustBundle, zone: str) -> StatusList | None:
    manifest = _opened(folder, DocumentType.STATUS, trust, zone, read_manifest)
    if manifest is None:
        return None
    paths = (folder / "chunks" / f"{digest.hex()}.bin" for digest in manifest.needed)
    return gather(manifest, (path.read_bytes() for path in paths if path.exists()))


def _opened(
    folder: Path, kind: DocumentType, trust: TrustBundle, zone: str, read: Callable[[Envelope], T | Rejected]
) -> T | None:
    path = folder / f"{kind}.cose"
    try:
        opened = open_document(path.read_bytes(), kind, trust, zone)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error})") from error
    return _good(opened if isinstance(opened, Rejected) else read(opened), path)


def _good(content: T | Rejected, path: Path) -> T:
    if isinstance(content, Rejected):
        raise SourceError(f"{path}: {reason(content.reason)['en']} ({content.detail})")
    return content


# --- an assumed status -----------------------------------------------------------------------------------------------


def assumed_status(kid: bytes, index: int, status: Status, issued: int) -> StatusList:
    """Return a status list in which one pass has this status. `issued`: unsigned seconds."""
    chunk = bytearray(CHUNK_BYTES)
    write_entry(chunk, index % ENTRIES_PER_CHUNK, status)
    digest = hashlib.sha256(chunk).digest()
    chunks = (digest,) * (index // ENTRIES_PER_CHUNK + 1)
    envelope = Envelope(DocumentType.STATUS, 1, issued, issued, None, b"", (), {}, b"")
    return StatusList(StatusManifest(envelope, {kid: IssuerList(index + 1, chunks)}), {digest: bytes(chunk)})
