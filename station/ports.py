"""What the devices at a gate implement, and the values they hand over. What the guard screen needs: guard_screen.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from station.core.model import Instant, Text
from station.core.signals import Signal
from station.core.speech import Utterance

if TYPE_CHECKING:
    pass

Gray = NDArray[np.uint8]
"""A gray picture, uint8, shape (height, width)."""


class DeviceFault(Exception):  # noqa: N818 - "fault" is the word of the field
    """A device does not do its work. `remedy` says what the technician should do next."""

    def __init__(self, device: str, problem: str, remedy: str) -> None:
        """`device`: its name in the configuration; `problem`: what happened, where; `remedy`: what to do next."""
        super().__init__(f"{device}: {problem}. {remedy}")
        self.device, self.problem, self.remedy = device, problem, remedy


# --- devices -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera picture and the monotonic moment it was taken, nanoseconds (time.monotonic_ns)."""

    gray: Gray
    captured_ns: int


@dataclass(frozen=True, slots=True)
class DecodedCode:
    """A QR code read from a picture. `quad`: its four corners in pixels, clockwise; `stage`: which method read it."""

    text: str
    raw: bytes
    quad: tuple[tuple[float, float], ...]
    stage: str
    validated: bool = False


class Camera(Protocol):
    """Yields the newest picture. Implementations: drivers/camera.py."""

    def open(self) -> None:
        """Open the device. Raises DeviceFault."""

    def read(self) -> Frame:
        """Wait for the next picture (about a frame period; at most 10 s when frozen). Raises DeviceFault."""

    def close(self) -> None:
        """Release the device. May be called twice."""


class Decoder(Protocol):
    """Reads QR codes from a gray picture. Implementations: drivers/decoder/."""

    def read(self, gray: Gray) -> list[DecodedCode]:
        """Return every code in the picture, best effort, never raising for anything a picture can hold."""

    def close(self) -> None:
        """Release what the decoder holds (a process of its own). May be called twice."""


class ThermalSample(NamedTuple):
    """One reading of a thermometer, degrees Celsius. `ambient_c` is the sensor's own temperature."""

    object_c: float
    ambient_c: float
    fill: float | None = None
    """Share 0..1 of the field of view that the warm thing fills; None where the sensor cannot tell."""


class Thermometer(Protocol):
    """An infrared thermometer. Implementations: drivers/mlx90614.py, drivers/mlx90640/."""

    def sample(self) -> ThermalSample:
        """Return the next reading; it may take as long as the sensor takes to measure. Raises DeviceFault."""

    def close(self) -> None:
        """Release the bus. May be called twice."""


class RangeSensor(Protocol):
    """Tells how far away the nearest thing is. Implementation: drivers/vl53l0x.py."""

    def range_mm(self) -> int | None:
        """Return the distance in millimetres, None where nothing is within the sensor's range. Raises DeviceFault."""

    def close(self) -> None:
        """Release the bus. May be called twice."""


class Release(StrEnum):
    """Why egress releases the door without asking the gate thread."""

    REX = "rex"
    FIRE = "fire"
    BREAK_GLASS = "break-glass"


class Outputs(Protocol):
    """Everything a lane drives: door relay, status LED, buzzer. Thread safe; calls return at once."""

    def unlock(self) -> None:
        """Let the door be opened until `lock`."""

    def lock(self) -> None:
        """Secure the door, unless egress holds it released."""

    def release(self, cause: Release, seconds: float) -> None:
        """Egress: unlock now and keep `lock` without effect for `seconds` (inf for fire). For the inputs worker."""

    def end_release(self, cause: Release) -> None:
        """Egress ended (fire alarm cleared); the next `lock` works again."""

    def obeys(self) -> bool:
        """Say whether the relay takes a level: it is given the one it has once more, so nothing moves."""

    def signal(self, signal: Signal) -> None:
        """Show LED and buzzer patterns of `station.core.signals.PATTERNS`."""

    def close(self) -> None:
        """Drive every output to its configured safe level and stop the pattern threads. May be called twice."""


class SpokenHow(StrEnum):
    """What became of an utterance: said to its end, cut short, not begun in time, or the loudspeaker failed."""

    PLAYED = "played"
    CUT = "cut"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Spoken:
    """The loudspeaker is done with an utterance."""

    token: int
    how: SpokenHow


class Loudspeaker(Protocol):
    """Says utterances in every configured language. Calls return at once and never raise; Spoken answers each.

    Implementation: drivers/loudspeaker.py.
    """

    def prepare(self, wanted: Iterable[Text]) -> None:
        """Render everything that may have to be said, so that it can be said at once; forget what is no longer."""

    def say(self, utterance: Utterance) -> None:
        """Say something, by the order of station.core.speech."""

    def withdraw(self, source: str) -> None:
        """Say nothing more of a source; what plays of it is cut short."""

    def close(self) -> None:
        """Fall silent and end the worker. May be called twice."""


class InputKind(StrEnum):
    """What can change at a lane's inputs."""

    DOOR_OPENED = "door-opened"
    DOOR_CLOSED = "door-closed"
    BOLT_THROWN = "bolt-thrown"
    BOLT_WITHDRAWN = "bolt-withdrawn"
    PASSAGE = "passage"
    REX = "rex"
    REX_RELEASED = "rex-released"
    FIRE = "fire"
    FIRE_CLEARED = "fire-cleared"
    BREAK_GLASS = "break-glass"
    BREAK_GLASS_CLEARED = "break-glass-cleared"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    TAMPER = "tamper"
    TAMPER_CLEARED = "tamper-cleared"
    DURESS = "duress"


class Inputs(Protocol):
    """A lane's contacts and buttons. REX and fire are driven to the outputs before they are reported."""

    def watch(self, report: Callable[[InputKind], None]) -> None:
        """Report the present state of every contact, then each change, from the inputs worker."""

    def close(self) -> None:
        """Release the pins. May be called twice."""


# --- surroundings of the flow --------------------------------------------------------------------------------------


class Clock(Protocol):
    """Reads the time. Implementation: station/clock.py."""

    def now(self) -> Instant:
        """The present moment with what is known of its accuracy."""

    def tell(self, signed_s: int, asked_us: int, *, by_central: bool) -> bool:
        """Take in a time signed in answer to a number drawn at `asked_us`; False where it contradicts what is known."""

    def raise_floor(self, signed_us: int) -> None:
        """Take in centrally signed time: the clock is not earlier than that."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one camera frame showed: put by a reader worker, at most one waiting per lane (latest wins)."""

    lane: str
    codes: Sequence[DecodedCode]
    captured_ns: int
