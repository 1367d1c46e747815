"""Makes what stations believe: passes, the trust bundle, policies, status manifests."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from station.core import base45, cose
from station.core.credential import PREFIX, claims_map
from station.core.documents import FIELDS, DocumentType
from station.core.model import Credential
from station.core.policy_reader import PolicyError, read_table
from station.core.status import ENTRIES_PER_CHUNK
from sync.central.keys import KeyRecord, Keyring, KeyringError, SigningKey, replace_file
from sync.central.status_register import StatusRegister

SIGNING_ROOTS = 2


class DocumentError(Exception):
    """A document cannot be made. The message names the source and the mistake."""


def issue_pass(credential: Credential, key: SigningKey) -> str:
    """Return the QR text of a pass. `credential.kid` must be the key's."""
    if credential.kid != key.kid:
        raise DocumentError(f"the pass names issuer {credential.kid.hex()}, the key is {key.kid.hex()}")
    return PREFIX + base45.encode(cose.sign1(cose.encode(claims_map(credential)), key.kid, key.private))


class DocumentShelf:
    """The office's signed documents, as files; each new one continues the numbering of the one before."""

    def __init__(self, office: Path) -> None:
        """`office`: the office's folder; documents stand in OFFICE/documents."""
        self.folder = office / "documents"

    def path(self, kind: DocumentType) -> Path:
        """Return the file of the newest document of a type."""
        return self.folder / f"{kind}.cose"

    def sign_trust(self, keyring: Keyring, valid: tuple[int, int]) -> bytes:
        """Sign a trust bundle that names every key of the keyring, with two roots. `valid`: (iat, exp)."""
        roots = keyring.roots()[:SIGNING_ROOTS]
        if len(roots) < SIGNING_ROOTS:
            raise KeyringError(f"two root keys are needed, {len(roots)} at hand in {keyring.office / 'roots'}")
        fields = {"keys": [_key_map(record) for record in keyring.records()]}
        payload = self._payload(DocumentType.TRUST, fields, valid)
        return self._keep(DocumentType.TRUST, cose.sign(payload, [(root.kid, root.private) for root in roots]))

    def sign_policy(self, source: Mapping[str, Any], key: SigningKey, valid: tuple[int, int]) -> bytes:
        """Sign a policy; it is read first as a station reads it. Raises DocumentError."""
        payload = self._payload(DocumentType.POLICY, source, valid)
        try:
            read_table(1, {**dict.fromkeys(FIELDS), **source})
        except PolicyError as error:
            raise DocumentError(f"the policy would be refused ({error.reason}): {error}") from error
        return self._keep(DocumentType.POLICY, cose.sign1(payload, key.kid, key.private))

    def sign_status(self, register: StatusRegister, key: SigningKey, valid: tuple[int, int]) -> bytes:
        """Write the register's chunks and sign a manifest that names them."""
        issuers: list[tuple[bytes, int, list[bytes]]] = []
        for kid in register.kids():
            chunks = register.chunks(kid)
            hashes = [hashlib.sha256(chunk).digest() for chunk in chunks]
            for digest, chunk in zip(hashes, chunks, strict=True):
                replace_file(self.folder / "chunks" / f"{digest.hex()}.bin", chunk)
            issuers.append((kid, len(chunks) * ENTRIES_PER_CHUNK, hashes))
        payload = self._payload(DocumentType.STATUS, {"issuers": issuers}, valid)
        raw = self._keep(DocumentType.STATUS, cose.sign1(payload, key.kid, key.private))
        self._drop_chunks({digest.hex() for _, _, hashes in issuers for digest in hashes})
        return raw

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """Yield name (ISSUER-KID-NUMBER) and content of each status chunk of the newest manifest."""
        if not self.path(DocumentType.STATUS).exists():
            return
        issuers: Any = self._fields(DocumentType.STATUS)["issuers"]
        for kid, _, hashes in issuers:
            for number, digest in enumerate(hashes):
                yield f"{kid.hex()}-{number}", (self.folder / "chunks" / f"{digest.hex()}.bin").read_bytes()

    def seq(self, kind: DocumentType) -> int:
        """Return the number of the newest document of a type; 0 where there is none."""
        return self._before(kind)[0]

    def _fields(self, kind: DocumentType) -> Mapping[str, Any]:
        raw = self.path(kind).read_bytes()
        opened = cose.open_sign(raw) if kind is DocumentType.TRUST else cose.open_sign1(raw)
        fields = cose.decode_strict(opened.payload)
        if not isinstance(fields, Mapping):
            raise DocumentError(f"{self.path(kind)} is damaged; restore it from a copy")
        return fields

    def _before(self, kind: DocumentType) -> tuple[int, bytes | None]:
        if not self.path(kind).exists():
            return 0, None
        return self._fields(kind)["seq"], hashlib.sha256(self.path(kind).read_bytes()).digest()

    def _payload(self, kind: DocumentType, fields: Mapping[str, Any], valid: tuple[int, int]) -> bytes:
        seq, previous = self._before(kind)
        head = {"type": kind.value, "seq": seq + 1, "iat": valid[0], "exp": valid[1], "prev": previous}
        return cose.encode({**fields, **head})

    def _keep(self, kind: DocumentType, raw: bytes) -> bytes:
        replace_file(self.path(kind), raw)
        return raw

    def _drop_chunks(self, named: set[str]) -> None:
        for path in (self.folder / "chunks").glob("*.bin"):
            if path.stem not in named:
                path.unlink()


def read_policy_source(path: Path) -> dict[str, object]:
    """Read a policy's TOML source. Raises DocumentError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
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
