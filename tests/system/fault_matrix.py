"""What becomes of a person, the guard and central when a part fails: played by the simulator, written as a page.

Each part fails before, during and after each state of the lane. `python -m tests.system.fault_matrix --write` renews
docs/reference/fault-matrix.md; a test holds the page against the simulation.

One person comes at 10 s and the state begins. The part fails at 9 s (before), at 10.3 s (during) or at 20 s (after,
when all is over), and works again at 34 s. A second person comes at 22 s where it fails after the state, and in
every row a last one at 41 s, who must be let in.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from station.core.events import Event, Kind, decode
from station.core.lane import LaneState
from station.device_config import ButtonConfig, DoorConfig, RelayConfig
from station.guard_screen import Condition
from station.health import Ailment, HealthBoard
from station.ports import InputKind
from station.simulation.play import Player
from station.simulation.scenario import LaneSource, PassSource, Scenario, Step
from station.simulation.timeline import Timeline
from station.wording import text
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "reference" / "fault-matrix.md"
RULES = Path(__file__).with_name("fault_matrix_rules.toml")
COMES_S, SECOND_S, WORKS_AGAIN_S, DISMISS_S, LAST_S, END_S = 10.0, 22.0, 34.0, 38.0, 41.0, 50.0
FAILS_S = {"before": 9.0, "during": 10.3, "after": 20.0}
TWO_DAYS_S = 172_800.0
DOOR = DoorConfig(relay=RelayConfig(pin=17), contact=ButtonConfig(pin=22))
LINK = text("health-link")["en"]

HOLDERS = {
    LaneState.IDLE: None,
    LaneState.MEASURING: PassSource(holder="resident"),
    LaneState.PASSING: PassSource(holder="worker"),
    LaneState.REFUSED: PassSource(holder="resident", days=-1),
    LaneState.REFERRED: PassSource(holder="resident", status="refer"),
    LaneState.ESCORTING: PassSource(holder="visitor"),
}
"""Who brings the lane into a state, by the rules beside this file. Committing lasts no time that could be seen."""
GOES_THROUGH = (LaneState.MEASURING, LaneState.PASSING)
DISMISSED = (LaneState.REFERRED, LaneState.ESCORTING)


@dataclass(frozen=True, eq=False)
class Part:
    """A part and how it fails. `begins`, `ends`: keys of the scenario's steps."""

    name: str
    begins: Mapping[str, object]
    ends: Mapping[str, object]
    stuck: str = ""
    """What its contact says for ever."""
    blind: bool = False
    """Nobody is seen meanwhile."""


def _device(name: str, words: str = "", *, blind: bool = False) -> Part:
    return Part(words or name, {"fault": name}, {"fault": name, "ends": True}, blind=blind)


PARTS = (
    _device("camera", "camera gives no picture", blind=True),
    _device("thermometer", "thermometer does not answer"),
    Part("contact stuck at open", {"input": "door-opened"}, {"input": "door-closed"}, stuck="open"),
    Part("contact stuck at shut", {"input": "door-closed"}, {"input": "door-closed"}, stuck="shut"),
    _device("relay", "relay does not move"),
    _device("disk", "disk does not record"),
    Part("clock lost", {"clock": "lost"}, {"clock": "trusted"}),
    Part("clock jumps two days ahead", {"clock_step": TWO_DAYS_S}, {"clock_step": -TWO_DAYS_S}),
    Part("clock jumps two days back", {"clock_step": -TWO_DAYS_S}, {"clock_step": TWO_DAYS_S}),
)


@dataclass
class Seen:
    """What three parties saw from the fault on, each thing once, in order."""

    person: list[str] = field(default_factory=list)
    guard: list[str] = field(default_factory=list)
    central: list[str] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)


class _Watching(Player):
    """Plays as always and notes what the guard screen publishes."""

    def __init__(self, scenario: Scenario, folder: Path, from_s: float, *, stuck: bool) -> None:
        super().__init__(scenario, folder)
        self._stuck = stuck
        self.seen, self._from_s = Seen(timeline=self.played.timeline), from_s

    def _input(self, lane: str, kind: InputKind) -> None:
        """Let nobody force the door: who was not let in does not open it."""
        if kind is not InputKind.DOOR_OPENED or self._stuck or self._outputs[lane].unlocked:
            super()._input(lane, kind)

    def _boot(self, end_us: int) -> None:
        super()._boot(end_us)
        self._gate._health = HealthBoard(self._tell_fault)

    def _tell_fault(self, part: str, ailment: Ailment | None, before: str) -> None:
        """Record as the daemon does (station/daemon.py)."""
        if part != "journal":
            key = ailment.key if ailment else before
            payload = {"part": part, "what": "begins" if ailment else "ends", "fault": key}
            self._recorder.commit_unless_broken(Kind.FAULT, payload, self._clock.now())

    def _events(self, at: float) -> None:
        if self._from_s <= at < LAST_S:
            rows = self._journal.rows("SELECT raw FROM event WHERE seq > ? ORDER BY seq", (self._seq,))
            self.seen.central += [_words(decode(raw)) for (raw,) in rows]
        super()._events(at)

    def _observe(self) -> None:
        super()._observe()
        if not self._from_s <= self._seconds() < LAST_S:
            return
        view = self._gate.view()
        (lane,) = view.lanes
        if self._seconds() < WORKS_AGAIN_S:
            _once(self.seen.person, f"{lane.signal}: {lane.headline['zh']} / {lane.headline['en']}")
        ailing = [
            f"{v.detail['zh']} / {v.detail['en']}"
            for v in view.health
            if v.condition is not Condition.OK and v.detail["en"] != LINK
        ]
        (flow,) = self._flows.values()
        for word in [*(f"alarm {name}" for name in sorted(flow.doorway.alarms)), *ailing]:
            if word not in self.seen.guard:
                self.seen.guard.append(word)


def _words(event: Event) -> str:
    late = event.kind == Kind.LATE
    payload = event.payload["payload"] if late else event.payload
    told = (payload.get(key) for key in ("outcome", "part", "alarm", "what", "reason", "to"))
    kinds = f"{event.kind} {event.payload['kind']}" if late else str(event.kind)
    return " ".join([kinds, *(str(word) for word in told if word)])


def _once(told: list[str], word: str) -> None:
    if not told or told[-1] != word:
        told.append(word)


def _steps(part: Part, state: LaneState, when: str) -> Iterator[Step]:
    fails_s = FAILS_S[when]

    def works(at: float) -> bool:
        return not fails_s <= at < WORKS_AGAIN_S

    def contact(at: float, says: str) -> Iterator[Step]:
        if not part.stuck or works(at):
            yield Step(at=at, input=f"door-{says}")

    def comes(at: float, name: str, *, hold: float = 0.3) -> Iterator[Step]:
        if not part.blind or works(at):
            yield Step(at=at, scan=(name,), hold=hold)

    yield from contact(0.2, "closed")
    if HOLDERS[state] is not None:
        yield from comes(COMES_S, "first")
        if state in GOES_THROUGH:
            yield from (*contact(12.0, "opened"), *contact(14.0, "closed"))
        if state in DISMISSED:
            yield Step(at=16.0, guard="dismiss")
    if when == "after":
        yield from (*comes(SECOND_S, "second"), *contact(24.0, "opened"), *contact(26.0, "closed"))
    yield Step(at=fails_s, **part.begins)  # type: ignore[arg-type]
    yield Step(at=WORKS_AGAIN_S, **part.ends)  # type: ignore[arg-type]
    yield Step(at=DISMISS_S, guard="dismiss")
    yield Step(at=LAST_S, scan=("second",))
    yield from (Step(at=LAST_S + 1, input="door-opened"), Step(at=LAST_S + 2, input="door-closed"))


@cache
def seen(part: Part, state: LaneState, when: str) -> Seen:
    """Play one row."""
    first = HOLDERS[state]
    passes = {"second": PassSource(holder="worker"), **({"first": first} if first else {})}
    lane = LaneSource(thermometer=True, door=DOOR)
    scenario = Scenario(
        about=f"{part.name}, {when} {state}",
        seconds=END_S,
        policy=RULES,
        lanes=(lane,),
        passes=passes,
        steps=tuple(_steps(part, state, when)),
    )
    with tempfile.TemporaryDirectory() as folder:
        player = _Watching(scenario, Path(folder), FAILS_S[when], stuck=bool(part.stuck))
        player.play()
    return player.seen


HEAD = """# Fault matrix

What happens when a part of the station fails before, during and after each state of the lane. This page is played and
written by `python -m tests.system.fault_matrix --write`; a test holds it against the simulator, so it says what the
gate does, not what it should do.

A lane that leads in, with camera, thermometer, relay and door contact, fail-secure. One person comes and brings the
lane into the state. "Before": the part had failed a second earlier. "During": it fails 0.3 s later. "After": it fails
when everything is over, and a second person, who need not be measured, comes two seconds later. At the end of
each row the part works again, the guard dismisses whoever still waits, and the next person is let in (checked, but
not listed); then the lane is ready and silent.

- **The person** sees and hears the signal, and reads the headline on the screen, in this order.
- **The guard** sees the alarms of the lane and what is wrong in the list of parts. "Not connected to central" is left
  out: these scenarios have no central.
- **Central** receives what the journal recorded from the failure on, as soon as there is a connection. What had to
  wait in the reserve while the disk failed comes as `late`.
- The alarm of the relay ends as soon as the relay takes a level again, which is tried every second.
- A clock that jumps is believed here, as one that is synchronised over the network would be; a station whose clock
  jumps by itself notices that and no longer trusts it.
- Committing is not listed: it lasts as long as one write to the disk, and nothing else is looked at meanwhile.

Fire and the exit button move the relay in every row, because they need none of these parts
([Egress moves the relay first](../decisions/0006-egress-moves-the-relay-first.md)).
"""
COLUMNS = "| When | State | The person | The guard | Central |\n| --- | --- | --- | --- | --- |\n"


def page() -> str:
    """Return the page as the simulation wants it."""
    return HEAD + "".join(f"\n## {_title(part.name)}\n\n{COLUMNS}{''.join(_rows(part))}" for part in PARTS)


def _title(name: str) -> str:
    return name[0].upper() + name[1:]


def _rows(part: Part) -> Iterator[str]:
    for when in FAILS_S:
        for state in HOLDERS:
            row = seen(part, state, when)
            cells = (when, f"`{state}`", *(_cell(told) for told in (row.person, row.guard, row.central)))
            yield "| " + " | ".join(cells) + " |\n"


def _cell(told: list[str]) -> str:
    return "<br>".join(told) or "nothing"


def main() -> int:
    """Renew the page, or say that it is out of date; the exit status is then 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="renew the page")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what fails is on the page
    wanted = page()
    if options.write:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted
    if stale:
        print(f"{PAGE}: out of date; run python -m tests.system.fault_matrix --write")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
