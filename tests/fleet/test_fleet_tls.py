"""The simulated fleet over mutual TLS: each station with a certificate of its own, as the broker demands."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.central.cli import main
from tests.demo.processes import Process, command, until
from tests.enrolment.lab import Central, Papers, TlsBroker

STATIONS = 3


def test_each_station_shows_its_own_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over mutual TLS with access lists all stations are heard, their events stored; without certificates: refused."""
    central = Central(tmp_path / "central")
    central.command("authority", "collector", "central-1", "--to", str(central.folder / "tls"))
    broker = TlsBroker(central)
    broker.write()
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    for number in range(1, STATIONS + 1):
        Papers.made(central.authority, certificates, f"sim-{number:05}")
    broker.start()
    collector = Process(command("gate-central", "serve", "--config", str(central.config)), tmp_path / "collector.log")
    line = ["simulate-fleet", "--config", str(central.config), "--stations", str(STATIONS)]
    try:
        until(lambda: collector.said("ready"), 40, "the collector is ready")
        fleet = Process(
            command("gate-central", *line, "--rate", "10", "--for", "3", "--certificates", str(certificates)),
            tmp_path / "fleet.txt",
        )
        assert fleet.child.wait(90) == 0, fleet.log.read_text()
        assert f"stations: {STATIONS} of {STATIONS} heard" in fleet.log.read_text()
        assert "lost 0, doubled 0" in fleet.log.read_text()
        assert main(line) == 2
        assert "--certificates" in capsys.readouterr().err
    finally:
        collector.stop()
        broker.stop()
