"""Values that every part of the station shares. Frozen, without behaviour beyond what the values themselves say."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from station.core.reasons import REASONS, Matter, Reason
from station.core.record import dataclass

Text = Mapping[str, str]
"""One message in every language of the station: {"zh": ..., "en": ...}."""

LANGUAGES = ("zh", "en")


class Direction(StrEnum):
    """The way an access point leads; a pass names the ways it is good for."""

    IN = "in"
    OUT = "out"


class PassClass(IntEnum):
    """Class of the credential holder, as numbered in the pass map (claim -65537, key 1)."""

    RESIDENT = 1
    VISITOR = 2
    WORKER = 3
    RETURNEE = 4
    VEHICLE = 5
    MEDIC = 6


class Status(IntEnum):
    """Two bits per pass in its issuer's status list."""

    OK = 0
    REVOKED = 1
    HOME_QUARANTINE = 2
    REFER = 3


class HealthCode(IntEnum):
    """The colour of the health code in the pass map (key 5)."""

    GREEN = 0
    YELLOW = 1
    RED = 2


class Outcome(StrEnum):
    """What a rule says: open, refuse, let the guard decide, measure the temperature or see a second pass first."""

    GRANT = "grant"
    DENY = "deny"
    REFER = "refer"
    MEASURE = "measure"
    ESCORT = "escort"


class Verdict(StrEnum):
    """The kind of a decision: who or what it is about."""

    GRANTED = "granted"
    PENDING = "pending"
    DENIED = "denied"
    CANNOT_DECIDE = "cannot-decide"
    STATION_FAULT = "station-fault"
    CLOCK = "clock"


class Band(StrEnum):
    """What a temperature screening said."""

    NOT_MEASURED = "not-measured"
    NORMAL = "normal"
    RAISED = "raised"
    COLD = "cold"
    TOO_FAR = "too-far"
    NO_READING = "no-reading"
    OUT_OF_RANGE = "out-of-range"
    FAULT = "fault"


class ClockState(StrEnum):
    """How far the station's clock can be trusted (pass-format, "Clock states")."""

    TRUSTED = "trusted"
    HOLDOVER = "holdover"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment as the station knows it. The core never reads a clock: it is handed one of these."""

    wall_us: int
    """Unix time, microseconds."""
    mono_us: int
    """Monotonic time since boot, microseconds; the only one deadlines are computed from."""
    state: ClockState = ClockState.TRUSTED
    uncertainty_s: float = 0.0
    """How far `wall_us` may be off, seconds."""

    @property
    def seconds(self) -> int:
        """Unix time in whole seconds, as passes and documents count it."""
        return self.wall_us // 1_000_000


@dataclass(frozen=True, slots=True)
class Health:
    """Health code and the day it was issued, in days since 1970-01-01."""

    code: HealthCode
    day: int


@dataclass(frozen=True, slots=True)
class Live:
    """What the holder's phone signed along with the pass: its time (Unix seconds), and the station's nonce if asked."""

    t: int
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A pass whose form and signature are good. Whether it opens anything here is the policy's business."""

    kid: bytes
    """Key id of the issuer, 4 bytes."""
    cti: bytes
    """Pass id, 8 random bytes: the only thing about the holder that the journal keeps."""
    not_before: int
    expires: int
    pass_class: PassClass
    home_zone: str
    """12-digit area code."""
    directions: frozenset[Direction]
    gates: frozenset[str] = frozenset()
    """Gates the pass is limited to; empty means every gate of its zones."""
    extra_zones: frozenset[str] = frozenset()
    health: Health | None = None
    name: str = ""
    """Masked by the issuer ("王*"); shown to the guard, never stored."""
    household: bytes | None = None
    plate: str = ""
    status_index: int | None = None
    phone_key: bytes | None = None
    """Compressed P-256 key of the holder's phone; None on paper passes."""
    live: Live | None = None
    """Present where the pass was shown live, and the phone's signature is good."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why something handed to the station was not accepted: a reason with its own code, and what exactly was wrong."""

    reason: Reason
    detail: str = ""
    credential: Credential | None = None
    """Present where form and signature were good and only the content speaks against it (expired, wrong gate ...)."""


@dataclass(frozen=True, slots=True)
class TemperatureReading:
    """Outcome of one screening. Skin temperature, not body temperature."""

    band: Band
    skin_c: float | None = None
    """What the sensor saw of the skin, calibrated, degrees Celsius; no statement about the body's core."""
    ambient_c: float | None = None
    samples: int = 0
    estimate_c: float | None = None
    """`skin_c` as it would be in a room of 23 degrees Celsius: the figure that the limits are compared with."""
    uncertainty_c: float | None = None
    """Of the estimate, two sigma (95 of 100), kelvin; the person's own difference of skin and core is not in it."""
    hand_c: float | None = None
    """What the guard's hand thermometer showed afterwards, degrees Celsius: `band` is then its band."""


NOT_MEASURED = TemperatureReading(Band.NOT_MEASURED)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the station decided about one presentation, and why."""

    outcome: Outcome
    reason: Reason
    rule: str
    """Identifier of the policy rule that fired, or of the built-in check ("check:expired")."""
    say: Text | None = None
    """The rule's own instruction to the person; None where the catalogue's text for the reason serves."""
    credential: Credential | None = None
    reading: TemperatureReading = NOT_MEASURED
    escort: Credential | None = None
    """The second pass that was shown with it."""
    local: bool = False
    """Decided on local knowledge: the other gates of the site have not been heard from."""

    @property
    def verdict(self) -> Verdict:
        """The kind of this decision."""
        if self.outcome is Outcome.GRANT:
            return Verdict.GRANTED
        if self.outcome in (Outcome.MEASURE, Outcome.ESCORT):
            return Verdict.PENDING
        return _VERDICT[REASONS[self.reason].matter]


_VERDICT = {
    Matter.NONE: Verdict.PENDING,
    Matter.HOLDER: Verdict.DENIED,
    Matter.UNDECIDED: Verdict.CANNOT_DECIDE,
    Matter.STATION: Verdict.STATION_FAULT,
    Matter.CLOCK: Verdict.CLOCK,
}
