"""Puts together the presentation that is to be explained, from a pass and from what is assumed besides."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from station.config import Config
from station.core import scan
from station.core.calendar import Calendar
from station.core.facts import FACTS, Presented, Site, word
from station.core.model import (
    Band,
    ClockState,
    Credential,
    Direction,
    Instant,
    PassClass,
    Rejected,
    Status,
    TemperatureReading,
)
from station.core.passback import History, Peers
from station.core.policy import Policy
from station.core.status import StatusList
from station.core.timecode import TimeCode
from station.policy_tools.explain import Case
from station.policy_tools.papers import Papers, assumed_status
from station.policy_tools.sources import SourceError

OPTION_OF = {"direction": "--direction", "temperature": "--temperature", "escort": "--escort", "status": "--status"}
"""Facts that have an option of their own."""
CLASSES = {word(kind): kind for kind in PassClass}
STATUSES = {word(status): status for status in Status}
HELD_UNCERTAINTY_S = 0.1
_ESCORT_CTI = bytes(8)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is assumed besides the pass. `facts`: from `read_facts`."""

    at: str = ""
    direction: Direction = Direction.IN
    temperature: Band = Band.NOT_MEASURED
    escort: str = ""
    status: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def read_facts(texts: Iterable[str]) -> dict[str, object]:
    """Read facts written as NAME=VALUE; a value of "none" is no value where a fact is a number. Raises SourceError."""
    return dict(_fact(text) for text in texts)


def _fact(text: str) -> tuple[str, object]:
    name, _, written = text.partition("=")
    if name in OPTION_OF:
        raise SourceError(f"{text}: use {OPTION_OF[name]}")
    if name not in FACTS:
        raise SourceError(f"{text}: no fact {name!r}; there are {', '.join(FACTS)}")
    values = FACTS[name].values
    if values is not None:
        if written not in values:
            raise SourceError(f"{text}: {name} is one of {', '.join(sorted(map(str, values)))}")
        return name, written
    if written == "none":
        return name, None
    if not written.isdecimal():
        raise SourceError(f"{text}: {name} is a whole number, or none")
    return name, int(written)


def read_moment(text: str, calendar: Calendar) -> int:
    """Read a time, "YYYY-MM-DDTHH:MM", without a zone in the policy's local time; empty: now. Raises SourceError."""
    if not text:
        return int(time.time())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SourceError(f"{text}: not a time; write YYYY-MM-DDTHH:MM, or with a zone ...+08:00") from error
    if moment.tzinfo is not None:
        return int(moment.timestamp())
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) - 60 * calendar.utc_offset_minutes


def build(text: str, papers: Papers, policy: Policy | None, assumed: Assumed, config: Config) -> Case | Rejected:
    """Return the presentation of a QR text; what the station would refuse before it, as it refuses it."""
    reading = scan.read(text, papers.trust, config.station.zone)
    if isinstance(reading, Rejected):
        return reading
    if isinstance(reading, TimeCode):
        raise SourceError("this is a guard's time code, not a pass")
    seconds = read_moment(assumed.at, policy.calendar if policy else Calendar())
    state = ClockState(str(assumed.facts.get("clock", ClockState.TRUSTED)))
    now = Instant(seconds * 1_000_000, 0, state, 0.0 if state is ClockState.LOST else HELD_UNCERTAINTY_S)
    lanes = [lane for lane in config.lane if lane.direction is assumed.direction]
    can_measure = any(lane.thermometer is not None for lane in lanes)
    site = Site(config.station.gate, config.station.zone, assumed.direction, can_measure)
    statuses = _statuses(reading, papers.statuses, assumed, seconds)
    return Case(reading, _presented(reading, assumed), site, policy, statuses, now, assumed.facts)


def _presented(credential: Credential, assumed: Assumed) -> Presented:
    escort = None
    if assumed.escort:
        escort = replace(credential, cti=_ESCORT_CTI, pass_class=CLASSES[assumed.escort])
    peers = Peers(str(assumed.facts.get("peers", Peers.ALONE)))
    nonce = credential.live.nonce if credential.live else None
    return Presented(
        reading=TemperatureReading(assumed.temperature),
        history=History(peers=peers),
        escort=escort,
        nonces=frozenset({nonce}) if nonce else frozenset(),
    )


def _statuses(credential: Credential, held: StatusList | None, assumed: Assumed, now_s: int) -> StatusList | None:
    if not assumed.status or credential.status_index is None:
        return held
    issued = held.manifest.envelope.issued if held else now_s
    return assumed_status(credential.kid, credential.status_index, STATUSES[assumed.status], issued)
