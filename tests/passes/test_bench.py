"""The bench's own judgement: each bar is missed where it must be, and what is measured is measured."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from station.core import live
from station.core.model import Live
from tests.passes import bench, figures, imports, replays, sizes, speed, strictness
from tests.passes.figures import Bar, Part
from tests.passes.mutants import Tally


@pytest.fixture(scope="module")
def statuses():
    """A status list of two chunks."""
    return speed.ten_million(100_000)


@pytest.mark.parametrize(
    ("bar", "missed", "verdict"),
    [
        (Bar("n", 0.5, 0.5), False, "met"),
        (Bar("n", 0.51, 0.5), True, "MISSED"),
        (Bar("n", 0, 0), False, "met"),
        (Bar("n", 1, 0), True, "MISSED"),
        (Bar("n", math.nan, 0.5), True, "MISSED"),
        (Bar("n", 7, None), False, ""),
    ],
)
def test_verdicts(bar, missed, verdict):
    """A figure beyond its bar, or none at all, misses; one without a bar never does."""
    assert (bar.missed, bar.verdict) == (missed, verdict)


def test_one_missed_bar_decides_the_exit_code():
    """The bench fails where any bar is missed, in any part."""
    good, bad = Part("a", [Bar("x", 1, 2)]), Part("b", [Bar("y", 3, 2)])
    assert figures.exit_code([good, good]) == 0
    assert figures.exit_code([good, bad]) == 1


def test_the_report_tells_everything():
    """Each bar stands on top with its verdict; what is only told, the tables and the remarks follow."""
    part = Part("A part", [Bar("x", 1.234, 1, "ms"), Bar("peer", 5, None)], [(("h",), [("cell",)])], ["a remark"])
    text = figures.report([part], "summary")
    assert "| x | 1.23 ms | at most 1 | MISSED |" in text
    assert "| peer | 5 |" in text
    assert "| cell |" in text
    assert "a remark" in text
    assert "not measured" in figures.number(math.nan)


def test_every_bar_is_asked_for(statuses, tmp_path):
    """Size, time, memory, status, rules, imports and replays each have the bar that the specification names."""
    held, size = statuses
    parts = [
        sizes.measure(),
        speed.measure_live(held, 5),
        speed.measure_status(held, size, 1),
        speed.measure_rules(held, 1),
        imports.measure(1),
        replays.measure(held, tmp_path, 4, 200, 1),
    ]
    limits = {bar.name: bar.most for part in parts for bar in part.bars if bar.most}
    assert limits == {
        "pass on paper: version at level M": 10,
        "pass bound to a phone: version at level M": 10,
        "live code: version at level M": 12,
        "live code with a nonce: version at level M": 13,
        "live code: parse, verify, status and policy": 0.5,
        "live code: against the two bare signature checks": 2.5,
        "status: one lookup among ten million passes": 1.0,
        "status: ten million passes, manifest and chunks": 3.0,
        "policy: one decision of fifteen rules": 5.0,
        "import of the verifier, CPU time": 40.0,
        "import of the verifier, memory over a bare interpreter": 20.0,
    }
    assert all(bar.figure > 0 for part in parts for bar in part.bars if bar.most)
    zeros = {bar.name: bar.figure for part in parts for bar in part.bars if bar.most == 0}
    assert len(zeros) == 7
    assert not any(zeros.values())


def test_a_busy_machine_is_told():
    """Where the same work takes much longer in one run than in another, the report says that times mean little."""
    assert speed.disturbed([200.0, 210.0, 240.0]) == []
    assert "2.0 times" in speed.disturbed([200.0, 210.0, 400.0])[0]


def test_replays_would_be_seen(statuses, tmp_path, monkeypatch):
    """Where codes are never too old, or never used up, the bench counts them."""
    rules = speed.policy()
    monkeypatch.setattr(live, "not_fresh", lambda *_: None)
    good, outside, late, inside = replays.sweep(rules, statuses[0])
    assert good == inside
    assert late > outside * 0.9
    monkeypatch.undo()
    monkeypatch.setattr("station.register.Register.used_up", lambda *_: False)
    assert replays.shown_again(rules, statuses[0], tmp_path, 3) == (3, 3, 3)


def test_a_forgetful_journal_would_be_seen(statuses, tmp_path, monkeypatch):
    """Where the register remembers used-up codes in memory alone, they come back after the restart."""

    def granted(self, credentials, now):
        used = [(c.cti, c.live.t) for c in credentials]
        return replace(granted.original(self, [], now), take_effect=lambda: self._used.update(used))

    granted.original = replays.Register.granted
    monkeypatch.setattr("station.register.Register.granted", granted)
    assert replays.shown_again(speed.policy(), statuses[0], tmp_path, 3) == (0, 3, 3)


def test_codes_that_are_shown_are_real_ones():
    """What the replays show is read and verified by the reader, at the time and with the nonce asked for."""
    assert replays.shown_at(5).live == Live(5)
    assert replays.shown_at(5, bytes(8)).live == Live(5, bytes(8))


def test_faults_reach_the_report():
    """A text that was wrongly accepted misses its bar and is printed."""
    tally = Tally(tried=2, wrong=["accepted: 'X'"], wrongs=1)
    part = strictness._part({("ep1", strictness.BITS): tally}, [7])
    assert figures.exit_code([part]) == 1
    assert "accepted: 'X'" in figures.report([part], "")


def test_faults_of_other_processes_are_joined():
    """What several processes found is added up, and the seeds are told."""
    part = strictness.measure(3, 0, 40, 1)
    counts = [re.sub(r"\D", "", bar.unit) for bar in part.bars]
    assert all(int(count) > 0 for count in counts)
    assert [bar.name.split(",")[0] for bar in part.bars] == ["hypothesis: texts", "hypothesis: documents"]
    assert "300" in part.remarks[-1]
    assert [row[0] for row in part.tables[-1][1]] == [strictness.BITS, strictness.EDITS]


def test_the_command_says_what_it_takes(capsys):
    """Without a seed the bench does not begin."""
    with pytest.raises(SystemExit):
        bench.main([])
    assert "--seed" in capsys.readouterr().err
