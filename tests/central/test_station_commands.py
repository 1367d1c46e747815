"""gate-central command: who is meant, what each station is sent, and what the operator is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.core.command import Command, OpenOnce, Recipient, open_command
from station.core.model import Instant
from sync import wire
from sync.central.cli import main
from sync.central.command_table import CommandTable
from sync.central.office_trust import newest_bundle
from sync.central.store import Said, Store
from tests.central.bureau import Bureau, seconds
from tests.sync.lab import ZONE, central_toml, free_port

EAST, WEST, FAR_AWAY = "gate-east-1", "gate-west-1", "gate-harbour-1"
ZONES = {EAST: ZONE, WEST: "320611002002", FAR_AWAY: "110101001001"}
EPOCHS = {EAST: 11, WEST: 12, FAR_AWAY: 13}


class Centre:
    """An office with a command key, a central database, and stations that answer when they are told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bureau = Bureau(folder / "office")
        self.bureau.run("keys", "issuer", "chief", "--role", "command", "--zone", "3206")
        self.bureau.run("keys", "trust")
        key = self.bureau.folder / "keys" / "centre.key"
        self.config = central_toml(folder, free_port(), ack=(key, self.bureau.kid("centre")))
        store = Store(f"sqlite:///{folder}/central.db")
        store.open()
        store.note_stations([Said(name, "hello", self._hello(name), alive=True) for name in ZONES])
        store.note_stations([Said("gate-new-1", "tele", "{}", alive=True)])
        store.close()
        self.table = CommandTable(f"sqlite:///{folder}/central.db")
        self.taken: list[tuple[str, Command]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @staticmethod
    def _hello(name: str) -> str:
        hello = wire.Hello(
            epoch=EPOCHS[name], nonce=1, first_kept=1, next_seq=1, acked=0, head="0" * 64, zone=ZONES[name]
        )
        return wire.encode(hello).decode()

    def serve(self, *mute: str) -> None:
        """Let every station take and answer what is for it, but for those that are mute."""
        self._mute = mute
        self._thread.start()

    def _serve(self) -> None:
        trust = newest_bundle(self.bureau.folder)
        while not self._stop.wait(0.02):
            for one in self.table.waiting(0):
                if one.station in self._mute or not self.table.claim(one.id):
                    continue
                here = Recipient(one.station, ZONES[one.station], EPOCHS[one.station], 0, b"")
                verdict = open_command(one.raw, trust, here, Instant(seconds() * 1_000_000, 0))
                assert isinstance(verdict, Command), verdict
                self.taken.append((one.station, verdict))
                text = "line\n" if verdict.verb == "collect-logs" else ""
                self.table.answer(one.station, wire.Response(id=one.id, outcome="done", detail="well", text=text))

    def command(self, *words: str, key: str = "chief") -> int:
        """Give a command."""
        where = ["--config", str(self.config), "--office", str(self.bureau.folder), "--key", key]
        return main(["command", *words, *where])

    def close(self) -> None:
        """End the stations."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self.table.close()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """A centre."""
    made = Centre(tmp_path)
    yield made
    made.close()


def test_each_station_of_a_zone_gets_a_signature_of_its_own(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """Two stations are meant, two are sent a command that is good at that station alone, and both rows say done."""
    centre.serve()
    assert centre.command("open-once", "--direction", "in", "--zone", "3206") == 0
    assert {station for station, _ in centre.taken} == {EAST, WEST}
    assert len({command.id for _, command in centre.taken}) == 2
    assert all(isinstance(command.action, OpenOnce) for _, command in centre.taken)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[:3] == [
        ["station", "counter", "outcome", "why"],
        [EAST, "1", "done", "well"],
        [WEST, "1", "done", "well"],
    ]
    assert rows[3][-1] == "gate-new-1", "who has not told its zone is named"


def test_all_means_all_and_says_who_gets_none(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond the key's scope and without a hello there is no command, and it is said why; the others get theirs."""
    centre.serve()
    assert centre.command("lock-down", "--all") == 1
    told = capsys.readouterr()
    rows = {words[0]: words[1:] for line in told.out.splitlines() if (words := line.split())}
    assert (rows[EAST][1], rows[WEST][1]) == ("done", "done")
    assert rows[FAR_AWAY][:3] == ["-", "not", "sent"]
    assert "command-out-of-role:" in rows[FAR_AWAY]
    assert rows["gate-new-1"][-3:] == ["never", "said", "hello"]
    assert "2 of 4 stations have not done it" in told.err


def test_a_station_that_does_not_answer_is_said(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator waits no longer than the command may be taken, and sees who was silent."""
    centre.serve(WEST)
    assert centre.command("ping", "--station", EAST, "--station", WEST, "--expires", "1") == 1
    told = capsys.readouterr()
    assert any(line.split()[:4] == [WEST, "1", "no", "answer"] for line in told.out.splitlines())
    assert "no collector is running" in told.out
    assert "1 of 2 stations" in told.err


def test_logs_are_written_to_files(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """What the stations sent lies in the folder, a file for each."""
    centre.serve()
    folder = centre.folder / "logs"
    assert centre.command("collect-logs", "--station", EAST, "--minutes", "5", "--into", str(folder)) == 0
    assert (folder / f"{EAST}.log").read_text(encoding="utf-8") == "line\n"
    assert str(folder / f"{EAST}.log") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "key", "says"),
    [
        (("ping", "--station", "gate-nowhere-1"), "chief", "never heard of gate-nowhere-1"),
        (("ping", "--zone", "44"), "chief", "no station is meant"),
        (("ping", "--all", "--expires", "0"), "chief", "--expires 0"),
        (("ping", "--all", "--expires", "86400"), "chief", "--expires 86400"),
        (("ping", "--all"), "centre", "no role command"),
        (("ping", "--all"), "nobody", "no key 'nobody'"),
    ],
)
def test_what_cannot_be_commanded_is_said(
    centre: Centre, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], key: str, says: str
) -> None:
    """Wrong stations, zones, times and keys are refused with what to do, and nothing is stored."""
    assert centre.command(*words, key=key) == 1
    assert says in capsys.readouterr().err
    assert centre.table.waiting(0) == []


def test_a_key_that_others_can_read_commands_nothing(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """The key's file must be its owner's alone."""
    (centre.bureau.folder / "keys" / "chief.key").chmod(0o644)
    assert centre.command("ping", "--all") == 1
    assert "can be read by others" in capsys.readouterr().err


def test_what_every_station_would_refuse_is_not_sent(centre: Centre, capsys: pytest.CaptureFixture[str]) -> None:
    """An announcement that says nothing is refused before it leaves the office."""
    assert centre.command("announce", "--station", EAST) == 1
    assert "command-bad-argument" in capsys.readouterr().out
    assert centre.table.waiting(0) == []
