"""What a station and central's enrolment endpoint say to each other: JSON over HTTPS, and who signs what.

GET /v1/anchor, POST /v1/enrol, POST /v1/challenge, POST /v1/renew. A refusal has the status 4xx and a `Refusal`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from sync.config import Identifier, Zone

ANCHOR, ENROL, CHALLENGE, RENEW = "/v1/anchor", "/v1/enrol", "/v1/challenge", "/v1/renew"
MAX_REQUEST, MAX_ANSWER = 16 * 1024, 64 * 1024
"""Bytes of a message, at most."""
_RENEWAL = b"gate-station renewal 1\0"

Pem = Annotated[str, Meta(max_length=8192)]
Secret = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Hexadecimal = Annotated[str, Meta(pattern=r"^[0-9a-f]{2,512}\Z")]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message. Fields that this version does not know are passed over."""


class Anchor(Message, frozen=True):
    """Public: the certificate authority (PEM) and the first root set (hexadecimal). Believed only if a code says so."""

    ca: Pem
    roots: Annotated[list[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]], Meta(min_length=1, max_length=9)]


class Enrol(Message, frozen=True):
    """A new station asks for its certificate. `station` and `zone`: as its configuration says; the server decides."""

    secret: Secret
    csr: Pem
    station: Identifier
    zone: Zone


class Challenge(Message, frozen=True):
    """What the old key has to sign; good for some minutes."""

    challenge: Hexadecimal


class Renew(Message, frozen=True):
    """A station asks for the next certificate. `signature`: by the key of `certificate`, over `to_sign`."""

    certificate: Pem
    csr: Pem
    challenge: Hexadecimal
    signature: Hexadecimal


class Granted(Message, frozen=True):
    """The certificate (PEM), for whom it is, and the server's time (Unix seconds)."""

    certificate: Pem
    station: Identifier
    zone: Zone
    time_s: int


class Refusal(Message, frozen=True):
    """Why not. `reason`: a word for machines; `say`: what happened and what to do, for people."""

    reason: Annotated[str, Meta(max_length=40)]
    say: Annotated[str, Meta(max_length=1000)]


M = TypeVar("M", bound=Message)


def decode(raw: bytes, kind: type[M]) -> M:
    """Read a message. Raises ValueError (msgspec's, or of text that is not UTF-8)."""
    return msgspec.json.decode(raw, type=kind)


def encode(message: Message) -> bytes:
    """Write a message."""
    return msgspec.json.encode(message)


def to_sign(challenge: bytes, request: bytes) -> bytes:
    """Return what the old key signs to renew. `request`: the certificate signing request, DER."""
    return _RENEWAL + challenge + hashlib.sha256(request).digest()
