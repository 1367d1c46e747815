"""Chooses by a seeded die what is killed, for how long it stays down, and what else goes wrong; counts what it did.

Outages overlap: each victim comes back by its own time, whatever else is down by then. Three things wait for the right
moment, because what they destroy must not be the last copy: a card is put back only when central holds all it had
(else its own loss would be counted), a backup is put back only when it is younger than the last card that was put back,
and a station's next card only when the fork of the last one has been found.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from tests.demo.processes import Broker
from tests.torture.audit import held_up_to
from tests.torture.gates import Gate
from tests.torture.servers import Collector, Postgres

WEIGHTS = {"broker": 3, "collector": 5, "postgres": 3, "station": 4, "sync": 5}
MEAN_DOWN_S = 1.5
LONGEST_DOWN_S = 5.0
EVERY_KILLS = {"clock": 15, "station disk": 25, "card": 45, "backup": 70, "database disk": 90}
"""After about so many kills each of these happens once more."""
FULL_S = 1.0
JUMPS_S = (-86_400.0, -3_600.0, -5.0, 0.0, 5.0, 3_600.0, 86_400.0)


@dataclass
class Report:
    """What was done."""

    kills: Counter[str] = field(default_factory=Counter)
    incidents: Counter[str] = field(default_factory=Counter)
    most_down: int = 0
    forks_made: int = 0
    forks_found: int = 0

    @property
    def total(self) -> int:
        """How many processes were killed by choice."""
        return sum(self.kills.values())


class Director:
    """Drives everything until `kills` have been made. `cards`: whether cards and backups are put back."""

    def __init__(
        self, broker: Broker, database: Postgres, collectors: list[Collector], gates: list[Gate], *, cards: bool
    ) -> None:
        self._broker, self._database, self._collectors, self._gates = broker, database, collectors, gates
        self._cards = cards
        self._random = random.Random()
        self.report = Report()
        self._back: list[tuple[float, str, Callable[[], None]]] = []
        self._broker_down = False
        self._backup_good = False

    def run(self, kills: int, seconds: float, seed: int) -> None:
        """Make so many kills in about so many seconds."""
        self._random.seed(seed)
        pause = seconds / kills
        due = {name: every * self._random.random() for name, every in EVERY_KILLS.items()}
        next_kill = time.monotonic()
        while self.report.total < kills:
            self._bring_back()
            self._look_for_forks()
            if time.monotonic() >= next_kill:
                self._kill()
                next_kill = max(next_kill, time.monotonic() - 5) + self._random.expovariate(1 / pause)
                for name, at in due.items():
                    if self.report.total >= at and self._incident(name):
                        due[name] = self.report.total + EVERY_KILLS[name] * self._random.uniform(0.7, 1.3)
            time.sleep(0.01)
        self.all_up()

    def look(self) -> None:
        """Go on with what is under way, and notice forks that have been found."""
        self._bring_back()
        self._look_for_forks()
        time.sleep(0.05)

    def all_up(self) -> None:
        """Bring everything back and end every fault."""
        while self._back:
            self._bring_back()
            time.sleep(0.02)
        for gate in self._gates:
            gate.set_clock(0.0)
        self._database.must_answer()

    # --- kills -----------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        kind = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if kind == "broker" and not self._broker_down:
            self._broker.kill()
            self._broker_down = True
            self._down(kind, self._broker_up)
        elif kind == "postgres" and self._database.up:
            self._database.kill()
            self._down(kind, self._database.start)
        elif kind == "collector" and (running := [c for c in self._collectors if c.up]):
            victim = self._random.choice(running)
            victim.kill()
            self._down(kind, victim.start)
        elif kind == "station" and (writing := [g for g in self._gates if g.writing]):
            gate = self._random.choice(writing)
            gate.kill_writer()
            self._down(kind, gate.start_writer)
        elif kind == "sync" and (syncing := [g for g in self._gates if g.syncing]):
            gate = self._random.choice(syncing)
            gate.kill_sync()
            self._down(kind, gate.start_sync)

    def _broker_up(self) -> None:
        self._broker.start()
        self._broker_down = False

    def _down(self, kind: str, back: Callable[[], None]) -> None:
        self.report.kills[kind] += 1
        self._later(min(LONGEST_DOWN_S, self._random.expovariate(1 / MEAN_DOWN_S)), kind, back)
        self.report.most_down = max(self.report.most_down, len(self._back))

    def _later(self, seconds: float, what: str, back: Callable[[], None]) -> None:
        self._back.append((time.monotonic() + seconds, what, back))

    def _bring_back(self) -> None:
        now = time.monotonic()
        ready = [one for one in self._back if one[0] <= now]
        self._back = [one for one in self._back if one[0] > now]
        for _, _, back in ready:
            back()
        if not self._database.up and not any(what == "postgres" for _, what, _ in self._back):
            self._database.start()  # it gave up by itself: a full disk, or processes of the last life in its way
        for collector in self._collectors:
            collector.restart_if_it_gave_up()
        for gate in self._gates:
            gate.restart_what_gave_up()

    # --- what else goes wrong ----------------------------------------------------------------------------------------

    def _incident(self, name: str) -> bool:
        done = {
            "clock": self._clock,
            "station disk": self._station_disk,
            "database disk": self._database_disk,
            "card": self._card,
            "backup": self._backup,
        }[name]()
        self.report.incidents[name] += done
        return done

    def _clock(self) -> bool:
        self._random.choice(self._gates).set_clock(self._random.choice(JUMPS_S))
        return True

    def _station_disk(self) -> bool:
        gate = self._random.choice(self._gates)
        gate.set_full(full=True)
        self._later(FULL_S, "disk", lambda: gate.set_full(full=False))
        return True

    def _database_disk(self) -> bool:
        if not self._database.can_fill:
            return True
        self._database.fill()
        self._later(FULL_S, "disk", self._database.free)
        return True

    def _card(self) -> bool:
        """Copy a card, or put the copy back where central holds all of the card and more than the copy."""
        gate = self._random.choice(self._gates)
        if not self._cards or gate.restored_from is not None or not gate.writing:
            return not self._cards
        gate.kill_writer()
        try:
            if gate.copied_at is None or gate.copied_at[0] != gate.journal()[0]:
                gate.kill_sync()
                gate.copy_card()
                gate.start_sync()
                return False
            return self._put_back(gate)
        finally:
            gate.start_writer()

    def _put_back(self, gate: Gate) -> bool:
        assert gate.copied_at is not None
        epoch, last = gate.journal()
        if not self._all_held(gate, epoch, last) or last <= gate.copied_at[1]:
            return False
        gate.kill_sync()
        gate.restore_card()
        gate.start_sync()
        self.report.forks_made += 1
        self._backup_good = False
        return True

    def _all_held(self, gate: Gate, epoch: int, last: int) -> bool:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            self._bring_back()
            try:
                with self._database.connect() as db:
                    if held_up_to(db, gate.name, epoch) >= last:
                        return True
            except psycopg.Error:
                pass
            time.sleep(0.05)
        return False

    def _look_for_forks(self) -> None:
        for gate in self._gates:
            if gate.restored_from is not None and gate.journal()[0] != gate.restored_from:
                gate.restored_from = None
                self.report.forks_found += 1

    def _backup(self) -> bool:
        """Take a backup, or put it back."""
        if not self._cards:
            return True
        if any(gate.restored_from is not None for gate in self._gates):
            return False
        if not self._backup_good:
            self._database.must_answer()
            self._database.take_backup()
            self._backup_good = True
            return False
        self._restore_database()
        return True

    def _restore_database(self) -> None:
        for collector in self._collectors:
            collector.kill()
        self._database.kill()
        self._back = [one for one in self._back if one[1] not in ("collector", "postgres")]
        self._database.restore()
        self._database.start()
        self._database.must_answer()
        self._collectors[0].tell_restored()
        for collector in self._collectors:
            collector.start()
        for gate in self._gates:
            gate.copied_at = None  # central may have forgotten what a copy lacks
