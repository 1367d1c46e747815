"""Which keys may sign acknowledgements: read from the trust bundle that the station has verified and put in force."""

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


class TrustKeys:
    """Looks keys up in the trust bundle in force; `read` returns its bytes or None and is asked at each look-up."""

    def __init__(self, read: Callable[[], bytes | None]) -> None:
        self._read = read
        self._raw: bytes | None = None
        self._keys: dict[bytes, Ed25519PublicKey] = {}

    def __call__(self, kid: bytes) -> Ed25519PublicKey | None:
        """Return the ack key with this id, or None."""
        raw = self._read()
        if raw != self._raw:
            self._raw, self._keys = raw, self._parse(raw)
        return self._keys.get(kid)

    @staticmethod
    def _parse(raw: bytes | None) -> dict[bytes, Ed25519PublicKey]:
        try:
            return ack_keys(raw) if raw else {}
        except cose.CoseError:
            return {}
