"""Who comes to the gate in the demo, what they hold up, and what must become of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.core.documents import kid_of
from station.core.model import Direction, PassClass, Status
from sync.central.keys import SigningKey, public_bytes
from tests.demo.office import ELSEWHERE, Office

WARM, FEVER, COLD = 36.4, 38.3, 31.0
Expected = tuple[str, str]
"""(outcome, reason)."""

GRANTED: Expected = ("grant", "granted")


@dataclass(frozen=True)
class Visit:
    """One person at one lane. `codes`: what they hold up, as the scene twin understands it."""

    name: str
    lane: str
    codes: tuple[dict[str, object], ...]
    expected: tuple[Expected, ...] = (GRANTED,)
    face_c: float = WARM
    sensor_fault: str | None = None
    passes: bool = True
    """Walks through once the door is unlocked."""
    guard: str = ""
    """What the guard does about it: "open", "dismiss" or nothing."""
    notice: str = ""
    """Zone level that a new policy sets before this person comes."""
    incident: str = ""
    """What breaks just before: "broker" or "power"."""
    scene: dict[str, object] = field(default_factory=dict)


def phone(text: str, **more: object) -> dict[str, object]:
    """A pass on a phone."""
    return {"text": text, "medium": "phone", "size": 0.5, **more}


def paper(text: str, **more: object) -> dict[str, object]:
    """A pass on paper."""
    return {"text": text, "medium": "paper", "size": 0.5, **more}


def deny(reason: str) -> tuple[Expected, ...]:
    """Expect one refusal."""
    return (("deny", reason),)


def refer(reason: str) -> tuple[Expected, ...]:
    """Expect one referral to the guard."""
    return (("refer", reason),)


def altered(text: str) -> str:
    """Change one character in the middle of a pass."""
    middle = len(text) * 2 // 3
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def _stranger() -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(kid_of(public_bytes(private)), private)


def _impostor(office: Office) -> SigningKey:
    """A forger's key under the office's own key id."""
    return SigningKey(office.passes.kid, Ed25519PrivateKey.generate())


def crowd(office: Office) -> list[Visit]:
    """Issue everybody's pass and list the visits in their order; every one comes once whatever the time."""
    issue = office.issue
    resident, quarantined = issue(), issue(name="陈*", status=Status.HOME_QUARANTINE)
    cold, fevered = issue(name="赵*"), issue(name="钱*")
    return [
        Visit("resident comes home", "in", (phone(resident),)),
        Visit("resident leaves", "out", (phone(issue()),)),
        Visit("visitor by appointment", "in", (phone(issue(PassClass.VISITOR, name="李*", days=(0, 1))),)),
        Visit("worker", "out", (phone(issue(PassClass.WORKER, name="周*")),)),
        Visit("vehicle, green channel", "in", (paper(issue(PassClass.VEHICLE, plate="苏F·12345")),)),
        Visit("expired pass", "in", (phone(issue(days=(-40, -10))),), deny("pass-expired")),
        Visit("not valid yet", "in", (phone(issue(days=(2, 30))),), deny("pass-not-yet-valid")),
        Visit("forged under the office's key id", "in", (phone(issue(key=_impostor(office))),), deny("pass-forged")),
        Visit("issuer nobody knows", "in", (phone(issue(key=_stranger())),), deny("pass-unknown-issuer")),
        Visit("one character altered", "in", (phone(altered(resident)),), _any_forgery()),
        Visit("revoked", "in", (phone(issue(status=Status.REVOKED)),), deny("pass-revoked")),
        Visit("home quarantine, leaving", "out", (phone(quarantined),), deny("home-quarantine")),
        Visit("fever, measured again by hand", "in", (phone(fevered),), _fever(), face_c=FEVER, guard="open"),
        Visit("face cold from outside", "in", (phone(cold),), deny("face-cold"), face_c=COLD),
        Visit(
            "thermometer fails",
            "in",
            (phone(issue()),),
            refer("thermometer-fault"),
            sensor_fault="nack",
            guard="dismiss",
        ),
        Visit("pass for another compound", "in", (phone(issue(zone=ELSEWHERE)),), deny("wrong-gate")),
        Visit("pass for another gate", "in", (phone(issue(gates=frozenset({"west"}))),), deny("wrong-gate")),
        Visit(
            "pass for coming only",
            "out",
            (phone(issue(directions=frozenset({Direction.IN}))),),
            deny("wrong-direction"),
        ),
        Visit("web link", "in", (phone("https://example.org/menu?table=7"),), deny("foreign-link")),
        Visit("payment code", "in", (phone("wxp://f2f0abcdefghijklmnop"),), deny("payment-code")),
        Visit("the cold face, warmed up", "in", (phone(cold),)),
        Visit("two passes in one frame", "in", _two(issue(), issue()), deny("one-at-a-time")),
        Visit("upside down", "out", (phone(issue(), roll_deg=180),)),
        Visit("dark mode", "out", (phone(issue(), dark=True),), incident="broker"),
        Visit("creased paper", "out", (paper(issue(), creased=True),)),
        Visit("granted, then goes away", "out", (phone(issue()),), passes=False),
        Visit("resident at a tilt", "out", (phone(issue(), yaw_deg=20, pitch_deg=12, roll_deg=15),)),
        Visit("resident after a power cut", "in", (phone(issue()),), incident="power"),
        Visit("zone closed to leaving", "out", (phone(issue()),), deny("zone-closed"), notice="control"),
        Visit("medic leaves all the same", "out", (phone(issue(PassClass.MEDIC, name="孙*")),)),
    ]


def more_residents(office: Office) -> Callable[[int], Visit]:
    """Return a maker of further visits, for as long as the demo runs."""

    def visit(number: int) -> Visit:
        code = phone(office.issue(PassClass.MEDIC, name="吴*"), roll_deg=(number * 37) % 30 - 15)
        return Visit(f"passer-by {number}", "out", (code,), scene={"seed": int(time.time()) % 1000 + number})

    return visit


def _two(first: str, second: str) -> tuple[dict[str, object], ...]:
    return phone(first, x=-0.62, size=0.42), phone(second, x=0.62, size=0.42)


def _fever() -> tuple[Expected, ...]:
    return ("refer", "fever-raised"), ("grant", "override")


def _any_forgery() -> tuple[Expected, ...]:
    return deny("pass-forged")
