"""Fixtures: a real PostgreSQL."""

from tests.central.conftest import postgres  # noqa: F401 - a fixture
