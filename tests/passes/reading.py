"""Holds our reader against a file of vectors, from what the file says alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from station.core import live, scan
from station.core.documents import DocumentType, Envelope, HighWater, TrustBundle, admit, open_document, open_trust
from station.core.facts import Facts
from station.core.model import ClockState, Instant, Live, Rejected, Status
from station.core.policy import Policy
from station.core.policy_reader import read_policy
from station.core.status import CHUNK_BYTES, StatusManifest, gather, read_deltas, read_manifest, write_entry
from station.core.succession import RootSet, open_roots, read_delegation, with_own_key
from tests.passes.vectors.cases import as_json

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "vectors"
NAMES = ("ep1", "el1", "et1", "trust", "status", "policy")

File = Mapping[str, Any]


class Held(NamedTuple):
    """What a case is about, what the file says of it, what the reader says; the case itself where it has a verdict."""

    rule: str
    wanted: object
    found: object
    case: Mapping[str, Any] | None = None


def load(name: str) -> File:
    """Return a file's content."""
    content: File = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


def held(name: str, file: File) -> Iterator[Held]:
    """Yield every case of a file with the reader's own answer."""
    return READERS[name](file)


def trust_of(file: File) -> TrustBundle:
    """Return the file's trust bundle, verified against its roots, without the keys that it calls revoked."""
    bundle = open_trust(bytes.fromhex(file["trust"]), [bytes.fromhex(root) for root in file["roots"]])
    assert isinstance(bundle, TrustBundle), bundle
    return with_own_key(bundle, None, frozenset(bytes.fromhex(kid) for kid in file.get("revoked", ())))


def _held(case: Mapping[str, Any], found: Mapping[str, object]) -> Held:
    return Held(
        case["rule"], {name: case[name] for name in ("accepted", "refused", "says") if name in case}, found, case
    )


# --- texts -----------------------------------------------------------------------------------------------------------


def _texts(file: File) -> Iterator[Held]:
    trust = trust_of(file)
    for case in file["cases"]:
        yield _held(case, as_json(scan.read(case["text"], trust, file["zone"])))
    for case in file.get("moments", ()):
        nonce = bytes.fromhex(case["nonce"]) if case["nonce"] else None
        shown = frozenset(bytes.fromhex(one) for one in case["nonces_shown"])
        now = Instant(file["now"] * 1_000_000, 0, ClockState.HOLDOVER, case["uncertainty_s"])
        why = live.not_fresh(Live(file["now"] - case["late_s"], nonce), shown, now)
        yield Held(f"{case['late_s']} s late, nonce {case['nonce']}", case["refused"], why and why.value)


# --- documents -------------------------------------------------------------------------------------------------------


def _trust(file: File) -> Iterator[Held]:
    roots, trust = [bytes.fromhex(root) for root in file["roots"]], trust_of(file)
    for case in file["bundles"]:
        yield _held(case, as_json(open_trust(bytes.fromhex(case["bytes"]), roots)))
    current = file["roots_in_force"]
    in_force = RootSet(current["number"], tuple(bytes.fromhex(key) for key in current["keys"]))
    for case in file["successions"]:
        found = open_roots(bytes.fromhex(case["bytes"]), in_force)
        if isinstance(found, Rejected):
            yield _held(case, as_json(found))
        else:
            yield _held(case, {"accepted": {"number": found.number, "keys": [key.hex() for key in found.keys]}})
    for case in file["delegations"]:
        found = open_document(bytes.fromhex(case["bytes"]), DocumentType.DELEGATION, trust, file["zone"])
        if isinstance(found, Envelope):
            found = read_delegation(found, trust, file["station"], file["zone"])
        yield _held(case, as_json(found))
    for case in file["orders"]:
        yield Held(case["rule"], case["refused"], _admitted(case, trust, file))


def _admitted(case: Mapping[str, Any], trust: TrustBundle, file: File) -> str | None:
    def opened(raw: str) -> Envelope:
        envelope = open_document(bytes.fromhex(raw), DocumentType.STATUS, trust, file["zone"])
        assert isinstance(envelope, Envelope), envelope
        return envelope

    newest = opened(case["newest_seen"]) if case["newest_seen"] else None
    seen = {newest.signers[0]: HighWater(newest.seq, newest.hash)} if newest else {}
    now = Instant(file["now"] * 1_000_000, 0, ClockState(case["clock"]), case["uncertainty_s"])
    why = admit(opened(case["bytes"]), opened(case["in_force"]) if case["in_force"] else None, seen, now)
    return why.reason.value if why else None


# --- status ----------------------------------------------------------------------------------------------------------


def _chunk(described: Mapping[str, Any]) -> bytes:
    raw = bytearray(CHUNK_BYTES)
    for index, status in described["entries"].items():
        write_entry(raw, int(index), Status(status))
    assert hashlib.sha256(raw).hexdigest() == described["sha256"]
    return bytes(raw)


def _status(file: File) -> Iterator[Held]:
    trust, manifests = trust_of(file), []
    for case in file["manifests"]:
        found = open_document(bytes.fromhex(case["bytes"]), DocumentType.STATUS, trust, file["zone"])
        if isinstance(found, Envelope):
            found = read_manifest(found)
        if isinstance(found, StatusManifest):
            manifests.append(found)
        yield _held(case, {"accepted": _manifest(found)} if isinstance(found, StatusManifest) else as_json(found))
    chunks = {described["name"]: _chunk(described) for described in file["chunks"]}
    for case in file["lookups"]:
        at_hand = [raw for name, raw in chunks.items() if name not in case.get("without", ())]
        status = gather(manifests[0], at_hand).lookup(bytes.fromhex(case["kid"]), case["index"])
        yield Held(case["rule"], case["status"], None if status is None else int(status))
    for case in file["deltas"]:
        yield _held(case, _deltas(bytes.fromhex(case["bytes"]), chunks))


def _manifest(manifest: StatusManifest) -> dict[str, object]:
    issuers = [
        {"kid": kid.hex(), "entries": one.entries, "chunks": [chunk.hex() for chunk in one.chunks]}
        for kid, one in manifest.issuers.items()
    ]
    return {"issuers": issuers, "revoked": sorted(kid.hex() for kid in manifest.revoked)}


def _deltas(raw: bytes, chunks: Mapping[str, bytes]) -> dict[str, object]:
    names = {hashlib.sha256(chunk).digest(): name for name, chunk in chunks.items()}
    bases = {digest[:8]: name for digest, name in names.items()}
    try:
        deltas = read_deltas(raw)
    except ValueError:
        return {"refused": "damaged", "says": ""}
    rows = []
    for delta in deltas:
        base = bases[delta.base]
        made = hashlib.sha256(delta.apply(chunks[base])).digest()
        assert made[:8] == delta.target
        rows.append({"from": base, "to": names[made]})
    return {"accepted": {"deltas": rows}}


# --- policy ----------------------------------------------------------------------------------------------------------


def _policy(file: File) -> Iterator[Held]:
    trust = trust_of(file)
    policy = read_signed_policy(bytes.fromhex(file["bytes"]), trust, file["zone"])
    assert isinstance(policy, Policy), policy
    ids = [row["id"] for row in file["source"]["rules"]]
    yield Held("the source is what was signed", ids, [rule.id for rule in policy.rules])
    for case in file["decisions"]:
        facts = facts_of({**file["facts"], **case["changes"]})
        rule = policy.first_match(facts, case["at"])
        yield Held(f"{case['changes']} at {case['at']}", case["rule"], rule and rule.id)
    for case in file["levels"]:
        yield Held(f"level of {case['zone']}", case["level"], policy.level(case["zone"]))
    for case in file["risks"]:
        yield Held(f"risk of {case['zone']}", case["risk"], policy.risk(case["zone"]))
    for case in file["refusals"]:
        believed = trust_of({**file, "trust": case["trust"]}) if "trust" in case else trust
        found = read_signed_policy(bytes.fromhex(case["bytes"]), believed, file["zone"])
        yield _held(case, as_json(found) if isinstance(found, Rejected) else {"accepted": {}})


def read_signed_policy(raw: bytes, trust: TrustBundle, zone: str) -> Policy | Rejected:
    """Verify and read a policy document."""
    found = open_document(raw, DocumentType.POLICY, trust, zone)
    return read_policy(found) if isinstance(found, Envelope) else found


def facts_of(named: Mapping[str, Any]) -> Facts:
    """Return facts from their names in rules."""
    return Facts(**{"pass_class" if name == "class" else name: value for name, value in named.items()})


READERS: dict[str, Callable[[File], Iterator[Held]]] = {
    "ep1": _texts,
    "el1": _texts,
    "et1": _texts,
    "trust": _trust,
    "status": _status,
    "policy": _policy,
}
