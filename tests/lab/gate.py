"""The installed gate in the lab: what people, parts and technicians do to it, and what it wrote."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from station.core.events import Event, Kind, decode
from station.core.lane import LaneState
from tests.demo.audit import unexplained_edges
from tests.lab.machine import LabError, Machine, disk_of
from tests.lab.papers import CONTACT, GUARD, PIN, RELAY, Papers
from tests.system import fault_matrix

T = TypeVar("T")
JOURNAL = "/var/lib/gate-station/journal.db"
READY_S, SOON_S = 900.0, 180.0
"""Everything is emulated: times here only end a wait that would never end."""
RISE_US = 10_000_000
"""Between decision and relay lies a COMMIT; the first one after a start took the emulated machine over two seconds."""
PARTS = "lab-rig lab-wires lab-relay-watch lab-scene"
OVER_S = 20.0
"""Unlocked for so long at most, see tests/lab/papers.py, and then some."""


class NotSeenError(TimeoutError):
    """Something did not happen; the text says what."""


def until(ask: Callable[[], T], timeout_s: float, what: str) -> T:
    """Ask until the answer is true, and return it. Raises NotSeenError."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise NotSeenError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.2)
    return answer


class Gate:
    """One gate with the lane "in", on a root disk that forgets at a cut what was not flushed."""

    def __init__(self, machine: Machine, image: Path, folder: Path) -> None:
        """Boot a machine from `image`; it takes configuration and documents from a second disk."""
        self.machine, self.papers = machine, Papers(folder)
        self._options = ["--root", "honest", "--qemu", disk_of(folder / "config", "lab-config", folder / "config.img")]
        self._watched: list[dict[str, object]] = []
        machine.root_from(image, honest=True)
        self.boot()

    # --- power -----------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Switch on and wait until the station is ready."""
        self.machine.boot(*self._options)
        self.ready()

    def ready(self) -> None:
        """Wait until the station says that it is ready. Raises LabError where the lab's parts are not there.

        Without them a trial would say something of the lab alone: an unwired fire input is a cut wire, which opens.
        """
        until(lambda: self.unit("ActiveState") == "active", READY_S, "gate-station is ready")
        missing = self.machine.run(
            f"systemctl is-active {PARTS} >/dev/null || systemctl --no-pager status {PARTS} || true"
        )
        if missing:
            raise LabError(f"parts of the lab are not there, which is no fault of the station:\n{missing}")

    def cut(self, seed: int) -> str:
        """Cut the power and keep what the watcher had told by then."""
        said = self.machine.cut(seed)
        self._watched += self.machine.told()
        return said

    def unit(self, what: str) -> str:
        """Return a property of the station's unit."""
        return self.machine.run(f"systemctl show -P {what} gate-station").strip()

    # --- people and parts ------------------------------------------------------------------------------------------

    def say(self, helper: str, *words: str) -> None:
        """Tell one of the helpers in the machine."""
        self.machine.run(f"/opt/lab-station/say.py {helper} {shlex.join(words)}")

    def show(self, text: str) -> None:
        """Hold a code before the camera; `:blank` takes it away, `:freeze` stops the pictures."""
        self.say("scene", text)

    def face(self, object_c: float, ambient_c: float = 22.0) -> None:
        """Put something of this temperature before the thermometer."""
        self.machine.run(f"rig temp {object_c} {ambient_c}")

    def sensor(self, words: str) -> None:
        """Give the thermometer a fault, or take it away."""
        self.machine.run(f"rig i2c {words}")

    def walk(self) -> None:
        """Go through the door: its contact opens and closes, bouncing both times."""
        self.say("wires", f"bounce {CONTACT} 8 1", "0.8", f"bounce {CONTACT} 9 0")

    def dismiss(self) -> None:
        """The guard sends the person away."""
        try:
            self.machine.run(f"/opt/lab-station/guard.py {GUARD} {PIN} in dismiss")
        except LabError as error:
            raise LabError(f"{error}\nlast in the journal: {self.words(0)[-8:]}") from None

    def level(self) -> int:
        """Return the level of the relay's line now."""
        return int(self.machine.run(f"rig level {RELAY}"))

    # --- what was written ------------------------------------------------------------------------------------------

    def seq(self) -> int:
        """Return the last event's number."""
        return int(self._query("SELECT coalesce(max(seq), 0) FROM event") or 0)

    def events(self, after: int = 0) -> list[Event]:
        """Return the journal's events after a number."""
        rows = self._query(f"SELECT CAST(raw AS TEXT) FROM event WHERE seq > {after} ORDER BY seq")
        return [decode(row.encode()) for row in rows.splitlines()]

    def _query(self, sql: str) -> str:
        return self.machine.run(f"sqlite3 -readonly -cmd '.timeout 5000' {JOURNAL} {shlex.quote(sql)}")

    def words(self, after: int) -> list[str]:
        """Return the events after a number in the words of the fault matrix, whose guard need not sign in."""
        return [fault_matrix._words(event) for event in self.events(after) if event.kind != Kind.SIGN_IN]

    def wait(self, word: str, after: int, timeout_s: float = SOON_S) -> Event:
        """Wait for an event after a number whose words in the fault matrix begin so; return it."""

        def found() -> Event | None:
            events = self.events(after)
            return next((event for event in events if fault_matrix._words(event).startswith(word)), None)

        try:
            event = until(found, timeout_s, word)
        except NotSeenError as error:
            raise NotSeenError(f"{error}; instead: {self.words(after)}") from None
        assert event is not None
        return event

    # --- the relay's line ------------------------------------------------------------------------------------------

    def watched(self) -> list[dict[str, object]]:
        """Return everything the watcher has told, over all boots."""
        return self._watched + self.machine.told()

    def rises(self) -> int:
        """Return how often the relay's line has risen."""
        return len([row for row in _changes(self.watched()) if row["level"]])

    def locked(self) -> None:
        """Wait until the line is low again."""
        until(lambda: self.level() == 0, SOON_S, "the relay rests")

    def unexplained(self) -> list[str]:
        """Name each rise without a committed cause in the journal; the rules are the demo's."""
        events, found = self.events(), []
        for boot in {str(row["boot"]) for row in self.watched()}:
            rows = _changes([row for row in self.watched() if row["boot"] == boot])
            found += unexplained_edges(rows, [event for event in events if event.boot == boot], RISE_US)
        return found


def _changes(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the changes of level in the form of the twins' log, for the demo's audit."""
    changes: list[dict[str, object]] = []
    levels: dict[object, object] = {}
    for row in sorted(rows, key=lambda row: (str(row["boot"]), int(str(row["t"])))):
        if levels.get(row["boot"], 0) != row["level"] and row["how"] != "alive":
            levels[row["boot"]] = row["level"]
            changes.append(
                {
                    "what": "pin",
                    "pin": RELAY,
                    "function": "output",
                    "level": row["level"],
                    "t": int(str(row["t"])) * 1000,
                }
            )
    return changes


def expected(part: str, state: LaneState, when: str) -> list[str]:
    """Return what the fault matrix says that central hears when a part fails so."""
    (row,) = [one for one in fault_matrix.PARTS if one.name == part]
    return fault_matrix.seen(row, state, when).central
