"""The harness of `make powercut` itself: it accepts what is sound and finds what is missing. No machine is needed."""

from __future__ import annotations

import json
import random
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.powercut import recording
from tests.powercut.recording import HEADER, Operation, crashes, survivors
from tests.powercut.verdict import judge

TRAFFIC = Path(__file__).with_name("guest") / "traffic.py"
VISITS = 90
"""Enough for documents, evictions and one outage of the journal."""


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    """What the writer leaves after some visits: its folder, and what it told."""
    home = tmp_path_factory.mktemp("traffic")
    spec = spec_from_file_location("traffic", TRAFFIC)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PORT, module.OFFICE, module.SYNC = str(home / "told"), home / "office", home / "sync"
    (home / "told").touch()
    gate = module.Gate(home / "station", "full", 1)
    gate.run(range(1, VISITS))
    gate.recorder.close()
    gate.central.database.close()
    gate.tell.close()
    return home / "station", [json.loads(line) for line in (home / "told").read_text().splitlines()]


@pytest.fixture
def copy(traffic, tmp_path):
    """A copy of the folder to damage, and what was told."""
    shutil.copytree(traffic[0], tmp_path / "station")
    return tmp_path / "station", traffic[1]


def test_sound_files_are_accepted(copy):
    """What the writer left is judged as good, with evicted rows, documents, passages and an outage in it."""
    folder, told = copy
    assert [row for row in told if "kept" in row]
    assert judge(folder, told) == ""


def test_a_missing_row_is_found(copy):
    """One row fewer than was told: the last transactions never reached the medium."""
    folder, told = copy
    last = max(row["seq"] for row in told if "seq" in row)
    assert judge(folder, [*told, {"seq": last + 1, "head": "00" * 32}]).startswith("LOST 1 ")


def test_another_row_is_found(copy):
    """A row that is not the one that was told of."""
    folder, told = copy
    last = max(row["seq"] for row in told if "seq" in row)
    changed = [{**row, "head": "00" * 32} if row.get("seq") == last else row for row in told]
    assert judge(folder, changed) == "events are not those that were committed"


def test_a_missing_override_is_found(copy):
    """An override that was recorded while the journal failed, and is neither there nor in the reserve."""
    folder, told = copy
    assert judge(folder, [*told, {"kept": 99, "after": 10_000}]).startswith("LOST overrides")


def test_a_register_that_lags_behind_is_found(copy):
    """A passage in the journal whose state change is missing."""
    import apsw  # noqa: PLC0415 - one test damages the file

    folder, told = copy
    database = apsw.Connection(str(folder / "journal.db"))
    database.execute("DELETE FROM passage WHERE id = (SELECT max(id) FROM passage)")
    database.close()
    assert "passages" in judge(folder, told)


def test_a_damaged_file_is_found(copy):
    """A journal that the station would set aside."""
    folder, told = copy
    (folder / "journal.db").write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        (folder / f"journal.db{suffix}").unlink(missing_ok=True)
    assert judge(folder, told).startswith("the journal was set aside")


def test_a_recording_is_read_and_cut(tmp_path):
    """Flushed writes are on the medium, others are left to chance; words count once their line is whole."""
    operations = [
        Operation(b"W", 0, b"a"),
        Operation(b"F", 0, b""),
        Operation(b"A", 0, b'{"seq": 1}\n{"se'),
        Operation(b"W", 512, b"b"),
        Operation(b"A", 0, b'q": 2}\n'),
    ]
    path = tmp_path / "log"
    path.write_bytes(b"".join(HEADER.pack(o.kind, o.offset, len(o.data)) + o.data for o in operations) + b"W\0\0")
    assert recording.read(path) == operations
    early, late = crashes(operations, [4, 5])
    assert (early.changes, early.unflushed, early.told) == ([(0, b"a")], [(512, b"b")], [{"seq": 1}])
    assert (late.changes, late.unflushed, late.told) == ([], [(512, b"b")], [{"seq": 1}, {"seq": 2}])


def test_what_survives_is_part_of_what_was_written():
    """Whatever chance decides, only bytes that were written reach the medium, torn at whole pieces."""
    writes = [(1000, bytes(range(256)) * 64), (0, b"x" * 512)]
    outcomes = set()
    for seed in range(200):
        kept = survivors(writes, random.Random(seed))
        outcomes.add(len(kept))
        for offset, data in kept:
            ((begin, whole),) = [(at, text) for at, text in writes if at <= offset < at + len(text)]
            assert whole[offset - begin : offset - begin + len(data)] == data
    assert {0, 1, 2} < outcomes
