"""An operator's signed command to let lost rows go: what it looks like, and who may give it. Pure functions.

A COSE_Sign1 over the deterministic CBOR map {"type": "skip", "station", "epoch", "first", "last", "iat"} by a key with
the role `command` and a scope that covers the station. It stays in the table `lost_range` beside the rows it let go,
so that anybody can verify it later.
"""

from __future__ import annotations

from dataclasses import dataclass

from station.core import cose, shape
from station.core.documents import Role, TrustBundle
from sync.central.keyfiles import SigningKey

TYPE = "skip"
FIELDS = {"type", "station", "epoch", "first", "last", "iat"}


@dataclass(frozen=True, slots=True)
class Skip:
    """Which rows are let go: `first` to `last` of a stream. `issued`: Unix seconds."""

    station: str
    epoch: int
    first: int
    last: int
    issued: int


class UnauthorisedError(ValueError):
    """The command was not given by somebody who may. The message says what is wrong and what to do."""


def sign(skip: Skip, key: SigningKey) -> bytes:
    """Return the signed command."""
    fields = {name: getattr(skip, "issued" if name == "iat" else name) for name in FIELDS - {"type"}}
    return cose.sign1(cose.encode({"type": TYPE, **fields}), key.kid, key.private)


def verify(raw: bytes, trust: TrustBundle, zone: str, now_s: int) -> Skip:
    """Return what a command says, its signature and its key's role, zones and time checked. Raises UnauthorisedError.

    `zone`: that of the station, empty where nobody knows it.
    """
    try:
        signed = cose.open_sign1(raw)
        skip = _read(signed.payload)
    except ValueError as error:
        raise UnauthorisedError(f"this is no command to let rows go: {error}") from error
    signature = signed.signatures[0]
    entry = trust.key(signature.kid, Role.COMMAND)
    if entry is None:
        raise UnauthorisedError(
            f"the trust bundle gives key {signature.kid.hex()} no role `command`; use a key that has it"
        )
    if not entry.covers(zone):
        raise UnauthorisedError(_elsewhere(signature.kid, skip.station, zone))
    if not signature.good(entry.public_key):
        raise UnauthorisedError(f"the signature of key {signature.kid.hex()} is wrong")
    if not entry.not_before <= now_s < entry.expires:
        raise UnauthorisedError(f"key {signature.kid.hex()} is not valid now; sign the trust bundle with one that is")
    return skip


def _elsewhere(kid: bytes, station: str, zone: str) -> str:
    if not zone:
        return (
            f"the zone of {station} is not known: it was given no certificate and has told no zone; set station.zone "
            "in its sync.toml and let it connect once"
        )
    return (
        f"key {kid.hex()} may not speak for {station} in zone {zone}; use one that may, or make it: "
        f"gate-central keys issuer NAME --role command --zone {zone}, then keys trust"
    )


def _read(payload: bytes) -> Skip:
    row = shape.mapping(cose.decode_strict(payload), "skip")
    shape.keys_within(row, FIELDS, "skip")
    if row.get("type") != TYPE:
        raise ValueError("its type is another")
    first = shape.integer(row.get("first"), "first", 1)
    return Skip(
        station=shape.text(row.get("station"), "station", 40),
        epoch=shape.integer(row.get("epoch"), "epoch"),
        first=first,
        last=shape.integer(row.get("last"), "last", first),
        issued=shape.integer(row.get("iat"), "iat"),
    )
