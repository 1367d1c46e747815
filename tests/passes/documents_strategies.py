"""Documents that are right but for something: trust bundles, roots, manifests, policies, delegations, notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from station.core import peers
from station.core.documents import DocumentType, Envelope, open_document, open_trust
from station.core.model import Rejected
from station.core.policy_reader import read_policy
from station.core.reasons import Reason
from station.core.status import read_deltas, read_manifest
from station.core.succession import RootSet, open_roots, read_delegation
from tests.passes import office
from tests.passes.office import CENTRAL, NEXT_ROOTS, PASSES, ROOTS, STATION, STRANGER, ZONE
from tests.passes.rules import SOURCE
from tests.passes.strategies import encoded, strange_bytes, values

SITE, STATION_ID = "north", "station-07"


@dataclass(frozen=True)
class Paper:
    """A document of a kind. `signed`: by those who may, as it is."""

    kind: str
    raw: bytes
    signed: bool = False


CONTENT: Mapping[str, dict[str, Any]] = {
    "trust": office.payload("trust", {"keys": office.key_rows()}),
    "roots": office.payload("roots", {"roots": [root.public for root in NEXT_ROOTS]}, seq=2),
    "status": office.payload("status", {"issuers": [[PASSES.kid, 5, [bytes(32)]]], "revoked": [STRANGER.kid]}),
    "policy": office.payload("policy", SOURCE),
    "delegation": office.payload("delegation", {"station": STATION_ID, "pub": STATION.public}, exp=office.NOW + 3600),
    "peer": {"type": "peer", "site": SITE, "iat": office.NOW, "passages": [[bytes(8), bytes(6), 1, office.NOW]]},
}
SIGNERS = {"status": CENTRAL, "policy": CENTRAL, "delegation": PASSES, "peer": CENTRAL}


def _places(value: Any, depth: int = 4) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each place inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside if depth else ():
        yield (name,)
        yield from ((name, *rest) for rest in _places(item, depth - 1))


def _put(value: Any, way: tuple[Any, ...], new: object) -> Any:
    """Return a copy with `new` in a place; without the place where `new` is GONE."""
    copy = value.copy()
    if len(way) > 1:
        copy[way[0]] = _put(value[way[0]], way[1:], new)
    elif new is GONE:
        del copy[way[0]]
    else:
        copy[way[0]] = new
    return copy


def _signed(kind: str, body: bytes, *, wrong: bool) -> Paper:
    if kind in ("trust", "roots"):
        both = (*ROOTS[:2], *NEXT_ROOTS[:2]) if kind == "roots" else ROOTS[:2]
        return Paper(kind, office.sign_many(body, (ROOTS[0], STRANGER) if wrong else both), not wrong)
    return Paper(kind, office.sign1(body, STRANGER if wrong else SIGNERS[kind]), not wrong)


GONE = object()
PLACES = {kind: list(_places(content)) for kind, content in CONTENT.items()}


@st.composite
def changed(draw: st.DrawFn) -> list[Paper]:
    """Each kind of document with one value in eight places, one in five signed by somebody who may not."""
    value, chance, skipped = draw(values | st.just(GONE)), draw(st.integers(0, 9)), draw(st.integers(0, 200))
    found = []
    for kind, content in CONTENT.items():
        places = PLACES[kind]
        for number in range(8):
            way = places[(skipped + number * 13) % len(places)]
            body = encoded(_put(content, way, value), canonical=chance != 0, tail=b"\x00" if chance == 1 else b"")
            found.append(_signed(kind, body, wrong=(number + skipped) % 5 == 0))
    return found


kinds = [*sorted(CONTENT), "deltas"]
noise = (st.binary(max_size=200) | strange_bytes).map(
    lambda raw: [Paper(kind, raw, signed=kind == "deltas") for kind in kinds]
)
rows = st.lists(st.lists(st.binary(max_size=9) | values, max_size=5) | values, max_size=3)
deltas = rows.map(lambda row: [Paper("deltas", encoded(row), signed=True)])
papers = st.one_of(changed(), changed(), noise, deltas)
"""Lists of documents."""


# --- the readers -----------------------------------------------------------------------------------------------------


def _document(kind: DocumentType, then: Callable[[Envelope], object]) -> Callable[[bytes], object]:
    def read_one(raw: bytes) -> object:
        found = open_document(raw, kind, office.trust(), ZONE)
        return then(found) if isinstance(found, Envelope) else found

    return read_one


def _deltas(raw: bytes) -> object:
    try:
        return read_deltas(raw)
    except ValueError as error:
        return Rejected(Reason.STATUS_CHUNK_MISMATCH, str(error))


_ROOTS = RootSet(1, tuple(root.public for root in ROOTS))
_READERS: dict[str, Callable[[bytes], object]] = {
    "trust": lambda raw: open_trust(raw, [root.public for root in ROOTS]),
    "roots": lambda raw: open_roots(raw, _ROOTS),
    "status": _document(DocumentType.STATUS, read_manifest),
    "policy": _document(DocumentType.POLICY, read_policy),
    "delegation": _document(
        DocumentType.DELEGATION, lambda found: read_delegation(found, office.trust(), STATION_ID, ZONE)
    ),
    "peer": lambda raw: peers.open_notice(raw, office.trust(), SITE, ZONE),
    "deltas": _deltas,
}


def read(paper: Paper) -> object:
    """Hand a document to its reader."""
    return _READERS[paper.kind](paper.raw)
