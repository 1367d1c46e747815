"""Fixtures: a central with its endpoint, and a broker that takes mutual TLS only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.enrolment.lab import Central, TlsBroker


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """Central with an authority; its endpoint does not run yet."""
    found = Central(tmp_path / "central")
    yield found
    found.stop()


@pytest.fixture
def endpoint(central: Central) -> Central:
    """Central with its endpoint running."""
    central.serve()
    return central


@pytest.fixture
def broker(central: Central) -> Iterator[TlsBroker]:
    """A running Mosquitto as central configures it."""
    try:
        found = TlsBroker(central)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    found.write()
    found.start()
    yield found
    found.stop()
