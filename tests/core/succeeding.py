"""Documents of the tests about keys that come after others: sets of roots, and a station's delegated key."""

from __future__ import annotations

from collections.abc import Sequence

from station.core import cose
from sync.central.keys import SigningKey
from tests.core.issuing import DAY_S, NOW, PASSES, document_raw, payload, signing_key

NEXT = [signing_key(f"second root-{number}") for number in (1, 2, 3)]
THEN = [signing_key(f"third root-{number}") for number in (1, 2, 3)]
OWN = signing_key("the station's own")
STATION = "east-1"


def roots_raw(signers: Sequence[SigningKey], roots: object = None, seq: int = 2, **head: object) -> bytes:
    """Return a document that names the second set of roots, unless told otherwise, signed by some."""
    named = [root.public for root in NEXT] if roots is None else roots
    content = payload("roots", {"roots": named}, seq=seq, **head)
    return cose.sign(content, [(signer.kid, signer.private) for signer in signers])


def delegation_raw(key: SigningKey = PASSES, **changes: object) -> bytes:
    """Return a delegation of visitors to the station's own key for a day, changed; None leaves a field out."""
    fields: dict[str, object] = {"station": STATION, "pub": OWN.public}
    head: dict[str, object] = {"exp": NOW - 60 + DAY_S}
    for name, value in changes.items():
        (head if name in {"type", "iat", "exp", "seq", "prev"} else fields)[name] = value
    present = {name: value for name, value in fields.items() if value is not None}
    return document_raw("delegation", present, key, **head)
