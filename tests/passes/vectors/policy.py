"""Vectors of the policy: a document of fifteen rules, which rule fires for which facts, and documents refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from station.core import cose
from station.core.reasons import Reason
from tests.passes import office
from tests.passes.office import CENTRAL, NOW, PASSES, STRANGER, ZONE, payload, sign1
from tests.passes.rules import BASE, RULES, SOURCE
from tests.passes.vectors.cases import Case, head, keys_of, refused


def document() -> dict[str, object]:
    """Return the file's content."""
    raw = _signed(SOURCE)
    return {
        **head("A policy: its signed document, the rule that fires for each set of facts, and documents refused."),
        "keys": keys_of(CENTRAL, PASSES, STRANGER),
        "source": SOURCE,
        "bytes": raw.hex(),
        "facts": BASE,
        "decisions": list(_decisions()),
        "levels": [
            {"zone": ZONE, "level": "precaution"},
            {"zone": "320611009009", "level": "control"},
            {"zone": "320600000000", "level": "open"},
            {"zone": "110101001001", "level": "open"},
        ],
        "risks": [
            {"zone": "110101001001", "risk": "medium"},
            {"zone": "110201001001", "risk": "high"},
            {"zone": ZONE, "risk": "unknown"},
        ],
        "refusals": [*_signatures(_signed(SMALL)), *_contents()],
    }


def _signed(fields: Mapping[str, Any], signer: office.Key = CENTRAL, **head_fields: object) -> bytes:
    return sign1(payload("policy", fields, **head_fields), signer)


# --- decisions -------------------------------------------------------------------------------------------------------


def _decisions() -> Iterator[dict[str, object]]:
    """Yield what differs from the file's `facts`, and the id of the rule that fires (null: none does)."""
    for rule, changes in (
        ("welcome", {}),
        ("measure", {"temperature": "not-measured"}),
        ("welcome", {"temperature": "not-measured", "direction": "out"}),
        ("welcome", {"temperature": "not-measured", "zone_level": "open"}),
        ("quarantine-leaving", {"status": "home-quarantine", "direction": "out"}),
        ("watched", {"status": "home-quarantine"}),
        ("watched", {"status": "refer"}),
        ("closed-to-leaving", {"zone_level": "control", "direction": "out"}),
        ("welcome", {"zone_level": "control", "direction": "out", "class": "medic"}),
        ("register-first", {"class": "returnee", "home_risk": "high"}),
        ("welcome", {"class": "returnee", "home_risk": "low"}),
        ("code-not-green", {"health": "yellow"}),
        ("code-not-green", {"health": "red", "health_age_days": 9}),
        ("welcome", {"health_age_days": 3}),
        ("test-due", {"health_age_days": 4}),
        ("welcome", {"health": "none", "health_age_days": None}),
        ("visitors-live", {"class": "visitor", "medium": "paper"}),
        ("visitors-live", {"class": "visitor", "medium": "phone-static", "minute_of_day": 0}),
        ("visitors-by-day", {"class": "visitor", "minute_of_day": 1260}),
        ("visitors-by-day", {"class": "visitor", "minute_of_day": 0}),
        ("visitors-by-day", {"class": "visitor", "minute_of_day": 479}),
        ("visitors-escorted", {"class": "visitor", "minute_of_day": 480}),
        ("visitors-escorted", {"class": "visitor", "minute_of_day": 1259}),
        ("visitors-escorted", {"class": "visitor", "minute_of_day": None}),
        ("welcome", {"class": "visitor", "escort": "resident"}),
        ("quota", {"quota": "used"}),
        ("welcome", {"quota": "left"}),
        ("passback", {"passback": "violation"}),
        ("welcome", {"passback": "violation", "last_passage_minutes": 600}),
        ("welcome", {"passback": "violation", "day": "holiday"}),
        ("passback", {"passback": "violation", "day": None}),
        ("fever", {"temperature": "raised"}),
        ("green-channel", {"class": "vehicle", "temperature": "not-measured"}),
        (None, {"clock": "lost"}),
        (None, {"weekday": None}),
        (None, {"status_age_hours": 169}),
    ):
        yield {"changes": changes, "at": NOW, "rule": rule}
    returnee = {"class": "returnee", "home_risk": "high"}
    for at, rule in (
        (NOW - 86_401, "welcome"),
        (NOW - 86_400, "register-first"),
        (NOW + 86_400, "register-first"),
        (NOW + 86_401, "welcome"),
    ):
        yield {"changes": returnee, "at": at, "rule": rule}


# --- refusals --------------------------------------------------------------------------------------------------------


def _signatures(raw: bytes) -> Iterator[Case]:
    named = {cose.ALG: cose.EDDSA, cose.KID: CENTRAL.kid}
    forged = sign1(payload("policy", SMALL), STRANGER, protected=named)
    far = office.key_row(CENTRAL, [office.Role.POLICY], ["11"])
    for rule, odd, reason in (
        ("a key without the role policy", _signed(SMALL, PASSES), Reason.DOCUMENT_OUT_OF_ROLE),
        ("a key that the trust bundle does not name", _signed(SMALL, STRANGER), Reason.DOCUMENT_OUT_OF_ROLE),
        ("a manifest is no policy", sign1(payload("status", SMALL), CENTRAL), Reason.DOCUMENT_OUT_OF_ROLE),
        ("another key's signature", forged, Reason.DOCUMENT_UNSIGNED),
        ("one bit of the signature", raw[:-1] + bytes((raw[-1] ^ 1,)), Reason.DOCUMENT_UNSIGNED),
        ("nothing follows", raw + b"\x00", Reason.DOCUMENT_MALFORMED),
    ):
        yield refused(rule, {"bytes": odd.hex()}, reason)
    elsewhere = {"bytes": raw.hex(), "trust": office.trust_raw([far]).hex()}
    yield refused("a key for other zones", elsewhere, Reason.DOCUMENT_OUT_OF_ROLE)


SMALL: dict[str, Any] = {"rules": [RULES[-1]], "utc_offset_minutes": 480}


def _with(**changes: object) -> dict[str, Any]:
    """Return a policy of one rule with fields changed, or left out where they are None."""
    return {name: value for name, value in {**SMALL, **changes}.items() if value is not None}


def _first(**changes: object) -> dict[str, Any]:
    """Return a policy of one rule, the rule changed."""
    row = {name: value for name, value in {**RULES[-1], **changes}.items() if value is not None}
    return _with(rules=[row])


def _quota(**changes: object) -> dict[str, Any]:
    row = copy.deepcopy(SOURCE["quotas"][0])
    return _with(quotas=[{name: value for name, value in {**row, **changes}.items() if value is not None}])


def _contents() -> Iterator[Case]:
    fact, name, invalid = Reason.POLICY_UNKNOWN_FACT, Reason.POLICY_UNKNOWN_OPERATOR, Reason.POLICY_INVALID
    for rule, fields, reason in (
        ("known facts", _first(when={"shoe_size": {"gt": 40}}), fact),
        ("known operators", _first(when={"direction": {"like": "in"}}), name),
        ("operators of numbers are for numbers", _first(when={"class": {"gt": "worker"}}), invalid),
        ("a fact's own values", _first(when={"direction": {"eq": "up"}}), invalid),
        ("a fact's own range", _first(when={"minute_of_day": {"lt": 1440}}), invalid),
        ("a number is no text", _first(when={"weekday": {"eq": "1"}}), invalid),
        ("in takes a list", _first(when={"direction": {"in": "in"}}), invalid),
        ("between takes two ends", _first(when={"weekday": {"between": [1]}}), invalid),
        ("between takes two different ends", _first(when={"weekday": {"between": [1, 1]}}), invalid),
        ("conditions are there", _first(when=None), invalid),
        ("a rule has an id", _first(id=None), invalid),
        ("no id twice", _with(rules=[RULES[0], RULES[0]]), invalid),
        ("a version is at least 1", _first(version=0), invalid),
        ("a known outcome", _first(outcome="maybe"), invalid),
        ("a known reason", _first(reason="dislike"), invalid),
        ("nobody is denied for a fault of the station", _first(outcome="deny", reason="clock-lost"), invalid),
        ("nobody is referred for being granted", _first(outcome="refer", reason="granted"), invalid),
        ("both languages", _first(describe={"en": "x"}), invalid),
        ("no third language", _first(describe={"zh": "x", "en": "x", "fr": "x"}), invalid),
        ("a rule has no other key", _first(colour="red"), invalid),
        ("a rule ends after it begins", _first(**{"from": 2, "to": 1}), invalid),
        ("a policy has no other key", _with(colour="red"), invalid),
        ("rules are there", _with(rules=None), invalid),
        ("an offset from UTC is there", _with(utc_offset_minutes=None), invalid),
        ("an offset is at most 14 hours", _with(utc_offset_minutes=841), invalid),
        ("a known level", _with(zones={ZONE: "closed"}), invalid),
        ("a prefix has at most 12 digits", _with(zones={"0" * 13: "open"}), invalid),
        ("a known risk", _with(risks={"11": "extreme"}), invalid),
        ("a holiday is a date", _with(holidays=["yesterday"]), invalid),
        ("a quota is per household or pass", _quota(per="street"), invalid),
        ("a quota allows something", _quota(passages=0), invalid),
        ("a quota counts over at most 7 days", _quota(days=8), invalid),
        ("a quota's classes are known", _quota(classes=["king"]), invalid),
        ("a quota is explained in both languages", _quota(describe=None), invalid),
        ("nothing but a lost clock is degraded to a nonce", _with(degraded={"station": "nonce"}), invalid),
        ("the holder's matter is not degraded", _with(degraded={"holder": "refer"}), invalid),
    ):
        yield refused(rule, {"bytes": _signed(fields).hex()}, reason)
