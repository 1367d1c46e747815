"""Inputs for the readers, from noise to passes that are right but for one thing (hypothesis strategies).

Each strategy draws a few inputs at once: a strange value is tried in every place of a pass. Each input comes with
whether the office stands behind it: only then may a reader accept it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cbor2
from hypothesis import strategies as st

from station.core import base45, cose, live, timecode
from station.core import credential as passes
from station.core.credential import claims_map
from station.core.model import Live
from tests.passes import office
from tests.passes.mutants import CHARACTERS
from tests.passes.office import (
    CENTRAL,
    DAY_S,
    GUARD,
    NOW,
    PASSES,
    PHONE,
    STRANGER,
    VISITORS,
    ZONE,
    sign1,
    written,
)

PREFIXES = (passes.PREFIX, live.PREFIX, timecode.PREFIX)
PASS = office.pass_raw(PHONE)
LIVE = office.live_raw(PASS)
NONCE = live.NONCE_LENGTH
GOOD = (written(office.pass_raw()), written(LIVE, live.PREFIX), written(office.time_raw(), timecode.PREFIX))


@dataclass(frozen=True)
class Input:
    """A text, and whether a key of the office, or a phone with its pass, signed it as it is."""

    text: str
    signed: bool = False


# --- values ----------------------------------------------------------------------------------------------------------

EDGES = [0, 1, 2, 3, 6, 7, 23, 24, 255, 256, NOW, NOW + DAY_S, 2**32, 2**32 + 1, 2**40, 2**63 - 1, 2**63, 2**64, 2**70]
numbers = st.sampled_from([*EDGES, *(-edge for edge in EDGES)]) | st.integers(-(2**70), 2**70)
scalars = st.one_of(
    numbers,
    st.binary(max_size=66),
    st.sampled_from([bytes(size) for size in (4, 6, 8, 32, 33, 64)]),
    st.text(max_size=42),
    st.sampled_from([ZONE, "", "east", "time", "trust", ZONE[:11] + "１", "\n"]),
    st.sampled_from([True, False, None, 0.0, 1.0, float("inf"), 1e300]),
)
keys = st.integers(-4, 12) | st.sampled_from([passes.PASS, "type", "t", "nonce", True])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.builds(cbor2.CBORTag, st.sampled_from([0, 1, 2, 6, 17, 18, 24, 61, 98, 55_799]), inner),
    ),
    max_leaves=6,
)


def encoded(value: object, *, canonical: bool = True, tail: bytes = b"") -> bytes:
    """Encode a value in CBOR, deterministic or not; what cannot be encoded becomes nothing."""
    try:
        return cbor2.dumps(value, canonical=canonical) + tail
    except (cbor2.CBOREncodeError, ValueError, OverflowError, TypeError):
        return tail


tails = st.just(b"") | st.binary(max_size=3)
strange_bytes = st.builds(lambda v, c, t: encoded(v, canonical=c, tail=t), values, st.booleans(), tails)

# --- noise -----------------------------------------------------------------------------------------------------------


def _with_each_prefix(text: str) -> list[Input]:
    return [Input(text), *(Input(prefix + text) for prefix in PREFIXES)]


noise = st.one_of(
    st.text(max_size=40).map(_with_each_prefix),
    st.binary(max_size=300).map(lambda raw: _with_each_prefix(base45.encode(raw))),
    strange_bytes.map(lambda raw: _with_each_prefix(base45.encode(raw))),
)

# --- one thing exchanged, in every place -----------------------------------------------------------------------------

CLAIMS: dict[Any, Any] = dict(claims_map(PHONE))
ENTRIES: dict[Any, Any] = CLAIMS[passes.PASS]
COSE_KEY: dict[Any, Any] = CLAIMS[passes.CNF][1]
HEADER: dict[Any, Any] = {cose.ALG: cose.EDDSA, cose.KID: PASSES.kid}
TIME: dict[Any, Any] = {"type": timecode.TYPE, "t": NOW, "nonce": bytes(NONCE)}


def _contents(value: object) -> Iterator[object]:
    """Yield the claims with `value` in each place, and without each place."""
    yield value
    for name in (*range(3, 10), passes.PASS):
        yield {**CLAIMS, name: value}
        yield {key: kept for key, kept in CLAIMS.items() if key != name}
    for name in range(12):
        fields = {key: kept for key, kept in ENTRIES.items() if key != name}
        yield {**CLAIMS, passes.PASS: fields}
        yield {**CLAIMS, passes.PASS: {**fields, name: value}}
        yield {**CLAIMS, passes.PASS: {**fields, name: [value, value]}}
    for name in (*COSE_KEY, 3):
        yield {**CLAIMS, passes.CNF: {1: {**COSE_KEY, name: value}}}


def in_a_pass(value: object, *, canonical: bool, tail: bytes) -> Iterator[Input]:
    """Yield passes with `value` in each place: claims signed as they are, headers, and the parts of COSE."""
    for content in _contents(value):
        raw = sign1(encoded(content, canonical=canonical, tail=tail))
        yield Input(written(raw), signed=True)
    for name in (1, 4, 5):
        header = encoded({**HEADER, name: value}, canonical=canonical, tail=tail)
        yield Input(written(sign1(CLAIMS, protected=header)), signed=header == encoded(HEADER))
    pieces = list(cbor2.loads(PASS).value)
    for place in range(5):
        changed = encoded(cbor2.CBORTag(18, [*pieces[:place], value, *pieces[place + 1 :]]), tail=tail)
        yield Input(written(changed), signed=changed == PASS)


def in_a_presentation(value: Any, *, canonical: bool, tail: bytes) -> Iterator[Input]:
    """Yield live presentations with `value` as the pass, the time, the nonce, the signature; signed where it can be."""
    signature = office.es256(live.covered(PASS, Live(NOW)))
    rows: list[tuple[list[Any], bool]] = [([value, NOW, signature], False), ([PASS, NOW, value], False), (value, False)]
    for t, nonce in ((value, None), (NOW, value), (value, bytes(NONCE))):
        shown = [t] if nonce is None else [t, nonce]
        digest = hashlib.sha256(PASS).digest()
        rows.append(([PASS, *shown, office.es256(encoded([live.LABEL, digest, *shown]))], True))
    for row, signed in rows:
        yield Input(written(encoded(row, canonical=canonical, tail=tail), live.PREFIX), signed)


def in_a_time_code(value: object, *, canonical: bool, tail: bytes) -> Iterator[Input]:
    """Yield time codes with `value` in each place, signed by each kind of key."""
    for name in (*TIME, "zone"):
        body = encoded({**TIME, name: value}, canonical=canonical, tail=tail)
        for signer in (CENTRAL, GUARD, PASSES):
            yield Input(written(sign1(body, signer), timecode.PREFIX), signed=signer is not PASSES)


@st.composite
def everywhere(draw: st.DrawFn) -> list[Input]:
    """One strange value in every place; one time in five not deterministic, or with bytes after it."""
    value, chance = draw(values), draw(st.integers(0, 9))
    form: dict[str, Any] = {"canonical": chance != 0, "tail": b"\x00" if chance == 1 else b""}
    return [*in_a_pass(value, **form), *in_a_presentation(value, **form), *in_a_time_code(value, **form)]


# --- several things exchanged ----------------------------------------------------------------------------------------


@st.composite
def several(draw: st.DrawFn) -> list[Input]:
    """A pass with up to five claims exchanged at once, by each issuer, under its own key id and another's."""
    content = {**CLAIMS, **draw(st.dictionaries(st.sampled_from([4, 5, 7, 8]), values, max_size=2))}
    fields = draw(st.dictionaries(st.integers(1, 10), values, max_size=3))
    body = encoded({**content, passes.PASS: {**ENTRIES, **fields}})
    return [
        Input(written(sign1(body, signer, protected={**HEADER, cose.KID: named.kid})), signed=signer is named)
        for signer in (PASSES, VISITORS, CENTRAL, STRANGER)
        for named in (PASSES, VISITORS)
    ]


# --- good texts, damaged ---------------------------------------------------------------------------------------------

edits = st.lists(st.tuples(st.integers(0, 420), st.integers(0, 2), st.text(CHARACTERS, max_size=2)), max_size=8)


def _damaged(changes: list[tuple[int, int, str]]) -> list[Input]:
    texts = []
    for good in GOOD:
        text = good
        for place, removed, put in changes:
            text = text[:place] + put + text[place + removed :]
        texts.append(Input(text, signed=text == good))
    return texts


def _spliced(first: int, second: int) -> list[Input]:
    texts = [head[:first] + tail[second:] for head in GOOD for tail in GOOD]
    return [Input(text, signed=text in GOOD) for text in texts]


cuts = st.integers(0, 420)
inputs = st.one_of(
    noise,
    everywhere(),
    everywhere(),
    several(),
    edits.map(_damaged),
    st.builds(_spliced, cuts, cuts),
)
"""Lists of inputs."""
