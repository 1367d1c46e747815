"""The whole system: the demo as people run it, and the same under kill -9 of everything."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import urllib.request

import pytest

from tests.demo.actor import Actor
from tests.demo.audit import audit, edges, unexplained_edges
from tests.demo.crowd import more_residents
from tests.demo.processes import ROOT, until
from tests.demo.rig import REX_PIN, Rig

KILLS = 12


@pytest.mark.timeout(240)
def test_the_demo_passes(tmp_path):
    """Every scenario is decided as expected, nothing is lost or doubled, and the demo's exit status says so."""
    line = [sys.executable, "-m", "tests.demo", "--untimed", "--for", "1", "--folder", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "demo passed" in done.stdout


@pytest.fixture
def rig(tmp_path):
    """The whole system, running."""
    made = Rig(tmp_path)
    made.office.issue()
    made.office.sign_status()
    made.start_all()
    yield made
    made.stop_all()


class Killer:
    """Kills one of the processes at a random moment of the traffic, and starts it again."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig, self._random = rig, random.Random(seed)
        self.said: list[str] = []

    def strike(self) -> None:
        """Wait a random moment, kill one process, start it again."""
        threading.Event().wait(self._random.uniform(0.0, 0.6))
        who = self._random.choice(["station", "sync", "central", "broker"])
        self.said.append(who)
        if who == "broker":
            self._rig.broker.kill()
            self._rig.broker.start()
            return
        process = getattr(self._rig, who)
        process.kill()
        getattr(self._rig, f"start_{who}")()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [7])
def test_kills_of_everything_lose_and_double_nothing(rig, seed):
    """Twelve random kills during traffic: every event the station wrote is in the central database exactly once.

    And the relay was never energised without a committed cause, from the first level to the last.
    """
    actor, visits, killer = Actor(rig), more_residents(rig.office), Killer(rig, seed)
    for number in range(KILLS):
        striking = threading.Thread(target=killer.strike)
        striking.start()
        for visit in range(3):
            actor.play(visits(number * 3 + visit))
        striking.join()
    assert rig.station is not None
    rig.station.stop()
    written = len(rig.journal_rows())
    until(lambda: rig.acknowledged() >= written, 60, f"all {written} events are acknowledged after {killer.said}")
    found = audit(rig)
    assert (found.lost, found.doubled, found.altered, found.chain_good) == (0, 0, 0, True), killer.said
    assert found.unexplained == []
    assert len(edges(rig.pin_records())) > KILLS


def test_the_exit_button_opens_while_the_station_is_busy(rig):
    """REX moves the relay by itself; the audit finds the cause that was recorded afterwards."""
    rig._set(f"pin.{REX_PIN}", 0)
    until(lambda: edges(rig.pin_records()), 5, "the relay is energised")
    rig._set(f"pin.{REX_PIN}", 1)
    until(lambda: any(e.kind == "door" and e.payload["what"] == "rex" for e in rig.journal()), 5, "REX is recorded")
    assert unexplained_edges(rig.pin_records(), rig.journal()) == []


def test_the_audit_finds_a_relay_without_a_cause(rig):
    """The audit can fail: with the journal's grants left out, the same pins are unexplained."""
    Actor(rig).play(more_residents(rig.office)(1))
    records, events = rig.pin_records(), rig.journal()
    assert unexplained_edges(records, events) == []
    assert unexplained_edges(records, [e for e in events if e.kind != "decision"]) != []


def test_without_a_journal_the_station_shows_it_and_comes_back(tmp_path):
    """Without a journal nobody is granted anything, REX works, the screen stands; later the station starts anew."""
    rig = Rig(tmp_path)
    rig.office.issue()
    rig.office.sign_status()
    rig.start_world()
    (tmp_path / "station" / "journal.db").mkdir()
    try:
        rig.start_station()
        assert rig.station is not None
        rig.show("out", {"id": "1", "codes": [{"text": rig.office.issue()}]})
        rig._set(f"pin.{REX_PIN}", 0)
        until(lambda: edges(rig.pin_records()), 5, "the exit button opens")
        with urllib.request.urlopen(rig.screen_url) as page:  # noqa: S310 - our own loopback address
            assert page.status == 200
        assert [lane for lane, _ in edges(rig.pin_records())] == ["in"]
        (tmp_path / "station" / "journal.db").rmdir()
        until(lambda: rig.station is not None and not rig.station.running(), 15, "the station ends to start anew")
        rig.start_station()
        until(rig.journal, 5, "it records again")
    finally:
        rig.stop_all()
