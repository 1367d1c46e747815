"""What stations with the office's newest documents believe: held against everything before it is handed out."""

from __future__ import annotations

from pathlib import Path

from station.core.documents import DocumentType, TrustBundle, open_trust
from station.core.model import Rejected
from station.core.succession import with_own_key
from sync.central.issuer import DocumentError, DocumentShelf
from sync.central.keys import Keyring
from sync.central.status_register import StatusRegister


def newest_bundle(office: Path) -> TrustBundle:
    """Return the newest trust bundle as a station with the newest status manifest sees it. Raises DocumentError."""
    path = DocumentShelf(office).path(DocumentType.TRUST)
    if not path.exists():
        raise DocumentError(f"{path} does not exist; sign a trust bundle first: gate-central keys trust")
    bundle = open_trust(path.read_bytes(), Keyring(office).public_roots())
    if isinstance(bundle, Rejected):
        raise DocumentError(f"{path}: {bundle.reason} ({bundle.detail}); sign it anew: gate-central keys trust")
    return with_own_key(bundle, None, frozenset(StatusRegister(office).revoked()))
