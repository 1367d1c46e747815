"""Delegations: a gate's request for its own visitors' key, and the office's book of which gate is in which zone.

A request is the text that `gate-station visitor-key new` prints: `EV1:` + Base45 of the public key (32 bytes) and the
station's id. The private key never leaves the station.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from station.core import base45
from station.core.documents import DocumentType, TrustBundle, open_document
from station.core.model import Rejected
from station.core.succession import LONGEST_DELEGATION_S, read_delegation
from sync.central.keyfiles import replace_file

REQUEST_PREFIX = "EV1:"
LONGEST_HOURS = LONGEST_DELEGATION_S // 3600
EVERYWHERE = "all"
_PUBLIC_LENGTH = 32
_STATION = re.compile(rb"[a-z0-9-]{1,40}")
_ZONE = re.compile(r"[0-9]{12}")


class RequestError(ValueError):
    """The text is no request of a station, or cannot be granted. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which station asks, and the public half of its key (Ed25519, 32 bytes)."""

    station: str
    public: bytes


def read_request(text: str) -> Request:
    """Read what `gate-station visitor-key new` prints. Raises RequestError."""
    if not text.startswith(REQUEST_PREFIX):
        raise RequestError("a request begins with EV1:; copy all that gate-station visitor-key new printed, in quotes")
    try:
        raw = base45.decode(text[len(REQUEST_PREFIX) :].rstrip("\r\n"))
    except base45.Base45Error as error:
        raise RequestError(f"the request is damaged ({error}); copy it again, double spaces included") from error
    public, station = raw[:_PUBLIC_LENGTH], raw[_PUBLIC_LENGTH:]
    if not _STATION.fullmatch(station):
        raise RequestError("the request names no station; copy it again, double spaces included")
    return Request(station.decode("ascii"), public)


def refusal(raw: bytes, trust: TrustBundle, station: str, zone: str) -> Rejected | None:
    """Return why the station in `zone` (or a prefix that the key speaks for) would refuse a delegation."""
    envelope = open_document(raw, DocumentType.DELEGATION, trust, zone)
    entry = envelope if isinstance(envelope, Rejected) else read_delegation(envelope, trust, station, zone)
    return entry if isinstance(entry, Rejected) else None


def zone_of(zones: tuple[str, ...]) -> str:
    """Return the one zone (12 digits) that a key speaks for; `all` where it speaks for more."""
    return zones[0] if len(zones) == 1 and _ZONE.fullmatch(zones[0]) else EVERYWHERE


class ZoneBook:
    """Which zone each station with a delegation is in: OFFICE/delegations.json."""

    def __init__(self, office: Path) -> None:
        """`office`: the folder; nothing is read yet."""
        self._path = office / "delegations.json"

    def scopes(self) -> dict[str, str]:
        """Return station id -> scope of its delegation: its zone (12 digits), or `all`."""
        if not self._path.exists():
            return {}
        return dict(json.loads(self._path.read_text(encoding="ascii")))

    def note(self, station: str, scope: str) -> None:
        """Write down where a station's delegation is published."""
        text = json.dumps({**self.scopes(), station: scope}, indent=2, sort_keys=True)
        replace_file(self._path, f"{text}\n".encode())
