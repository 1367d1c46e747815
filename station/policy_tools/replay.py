"""The decisions of a journal, each with what the journal tells of its facts: also the passages that led up to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from station.core.events import Event, Kind
from station.core.facts import word
from station.core.model import Direction, PassClass
from station.core.noted import recalled
from station.core.passback import DAY_S, KEEP_DAYS, History, Passage, Peers, visible

KEEP_US = KEEP_DAYS * DAY_S * 1_000_000
CLASSES = {kind.name.lower(): kind for kind in PassClass}


@dataclass(frozen=True, slots=True)
class Past:
    """One recorded decision. Pass and class are None where no genuine pass was read."""

    seq: int
    wall_us: int
    clock: str
    lane: str
    direction: Direction
    outcome: str
    reason: str
    rule: str
    band: str | None
    local: bool
    cti: bytes | None = None
    pass_class: PassClass | None = None
    escorts: tuple[str, ...] = ()
    """The classes that the second pass may have had; empty where none was shown."""
    history: History | None = None
    """None where the journal does not tell: other gates' passages are not in it."""
    household: bytes | None = None
    household_known: bool = False
    noted: Mapping[str, object] | None = None
    """The facts that the record keeps, by the names rules use; None for records that keep none."""
    policy: int = 0
    """The number of the policy that was in force; 0 where the journal does not tell."""


@dataclass
class _Known:
    """What a journal tells of passes anywhere in it: a pass keeps its class and household."""

    classes: dict[str, str] = field(default_factory=dict)
    households: dict[str, bytes | None] = field(default_factory=dict)
    passages_told: bool = True


def decisions(events: Iterable[Event], *, alone: bool) -> Iterator[Past]:
    """Yield the decisions of a journal, from its first event on. `alone`: the site has no other gates."""
    every = list(events)
    known = _gather(every)
    memory = _Memory(known)
    policy = 0
    for event in every:
        payload = event.payload
        if event.kind == Kind.DOCUMENT and (payload.get("type"), payload.get("result")) == ("policy", "in-force"):
            policy = _whole(payload.get("seq"))
        elif event.kind == Kind.PASSAGE and payload.get("what") == "entered":
            memory.pass_through(event)
        elif event.kind == Kind.FORGIVEN:
            memory.forgive(event)
        elif event.kind == Kind.DECISION:
            past = replace(_past(event, known), policy=policy)
            told = alone and known.passages_told and past.cti is not None
            yield replace(past, history=memory.of(past)) if told else past


def _gather(events: Iterable[Event]) -> _Known:
    known, with_pass = _Known(), set()
    for event in events:
        payload = event.payload
        if "cti" in payload and "class" in payload:
            known.classes[str(payload["cti"])] = str(payload["class"])
            with_pass.add(event.seq)
        if event.kind == Kind.PASSAGE and payload.get("what") == "entered":
            people = _people(payload)
            known.households |= dict(people)
            # Records of before the anti-passback do not say who went through.
            known.passages_told &= bool(people) or payload.get("of") not in with_pass
    return known


def _people(payload: Mapping[str, Any]) -> list[tuple[str, bytes | None]]:
    rows = payload.get("who", ())
    return [
        (str(row["cti"]), _octets(row.get("household"))) for row in rows if isinstance(row, Mapping) and "cti" in row
    ]


def _past(event: Event, known: _Known) -> Past:
    payload: Mapping[str, Any] = event.payload
    cti, kept = payload.get("cti"), payload.get("facts")
    return Past(
        seq=event.seq,
        wall_us=event.wall_us,
        clock=event.clock,
        lane=str(payload["lane"]),
        direction=Direction(payload["dir"]),
        outcome=str(payload["outcome"]),
        reason=str(payload["reason"]),
        rule=str(payload["rule"]),
        band=payload.get("band"),
        local=payload.get("knowledge") == "local",
        cti=_octets(cti),
        pass_class=CLASSES.get(str(payload.get("class"))),
        escorts=_escorts(payload, known),
        household=known.households.get(str(cti)),
        household_known=str(cti) in known.households,
        noted=recalled(kept) if isinstance(kept, Mapping) else None,
    )


def _escorts(payload: Mapping[str, Any], known: _Known) -> tuple[str, ...]:
    if "escort" not in payload:
        return ()
    found = CLASSES.get(known.classes.get(str(payload["escort"]), ""))
    return (word(found),) if found else tuple(word(kind) for kind in PassClass)


class _Memory:
    """The passages up to one moment of the journal, as the station's register held them."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._by_pass: dict[bytes, list[Passage]] = defaultdict(list)
        self._by_household: dict[bytes, list[Passage]] = defaultdict(list)
        self._forgiven: dict[bytes, int] = {}

    def pass_through(self, event: Event) -> None:
        """Take in that the people of a passage event went through."""
        direction = Direction(str(event.payload.get("dir", "in")))
        for text, household in _people(event.payload):
            cti = _octets(text) or b""
            passage = Passage(cti, household, direction, event.wall_us)
            self._by_pass[cti].append(passage)
            if household is not None:
                self._by_household[household].append(passage)

    def forgive(self, event: Event) -> None:
        cti = str(event.payload.get("cti"))
        for subject in (_octets(cti), self._known.households.get(cti)):
            if subject is not None:
                self._forgiven[subject] = event.wall_us

    def of(self, past: Past) -> History:
        own = self._remembered(self._by_pass, past.cti, past.wall_us)
        return History(own, self._remembered(self._by_household, past.household, past.wall_us), Peers.ALONE)

    def _remembered(
        self, table: Mapping[bytes, list[Passage]], subject: bytes | None, wall_us: int
    ) -> tuple[Passage, ...]:
        if subject is None:
            return ()
        kept = [passage for passage in table.get(subject, ()) if passage.wall_us >= wall_us - KEEP_US]
        return visible(kept, self._forgiven, subject)


def _octets(value: object) -> bytes | None:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
