"""The whole protocol through a broker that takes mutual TLS only: the access list keeps back nothing it needs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sync.cli import main as sync_main
from sync.enrolment import enrol
from sync.identity import IdentityFolder
from tests.demo.processes import Process, command, until
from tests.enrolment.lab import Central, TlsBroker, station
from tests.enrolment.test_renewal import tls_toml
from tests.sync.lab import Journal

pytestmark = pytest.mark.timeout(180)


def test_events_are_acknowledged_over_mutual_tls(
    endpoint: Central, broker: TlsBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An enrolled station and an enrolled collector: hello, batches, health, signed acknowledgement, all arrive."""
    enrol(station(), IdentityFolder(tmp_path / "sync"), endpoint.code(capsys), endpoint.url, time.time())
    endpoint.command("authority", "collector", "central-1", "--to", str(endpoint.folder / "tls"))
    journal = Journal(tmp_path / "station" / "journal.db")
    journal.trust()
    last = journal.write(250)
    config = tls_toml(tmp_path, broker.port)
    collector = Process(command("gate-central", "serve", "--config", str(endpoint.config)), tmp_path / "central.log")
    service = Process(command("gate-sync", "run", "--config", str(config)), tmp_path / "sync.log")

    def acknowledged() -> bool:
        capsys.readouterr()
        sync_main(["status", "--config", str(config)])
        return f"acknowledged: up to {last}; waiting: 0" in capsys.readouterr().out

    try:
        until(acknowledged, 60, "the acknowledgement")
        assert not service.said("refused")
        assert not collector.said("refused")
    finally:
        service.stop()
        collector.stop()
        journal.close()
