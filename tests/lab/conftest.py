"""The hardware lab is asked for: `make test-lab` sets LAB. Elsewhere its tests are skipped at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.lab.machine import why_not

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the lab where nobody asked for it or there is none.

    pytest hands over the tests of all folders, not of this one alone.
    """
    reason = (
        why_not() if os.environ.get("LAB") else "needs the hardware lab: make test-lab (docs/how-to/hardware-lab.md)"
    )
    for item in items:
        if reason and HERE in item.path.parents and "gate" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))
