"""The published vectors: our reader agrees with every one of them, and they are what their makers make."""

from __future__ import annotations

import json
from collections import Counter

import cbor2
import pytest

from station.core.documents import DocumentType, Envelope, open_document
from station.core.facts import FACTS
from station.core.reasons import Reason
from tests.passes import office, reading
from tests.passes.vectors.__main__ import made

WORD_LISTS = {
    "ep1": {"foreign-text", "pass-unreadable", "pass-malformed", "pass-unknown-issuer", "pass-key-revoked"},
    "el1": {"live-malformed", "live-no-key", "live-forged", "pass-malformed", "pass-forged"},
    "et1": {"time-code-refused"},
    "trust": {"document-unsigned", "document-malformed", "document-out-of-role", "document-fast-forward"},
    "status": {"document-unsigned", "document-malformed", "document-out-of-role"},
    "policy": {"policy-unknown-fact", "policy-unknown-operator", "policy-invalid", "document-out-of-role"},
}


def _verdict(said: object) -> object:
    """Leave out what a reader says in its own words."""
    return {name: value for name, value in said.items() if name != "says"} if isinstance(said, dict) else said


@pytest.mark.parametrize("name", reading.NAMES)
def test_our_reader_agrees_with_every_vector(name):
    """From the file alone, each case gives the fields or the reason that the file states."""
    file = reading.load(name)
    wrong = {held.rule: held for held in reading.held(name, file) if _verdict(held.wanted) != _verdict(held.found)}
    assert not wrong


@pytest.mark.parametrize("name", reading.NAMES)
def test_the_files_are_what_their_makers_make(name):
    """Keys, signatures and texts come out the same again, byte for byte, and so does what our reader says of each."""
    if name == "el1" and not office.can_repeat_es256():
        pytest.skip("this OpenSSL makes no deterministic ECDSA signatures (3.2 and later do)")
    assert (reading.FOLDER / f"{name}.json").read_text("utf-8") == made(name), "python -m tests.passes.vectors --write"


@pytest.mark.parametrize("name", reading.NAMES)
def test_each_file_has_both_sides(name):
    """Each file holds accepted and refused cases, and the reasons that its reader is known for."""
    verdicts = [held.wanted for held in reading.held(name, reading.load(name)) if isinstance(held.wanted, dict)]
    reasons = {said["refused"] for said in verdicts if "refused" in said}
    assert reasons >= WORD_LISTS[name]
    assert name == "policy" or any("accepted" in said for said in verdicts)


def test_each_text_is_there_once():
    """No two cases share a text, so that none can hide behind another."""
    for name in ("ep1", "el1", "et1"):
        texts = Counter(case["text"] for case in reading.load(name)["cases"])
        assert texts.most_common(1)[0][1] == 1


def test_refusals_name_known_reasons():
    """Every reason in the files is one of the reason codes that the documentation lists."""
    for name in reading.NAMES:
        for held in reading.held(name, reading.load(name)):
            if isinstance(held.wanted, dict) and held.wanted.get("refused", "damaged") != "damaged":
                assert held.wanted["refused"] in {reason.value for reason in Reason}


def test_a_wrong_reader_would_be_seen(monkeypatch):
    """Where the reader believes every signature, or none, the comparison fails."""
    file = reading.load("ep1")
    for answer in (True, False):
        monkeypatch.setattr("station.core.cose.Signature.good", lambda *_, answer=answer: answer)
        with pytest.raises(AssertionError):
            assert all(_verdict(held.wanted) == _verdict(held.found) for held in reading.held("ep1", file))


def test_every_fact_is_given_for_decisions():
    """The facts of the policy's decisions are those that rules can ask about."""
    assert reading.load("policy")["facts"].keys() == FACTS.keys()


def test_the_policy_of_the_vectors_is_its_source():
    """The JSON source and the signed bytes say the same, so another implementer can start from either."""
    file = reading.load("policy")
    trust = reading.trust_of(file)
    found = open_document(bytes.fromhex(file["bytes"]), DocumentType.POLICY, trust, file["zone"])
    assert isinstance(found, Envelope)
    head = {"type", "seq", "iat", "exp", "prev"}
    assert {name: value for name, value in found.fields.items() if name not in head} == file["source"]


def _ascending(value: object) -> bool:
    """Say whether all maps inside have their keys in the order of their encoded bytes (RFC 8949, 4.2.1)."""
    if isinstance(value, dict):
        keys = [cbor2.dumps(key) for key in value]
        return keys == sorted(keys) and all(map(_ascending, value.values()))
    return all(map(_ascending, value)) if isinstance(value, list | tuple) else True


def _maps(raw: bytes) -> list[object]:
    """Return the CBOR inside a pass, a time code or a live presentation: headers and claims."""
    value = cbor2.loads(raw)
    if isinstance(value, list):
        return [value, *_maps(value[0])]
    return [cbor2.loads(value.value[0]), cbor2.loads(value.value[2])]


@pytest.mark.parametrize("name", ["ep1", "el1", "et1"])
def test_both_orders_of_map_keys_are_the_same_here(name):
    """RFC 8949 knows two orders of map keys, by bytes (4.2.1) and by length first (4.2.3): here they never differ."""
    raws = [bytes.fromhex(case["bytes"]) for case in reading.load(name)["cases"] if "accepted" in case]
    assert raws
    assert all(_ascending(one) for raw in raws for one in _maps(raw))


def test_files_are_plain_json():
    """Another implementer needs nothing but a JSON reader: no number is beyond 2^53, no key is there twice."""

    def once(pairs):
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    def small(text):
        assert abs(int(text)) <= 2**53
        return int(text)

    for name in reading.NAMES:
        text = (reading.FOLDER / f"{name}.json").read_text("utf-8")
        json.loads(text, object_pairs_hook=once, parse_int=small)
