"""What the journal keeps of decisions and passages: pseudonyms and measured values, never a name or a plate."""

from __future__ import annotations

from station.core.model import Band, Credential, Decision

Payload = dict[str, object]


def decision_payload(lane: str, direction: str, decision: Decision) -> Payload:
    """Return the payload of a decision."""
    payload: Payload = {
        "lane": lane,
        "dir": direction,
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "rule": decision.rule,
        "verdict": decision.verdict.value,
    }
    if credential := decision.credential:
        payload |= {
            "cti": credential.cti.hex(),
            "class": credential.pass_class.name.lower(),
            "kid": credential.kid.hex(),
        }
    if decision.escort:
        payload["escort"] = decision.escort.cti.hex()
    if decision.local:
        payload["knowledge"] = "local"
    if decision.reading.band is not Band.NOT_MEASURED:
        payload |= {"band": decision.reading.band.value, "skin_c": decision.reading.skin_c}
    return payload


def holders(decision: Decision | None) -> tuple[Credential, ...]:
    """Return the people whom a decision lets through together."""
    both = (decision.credential, decision.escort) if decision else ()
    return tuple(credential for credential in both if credential is not None)


def entered_payload(lane: str, seq: int, direction: str, people: tuple[Credential, ...]) -> Payload:
    """Return the payload of a passage, with what the site's other gates must know of it."""
    payload: Payload = {"lane": lane, "of": seq, "what": "entered"}
    return payload | {"dir": direction, "who": [_pseudonyms(person) for person in people]} if people else payload


def _pseudonyms(person: Credential) -> dict[str, str]:
    household = {"household": person.household.hex()} if person.household else {}
    return {"cti": person.cti.hex(), **household}
