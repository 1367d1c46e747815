"""The hardware lab is asked for: `make test-lab` sets LAB. Elsewhere its tests are skipped at once."""

from __future__ import annotations

import os

import pytest

from tests.lab.machine import why_not


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the lab where nobody asked for it or there is none."""
    reason = (
        why_not() if os.environ.get("LAB") else "needs the hardware lab: make test-lab (docs/how-to/hardware-lab.md)"
    )
    for item in items:
        if "gate" in getattr(item, "fixturenames", ()) and reason:
            item.add_marker(pytest.mark.skip(reason=reason))
