"""What the journal keeps of decisions and passages: pseudonyms and measured values, never a name or a plate."""

from __future__ import annotations

from station.core.facts import word
from station.core.model import Band, Credential, Decision, TemperatureReading

Payload = dict[str, object]


def decision_payload(lane: str, direction: str, decision: Decision) -> Payload:
    """Return the payload of a decision."""
    payload: Payload = {
        "lane": lane,
        "dir": direction,
        # str() gives the plain text of a member in a sixth of the time that `.value` takes.
        "outcome": str(decision.outcome),
        "reason": str(decision.reason),
        "rule": decision.rule,
        "verdict": str(decision.verdict),
    }
    if credential := decision.credential:
        payload |= {
            "cti": credential.cti.hex(),
            "class": word(credential.pass_class),
            "kid": credential.kid.hex(),
        }
    if decision.escort:
        payload["escort"] = decision.escort.cti.hex()
    if decision.local:
        payload["knowledge"] = "local"
    if decision.reading.band is not Band.NOT_MEASURED:
        payload |= _measured(decision.reading)
    return payload


def _measured(reading: TemperatureReading) -> Payload:
    """Return the band, what the sensor saw, and what it makes of that; what is not known is left out."""
    payload: Payload = {"band": reading.band.value, "skin_c": reading.skin_c}
    if reading.estimate_c is not None:
        payload |= {"estimate_c": reading.estimate_c, "uncertainty_c": reading.uncertainty_c}
    return payload if reading.hand_c is None else payload | {"hand_c": reading.hand_c}


def holders(decision: Decision | None) -> tuple[Credential, ...]:
    """Return the people whom a decision lets through together."""
    both = (decision.credential, decision.escort) if decision else ()
    return tuple([credential for credential in both if credential is not None])


def entered_payload(lane: str, seq: int, direction: str, people: tuple[Credential, ...]) -> Payload:
    """Return the payload of a passage, with what the site's other gates must know of it."""
    payload: Payload = {"lane": lane, "of": seq, "what": "entered"}
    return payload | {"dir": direction, "who": [_pseudonyms(person) for person in people]} if people else payload


def _pseudonyms(person: Credential) -> dict[str, str]:
    household = {"household": person.household.hex()} if person.household else {}
    return {"cti": person.cti.hex(), **household}
