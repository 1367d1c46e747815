"""The sets of offline roots, one after another.

OFFICE/roots.pub                   public keys of set 1, which the stations' configuration names
OFFICE/roots/root-1.key ...        private keys of set 1
OFFICE/documents/roots-N.cose      set N, signed by two of set N - 1 and two of set N; the newest one is the set in use
OFFICE/roots-N/root-1.key ...      private keys of set N

Keep every folder of private keys offline. A set's private keys are of no use once every station holds its successor.
"""

from __future__ import annotations

import hashlib
from itertools import count
from pathlib import Path

from station.core import cose
from station.core.documents import ROOTS_NEEDED, DocumentType
from station.core.model import Rejected
from station.core.succession import FIRST_SET, ROOTS, RootSet, open_roots
from sync.central.keyfiles import KeyringError, SigningKey, new_key, read_private, replace_file, write_private


class RootSets:
    """The roots of one office."""

    def __init__(self, office: Path) -> None:
        """`office`: the folder; nothing is read yet."""
        self.office = office
        self._first = office / "roots.pub"

    def folder(self, number: int) -> Path:
        """Return where the private keys of a set are."""
        return self.office / ("roots" if number == FIRST_SET else f"roots-{number}")

    def document(self, number: int) -> Path:
        """Return the document that names a set (from the second on)."""
        return self.office / "documents" / f"roots-{number}.cose"

    def create_first(self) -> list[bytes]:
        """Make set 1; return its public keys. Raises KeyringError where there is one."""
        keys = [new_key() for _ in range(ROOTS)]
        self._write(FIRST_SET, keys)
        replace_file(self._first, "".join(f"{key.public.hex()}\n" for key in keys).encode())
        return [key.public for key in keys]

    def current(self) -> RootSet:
        """Return the set in use, every step towards it verified as a station does. Raises KeyringError."""
        found = RootSet(FIRST_SET, tuple(self._first_public()))
        for number in count(FIRST_SET + 1):
            path = self.document(number)
            if not path.exists():
                return found
            following = open_roots(path.read_bytes(), found)
            if isinstance(following, Rejected):
                raise KeyringError(
                    f"{path}: {following.reason} ({following.detail}); restore it and roots.pub from a copy"
                )
            found = following
        raise AssertionError  # pragma: no cover - count() has no end

    def private(self, number: int) -> list[SigningKey]:
        """Read those private keys of a set that are at hand."""
        return [read_private(path) for path in sorted(self.folder(number).glob("root-*.key"))]

    def signing(self) -> list[SigningKey]:
        """Return as many private keys of the set in use as a document needs. Raises KeyringError when short of them."""
        current = self.current()
        folder = self.folder(current.number)
        keys = [key for key in self.private(current.number) if key.public in current.keys]
        if len(keys) < ROOTS_NEEDED:
            raise KeyringError(
                f"{ROOTS_NEEDED} keys of roots {current.number} are needed, {len(keys)} at hand in {folder}"
            )
        return keys[:ROOTS_NEEDED]

    def rotate(self, valid: tuple[int, int]) -> RootSet:
        """Make the next set and the document that names it; return the set. `valid`: (iat, exp). Raises KeyringError.

        The set is in use from the moment its document is in its place. What is left of an attempt that did not get so
        far has to be removed by hand: nobody knows these keys.
        """
        before, outgoing = self.current(), self.signing()
        number = before.number + 1
        if self.folder(number).exists():
            raise KeyringError(
                f"{self.folder(number)} is left of a rotation that did not end; delete the folder and try again"
            )
        keys = [new_key() for _ in range(ROOTS)]
        raw = cose.sign(
            _payload(before, [key.public for key in keys], valid),
            [(key.kid, key.private) for key in (*outgoing, *keys[:ROOTS_NEEDED])],
        )
        following = open_roots(raw, before)
        if isinstance(following, Rejected):
            raise KeyringError(f"stations would refuse the new roots: {following.reason} ({following.detail})")
        self._write(number, keys)
        replace_file(self.document(number), raw)
        return following

    def _write(self, number: int, keys: list[SigningKey]) -> None:
        for place, key in enumerate(keys, 1):
            write_private(self.folder(number) / f"root-{place}.key", key.private)

    def _first_public(self) -> list[bytes]:
        try:
            keys = [bytes.fromhex(line) for line in self._first.read_text(encoding="ascii").split()]
        except (OSError, ValueError) as error:
            raise KeyringError(f"{self._first}: cannot be read ({error}); it is made with the roots") from error
        return keys


def _payload(before: RootSet, keys: list[bytes], valid: tuple[int, int]) -> bytes:
    previous = hashlib.sha256(before.envelope.raw).digest() if before.envelope else None
    fields: dict[str, object] = {"type": DocumentType.ROOTS.value, "seq": before.number + 1, "roots": keys}
    return cose.encode({**fields, "iat": valid[0], "exp": valid[1], "prev": previous})
