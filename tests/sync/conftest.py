"""Fixtures: a real broker, a journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.lab import Broker, Journal


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A running Mosquitto."""
    try:
        found = Broker(tmp_path)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    found.start()
    yield found
    found.kill()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal with a trust bundle in force."""
    found = Journal(tmp_path / "station" / "journal.db")
    found.trust()
    yield found
    found.close()
