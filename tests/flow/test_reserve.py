"""The reserve: what must be recorded on a full disk is recorded, and reaches the journal exactly once."""

from __future__ import annotations

import pytest

from station.core.events import Kind, decode
from station.core.model import Instant
from station.core.record import replace
from station.journal import Change, Journal, JournalFault, set_state
from station.recorder import Recorder
from station.register import ADD_PASSAGE
from station.reserve import Reserve

NOW = Instant(1_700_000_000_000_000, 5_000_000)
SIZE = 1 << 20


@pytest.fixture
def journal(tmp_path):
    """An empty journal."""
    made = Journal(tmp_path, "boot-1")
    yield made
    made.close()


def late(journal: Journal) -> list[object]:
    """The payloads of the late events."""
    return [decode(raw).payload["payload"] for _, raw in journal.last(100) if decode(raw).kind == Kind.LATE]


def test_records_survive_and_are_moved_once(tmp_path, journal):
    """Records written before a restart are found after it, moved into the journal in order, and never again."""
    reserve = Reserve(tmp_path, SIZE)
    for number in range(3):
        reserve.append(Kind.OVERRIDE, {"n": number}, NOW)
    reserve.close()
    reserve = Reserve(tmp_path, SIZE)
    assert len(reserve.records) == 3
    assert reserve.drain(journal, NOW) == 3
    assert reserve.drain(journal, NOW) == 0
    reserve.close()
    assert Reserve(tmp_path, SIZE).records == []
    assert late(journal) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_crash_between_journal_and_reserve_doubles_nothing(tmp_path, journal, monkeypatch):
    """The power goes after the journal's commit and before the reserve is emptied: the records are not moved twice."""
    reserve = Reserve(tmp_path, SIZE)
    reserve.append(Kind.OVERRIDE, {"n": 1}, NOW)
    monkeypatch.setattr(Reserve, "_restart", lambda _self: None)
    reserve.drain(journal, NOW)
    monkeypatch.undo()
    reserve.close()
    reserve = Reserve(tmp_path, SIZE)
    reserve.append(Kind.OVERRIDE, {"n": 2}, NOW)
    reserve.drain(journal, NOW)
    assert late(journal) == [{"n": 1}, {"n": 2}]
    reserve.close()


def test_a_torn_record_ends_the_list(tmp_path):
    """A record half written when the power went is not taken for one; those before it are."""
    reserve = Reserve(tmp_path, SIZE)
    reserve.append(Kind.OVERRIDE, {"n": 1}, NOW)
    end = reserve._end
    reserve.append(Kind.OVERRIDE, {"n": 2}, NOW)
    reserve.close()
    with (tmp_path / "reserve.bin").open("r+b") as file:
        file.seek(end + 12)
        file.write(b"torn")
    assert len(Reserve(tmp_path, SIZE).records) == 1


def test_a_full_reserve_says_so(tmp_path):
    """When even the reserve is full, the fault sends the guard to the key and the paper log."""
    reserve = Reserve(tmp_path, 4096)
    with pytest.raises(JournalFault, match="paper log"):
        for number in range(100):
            reserve.append(Kind.OVERRIDE, {"n": number, "why": "x" * 100}, NOW)
    reserve.close()


def test_the_recorder_falls_back_and_recovers(tmp_path, journal):
    """While the journal is full decisions fail and overrides go to the reserve; once it works they come late."""
    told: list[bool] = []
    recorder = Recorder(journal, Reserve(tmp_path, SIZE), lambda fault: told.append(fault is not None))
    journal.rows(f"PRAGMA max_page_count = {journal.rows('PRAGMA page_count')[0][0]}")
    while recorder.commit_unless_broken(Kind.DECISION, {"text": "x" * 500}, NOW) is not None:
        pass
    assert recorder.commit_or_reserve(Kind.OVERRIDE, {"why": "x" * 600}, NOW) == 0
    journal.rows("PRAGMA max_page_count = 1000000")
    recorder.probe(NOW)
    assert not recorder.broken
    assert late(journal) == [{"why": "x" * 600}]
    assert told == [True, False]


def test_changes_are_made_when_the_event_comes_into_the_journal(tmp_path, journal):
    """State that belongs to a reserved event changes with it, in order; tidying up and unknown names are left out."""
    reserve = Reserve(tmp_path, SIZE)
    add = Change(ADD_PASSAGE, (b"\x01" * 8, None, "in", 5))
    reserve.append(Kind.PASSAGE, {"n": 1}, NOW, [add, set_state("inside", b"1"), Change("DELETE FROM passage", ())])
    reserve.append(Kind.PASSAGE, {"n": 2}, NOW, [set_state("inside", b"2")])
    reserve.close()
    raw = (tmp_path / "reserve.bin").read_bytes()
    assert b"DELETE" not in raw
    assert b"INSERT" not in raw
    reserve = Reserve(tmp_path, SIZE)
    reserve.records.append(reserve.records[1].replace(b'"state"', b'"of-a-later-version"'))
    reserve.drain(journal, NOW)
    assert journal.rows("SELECT cti, household, direction, wall_us FROM passage") == [(b"\x01" * 8, None, "in", 5)]
    assert journal.state("inside") == b"2"
    assert late(journal) == [{"n": 1}, {"n": 2}, {"n": 2}]
    reserve.close()


# --- the probe -------------------------------------------------------------------------------------------------------


def at(seconds: float) -> Instant:
    """A moment so long after NOW."""
    return replace(NOW, mono_us=NOW.mono_us + round(seconds * 1e6))


@pytest.fixture
def watched(tmp_path, journal):
    """A recorder that probes an idle journal every ten seconds, and what it told."""
    told: list[bool] = []
    recorder = Recorder(journal, Reserve(tmp_path, SIZE), lambda fault: told.append(fault is not None), 10)
    recorder.commit(Kind.BOOT, {}, NOW)
    return recorder, told


def test_a_disk_that_fails_while_nobody_comes_is_noticed(watched, journal):
    """The probe finds it within its time and tells it once; that it works again is told and recorded once."""
    recorder, told = watched
    journal.rows("PRAGMA query_only = 1")
    recorder.probe(at(9.9))
    assert told == []
    recorder.probe(at(10))
    assert (told, recorder.broken) == ([True], True)
    recorder.probe(at(11))
    journal.rows("PRAGMA query_only = 0")
    recorder.probe(at(12))
    recorder.probe(at(13))
    assert told == [True, False]
    assert [decode(raw).kind for _, raw in journal.last(9)] == [Kind.BOOT, Kind.FAULT]


def test_a_probe_is_durable_and_adds_no_event(watched, journal):
    """Each probe commits a change of state; the stream stays as it was; a journal in use is not probed."""
    recorder, _ = watched
    recorder.probe(at(10))
    first = journal.state("probe")
    assert first == b"%d" % NOW.wall_us
    recorder.commit(Kind.DOOR, {"lane": "in", "what": "rex"}, at(15))
    recorder.probe(replace(at(20), wall_us=NOW.wall_us + 1))
    assert journal.state("probe") == first
    recorder.probe(replace(at(25), wall_us=NOW.wall_us + 1))
    assert journal.state("probe") != first
    assert [seq for seq, _ in journal.last(9)] == [1, 2]
