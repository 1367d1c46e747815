"""The public keys of the first root set, as the office keeps them in roots.pub: one in each line, hexadecimal."""

from __future__ import annotations

from pathlib import Path

from station.core.succession import ROOTS
from sync.central.keyfiles import KeyringError

_KEY_BYTES = 32


def read_roots(path: Path) -> list[bytes]:
    """Return the keys, 32 bytes each, in their order. Raises KeyringError."""
    try:
        keys = [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError) as error:
        raise KeyringError(f"{path}: cannot be read ({error}); it is OFFICE/roots.pub, made with the roots") from error
    if len(keys) != ROOTS or {len(key) for key in keys} != {_KEY_BYTES}:
        raise KeyringError(f"{path}: should hold {ROOTS} keys of {_KEY_BYTES} bytes; restore it from a copy")
    return keys
