"""What all files of vectors share: how cases, keys and verdicts are written as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from station.core.documents import KeyEntry, TrustBundle
from station.core.model import Credential, Rejected
from station.core.reasons import Reason
from station.core.timecode import TimeCode
from tests.passes import office
from tests.passes.office import Key

Case = dict[str, object]


def head(what: str) -> dict[str, object]:
    """Return the fields with which every file begins."""
    return {
        "what": what,
        "format": "docs/reference/pass-format.md",
        "written_by": "python -m tests.passes.vectors --write",
        "warning": "The private keys below are known to everybody. Believe nothing that they sign.",
        "now": office.NOW,
        "zone": office.ZONE,
        "roots": [root.public.hex() for root in office.ROOTS],
        "trust": office.trust_raw().hex(),
    }


def keys_of(*keys: Key, phones: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the private and public halves of some keys."""
    rows = [
        {
            "name": key.name,
            "algorithm": "Ed25519",
            "private": key.private.private_bytes_raw().hex(),
            "public": key.public.hex(),
            "kid": key.kid.hex(),
        }
        for key in keys
    ]
    for name in phones:
        number = office.phone(name).private_numbers().private_value
        rows.append(
            {
                "name": name,
                "algorithm": "P-256",
                "private": f"{number:064x}",
                "public": office.phone_public(name).hex(),
            }
        )
    return rows


def accepted(rule: str, given: Mapping[str, object], fields: Mapping[str, object]) -> Case:
    """Return a case that is accepted, and what is read in it."""
    return {"rule": rule, **given, "accepted": dict(fields)}


def refused(rule: str, given: Mapping[str, object], reason: Reason) -> Case:
    """Return a case that is refused for exactly one reason; what the reader says of it is added when it is written."""
    return {"rule": rule, **given, "refused": reason.value}


def as_json(found: object) -> dict[str, object]:
    """Return what a reader returned, as the files tell it."""
    if isinstance(found, Rejected):
        # What the decoder calls its trouble is its own business and changes with its version.
        said = "not CBOR" if found.detail.startswith("not CBOR") else found.detail
        return {"refused": found.reason.value, "says": said}
    if isinstance(found, Credential):
        return {"accepted": credential_fields(found)}
    if isinstance(found, TimeCode):
        return {"accepted": time_fields(found)}
    if isinstance(found, TrustBundle):
        return {"accepted": trust_fields(found)}
    if isinstance(found, KeyEntry):
        return {"accepted": entry_fields(found)}
    raise TypeError(type(found))


def credential_fields(pass_: Credential) -> dict[str, object]:
    """Return a credential's fields; bytes in hexadecimal, sets as sorted lists, null for what is absent."""
    return {
        "kid": pass_.kid.hex(),
        "cti": pass_.cti.hex(),
        "nbf": pass_.not_before,
        "exp": pass_.expires,
        "class": int(pass_.pass_class),
        "zone": pass_.home_zone,
        "directions": sorted(direction.value for direction in pass_.directions),
        "gates": sorted(pass_.gates),
        "health": [int(pass_.health.code), pass_.health.day] if pass_.health else None,
        "name": pass_.name,
        "household": _hex(pass_.household),
        "plate": pass_.plate,
        "status_index": pass_.status_index,
        "extra_zones": sorted(pass_.extra_zones),
        "phone_key": _hex(pass_.phone_key),
        "live": {"t": pass_.live.t, "nonce": _hex(pass_.live.nonce)} if pass_.live else None,
    }


def _hex(raw: bytes | None) -> str | None:
    return None if raw is None else raw.hex()


def time_fields(code: TimeCode) -> dict[str, object]:
    """Return a time code's fields."""
    return {"t": code.t, "nonce": code.nonce.hex(), "role": code.role.value, "kid": code.kid.hex()}


def trust_fields(bundle: TrustBundle) -> dict[str, object]:
    """Return a trust bundle's fields."""
    envelope = bundle.envelope
    return {
        "seq": envelope.seq,
        "iat": envelope.issued,
        "exp": envelope.expires,
        "prev": _hex(envelope.previous),
        "hash": envelope.hash.hex(),
        "signers": [kid.hex() for kid in envelope.signers],
        "keys": [entry_fields(bundle.keys[kid]) for kid in sorted(bundle.keys)],
    }


def entry_fields(entry: KeyEntry) -> dict[str, object]:
    """Return what is said of one key."""
    return {
        "kid": entry.kid.hex(),
        "pub": entry.public_key.public_bytes_raw().hex(),
        "roles": sorted(entry.roles),
        "zones": list(entry.zones),
        "classes": sorted(int(one) for one in entry.classes),
        "nbf": entry.not_before,
        "exp": entry.expires,
    }


def row_fields(row: Mapping[str, object]) -> dict[str, object]:
    """Return what a trust bundle is made to say of a key, as `entry_fields` tells what was read in it."""
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
    return {**shown, "roles": sorted(row["roles"]), "classes": sorted(row["classes"])}  # type: ignore[call-overload]
