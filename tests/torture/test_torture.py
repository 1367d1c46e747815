"""A short run of the torture, and of its control: the same harness finds nothing lost, and much."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.__main__ import CONTROL_LOSES, bars, torture

pytestmark = pytest.mark.timeout(400)


def test_nothing_is_lost_however_often_everything_is_killed(tmp_path: Path) -> None:
    """Broker, collectors, PostgreSQL, stations and gate-sync killed 40 times: each event once, each chain whole."""
    outcome = torture(tmp_path, 40, 40.0, 7, gates=2)
    missed = [row for row in bars(outcome, 40, believer=False) if not row[3]]
    assert missed == []
    assert outcome.account.reported > 200


def test_with_puback_for_the_acknowledgement_much_is_lost(tmp_path: Path) -> None:
    """The control: the same kills, and a station half that believes the broker loses more than a tenth."""
    outcome = torture(tmp_path, 25, 25.0, 7, believer=True, gates=2)
    assert len(outcome.account.lost) / outcome.account.reported >= CONTROL_LOSES
    assert outcome.account.stored > 0
