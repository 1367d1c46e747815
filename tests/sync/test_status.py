"""`gate-sync status`: what it shows of both files, whether gate-sync runs, was killed or was never started."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from station.core import command
from sync import cli, config, status
from sync.store import FILE, SyncStore
from tests.central.test_end_to_end import Gate
from tests.sync.lab import Broker, Journal, sync_toml, until

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def gate(tmp_path: Path, broker: Broker, journal: Journal) -> Iterator[Gate]:
    """One station and one central, nothing started yet."""
    found = Gate(tmp_path, broker, journal)
    yield found
    found.stop()


def asked(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Return exit status and report of `gate-sync status --json`."""
    capsys.readouterr()
    code = cli.main(["status", "--json", "--config", str(path)])
    return code, json.loads(capsys.readouterr().out)


def test_while_it_runs_and_after_it_was_killed(gate: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    """Connected and acknowledged: nothing to do. After kill -9 sync.db still says connected, the status does not."""
    last = gate.journal.write(30)
    path = sync_toml(gate.directory, gate.broker.port)
    code, before = asked(path, capsys)
    assert (code, before["running"], before["queue"], before["link"]) == (1, False, last, None)
    gate.start_collector()
    gate.start_sync()
    until(lambda: gate.delivered() == last, what="the acknowledgement")
    until(lambda: asked(path, capsys)[0] == 0, what="a status without anything to do")
    _, well = asked(path, capsys)
    assert well["running"] is True
    assert well["link"]["connected"] is True
    assert (well["acknowledged"], well["queue"], well["oldest"]) == (last, 0, None)
    assert well["acknowledged_at"].endswith("Z")
    assert [(one["type"], one["seq"]) for one in well["documents"]] == [("trust", 1)]
    assert gate.sync is not None
    gate.sync.kill()
    waiting = gate.journal.write(5)
    code, dead = asked(path, capsys)
    assert (code, dead["running"], dead["link"]["connected"]) == (1, False, False)
    assert (dead["acknowledged"], dead["queue"]) == (last, waiting - last)
    assert dead["oldest"] is not None
    assert any("systemctl start gate-sync" in what for what in dead["todo"])
    assert cli.main(["status", "--config", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "gate-sync: not running" in shown
    assert f"acknowledged: up to {last}; waiting: {waiting - last}" in shown
    assert "in force: trust 1 since" in shown
    assert "-> gate-sync does not run" in shown


def test_commands_and_journals_that_were_set_aside(tmp_path: Path, journal: Journal) -> None:
    """A command shows what the station answered; a journal set aside is named until central has it."""
    journal.write(3)
    settings = config.load(sync_toml(tmp_path, 1))
    store = SyncStore(settings.paths.state)
    store.put_command(b"one", retained=False)
    store.put_command(b"two", retained=False)
    store.set_link(connected=True, error="")
    store.close()
    db = apsw.Connection(str(journal.path))
    body = msgspec.json.encode({"outcome": "done", "reason": "", "verb": "ping", "counter": 1}).decode()
    db.execute("INSERT INTO answer (command, body) VALUES (?, ?)", (command.number(b"one"), body))
    db.close()
    for name in ("journal.db.quarantine-1", "journal.db.quarantine-1-wal", "journal.db.quarantine-2.uploaded"):
        (journal.path.parent / name).write_bytes(b"")
    report = status.examine(settings, NOW)
    assert [(one.id, one.verb, one.outcome) for one in report.commands] == [
        (command.number(b"two"), "", ""),
        (command.number(b"one"), "ping", "done"),
    ]
    assert report.quarantined == ["journal.db.quarantine-1"]
    text = "\n".join(status.lines(report, settings))
    assert f"command {command.number(b'two')}" in text
    assert "not answered" in text
    assert "still to be sent: journal.db.quarantine-1" in text


def test_an_old_queue_with_a_connection_is_worth_a_look(tmp_path: Path, journal: Journal) -> None:
    """Events that central does not acknowledge for a quarter of an hour are named, younger ones are not."""
    journal.write(3)
    settings = config.load(sync_toml(tmp_path, 1))
    store = SyncStore(settings.paths.state)
    store.set_link(connected=True, error="")
    store.close()
    recorded = status.examine(settings, NOW).oldest
    assert recorded is not None
    # Nothing holds the doorbell here; whether one does makes no difference to what is compared.
    report = msgspec.structs.replace(status.examine(settings, NOW), running=True, link=None, todo=[])
    late = msgspec.structs.replace(report, at=recorded + dt.timedelta(seconds=status.LATE_S + 1))
    in_time = msgspec.structs.replace(report, at=recorded + dt.timedelta(seconds=status.LATE_S - 1))
    assert any("15 minutes old" in what for what in status._todo(late, settings))
    assert not list(status._todo(in_time, settings))


@pytest.mark.parametrize("name", ["journal", "sync.db"])
def test_a_damaged_file_is_named(
    name: str, tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Either file may be garbage: the other one is still shown, the exit status is 1, nothing is raised."""
    journal.write(3)
    path = sync_toml(tmp_path, 1)
    settings = config.load(path)
    store = SyncStore(settings.paths.state)
    store.set_link(connected=False, error="no route")
    store.close()
    journal.close()
    bad = settings.paths.journal if name == "journal" else settings.paths.state / FILE
    for file in bad.parent.glob(f"{bad.name}*"):
        file.unlink()
    bad.write_bytes(b"garbage" * 1000)
    code, report = asked(path, capsys)
    assert code == 1
    assert any(str(bad) in what for what in report["todo"])
    assert (report["journal"] is None) == (name == "journal")
    assert (report["link"] is None) == (name == "sync.db")


def test_no_configuration_is_exit_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As for every command: 2 where the configuration cannot be used."""
    assert cli.main(["status", "--json", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err
