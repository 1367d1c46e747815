"""What a gate writes on a day: events of the real lane, with people, pauses and pass ids drawn by a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from station.core import events
from station.core.events import Kind, Payload
from station.core.model import Credential, Instant
from station.core.sealing import Personal, Sealer, written
from station.journal import Change
from station.ports import DecodedCode, InputKind, Sighting
from sync import wire
from tests.core import issuing
from tests.lane.passages import Passages

PEOPLE = 2000
WITH_PLATE = 0.2
BOOT = "5f3a91c0"
Told = tuple[Kind, Payload, Instant]


class _Gate(Passages):
    """A lane through which people go at random times."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        super().__init__(PEOPLE)

    def _person(self, number: int) -> Credential:
        until = issuing.NOW + 400 * issuing.DAY_S
        cti, household = self._dice.randbytes(8), self._dice.randbytes(6)
        return issuing.credential(cti=cti, household=household, expires=until)

    def show(self, name: str) -> None:
        """Hold up a pass; the frame that shows it is some milliseconds old when it has been read."""
        captured_us = self.clock.instant.mono_us - self._dice.randint(15_000, 90_000)
        self.flow.see(Sighting("lane", [DecodedCode(name, b"", (), "simulated")], captured_us * 1000))

    def walk(self, name: str) -> None:
        """Let one person through, in their own time."""
        self.clock.move(self._dice.randint(1_000_000, 60_000_000))
        self.show(name)
        self.clock.move(self._dice.randint(400_000, 3_000_000))
        self.doorway.input(InputKind.DOOR_OPENED)
        self.clock.move(self._dice.randint(900_000, 3_000_000))
        self.doorway.input(InputKind.DOOR_CLOSED)
        self.clock.move(5_000_000)
        self.flow.expire()


def told(seed: int, count: int) -> list[Told]:
    """Return what `count` events tell, one passage after the other."""
    dice = random.Random(seed)
    gate, found = _Gate(dice), list[Told]()

    def note(kind: Kind, payload: Payload, now: Instant, _changes: Iterable[Change] = ()) -> int:
        found.append((kind, dict(payload), now))
        return len(found)

    gate.recorder.commit = note  # type: ignore[method-assign]
    people = list(gate.people)
    while len(found) < count:
        gate.walk(dice.choice(people))
    return found[:count]


def rows(told: Iterable[Told], count: int) -> Iterator[bytes]:
    """Return the exact bytes of `count` events; where there are more than told, the same things happen again later."""
    for seq, (kind, payload, now) in enumerate(islice(cycle(told), count), 1):
        yield events.encode(seq, now, BOOT, kind, payload)


def sealed(told: Iterable[Told], seed: int) -> tuple[list[Told], list[str]]:
    """Return what the events tell where the office has a key for names and plates, and the texts beside them.

    Every decision knows a masked name, one in five a plate too.
    """
    dice = random.Random(seed)
    sealer = Sealer(X25519PrivateKey.generate().public_key().public_bytes_raw())
    found, texts = list[Told](), list[str]()
    for kind, payload, now in told:
        fields, text = dict[str, object](), ""
        if kind is Kind.DECISION:
            plate = f"粤B{dice.randrange(100_000):05}" if dice.random() < WITH_PLATE else ""
            made = sealer.seal(Personal(dice.choice("王李张刘陈杨赵黄周吴") + "*", plate))
            fields, text = {"sealed": written(made.mark)}, written(made.text)
        found.append((kind, {**payload, **fields}, now))
        texts.append(text)
    return found, texts


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal's rows and the hashes after each, `heads[0]` before the first; `texts`: what is sealed beside them."""

    raws: list[bytes]
    heads: list[bytes]
    texts: list[str]

    def batch(self, first: int, last: int, epoch: int = 1) -> wire.Batch:
        """Return rows `first` to `last` as they travel."""
        return wire.Batch(
            epoch=epoch,
            first_seq=first,
            n=last - first + 1,
            prev_hash=self.heads[first - 1].hex(),
            last_hash=self.heads[last].hex(),
            events=[msgspec.Raw(raw) for raw in self.raws[first - 1 : last]],
            sealed=self.texts[first - 1 : last],
        )


def journal(raws: Iterable[bytes], texts: Iterable[str] = ()) -> Journal:
    """Chain rows."""
    found = Journal([], [events.GENESIS], list(texts))
    for raw in raws:
        found.raws.append(raw)
        found.heads.append(hashlib.sha256(found.heads[-1] + raw).digest())
    return found
