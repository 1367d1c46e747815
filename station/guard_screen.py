"""What the guard screen shows, what guards ask for through it, and the gate that answers.

Workers only put these values into the gate's queue; the gate thread alone owns state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from station.core.model import Direction, Outcome, Text
from station.core.reasons import Reason
from station.core.signals import Signal

if TYPE_CHECKING:
    from concurrent.futures import Future


class Condition(StrEnum):
    """Health of one device, queue or link."""

    OK = "ok"
    DEGRADED = "degraded"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class HealthView:
    """Health of one part of the station as the screen shows it."""

    name: str
    condition: Condition
    detail: Text
    remedy: Text | None = None
    since_us: int = 0


@dataclass(frozen=True, slots=True)
class LaneView:
    """What happens at one lane now."""

    lane: str
    direction: Direction
    signal: Signal
    headline: Text
    next_step: Text
    door: str
    """State of the door machine (station.core.door.DoorState)."""
    who: str = ""
    """Masked name and class for the guard; empty where nobody stands there."""
    rule: str = ""
    since_us: int = 0
    awaiting_guard: bool = False
    number: str = ""
    """What phones or guards are asked to sign, 16 hexadecimal digits; empty where nothing is asked."""
    local: bool = False
    """Decided on local knowledge: the site's other gates have not been heard from."""
    forgivable: bool = False
    """Whether what keeps the person out is something a guard can forgive."""
    by_hand: bool = False
    """Whether the guard can enter what a hand thermometer shows."""
    turn: int = 0
    """Counts the people whose passes were taken up here: whose turn it is."""


@dataclass(frozen=True, slots=True)
class PassageView:
    """One line of the list of last passages. `name` is masked and lives in memory only."""

    seq: int
    wall_us: int
    lane: str
    direction: Direction
    outcome: Outcome
    reason: Reason
    rule: str
    text: Text
    name: str = ""


@dataclass(frozen=True, slots=True)
class StationView:
    """Everything the guard screen shows; published as a whole, never changed afterwards."""

    station: str
    lanes: tuple[LaneView, ...]
    passages: tuple[PassageView, ...]
    health: tuple[HealthView, ...]
    unacknowledged: int
    linked: bool
    now_us: int
    inside: int = 0
    """How many people are inside, as far as this station's passages tell."""
    announcement: Text | None = None
    """What the loudspeaker announces at this moment."""


class GuardVerb(StrEnum):
    """What a signed-in guard can ask of a lane."""

    OPEN = "open"
    DISMISS = "dismiss"
    FORGIVE = "forgive"


@dataclass(frozen=True, slots=True)
class GuardRequest:
    """A guard's wish, answered through `answer` once it is recorded and done (or refused)."""

    verb: GuardVerb
    lane: str
    operator: str
    why: str
    answer: Future[GuardAnswer] = field(compare=False)
    duress: bool = False
    """The guard signed in with the duress PIN: everything happens as always, and central is told."""
    turn: int | None = None
    """Whose turn it was when the guard began (LaneView.turn); None: for whoever is there now."""


@dataclass(frozen=True, slots=True)
class HandReading:
    """A guard enters what a hand thermometer shows of the person at a lane, degrees Celsius."""

    lane: str
    operator: str
    celsius: float
    answer: Future[GuardAnswer] = field(compare=False)
    duress: bool = False
    turn: int | None = None
    """As in GuardRequest."""


@dataclass(frozen=True, slots=True)
class VisitorRequest:
    """A guard wants a pass for a visitor, signed with the station's own key. `name`: masked, printed and not kept."""

    operator: str
    name: str
    hours: float
    answer: Future[VisitorAnswer] = field(compare=False)
    duress: bool = False


@dataclass(frozen=True, slots=True)
class VisitorAnswer:
    """The text of the visitor's pass; None where none could be issued, and why."""

    code: str | None
    text: Text
    expires: int = 0


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """Somebody entered a PIN. The gate thread counts failures and says how long to wait; it survives a restart."""

    operator: str
    correct: bool
    answer: Future[GuardAnswer] = field(compare=False)
    duress: bool = False
    """The PIN was the guard's second one, which calls for help."""


@dataclass(frozen=True, slots=True)
class GuardAnswer:
    """What became of a guard's request. `retry_after_s` > 0: sign-in is locked for so long."""

    accepted: bool
    text: Text
    retry_after_s: float = 0.0


ScreenRequest = GuardRequest | HandReading | VisitorRequest | SignInAttempt
"""What the guard screen puts into the gate's queue."""


class Gate(Protocol):
    """What the guard screen may ask of the gate thread."""

    def view(self) -> StationView:
        """The latest published view."""

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` (from the gate thread) after each new view; returns the function that ends it."""

    def sign_in_locked_s(self) -> float:
        """Seconds until a PIN may be tried again; 0 when now."""

    def submit(self, request: ScreenRequest) -> None:
        """Put the request into the gate's queue."""
