"""The one key a station may hold: it signs visitors' passes for this station alone, while central's delegation lasts.

The private key is made here and never leaves its file, which the service user alone can read. Central signs a
delegation for its public half (gate-central keys delegate); without one in force the key is good for nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.core import base45

FILE = "visitor.key"
REQUEST_PREFIX = "EV1:"
OPEN_TO_OTHERS = 0o077


class VisitorKeyError(Exception):
    """The station's own key cannot be used. The message says which file and what to do."""


def create(state: Path) -> Ed25519PrivateKey:
    """Make a new key in the station's state directory; an older one is replaced, and its passes end with it."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    beside = state / f".{FILE}.new"
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(state / FILE)
    return key


def load(state: Path) -> Ed25519PrivateKey:
    """Read the key. Raises VisitorKeyError, also where others could read it."""
    path = state / FILE
    try:
        if path.stat().st_mode & OPEN_TO_OTHERS:
            raise VisitorKeyError(f"{path} can be read by others; make a new one: gate-station visitor-key new")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise VisitorKeyError(f"{path}: no key can be read ({error}); run: gate-station visitor-key new") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise VisitorKeyError(f"{path}: not an Ed25519 key; run: gate-station visitor-key new")
    return key


def request(station: str, key: Ed25519PrivateKey) -> str:
    """Return what the office needs to sign a delegation: EV1: + Base45 of public key and station id."""
    return REQUEST_PREFIX + base45.encode(key.public_key().public_bytes_raw() + station.encode())
