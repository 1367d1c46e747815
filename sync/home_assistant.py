"""The station as a device of Home Assistant: discovery, and a state of a few words. Opt-in; nobody can command with it.

Both are retained. Discovery says where everything is (Home Assistant: MQTT, "Device discovery payload"); it is sent on
each connect, and again when Home Assistant says that it has started. The state is below the station's own topics, so
the only right that a station needs beside its usual ones is to write its own discovery topic. Whether the station is
there, Home Assistant sees at `up/state`.

Nothing about persons is told: neither passages nor passes, and of the alarms only those that are listed here. Duress is
not among them: a panel in the guard room would show it to the one who is threatening the guard.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from station.core import events
from station.core.events import Kind
from sync import wire
from sync.config import HomeAssistantConfig, SyncConfig
from sync.outbox import Outbox, Stream

log = logging.getLogger(__name__)

DOOR = frozenset({"door-propped", "door-held", "door-forced", "door-ajar", "door-lock"})
"""Alarms that the entity `door` shows."""
OTHERS = frozenset({"tailgating", "illegal-passes", "rex-stuck", "fire", "break-glass", "tamper", "journal", "relay"})
"""Alarms that the entity `alarm` shows."""
BIRTH_SPREAD_S = 5.0
"""Over how long stations spread their discovery after Home Assistant has started."""
LOOK_BACK, PIECE = 20_000, 2_000
"""Rows of the journal that are looked through for alarms after a start, and how many of them at a time."""
THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
"""Temperature of the board's processor, thousandths of a degree (Linux: thermal, "sysfs")."""

Send = Callable[[str, bytes], int | None]
"""Publishes (topic, payload) retained with QoS 1; returns None where there is no connection."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What Home Assistant is told. `link`: central answers; `queue`: events that it has not acknowledged."""

    v: int = 1
    door: bool
    alarm: bool
    alarms: list[str]
    link: bool
    queue: int
    temperature_c: int | None = None


class Figures(NamedTuple):
    """What the way up knows."""

    heard: bool
    queue: int


class Ringing:
    """Which alarms ring, as the journal tells. Alarms that began more than LOOK_BACK rows before a start are missed."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._epoch: int | None = None
        self._seen = 0
        self.behind = True
        self._active: set[tuple[str, str]] = set()

    def look(self, stream: Stream | None) -> None:
        """Read on, at most PIECE rows; `behind` says whether more wait. Raises JournalError."""
        if stream is None:
            return
        if stream.epoch != self._epoch or stream.last < self._seen:
            self._epoch, self._seen = stream.epoch, max(stream.first - 1, stream.last - LOOK_BACK)
            self._active.clear()
        last = min(stream.last, self._seen + PIECE)
        for raw in self._outbox.named((Kind.ALARM, Kind.BOOT), self._seen + 1, last):
            self._take(raw)
        self._seen, self.behind = last, last < stream.last

    def _take(self, raw: bytes) -> None:
        try:
            event = events.decode(raw)
        except ValueError:
            return  # the uplink names it
        kind, told = event.kind, event.payload
        if kind == Kind.LATE and isinstance(inner := told.get("payload"), dict):
            kind, told = str(told.get("kind")), inner
        if kind == Kind.BOOT:
            self._active.clear()  # the station begins what still rings anew
        elif kind == Kind.ALARM:
            one = (str(told.get("lane")), str(told.get("alarm")))
            if told.get("what") == "begins":
                self._active.add(one)
            else:
                self._active.discard(one)

    def names(self) -> list[str]:
        """Return the alarms that ring and may be told, in order."""
        return sorted({name for _, name in self._active} & (DOOR | OTHERS))


class HomeAssistant:
    """What is told when. Times are seconds of a monotonic clock."""

    def __init__(self, config: SyncConfig, outbox: Outbox, version: str, thermal: Path = THERMAL) -> None:
        self._config, self._outbox, self._version, self._thermal = config, outbox, version, thermal
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._ringing = Ringing(outbox)
        self._send: Send | None = None
        self._discover_at: float | None = None
        self._numbers_at = 0.0
        self._told: State | None = None
        self._state_topic = wire.up(config.station.id, "home")
        self._discovery = (
            discovery_topic(config.home_assistant, config.station.id),
            msgspec.json.encode(discovery(config.station.id, version, warm=self._temperature() is not None)),
        )

    def filters(self) -> list[str]:
        """Return the topics to subscribe to."""
        return [self._config.home_assistant.status]

    def connected(self, send: Send, now: float) -> None:
        """Tell everything on a new connection."""
        self._send, self._discover_at, self._told = send, now, None

    def disconnected(self) -> None:
        """Forget the connection."""
        self._send = None

    def receive(self, topic: str, payload: bytes, now: float) -> bool:
        """Take a message, if it is Home Assistant's: it has started, so everything is told once more, after a while."""
        if topic != self._config.home_assistant.status:
            return False
        if payload == b"online" and self._discover_at is None:
            self._discover_at = now + self._rng.uniform(0, BIRTH_SPREAD_S)
        return True

    def deadline(self) -> float | None:
        """Return when `work` has something to do next."""
        if self._send is None:
            return None
        return min(time for time in (self._discover_at, self._numbers_at) if time is not None)

    def work(self, now: float, figures: Figures) -> None:
        """Tell what has changed: alarms and the link at once, numbers as often as the health. Raises JournalError."""
        if self._send is None:
            return
        self._ringing.look(self._outbox.look())
        if self._discover_at is not None and now >= self._discover_at:
            if self._send(*self._discovery) is None:
                return
            self._discover_at, self._told = None, None
        if self._ringing.behind:
            self._numbers_at = now  # come back soon, and say nothing half known
            return
        state = self._state(figures)
        due = now >= self._numbers_at
        if self._told is None or _words(state) != _words(self._told) or (due and state != self._told):
            if self._send(self._state_topic, msgspec.json.encode(state)) is None:
                return
            self._told = state
        if due:
            self._numbers_at = now + self._config.timers.tele_s

    def _state(self, figures: Figures) -> State:
        names = self._ringing.names()
        return State(
            door=not DOOR.isdisjoint(names),
            alarm=not OTHERS.isdisjoint(names),
            alarms=names,
            link=figures.heard,
            queue=figures.queue,
            temperature_c=self._temperature(),
        )

    def _temperature(self) -> int | None:
        try:
            return round(int(self._thermal.read_text("ascii")) / 1000)
        except (OSError, ValueError):
            return None


def _words(state: State) -> tuple[object, ...]:
    return state.alarms, state.link


def discovery_topic(config: HomeAssistantConfig, station: str) -> str:
    """Return where a station's discovery is published."""
    return f"{config.prefix}/device/{station}/config"


def discovery(station: str, version: str, *, warm: bool) -> dict[str, object]:
    """Return the discovery payload of a station, without a temperature where it is not `warm`: none can be read there.

    Its names are English: Home Assistant translates none of them.
    """
    entities = {name: entity for name, entity in _ENTITIES.items() if warm or name != "temperature"}
    return {
        "device": {
            "identifiers": [f"gate-station-{station}"],
            "name": f"Gate {station}",
            "manufacturer": "gate-station",
            "model": "gate-station",
            "sw_version": version,
        },
        "origin": {"name": "gate-station", "sw_version": version},
        "availability": [{"topic": wire.up(station, "state"), "value_template": "{{ value_json.state }}"}],
        "state_topic": wire.up(station, "home"),
        "qos": 1,
        "components": {name: _component(station, name, entity) for name, entity in entities.items()},
    }


def _component(station: str, name: str, entity: dict[str, str]) -> dict[str, str]:
    return {"unique_id": f"gate-station-{station}-{name}", **entity}


_ON = "{{{{ 'ON' if value_json.{0} else 'OFF' }}}}"
_ENTITIES: dict[str, dict[str, str]] = {
    "door": {
        "platform": "binary_sensor",
        "name": "Door",
        "device_class": "problem",
        "value_template": _ON.format("door"),
    },
    "alarm": {
        "platform": "binary_sensor",
        "name": "Alarm",
        "device_class": "safety",
        "value_template": _ON.format("alarm"),
    },
    "alarms": {
        "platform": "sensor",
        "name": "Alarms",
        "value_template": "{{ value_json.alarms | join(', ') or 'none' }}",
    },
    "link": {
        "platform": "binary_sensor",
        "name": "Central",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "value_template": _ON.format("link"),
    },
    "queue": {
        "platform": "sensor",
        "name": "Waiting events",
        "state_class": "measurement",
        "entity_category": "diagnostic",
        "value_template": "{{ value_json.queue }}",
    },
    "temperature": {
        "platform": "sensor",
        "name": "Board temperature",
        "device_class": "temperature",
        "state_class": "measurement",
        "unit_of_measurement": "°C",
        "entity_category": "diagnostic",
        "value_template": "{{ value_json.temperature_c }}",
    },
}
"""Every entity, with the fields that Home Assistant documents for its platform."""
