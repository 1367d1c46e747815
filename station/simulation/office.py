"""The office of a scenario: keys made on the spot, real passes and real signed documents, nothing written anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station.core import base45, cose, live
from station.core.calendar import DAY_S
from station.core.credential import PREFIX, write
from station.core.documents import Role, kid_of
from station.core.model import Credential, Direction, Health, HealthCode, Live, PassClass, Status
from station.core.status import CHUNK_BYTES, ENTRIES_PER_CHUNK, write_entry
from station.simulation.scenario import PassSource

_YEAR_S = 365 * DAY_S


class Office:
    """Issues what a scenario needs. `now`: Unix seconds at its start; `zone`: the gate's."""

    def __init__(self, zone: str, now: int) -> None:
        self._zone, self._now = zone, now
        self._roots = [Ed25519PrivateKey.generate() for _ in range(3)]
        self._key = Ed25519PrivateKey.generate()
        self._kid = kid_of(self._key.public_key().public_bytes_raw())
        self._phones: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._texts: dict[str, str] = {}
        self._index: dict[str, int] = {}
        self._chunk = bytearray(CHUNK_BYTES)
        self._seq: dict[str, int] = {}

    @property
    def roots(self) -> list[bytes]:
        """Public keys of the roots."""
        return [root.public_key().public_bytes_raw() for root in self._roots]

    def issue(self, name: str, source: PassSource) -> None:
        """Issue a pass by the name the scenario gives it."""
        index = self._index.setdefault(name, len(self._index))
        key = ec.generate_private_key(ec.SECP256R1()) if source.live else None
        if key is not None:
            self._phones[name] = key
        begins = self._now - DAY_S if source.days >= 0 else self._now - _YEAR_S
        both = frozenset(Direction)
        self._texts[name] = write(
            Credential(
                kid=self._kid,
                cti=hashlib.sha256(name.encode()).digest()[:8],
                not_before=begins,
                expires=self._now + round(source.days * DAY_S),
                pass_class=PassClass[source.holder.upper()],
                home_zone=source.home or self._zone,
                extra_zones=frozenset({self._zone} if source.home else ()),
                directions=both if source.direction == "both" else frozenset({Direction(source.direction)}),
                health=None if source.health == "none" else Health(HealthCode[source.health.upper()], begins // DAY_S),
                household=bytes.fromhex(source.household) if source.household else None,
                status_index=index,
                phone_key=_compressed(key) if key else None,
            ),
            self._key,
        )
        self.set_status(name, source.status)

    def set_status(self, name: str, status: str) -> None:
        """Change a pass's entry in the list that is signed next."""
        write_entry(self._chunk, self._index[name], Status[status.upper().replace("-", "_")])

    def text(self, name: str, now: int) -> str:
        """Return what the holder shows now: the pass, what their phone signs at this moment, or the name itself."""
        text = self._texts.get(name, name)
        phone = self._phones.get(name)
        if phone is None:
            return text
        raw, moment = base45.decode(text[len(PREFIX) :]), Live(now - now % 10)
        r, s = decode_dss_signature(phone.sign(live.covered(raw, moment), ec.ECDSA(SHA256())))
        signature = live.low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return live.PREFIX + base45.encode(live.compose(raw, moment, signature))

    # --- documents -------------------------------------------------------------------------------------------------

    def trust(self) -> bytes:
        """Return a trust bundle that gives the office's key every role."""
        row = {
            "kid": self._kid,
            "pub": self._key.public_key().public_bytes_raw(),
            "roles": [role.value for role in Role],
            "zones": [""],
            "classes": [int(pass_class) for pass_class in PassClass],
            "nbf": self._now - 2 * _YEAR_S,
            "exp": self._now + 10 * _YEAR_S,
        }
        payload = self._payload("trust", {"keys": [row]}, self._now)
        signers = [(kid_of(root.public_key().public_bytes_raw()), root) for root in self._roots[:2]]
        return cose.sign(payload, signers)

    def policy(self, fields: Mapping[str, Any], now: int) -> bytes:
        """Return a signed policy."""
        return cose.sign1(self._payload("policy", fields, now), self._kid, self._key)

    def announcements(self, rows: list[dict[str, object]], now: int) -> bytes:
        """Return a signed list of announcements."""
        return cose.sign1(self._payload("announcement", {"announcements": rows}, now), self._kid, self._key)

    def status(self, now: int) -> tuple[bytes, bytes]:
        """Return (signed manifest, the chunk it names)."""
        chunk = bytes(self._chunk)
        rows = [[self._kid, ENTRIES_PER_CHUNK, [hashlib.sha256(chunk).digest()]]]
        return cose.sign1(self._payload("status", {"issuers": rows}, now), self._kid, self._key), chunk

    def _payload(self, kind: str, fields: Mapping[str, Any], now: int) -> bytes:
        self._seq[kind] = self._seq.get(kind, 0) + 1
        head = {"type": kind, "seq": self._seq[kind], "iat": now, "exp": now + _YEAR_S, "prev": None}
        return cose.encode({**fields, **head})


def _compressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
