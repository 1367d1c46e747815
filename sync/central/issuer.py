"""Makes what stations believe: passes, the trust bundle, policies, status manifests, delegations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from station.core import cose
from station.core.credential import write
from station.core.documents import FIELDS, DocumentType
from station.core.model import Credential
from station.core.policy_reader import PolicyError, read_table
from station.core.policy_source import read_source
from station.core.status import ENTRIES_PER_CHUNK
from sync.central.delegation import Request
from sync.central.keyfiles import SigningKey, replace_file
from sync.central.keys import KeyRecord, Keyring
from sync.central.status_register import StatusRegister

JSON_SUFFIX = ".json"


class DocumentError(Exception):
    """A document cannot be made. The message names the source and the mistake."""


def issue_pass(credential: Credential, key: SigningKey) -> str:
    """Return the QR text of a pass. `credential.kid` must be the key's."""
    if credential.kid != key.kid:
        raise DocumentError(f"the pass names issuer {credential.kid.hex()}, the key is {key.kid.hex()}")
    return write(credential, key.private)


class DocumentShelf:
    """The office's signed documents, as files; each new one continues the numbering of the one before."""

    def __init__(self, office: Path) -> None:
        """`office`: the office's folder; documents stand in OFFICE/documents."""
        self.folder = office / "documents"

    def path(self, kind: DocumentType) -> Path:
        """Return the file of the newest trust bundle, policy or status manifest."""
        return self.folder / f"{kind}.cose"

    def delegation(self, station: str) -> Path:
        """Return the file of the newest delegation for a station."""
        return self.folder / f"{DocumentType.DELEGATION}-{station}.cose"

    def sign_trust(self, keyring: Keyring, valid: tuple[int, int]) -> bytes:
        """Sign a trust bundle that names every key of the keyring, with two roots. `valid`: (iat, exp)."""
        personal = keyring.personal.public()
        fields = {
            "keys": [_key_map(record) for record in keyring.records()],
            **({} if personal is None else {"personal": personal}),
        }
        path = self.path(DocumentType.TRUST)
        roots = [(root.kid, root.private) for root in keyring.root_sets.signing()]
        return _keep(path, cose.sign(self._payload(DocumentType.TRUST, path, fields, valid), roots))

    def sign_policy(self, source: Mapping[str, Any], key: SigningKey, valid: tuple[int, int]) -> bytes:
        """Sign a policy; it is read first as a station reads it. Raises DocumentError."""
        try:
            read_table(1, {**dict.fromkeys(FIELDS), **source})
        except PolicyError as error:
            raise DocumentError(f"the policy would be refused ({error.reason}): {error}") from error
        return self._sign1(DocumentType.POLICY, self.path(DocumentType.POLICY), source, key, valid)

    def sign_announcements(self, rows: Sequence[Mapping[str, Any]], key: SigningKey, valid: tuple[int, int]) -> bytes:
        """Sign a list of announcements, which was read as a station reads it (station.core.announcements)."""
        path, fields = self.path(DocumentType.ANNOUNCEMENT), {"announcements": list(rows)}
        return self._sign1(DocumentType.ANNOUNCEMENT, path, fields, key, valid)

    def sign_delegation(
        self, request: Request, key: SigningKey, valid: tuple[int, int], refused: Callable[[bytes], str]
    ) -> bytes:
        """Sign a delegation: the station's own key may sign visitors' passes for that station.

        `refused`: says why the station would refuse it, empty where it would not. Raises DocumentError.
        """
        path = self.delegation(request.station)
        fields = {"station": request.station, "pub": request.public}
        raw = cose.sign1(self._payload(DocumentType.DELEGATION, path, fields, valid), key.kid, key.private)
        if why := refused(raw):
            raise DocumentError(f"station {request.station} would refuse this delegation: {why}")
        return _keep(path, raw)

    def sign_status(self, register: StatusRegister, key: SigningKey, valid: tuple[int, int]) -> bytes:
        """Write the register's chunks and sign a manifest that names them, and the keys that are withdrawn."""
        issuers: list[tuple[bytes, int, list[bytes]]] = []
        for kid in register.kids():
            chunks = register.chunks(kid)
            hashes = [hashlib.sha256(chunk).digest() for chunk in chunks]
            for digest, chunk in zip(hashes, chunks, strict=True):
                if not (path := self._chunk(digest)).exists():
                    replace_file(path, chunk)
            issuers.append((kid, len(chunks) * ENTRIES_PER_CHUNK, hashes))
        revoked = register.revoked()
        fields = {"issuers": issuers, **({"revoked": revoked} if revoked else {})}
        raw = self._sign1(DocumentType.STATUS, self.path(DocumentType.STATUS), fields, key, valid)
        self._drop_chunks({digest.hex() for _, _, hashes in issuers for digest in hashes})
        return raw

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """Yield name (ISSUER-KID-NUMBER) and content of each status chunk of the newest manifest."""
        if not self.path(DocumentType.STATUS).exists():
            return
        issuers: Any = read_fields(self.path(DocumentType.STATUS))["issuers"]
        for kid, _, hashes in issuers:
            for number, digest in enumerate(hashes):
                yield f"{kid.hex()}-{number}", self._chunk(digest).read_bytes()

    def seq(self, kind: DocumentType) -> int:
        """Return the number of the newest trust bundle, policy or status manifest; 0 where there is none."""
        return _before(self.path(kind))[0]

    def _chunk(self, digest: bytes) -> Path:
        return self.folder / "chunks" / f"{digest.hex()}.bin"

    def _sign1(
        self, kind: DocumentType, path: Path, fields: Mapping[str, Any], key: SigningKey, valid: tuple[int, int]
    ) -> bytes:
        return _keep(path, cose.sign1(self._payload(kind, path, fields, valid), key.kid, key.private))

    @staticmethod
    def _payload(kind: DocumentType, path: Path, fields: Mapping[str, Any], valid: tuple[int, int]) -> bytes:
        seq, previous = _before(path)
        head = {"type": kind.value, "seq": seq + 1, "iat": valid[0], "exp": valid[1], "prev": previous}
        return cose.encode({**fields, **head})

    def _drop_chunks(self, named: set[str]) -> None:
        for path in (self.folder / "chunks").glob("*.bin"):
            if path.stem not in named:
                path.unlink()


def read_fields(path: Path) -> Mapping[str, Any]:
    """Return the fields of one of the office's own documents; no signature is checked. Raises DocumentError."""
    raw = path.read_bytes()
    try:
        opened = cose.open_sign(raw) if path.stem.startswith(DocumentType.TRUST) else cose.open_sign1(raw)
        fields = cose.decode_strict(opened.payload)
    except cose.CoseError as error:
        raise DocumentError(f"{path} is damaged ({error}); restore it from a copy") from error
    if not isinstance(fields, Mapping):
        raise DocumentError(f"{path} is damaged; restore it from a copy")
    return fields


def _before(path: Path) -> tuple[int, bytes | None]:
    if not path.exists():
        return 0, None
    return read_fields(path)["seq"], hashlib.sha256(path.read_bytes()).digest()


def _keep(path: Path, raw: bytes) -> bytes:
    replace_file(path, raw)
    return raw


def read_policy_source(path: Path) -> dict[str, object]:
    """Read a policy's source: JSON where the name ends in .json, else TOML. Raises DocumentError."""
    try:
        return read_source(path.read_text(encoding="utf-8"), as_json=path.suffix == JSON_SUFFIX)
    except (OSError, ValueError) as error:
        raise DocumentError(f"{path}: {error}") from error


def _key_map(record: KeyRecord) -> dict[str, object]:
    return {
        "kid": bytes.fromhex(record.kid),
        "pub": bytes.fromhex(record.pub),
        "roles": [role.value for role in record.roles],
        "zones": list(record.zones),
        "classes": [int(pass_class) for pass_class in record.classes],
        "nbf": record.nbf,
        "exp": record.exp,
    }
