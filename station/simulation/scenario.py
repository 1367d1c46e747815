"""A scenario: the gate's set-up, passes by name, what happens when, and what should be seen. One TOML file.

Times are seconds from the start of the scenario. docs/reference/scenarios.md explains every key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from station.config import Zone
from station.core.model import Direction
from station.device_config import DoorConfig, Identifier, RelayConfig

Moment = Annotated[float, Meta(ge=0, le=10_000_000)]


class ScenarioError(ValueError):
    """The scenario cannot be played. The message names the file, the key's path and what is expected there."""


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class PassSource(_Struct, frozen=True):
    """A pass the scenario's office issues. `days`: validity from the start, negative for one that has expired."""

    holder: Literal["resident", "visitor", "worker", "returnee", "vehicle", "medic"] = "resident"
    status: Literal["ok", "revoked", "home-quarantine", "refer"] = "ok"
    direction: Literal["in", "out", "both"] = "both"
    days: float = 30.0
    health: Literal["green", "yellow", "red", "none"] = "green"
    home: Zone | None = None
    household: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$")] | None = None
    live: bool = False
    """Bound to a phone that shows it live."""


class LaneSource(_Struct, frozen=True):
    """A lane. `thermometer`: whether it has one."""

    id: Identifier = "in"
    direction: Direction = Direction.IN
    thermometer: bool = False
    door: DoorConfig | None = DoorConfig(relay=RelayConfig(pin=17))
    door_of: Identifier | None = None


class Step(_Struct, frozen=True):
    """Something that happens `at` a moment, at a lane. Exactly one of the others is given."""

    at: Moment
    lane: Identifier = "in"
    scan: tuple[str, ...] | None = None
    """Names of passes held up, or texts; held for `hold` seconds."""
    hold: Annotated[float, Meta(ge=0, le=3600)] = 0.5
    temperature: str | None = None
    """What the next screenings say: normal, raised, cold, no-reading, fault, silent (never answers)."""
    input: str | None = None
    """An input's change, as station.ports.InputKind names it: door-opened, rex, fire ..."""
    fault: Literal["camera", "thermometer", "relay", "disk", "inputs"] | None = None
    ends: bool = False
    """With `fault`: it ends."""
    clock_step: float | None = None
    """The wall clock jumps by so many seconds."""
    clock: Literal["trusted", "holdover", "lost"] | None = None
    guard: Literal["open", "dismiss", "forgive"] | None = None
    celsius: float | None = None
    """A guard enters what a hand thermometer shows."""
    duress: bool = False
    """With `guard` or `celsius`: that guard has signed in with the duress PIN."""
    status: str | None = None
    """NAME=STATUS: the office changes a pass's status and the new list arrives."""
    power: Literal["cut", "on"] | None = None
    policy: Path | None = None
    """A new policy's source arrives."""
    announcements: Path | None = None
    """A list of announcements arrives, by its source."""


class Expectation(_Struct, frozen=True):
    """What must be so `at` a moment. Names as docs and journal use them; those not given are not looked at."""

    at: Moment
    lane: Identifier = "in"
    signal: str | None = None
    lane_state: str | None = None
    door: str | None = None
    unlocked: bool | None = None
    reason: str | None = None
    """Of the last decision recorded at the lane."""
    alarm: str | None = None
    silent: bool | None = None
    """No alarm rings."""
    inside: int | None = None
    recorded: str | None = None
    """What the journal holds by then, in the words of the timeline's row: the only trace of a silent alarm."""
    says: str | None = None
    """What the loudspeaker says, by its key in the catalogue or as "announcement ID"; empty: nothing."""


class Scenario(_Struct, frozen=True):
    """The whole file. `starts`: local date and time at the gate, "2026-01-05T08:00:00+08:00"."""

    about: str
    seconds: Moment
    policy: Path
    starts: str = "2026-01-05T08:00:00+08:00"
    zone: Zone = "320611001001"
    gate: Identifier = "east"
    lanes: tuple[LaneSource, ...] = (LaneSource(),)
    interlock: tuple[tuple[Identifier, ...], ...] = ()
    passes: dict[str, PassSource] = {}
    voice: bool = False
    """Whether the gate has a loudspeaker."""
    steps: tuple[Step, ...] = ()
    expect: tuple[Expectation, ...] = ()


def load(path: Path) -> Scenario:
    """Read a scenario; paths in it are relative to its file. Raises ScenarioError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Scenario, dec_hook=_decoder(path))
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError(f"{path}: {error}") from error


def _decoder(path: Path) -> Any:
    def decode(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return path.parent / value
        raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")

    return decode
