"""A lane with everything of the product but disk and devices, through which simulated people go."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from station.challenge import Challenge
from station.config import LaneConfig
from station.core.events import Kind, Payload
from station.core.facts import Site
from station.core.model import Credential, Direction, Instant
from station.core.policy import Policy
from station.core.signals import Signal
from station.core.status import StatusList
from station.device_config import ButtonConfig, CameraConfig, DoorConfig, RelayConfig
from station.doorway import Doorway
from station.flow import LaneFlow
from station.journal import Change
from station.judge import Surroundings
from station.ports import DecodedCode, InputKind, Release, Sighting
from station.recorder import Recorder
from station.register import Register
from tests.core import issuing


class NoDisk(Recorder):
    """Commits at once and keeps nothing but the number, and when the last commit was."""

    def __init__(self) -> None:
        self.broken, self.seq = False, 0

    def commit(self, kind: Kind, payload: Payload, now: Instant, changes: Iterable[Change] = ()) -> int:
        self.seq += 1
        return self.seq


class NoJournal:
    """A journal without anything in it."""

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        return []

    def state(self, key: str) -> None:
        return None


class Relay:
    """Outputs that only remember whether the door can be opened."""

    def __init__(self) -> None:
        self.unlocked = False

    def unlock(self) -> None:
        self.unlocked = True

    def lock(self) -> None:
        self.unlocked = False

    def release(self, cause: Release, seconds: float) -> None:
        self.unlocked = True

    def end_release(self, cause: Release) -> None:
        """Nothing is held."""

    def obeys(self) -> bool:
        return True

    def signal(self, signal: Signal) -> None:
        """Nobody looks."""

    def close(self) -> None:
        self.unlocked = False


@dataclass(frozen=True)
class Papers:
    """The documents in force."""

    trust: object
    policy: Policy
    statuses: StatusList


class SetClock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.instant = replace(issuing.NOW_INSTANT)

    def now(self) -> Instant:
        return self.instant

    def move(self, micro: int) -> None:
        now = self.instant
        self.instant = Instant(now.wall_us + micro, now.mono_us + micro, now.state, now.uncertainty_s)


class Passages:
    """People with verified passes going out, one after the other, a new one every ten seconds."""

    def __init__(self, people: int) -> None:
        self.clock, self.relay, self.recorder = SetClock(), Relay(), NoDisk()
        self.register = Register(NoJournal(), has_peers=False)
        papers = Papers(issuing.TRUST, issuing.policy("open"), issuing.statuses({}))
        around = Surroundings(
            self.clock, self.recorder, papers, self.register, Challenge(), lambda *_: None, lambda _code: False
        )
        door = DoorConfig(relay=RelayConfig(pin=17), contact=ButtonConfig(pin=22))
        config = LaneConfig(id="lane", direction=Direction.OUT, camera=CameraConfig(source="scene:lane"), door=door)
        self.doorway = Doorway("lane", door, self.relay, self.recorder, self.clock)
        site = Site(issuing.GATE, issuing.ZONE, Direction.OUT, can_measure=False)
        self.people = {f"person {n}": self._person(n) for n in range(people)}
        self.flow = LaneFlow(config, site, self.doorway, None, around, 1_000_000, self.people.__getitem__)
        self.doorway.start()
        self.doorway.input(InputKind.DOOR_CLOSED)

    def _person(self, number: int) -> Credential:
        until = issuing.NOW + 400 * issuing.DAY_S
        return issuing.credential(cti=number.to_bytes(8, "big"), household=number.to_bytes(6, "big"), expires=until)

    def names(self) -> Iterator[str]:
        """The people, over and over."""
        return itertools.cycle(self.people)

    def show(self, name: str) -> None:
        """Somebody holds up their pass."""
        code = DecodedCode(name, b"", (), "simulated")
        self.flow.see(Sighting("lane", [code], self.clock.instant.mono_us * 1000))

    def pass_through(self, name: str) -> None:
        """Show a pass, open the door, let it fall shut; afterwards the lane is free again."""
        self.show(name)
        assert self.relay.unlocked, "a good pass did not unlock"
        self.clock.move(1_000_000)
        self.doorway.input(InputKind.DOOR_OPENED)
        self.clock.move(2_000_000)
        self.doorway.input(InputKind.DOOR_CLOSED)
        assert not self.relay.unlocked, "the door was not locked behind"
        self.clock.move(7_000_000)
        self.flow.expire()
