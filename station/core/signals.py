"""What a lane tells people: one signal per situation, as one table of colour, blink, sound and voice.

Colour never stands alone: each signal has its own blink pattern, its own sound and (on the screen) its own shape.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from station.core.record import dataclass


class Signal(StrEnum):
    """The situation at a lane, as person and guard should perceive it."""

    READY = "ready"
    MEASURING = "measuring"
    ESCORTING = "escorting"
    GRANTED = "granted"
    DENIED = "denied"
    REFERRED = "referred"
    STATION_FAULT = "station-fault"
    ALARM = "alarm"
    EVACUATE = "evacuate"
    OUT_OF_SERVICE = "out-of-service"


URGENCY = (
    Signal.EVACUATE,
    Signal.OUT_OF_SERVICE,
    Signal.GRANTED,
    Signal.STATION_FAULT,
    Signal.DENIED,
    Signal.REFERRED,
    Signal.ESCORTING,
    Signal.MEASURING,
    Signal.ALARM,
    Signal.READY,
)
"""Which signal a lamp shows that several lanes share: rather what concerns somebody who stands there."""


class Rank(IntEnum):
    """What the loudspeaker says outranks what is lower."""

    ANNOUNCEMENT = 0
    PROMPT = 1
    ALARM = 2


class Says(StrEnum):
    """What the voice says: nothing, the signal's own sentence (`voice-SIGNAL`), or what happened and what to do."""

    NOTHING = "nothing"
    OWN = "own"
    SITUATION = "situation"


@dataclass(frozen=True, slots=True)
class Voice:
    """`every_s`: again after so long while it lasts, 0 for once. `loud`: whatever the quiet hours say."""

    says: Says
    rank: Rank = Rank.PROMPT
    every_s: int = 0
    loud: bool = False


SILENT = Voice(Says.NOTHING)
BRIEF, FULL = Voice(Says.OWN), Voice(Says.SITUATION)
REPEATED = Voice(Says.SITUATION, Rank.ALARM, every_s=20)
WARNING = Voice(Says.SITUATION, Rank.ALARM, every_s=10, loud=True)


@dataclass(frozen=True, slots=True)
class SignalPattern:
    """`colour`: red, green, blue, each 0..1. `blink` and `beep`: (on, off, ...) in seconds; empty blink = steady."""

    colour: tuple[float, float, float]
    blink: tuple[float, ...]
    blink_repeats: bool
    beep: tuple[float, ...]
    beep_repeats: bool
    shape: str
    """Name of the shape the guard screen draws."""
    voice: Voice = SILENT


PATTERNS: dict[Signal, SignalPattern] = {
    Signal.READY: SignalPattern((0, 0, 0.4), (), False, (), False, "ring"),
    Signal.MEASURING: SignalPattern((0, 0.5, 1), (0.3, 0.3), True, (0.05,), False, "hourglass", BRIEF),
    Signal.ESCORTING: SignalPattern((0, 0.5, 1), (0.1, 0.2, 0.1, 0.6), True, (0.05, 0.1, 0.05), False, "pair", BRIEF),
    Signal.GRANTED: SignalPattern((0, 1, 0), (), False, (0.12,), False, "arrow", BRIEF),
    Signal.DENIED: SignalPattern((1, 0, 0), (0.25, 0.25), True, (0.4, 0.15, 0.4), False, "cross", FULL),
    Signal.REFERRED: SignalPattern((1, 0.6, 0), (0.6, 0.4), True, (0.15, 0.15, 0.15), False, "person", FULL),
    Signal.STATION_FAULT: SignalPattern(
        (1, 0, 1), (0.1, 0.9), True, (0.08, 0.08, 0.08, 0.08, 0.08), False, "spanner", FULL
    ),
    Signal.ALARM: SignalPattern((1, 0, 0), (0.1, 0.1), True, (0.2, 0.1), True, "bell", REPEATED),
    Signal.EVACUATE: SignalPattern((0, 1, 0), (0.2, 0.2), True, (0.5, 0.5), True, "exit", WARNING),
    Signal.OUT_OF_SERVICE: SignalPattern((1, 0, 1), (1.0, 1.0), True, (), False, "barrier"),
}
