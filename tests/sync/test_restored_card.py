"""Cards that were restored from an older copy, cloned, or made anew: found, nothing lost, nothing doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.rehoming import former_table
from tests.sync.whole import Central, Event, WholeStation, copy_card, restore_card


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """The server."""
    found = Central(tmp_path / "central")
    yield found
    found.close()


def assert_all_there(central: Central, written: set[Event]) -> None:
    """Every event is held at central, and each that is held under two streams is known by its origin."""
    held = central.events()
    assert written <= set(held), "lost"


def restored(folder: Path, central: Central, before: int, meanwhile: int, after: int) -> tuple[set[Event], int, int]:
    """Run a station whose card is put back; return what was written, and the epochs before and after."""
    station = WholeStation(folder / "station")
    station.connect()
    written = set(station.held()) | set(station.write(before))
    station.talk(central)
    epoch = station.journal.epoch
    station.close()
    copy_card(folder / "station", folder / "copy")
    station = WholeStation(folder / "station")
    station.connect()
    written |= set(station.held()) | set(station.write(meanwhile))
    station.talk(central)
    station.close()
    restore_card(folder / "copy", folder / "station")
    station = WholeStation(folder / "station")
    written |= set(station.held()) | set(station.write(after))
    station.connect()
    station.talk(central)
    written |= set(station.held()) | set(station.write(3))
    station.talk(central)
    new = station.journal.epoch
    assert not station.uplink.blocked
    assert station.uplink.queue == 0
    station.close()
    return written, epoch, new


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.integers(0, 25), meanwhile=st.integers(1, 25), after=st.integers(0, 40))
def test_a_card_restored_from_an_older_copy_is_found_every_time(
    tmp_path_factory: pytest.TempPathFactory, before: int, meanwhile: int, after: int
) -> None:
    """However much was written before the copy, after it and after its return: a new stream, and all events there.

    Sorted by where they were first recorded no event is there that was not written, and the alarm tells of it.
    """
    folder = tmp_path_factory.mktemp("cards")
    central = Central(folder / "central")
    written, epoch, new = restored(folder, central, before, meanwhile, after)
    assert new != epoch, "the fork was not found"
    assert_all_there(central, written)
    assert set(central.events()) == written, "doubled under another name"
    assert central.counted() == len(written), "counted twice"
    central.close()


def test_two_stations_with_one_card_end_in_two_streams(tmp_path: Path, central: Central) -> None:
    """A cloned card: whoever comes second begins a new stream, and what both have recorded is at central."""
    first = WholeStation(tmp_path / "one")
    first.connect()
    written = set(first.held()) | set(first.write(5))
    first.talk(central)
    first.close()
    copy_card(tmp_path / "one", tmp_path / "two")
    one, two = WholeStation(tmp_path / "one"), WholeStation(tmp_path / "two")
    for _ in range(3):
        for station in (one, two):  # the broker lets in one at a time: both have the same client id
            station.connect()
            written |= set(station.held()) | set(station.write(4))
            station.talk(central)
            written |= set(station.held())
            station.disconnect()
    assert one.journal.epoch != two.journal.epoch
    assert set(central.events()) == written
    assert central.counted() == len(written)
    for station in (one, two):
        assert station.uplink.queue == 0
        station.close()


def test_a_re_imaged_station_begins_a_stream_of_its_own(tmp_path: Path, central: Central) -> None:
    """An empty state directory under a known id is no fork: another epoch, all of it delivered, the old rows kept."""
    written = set[Event]()
    epochs = set[int]()
    for folder in ("old", "new"):
        station = WholeStation(tmp_path / folder)
        station.connect()
        written |= set(station.held()) | set(station.write(9))
        station.talk(central)
        assert station.uplink.queue == 0
        epochs.add(station.journal.epoch)
        station.close()
    assert len(epochs) == 2
    assert sorted(central.events()) == sorted(written)


@pytest.mark.parametrize("what", ["journal", "sync.db"])
def test_one_of_the_two_files_restored_alone(tmp_path: Path, central: Central, what: str) -> None:
    """Only the journal from the copy: found by sync.db at once. Only sync.db: nothing is wrong, it is told again."""
    station = WholeStation(tmp_path / "station")
    station.connect()
    written = set(station.held()) | set(station.write(6))
    station.talk(central)
    station.close()
    copy_card(tmp_path / "station", tmp_path / "copy")
    station = WholeStation(tmp_path / "station")
    station.connect()
    written |= set(station.held()) | set(station.write(9))
    station.talk(central)
    epoch = station.journal.epoch
    station.close()
    for path in (tmp_path / "copy").iterdir():
        if path.name.startswith("journal.db" if what == "journal" else "sync.db"):
            path.replace(tmp_path / "station" / path.name)
    station = WholeStation(tmp_path / "station")
    station.connect()
    station.talk(central)
    written |= set(station.held())
    assert (station.journal.epoch == epoch) is (what == "sync.db")
    assert set(central.events()) == written
    assert station.uplink.queue == 0
    station.close()


def test_what_stayed_behind_is_sent_again_to_a_server_from_a_backup(tmp_path: Path, central: Central) -> None:
    """After a new stream has begun, a server that has forgotten the old one gets its acknowledged rows once more."""
    written, epoch, _new = restored(tmp_path, central, 12, 5, 7)
    empty = Central(tmp_path / "backup")
    station = WholeStation(tmp_path / "station")
    written |= set(station.held())
    assert station.journal.rows(f"SELECT count(*) FROM {former_table(epoch)}")[0][0] > 0
    station.connect()
    station.talk(empty, 80)
    held = set(empty.events())
    lost_with_the_server = {event for event in written if event not in held}
    assert all(event[0] == epoch and event[1] > 13 for event in lost_with_the_server)
    assert set(station.held()) <= held
    assert {(epoch, seq) for seq in range(1, 14)} <= {event[:2] for event in held}
    station.close()
    empty.close()
