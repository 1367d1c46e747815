"""Signed commands for the tests: to one station, by a key with the role, changed at will."""

from __future__ import annotations

from station.core import cose
from station.core.command import TYPE, Recipient
from station.core.documents import Role, TrustBundle
from sync.central.keys import SigningKey
from tests.core.issuing import DAY_S, NOW, ZONE, key_row, key_rows, signing_key, trust_bundle

COMMANDER = signing_key("commander")
STATION, EPOCH, BOOT = "gate-east-1", 0x1234_5678_9ABC_DEF1, b"bootboot"
HERE = Recipient(STATION, ZONE, EPOCH, 5, BOOT)


def command_rows(zones: tuple[str, ...] = ("3206",)) -> list[dict[str, object]]:
    """Return the office's keys, and one that commands."""
    return [*key_rows(), key_row(COMMANDER, [Role.COMMAND], zones)]


def commanding_trust() -> TrustBundle:
    """Return a trust bundle that names the commander."""
    return trust_bundle(command_rows())


def fields(**changes: object) -> dict[str, object]:
    """Return the fields of a good command, changed; None takes one out."""
    usual: dict[str, object] = {
        "type": TYPE,
        "station": STATION,
        "epoch": EPOCH,
        "id": b"abcdefgh",
        "counter": 6,
        "not_before": NOW - 5,
        "expires": NOW + 60,
        "body": {"verb": "ping"},
        "boot": BOOT,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def command_raw(key: SigningKey = COMMANDER, kid: bytes | None = None, **changes: object) -> bytes:
    """Return a signed command; `kid`: another key's id, for one that pretends."""
    return cose.sign1(cose.encode(fields(**changes)), kid or key.kid, key.private)


def verb(name: str, **arguments: object) -> dict[str, object]:
    """Return a body."""
    return {"verb": name, **arguments}


LONG_AGO = NOW - 2 * DAY_S
