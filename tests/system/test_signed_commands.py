"""From the office's command to the relay and back: real office, database, collector, broker, gate-sync and station."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from station.core import cose
from station.core.command import Recipient, number, payload
from station.core.documents import Role
from station.core.events import Event
from station.core.reasons import Reason
from sync import wire
from sync.central.cli import main
from sync.central.keys import SigningKey
from tests.demo.audit import edges
from tests.demo.crowd import phone
from tests.demo.office import DAY_S, ZONE
from tests.demo.processes import until
from tests.demo.rig import PINS, STATION, Rig
from tests.sync.lab import Listener

pytestmark = pytest.mark.timeout(240)


class Town(Rig):
    """A rig whose office has a key that commands, and whose documents are published."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        now = int(time.time())
        valid = (now - DAY_S, now + DAY_S)
        self.office.keyring.create("chief", [Role.COMMAND], ["3206"], [], valid)
        self.office.keyring.create("abroad", [Role.COMMAND], ["1101"], [], valid)
        self.office.issue()
        self.office.sign_status()
        self.office.shelf.sign_trust(self.office.keyring, valid)

    def start(self) -> None:
        """Start everything; return once central knows the station, and the station that it does."""
        self.start_all()
        until(lambda: self.acknowledged() > 0, 30, "the first acknowledgement")

    def command(self, *words: str, key: str = "chief", whom: tuple[str, ...] = ("--station", STATION)) -> int:
        """Give a command as the operator does."""
        where = ["--config", str(self.folder / "central.toml"), "--office", str(self.office.folder), "--key", key]
        return main(["command", *words, *where, *whom])

    def commands(self) -> list[Event]:
        """What the station has recorded of commands."""
        return [event for event in self.journal() if event.kind == "command"]

    def moved(self, lane: str) -> int:
        """How often a lane's relay was energised, by the world's own log of the pin."""
        return sum(name == lane for name, _ in edges(self.pin_records()))

    def recipient(self) -> Recipient:
        """The station as a command must name it now."""
        ((epoch,),) = self._query("station/journal.db", "SELECT epoch FROM stream")
        state = dict(self._query("station/journal.db", "SELECT key, value FROM state"))
        return Recipient(STATION, ZONE, epoch, int(state.get("command-counter", b"0")), state["boot-nonce"])


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Everything that runs."""
    made = Town(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop_all()


def said(output: str, station: str = STATION) -> list[str]:
    """The words of a station's row of the table."""
    return next(line.split() for line in output.splitlines() if line.startswith(station))


def test_a_command_is_carried_out_and_answered(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator sees what became of it; the relay moved once; event and answer bear the command's number."""
    assert town.command("ping") == 0
    assert said(capsys.readouterr().out)[1:3] == ["1", "done"]
    assert town.command("open-once", "--lane", "in", whom=("--zone", "3206")) == 0
    assert said(capsys.readouterr().out)[1:3] == ["2", "done"]
    assert (town.moved("in"), town.moved("out")) == (1, 0)
    assert town.command("open-once", "--lane", "attic", whom=("--all",)) == 1
    assert said(capsys.readouterr().out)[2:4] == ["failed", "command-bad-argument:"]
    assert town.command("ping", key="abroad") == 1
    assert "command-out-of-role" in capsys.readouterr().out
    assert town.command("ping", key="central") == 1
    assert "no role command" in capsys.readouterr().err
    assert [event.payload["what"] for event in town.commands()] == ["accepted", "done"] * 2 + ["accepted", "failed"]
    rows = _central(town, "SELECT station, counter, verb, outcome FROM command ORDER BY counter")
    assert [row[1:] for row in rows] == [(1, "ping", "done"), (2, "open-once", "done"), (3, "open-once", "failed")]


def test_entry_stays_closed_over_a_power_cut_until_released(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """Locked down, killed and started anew: a good pass is refused at the entrance, opens the exit; release ends it."""
    assert town.command("lock-down") == 0
    assert town.station is not None
    town.station.kill()
    town.start_station()
    nonce = town.recipient().boot_nonce.hex()
    until(lambda: nonce in _hello(town), 20, "the hello of the new start")
    good = town.office.issue()
    for lane in PINS:
        town.show(lane, {"id": lane, "codes": [phone(good)], "seed": 1})
    until(lambda: town.moved("out"), 20, "the exit to open")
    refused = until_event(town, lambda e: e.payload.get("reason") == Reason.LOCKED_DOWN_BY_CENTRAL)
    assert (refused.payload["lane"], refused.payload["outcome"]) == ("in", "deny")
    assert town.moved("in") == 0
    assert town.command("release") == 0
    capsys.readouterr()


def until_event(town: Town, wanted: Callable[[Event], bool]) -> Event:
    """Wait for an event of the journal."""
    until(lambda: any(map(wanted, town.journal())), 20, "the event")
    return next(filter(wanted, town.journal()))


def _central(town: Town, sql: str) -> list[tuple]:
    return town._query("central/central.db", sql)


def _hello(town: Town) -> str:
    return str(_central(town, "SELECT hello FROM station")[0][0])


# --- hostile ---------------------------------------------------------------------------------------------------------


def test_what_is_not_for_here_and_now_is_refused_and_answered(town: Town) -> None:
    """Retained, replayed, expired, forged, for another station or journal, oversized: each refused with its reason.

    Whoever can write to the broker can send all this; the relay does not move, and central is told why.
    """
    key = town.office.keyring.key("chief")
    here, now = town.recipient(), int(time.time())
    listener = Listener(town.broker.port, f"gs/1/{STATION}/up/rsp/+")
    good = signed(key, here, (now - 5, now + 300), 1)
    other_station = signed(key, Recipient("gate-west-1", ZONE, here.epoch, 0, here.boot_nonce), (now, now + 300), 9)
    other_epoch = signed(key, Recipient(STATION, ZONE, here.epoch ^ 2, 0, here.boot_nonce), (now, now + 300), 9)
    forged = signed(SigningKey(key.kid, town.office.passes.private), here, (now, now + 300), 9)
    sent = [
        (signed(key, here, (now - 5, now + 300), 7), True, Reason.COMMAND_RETAINED),
        (good, False, None),
        (signed(key, here, (now - 4, now + 300), 1), False, Reason.COMMAND_REPLAYED),
        (signed(key, here, (now - 90, now - 30), 9), False, Reason.COMMAND_EXPIRED),
        (signed(key, here, (now + 100, now + 300), 9), False, Reason.COMMAND_NOT_YET_VALID),
        (forged, False, Reason.COMMAND_UNSIGNED),
        (signed(town.office.passes, here, (now, now + 300), 9), False, Reason.COMMAND_OUT_OF_ROLE),
        (other_station, False, Reason.COMMAND_OTHER_STATION),
        (other_epoch, False, Reason.COMMAND_OTHER_EPOCH),
        (good[:-1] + bytes([good[-1] ^ 1]), False, Reason.COMMAND_UNSIGNED),
        (good + b"x" * 5000, False, Reason.COMMAND_MALFORMED),
    ]
    for raw, retain, _ in [*sent, (good, False, None)]:
        listener.link.publish(wire.down(STATION, "cmd"), raw, retain=retain)
    until(lambda: len(listener.seen) >= len(sent), 30, "the answers")
    answers = {told.id: told for m in listener.seen if (told := wire.decode(m.payload, wire.Response))}
    for raw, _, reason in sent:
        assert answers[number(raw)].reason == (reason or "")
        assert answers[number(raw)].outcome == ("refused" if reason else "done")
    assert town.moved("in") == 1
    until(lambda: _central(town, "SELECT count(*) FROM command") == [(0,)], 5, "central keeps no answers to nobody")
    listener.link.close()


def signed(key: SigningKey, here: Recipient, times: tuple[int, int], counter: int) -> bytes:
    """A command to open the entrance once."""
    to = Recipient(here.station, here.zone, here.epoch, counter, here.boot_nonce)
    content = payload(to, b"8 bytes!", times, "open-once", {"lane": "in"})
    return cose.sign1(content, key.kid, key.private)


def test_an_answer_waits_for_central(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """A collector that is killed after the command has left finds the answer when it comes back."""
    assert town.command("ping") == 0
    assert town.central is not None
    here, now = town.recipient(), int(time.time())
    key = town.office.keyring.key("chief")
    raw = signed(key, here, (now - 5, now + 300), here.counter + 1)
    row = (number(raw), STATION, here.epoch, here.counter + 1, raw, now + 300)
    town.central.kill()
    database = apsw.Connection(str(town.folder / "central" / "central.db"))
    database.set_busy_timeout(5000)
    database.execute(
        "INSERT INTO command (id, station, epoch, counter, verb, body, kid, raw, issued_us, expires, published_us)"
        " VALUES (?, ?, ?, ?, 'open-once', '{}', 'x', ?, 1, ?, 1)",
        row,
    )
    database.close()
    sender = Listener(town.broker.port)
    sender.link.publish(wire.down(STATION, "cmd"), raw)
    until(lambda: town.moved("in"), 20, "the relay")
    sender.link.close()
    town.start_central()
    outcome = f"SELECT outcome FROM command WHERE id = '{number(raw)}'"
    until(lambda: _central(town, outcome) == [("done",)], 30, "the answer")
    capsys.readouterr()
