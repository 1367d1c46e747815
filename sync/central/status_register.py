"""The office's own status lists: the indices given out, the two bits of each pass, and the keys that are withdrawn."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from station.core.model import Status
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, read_entry, write_entry
from sync.central.keyfiles import replace_file

DRAWS = 64
MOST_REVOKED = 1000
"""A manifest with more is refused by stations (station/core/status.py)."""


class StatusRegister:
    """Files under OFFICE/status: KID.bits (two bits per index), KID.used (one bit: given out), revoked (key ids)."""

    def __init__(self, office: Path) -> None:
        """`office`: the office's folder."""
        self._folder = office / "status"

    def kids(self) -> list[bytes]:
        """Return the issuers that have a list."""
        return sorted(bytes.fromhex(path.stem) for path in self._folder.glob("*.bits"))

    def chunks(self, kid: bytes) -> list[bytes]:
        """Return an issuer's list, chunk by chunk (16 kB each)."""
        bits = self._path(kid, "bits").read_bytes()
        return [bits[start : start + CHUNK_BYTES] for start in range(0, len(bits), CHUNK_BYTES)]

    def allocate(self, kid: bytes) -> int:
        """Give out a random free index, so that neighbours tell nothing; the list grows by a chunk when half full."""
        with self._lock():
            bits, used = self._load(kid)
            if not bits or sum(byte.bit_count() for byte in used) * 2 >= len(used) * 8:
                bits += bytes(CHUNK_BYTES)
                used += bytes(ENTRIES_PER_CHUNK // 8)
            index = self._draw(used)
            used[index >> 3] |= 1 << (index & 7)
            self._save(kid, bits, used)
        return index

    def set(self, kid: bytes, index: int, status: Status) -> None:
        """Set the status of a pass. Raises KeyError for an index that was never given out."""
        with self._lock():
            bits, used = self._load(kid)
            if index >= len(used) * 8 or not used[index >> 3] >> (index & 7) & 1:
                raise KeyError(f"issuer {kid.hex()} has given out no index {index}")
            write_entry(bits, index, status)
            self._save(kid, bits, used)

    def get(self, kid: bytes, index: int) -> Status:
        """Return the status of a pass."""
        return read_entry(self._path(kid, "bits").read_bytes(), index)

    def revoked(self) -> list[bytes]:
        """Return the ids of the keys that are withdrawn."""
        path = self._folder / "revoked"
        return sorted(bytes.fromhex(line) for line in path.read_text("ascii").split()) if path.exists() else []

    def revoke(self, kid: bytes) -> None:
        """Withdraw a key. Raises ValueError where no manifest could carry it."""
        with self._lock():
            kids = {*self.revoked(), kid}
            if len(kids) > MOST_REVOKED:
                raise ValueError(f"{MOST_REVOKED} keys are withdrawn already; take back those that have expired")
            self._write_revoked(kids)

    def restore(self, kid: bytes) -> None:
        """Take the withdrawal of a key back."""
        with self._lock():
            self._write_revoked({*self.revoked()} - {kid})

    def _write_revoked(self, kids: Iterable[bytes]) -> None:
        replace_file(self._folder / "revoked", "".join(f"{kid.hex()}\n" for kid in sorted(kids)).encode())

    def _draw(self, used: bytearray) -> int:
        total = len(used) * 8
        for _ in range(DRAWS):  # at least half are free: 64 draws fail once in 2**64
            index = secrets.randbelow(total)
            if not used[index >> 3] >> (index & 7) & 1:
                return index
        raise RuntimeError("no free status index was drawn; the register is damaged")

    def _path(self, kid: bytes, suffix: str) -> Path:
        return self._folder / f"{kid.hex()}.{suffix}"

    def _load(self, kid: bytes) -> tuple[bytearray, bytearray]:
        if not self._path(kid, "bits").exists():
            return bytearray(), bytearray()
        return bytearray(self._path(kid, "bits").read_bytes()), bytearray(self._path(kid, "used").read_bytes())

    def _save(self, kid: bytes, bits: bytearray, used: bytearray) -> None:
        # "used" first: after a crash between the two an index may be lost, but none is given out twice.
        replace_file(self._path(kid, "used"), bytes(used))
        replace_file(self._path(kid, "bits"), bytes(bits))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
