"""Which keys may sign acknowledgements: read from the documents that the station has verified and put in force.

The trust bundle names them; the status manifest withdraws keys, faster than a new bundle would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station.core import cose

ACK_ROLE = "ack"
_PUBLIC_LENGTH = 32


def ack_keys(raw_trust: bytes) -> dict[bytes, Ed25519PublicKey]:
    """Return the keys with the ack role of a trust bundle in force, by key id. Raises cose.CoseError.

    The signatures were checked by gate-station before it put the bundle into journal.db, which nobody else writes.
    Times are not compared: a station whose clock is lost must still learn what central holds.
    """
    bundle = cose.decode_strict(cose.open_sign(raw_trust).payload)
    rows = bundle.get("keys") if isinstance(bundle, Mapping) and bundle.get("type") == "trust" else None
    if not isinstance(rows, Sequence):
        msg = "the document is not a trust bundle"
        raise cose.CoseError(msg)
    return dict(found for row in rows if (found := _ack_key(row)) is not None)


def _ack_key(row: object) -> tuple[bytes, Ed25519PublicKey] | None:
    if not isinstance(row, Mapping):
        return None
    kid, public, roles = row.get("kid"), row.get("pub"), row.get("roles")
    if not isinstance(kid, bytes) or len(kid) != cose.KID_LENGTH:
        return None
    if not isinstance(public, bytes) or len(public) != _PUBLIC_LENGTH:
        return None
    if not isinstance(roles, Sequence) or ACK_ROLE not in roles:
        return None
    return kid, Ed25519PublicKey.from_public_bytes(public)


def revoked(raw_status: bytes) -> frozenset[bytes]:
    """Return the key ids that a status manifest in force withdraws. Raises cose.CoseError."""
    manifest = cose.decode_strict(cose.open_sign1(raw_status).payload)
    kids = manifest.get("revoked", ()) if isinstance(manifest, Mapping) else None
    if not isinstance(kids, Sequence):
        msg = "the document is not a status manifest"
        raise cose.CoseError(msg)
    return frozenset(kid for kid in kids if isinstance(kid, bytes))


Read = Callable[[], bytes | None]
"""Returns the bytes of a document in force, None where there is none or it cannot be read now."""


class TrustKeys:
    """Looks keys up in the documents in force, which are read at each look-up and taken apart when they change."""

    def __init__(self, trust: Read, status: Read = lambda: None) -> None:
        """`trust`, `status`: read the trust bundle and the status manifest."""
        self._read = (trust, status)
        self._raw: tuple[bytes | None, ...] = (None, None)
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    def __call__(self, kid: bytes) -> Ed25519PublicKey | None:
        """Return the ack key with this id, or None."""
        raw = tuple(read() for read in self._read)
        if raw != self._raw:
            self._raw, self._keys = raw, self._parse(*raw)
        return self._keys.get(kid)

    @staticmethod
    def _parse(trust: bytes | None, status: bytes | None) -> dict[bytes, Ed25519PublicKey]:
        try:
            withdrawn = revoked(status) if status else frozenset[bytes]()
            return {kid: key for kid, key in ack_keys(trust).items() if kid not in withdrawn} if trust else {}
        except cose.CoseError:
            return {}
